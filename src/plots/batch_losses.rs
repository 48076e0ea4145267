//! The losses of the batches of a training, as the lectures plot them.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::font::Font;
use super::linear_axes::{Axes, Axis, Plane};
use super::loss_curve::{draw_curve, range, span};
use super::{Drawing, Drawn, font_error};

// The colour, and in em the width: batches make a broad band.
const COLOUR: RGBColor = RGBColor(8, 81, 156);
const WIDTH: f64 = 0.13;

/// The losses of batches, or means of some of them; both axes are linear.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchLosses<'a> {
    /// What the losses are, such as their logarithm.
    pub vertical: &'a str,
    /// Steps and their losses, finite, in the order of the steps.
    pub losses: &'a [(u64, f64)],
}

impl Drawing for BatchLosses<'_> {
    const SMOOTHED: bool = true;

    fn check(&self) -> Result<(), String> {
        if let Some((step, loss)) = self.losses.iter().find(|(_, loss)| !loss.is_finite()) {
            return Err(format!("the loss at step {step} is {loss}"));
        }
        match self.losses.is_empty() {
            true => Err("there are no losses; one would work".to_owned()),
            false => Ok(()),
        }
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let font = Font::embedded().map_err(font_error)?;
        let plane = Plane {
            title: "Loss of the network",
            horizontal: Axis {
                name: "step",
                range: span(self.losses.iter().map(|&(step, _)| step)),
                whole: true,
            },
            vertical: Axis {
                name: self.vertical,
                range: range(self.losses.iter().map(|&(_, loss)| loss)),
                whole: false,
            },
            legend_rows: 0,
        };
        let axes = Axes::new(area.dim_in_pixel(), &font, plane);
        axes.draw(area, &font)?;
        let places = self.losses.iter();
        let places: Vec<_> = places
            .map(|&(step, loss)| axes.place(step as f64, loss))
            .collect();
        if let [single] = places[..] {
            return area.draw(&Circle::new(single, axes.ems(0.35), COLOUR.filled()));
        }
        draw_curve(area, &places, axes.stroke(COLOUR, WIDTH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_without_a_place_is_refused() {
        let check = |losses: &[_]| {
            BatchLosses {
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
}
