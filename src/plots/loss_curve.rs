//! The loss of each epoch, with the NLL of the counting model as the line to come down to.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters_backend::BackendCoord;

use super::font::Font;
use super::linear_axes::{Axes, Axis, LEGEND_ROW, LEGEND_TOP, Plane};
use super::{Drawing, Drawn, font_error};

// Colours, and widths in em.
const NETWORK: RGBColor = RGBColor(8, 81, 156);
const NETWORK_WIDTH: f64 = 0.19;
const COUNTING: RGBColor = RGBColor(203, 75, 22);
const COUNTING_WIDTH: f64 = 0.13;

/// The losses of a training; both axes are linear, the loss in nats. The legend has the last one.
#[derive(Debug, Clone, PartialEq)]
pub struct LossCurve<'a> {
    /// The epochs and their losses, finite.
    pub losses: &'a [(u64, f32)],
    /// The average NLL of the counting model on the same data, finite.
    pub counting_nll: f64,
}

impl Drawing for LossCurve<'_> {
    const SMOOTHED: bool = true;

    fn check(&self) -> Result<(), String> {
        if !self.counting_nll.is_finite() {
            return Err(format!("the NLL of counting is {}", self.counting_nll));
        }
        let mut losses = self.losses.iter();
        match losses.find(|(_, loss)| !loss.is_finite()) {
            Some((epoch, loss)) => Err(format!("the loss of epoch {epoch} is {loss}")),
            None => Ok(()),
        }
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let font = Font::embedded().map_err(font_error)?;
        let epochs = span(self.losses.iter().map(|&(epoch, _)| epoch));
        let plane = of_losses("Loss of the network", "epoch", epochs, range(self.values()));
        let axes = Axes::new(area.dim_in_pixel(), &font, plane);
        axes.draw(area, &font)?;
        self.draw_lines(area, &axes)?;
        self.draw_legend(area, &axes, &font)
    }
}

impl LossCurve<'_> {
    fn draw_lines<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        axes: &Axes,
    ) -> Drawn<DB> {
        let curve = self.losses.iter();
        let curve = curve.map(|&(epoch, loss)| axes.place(epoch as f64, loss.into()));
        let curve: Vec<_> = curve.collect();
        if let [point] = curve[..] {
            area.draw(&Circle::new(point, axes.ems(0.35), NETWORK.filled()))?;
        }
        draw_curve(area, &curve, axes.stroke(NETWORK, NETWORK_WIDTH))?;
        let style = axes.stroke(COUNTING, COUNTING_WIDTH);
        axes.draw_level(area, self.counting_nll, style)
    }

    /// What the lines are and where they end, above the axes.
    fn draw_legend<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        axes: &Axes,
        font: &Font,
    ) -> Drawn<DB> {
        let network = self.losses.last().map(|(epoch, loss)| {
            let text = format!("network ({loss:.6} in epoch {epoch})");
            (axes.stroke(NETWORK, NETWORK_WIDTH), text)
        });
        let counting = (
            axes.stroke(COUNTING, COUNTING_WIDTH),
            format!("counting ({:.6})", self.counting_nll),
        );
        for (row, (style, text)) in network.into_iter().chain([counting]).enumerate() {
            let top = LEGEND_TOP + LEGEND_ROW * row as f64;
            axes.draw_legend(area, font, (0.0, top), style, &text)?;
        }
        Ok(())
    }

    /// All losses, that of counting included.
    fn values(&self) -> impl Iterator<Item = f64> {
        let losses = self.losses.iter().map(|&(_, loss)| f64::from(loss));
        losses.chain([self.counting_nll])
    }
}

/// The plane of losses over epochs, steps or orders; its legend has two rows.
pub(super) fn of_losses(
    title: &'static str,
    across: &'static str,
    steps: Range<f64>,
    losses: Range<f64>,
) -> Plane<'static> {
    Plane {
        title,
        horizontal: Axis {
            name: across,
            range: steps,
            whole: true,
        },
        vertical: Axis {
            name: "loss (nats per character)",
            range: losses,
            whole: false,
        },
        legend_rows: 2,
    }
}

