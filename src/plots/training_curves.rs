//! The losses of a network that is trained in steps: on the words that it learns from (train), and
//! on words held out (dev).

use plotters::coord::Shift;
use plotters::prelude::*;

use super::font::Font;
use super::linear_axes::{Axes, LEGEND_ROW, LEGEND_TOP};
use super::loss_curve::{draw_curve, of_losses, range, span};
use super::{Drawing, Drawn, font_error};

// Colours, and widths in em: batches make the train loss a broad band.
const TRAIN: RGBColor = RGBColor(130, 165, 205);
const TRAIN_WIDTH: f64 = 0.13;
const DEV: RGBColor = RGBColor(203, 75, 22);
const DEV_WIDTH: f64 = 0.19;

/// The radius of a point, in em.
const POINT: f64 = 0.35;

/// The losses of a training in steps; both axes are linear. The legend has the last train loss and
/// the lowest dev loss.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingCurves<'a> {
    /// Steps and the losses on what the network learns from, in nats, finite, in the order of the
    /// steps.
    pub train: &'a [(u64, f64)],
    /// The same on words held out, where there are any; each is drawn as a point.
    pub dev: &'a [(u64, f64)],
}

impl Drawing for TrainingCurves<'_> {
    const SMOOTHED: bool = true;

    fn check(&self) -> Result<(), String> {
        for (name, losses) in [("train", self.train), ("dev", self.dev)] {
            if let Some((step, loss)) = losses.iter().find(|(_, loss)| !loss.is_finite()) {
                return Err(format!("the {name} loss at step {step} is {loss}"));
            }
        }
        match self.train.is_empty() && self.dev.is_empty() {
            true => Err("there are no losses; one would work".to_owned()),
            false => Ok(()),
        }
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let font = Font::embedded().map_err(font_error)?;
        let all = self.train.iter().chain(self.dev);
        let steps = span(all.clone().map(|&(step, _)| step));
        let losses = range(all.map(|&(_, loss)| loss));
        let plane = of_losses("Loss of the network", "step", steps, losses);
        let axes = Axes::new(area.dim_in_pixel(), &font, plane);
        axes.draw(area, &font)?;

        let place = |&(step, loss): &(u64, f64)| axes.place(step as f64, loss);
        let train: Vec<_> = self.train.iter().map(place).collect();
        let train_style = axes.stroke(TRAIN, TRAIN_WIDTH);
        draw_curve(area, &train, train_style)?;
        let dev: Vec<_> = self.dev.iter().map(place).collect();
        let dev_style = axes.stroke(DEV, DEV_WIDTH);
        draw_curve(area, &dev, dev_style)?;
        // A single train loss is no line. Points side by side without a gap would hide theirs.
        let room = f64::from(axes.right - axes.left) / (3.0 * POINT * axes.em);
        for (points, colour, most) in [(&train, TRAIN, 1.0), (&dev, DEV, room)] {
            if points.len() as f64 <= most {
                for &point in points {
                    area.draw(&Circle::new(point, axes.ems(POINT), colour.filled()))?;
                }
            }
        }

        let last = self.train.last();
        let last =
            last.map(|(step, loss)| (train_style, format!("train ({loss:.4} at step {step})")));
        let lowest = self
            .dev
            .iter()
            .min_by(|one, other| one.1.total_cmp(&other.1));
        let lowest = lowest
            .map(|(step, loss)| (dev_style, format!("dev (lowest: {loss:.4} at step {step})")));
        for (row, (style, text)) in last.into_iter().chain(lowest).enumerate() {
            let top = LEGEND_TOP + LEGEND_ROW * row as f64;
            axes.draw_legend(area, &font, (0.0, top), style, &text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::draw;
    use super::*;

    fn svg(train: &[(u64, f64)], dev: &[(u64, f64)]) -> String {
        let curves = TrainingCurves { train, dev };
        let svg = draw(Path::new("out.svg"), (1500, 940), &curves).unwrap();
        String::from_utf8(svg).unwrap()
    }

    #[test]
    fn a_loss_without_a_place_is_refused() {
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
    fn the_legend_has_the_last_train_and_the_lowest_dev_loss() {
        let train = [(0, 3.3), (100, 2.5), (200, 2.25)];
        let dev = [(0, 3.31), (100, 2.4), (200, 2.4)];
        let both = svg(&train, &dev);
        assert!(both.contains("train (2.2500 at step 200)"));
        assert!(both.contains("dev (lowest: 2.4000 at step 100)"));
        assert_eq!(both.matches("<circle").count(), dev.len());
        assert!(!svg(&train, &[]).contains("dev ("));
        assert!(!svg(&[], &dev).contains("train ("));
    }

    #[test]
    fn single_losses_are_points_and_many_are_lines() {
        assert_eq!(svg(&[(7, 3.3)], &[]).matches("<circle").count(), 1);
        assert_eq!(svg(&[(7, 3.3)], &[(7, 3.2)]).matches("<circle").count(), 2);
        let many: Vec<(u64, f64)> = (0..100_000)
            .map(|step| (step, 2.0 + (step % 97) as f64 / 100.0))
            .collect();
        let drawn = svg(&many, &many);
        assert_eq!(drawn.matches("<circle").count(), 0);
        assert!(drawn.len() < 1_000_000, "{} bytes", drawn.len());
    }
}
