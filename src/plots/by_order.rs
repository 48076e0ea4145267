//! The dev loss of n-gram models by their order, a line for each way of smoothing.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::font::Font;
use super::linear_axes::Axes;
use super::loss_curve::{of_losses, range};
use super::{Drawing, Drawn, font_error};

/// Of the lines, in their order.
const COLOURS: [RGBColor; 3] = [
    RGBColor(203, 75, 22),
    RGBColor(90, 90, 90),
    RGBColor(8, 81, 156),
];

/// In em.
const WIDTH: f64 = 0.19;

/// The dev losses of a way of smoothing.
#[derive(Debug, Clone, PartialEq)]
pub struct DevLosses {
    /// What it is called.
    pub name: String,
    /// For every order from 1 on, in nats, finite.
    pub losses: Vec<f64>,
}

/// Dev losses by order; the legend has the lowest of each line. At most three lines, of which the
/// last is drawn in the darkest colour.
#[derive(Debug, Clone, PartialEq)]
pub struct ByOrder {
    /// The lines.
    pub lines: Vec<DevLosses>,
}

impl Drawing for ByOrder {
    const SMOOTHED: bool = true;

    fn check(&self) -> Result<(), String> {
        let mut losses = self.lines.iter().flat_map(|line| &line.losses);
        match losses.find(|loss| !loss.is_finite()) {
            Some(loss) => Err(format!("a dev loss is {loss}")),
            None if self.lines.is_empty() || self.lines.len() > COLOURS.len() => {
                Err(format!("{} lines; 1 to 3 would work", self.lines.len()))
            }
            None => Ok(()),
        }
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let font = Font::embedded().map_err(font_error)?;
        let highest = self.lines.iter().map(|line| line.losses.len()).max();
        let orders = 0.5..highest.unwrap_or(1) as f64 + 0.5;
        let losses = self.lines.iter().flat_map(|line| &line.losses).copied();
        let title = "Loss on words held out (dev)";
        let across = "order: characters looked at together";
        let plane = of_losses(title, across, orders, range(losses));
        let axes = Axes::new(area.dim_in_pixel(), &font, plane);
        axes.draw(area, &font)?;
        let colours = &COLOURS[COLOURS.len() - self.lines.len()..];
        // One line has the colour of the others' last, two have the first and the last.
        let colours = match colours {
            [_, last] => vec![COLOURS[0], *last],
            colours => colours.to_vec(),
        };
        for (row, (line, colour)) in self.lines.iter().zip(colours).enumerate() {
            self.draw_line(area, &axes, line, colour)?;
            self.draw_legend(area, &axes, &font, row, line, colour)?;
        }
        Ok(())
    }
}

impl ByOrder {
    fn draw_line<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        axes: &Axes,
        line: &DevLosses,
        colour: RGBColor,
    ) -> Drawn<DB> {
        let points = (1..).zip(&line.losses);
        let points: Vec<_> = points
            .map(|(order, &loss)| axes.place(f64::from(order), loss))
            .collect();
        // One stretch after the other: plotters' corners stick out the further the sharper they are.
        for stretch in points.windows(2) {
            area.draw(&PathElement::new(
                stretch.to_vec(),
                axes.stroke(colour, WIDTH),
            ))?;
        }
        for point in points {
            area.draw(&Circle::new(point, axes.ems(0.35), colour.filled()))?;
        }
        Ok(())
    }

    /// What a line is and where it is lowest, above the axes.
    fn draw_legend<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        axes: &Axes,
        font: &Font,
        row: usize,
        line: &DevLosses,
        colour: RGBColor,
    ) -> Drawn<DB> {
        let losses = (1..).zip(&line.losses);
        let lowest = losses.min_by(|one, other| one.1.total_cmp(other.1));
        let lowest = lowest.map_or(String::new(), |(order, loss)| {
            format!(" (lowest: {loss:.4} at order {order})")
        });
        let text = font.cut(&(line.name.clone() + &lowest), 60.0);
        // The last line is the lowest, and so is its place.
        let top = 3.4 + 1.4 * row as f64;
        axes.draw_legend(area, font, (0.0, top), axes.stroke(colour, WIDTH), &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_without_a_place_is_refused() {
        let line = |losses: &[f64]| DevLosses {
            name: "line".to_owned(),
            losses: losses.to_vec(),
        };
        let check = |lines| ByOrder { lines }.check();
        assert!(check(vec![line(&[2.8, 2.4])]).is_ok());
        assert!(check(vec![line(&[2.8, f64::INFINITY])]).is_err());
        assert!(check(Vec::new()).is_err());
        assert!(check(vec![line(&[1.0]); 4]).is_err());
    }
}
