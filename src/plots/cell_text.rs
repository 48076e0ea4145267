//! The text in the heatmap's cells.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::Drawn;
use super::font::{Font, SMALLEST};
use super::labels::is_character;

/// From one baseline to the next, in em: no line touches the one below.
const LINE: f64 = 1.15;

/// How much of a cell's width and height its text may fill.
const FILLED: f64 = 0.88;

/// A size, the same in all cells, and what is written in it.
pub struct CellText<'a> {
    font: &'a Font,
    labels: &'a [String],
    em: f64,
    /// The decimals of the values; without room for them, only the bigrams are written.
    decimals: Option<usize>,
}

impl<'a> CellText<'a> {
    /// The text that can be read in cells of this side: bigrams and values with so many decimals,
    /// or only bigrams.
    pub fn fitting(
        cell: f64,
        (values, decimals): (&[f64], usize),
        labels: &'a [String],
        font: &'a Font,
    ) -> Option<Self> {
        // Also keeps from measuring millions of values.
        if cell < SMALLEST {
            return None;
        }
        let width = |label: &String| font.width(label);
        let (short, long): (Vec<_>, Vec<_>) = labels.iter().partition(|label| is_character(label));
        let pair = 2.0 * short.into_iter().map(width).fold(0.0, f64::max);
        let bigram = long.iter().copied().map(width).fold(pair, f64::max);
        let lines = if long.is_empty() { 1 } else { 2 };
        let fits = |widest: f64, lines: usize| {
            // The last line has its descenders below it.
            let high = LINE * (lines - 1) as f64 + 1.0;
            let em = FILLED * cell / widest.max(high);
            (em >= SMALLEST).then(|| em.min(0.34 * cell))
        };
        let only_bigrams = Self {
            font,
            labels,
            em: fits(bigram, lines)?,
            decimals: None,
        };
        let widths = values.iter().map(|value| format!("{value:.decimals$}"));
        let longest = widths.max_by_key(String::len).unwrap_or_default();
        let with_values = fits(bigram.max(font.width(&longest)), lines + 1);
        Some(match with_values {
            Some(em) => Self {
                em,
                decimals: Some(decimals),
                ..only_bigrams
            },
            None => only_bigrams,
        })
    }

    /// Draws one cell's text around its middle.
    pub fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        (x, y): (i32, i32),
        (i, j): (usize, usize),
        value: f64,
        colour: RGBColor,
    ) -> Drawn<DB> {
        let (first, next) = (&self.labels[i], &self.labels[j]);
        let mut lines = if is_character(first) && is_character(next) {
            vec![format!("{first}{next}")]
        } else {
            vec![first.clone(), next.clone()]
        };
        lines.extend(self.decimals.map(|decimals| format!("{value:.decimals$}")));
        let line = (LINE * self.em).round();
        let mut middle = f64::from(y) - 0.5 * line * (lines.len() - 1) as f64;
        for text in &lines {
            let at = (x, middle.round() as i32);
            area.draw(&self.font.text(text, at, self.em).colour(colour))?;
            middle += line;
        }
        Ok(())
    }
}
