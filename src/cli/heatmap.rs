//! `makemore-tch heatmap`: a matrix as a picture. `check` has what is refused before any work, and `word` what
//! models expect along a word.

mod check;
mod word;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use makemore_tch::format::visible;
use makemore_tch::memory::Memory;
use makemore_tch::models::language_model::single_characters;
use makemore_tch::models::ngram::Cut;
use makemore_tch::plots::{self, LeftOut, Scale};
use makemore_tch::{Counted, Model, ModelFile, Table, Vocabulary};

use super::arguments::models::{ModelFileArguments, Several};
use super::arguments::{DataArguments, SmoothingArguments, one_of, whole, zero_or_more};
use super::context::Context;
use super::models::Models;
use super::progress;

/// Draw which character follows which
///
/// A PNG or SVG picture of the matrix: the first character is the row, the next one the column. With
/// --word, each row is a place in the word, named by the characters before it. With --model, the values
/// are the model's probabilities or, with --of logits, its logits. Several models are drawn along a word,
/// under each other and on one scale. Logits are red below 0 and blue above it. An n-gram model looks at more than
/// one character, so its picture shows how often each character follows each other one in the words
/// that it makes.
#[derive(Debug, Args)]
#[command(
    override_usage = "makemore-tch heatmap [OPTIONS] <OUT>",
    after_help = "\
Examples:
  makemore-tch heatmap out.png             the counts, as in the lecture
  makemore-tch heatmap out.svg --of probabilities
  makemore-tch heatmap out.png --scale log --data towns.txt
  makemore-tch heatmap out.png --of logits --model makemore.safetensors
  makemore-tch heatmap out.png --word emma --model makemore-gru.safetensors
  makemore-tch heatmap out.png --word emma --model makemore.safetensors --model makemore-gru.safetensors"
)]
pub struct DrawHeatmap {
    /// The picture, ending in .png or .svg
    #[arg(value_name = "OUT", required_unless_present = "data")]
    out: Option<PathBuf>,

    #[command(flatten)]
    data: DataArguments,

    /// Draw the probabilities of the next character at each place of a word
    ///
    /// They stand in place of those after every character; the word's own characters are outlined.
    #[arg(long)]
    word: Option<String>,

    #[command(flatten)]
    models: ModelFileArguments,

    /// Draw the average of the models along the word, with these weights, in place of each of them
    #[arg(long, value_name = "X,X", value_delimiter = ',', value_parser = zero_or_more, requires = "models", allow_negative_numbers = true)]
    weights: Option<Vec<f64>>,

    /// Matrix to draw [default: counts, or the probabilities of the model]
    #[arg(long, value_enum)]
    of: Option<Matrix>,

    /// Width and height in pixels
    ///
    /// From 700 on, the lecture's cells have room for both the bigram and its count. In smaller cells the
    /// count is left out, in still smaller ones the bigram too. The picture of a word has this width, and
    /// only the height that it and each model need.
    #[arg(long, value_name = "PIXELS", default_value_t = 1600, value_parser = whole(plots::SIZES), allow_negative_numbers = true)]
    size: u32,

    /// Scale of the colours [default: log where values are far apart, else linear]
    ///
    /// They are far apart where the largest is over 1000 times the median of those that are not 0, or, from
    /// 100 characters on, over 50 times.
    #[arg(long, value_parser = one_of::<Scale>())]
    scale: Option<Scale>,

    #[command(flatten)]
    smoothing: SmoothingArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Matrix {
    /// Number of times that each bigram occurs in the data
    Counts,
    /// Probability of each next character
    Probabilities,
    /// Weights W of the network
    Logits,
}

const SEVERAL: &str =
    "several models are drawn along a word; name one with --word WORD, or a single --model";

impl DrawHeatmap {
    pub fn run(mut self, context: Context) -> anyhow::Result<()> {
        let out = self.out()?;
        let output = self.check(&out)?;
        let memory = Memory::half_of_the_machine();
        let models = self
            .models
            .load(self.several(), &self.data, memory, context.remarks)?;
        let heatmaps = match models {
            Some(models) => {
                self.word = self.word.map(|word| models.word(&word));
                self.of_models(&models, context)?
            }
            None => {
                let format = self.data.format(None);
                self.word = self.word.map(|word| format.word(&word));
                let source = self.data.source(None, &Memory::half_of_the_machine())?;
                vec![self.of_data(context.count(&self.data, &source, None)?)?]
            }
        };
        let drawing = plots::Panels { heatmaps };
        output.replace(&plots::draw(&out, self.size_of(&drawing, &out)?, &drawing)?)?;
        context.remarks.say(format_args!("wrote {}", out.display()));
        if let Some(LeftOut { every, size }) = drawing.left_out(&out, self.size) {
            let none = || "no --size has room for all".to_owned();
            let all = size.map_or_else(none, |size| format!("--size {size} names all"));
            context.remarks.say(format_args!(
                "1 in {every} characters is named beside the picture; {all}"
            ));
        }
        let lacking = drawing.without_font(&out, self.size);
        if lacking > 0 {
            context.remarks.say(format_args!(
                "characters that no font of this system has, drawn as code points: {lacking}; on Debian, the packages fonts-noto-core, fonts-noto-cjk and fonts-noto-color-emoji have most"
            ));
        }
        Ok(())
    }

