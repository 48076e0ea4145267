//! Update-to-data ratios: the size of a matrix's updates relative to its weights, by step.

use plotters::style::BLACK;

use super::axes::{Axis, around_losses, span};
use super::curves::Curves;
use super::legend::Legend;
use crate::plots::drawing::{Canvas, Drawing};
use crate::plots::labels;
use crate::plots::style::{SMALLEST_OF_LINES, Stroke, check_number, strokes};
use crate::plots::text::Font;

/// The decimal logarithm of a good ratio: a thousandth.
const WANTED: f64 = -3.0;
const WANTED_NAME: &str = "-3: a thousandth";

/// The ratios of a matrix of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratios<'a> {
    /// The name in the legend, cut if it is too long.
    pub name: &'a str,
    /// The decimal logarithms of update / data of the steps from 0 on, not NaN. The line has a gap where one
    /// is infinite, as without a gradient.
    pub ratios: &'a [f64],
}

/// The update-to-data ratios of at most 8 matrices at every step, and a black line at -3, where they should
/// be about.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateRatios<'a> {
    /// The title above the axes.
    pub title: &'a str,
    /// The matrices, in the order of the legend.
    pub series: &'a [Ratios<'a>],
}

impl Drawing for UpdateRatios<'_> {
    const SMOOTHED: bool = true;
    const SMALLEST: (u32, u32) = SMALLEST_OF_LINES;

    fn check(&self) -> Result<(), String> {
        check_number(self.series.len())?;
        for Ratios { name, ratios } in self.series {
            if let Some(step) = ratios.iter().position(|ratio| ratio.is_nan()) {
                return Err(format!("the ratio of {name} at step {step} is NaN"));
            }
        }
        match self.series.iter().all(|series| series.ratios.is_empty()) {
            true => Err("there are no ratios; one would work".to_owned()),
            false => Ok(()),
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas, font: &Font) {
        let longest = self.series.iter().map(|series| series.ratios.len()).max();
        let longest = longest.unwrap_or(1).max(1);
        let steps = span([0, longest as u64 - 1].into_iter());
        let wanted = Stroke {
            colour: BLACK,
            width: 0.13,
            marker: None,
        };
        let strokes = || strokes(self.series.len(), 0.08);
        let mut lines = Vec::new();
        for (series, stroke) in self.series.iter().zip(strokes()) {
            let stretches = stretches(series.ratios).into_iter();
            lines.extend(stretches.map(|points| stroke.line(points)));
        }
        lines.push(wanted.line(vec![(steps.start, WANTED), (steps.end, WANTED)]));
        let ratios = lines.iter().flat_map(|line| &line.points);
        let ratios = around_losses(ratios.map(|&(_, ratio)| ratio));
        let entries = self.series.iter().zip(strokes());
        let entries = entries.map(|(series, stroke)| stroke.entry(series.name.to_owned()));
        let entries = entries.chain([wanted.entry(WANTED_NAME.to_owned())]);
        Curves {
            title: &labels::drawable(self.title, font),
            horizontal: Axis::whole("step", steps),
            vertical: Axis::new("log10 of update / data", ratios),
            legend: Legend::in_columns(entries.collect(), canvas.size(), font),
            lines,
        }
        .draw(canvas, font);
    }
}

/// The points of a line without a gap: steps and their ratios.
type Stretch = Vec<(f64, f64)>;

/// The points of a line from gap to gap, which is where a ratio is infinite.
fn stretches(ratios: &[f64]) -> Vec<Stretch> {
    let steps: Vec<(f64, f64)> = (0..).map(f64::from).zip(ratios.iter().copied()).collect();
    let stretches = steps.split(|(_, ratio)| ratio.is_infinite());
    let stretches = stretches.filter(|stretch| !stretch.is_empty());
    stretches.map(<[_]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::plots::drawing::draw;

    fn svg(series: &[Ratios]) -> String {
        let title = "Update to data";
        let svg = draw(
            Path::new("out.svg"),
            (1500, 940),
            &UpdateRatios { title, series },
        );
        String::from_utf8(svg.unwrap()).unwrap()
    }

    #[test]
    fn only_ratios_that_are_no_numbers_are_refused() {
        let check = |ratios: &[f64]| {
            let (title, name) = ("", "W1");
            let series = &[Ratios { name, ratios }];
            UpdateRatios { title, series }.check()
        };
        assert_eq!(check(&[-3.0, f64::NEG_INFINITY]), Ok(()));
        assert_eq!(
            check(&[-3.0, f64::NAN]).unwrap_err(),
            "the ratio of W1 at step 1 is NaN"
        );
        assert!(check(&[]).is_err());
        let (title, series) = ("", &[]);
        assert!(UpdateRatios { title, series }.check().is_err());
    }

    #[test]
    fn infinite_ratios_are_gaps() {
        let gap = f64::NEG_INFINITY;
        let one = |ratios: &[f64]| svg(&[Ratios { name: "W1", ratios }]);
        let lines = |ratios| one(ratios).matches("<polyline").count();
        let whole = lines(&[-2.0, -2.1, -2.2, -2.3, -2.4]);
        assert_eq!(lines(&[-2.0, -2.1, gap, -2.3, -2.4]), whole + 1);
        // A step between gaps is a point; with infinite steps only there is no line.
        assert_eq!(one(&[-2.0, gap, -2.2, -2.3]).matches("<circle").count(), 1);
        assert_eq!(one(&[gap, f64::INFINITY]).matches("<circle").count(), 0);
        assert!(one(&[gap]).contains(WANTED_NAME));
    }

    /// Points were means of several steps, which hid how much single ones differ.
    #[test]
    fn every_step_is_drawn() {
        let gap = f64::NEG_INFINITY;
        let ratios = [-2.0, -3.0, gap, -2.0, gap, gap, -4.0];
        assert_eq!(
            stretches(&ratios),
            [
                vec![(0.0, -2.0), (1.0, -3.0)],
                vec![(3.0, -2.0)],
                vec![(6.0, -4.0)]
            ]
        );
        assert_eq!(stretches(&[gap]), Vec::<Stretch>::new());
        let name = "W1";
        // One step of 5000 that is far from the others.
        let mut ratios = vec![-3.0; 5000];
        let highest = |ratios: &[f64]| svg(&[Ratios { name, ratios }]).contains(">\n-1.0\n</text>");
        assert!(!highest(&ratios));
        ratios[2500] = -1.0;
        assert!(highest(&ratios));
    }

    #[test]
    fn eight_series_of_200_000_steps_are_a_small_picture() {
        let mut random = fastrand::Rng::with_seed(1);
        let noise = |_| -3.0 + random.f64() - 0.5;
        let ratios: Vec<f64> = (0..200_000).map(noise).collect();
        let names = ["C", "W1", "W2", "W3", "W4", "W5", "W6", "W7"];
        let series = names.map(|name| Ratios {
            name,
            ratios: &ratios,
        });
        let start = Instant::now();
        let drawn = svg(&series);
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(drawn.len() < 1_000_000, "{} bytes", drawn.len());
        for name in names.into_iter().chain([WANTED_NAME, "step"]) {
            assert!(drawn.contains(&format!(">\n{name}\n</text>")), "{name}");
        }
    }
}
