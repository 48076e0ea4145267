//! Losses: by epoch or step of a training, of batches, and by the order of n-gram models.

use std::ops::Range;

use plotters::style::RGBColor;

use super::axes::{Axis, around_losses, span};
use super::curves::Curves;
use super::legend::Legend;
use crate::plots::drawing::{Canvas, Drawing};
use crate::plots::style::{BLUE, SMALLEST_OF_LINES, Stroke, strokes};
use crate::plots::text::Font;

const LOSS: &str = "loss (nats per character)";
/// The width of the main line, in em.
const THICK: f64 = 0.19;

/// The width of the other lines, in em.
const THIN: f64 = 0.13;

const TITLE: &str = "Loss of the network";

/// The losses of a training by epoch. The legend shows the last one.
#[derive(Debug, Clone, PartialEq)]
pub struct LossCurve<'a> {
    /// The title above the axes.
    pub title: &'a str,
    /// Epochs and losses in nats, finite.
    pub losses: &'a [(u64, f32)],
    /// The average NLL of counting on the same data, in nats, finite; a line to compare with.
    pub counting_nll: f64,
}

impl Drawing for LossCurve<'_> {
    const SMOOTHED: bool = true;
    const SMALLEST: (u32, u32) = SMALLEST_OF_LINES;

    fn check(&self) -> Result<(), String> {
        if !self.counting_nll.is_finite() {
            return Err(format!("the NLL of counting is {}", self.counting_nll));
        }
        let losses = self
            .losses
            .iter()
            .map(|&(epoch, loss)| (epoch, loss.into()));
        check("loss of epoch", losses)
    }

    fn draw(&self, canvas: &mut dyn Canvas, font: &Font) {
        let [network, counting] = pair();
        let counting = Stroke {
            width: THIN,
            ..counting
        };
        let epochs = span(self.losses.iter().map(|&(epoch, _)| epoch));
        let losses = self.losses.iter();
        let losses = losses.map(|&(epoch, loss)| (epoch as f64, loss.into()));
        let losses: Vec<(f64, f64)> = losses.collect();
        let level = [epochs.start, epochs.end].map(|epoch| (epoch, self.counting_nll));
        let last = self
            .losses
            .last()
            .map(|(epoch, loss)| network.entry(format!("network ({loss:.6} in epoch {epoch})")));
        let of_counting = counting.entry(format!("counting ({:.6})", self.counting_nll));
        Curves {
            title: self.title,
            horizontal: Axis::whole("epoch", epochs),
            vertical: Axis::new(LOSS, range(losses.iter().chain(&level))),
            legend: Legend::in_rows(last.into_iter().chain([of_counting]), font),
            lines: vec![network.line(losses), counting.line(level.to_vec())],
        }
        .draw(canvas, font);
    }
}

/// The losses of a training by step. The legend shows the last train loss and the lowest dev loss.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingCurves<'a> {
    /// Steps and train losses in nats, finite, in the order of the steps.
    pub train: &'a [(u64, f64)],
    /// Steps and dev losses in nats, finite, in the order of the steps.
    pub dev: &'a [(u64, f64)],
}

impl Drawing for TrainingCurves<'_> {
    const SMOOTHED: bool = true;
    const SMALLEST: (u32, u32) = SMALLEST_OF_LINES;

    fn check(&self) -> Result<(), String> {
        check("train loss at step", self.train.iter().copied())?;
        check("dev loss at step", self.dev.iter().copied())?;
        check_any(self.train.len() + self.dev.len())
    }

    fn draw(&self, canvas: &mut dyn Canvas, font: &Font) {
        // The losses of batches vary so much that their line is a band; the dev losses stand on it as points.
        let (train, [_, dev]) = (thin(BLUE), pair());
        let last = self.train.last();
        let last =
            last.map(|(step, loss)| train.entry(format!("train ({loss:.4} at step {step})")));
        let lowest = self
            .dev
            .iter()
            .min_by(|one, other| one.1.total_cmp(&other.1));
        let lowest =
            lowest.map(|(step, loss)| dev.entry(format!("dev (lowest: {loss:.4} at step {step})")));
        let mut lines = vec![train.line(points(self.train))];
        if self.dev.len() > 1 {
            lines.push(dev.line(points(self.dev)));
        }
        lines.push(dev.points(points(self.dev)));
        let steps = self.train.iter().chain(self.dev).map(|&(step, _)| step);
        Curves {
            title: TITLE,
            horizontal: Axis::whole("step", span(steps)),
            vertical: Axis::new(LOSS, range(lines.iter().flat_map(|line| &line.points))),
            legend: Legend::in_rows(last.into_iter().chain(lowest), font),
            lines,
        }
        .draw(canvas, font);
    }
}