    /// What several models would be drawn as.
    fn several(&self) -> Several<'_> {
        match (&self.weights, &self.word) {
            (Some(weights), _) => Several::Mixed {
                weights: Some(weights),
                flag: "--weights",
            },
            (None, Some(_)) => Several::Apart { with: "" },
            (None, None) => Several::Apart {
                with: " --word WORD",
            },
        }
    }

    /// The picture's file: OUT. After `--data`, which takes several files, it is the last of them.
    fn out(&mut self) -> anyhow::Result<PathBuf> {
        if self.out.is_none() && self.data.data.len() > 1 {
            self.out = self.data.data.pop();
        }
        self.out
            .take()
            .context("no picture is named; name one that ends in .png or .svg, before --data")
    }

    fn of_data(&self, data: Counted) -> anyhow::Result<plots::Heatmap> {
        let Counted { counts, origin, .. } = data;
        let origin = visible(&origin);
        if !self.draws_probabilities() {
            let values = counts.matrix()?.iter().map(|&n| n as f64).collect();
            let title = format!("Bigrams of {origin}");
            return Ok(self.matrix(counts.vocabulary(), values, 0, title, "count"));
        }
        let p = Table::of(&counts, self.smoothing.value())?;
        if let Some(word) = &self.word {
            return self.along(word, &p, &format!("bigrams of {origin}"));
        }
        let values = p.rows().flatten().map(|&p| p.into()).collect();
        let title = format!("Bigram probabilities of {origin}");
        Ok(self.matrix(counts.vocabulary(), values, 3, title, "probability"))
    }

    /// The picture of a matrix, `[V, V]`.
    fn matrix(
        &self,
        vocabulary: &Vocabulary,
        values: Vec<f64>,
        decimals: usize,
        title: String,
        unit: &str,
    ) -> plots::Heatmap {
        plots::Heatmap {
            contexts: None,
            vocabulary: vocabulary.clone(),
            scale: self.scale,
            values,
            decimals,
            title,
            unit: unit.to_owned(),
        }
    }

    fn of_models(&self, models: &Models, context: Context) -> anyhow::Result<Vec<plots::Heatmap>> {
        models.check_alone(&self.data, "a model is drawn")?;
        match (&self.word, models.single()) {
            (Some(word), _) => self.of_word(word, models),
            (None, Some(file)) => Ok(vec![self.of_model(file, context)?]),
            (None, None) => bail!(SEVERAL),
        }
    }

