//! The text in the cells of a heatmap.

use plotters::style::RGBColor;

use crate::plots::drawing::Canvas;
use crate::plots::labels::{number, stands_beside};
use crate::plots::text::{Font, SMALLEST};

/// The distance between two baselines, in em.
const LINE: f64 = 1.15;

/// The text may fill this share of a cell's width and height, less if cells may have outlines.
const FILLED: f64 = 0.88;
const FILLED_INSIDE_OUTLINES: f64 = 0.8;

/// The text of all cells, in one size.
pub struct CellText<'a> {
    font: &'a Font,
    /// The labels of the characters, and whether each may stand beside another; `None` if cells have only
    /// values.
    labels: Option<Vec<(&'a str, bool)>>,
    em: f64,
    /// The decimals of the values; `None` if cells have only bigrams.
    decimals: Option<usize>,
}

impl<'a> CellText<'a> {
    /// The text that is readable in cells of a width and a height: bigrams and values, or one of them.
    /// `None` if neither fits.
    pub fn fitting(
        (width, height): (f64, f64),
        (values, decimals): (&[f64], usize),
        labels: Option<&'a [String]>,
        font: &'a Font,
    ) -> Option<Self> {
        let cell = width.min(height);
        // Before millions of values are written to measure them.
        if cell < SMALLEST {
            return None;
        }
        let labels = labels.map(|labels| {
            let labels = labels.iter().map(String::as_str);
            labels.map(|label| (label, stands_beside(label))).collect()
        });
        let size = |labels: &Vec<_>| size_of_bigrams(labels, font);
        let (bigram, lines) = labels.as_ref().map_or((0.0, 0), size);
        let (filled, largest) = match &labels {
            Some(_) => (FILLED, 0.34 * cell),
            None => (FILLED_INSIDE_OUTLINES, (0.5 * height).max(SMALLEST)),
        };
        let fits = |widest: f64, lines: usize| {
            // The last line takes a whole em, for its descenders.
            let high = LINE * (lines - 1) as f64 + 1.0;
            let em = (filled * width / widest).min(filled * height / high);
            (em >= SMALLEST).then(|| em.min(largest))
        };
        let widths = values.iter().map(|&value| number(value, decimals));
        let longest = widths.max_by_key(String::len).unwrap_or_default();
        let with_values = fits(bigram.max(font.width(&longest)), lines + 1);
        let bigrams = || labels.as_ref().and_then(|_| fits(bigram, lines));
        let written = with_values.map(|em| (em, Some(decimals)));
        let written = written.or_else(|| bigrams().map(|em| (em, None)));
        written.map(|(em, decimals)| Self {
            font,
            labels,
            em,
            decimals,
        })
    }

    /// Draws one cell's text around its middle.
    pub fn draw(
        &self,
        canvas: &mut dyn Canvas,
        (x, y): (i32, i32),
        (i, j): (usize, usize),
        value: f64,
        colour: RGBColor,
    ) {
        let bigram = self.labels.as_ref().map(|labels| (labels[i], labels[j]));
        let mut lines = match bigram {
            None => Vec::new(),
            Some(((first, true), (next, true))) => vec![format!("{first}{next}")],
            Some(((first, _), (next, _))) => vec![first.to_owned(), next.to_owned()],
        };
        lines.extend(self.decimals.map(|decimals| number(value, decimals)));
        let line = (LINE * self.em).round();
        let mut middle = f64::from(y) - 0.5 * line * (lines.len() - 1) as f64;
        for text in &lines {
            let at = (x, middle.round() as i32);
            canvas.text(&self.font.text(text, at, self.em).colour(colour));
            middle += line;
        }
    }
}

/// The width of the widest bigram in em, and the number of its lines.
fn size_of_bigrams(labels: &[(&str, bool)], font: &Font) -> (f64, usize) {
    let widest = |is_beside| {
        let labels = labels.iter().filter(|(_, beside)| *beside == is_beside);
        font.widest(labels.map(|(label, _)| *label))
    };
    let are_beside = labels.iter().all(|(_, is_beside)| *is_beside);
    let lines = if are_beside { 1 } else { 2 };
    ((2.0 * widest(true)).max(widest(false)), lines)
}
