//! Two linear axes with their grid and names.

use std::ops::Range;

use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use crate::plots::drawing::Canvas;
use crate::plots::labels;
use crate::plots::style::{self, GREY, draw_title};
use crate::plots::text::Font;
use crate::plots::ticks::{self, Tick};

/// The distance between two rows of a legend, in em.
pub const LEGEND_ROW: f64 = 1.5;

/// The middle of a legend's first row, in em from the top.
pub const LEGEND_TOP: f64 = 4.0;

/// An axis: its name and range.
#[derive(Debug, Clone)]
pub struct Axis<'a> {
    name: &'a str,
    range: Range<f64>,
    /// Whether its values are whole numbers.
    whole: bool,
}

impl<'a> Axis<'a> {
    pub fn new(name: &'a str, range: Range<f64>) -> Self {
        let whole = false;
        Self { name, range, whole }
    }

    /// An axis of whole numbers.
    pub fn whole(name: &'a str, range: Range<f64>) -> Self {
        let whole = true;
        Self { name, range, whole }
    }

    fn ticks(&self, at_most: f64) -> Vec<Tick> {
        ticks::linear(self.range.clone(), at_most as usize, self.whole)
    }
}

/// Both axes, with their ends in pixels. All sizes grow with the picture.
pub struct Axes<'a> {
    /// The em of the labels, in pixels.
    pub em: f64,
    pub left: i32,
    pub right: i32,
    pub top: i32,
    pub bottom: i32,
    horizontal: Axis<'a>,
    vertical: Axis<'a>,
    horizontal_ticks: Vec<Tick>,
    vertical_ticks: Vec<Tick>,
}

impl<'a> Axes<'a> {
    /// Draws the title and the axes, and leaves room for `legend_rows` rows of a legend between them.
    pub fn draw(
        canvas: &mut dyn Canvas,
        font: &Font,
        title: &str,
        legend_rows: usize,
        [horizontal, vertical]: [Axis<'a>; 2],
    ) -> Self {
        let (width, height) = canvas.size();
        let em = style::em((width, height));
        let above = LEGEND_TOP + 0.2 + LEGEND_ROW * legend_rows as f64;
        let (top, bottom) = (above * em, f64::from(height) - 4.0 * em);
        let room = (bottom - top) / (2.5 * em);
        let vertical_ticks = vertical.ticks(room.min(10.0));
        let widest = |ticks: &[Tick]| font.widest(ticks.iter().map(|tick| tick.label.as_str()));
        let left = (3.3 + widest(&vertical_ticks)) * em;
        let widest = match horizontal.whole {
            true => font.width(&format!("{:.0}", horizontal.range.end)),
            false => widest(&horizontal.ticks(12.0)),
        };
        let right = f64::from(width) - (0.5 * widest + 0.5).max(2.5) * em;
        let room = (right - left) / ((2.0 + widest) * em);
        let axes = Self {
            em,
            left: left as i32,
            right: right as i32,
            top: top as i32,
            bottom: bottom as i32,
            horizontal_ticks: horizontal.ticks(room.min(12.0)),
            vertical_ticks,
            horizontal,
            vertical,
        };
        canvas.describe(title, &axes.described());
        axes.draw_grid(canvas, font);
        axes.draw_names(canvas, font, title);
        axes
    }

    /// What is drawn between the axes, in a sentence.
    fn described(&self) -> String {
        let of = |Axis { name, range, whole }: &Axis| {
            let decimals = if *whole { 0 } else { 4 };
            let (start, end) = (range.start, range.end);
            let [start, end] = [start, end].map(|end| labels::number(end, decimals));
            format!("{name}, from {start} to {end}")
        };
        let (across, upwards) = (of(&self.horizontal), of(&self.vertical));
        format!("The horizontal axis is {across}; the vertical axis is {upwards}.")
    }

    fn draw_grid(&self, canvas: &mut dyn Canvas, font: &Font) {
        let grid = self.stroke(RGBColor(215, 215, 215), 0.06);
        for tick in &self.horizontal_ticks {
            let (x, _) = self.pixel(tick.value, self.vertical.range.start);
            canvas.line(&[(x, self.top), (x, self.bottom)], grid);
            let at = (x, self.bottom + self.ems(1.0));
            canvas.text(&font.text(&tick.label, at, self.em));
        }
        for tick in &self.vertical_ticks {
            let (_, y) = self.pixel(self.horizontal.range.start, tick.value);
            canvas.line(&[(self.left, y), (self.right, y)], grid);
            let at = (self.left - self.ems(0.5), y);
            canvas.text(&font.text(&tick.label, at, self.em).align(HPos::Right));
        }
        let corner = (self.left, self.bottom);
        let axes = [(self.left, self.top), corner, (self.right, self.bottom)];
        canvas.line(&axes, self.stroke(GREY, 0.06));
    }

    fn draw_names(&self, canvas: &mut dyn Canvas, font: &Font, title: &str) {
        let em = 1.1 * self.em;
        draw_title(canvas, font, title, em, self.ems(1.8));
        let at = ((self.left + self.right) / 2, self.bottom + self.ems(2.8));
        canvas.text(&font.text(self.horizontal.name, at, em));
        let at = (self.ems(1.2), (self.top + self.bottom) / 2);
        canvas.text(&font.text(self.vertical.name, at, em).upwards());
    }

    /// The pixel of a point.
    pub fn pixel(&self, across: f64, value: f64) -> (i32, i32) {
        let x = RangedCoordf64::from(self.horizontal.range.clone());
        let y = RangedCoordf64::from(self.vertical.range.clone());
        (
            x.map(&across, (self.left, self.right)),
            y.map(&value, (self.bottom, self.top)),
        )
    }

    /// The style of a line `ems` em wide.
    pub fn stroke(&self, colour: RGBColor, ems: f64) -> ShapeStyle {
        colour.stroke_width(self.pixels(ems))
    }

    /// Converts em to pixels, at least one.
    pub fn pixels(&self, ems: f64) -> u32 {
        self.ems(ems).max(1) as u32
    }

    /// Converts em to pixels.
    pub fn ems(&self, ems: f64) -> i32 {
        (ems * self.em).round() as i32
    }
}

/// The range from the first to the last step; a single step is in its middle.
pub fn span(steps: impl Iterator<Item = u64> + Clone) -> Range<f64> {
    let first = steps.clone().min().unwrap_or(0) as f64;
    let last = steps.max().unwrap_or(1) as f64;
    if first < last {
        first..last
    } else {
        first - 0.5..first + 0.5
    }
}

/// A range around values, with a margin; it is not empty, even if all values are the same.
pub fn around(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = ends(values);
    let largest = low.abs().max(high.abs());
    let span = match high - low {
        0.0 if largest == 0.0 => 1.0,
        0.0 => largest,
        // Large enough not to be lost in rounding.
        span => span.max(1e-9 * largest),
    };
    low - 0.05 * span..high + 0.05 * span
}

/// A range around losses, with a margin; of at least 0.1, so that a flat curve looks flat.
pub fn around_losses(losses: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = ends(losses);
    let margin = 0.05 * (high - low).max(0.1).max(1e-9 * high.abs());
    low - margin..high + margin
}

/// The lowest and the highest value.
pub fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}
