//! The axes of pictures of lines and points: both are linear.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters_backend::BackendCoord;

use super::Drawn;
use super::axes::{GREY, draw_title};
use super::font::Font;
use super::ticks::{self, Tick};

/// How high a row of the legend is, in em.
pub const LEGEND_ROW: f64 = 1.5;

/// Where the middle of the legend's first row is, in em from the top.
pub const LEGEND_TOP: f64 = 4.0;

/// What the axes show and what is written beside them.
#[derive(Debug, Clone)]
pub struct Plane<'a> {
    pub title: &'a str,
    pub horizontal: Axis<'a>,
    pub vertical: Axis<'a>,
    /// For how many rows of a legend there is room between the title and the axes.
    pub legend_rows: usize,
}

/// An axis of a plane.
#[derive(Debug, Clone)]
pub struct Axis<'a> {
    pub name: &'a str,
    pub range: Range<f64>,
    /// Whether there are only whole numbers on it.
    pub whole: bool,
}

/// The axes, and from where to where they are in pixels; all grows with the picture.
pub struct Axes<'a> {
    /// Of the numbers.
    pub em: f64,
    pub left: i32,
    pub right: i32,
    pub top: i32,
    pub bottom: i32,
    plane: Plane<'a>,
    horizontal_ticks: Vec<Tick>,
    vertical_ticks: Vec<Tick>,
}

impl<'a> Axes<'a> {
    pub fn new(size: (u32, u32), font: &Font, plane: Plane<'a>) -> Self {
        let (width, height) = (f64::from(size.0), f64::from(size.1));
        let em = em(size);
        let above = LEGEND_TOP + 0.2 + LEGEND_ROW * plane.legend_rows as f64;
        let (top, bottom) = (above * em, height - 4.0 * em);
        let room = (bottom - top) / (2.5 * em);
        let vertical_ticks = plane.vertical.ticks(room.min(10.0));
        let left = (3.3 + widest(&vertical_ticks, font)) * em;
        let widest = if plane.horizontal.whole {
            font.width(&format!("{:.0}", plane.horizontal.range.end))
        } else {
            widest(&plane.horizontal.ticks(12.0), font)
        };
        let right = width - (0.5 * widest + 0.5).max(2.5) * em;
        let room = (right - left) / ((2.0 + widest) * em);
        Self {
            em,
            left: left as i32,
            right: right as i32,
            top: top as i32,
            bottom: bottom as i32,
            horizontal_ticks: plane.horizontal.ticks(room.min(12.0)),
            vertical_ticks,
            plane,
        }
    }

    pub fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        font: &Font,
    ) -> Drawn<DB> {
        let Plane {
            horizontal,
            vertical,
            ..
        } = &self.plane;
        let grid = self.stroke(RGBColor(215, 215, 215), 0.06);
        for tick in &self.horizontal_ticks {
            let (x, _) = self.place(tick.value, vertical.range.start);
            area.draw(&PathElement::new([(x, self.top), (x, self.bottom)], grid))?;
            let at = (x, self.bottom + self.ems(1.0));
            area.draw(&font.text(&tick.label, at, self.em))?;
        }
        for tick in &self.vertical_ticks {
            let (_, y) = self.place(horizontal.range.start, tick.value);
            area.draw(&PathElement::new([(self.left, y), (self.right, y)], grid))?;
            let at = (self.left - self.ems(0.5), y);
            area.draw(&font.text(&tick.label, at, self.em).align(HPos::Right))?;
        }
        let axes = [
            (self.left, self.top),
            (self.left, self.bottom),
            (self.right, self.bottom),
        ];
        area.draw(&PathElement::new(axes, self.stroke(GREY, 0.06)))?;

        let em = 1.1 * self.em;
        draw_title(area, font, self.plane.title, em, self.ems(1.8))?;
        let at = ((self.left + self.right) / 2, self.bottom + self.ems(2.8));
        area.draw(&font.text(horizontal.name, at, em))?;
        let at = (self.ems(1.2), (self.top + self.bottom) / 2);
        area.draw(&font.text(vertical.name, at, em).upwards())
    }

    /// An entry of the legend: a piece of a line, and what the line is. It begins so many em from
    /// the left end of the axes and from the top of the picture.
    pub fn draw_legend<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        font: &Font,
        (left, top): (f64, f64),
        style: ShapeStyle,
        text: &str,
    ) -> Drawn<DB> {
        let (x, y) = (self.left + self.ems(left), self.ems(top));
        let line = [(x, y), (x + self.ems(1.5), y)];
        area.draw(&PathElement::new(line, style))?;
        let at = (x + self.ems(2.0), y);
        area.draw(&font.text(text, at, self.em).align(HPos::Left))
    }

    /// Draws a horizontal line through the axes.
    pub fn draw_level<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        value: f64,
        style: ShapeStyle,
    ) -> Drawn<DB> {
        let (left, y) = self.place(self.plane.horizontal.range.start, value);
        area.draw(&PathElement::new([(left, y), (self.right, y)], style))
    }

    /// Where a point of the plane is.
    pub fn place(&self, across: f64, value: f64) -> BackendCoord {
        let x = RangedCoordf64::from(self.plane.horizontal.range.clone());
        let y = RangedCoordf64::from(self.plane.vertical.range.clone());
        (
            x.map(&across, (self.left, self.right)),
            y.map(&value, (self.bottom, self.top)),
        )
    }

    /// A line so many em wide.
    pub fn stroke(&self, colour: RGBColor, ems: f64) -> ShapeStyle {
        colour.stroke_width(self.ems(ems).max(1) as u32)
    }

    /// So many em as pixels.
    pub fn ems(&self, ems: f64) -> i32 {
        (ems * self.em).round() as i32
    }
}

impl Axis<'_> {
    fn ticks(&self, at_most: f64) -> Vec<Tick> {
        ticks::linear(self.range.clone(), at_most as usize, self.whole)
    }
}

/// How many pixels an em of the numbers has.
pub fn em((width, height): (u32, u32)) -> f64 {
    (f64::from(width) / 75.0).min(f64::from(height) / 47.0)
}

/// From below the lowest to above the highest of some values, as close as they may be.
pub fn around(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let largest = low.abs().max(high.abs());
    let span = match high - low {
        0.0 if largest == 0.0 => 1.0,
        0.0 => largest,
        // So much that rounding leaves something of it.
        span => span.max(1e-9 * largest),
    };
    low - 0.05 * span..high + 0.05 * span
}

/// The width of the widest label, in em.
fn widest(ticks: &[Tick], font: &Font) -> f64 {
    let widths = ticks.iter().map(|tick| font.width(&tick.label));
    widths.fold(0.0, f64::max)
}
