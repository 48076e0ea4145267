//! The heatmap of a `[V, V]` matrix: the notes' Figure 1, with text that can be read everywhere.

use colorgrad::Gradient;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{BoldPoints, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::element::BitMapElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Drawing, Drawn, FONT};
use crate::data::Vocabulary;

/// Below this many pixels a character cannot be read.
const SMALLEST_TEXT: f64 = 7.0;

/// A matrix and what to write around it.
///
/// Each cell has the colour of its value in the Blues scale and, where there is room, its bigram
/// and value in black or white, whichever has more contrast there.
#[derive(Debug, Clone, PartialEq)]
pub struct Heatmap {
    /// The characters of rows and columns.
    pub vocabulary: Vocabulary,
    /// The value of each bigram, `[V, V]`; the first character is the row.
    pub values: Vec<f64>,
    /// With how many decimals the values are written.
    pub decimals: usize,
    /// Written above the matrix.
    pub title: String,
    /// Written at the colour bar: what a value is.
    pub unit: String,
}

/// Where things are, in pixels.
struct Layout {
    left: i32,
    top: i32,
    side: i32,
    v: usize,
}

impl Layout {
    fn new((width, height): (u32, u32), v: usize) -> Self {
        let (width, height) = (f64::from(width), f64::from(height));
        let left = 0.065 * width;
        let top = 0.115 * height;
        let mut side = (width - left - 0.115 * width).min(height - top - 0.025 * height);
        // Whole pixels where cells are large enough, so that they are all alike.
        if side >= 4.0 * v as f64 {
            side -= side % v as f64;
        }
        Self {
            left: left as i32,
            top: top as i32,
            side: side as i32,
            v,
        }
    }

    /// The side of a cell.
    fn cell(&self) -> f64 {
        f64::from(self.side) / self.v as f64
    }

    /// How far cell `index` is from the first.
    fn offset(&self, index: usize) -> i32 {
        (index as f64 * self.cell()).round() as i32
    }

    /// The same for the middle of the cell.
    fn middle(&self, index: usize) -> i32 {
        ((index as f64 + 0.5) * self.cell()).round() as i32
    }
}

impl Drawing for Heatmap {
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let layout = Layout::new(area.dim_in_pixel(), self.vocabulary.len());
        match self.text_size(&layout) {
            Some(size) => self.draw_cells(area, &layout, size)?,
            None => self.draw_pixels(area, &layout)?,
        }
        self.draw_axes(area, &layout)?;
        self.draw_colour_bar(area, &layout)
    }
}

