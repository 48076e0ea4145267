//! Lines between axes, with a legend.

use super::axes::{Axes, Axis};
use super::legend::Legend;
use crate::plots::drawing::Canvas;
use crate::plots::style::Stroke;
use crate::plots::text::Font;

/// A picture of lines.
pub struct Curves<'a> {
    pub title: &'a str,
    pub horizontal: Axis<'a>,
    pub vertical: Axis<'a>,
    pub legend: Legend,
    /// The lines, in the order of drawing.
    pub lines: Vec<Line>,
}

/// A line through points from left to right; a single point is a circle.
pub struct Line {
    pub stroke: Stroke,
    pub points: Vec<(f64, f64)>,
    /// Whether only circles at the points are drawn, if they do not touch.
    is_dotted: bool,
}

impl Stroke {
    pub fn line(self, points: Vec<(f64, f64)>) -> Line {
        Line {
            stroke: self,
            points,
            is_dotted: false,
        }
    }

    pub fn points(self, points: Vec<(f64, f64)>) -> Line {
        Line {
            is_dotted: true,
            ..self.line(points)
        }
    }
}

impl Curves<'_> {
    pub fn draw(self, canvas: &mut dyn Canvas, font: &Font) {
        let both = [self.horizontal, self.vertical];
        let axes = Axes::draw(canvas, font, self.title, self.legend.rows, both);
        for line in &self.lines {
            line.draw(canvas, &axes);
        }
        self.legend.draw(canvas, &axes, font);
    }
}

impl Line {
    fn draw(&self, canvas: &mut dyn Canvas, axes: &Axes) {
        let Stroke {
            colour,
            width,
            point,
        } = self.stroke;
        let points = self.points.iter().map(|&(x, y)| axes.pixel(x, y));
        let points: Vec<(i32, i32)> = points.collect();
        let room = f64::from(axes.right - axes.left) / (3.0 * point * axes.em);
        if points.len() == 1 || self.is_dotted && points.len() as f64 <= room {
            for middle in points {
                canvas.circle(middle, axes.pixels(point), colour);
            }
        } else if !self.is_dotted {
            for line in lines(&points) {
                canvas.line(&line, axes.stroke(colour, width));
            }
        }
    }
}

/// The lines through points from left to right.
///
/// Of the points in one column of pixels, perhaps thousands, only the first, the lowest, the highest and
/// the last are drawn. A line ends at a sharp corner: the corners of plotters' lines stick out.
fn lines(points: &[(i32, i32)]) -> Vec<Vec<(i32, i32)>> {
    let columns = points.chunk_by(|(one, _), (other, _)| one == other);
    let extremes = columns.flat_map(|column| {
        let lowest = column.iter().min_by_key(|(_, y)| y);
        let highest = column.iter().max_by_key(|(_, y)| y);
        [column.first(), lowest, highest, column.last()]
    });
    let mut points: Vec<(i32, i32)> = extremes.flatten().copied().collect();
    points.dedup();

    let mut lines: Vec<Vec<(i32, i32)>> = Vec::new();
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

/// Whether a line turns by more than 90° at a corner.
fn turns_back(before: (i32, i32), corner: (i32, i32), after: (i32, i32)) -> bool {
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
        assert_eq!(lines(&[]), Vec::<Vec<(i32, i32)>>::new());
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
        let highest = |points: &[(i32, i32)]| points.iter().map(|&(_, y)| y).max();
        let lines = lines(&points);
        assert_eq!(
            lines.iter().filter_map(|line| highest(line)).max(),
            highest(&points)
        );
    }
}
