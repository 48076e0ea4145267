//! A scatter plot of characters, such as a two-dimensional embedding.

use std::f64::consts::PI;

use plotters::style::WHITE;

use super::axes::{Axes, Axis, around};
use crate::plots::drawing::{Canvas, Drawing};
use crate::plots::labels;
use crate::plots::style::{BLUE, ORANGE, SMALLEST_OF_LINES};
use crate::plots::text::Font;

/// The largest radius of a circle, in em.
const RADIUS: f64 = 1.35;

/// The circles may cover this share of the area; the rest is room to move them apart.
const COVERED: f64 = 0.25;

/// The width of a circle's white edge, in em.
const EDGE: f64 = 0.12;

/// At most so many rounds of moving circles apart.
const ROUNDS: usize = 300;

/// The golden angle in radians: points at multiples of it are spread evenly, as in a sunflower.
const GOLDEN: f64 = 2.399_963;

/// Characters in circles at their points. Circles that would cover each other are moved apart, and a line
/// leads from a moved circle to its point.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter<'a> {
    /// The title above the axes.
    pub title: &'a str,
    /// The name of the horizontal axis.
    pub horizontal: &'a str,
    /// The name of the vertical axis.
    pub vertical: &'a str,
    /// The `V` characters.
    pub characters: &'a [char],
    /// The point of each character, `[V, 2]`, finite.
    pub points: &'a [(f64, f64)],
}

impl Drawing for Scatter<'_> {
    const SMOOTHED: bool = true;
    const SMALLEST: (u32, u32) = SMALLEST_OF_LINES;

    fn check(&self) -> Result<(), String> {
        let (points, characters) = (self.points.len(), self.characters.len());
        if points != characters || points == 0 {
            return Err(format!("{points} points for {characters} characters"));
        }
        let mut points = self.characters.iter().zip(self.points);
        match points.find(|(_, (x, y))| !(x.is_finite() && y.is_finite())) {
            Some((character, (x, y))) => Err(format!("the point of {character:?} is ({x}, {y})")),
            None => Ok(()),
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas, font: &Font) {
        let title = labels::drawable(self.title, font);
        let both = [
            Axis::new(self.horizontal, around(self.points.iter().map(|&(x, _)| x))),
            Axis::new(self.vertical, around(self.points.iter().map(|&(_, y)| y))),
        ];
        let axes = Axes::draw(canvas, font, &title, 0, both);
        let circles = Circles::at(self.points, &axes);
        // White edges separate circles that still cover each other.
        let radius = circles.radius.round() as u32;
        let edge = radius + axes.pixels(EDGE);
        for middle in circles.middles() {
            canvas.circle(middle, edge, WHITE);
            canvas.circle(middle, radius, BLUE);
        }
        // Drawn over the circles, which may cover points of others.
        for (point, end) in circles.moved() {
            canvas.line(&[point, end], axes.stroke(ORANGE, 0.12));
            canvas.circle(point, axes.pixels(0.2), ORANGE);
        }
        for (&character, middle) in self.characters.iter().zip(circles.middles()) {
            let label = labels::label(character, font);
            let em = circles.radius * (1.75 / font.width(&label)).min(1.15);
            canvas.text(&font.text(&label, middle, em).colour(WHITE));
        }
    }
}

/// Circles of one size, and their points, in pixels.
struct Circles {
    points: Vec<(f64, f64)>,
    middles: Vec<(f64, f64)>,
    radius: f64,
}

impl Circles {
    /// Circles at points, moved apart.
    fn at(points: &[(f64, f64)], axes: &Axes) -> Self {
        let points = points.iter().map(|&(x, y)| axes.pixel(x, y));
        let points: Vec<_> = points.map(|(x, y)| (x.into(), y.into())).collect();
        let (left, right) = (f64::from(axes.left), f64::from(axes.right));
        let (top, bottom) = (f64::from(axes.top), f64::from(axes.bottom));
        let covered = COVERED * (right - left) * (bottom - top);
        let largest = (covered / points.len() as f64 / PI).sqrt();
        let mut circles = Self {
            middles: points.clone(),
            points,
            radius: largest.min(RADIUS * axes.em),
        };
        let edge = circles.radius + EDGE * axes.em;
        let corners = [(left + edge, top + edge), (right - edge, bottom - edge)];
        circles.part_equal();
        circles.move_apart(2.0 * circles.radius + EDGE * axes.em, corners);
        circles
    }