/// From the first to the last of some epochs or steps; a single one is in the middle.
pub(super) fn span(steps: impl Iterator<Item = u64> + Clone) -> Range<f64> {
    let first = steps.clone().min().unwrap_or(0) as f64;
    let last = steps.max().unwrap_or(1) as f64;
    if first < last {
        first..last
    } else {
        first - 0.5..first + 0.5
    }
}

/// From below the lowest to above the highest of some losses.
pub(super) fn range(losses: impl Iterator<Item = f64>) -> Range<f64> {
    let ends = losses.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), loss| {
        (low.min(loss), high.max(loss))
    });
    let (low, high) = ends;
    // Never so little that rounding leaves nothing of it.
    let margin = 0.05 * (high - low).max(0.1).max(1e-9 * high.abs());
    low - margin..high + margin
}

/// Draws a line through points from left to right.
pub(super) fn draw_curve<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    points: &[BackendCoord],
    style: ShapeStyle,
) -> Drawn<DB> {
    for line in lines(points) {
        area.draw(&PathElement::new(line, style))?;
    }
    Ok(())
}

/// The lines through points from left to right.
///
/// Of the points above each other, which may be thousands, only the extremes are left. A line ends
/// where the next one turns back: plotters' corners stick out the further the sharper they are.
fn lines(points: &[BackendCoord]) -> Vec<Vec<BackendCoord>> {
    let columns = points.chunk_by(|(one, _), (other, _)| one == other);
    let extremes = columns.flat_map(|column| {
        let lowest = column.iter().min_by_key(|(_, y)| y);
        let highest = column.iter().max_by_key(|(_, y)| y);
        [column.first(), lowest, highest, column.last()]
    });
    let mut points: Vec<BackendCoord> = extremes.flatten().copied().collect();
    points.dedup();

    let mut lines: Vec<Vec<BackendCoord>> = Vec::new();
    for point in points {
        match lines.last_mut() {
            None => lines.push(vec![point]),
            Some(line) => match line[..] {
                [.., before, corner] if turns_back(before, corner, point) => {
                    lines.push(vec![corner, point]);
                }
                _ => line.push(point),
            },
        }
    }
    lines
}

/// Whether the way from a point over a corner to the next has an angle below 90°.
fn turns_back(before: BackendCoord, corner: BackendCoord, after: BackendCoord) -> bool {
    let way = |from: i32, to: i32| i64::from(to) - i64::from(from);
    let along_x = way(before.0, corner.0) * way(corner.0, after.0);
    let along_y = way(before.1, corner.1) * way(corner.1, after.1);
    along_x + along_y < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_turns_back_begins_anew() {
        assert_eq!(lines(&[]), Vec::<Vec<BackendCoord>>::new());
        assert_eq!(lines(&[(0, 9), (5, 3), (9, 1)]), [[(0, 9), (5, 3), (9, 1)]]);
        assert_eq!(
            lines(&[(0, 9), (1, 0), (2, 9)]),
            [[(0, 9), (1, 0)], [(1, 0), (2, 9)]]
        );
    }

    #[test]
    fn a_hundred_thousand_epochs_are_a_few_points_a_pixel() {
        let points: Vec<_> = (0..100_000).map(|i| (i / 100, i * 7919 % 500)).collect();
        let drawn: usize = lines(&points).iter().map(Vec::len).sum();
        assert!(drawn < 8 * 1000, "{drawn}");
        let highest = |points: &[BackendCoord]| points.iter().map(|&(_, y)| y).max();
        let lines = lines(&points);
        assert_eq!(
            lines.iter().filter_map(|line| highest(line)).max(),
            highest(&points)
        );
    }

    #[test]
    fn a_loss_without_a_place_is_refused() {
        let curve = |loss, counting_nll| {
            let losses = &[(0, 3.6), (1, loss)];
            LossCurve {
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
}
