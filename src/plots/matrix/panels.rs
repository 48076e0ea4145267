//! Several heatmaps in one picture, in the same colours.

use std::collections::BTreeSet;
use std::path::Path;

use super::heatmap::{Heatmap, LeftOut};
use crate::plots::drawing::{Canvas, Drawing, Part, SIZES, font_for};
use crate::plots::text::Font;

/// Heatmaps with one scale of colours: those of words under each other, their columns aligned if they have
/// the same characters; matrices beside each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Panels {
    /// The heatmaps, at least one. The first one's `scale` is that of all.
    pub heatmaps: Vec<Heatmap>,
}

impl Drawing for Panels {
    fn check(&self) -> Result<(), String> {
        if self.heatmaps.is_empty() {
            return Err("there are no heatmaps; one would work".to_owned());
        }
        self.heatmaps.iter().try_for_each(Drawing::check)
    }

    fn draw(&self, canvas: &mut dyn Canvas, font: &Font) {
        let (width, height) = canvas.size();
        let mut titles = Vec::new();
        let mut sentences = Vec::new();
        let mut corner = (0, 0);
        let heights = self.heights(width, font);
        let all: u32 = heights.iter().sum();
        for (heatmap, own) in self.heatmaps.iter().zip(heights) {
            let size = match self.are_matrices() {
                true => (width / self.across(), height),
                // As high as it needs, or in a picture of another height as large a part of it.
                false => (
                    width,
                    (u64::from(own) * u64::from(height) / u64::from(all)) as u32,
                ),
            };
            let mut part = Part::of(canvas, corner, size);
            heatmap.draw_among(&mut part, font, &self.heatmaps);
            let (title, sentence) = part.description;
            titles.push(title);
            sentences.push(sentence);
            match self.are_matrices() {
                true => corner.0 += size.0 as i32,
                false => corner.1 += size.1 as i32,
            }
        }
        canvas.describe(&titles.join("; "), &sentences.join(" "));
    }
}

impl Panels {
    /// The width and height of a picture of `width` pixels in a file. Matrices are squares; the heatmap of a
    /// word is as high as its contexts need, but not higher than wide. The labels depend on the file's format.
    pub fn size(&self, file: &Path, width: u32) -> (u32, u32) {
        // A font that cannot be read is reported when the picture is drawn.
        let height = font_for(file).map_or(width, |font| match self.are_matrices() {
            true => width / self.across(),
            false => self.heights(width, &font).iter().sum(),
        });
        (width, height.max(*SIZES.start()))
    }

    /// Which labels have no room in a picture of `width` pixels in a file, if any.
    pub fn left_out(&self, file: &Path, width: u32) -> Option<LeftOut> {
        let font = font_for(file).ok()?;
        let across = self.across();
        let heatmaps = self.heatmaps.iter();
        let left_out = heatmaps.filter_map(|heatmap| heatmap.left_out(&font, width / across));
        let most = left_out.reduce(|one, other| LeftOut {
            every: one.every.max(other.every),
            size: one.size.zip(other.size).map(|(one, other)| one.max(other)),
        });
        most.map(|LeftOut { every, size }| LeftOut {
            every,
            size: size
                .map(|size| across * size)
                .filter(|size| SIZES.contains(size)),
        })
    }

    /// The number of characters in a picture of `width` pixels in a file whose code points are drawn, since
    /// no font has them.
    pub fn without_font(&self, file: &Path, width: u32) -> usize {
        let Ok(font) = font_for(file) else {
            return 0;
        };
        let width = width / self.across();
        let heatmaps = self.heatmaps.iter();
        let lacking = heatmaps.flat_map(|heatmap| heatmap.without_font(&font, width));
        lacking.collect::<BTreeSet<char>>().len()
    }

    /// Whether no heatmap is that of a word.
    fn are_matrices(&self) -> bool {
        self.heatmaps
            .iter()
            .all(|heatmap| heatmap.contexts.is_none())
    }

    /// How many stand beside each other.
    fn across(&self) -> u32 {
        match self.are_matrices() {
            true => self.heatmaps.len().max(1) as u32,
            false => 1,
        }
    }

