//! The heatmap of a `[V, V]` matrix: the notes' Figure 1, with text that can be read everywhere.

use plotters::coord::Shift;
use plotters::element::BitMapElement;
use plotters::prelude::*;

use super::cell_text::CellText;
use super::colour_scale::{ColourScale, Scale, readable_on};
use super::font::Font;
use super::layout::Layout;
use super::{Drawing, Drawn, axes, colour_bar, font_error, labels};
use crate::data::Vocabulary;

/// A matrix and what to write around it.
///
/// Each cell has the colour of its value in the Blues scale and, where there is room, its bigram
/// and value in black or white, whichever has more contrast there. Where there is no room for
/// both, there is only the bigram, and in yet smaller cells nothing. A character that the font
/// does not have, or that cannot be seen alone, is named by its code point.
#[derive(Debug, Clone, PartialEq)]
pub struct Heatmap {
    /// The characters of rows and columns.
    pub vocabulary: Vocabulary,
    /// The value of each bigram, `[V, V]`, finite; the first character is the row.
    pub values: Vec<f64>,
    /// How values become colours; `None` is [`Scale::for_values`].
    pub scale: Option<Scale>,
    /// With how many decimals the values are written; with none, they are whole numbers.
    pub decimals: usize,
    /// Written above the matrix, and cut where it is too long.
    pub title: String,
    /// Written at the colour bar: what a value is.
    pub unit: String,
}

impl Drawing for Heatmap {
    fn check(&self) -> Result<(), String> {
        let v = self.vocabulary.len();
        if self.values.len() != v * v {
            let values = self.values.len();
            return Err(format!("{values} values for {v} × {v} bigrams"));
        }
        let named = |index: usize| self.vocabulary.decode(&[index / v, index % v]);
        let mut values = self.values.iter().enumerate();
        if let Some((index, value)) = values.find(|(_, value)| !value.is_finite()) {
            return Err(format!(
                "the value of {:?} is {value}; only finite values have a colour",
                named(index)
            ));
        }
        let mut values = self.values.iter().enumerate();
        let negative = values.find(|&(_, &value)| value < 0.0);
        match (self.scale, negative) {
            (Some(Scale::Log), Some((index, value))) => Err(format!(
                "the value of {:?} is {value}, and a logarithmic scale begins at 0; a linear one would work",
                named(index)
            )),
            _ => Ok(()),
        }
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let font = Font::embedded().map_err(font_error)?;
        let characters = self.vocabulary.characters().iter();
        let labels: Vec<String> = characters
            .map(|&character| labels::label(character, &font))
            .collect();
        let widths = labels.iter().map(|label| font.width(label));
        let widest = widths.fold(0.0, f64::max);
        let layout = Layout::new(area.dim_in_pixel(), labels.len(), widest);
        let scale = self
            .scale
            .unwrap_or_else(|| Scale::for_values(&self.values));
        let colours = ColourScale::new(&self.values, scale);

        let written = (self.values.as_slice(), self.decimals);
        match CellText::fitting(layout.cell(), written, &labels, &font) {
            Some(text) => self.draw_cells(area, &layout, &colours, &text)?,
            None => self.draw_pixels(area, &layout, &colours)?,
        }
        let title = labels::drawable(&self.title, &font);
        axes::draw(area, &layout, &font, &labels, &title)?;
        let unit = match scale {
            Scale::Linear => vec![self.unit.as_str()],
            Scale::Log => vec![self.unit.as_str(), "(log scale)"],
        };
        colour_bar::draw(area, &layout, &font, &colours, &unit, self.decimals == 0)
    }
}

impl Heatmap {
    fn draw_cells<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        layout: &Layout,
        colours: &ColourScale,
        text: &CellText,
    ) -> Drawn<DB> {
        for (index, &value) in self.values.iter().enumerate() {
            let (i, j) = (index / layout.v, index % layout.v);
            let corner = |i, j| {
                (
                    layout.left + layout.offset(j),
                    layout.top + layout.offset(i),
                )
            };
            let colour = colours.colour(value);
            let cell = Rectangle::new([corner(i, j), corner(i + 1, j + 1)], colour.filled());
            area.draw(&cell)?;
            let middle = (
                layout.left + layout.middle(j),
                layout.top + layout.middle(i),
            );
            text.draw(area, middle, (i, j), value, readable_on(colour))?;
        }
        Ok(())
    }

    /// One picture of all cells; where several fall into one pixel, the largest value counts.
    fn draw_pixels<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        layout: &Layout,
        colours: &ColourScale,
    ) -> Drawn<DB> {
        let side = layout.side as usize;
        let cells = |pixel: usize| {
            let first = pixel * layout.v / side;
            first..((pixel + 1) * layout.v / side).max(first + 1)
        };
        let mut pixels = Vec::with_capacity(side * side * 3);
        for y in 0..side {
            if y > 0 && cells(y) == cells(y - 1) {
                pixels.extend_from_within(pixels.len() - 3 * side..);
                continue;
            }
            for x in 0..side {
                let largest = cells(y)
                    .flat_map(|i| &self.values[i * layout.v..][cells(x)])
                    .copied()
                    .fold(f64::NEG_INFINITY, f64::max);
                let RGBColor(red, green, blue) = colours.colour(largest);
                pixels.extend([red, green, blue]);
            }
        }
        let size = (layout.side as u32, layout.side as u32);
        let corner = (layout.left, layout.top);
        match BitMapElement::with_owned_buffer(corner, size, pixels) {
            Some(picture) => area.draw(&picture),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heatmap(values: Vec<f64>, scale: Option<Scale>) -> Heatmap {
        Heatmap {
            vocabulary: Vocabulary::new('.', ['a']).unwrap(),
            values,
            scale,
            decimals: 0,
            title: String::new(),
            unit: String::new(),
        }
    }

    #[test]
    fn values_without_a_colour_are_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let fault = heatmap(vec![0.0, 1.0, value, 0.0], None).check();
            assert!(fault.unwrap_err().starts_with("the value of \"a.\" is"));
        }
        assert!(heatmap(vec![0.0; 3], None).check().is_err());
        let values = vec![0.0, 1.0, -1.0, 0.0];
        let fault = heatmap(values.clone(), Some(Scale::Log)).check();
        assert!(fault.unwrap_err().contains("\"a.\" is -1"));
        assert_eq!(heatmap(values, None).check(), Ok(()));
    }
}