    fn of_model(&self, file: &ModelFile, context: Context) -> anyhow::Result<plots::Heatmap> {
        let (model, path) = (&file.model, file.path.display());
        let looks_at = model.language_model().block_size();
        if looks_at != 1 && !matches!(model, Model::Ngram(_)) {
            bail!(
                "{path}: a heatmap shows what follows one character, and this network looks at {looks_at}; --word WORD draws what follows in a word"
            );
        }
        let (matrix, decimals, title, unit) = match (model, self.of) {
            (_, Some(Matrix::Logits)) => {
                let logits = model.bigram_logits()?.with_context(|| {
                    format!("{path}: an n-gram model has no logits; pass --of probabilities")
                })?;
                (logits, 2, "Logits of the network".to_owned(), "logit")
            }
            (Model::Ngram(ngram), _) => {
                let title = format!("Bigram probabilities of the {}-gram model", ngram.order());
                let quiet = context.remarks.quiet;
                let marginal = progress::share_of(quiet, |done| ngram.marginal(done))?;
                if let Some(Cut { characters, longer }) = marginal.cut {
                    context.remarks.say(format_args!(
                        "the picture is of about the first {characters} characters of words; {:.3}% of the words are longer",
                        100.0 * longer
                    ));
                }
                (marginal.tensor()?, 3, title, "probability")
            }
            (network, _) => {
                let every = single_characters(model.vocabulary())?;
                let p = network.language_model().distributions(&every)?;
                let title = "Bigram probabilities of the network".to_owned();
                (p, 3, title, "probability")
            }
        };
        let values = Vec::try_from(matrix.to_kind(tch::Kind::Double).view([-1]))?;
        Ok(self.matrix(model.vocabulary(), values, decimals, title, unit))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::{Rgb, RgbImage};
    use makemore_tch::{Vocabulary, plots};
    use tch::Tensor;

    use crate::cli::parse;
    use crate::cli::testing::{Folder, check_refusals, refusal};

    #[test]
    fn what_cannot_be_drawn_is_said_before_any_work() {
        check_refusals(
            "",
            1,
            &[
                ("heatmap out.jpg", "out.jpg: a picture ends in .png or .svg"),
                ("heatmap out", "out: a picture ends in .png or .svg"),
                ("heatmap missing/out.png", "there is no folder missing"),
                ("heatmap out.png --of logits", "--model FILE"),
                ("heatmap out.png --of logits --data missing", "--model FILE"),
            ],
        );
        let error = refusal("heatmap out.png --size 5", 2);
        assert!(
            error.contains("a whole number from 200 to 8000 would work"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_word_or_has_no_probabilities_is_refused() {
        check_refusals(
            "heatmap out.png",
            1,
            &[
                ("--word emma --of counts", "--word draws probabilities"),
                ("--word emma --of logits", "--word draws probabilities"),
                (
                    "--word éñ",
                    "in the word \"éñ\": the character 'é' (U+00E9)",
                ),
                ("--word em.ma", "'.' marks where words begin and end"),
            ],
        );
    }

    /// A machine may have fonts for these or not, so that the picture is asked.
    #[test]
    fn fonts_that_would_draw_code_points_are_named_once_for_a_png() {
        let folder = Folder::new();
        folder.write("list.txt", "a\u{16D43}\u{16D44}\n");
        let said = folder.stderr("heatmap out.png --data list.txt");
        let of_list = Vocabulary::new('.', ['a', '\u{16D43}', '\u{16D44}']).unwrap();
        let heatmap = plots::Heatmap {
            values: vec![0.0; of_list.len().pow(2)],
            vocabulary: of_list,
            contexts: None,
            scale: None,
            decimals: 0,
            title: String::new(),
            unit: String::new(),
        };
        let panels = plots::Panels {
            heatmaps: vec![heatmap],
        };
        let lacking = panels.without_font(Path::new("out.png"), 1600);
        let remark = format!(
            "drawn as code points: {lacking}; on Debian, the packages fonts-noto-core, fonts-noto-cjk and"
        );
        assert_eq!(
            said.matches(&remark).count(),
            usize::from(lacking > 0),
            "{said}"
        );
        assert_eq!(said.contains("fonts-noto"), lacking > 0, "{said}");
        for other in ["out.svg --data list.txt", "out.png"] {
            let said = folder.stderr(&format!("heatmap {other}"));
            assert!(!said.contains("fonts-noto"), "{said}");
        }
    }

    /// The palest and the darkest of the Blues scale (ColorBrewer).
    const PALEST: [u8; 3] = [247, 251, 255];
    const DARKEST: [u8; 3] = [8, 48, 107];

    fn picture(folder: &Folder, name: &str) -> RgbImage {
        image::open(folder.path(name)).unwrap().to_rgb8()
    }

    /// A text of an SVG and its attributes.
    struct Text {
        attributes: String,
        text: String,
    }

    impl Text {
        fn number(&self, attribute: &str) -> f64 {
            let (_, value) = self
                .attributes
                .split_once(&format!(" {attribute}=\""))
                .unwrap();
            value.split('"').next().unwrap().parse().unwrap()
        }
    }

    /// All texts of an SVG in the order in which they are drawn.
    fn texts(folder: &Folder, name: &str) -> Vec<Text> {
        let svg = String::from_utf8(folder.read(name)).unwrap();
        let texts = svg.split("<text").skip(1);
        let texts = texts.map(|text| {
            text.split("</text>")
                .next()
                .unwrap()
                .split_once('>')
                .unwrap()
        });
        let texts = texts.map(|(attributes, text)| Text {
            attributes: attributes.to_owned(),
            text: text.trim().to_owned(),
        });
        texts.collect()
    }

    fn has(texts: &[Text], text: &str) -> bool {
        texts.iter().any(|other| other.text == text)
    }

    /// What is written at the colour bar: its labels from below, then its name.
    fn colour_bar(texts: &[Text]) -> Vec<&str> {
        let beside = texts.iter().filter(|text| {
            text.attributes.contains("\"start\"") && !text.attributes.contains("transform")
        });
        beside.map(|text| text.text.as_str()).collect()
    }

    /// Pixels of about a colour, within what rounding does.
    fn close(pixel: &Rgb<u8>, colour: [u8; 3]) -> bool {
        pixel
            .0
            .iter()
            .zip(colour)
            .all(|(one, other)| one.abs_diff(other) <= 2)
    }

    /// The pixels of the cell in a row and column of the lecture's 27 × 27.
    fn cell(picture: &RgbImage, row: u32, column: u32) -> Vec<Rgb<u8>> {
        let width = f64::from(picture.width());
        let (left, top) = (0.065 * width, 0.115 * width);
        let side = ((width - left - 0.115 * width).min(width - top - 0.025 * width)) / 27.0;
        let start = |offset: f64, index: u32| (offset + side.floor() * f64::from(index)) as u32 + 2;
        let (x, y, size) = (start(left, column), start(top, row), side as u32 - 4);
        let pixels = (0..size).flat_map(|dy| (0..size).map(move |dx| (x + dx, y + dy)));
        pixels.map(|(x, y)| *picture.get_pixel(x, y)).collect()
    }

    #[test]
    fn the_lecture_has_a_pale_and_a_dark_cell_with_text_that_reads_on_both() {
        let folder = Folder::new();
        folder.stdout("heatmap out.png");
        let picture = picture(&folder, "out.png");
        assert_eq!(picture.dimensions(), (1600, 1600));

        // n. is the most common bigram, qq does not occur.
        let darkest = cell(&picture, 14, 0);
        let palest = cell(&picture, 17, 17);
        let share = |cell: &[Rgb<u8>], colour| {
            let alike = cell.iter().filter(|pixel| close(pixel, colour)).count();
            alike as f64 / cell.len() as f64
        };
        assert!(share(&darkest, DARKEST) > 0.5);
        assert!(share(&palest, PALEST) > 0.5);
        let text =
            |cell: &[Rgb<u8>], colour| cell.iter().filter(|pixel| close(pixel, colour)).count();
        let (white, black) = ([255; 3], [0; 3]);
        assert!(text(&darkest, white) > 10 && text(&darkest, black) == 0);
        assert!(text(&palest, black) > 10);
    }

    #[test]
    fn a_size_of_ones_own_and_cells_too_small_for_text() {
        let folder = Folder::new();
        folder.stdout("heatmap small.png --size 300");
        let small = picture(&folder, "small.png");
        assert_eq!(small.dimensions(), (300, 300));
        let darkest = small.pixels().filter(|pixel| close(pixel, DARKEST)).count();
        assert!(
            darkest > 60,
            "the cell of n., 8 × 8 pixels without text: {darkest}"
        );
    }

    #[test]
    fn the_frame_does_not_hide_the_cells_at_the_edge() {
        let folder = Folder::new();
        // As many characters as there are pixels: only the first row and column have counts.
        let words = ('\u{4E00}'..)
            .take(600)
            .map(|character| format!("{character}\n"));
        folder.write("list.txt", words.collect::<String>());
        folder.stdout("heatmap out.png --data list.txt --size 600");
        let picture = picture(&folder, "out.png");
        let dark = picture
            .pixels()
            .filter(|pixel| close(pixel, DARKEST))
            .count();
        let bar = 20;
        assert!(dark > 2 * 400 + bar, "{dark} pixels");
    }

    #[test]
    fn a_vocabulary_of_thousands() {
        let folder = Folder::new();
        let characters: Vec<char> = ('\u{4E00}'..).take(3000).collect();
        let words = characters
            .chunks(2)
            .map(|word| word.iter().collect::<String>() + "\n");
        folder.write("list.txt", words.collect::<String>());
        folder.stdout("heatmap out.png --data list.txt --size 600");
        assert_eq!(picture(&folder, "out.png").dimensions(), (600, 600));
        folder.stdout("heatmap out.svg --data list.txt --size 600");
        let svg = String::from_utf8(folder.read("out.svg")).unwrap();
        assert!(svg.len() < 2_000_000, "{} bytes", svg.len());
        assert!(svg.contains("next character"));
    }

    #[test]
    fn colour_bar_labels_of_small_counts_are_distinct() {
        let folder = Folder::new();
        for (words, expected) in [
            ("a\n", &["0", "1", "count"][..]),
            ("a\na\n", &["0", "1", "2", "count"]),
            ("a\na\na\n", &["0", "1", "2", "3", "count"]),
        ] {
            folder.write("list.txt", words);
            folder.stdout("heatmap out.svg --data list.txt");
            assert_eq!(colour_bar(&texts(&folder, "out.svg")), expected);
        }
    }

    #[test]
    fn the_two_lines_of_a_cell_do_not_touch_at_size_800() {
        let folder = Folder::new();
        folder.stdout("heatmap out.svg --size 800");
        let texts = texts(&folder, "out.svg");
        assert_eq!((&*texts[0].text, &*texts[1].text), ("..", "0"));
        for lines in texts[..2 * 27 * 27].chunks(2) {
            // An em is what ascenders and descenders take.
            let apart = lines[1].number("y") - lines[0].number("y");
            assert!(apart >= lines[0].number("font-size"), "{}", lines[0].text);
            assert!(2.0 * apart <= 24.0, "a cell has 24 pixels");
        }
    }

    #[test]
    fn the_value_goes_first_then_the_bigram_and_the_help_says_when() {
        let folder = Folder::new();
        let help = parse(["makemore-tch", "heatmap", "--help"]).unwrap_err();
        let help = help.to_string();
        let (_, both) = help.split_once("From ").unwrap();
        let both: u32 = both.split_whitespace().next().unwrap().parse().unwrap();
        for (size, bigram, value) in [
            (both, true, true),
            (both - 25, true, false),
            (400, false, false),
        ] {
            folder.stdout(&format!("heatmap out.svg --size {size}"));
            let texts = texts(&folder, "out.svg");
            assert_eq!(
                (has(&texts, "qu"), has(&texts, "6763")),
                (bigram, value),
                "{size}"
            );
        }
    }

    #[test]
    fn values_stand_in_the_middle_of_large_cells() {
        let folder = Folder::new();
        folder.write("list.txt", "a\n");
        folder.stdout("heatmap out.png --data list.txt --size 800");
        let picture = picture(&folder, "out.png");
        // The cell of a., the lower left one of four.
        let (left, top, side) = (52, 92 + 328, 328);
        let text = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
        let text: Vec<_> = text
            .filter(|&(x, y)| close(picture.get_pixel(left + x, top + y), [255; 3]))
            .collect();
        let middle = |places: Vec<u32>| {
            let (first, last) = (places.iter().min().unwrap(), places.iter().max().unwrap());
            f64::from(first + last) / 2.0 / f64::from(side)
        };
        let across = middle(text.iter().map(|&(x, _)| x).collect());
        let down = middle(text.iter().map(|&(_, y)| y).collect());
        assert!((across - 0.5).abs() < 0.03, "{across}");
        assert!((down - 0.5).abs() < 0.06, "{down}");
    }

    #[test]
    fn a_long_title_is_cut_and_not_shrunk() {
        let folder = Folder::new();
        let name = format!("{}.txt", "x".repeat(200));
        folder.write(&name, "a\n");
        folder.stdout(&format!("heatmap out.svg --data {name}"));
        let texts = texts(&folder, "out.svg");
        let find = |start: &str| {
            texts
                .iter()
                .find(|text| text.text.starts_with(start))
                .unwrap()
        };
        let title = find("Bigrams of xxx");
        assert!(title.text.ends_with("xx…"), "{}", title.text);
        assert!(title.number("font-size") > find("next character").number("font-size"));
    }

    #[test]
    fn an_svg_has_the_characters_themselves_and_code_points_of_those_that_cannot_be_seen() {
        let folder = Folder::new();
        folder.write("list.txt", "一e\u{301}\na\u{200D}ก\nक x\n\u{1F9E0}\n");
        folder.stdout("heatmap out.svg --data list.txt");
        let svg = String::from_utf8(folder.read("out.svg")).unwrap();
        assert!(!svg.contains('\u{200D}'));
        let texts = texts(&folder, "out.svg");
        for label in ["◌\u{301}", "U+200D"] {
            // Of its row and of its column, and in each of their 11 + 11 cells.
            let times = texts.iter().filter(|text| text.text == label).count();
            assert_eq!(times, 2 + 2 * 11, "{label}");
        }
        for label in ["一", "ก", "क", "\u{1F9E0}"] {
            let times = texts.iter().filter(|text| text.text == label).count();
            assert_eq!(times, 2 + 2 * 2, "{label}");
        }
        assert!(has(&texts, "a") && has(&texts, "␣x"));
    }

    #[test]
    fn a_bigram_of_letters_that_are_read_from_the_right_stands_on_two_lines() {
        let folder = Folder::new();
        folder.write("list.txt", "سa\n");
        folder.stdout("heatmap out.svg --data list.txt");
        let texts = texts(&folder, "out.svg");
        let cells: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
        let [start, arabic] = [".", "\u{2067}س\u{2069}"];
        assert_eq!(
            &cells[..8],
            ["..", "0", ".a", "0", start, arabic, "1", "a."]
        );
    }

    #[test]
    fn hundreds_of_characters_get_a_logarithmic_scale_and_the_bar_says_so() {
        let folder = Folder::new();
        let characters: Vec<char> = ('\u{4E00}'..).take(300).collect();
        let rare = characters
            .windows(2)
            .map(|pair| format!("{}{}\n", pair[0], pair[1]));
        let common = "一\n".repeat(2000);
        folder.write("list.txt", rare.collect::<String>() + &common);

        let paler = |name: &str, than: u8| {
            let picture = picture(&folder, name);
            let (left, top) = (picture.width() / 5, picture.height() / 5);
            let inside = (0..300).flat_map(|y| (0..300).map(move |x| (left + x, top + y)));
            let red = inside.map(|(x, y)| picture.get_pixel(x, y).0[0]);
            red.filter(|&red| red < than).count()
        };
        folder.stdout("heatmap out.svg --data list.txt");
        let texts_of = |name| texts(&folder, name);
        let log = texts_of("out.svg");
        assert_eq!(
            colour_bar(&log),
            ["0", "1", "10", "100", "1000", "(log scale)", "count"]
        );
        folder.stdout("heatmap out.png --data list.txt --size 600");
        assert!(paler("out.png", 240) > 100, "the bigrams that occur once");

        folder.stdout("heatmap out.svg --data list.txt --scale linear");
        assert!(!has(&texts_of("out.svg"), "(log scale)"));
        folder.stdout("heatmap out.png --data list.txt --size 600 --scale linear");
        assert_eq!(paler("out.png", 240), 0);

        folder.stdout("heatmap out.svg");
        assert!(!has(&texts_of("out.svg"), "(log scale)"));
        folder.stdout("heatmap out.svg --of probabilities --scale log");
        assert!(has(&texts_of("out.svg"), "(log scale)"));
    }

    #[test]
    fn logits_have_no_logarithmic_scale() {
        let folder = Folder::new();
        folder.stdout("train --epochs 1 --out model.safetensors");
        let error = folder.error(
            "heatmap out.png --model model.safetensors --of logits --scale log",
            1,
        );
        assert!(error.contains("a logarithmic scale begins at 0"), "{error}");
        assert_eq!(folder.files(), ["model.safetensors"]);
    }

    #[test]
    fn probabilities_and_logits() {
        let folder = Folder::new();
        folder.stdout("train --out model.safetensors");
        for arguments in [
            "heatmap counted.png --of probabilities",
            "heatmap learned.png --model model.safetensors",
            "heatmap logits.png --model model.safetensors --of logits",
        ] {
            folder.stdout(arguments);
        }
        let pictures =
            ["counted.png", "learned.png", "logits.png"].map(|name| picture(&folder, name));
        for picture in &pictures {
            assert_eq!(picture.dimensions(), (1600, 1600));
        }
        // Logits are white at 0, red below it and blue above it.
        let [_, _, logits] = &pictures;
        let more = |one: usize, than: usize| {
            let pixels = logits.pixels();
            let coloured = pixels.filter(|pixel| pixel.0[one] > pixel.0[than].saturating_add(60));
            coloured.count()
        };
        assert!(more(0, 2) > 10_000 && more(2, 0) > 10_000);
        // q is followed by u most of the time; the network has learned what was counted.
        for picture in &pictures[..2] {
            let dark = cell(picture, 17, 21)
                .iter()
                .filter(|pixel| close(pixel, DARKEST))
                .count();
            assert!(dark > 500, "{dark}");
        }
    }

    /// How often a picture has the outline of a cell, which is four strokes.
    fn outlines(folder: &Folder, name: &str) -> usize {
        let svg = String::from_utf8(folder.read(name)).unwrap();
        svg.matches("fill=\"#CB4B16\"").count() / 4
    }

    /// The labels of the rows, from above.
    fn rows(texts: &[Text]) -> Vec<&str> {
        let labels = texts.iter().filter(|text| {
            text.attributes.contains("\"end\"") && !text.attributes.contains("transform")
        });
        labels.map(|text| text.text.as_str()).collect()
    }

    /// The values in the cells, row after row.
    fn values(texts: &[Text]) -> Vec<f64> {
        let cells = texts.iter().map_while(|text| text.text.parse().ok());
        cells.collect()
    }

    #[test]
    fn a_word_has_a_row_for_each_place_and_what_comes_next_is_outlined() {
        let folder = Folder::new();
        folder.stdout("heatmap out.svg --word emma");
        let texts = texts(&folder, "out.svg");
        assert_eq!(rows(&texts), [".", "e", "m", "m", "a"]);
        assert_eq!(outlines(&folder, "out.svg"), 5);
        for text in [
            "context",
            "next character (outlined: the one in the word)",
            "Next characters in “emma”: probabilities of bigrams of the built-in names",
        ] {
            assert!(has(&texts, text), "{text}");
        }
        let values = values(&texts);
        assert_eq!(values.len(), 5 * 27);
        for row in values.chunks(27) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 0.02, "{row:?}");
        }
        // As `score emma` prints them.
        let next = [5, 13, 13, 1, 0];
        let expected = ["0.048", "0.038", "0.025", "0.389", "0.196"];
        for (row, (column, expected)) in next.into_iter().zip(expected).enumerate() {
            assert_eq!(format!("{:.3}", values[27 * row + column]), expected);
        }

        folder.stdout("heatmap out.png --word emma");
        let picture = picture(&folder, "out.png");
        assert!(picture.width() == 1600 && picture.height() < 600);
        let outline = picture.pixels().filter(|pixel| close(pixel, [203, 75, 22]));
        assert!(outline.count() > 5 * 4 * 40);
    }

    #[test]
    fn a_word_is_drawn_of_every_model() {
        let folder = Folder::new();
        folder.write("list.txt", "emma\nolivia\nava\nmia\n".repeat(20));
        folder.stdout("train --out bigram.safetensors --data list.txt --epochs 2");
        folder.stdout("train --order 3 --out trigram.safetensors --data list.txt --epochs 2");
        folder.stdout("train --type ngram --out n.safetensors --data list.txt");
        folder.stdout("export n.arpa --model n.safetensors");
        folder.stdout("train --type gru --max-steps 2 --out gru.safetensors --data list.txt");
        for (model, expected) in [
            ("bigram.safetensors", &[".", "e", "m", "m", "a"]),
            ("trigram.safetensors", &[".", ".e", "em", "mm", "ma"]),
            ("n.safetensors", &[".", ".e", ".em", ".emm", ".emma"]),
            ("n.arpa", &[".", ".e", ".em", ".emm", ".emma"]),
            ("gru.safetensors", &[".", ".e", ".em", ".emm", ".emma"]),
        ] {
            folder.stdout(&format!("heatmap out.svg --word emma --model {model}"));
            assert_eq!(rows(&texts(&folder, "out.svg")), *expected, "{model}");
            assert_eq!(outlines(&folder, "out.svg"), 5, "{model}");
        }
        // A character that Kneser–Ney knows as unknown has no column.
        folder.stdout("heatmap out.svg --word éa --model n.safetensors");
        assert_eq!(rows(&texts(&folder, "out.svg")), [".", ".é", ".éa"]);
        assert_eq!(outlines(&folder, "out.svg"), 2);
    }

    /// `--data` was refused beside them, and their A to Z were labelled as the lecture's a to z.
    #[test]
    fn weights_of_makemore_are_drawn_with_the_characters_of_their_list() {
        let folder = Folder::new();
        let names = include_str!("../../assets/names.txt").to_uppercase();
        folder.write("upper.txt", names);
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/makemore/transformer.safetensors");
        let mut weights = Tensor::read_safetensors(fixture).unwrap();
        weights.retain(|(name, _)| !["losses", "output"].contains(&name.as_str()));
        Tensor::write_safetensors(&weights, folder.path("w.safetensors")).unwrap();

        let draw = "heatmap out.svg --word EMMA --model w.safetensors --data upper.txt";
        let drawn = |arguments: &str| {
            folder.stdout(&format!("{draw} {arguments}"));
            texts(&folder, "out.svg")
        };
        let four = drawn("--n-head 4");
        assert_eq!(rows(&four), [".", ".E", ".EM", ".EMM", ".EMMA"]);
        assert!(has(&four, "Z") && !has(&four, "z"));
        assert_ne!(values(&four), values(&drawn("--n-head 2")));
    }

    /// Only a model had the word of the user in its form.
    #[test]
    fn a_word_is_read_as_the_list_is() {
        let folder = Folder::new();
        folder.write("list.txt", "Emma\nZo\u{EB}\n");
        folder.stdout(
            "heatmap out.svg --word EMZO\u{308} --data list.txt --lowercase --normalize nfd",
        );
        assert_eq!(rows(&texts(&folder, "out.svg")).len(), 6);
        folder.stdout("heatmap out.svg --word EMMA --data list.txt --lowercase");
        assert_eq!(rows(&texts(&folder, "out.svg")), [".", "e", "m", "m", "a"]);
    }

    #[test]
    fn several_models_are_drawn_under_each_other_on_one_scale() {
        let folder = Folder::new();
        folder.write("list.txt", "emma\nolivia\nava\nmia\n".repeat(20));
        folder.stdout("train --out 2.st --data list.txt --epochs 2");
        folder.stdout("train --type ngram --order 3 --out 3.st --data list.txt");
        folder.stdout("train --type gru --max-steps 2 --out gru.st --data list.txt");
        let draw = |models: &[&str]| {
            let models: Vec<String> = models
                .iter()
                .map(|model| format!("--model {model}"))
                .collect();
            folder.stdout(&format!("heatmap out.svg --word mia {}", models.join(" ")));
            texts(&folder, "out.svg")
        };
        let alone = ["2.st", "3.st", "gru.st"].map(|model| values(&draw(&[model])));
        let all = draw(&["2.st", "3.st", "gru.st"]);
        let first = [".", "m", "i", "a"];
        let second = [".", ".m", "mi", "ia"];
        let third = [".", ".m", ".mi", ".mia"];
        assert_eq!(rows(&all), [first, second, third].concat());
        assert_eq!(outlines(&folder, "out.svg"), 3 * 4);
        let title = |of: &str| format!("Next characters in “mia”: probabilities of {of}");
        for of in ["2.st (bigram)", "3.st (3-gram)", "gru.st (gru)"] {
            assert!(has(&all, &title(of)), "{of}");
        }
        let titles: Vec<f64> = ["2.st (bigram)", "3.st (3-gram)", "gru.st (gru)"]
            .map(|of| {
                let mut texts = all.iter();
                texts
                    .find(|text| text.text == title(of))
                    .unwrap()
                    .number("y")
            })
            .to_vec();
        assert!(titles.is_sorted(), "{titles:?}");
        let numbers: Vec<f64> = all
            .iter()
            .filter_map(|text| {
                let is_cell = text.text.len() == 5 && text.attributes.contains("\"middle\"");
                is_cell.then(|| text.text.parse().ok()).flatten()
            })
            .collect();
        assert_eq!(numbers, alone.concat());
        // The bars of all end with the largest probability of all, not with their own.
        let bars = all.iter().filter(|text| {
            text.attributes.contains("\"start\"") && text.text.parse::<f64>().is_ok()
        });
        let bars: Vec<&str> = bars.map(|text| text.text.as_str()).collect();
        let (one, rest) = bars.split_at(bars.len() / 3);
        assert!(!one.is_empty());
        assert_eq!([one, one].concat(), rest);

        let error = folder.error("heatmap out.svg --model 2.st --model gru.st", 1);
        assert!(
            error.contains("name one with --word WORD, or a single --model"),
            "{error}"
        );
        let both = "heatmap out.svg --word mia --model 2.st --model gru.st";
        let error = folder.error(&format!("{both} --data list.txt"), 1);
        assert!(error.contains("leave --data"), "{error}");
        let error = folder.error("heatmap out.svg --word mix --model 3.st --model gru.st", 1);
        assert!(
            error.starts_with("error: gru.st: ") && error.contains("'x'"),
            "{error}"
        );
    }

    #[test]
    fn a_picture_of_many_models_that_would_be_too_high_is_refused_with_a_size() {
        let folder = Folder::new();
        folder.write("list.txt", "emma\nolivia\nava\nmia\n".repeat(20));
        folder.stdout("train --type ngram --order 2 --out 2.st --data list.txt");
        let draw = format!(
            "heatmap out.svg --word {} {}",
            "mia".repeat(30),
            "--model 2.st ".repeat(5)
        );
        let error = folder.error(&format!("{draw} --size 4000"), 1);
        let (_, size) = error.split_once("; --size ").unwrap();
        let size = size.strip_suffix(" would work").unwrap();
        folder.stdout(&format!("{draw} --size {size}"));
    }

    #[test]
    fn the_average_of_several_models_is_drawn_with_weights_and_nothing_else_is_read() {
        let folder = Folder::new();
        folder.write("list.txt", "emma\nolivia\nava\nmia\n".repeat(20));
        for order in [2, 3] {
            folder.stdout(&format!(
                "train --type ngram --order {order} --out {order}.st --data list.txt"
            ));
        }
        let draw = "heatmap out.svg --model 2.st --model 3.st";
        folder.stdout(&format!("{draw} --word emma --weights 1,1"));
        let texts = texts(&folder, "out.svg");
        assert_eq!(rows(&texts), [".", ".e", "em", "mm", "ma"]);
        let title = "Next characters in “emma”: probabilities of 2 models together";
        assert!(has(&texts, title));
        for (arguments, expected) in [
            (format!("{draw} --weights 1,1"), "--word WORD"),
            (
                format!("{draw} --weights 1,1 --word emma --data list.txt"),
                "leave --data",
            ),
            (
                "heatmap out.svg --model 2.st --data missing".to_owned(),
                "leave --data",
            ),
        ] {
            let error = folder.error(&arguments, 1);
            assert!(error.contains(expected), "{arguments}: {error}");
        }
    }

    /// `--size 8000` was advised.
    #[test]
    fn the_smallest_size_with_room_for_a_word_is_advised() {
        let folder = Folder::new();
        let draw = format!("heatmap out.svg --word {}", "ab".repeat(10));
        let error = folder.error(&format!("{draw} --size 200"), 1);
        assert!(error.contains("; --size 210 would work"), "{error}");
        folder.stdout(&format!("{draw} --size 210"));
    }

    #[test]
    fn the_empty_word_and_the_longest_one() {
        let folder = Folder::new();
        folder.succeed(["heatmap", "out.svg", "--word", ""]);
        assert_eq!(rows(&texts(&folder, "out.svg")), ["."]);
        assert_eq!(outlines(&folder, "out.svg"), 1);

        let word = "ab".repeat(35);
        let longest = format!("heatmap out.png --size 700 --word {}", &word[..69]);
        folder.stdout(&longest);
        assert_eq!(picture(&folder, "out.png").dimensions(), (700, 700));
        let before = folder.read("out.png");
        let error = folder.error(&format!("heatmap out.png --size 700 --word {word}"), 1);
        let expected =
            "a word of 70 characters has no room in a picture of 700 pixels; --size 710 would work";
        assert!(error.contains(expected), "{error}");
        let error = folder.error(&format!("heatmap out.png --word {}", word.repeat(50)), 1);
        assert!(error.contains("--size 8000 and 799 characters"), "{error}");
        assert_eq!(folder.read("out.png"), before);
    }

    #[test]
    fn a_word_in_a_vocabulary_of_thousands() {
        let folder = Folder::new();
        let characters: Vec<char> = ('\u{4E00}'..).take(3000).collect();
        let words = characters
            .chunks(2)
            .map(|word| word.iter().collect::<String>() + "\n");
        folder.write("list.txt", words.collect::<String>());
        folder.stdout("heatmap out.svg --data list.txt --word 一丁 --size 700");
        let svg = folder.read("out.svg");
        assert!(svg.len() < 1_000_000, "{} bytes", svg.len());
        let texts = texts(&folder, "out.svg");
        assert_eq!(rows(&texts), [".", "一", "丁"]);
        assert_eq!(outlines(&folder, "out.svg"), 3);
    }
}
