//! `makemore-tch heatmap`; the pictures are decoded again and looked at

use std::path::Path;

use crate::common::Folder;
use image::{Rgb, RgbImage};
use tch::Tensor;

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
    let text = |cell: &[Rgb<u8>], colour| cell.iter().filter(|pixel| close(pixel, colour)).count();
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
fn svg_has_every_bigram_as_text() {
    let folder = Folder::new();
    folder.stdout("heatmap out.svg");
    let svg = String::from_utf8(folder.read("out.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for text in [
        "6763",
        "n.",
        "first character",
        "next character",
        "Bigrams of the built-in names",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(svg.matches("<text").count() > 2 * 27 * 27);
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
    let help = folder.stdout("heatmap --help");
    let (_, both) = help.split_once("pixels; from ").unwrap();
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
fn characters_that_the_font_lacks_and_those_that_cannot_be_seen_have_code_points() {
    let folder = Folder::new();
    folder.write("list.txt", "一e\u{301}\na\u{200D}ก\nक x\n\u{1F9E0}\n");
    folder.stdout("heatmap out.svg --data list.txt");
    let svg = String::from_utf8(folder.read("out.svg")).unwrap();
    assert!(!svg.contains(['一', '\u{301}', '\u{200D}', 'ก', 'क', '\u{1F9E0}']));
    let texts = texts(&folder, "out.svg");
    for code_point in ["U+4E00", "U+0301", "U+200D", "U+0E01", "U+0915", "U+1F9E0"] {
        // Of its row and of its column, and in each of their 11 + 11 cells.
        let times = texts.iter().filter(|text| text.text == code_point).count();
        assert_eq!(times, 2 + 2 * 11, "{code_point}");
    }
    assert!(has(&texts, "a") && has(&texts, "␣x"));
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
    let pictures = ["counted.png", "learned.png", "logits.png"].map(|name| picture(&folder, name));
    for picture in &pictures {
        assert_eq!(picture.dimensions(), (1600, 1600));
    }
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
    let names = include_str!("../assets/names.txt").to_uppercase();
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

#[test]
fn several_models_are_drawn_along_a_word_and_nothing_else_is_read() {
    let folder = Folder::new();
    folder.write("list.txt", "emma\nolivia\nava\nmia\n".repeat(20));
    for order in [2, 3] {
        folder.stdout(&format!(
            "train --type ngram --order {order} --out {order}.st --data list.txt"
        ));
    }
    let draw = "heatmap out.svg --model 2.st --model 3.st";
    folder.stdout(&format!("{draw} --word emma --data list.txt"));
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
    let empty = ["heatmap", "out.svg", "--word", ""];
    assert!(
        folder
            .makemore("")
            .args(empty)
            .output()
            .unwrap()
            .status
            .success()
    );
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
    assert_eq!(rows(&texts), [".", "U+4E00", "U+4E01"]);
    assert_eq!(outlines(&folder, "out.svg"), 3);
}