impl Heatmap {
    fn draw_cells<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        layout: &Layout,
        text_size: f64,
    ) -> Drawn<DB> {
        let scale = self.scale();
        for (index, &value) in self.values.iter().enumerate() {
            let (i, j) = (index / layout.v, index % layout.v);
            let corner = |i, j| {
                (
                    layout.left + layout.offset(j),
                    layout.top + layout.offset(i),
                )
            };
            let colour = scale.colour(value);
            let cell = Rectangle::new([corner(i, j), corner(i + 1, j + 1)], colour.filled());
            area.draw(&cell)?;
            let (x, y) = (
                layout.left + layout.middle(j),
                layout.top + layout.middle(i),
            );
            let gap = (0.04 * layout.cell()) as i32;
            let style = text(text_size, &readable_on(colour));
            let bigram = format!("{}{}", self.label(i), self.label(j));
            let above = style.pos(Pos::new(HPos::Center, VPos::Bottom));
            area.draw(&Text::new(bigram, (x, y - gap), above.clone()))?;
            let below = above.pos(Pos::new(HPos::Center, VPos::Top));
            area.draw(&Text::new(self.written(value), (x, y + gap), below))?;
        }
        Ok(())
    }

    /// One picture of all cells; where several fall into one pixel, the largest value counts.
    fn draw_pixels<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        layout: &Layout,
    ) -> Drawn<DB> {
        let scale = self.scale();
        let side = layout.side as usize;
        let cells = |pixel: usize| {
            let first = pixel * layout.v / side;
            first..((pixel + 1) * layout.v / side).max(first + 1)
        };
        let mut pixels = Vec::with_capacity(side * side * 3);
        for y in 0..side {
            for x in 0..side {
                let largest = cells(y)
                    .flat_map(|i| &self.values[i * layout.v..][cells(x)])
                    .copied()
                    .fold(f64::NEG_INFINITY, f64::max);
                let RGBColor(red, green, blue) = scale.colour(largest);
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

    fn draw_axes<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        layout: &Layout,
    ) -> Drawn<DB> {
        let (width, height) = area.dim_in_pixel();
        let size = f64::from(height.min(width)) / 55.0;
        let middle = layout.side / 2;
        let centred = Pos::new(HPos::Center, VPos::Center);

        let title_size = (1.7 * size).min(0.9 * f64::from(width) / text_width(&self.title));
        let at = (width as i32 / 2, (0.028 * f64::from(height)) as i32);
        let style = text(title_size, &BLACK).pos(centred);
        area.draw(&Text::new(self.title.as_str(), at, style))?;

        let style = text(size, &BLACK).pos(centred);
        let at = (layout.left + middle, (0.064 * f64::from(height)) as i32);
        area.draw(&Text::new("next character", at, style.clone()))?;
        let at = ((0.015 * f64::from(width)) as i32, layout.top + middle);
        let upwards = style.transform(FontTransform::Rotate270);
        area.draw(&Text::new("first character", at, upwards))?;

        // As many characters as can stand side by side.
        let label_size = (0.7 * layout.cell()).min(1.2 * size).max(SMALLEST_TEXT);
        let every = (1.2 * label_size / layout.cell()).ceil() as usize;
        let style = text(label_size, &BLACK);
        let gap = (0.5 * size) as i32;
        for index in (0..layout.v).step_by(every.max(1)) {
            let label = self.label(index);
            let at = (layout.left + layout.middle(index), layout.top - gap);
            let above = style.pos(Pos::new(HPos::Center, VPos::Bottom));
            area.draw(&Text::new(label.to_string(), at, above))?;
            let at = (layout.left - gap, layout.top + layout.middle(index));
            let beside = style.pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(label.to_string(), at, beside))?;
        }
        let far = (layout.left + layout.side, layout.top + layout.side);
        let frame = Rectangle::new([(layout.left, layout.top), far], RGBColor(150, 150, 150));
        area.draw(&frame)
    }

    fn draw_colour_bar<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        layout: &Layout,
    ) -> Drawn<DB> {
        let (width, height) = area.dim_in_pixel();
        let size = f64::from(height.min(width)) / 70.0;
        let scale = self.scale();
        let left = layout.left + layout.side + (0.02 * f64::from(width)) as i32;
        let right = left + (0.02 * f64::from(width)) as i32;
        let steps = 256.min(layout.side);
        for step in 0..steps {
            let upper = layout.top + layout.side * step / steps;
            let lower = layout.top + layout.side * (step + 1) / steps;
            let share = 1.0 - f64::from(step) / f64::from(steps - 1);
            let colour = scale.colour(scale.low + share * (scale.high - scale.low));
            area.draw(&Rectangle::new(
                [(left, upper), (right, lower)],
                colour.filled(),
            ))?;
        }
        let style = text(size, &BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        let axis = RangedCoordf64::from(scale.low..scale.high);
        for value in axis.key_points(BoldPoints(9)) {
            let y = axis.map(&value, (layout.top + layout.side, layout.top));
            let tick = PathElement::new([(right, y), (right + (0.3 * size) as i32, y)], BLACK);
            area.draw(&tick)?;
            let at = (right + (0.6 * size) as i32, y);
            area.draw(&Text::new(self.written(value), at, style.clone()))?;
        }
        let at = (left, layout.top - (0.5 * size) as i32);
        let style = style.pos(Pos::new(HPos::Left, VPos::Bottom));
        area.draw(&Text::new(self.unit.as_str(), at, style))
    }

    /// The size in which every cell has room for its bigram and its value, if it can be read.
    fn text_size(&self, layout: &Layout) -> Option<f64> {
        if layout.cell() < 2.0 * SMALLEST_TEXT {
            return None;
        }
        let characters =
            (0..layout.v).map(|index| 2.0 * text_width(&self.label(index).to_string()));
        let values = self.values.iter().map(|&value| self.written(value));
        let longest = values.max_by_key(String::len).unwrap_or_default();
        let widest = characters.fold(text_width(&longest), f64::max);
        let size = (0.9 * layout.cell() / widest).min(0.36 * layout.cell());
        (size >= SMALLEST_TEXT).then_some(size)
    }

    fn written(&self, value: f64) -> String {
        format!("{value:.*}", self.decimals)
    }

    /// The character at an index, made visible.
    fn label(&self, index: usize) -> char {
        match self.vocabulary.itos(index) {
            space if space.is_whitespace() => '␣',
            character => character,
        }
    }

    fn scale(&self) -> Scale {
        let low = self.values.iter().copied().fold(0.0, f64::min);
        let high = self
            .values
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        Scale {
            low,
            high: if high > low { high } else { low + 1.0 },
            blues: colorgrad::preset::blues(),
        }
    }
}

/// Colours from the palest at the lowest value (at most 0) to the darkest at the highest.
struct Scale {
    low: f64,
    high: f64,
    blues: colorgrad::BasisGradient,
}

impl Scale {
    fn colour(&self, value: f64) -> RGBColor {
        let share = (value - self.low) / (self.high - self.low);
        let [red, green, blue, _] = self.blues.at(share as f32).to_rgba8();
        RGBColor(red, green, blue)
    }
}

/// Black or white, whichever has more contrast on the colour (WCAG 2, "contrast ratio").
fn readable_on(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    let linear = |channel: u8| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.040_45 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    };
    let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    let on_black = (luminance + 0.05) / 0.05;
    let on_white = 1.05 / (luminance + 0.05);
    if on_black >= on_white { BLACK } else { WHITE }
}

fn text<'a>(size: f64, colour: &RGBColor) -> TextStyle<'a> {
    (FONT, size).into_font().color(colour)
}

/// The width of a text in units of its size.
fn text_width(text: &str) -> f64 {
    let measured = (FONT, 100.0).into_font().box_size(text);
    measured.map_or(0.6 * text.chars().count() as f64, |(width, _)| {
        f64::from(width) / 100.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_black_on_the_palest_and_white_on_the_darkest_cell() {
        let blues = colorgrad::preset::blues();
        let at = |share| {
            let [red, green, blue, _] = blues.at(share).to_rgba8();
            RGBColor(red, green, blue)
        };
        assert_eq!(readable_on(at(0.0)), BLACK);
        assert_eq!(readable_on(at(1.0)), WHITE);
    }
}
