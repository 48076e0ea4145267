//! The heatmap of bigrams (the notes' Figure 1, with readable text in every cell), or of a word, with a
//! row for the context of each of its characters.

use std::borrow::Cow;
use std::collections::BTreeSet;

use plotters::style::Color;

use super::cell_text::CellText;
use super::colour_scale::{ColourScale, Scale};
use super::frame::{self, Labels, widest};
use super::layout::Layout;
use super::{cells, colour_bar};
use crate::data::Vocabulary;
use crate::plots::drawing::{Canvas, Drawing, SIZES};
use crate::plots::labels;
use crate::plots::style::ORANGE;
use crate::plots::text::Font;

/// The largest width of a context's label, in em.
const CONTEXT: f64 = 6.0;

/// The least height of a picture for each context, in pixels.
const PIXELS_PER_CONTEXT: u32 = 10;

/// A matrix and the texts around it.
///
/// Each cell has the colour of its value: from white to blue, or, where values are below 0, red below it and
/// blue above it. If they fit, it has its bigram and value in
/// black or white; smaller cells have only the bigram, still smaller ones nothing. With contexts, cells
/// have only values. The label of a character that the font lacks or that is invisible on its own is its
/// code point.
#[derive(Debug, Clone, PartialEq)]
pub struct Heatmap {
    /// The characters of the columns, `V`.
    pub vocabulary: Vocabulary,
    /// The `R` rows, from the top; `None` for one row for each character of the vocabulary.
    pub contexts: Option<Vec<ContextRow>>,
    /// The value of each next character after each context, `[R, V]`, finite.
    pub values: Vec<f64>,
    /// The scale of the colours; `None` is [`Scale::for_values`].
    pub scale: Option<Scale>,
    /// The decimals of the values; 0 for whole numbers.
    pub decimals: usize,
    /// The title above the matrix, cut if it is too long.
    pub title: String,
    /// The name of the values, above the colour bar.
    pub unit: String,
}

/// A row of a heatmap: the context of a character in a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextRow {
    /// The context; its label has the last characters that fit.
    pub characters: String,
    /// The index of the character that follows in the word, if the vocabulary has it. Its cell is
    /// outlined.
    pub next: Option<usize>,
}

/// Labels without room in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Only one in so many is drawn.
    pub every: usize,
    /// The least width that has room for all, in pixels.
    pub size: Option<u32>,
}

impl ContextRow {
    /// The largest number of rows in a picture of a height.
    pub fn most(height: u32) -> usize {
        (height / PIXELS_PER_CONTEXT) as usize
    }
}

impl Drawing for Heatmap {
    fn check(&self) -> Result<(), String> {
        let v = self.vocabulary.len();
        let rows = self.contexts.as_ref().map_or(v, Vec::len);
        if self.values.len() != rows * v || rows == 0 {
            let values = self.values.len();
            return Err(format!("{values} values for {rows} × {v} bigrams"));
        }
        let mut next = self.contexts.iter().flatten().filter_map(|row| row.next);
        if let Some(index) = next.find(|&index| index >= v) {
            return Err(format!("the next character {index} is none of {v}"));
        }
        let find = |is_wrong: fn(f64) -> bool| {
            let index = self.values.iter().position(|&value| is_wrong(value))?;
            Some(format!(
                "the value of {:?} is {}",
                self.named(index),
                self.values[index]
            ))
        };
        if let Some(fault) = find(|value| !value.is_finite()) {
            return Err(fault + "; only finite values have a colour");
        }
        match find(|value| value < 0.0) {
            Some(fault) if self.scale == Some(Scale::Log) => {
                Err(fault + ", and a logarithmic scale begins at 0; a linear one would work")
            }
            _ => Ok(()),
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas, font: &Font) {
        self.draw_among(canvas, font, std::slice::from_ref(self));
    }
}

impl Heatmap {
    /// Draws it as one of several, in the colours and with the margin of all.
    pub(super) fn draw_among(&self, canvas: &mut dyn Canvas, font: &Font, all: &[Self]) {
        let labels = self.labels(font);
        let layout = self.placed(canvas.size(), widest_among(&labels, font, all));
        let values = match all {
            [_] => Cow::Borrowed(&self.values),
            _ => Cow::Owned(
                all.iter()
                    .flat_map(|other| &other.values)
                    .copied()
                    .collect(),
            ),
        };
        let scale = all.first().and_then(|first| first.scale);
        let scale = scale.unwrap_or_else(|| Scale::for_values(&values, self.vocabulary.len()));
        let colours = ColourScale::of_heatmap(&values, scale);

        let cell = (layout.columns.size(), layout.rows.size());
        let written = (self.values.as_slice(), self.decimals);
        let bigrams = self.contexts.is_none().then_some(labels.columns.as_slice());
        match CellText::fitting(cell, written, bigrams, font) {
            None => cells::draw_as_pixels(canvas, &layout, &colours, &self.values),
            text => cells::draw(canvas, &layout, &colours, &self.values, text.as_ref()),
        }
        let title = labels::drawable(&self.title, font);
        let ends = colours.ends().map(|end| labels::number(end, self.decimals));
        canvas.describe(&title, &labels.described(&self.unit, &ends));
        frame::draw(canvas, &layout, font, &labels, &title);
        self.draw_outlines(canvas, &layout);
        let unit = [self.unit.as_str(), "(log scale)"];
        let unit = &unit[..if scale == Scale::Log { 2 } else { 1 }];
        colour_bar::draw(canvas, &layout, font, &colours, unit, self.decimals == 0);
    }