/// The losses of single batches, or their means.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchLosses<'a> {
    /// The title above the axes.
    pub title: &'a str,
    /// The name of the vertical axis.
    pub vertical: &'a str,
    /// Steps and losses, finite, in the order of the steps.
    pub losses: &'a [(u64, f64)],
}

impl Drawing for BatchLosses<'_> {
    const SMOOTHED: bool = true;
    const SMALLEST: (u32, u32) = SMALLEST_OF_LINES;

    fn check(&self) -> Result<(), String> {
        check("loss at step", self.losses.iter().copied())?;
        check_any(self.losses.len())
    }

    fn draw(&self, canvas: &mut dyn Canvas, font: &Font) {
        let losses = points(self.losses);
        let steps = self.losses.iter().map(|&(step, _)| step);
        Curves {
            title: self.title,
            horizontal: Axis::whole("step", span(steps)),
            vertical: Axis::new(self.vertical, range(&losses)),
            legend: Legend::in_columns(Vec::new(), canvas.size(), font),
            lines: vec![thin(BLUE).line(losses)],
        }
        .draw(canvas, font);
    }
}

/// The dev losses of a smoothing by order.
#[derive(Debug, Clone, PartialEq)]
pub struct DevLosses {
    /// The name of the smoothing.
    pub name: String,
    /// The loss of each order from 1 on, in nats, finite.
    pub losses: Vec<f64>,
}

/// Dev losses by order, in at most three lines. The legend shows the lowest loss of each. The last line is
/// blue.
#[derive(Debug, Clone, PartialEq)]
pub struct ByOrder {
    /// The lines.
    pub lines: Vec<DevLosses>,
}

impl Drawing for ByOrder {
    const SMOOTHED: bool = true;
    const SMALLEST: (u32, u32) = SMALLEST_OF_LINES;

    fn check(&self) -> Result<(), String> {
        for line in &self.lines {
            check("dev loss of order", (1..).zip(line.losses.iter().copied()))?;
        }
        match self.lines.len() {
            1..=3 => Ok(()),
            number => Err(format!("{number} lines; 1 to 3 would work")),
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas, font: &Font) {
        let mut of_lines: Vec<Stroke> = strokes(self.lines.len(), THICK).collect();
        of_lines.reverse();
        let strokes = || self.lines.iter().zip(of_lines.iter().copied());
        let entries = strokes().map(|(DevLosses { name, losses }, stroke)| {
            let lowest = (1..)
                .zip(losses)
                .min_by(|one, other| one.1.total_cmp(other.1));
            let lowest = lowest.map_or(String::new(), |(order, loss)| {
                format!(" (lowest: {loss:.4} at order {order})")
            });
            stroke.entry(name.clone() + &lowest)
        });
        let mut lines = Vec::new();
        for (line, stroke) in strokes() {
            let losses = (1..).zip(&line.losses);
            let losses = losses.map(|(order, &loss)| (f64::from(order), loss));
            let losses: Vec<(f64, f64)> = losses.collect();
            let unmarked = Stroke {
                marker: None,
                ..stroke
            };
            lines.extend(losses.windows(2).map(|ends| unmarked.line(ends.to_vec())));
            lines.push(stroke.points(losses));
        }
        let highest = self.lines.iter().map(|line| line.losses.len()).max();
        let orders = 0.5..highest.unwrap_or(1) as f64 + 0.5;
        Curves {
            title: "Loss on words held out (dev)",
            horizontal: Axis::whole("order: characters looked at together", orders),
            vertical: Axis::new(LOSS, range(lines.iter().flat_map(|line| &line.points))),
            legend: Legend::in_rows(entries, font),
            lines,
        }
        .draw(canvas, font);
    }
}

/// The strokes of two thick lines.
fn pair() -> [Stroke; 2] {
    let mut strokes = strokes(2, THICK);
    std::array::from_fn(|_| strokes.next().unwrap_or(thin(BLUE)))
}

/// The stroke of a thin line without markers.
fn thin(colour: RGBColor) -> Stroke {
    Stroke {
        colour,
        width: THIN,
        marker: None,
    }
}

fn points(losses: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let points = losses.iter().map(|&(step, loss)| (step as f64, loss));
    points.collect()
}

fn range<'a>(points: impl IntoIterator<Item = &'a (f64, f64)>) -> Range<f64> {
    around_losses(points.into_iter().map(|&(_, loss)| loss))
}

