//! The densities of several series of numbers in one picture.

use super::axes::{Axis, around, ends};
use super::curves::Curves;
use super::legend::Legend;
use crate::plots::drawing::{Canvas, Drawing};
use crate::plots::labels;
use crate::plots::style::{SMALLEST_OF_LINES, check_number, strokes};
use crate::plots::text::Font;

/// The number of bins: the default of `torch.histogram`.
const BINS: usize = 100;

/// A series of numbers; its density is a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram<'a> {
    /// The name in the legend, cut if it is too long.
    pub name: &'a str,
    /// The numbers, in any order, finite, at least one.
    pub values: &'a [f32],
}

/// The densities of at most 8 series, each over 100 bins from its lowest to its highest number. The area
/// below each line is 1. A series of equal numbers is a vertical line.
#[derive(Debug, Clone, PartialEq)]
pub struct Histograms<'a> {
    /// The title above the axes.
    pub title: &'a str,
    /// The name of the numbers, below the horizontal axis.
    pub horizontal: &'a str,
    /// The series, in the order of the legend.
    pub series: &'a [Histogram<'a>],
}

impl Drawing for Histograms<'_> {
    const SMOOTHED: bool = true;
    const SMALLEST: (u32, u32) = SMALLEST_OF_LINES;

    fn check(&self) -> Result<(), String> {
        check_number(self.series.len())?;
        for Histogram { name, values } in self.series {
            if values.is_empty() {
                return Err(format!("{name} has no values; one would work"));
            }
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(format!("a value of {name} is {value}"));
            }
        }
        Ok(())
    }

    fn draw(&self, canvas: &mut dyn Canvas, font: &Font) {
        let series = self.series.iter();
        let densities: Vec<Density> = series.map(|series| Density::of(series.values)).collect();
        let ends = densities
            .iter()
            .flat_map(|density| [density.low, density.high]);
        let heights = densities.iter().flat_map(|density| &density.heights);
        let highest = heights.copied().fold(0.0, f64::max);
        let highest = 1.05 * if highest > 0.0 { highest } else { 1.0 };
        let strokes = || strokes(self.series.len(), 0.15);
        let lines = densities.iter().zip(strokes()).map(|(density, stroke)| {
            let points = match density.heights.is_empty() {
                true => vec![(density.low, 0.0), (density.low, highest)],
                false => density.points(),
            };
            stroke.line(points)
        });
        let entries = self.series.iter().zip(strokes());
        let entries = entries.map(|(series, stroke)| stroke.entry(series.name.to_owned()));
        Curves {
            title: &labels::drawable(self.title, font),
            horizontal: Axis::new(self.horizontal, around(ends)),
            vertical: Axis::new("density", 0.0..highest),
            legend: Legend::in_columns(entries.collect(), canvas.size(), font),
            lines: lines.collect(),
        }
        .draw(canvas, font);
    }
}

/// The density of a series between its lowest and its highest number.
#[derive(Debug, PartialEq)]
struct Density {
    low: f64,
    high: f64,
    /// The density in each bin; empty if all numbers are equal.
    heights: Vec<f64>,
}

impl Density {
    fn of(values: &[f32]) -> Self {
        let (low, high) = ends(values.iter().map(|&value| value.into()));
        let width = (high - low) / BINS as f64;
        if width <= 0.0 {
            let heights = Vec::new();
            return Self { low, high, heights };
        }
        let mut counts = [0_usize; BINS];
        for &value in values {
            // The last bin includes its end.
            let bin = ((f64::from(value) - low) / width) as usize;
            counts[bin.min(BINS - 1)] += 1;
        }
        let area = values.len() as f64 * width;
        let heights = counts.iter().map(|&count| count as f64 / area).collect();
        Self { low, high, heights }
    }

    /// The middle of each bin and its density.
    fn points(&self) -> Vec<(f64, f64)> {
        let width = (self.high - self.low) / BINS as f64;
        let bins = self.heights.iter().enumerate();
        bins.map(|(bin, &height)| (self.low + (bin as f64 + 0.5) * width, height))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use plotters::style::RGBColor;

    use super::*;
    use crate::plots::drawing::draw;
    use crate::plots::style::COLOURS;

    fn histograms<'a>(series: &'a [Histogram<'a>]) -> Histograms<'a> {
        Histograms {
            title: "Activations",
            horizontal: "output of tanh",
            series,
        }
    }

    #[test]
    fn numbers_without_a_density_are_refused() {
        let check = |values: &[f32]| {
            let name = "layer 2";
            histograms(&[Histogram { name, values }]).check()
        };
        assert_eq!(check(&[0.5, 0.25]), Ok(()));
        assert_eq!(
            check(&[]).unwrap_err(),
            "layer 2 has no values; one would work"
        );
        assert_eq!(
            check(&[0.5, f32::NAN]).unwrap_err(),
            "a value of layer 2 is NaN"
        );
        assert!(check(&[f32::NEG_INFINITY]).is_err());
        let series = vec![
            Histogram {
                name: "one",
                values: &[0.5]
            };
            9
        ];
        assert_eq!(
            histograms(&series).check().unwrap_err(),
            "9 lines; 1 to 8 would work"
        );
        assert!(histograms(&[]).check().is_err());
    }

    /// torch.histogram(torch.tensor([0., .25, .25, 1., 2.]), bins=100, density=True)
    #[test]
    fn the_density_is_that_of_torch() {
        let density = Density::of(&[0.25, 0.0, 1.0, 2.0, 0.25]);
        let mut expected = vec![0.0; BINS];
        expected[0] = 10.0;
        expected[12] = 20.0;
        expected[50] = 10.0;
        expected[99] = 10.0;
        let close = |(one, other): (&f64, &f64)| (one - other).abs() < 1e-12;
        assert!(
            density.heights.iter().zip(&expected).all(close),
            "{density:?}"
        );
        assert_eq!((density.low, density.high), (0.0, 2.0));
        let (x, _) = density.points()[99];
        assert!((x - 1.99).abs() < 1e-12);
        assert_eq!(Density::of(&[3.0, 3.0]).points(), []);
        // A range that f32 cannot express.
        let wide = Density::of(&[f32::MIN, f32::MAX]);
        assert!(wide.heights[0] > 0.0);
    }

    #[test]
    fn every_series_has_a_line_and_an_entry() {
        let names = ["layer 1", "layer 2", "layer 3", "dead"];
        let values: Vec<f32> = (0..1000).map(|i| (i % 37) as f32 / 37.0).collect();
        let series = names.map(|name| Histogram {
            name,
            values: if name == "dead" { &[0.0, 0.0] } else { &values },
        });
        let svg = draw(Path::new("out.svg"), (1500, 940), &histograms(&series)).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        for (name, RGBColor(red, green, blue)) in names.into_iter().zip(COLOURS) {
            assert!(svg.contains(&format!(">\n{name}\n</text>")), "{name}");
            let colour = format!("#{red:02X}{green:02X}{blue:02X}");
            assert!(svg.matches(&colour).count() >= 2, "{name} {colour}");
        }
        assert!(svg.contains("density") && svg.contains("output of tanh"));
    }
}