    /// The height of a heatmap of a width among others: a square, or as high as the contexts need, but not
    /// higher than wide.
    pub(super) fn height(&self, width: u32, font: &Font, all: &[Self]) -> u32 {
        if self.contexts.is_none() {
            return width;
        }
        let widest = widest_among(&self.labels(font), font, all);
        self.placed((width, width), widest).height().min(width)
    }

    /// Which labels have no room in a width, if any.
    pub(super) fn left_out(&self, font: &Font, width: u32) -> Option<LeftOut> {
        let labels = self.labels(font);
        // Measuring the labels takes far longer than placing them, and many widths are tried.
        let widest = widest_of(&labels, font);
        let every = |width| {
            let (row, column) = self.placed((width, width), widest).labelled();
            row.max(column)
        };
        match every(width) {
            1 => None,
            every_now => Some(LeftOut {
                every: every_now,
                size: SIZES.into_iter().find(|&width| every(width) == 1),
            }),
        }
    }

    /// The characters in a heatmap of a width that no font has, so that their code points are drawn. Where
    /// labels are left out, cells have no text.
    pub(super) fn without_font(&self, font: &Font, width: u32) -> BTreeSet<char> {
        let widest = widest_of(&self.labels(font), font);
        let (every_row, every_column) = self.placed((width, width), widest).labelled();
        let characters = |every| self.vocabulary.characters().iter().step_by(every);
        let mut drawn: BTreeSet<char> = characters(every_column).copied().collect();
        match &self.contexts {
            Some(contexts) => {
                let contexts = contexts.iter().step_by(every_row);
                drawn.extend(contexts.flat_map(|row| row.characters.chars()));
            }
            None => drawn.extend(characters(every_row)),
        }
        drawn.retain(|&character| labels::lacks_font(character, font));
        drawn
    }

    /// The characters of a cell.
    fn named(&self, index: usize) -> String {
        let v = self.vocabulary.len();
        let (row, next) = (index / v, self.vocabulary.itos(index % v));
        match &self.contexts {
            Some(contexts) => format!("{}{next}", contexts[row].characters),
            None => format!("{}{next}", self.vocabulary.itos(row)),
        }
    }

    fn labels(&self, font: &Font) -> Labels<'static> {
        let characters = self.vocabulary.characters().iter();
        let columns: Vec<String> = characters
            .map(|&character| labels::label(character, font))
            .collect();
        match &self.contexts {
            None => Labels {
                rows: columns.clone(),
                columns,
                row: "first character",
                column: &["next character"],
            },
            Some(contexts) => Labels {
                rows: contexts
                    .iter()
                    .map(|row| labels::of_context(&row.characters, CONTEXT, font))
                    .collect(),
                columns,
                row: "context",
                column: &[
                    "next character (outlined: the one in the word)",
                    "next character",
                ],
            },
        }
    }

    /// The layout of rows and columns, each their number and the width of the widest label in em.
    fn placed(&self, size: (u32, u32), [rows, columns]: [(usize, f64); 2]) -> Layout {
        match self.contexts {
            None => Layout::square(size, columns.0, columns.1),
            Some(_) => Layout::wide(size, rows, columns),
        }
    }

    /// Draws outlines around the cells of the next characters, even if they are narrower than a pixel.
    fn draw_outlines(&self, canvas: &mut dyn Canvas, layout: &Layout) {
        let wide = layout.ems(0.1).max(1);
        for (row, context) in self.contexts.iter().flatten().enumerate() {
            let Some(next) = context.next else {
                continue;
            };
            let [(left, top), (right, bottom)] = layout.cell((row, next));
            let (outer_left, outer_right) = (left - wide, right + wide);
            for corners in [
                [(outer_left, top - wide), (outer_right, top)],
                [(outer_left, bottom), (outer_right, bottom + wide)],
                [(outer_left, top), (left, bottom)],
                [(right, top), (outer_right, bottom)],
            ] {
                canvas.rectangle(corners, ORANGE.filled());
            }
        }
    }
}

/// The number of rows and of columns, and the width of their widest labels in em.
fn widest_of(labels: &Labels, font: &Font) -> [(usize, f64); 2] {
    [&labels.rows, &labels.columns].map(|labels| widest(labels, font))
}