    /// The heights of heatmaps of a width.
    fn heights(&self, width: u32, font: &Font) -> Vec<u32> {
        let heatmaps = self.heatmaps.iter();
        heatmaps
            .map(|heatmap| heatmap.height(width, font, &self.heatmaps))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Vocabulary;
    use crate::plots::ContextRow;
    use crate::plots::drawing::draw;

    fn matrix(title: &str, values: [f64; 4]) -> Heatmap {
        Heatmap {
            vocabulary: Vocabulary::new('.', ['a']).unwrap(),
            contexts: None,
            values: values.to_vec(),
            scale: None,
            decimals: 1,
            title: title.to_owned(),
            unit: "probability".to_owned(),
        }
    }

    /// The word "a" by a model that looks at so many characters.
    fn word(title: &str, contexts: [&str; 2], values: [f64; 4]) -> Heatmap {
        let contexts = contexts.map(|characters| ContextRow {
            characters: characters.to_owned(),
            next: Some(1),
        });
        Heatmap {
            contexts: Some(contexts.to_vec()),
            ..matrix(title, values)
        }
    }

    fn svg(heatmaps: Vec<Heatmap>, width: u32) -> String {
        let panels = Panels { heatmaps };
        let file = Path::new("out.svg");
        let drawn = draw(file, panels.size(file, width), &panels).unwrap();
        String::from_utf8(drawn).unwrap()
    }

    /// The attributes of the texts that are `text`.
    fn places(svg: &str, text: &str) -> Vec<(f64, f64)> {
        let number = |element: &str, name: &str| -> f64 {
            let (_, value) = element.split_once(&format!(" {name}=\"")).unwrap();
            value.split('"').next().unwrap().parse().unwrap()
        };
        let found = svg.split("<text").skip(1).filter(|element| {
            let inner = element.split(['>', '<']).nth(1).unwrap();
            inner.trim() == text
        });
        found
            .map(|element| (number(element, "x"), number(element, "y")))
            .collect()
    }

    /// The colours of the cells in which a value is written, in the order of drawing.
    fn colours_of(svg: &str, value: &str) -> Vec<String> {
        let cells: Vec<&str> = svg.split("<rect").skip(1).collect();
        let with_value = cells
            .iter()
            .filter(|cell| cell.contains(&format!(">\n{value}\n<")));
        let colours = with_value.map(|cell| {
            let (_, fill) = cell.split_once("fill=\"").unwrap();
            fill[..7].to_owned()
        });
        colours.collect()
    }

    #[test]
    fn words_stand_under_each_other_in_the_same_colours_and_columns() {
        let one = || word("one", [".", "a"], [0.5, 0.5, 0.5, 0.5]);
        let two = || word("two", [".", ".alexanderina"], [0.1, 0.9, 0.5, 0.5]);
        let both = svg(vec![one(), two()], 800);
        // Nothing is left free between small ones.
        let small = Panels {
            heatmaps: vec![one(), two()],
        };
        let file = Path::new("out.svg");
        let (_, height) = small.size(file, 300);
        let alone = |heatmap| {
            let heatmaps = vec![heatmap];
            Panels { heatmaps }.size(file, 300).1
        };
        assert!(height < alone(one()) + alone(two()), "{height}");
        assert_eq!(alone(one()), 200);
        let [(_, first)] = places(&both, "one")[..] else {
            panic!("{both}")
        };
        let [(_, second)] = places(&both, "two")[..] else {
            panic!("{both}")
        };
        assert!(second > first + 100.0, "{first} {second}");
        // The long label moves the columns of both.
        let columns = places(&both, "0.5");
        assert_eq!(columns[1].0, columns[3].0);
        assert_eq!(columns[3].0, columns[5].0);
        // 0.5 is the darkest of the first alone, but not beside 0.9.
        let of_both = colours_of(&both, "0.5");
        assert_eq!(of_both.len(), 6);
        assert!(
            of_both.iter().all(|colour| *colour == of_both[0]),
            "{of_both:?}"
        );
        assert_ne!(of_both[0], colours_of(&svg(vec![one()], 800), "0.5")[0]);
        assert!(both.contains("<title>one; two</title>"));
    }

    #[test]
    fn matrices_stand_beside_each_other_and_one_is_the_heatmap_itself() {
        let (one, two) = (
            matrix("one", [0.0, 1.0, -2.0, 0.5]),
            matrix("two", [0.0; 4]),
        );
        let panels = Panels {
            heatmaps: vec![one.clone(), two.clone()],
        };
        let file = Path::new("out.svg");
        assert_eq!(panels.size(file, 1000), (1000, 500));
        let both = svg(vec![one.clone(), two], 1000);
        assert_eq!(places(&both, "two")[0].1, places(&both, "one")[0].1);
        assert_eq!(places(&both, "two")[0].0, places(&both, "one")[0].0 + 500.0);
        let alone = draw(file, (600, 600), &one).unwrap();
        assert_eq!(svg(vec![one], 600), String::from_utf8(alone).unwrap());
        assert!(
            Panels {
                heatmaps: Vec::new()
            }
            .check()
            .is_err()
        );
    }
}