    /// Moves circles with the same middle a little, each in a direction of its own.
    fn part_equal(&mut self) {
        let mut order: Vec<usize> = (0..self.middles.len()).collect();
        let middles = &self.points;
        order.sort_by(|&one, &other| {
            let (one, other) = (middles[one], middles[other]);
            one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1))
        });
        for equal in order.chunk_by(|&one, &other| middles[one] == middles[other]) {
            for (index, &circle) in equal.iter().enumerate() {
                let distance = self.radius * 0.1 * (index as f64).sqrt();
                let (y, x) = (GOLDEN * index as f64).sin_cos();
                self.middles[circle].0 += distance * x;
                self.middles[circle].1 += distance * y;
            }
        }
    }

    /// Moves circles apart whose middles are closer than `least`, within the rectangle of two corners.
    fn move_apart(&mut self, least: f64, [(left, top), (right, bottom)]: [(f64, f64); 2]) {
        let middles = &mut self.middles;
        let mut order: Vec<usize> = (0..middles.len()).collect();
        for _ in 0..ROUNDS {
            // From left to right: only the next ones can be close.
            order.sort_by(|&one, &other| middles[one].0.total_cmp(&middles[other].0));
            let mut is_done = true;
            for (index, &one) in order.iter().enumerate() {
                for &other in &order[index + 1..] {
                    let x = middles[other].0 - middles[one].0;
                    if x >= least {
                        break;
                    }
                    let y = middles[other].1 - middles[one].1;
                    let distance = x.hypot(y);
                    if distance < 1e-6 || distance >= least - 0.01 {
                        continue;
                    }
                    is_done = false;
                    let half = 0.5 * (least - distance) / distance;
                    middles[one].0 -= half * x;
                    middles[one].1 -= half * y;
                    middles[other].0 += half * x;
                    middles[other].1 += half * y;
                }
            }
            if is_done {
                return;
            }
            for (x, y) in middles.iter_mut() {
                *x = x.clamp(left, right);
                *y = y.clamp(top, bottom);
            }
        }
    }

    fn middles(&self) -> impl Iterator<Item = (i32, i32)> {
        self.middles.iter().map(|&middle| pixel(middle))
    }

    /// The points outside of their circles, each with the nearest point of its circle.
    fn moved(&self) -> impl Iterator<Item = ((i32, i32), (i32, i32))> {
        let pairs = self.points.iter().zip(&self.middles);
        pairs.filter_map(|(&point, middle)| {
            let (x, y) = (middle.0 - point.0, middle.1 - point.1);
            let distance = x.hypot(y);
            let part = 1.0 - self.radius / distance;
            let end = (point.0 + part * x, point.1 + part * y);
            (distance > self.radius).then(|| (pixel(point), pixel(end)))
        })
    }
}

fn pixel((x, y): (f64, f64)) -> (i32, i32) {
    (x.round() as i32, y.round() as i32)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plots::drawing::draw;

    fn scatter<'a>(characters: &'a [char], points: &'a [(f64, f64)]) -> Scatter<'a> {
        Scatter {
            title: "Embedding of the characters",
            horizontal: "first dimension",
            vertical: "second dimension",
            characters,
            points,
        }
    }

    /// The middles of the filled circles with a character.
    fn circles(svg: &str) -> Vec<(f64, f64)> {
        let value = |element: &str, name: &str| -> f64 {
            let (_, value) = element.split_once(&format!(" {name}=\"")).unwrap();
            value.split('"').next().unwrap().parse().unwrap()
        };
        let circles = svg.split("<circle").skip(1);
        let white =
            circles.filter(|circle| circle[..circle.find('>').unwrap()].contains("#FFFFFF"));
        white
            .map(|circle| (value(circle, "cx"), value(circle, "cy")))
            .collect()
    }

    fn svg(scatter: &Scatter) -> String {
        let svg = draw(Path::new("out.svg"), (1500, 940), scatter).unwrap();
        String::from_utf8(svg).unwrap()
    }

    fn closest(points: &[(f64, f64)]) -> f64 {
        let others = |index: usize| points[index + 1..].iter().map(move |point| (index, point));
        let pairs = (0..points.len()).flat_map(others);
        let distances =
            pairs.map(|(one, other)| (points[one].0 - other.0).hypot(points[one].1 - other.1));
        distances.fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn points_without_a_place_are_refused() {
        let check = |characters: &[char], points: &[_]| scatter(characters, points).check();
        assert_eq!(check(&['a'], &[(0.5, -1.0)]), Ok(()));
        assert_eq!(
            check(&['a', 'b'], &[(0.5, -1.0), (f64::NAN, 0.0)]).unwrap_err(),
            "the point of 'b' is (NaN, 0)"
        );
        assert!(check(&['a'], &[(0.0, f64::INFINITY)]).is_err());
        assert_eq!(
            check(&['a', 'b'], &[(0.5, -1.0)]).unwrap_err(),
            "1 points for 2 characters"
        );
        assert!(check(&[], &[]).is_err());
    }

    #[test]
    fn each_point_has_its_character() {
        let text = svg(&scatter(
            &['a', ' ', '一'],
            &[(0.0, 0.0), (1.0, 2.0), (3.0, -1.0)],
        ));
        assert_eq!(circles(&text).len(), 3);
        for label in ["a", "␣", "一", "first dimension", "second dimension"] {
            assert!(text.contains(&format!(">\n{label}\n</text>")), "{label}");
        }
        // A blue circle on a white one for each point.
        assert_eq!(text.matches("<circle").count(), 6);
    }

    #[test]
    fn equal_points_are_moved_apart() {
        for number in [1_u32, 27, 300] {
            let characters: Vec<char> = ('\u{21}'..).take(number as usize).collect();
            let points = vec![(0.3, -7.0); number as usize];
            let middles = circles(&svg(&scatter(&characters, &points)));
            assert_eq!(middles.len(), number as usize);
            // About the radius of the circles.
            let least = (0.25 * 1375.0 * 770.0 / f64::from(number) / PI)
                .sqrt()
                .min(27.0);
            assert!(
                closest(&middles) > 1.9 * least,
                "{number}: {}",
                closest(&middles)
            );
        }
    }
}