/// Refuses losses that are not finite.
fn check(what: &str, mut losses: impl Iterator<Item = (u64, f64)>) -> Result<(), String> {
    match losses.find(|(_, loss)| !loss.is_finite()) {
        Some((at, loss)) => Err(format!("the {what} {at} is {loss}")),
        None => Ok(()),
    }
}

fn check_any(number: usize) -> Result<(), String> {
    match number {
        0 => Err("there are no losses; one would work".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plots::drawing::draw;

    fn svg(train: &[(u64, f64)], dev: &[(u64, f64)]) -> String {
        let curves = TrainingCurves { train, dev };
        let svg = draw(Path::new("out.svg"), (1500, 940), &curves).unwrap();
        String::from_utf8(svg).unwrap()
    }

    #[test]
    fn an_epoch_without_a_place_is_refused() {
        let curve = |loss, counting_nll| {
            let losses = &[(0, 3.6), (1, loss)];
            LossCurve {
                title: "loss",
                losses,
                counting_nll,
            }
            .check()
        };
        assert!(curve(3.0, 2.45).is_ok());
        assert_eq!(
            curve(f32::NAN, 2.45).unwrap_err(),
            "the loss of epoch 1 is NaN"
        );
        assert!(curve(3.0, f64::INFINITY).is_err());
    }

    #[test]
    fn a_step_without_a_place_is_refused() {
        let check = |train: &[_], dev: &[_]| TrainingCurves { train, dev }.check();
        assert_eq!(check(&[(0, 3.3)], &[]), Ok(()));
        assert_eq!(check(&[], &[(500, 2.2)]), Ok(()));
        assert!(check(&[], &[]).is_err());
        assert_eq!(
            check(&[(0, 3.3), (100, f64::NAN)], &[]).unwrap_err(),
            "the train loss at step 100 is NaN"
        );
        assert_eq!(
            check(&[(0, 3.3)], &[(500, f64::INFINITY)]).unwrap_err(),
            "the dev loss at step 500 is inf"
        );
    }

    #[test]
    fn a_batch_without_a_place_is_refused() {
        let check = |losses: &[_]| {
            BatchLosses {
                title: "loss",
                vertical: "loss",
                losses,
            }
            .check()
        };
        assert_eq!(check(&[(0, 3.3), (1, 3.2)]), Ok(()));
        assert!(check(&[]).is_err());
        assert_eq!(
            check(&[(0, 3.3), (7, f64::NAN)]).unwrap_err(),
            "the loss at step 7 is NaN"
        );
    }

    #[test]
    fn an_order_without_a_place_is_refused() {
        let line = |losses: &[f64]| DevLosses {
            name: "line".to_owned(),
            losses: losses.to_vec(),
        };
        let check = |lines| ByOrder { lines }.check();
        assert!(check(vec![line(&[2.8, 2.4])]).is_ok());
        assert_eq!(
            check(vec![line(&[2.8, f64::INFINITY])]).unwrap_err(),
            "the dev loss of order 2 is inf"
        );
        assert!(check(Vec::new()).is_err());
        assert!(check(vec![line(&[1.0]); 4]).is_err());
    }

    /// The markers of dev losses in an SVG.
    fn squares(svg: &str) -> usize {
        let polygons = svg.split("<polygon").skip(1);
        let fills = polygons.filter_map(|polygon| polygon.split('>').next());
        fills.filter(|polygon| polygon.contains("#CB4B16")).count()
    }

    #[test]
    fn the_legend_has_the_last_train_and_the_lowest_dev_loss() {
        let train = [(0, 3.3), (100, 2.5), (200, 2.25)];
        let dev = [(0, 3.31), (100, 2.4), (200, 2.4)];
        let both = svg(&train, &dev);
        assert!(both.contains("train (2.2500 at step 200)"));
        assert!(both.contains("dev (lowest: 2.4000 at step 100)"));
        // Each dev loss has a marker, and so has the legend.
        assert!(squares(&both) > dev.len());
        assert!(!svg(&train, &[]).contains("dev ("));
        assert_eq!(squares(&svg(&train, &[])), 0);
        assert!(!svg(&[], &dev).contains("train ("));
    }

    #[test]
    fn single_losses_are_points_and_many_are_lines() {
        assert_eq!(svg(&[(7, 3.3)], &[]).matches("<circle").count(), 1);
        let both = svg(&[(7, 3.3)], &[(7, 3.2)]);
        assert_eq!((both.matches("<circle").count(), squares(&both)), (1, 2));
        let many: Vec<(u64, f64)> = (0..100_000)
            .map(|step| (step, 2.0 + (step % 97) as f64 / 100.0))
            .collect();
        let drawn = svg(&many, &many);
        assert_eq!(drawn.matches("<circle").count(), 0);
        // Some places of the line, and the legend.
        assert!((2..10).contains(&squares(&drawn)), "{}", squares(&drawn));
        assert!(drawn.len() < 1_000_000, "{} bytes", drawn.len());
    }

    /// The attribute of an SVG's element.
    fn number(element: &str, name: &str) -> f64 {
        let (_, value) = element.split_once(&format!(" {name}=\"")).unwrap();
        value.split('"').next().unwrap().parse().unwrap()
    }

    #[test]
    fn the_legend_of_orders_is_below_the_title_and_above_the_lines_at_every_size() {
        let line = |name: &str| DevLosses {
            name: name.to_owned(),
            losses: vec![2.8, 2.4, 2.1],
        };
        let orders = ByOrder {
            lines: vec![line("one"), line("two"), line("three")],
        };
        for size in [(600, 376), (1200, 750), (600, 2000), (2000, 376)] {
            let svg = draw(Path::new("out.svg"), size, &orders).unwrap();
            let svg = String::from_utf8(svg).unwrap();
            // From its upper end, an em is what ascenders and descenders take.
            let place = |text: &str| {
                let mut texts = svg.split("<text").filter(|element| element.contains(text));
                let element = texts.next().unwrap();
                (
                    number(element, "y"),
                    number(element, "y") + number(element, "font-size"),
                )
            };
            let (_, title) = place("\nLoss on words held out (dev)\n");
            let (first, _) = place("\none (lowest");
            let (_, last) = place("\nthree (lowest");
            assert!(first > title + 4.0, "{size:?}: {first} {title}");
            let (_, axes) = svg.rsplit_once("#969696").unwrap();
            let (_, top) = number_pair(axes);
            assert!(top > last, "{size:?}: {top} {last}");
            let texts = svg
                .split("<text")
                .skip(1)
                .map(|text| number(text, "font-size"));
            // plotters writes sizes that are 1.24 times smaller than what it takes, in whole tenths.
            assert!(texts.fold(f64::INFINITY, f64::min) >= 8.0, "{size:?}");
        }
    }

    /// The first point of a line, x and y.
    fn number_pair(element: &str) -> (f64, f64) {
        let (_, points) = element.split_once("points=\"").unwrap();
        let (x, y) = points.split_once(' ').unwrap().0.split_once(',').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    }

    /// Letters had 3 pixels.
    #[test]
    fn a_picture_too_small_to_read_is_refused_with_a_size_that_works() {
        let dev = [(0, 3.3), (100, 2.4)];
        let curves = TrainingCurves {
            train: &dev,
            dev: &dev,
        };
        for (size, works) in [
            ((200, 200), "600 × 376"),
            ((599, 5000), "600 × 5000"),
            ((1000, 375), "1000 × 376"),
        ] {
            let error = draw(Path::new("out.svg"), size, &curves)
                .unwrap_err()
                .to_string();
            let (width, height) = size;
            let expected = format!(
                "cannot draw out.svg: its text cannot be read in {width} × {height} pixels; {works} would work"
            );
            assert_eq!(error, expected);
        }
    }
}
