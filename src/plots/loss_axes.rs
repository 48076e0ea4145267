//! The axes of pictures of losses.

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

/// The axes, and from where to where they are in pixels; all grows with the picture.
pub struct Axes {
    /// Of the numbers.
    pub em: f64,
    pub left: i32,
    pub right: i32,
    top: i32,
    bottom: i32,
    /// What is on the horizontal axis: epochs, steps or orders.
    pub steps: Range<f64>,
    losses: Range<f64>,
    step_ticks: Vec<Tick>,
    loss_ticks: Vec<Tick>,
    names: Names,
}

/// What is written beside the axes.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    pub title: &'static str,
    pub steps: &'static str,
}

impl Axes {
    pub fn new(
        (width, height): (u32, u32),
        font: &Font,
        steps: Range<f64>,
        losses: Range<f64>,
        names: Names,
    ) -> Self {
        let (width, height) = (f64::from(width), f64::from(height));
        let em = (width / 75.0).min(height / 47.0);
        let (top, bottom) = (7.2 * em, height - 4.0 * em);
        let room = (bottom - top) / (2.5 * em);
        let loss_ticks = ticks::linear(losses.clone(), room.min(10.0) as usize, false);
        let widths = loss_ticks.iter().map(|tick| font.width(&tick.label));
        let left = (3.3 + widths.fold(0.0, f64::max)) * em;
        let widest = font.width(&format!("{:.0}", steps.end));
        let right = width - (0.5 * widest + 0.5).max(2.5) * em;
        let room = (right - left) / ((2.0 + widest) * em);
        Self {
            em,
            left: left as i32,
            right: right as i32,
            top: top as i32,
            bottom: bottom as i32,
            step_ticks: ticks::linear(steps.clone(), room.min(12.0) as usize, true),
            loss_ticks,
            steps,
            losses,
            names,
        }
    }

    pub fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        font: &Font,
    ) -> Drawn<DB> {
        let grid = self.stroke(RGBColor(215, 215, 215), 0.06);
        for tick in &self.step_ticks {
            let (x, _) = self.place(tick.value, self.losses.start);
            area.draw(&PathElement::new([(x, self.top), (x, self.bottom)], grid))?;
            let at = (x, self.bottom + self.ems(1.0));
            area.draw(&font.text(&tick.label, at, self.em))?;
        }
        for tick in &self.loss_ticks {
            let (_, y) = self.place(self.steps.start, tick.value);
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
        draw_title(area, font, self.names.title, em, self.ems(1.8))?;
        let at = ((self.left + self.right) / 2, self.bottom + self.ems(2.8));
        area.draw(&font.text(self.names.steps, at, em))?;
        let name = "loss (nats per character)";
        let at = (self.ems(1.2), (self.top + self.bottom) / 2);
        area.draw(&font.text(name, at, em).upwards())
    }

    /// A row of the legend, above the axes and so many em from the top: a piece of a line, and what
    /// the line is.
    pub fn draw_legend<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        font: &Font,
        top: f64,
        style: ShapeStyle,
        text: &str,
    ) -> Drawn<DB> {
        let y = self.ems(top);
        let line = [(self.left, y), (self.left + self.ems(1.5), y)];
        area.draw(&PathElement::new(line, style))?;
        let at = (self.left + self.ems(2.0), y);
        area.draw(&font.text(text, at, self.em).align(HPos::Left))
    }

    /// Where a step and its loss are.
    pub fn place(&self, step: f64, loss: f64) -> BackendCoord {
        let x = RangedCoordf64::from(self.steps.clone());
        let y = RangedCoordf64::from(self.losses.clone());
        (
            x.map(&step, (self.left, self.right)),
            y.map(&loss, (self.bottom, self.top)),
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