/// The same of one of several heatmaps: its rows' labels have the room that those of all need.
fn widest_among(labels: &Labels, font: &Font, all: &[Heatmap]) -> [(usize, f64); 2] {
    let [(rows, own), columns] = widest_of(labels, font);
    let of_others = match all {
        [_] => 0.0,
        _ => {
            let rows = all
                .iter()
                .map(|other| widest(&other.labels(font).rows, font).1);
            rows.fold(0.0, f64::max)
        }
    };
    [(rows, own.max(of_others)), columns]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plots::drawing::draw;

    fn heatmap(values: Vec<f64>, scale: Option<Scale>) -> Heatmap {
        Heatmap {
            vocabulary: Vocabulary::new('.', ['a']).unwrap(),
            contexts: None,
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

    /// The word "aa", with the character that is expected after each context.
    fn word(values: Vec<f64>, next: [Option<usize>; 3]) -> Heatmap {
        let characters = [".", ".a", ".aa"].map(str::to_owned);
        let contexts = characters.into_iter().zip(next);
        let contexts = contexts.map(|(characters, next)| ContextRow { characters, next });
        Heatmap {
            contexts: Some(contexts.collect()),
            ..heatmap(values, None)
        }
    }

    #[test]
    fn rows_of_contexts_are_as_many_as_their_values() {
        let next = [Some(1), None, Some(0)];
        assert_eq!(word(vec![0.5; 6], next).check(), Ok(()));
        assert!(word(vec![0.5; 4], next).check().is_err());
        let fault = word(vec![0.5; 6], [Some(1), Some(2), Some(0)]).check();
        assert_eq!(fault.unwrap_err(), "the next character 2 is none of 2");
        let values = vec![0.5, 0.5, 0.5, f64::NAN, 0.5, 0.5];
        let fault = word(values, next).check();
        assert!(
            fault
                .unwrap_err()
                .starts_with("the value of \".aa\" is NaN")
        );
        let none = Heatmap {
            contexts: Some(Vec::new()),
            ..heatmap(Vec::new(), None)
        };
        assert!(none.check().is_err());
    }

    #[test]
    fn every_second_label_was_left_out_without_a_word() {
        let many = |number| {
            let characters = ('\u{4E00}'..).take(number);
            Heatmap {
                vocabulary: Vocabulary::new('.', characters).unwrap(),
                values: vec![1.0; (number + 1).pow(2)],
                ..heatmap(Vec::new(), None)
            }
        };
        let file = Path::new("out.svg");
        let font = Font::for_svg().unwrap();
        let left_out = many(200).left_out(&font, 1600).unwrap();
        assert!(left_out.every > 1, "{left_out:?}");
        let size = left_out.size.unwrap();
        assert_eq!(many(200).left_out(&font, size), None);
        assert!(many(200).left_out(&font, size - 1).is_some());
        assert_eq!(many(1000).left_out(&font, 1600).unwrap().size, None);
        assert_eq!(many(20).left_out(&font, 1600), None);

        let svg = |size: u32| {
            let drawn = draw(file, (size, size), &many(200)).unwrap();
            String::from_utf8(drawn).unwrap()
        };
        let said = format!("next character, 1 in {} named", left_out.every);
        assert!(svg(1600).contains(&said) && !svg(size).contains(" named"));
    }

    /// Those of labels that are left out were counted too.
    #[test]
    fn characters_without_a_font_are_those_that_are_drawn() {
        let font = Font::alone();
        let many = |number: usize| {
            let characters = ('\u{4E00}'..).take(number);
            Heatmap {
                vocabulary: Vocabulary::new('.', characters).unwrap(),
                values: vec![1.0; (number + 1).pow(2)],
                ..heatmap(Vec::new(), None)
            }
        };
        assert_eq!(many(20).without_font(&font, 1600).len(), 20);
        let LeftOut { every, .. } = many(400).left_out(&font, 1600).unwrap();
        // The start token is the first of the 401.
        let named = 401_usize.div_ceil(every) - 1;
        assert!(every > 1);
        assert_eq!(many(400).without_font(&font, 1600).len(), named);
        let mut word = word(vec![0.5; 6], [None; 3]);
        assert_eq!(word.without_font(&font, 1600).len(), 0);
        // A context has a character that has no column.
        word.contexts.as_mut().unwrap()[1].characters = ".一".to_owned();
        assert_eq!(Vec::from_iter(word.without_font(&font, 1600)), ['一']);
        assert_eq!(
            many(20).without_font(&Font::for_svg().unwrap(), 1600).len(),
            0
        );
    }

    #[test]
    fn a_picture_of_few_contexts_is_wider_than_high() {
        let heatmap = word(vec![0.5; 6], [None; 3]);
        let height = |width| heatmap.height(width, &Font::alone(), std::slice::from_ref(&heatmap));
        assert!((300..600).contains(&height(1600)), "{}", height(1600));
        assert!(height(200) < 200, "{}", height(200));
        assert_eq!(ContextRow::most(1000), 100);
    }
}
