//! Lines between axes, with a legend.

use plotters::style::WHITE;

use super::axes::{Axes, Axis};
use super::legend::Legend;
use crate::plots::drawing::Canvas;
use crate::plots::style::{Marker, Stroke};
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

/// The number of markers along a line.
const MARKERS: usize = 6;

/// The size of a marker in em, from its middle to its corners, and the radius of a point.
const MARKER: f64 = 0.35;

/// The width of the white edge that parts a marker from lines below it, in em.
const EDGE: f64 = 0.12;

/// More points than these in a column of pixels are drawn as what they fill.
const CROWDED: usize = 2;

/// A line through points from left to right; a single point is a circle.
pub struct Line {
    pub stroke: Stroke,
    pub points: Vec<(f64, f64)>,
    /// Whether only markers at the points are drawn, if they do not touch.
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
        // Over all lines, which would hide them.
        for line in &self.lines {
            line.draw_markers(canvas, &axes);
        }
        self.legend.draw(canvas, &axes, font);
    }
}

impl Stroke {
    /// Draws the marker at a point, a circle for a line that is alone.
    pub fn mark(self, canvas: &mut dyn Canvas, axes: &Axes, (x, y): (i32, i32)) {
        let Some(Marker { shape, .. }) = self.marker else {
            return canvas.circle((x, y), axes.pixels(MARKER), self.colour);
        };
        for (size, colour) in [(MARKER + EDGE, WHITE), (MARKER, self.colour)] {
            let corner = |&(right, down): &(f64, f64)| {
                (x + axes.ems(size * right), y + axes.ems(size * down))
            };
            let corners: Vec<(i32, i32)> = shape.iter().map(corner).collect();
            canvas.polygon(&corners, colour);
        }
    }
}

impl Line {
    fn draw(&self, canvas: &mut dyn Canvas, axes: &Axes) {
        let Stroke { colour, width, .. } = self.stroke;
        let points = self.pixels(axes);
        if self.is_dotted {
            return;
        }
        if let [middle] = points[..] {
            return canvas.circle(middle, axes.pixels(MARKER), colour);
        }
        match band(&points, axes.pixels(width) as i32) {
            Some(corners) => canvas.polygon(&corners, colour),
            None => {
                for line in lines(&points) {
                    canvas.line(&line, axes.stroke(colour, width));
                }
            }
        }
    }

    fn draw_markers(&self, canvas: &mut dyn Canvas, axes: &Axes) {
        let points = self.pixels(axes);
        let room = f64::from(axes.right - axes.left) / (3.0 * MARKER * axes.em);
        let points = match self.stroke.marker {
            _ if self.is_dotted && points.len() as f64 <= room => points,
            Some(marker) if !self.is_dotted => {
                marked(&points, (axes.left, axes.right), marker.offset)
            }
            _ => return,
        };
        for middle in points {
            self.stroke.mark(canvas, axes, middle);
        }
    }

    fn pixels(&self, axes: &Axes) -> Vec<(i32, i32)> {
        let points = self.points.iter();
        points.map(|&(x, y)| axes.pixel(x, y)).collect()
    }
}

/// The points of a line that have its markers: those nearest to places that divide the whole width. A line
/// straight upwards has one.
fn marked(points: &[(i32, i32)], (left, right): (i32, i32), offset: f64) -> Vec<(i32, i32)> {
    let [first, .., last] = points else {
        return Vec::new();
    };
    if first.0 == last.0 {
        let way = offset * f64::from(last.1 - first.1);
        return vec![(first.0, first.1 + way as i32)];
    }
    let place = |index: usize| {
        let share = (index as f64 + offset) / MARKERS as f64;
        left + (share * f64::from(right - left)) as i32
    };
    let places = (0..MARKERS)
        .map(place)
        .filter(|x| (first.0..=last.0).contains(x));
    let nearest = places.filter_map(|place| points.iter().min_by_key(|(x, _)| x.abs_diff(place)));
    let mut nearest: Vec<(i32, i32)> = nearest.copied().collect();
    nearest.dedup();
    nearest
}

/// The corners of what a line fills that has many points, perhaps thousands, in each column of pixels; `None`
/// if it has fewer.
fn band(points: &[(i32, i32)], width: i32) -> Option<Vec<(i32, i32)>> {
    let columns = points.chunk_by(|(one, _), (other, _)| one == other);
    let ends: Vec<(i32, i32, i32)> = columns
        .filter_map(|column| {
            let ys = column.iter().map(|&(_, y)| y);
            Some((column[0].0, ys.clone().min()?, ys.max()?))
        })
        .collect();
    (points.len() > CROWDED * ends.len() && ends.len() > 1).then(|| {
        let (above, below) = (width / 2, width - width / 2);
        let upper = ends.iter().map(|&(x, top, _)| (x, top - above));
        let lower = ends.iter().rev().map(|&(x, _, bottom)| (x, bottom + below));
        upper.chain(lower).collect()
    })
}

/// The lines through points from left to right. A line ends at a sharp corner: the corners of plotters'
/// lines stick out.
fn lines(points: &[(i32, i32)]) -> Vec<Vec<(i32, i32)>> {
    let mut points = points.to_vec();
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
    fn a_hundred_thousand_epochs_are_what_they_fill() {
        let points: Vec<_> = (0..100_000).map(|i| (i / 100, i * 7919 % 500)).collect();
        let band = band(&points, 2).unwrap();
        assert_eq!(band.len(), 2 * 1000);
        let ys = |points: &[(i32, i32)]| {
            let ys = points.iter().map(|&(_, y)| y);
            (ys.clone().min().unwrap(), ys.max().unwrap())
        };
        let (top, bottom) = ys(&points);
        assert_eq!(ys(&band), (top - 1, bottom + 1));
        let of_column = |x: i32, points: &[(i32, i32)]| {
            let column = points.iter().copied().filter(|point| point.0 == x);
            ys(&column.collect::<Vec<_>>())
        };
        let (top, bottom) = of_column(7, &points);
        assert_eq!(of_column(7, &band), (top - 1, bottom + 1));
        assert_eq!(super::band(&points[..4], 2), None);
    }

    #[test]
    fn markers_are_on_their_line_and_spread_over_it() {
        let points: Vec<(i32, i32)> = (0..=600).map(|x| (x, x * x)).collect();
        let places = |offset| -> Vec<i32> {
            let marked = marked(&points, (0, 600), offset);
            assert!(marked.iter().all(|point| points.contains(point)));
            marked.into_iter().map(|(x, _)| x).collect()
        };
        assert_eq!(places(0.25), [25, 125, 225, 325, 425, 525]);
        assert_eq!(places(0.75), [75, 175, 275, 375, 475, 575]);
        // A line between two gaps has those that fall on it; one straight upwards has one.
        assert_eq!(
            marked(&points[100..150], (0, 600), 0.25),
            [(125, 125 * 125)]
        );
        assert_eq!(marked(&points[100..110], (0, 600), 0.25), []);
        assert_eq!(marked(&[(7, 90), (7, 10)], (0, 600), 0.25), [(7, 70)]);
    }
}
