//! `makemore-tch heatmap`; the pictures are decoded again and looked at

mod common;

use common::Folder;
use image::{Rgb, RgbImage};

/// The palest and the darkest of the Blues scale (ColorBrewer).
const PALEST: [u8; 3] = [247, 251, 255];
const DARKEST: [u8; 3] = [8, 48, 107];

fn picture(folder: &Folder, name: &str) -> RgbImage {
    image::open(folder.path(name)).unwrap().to_rgb8()
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

#[test]
fn what_cannot_be_drawn_is_said_before_any_work() {
    let folder = Folder::new();
    for (arguments, expected) in [
        ("heatmap out.jpg", "out.jpg: a picture ends in .png or .svg"),
        ("heatmap out", "out: a picture ends in .png or .svg"),
        ("heatmap missing/out.png", "there is no folder missing"),
        ("heatmap out.png --of logits", "--model FILE"),
    ] {
        let error = folder.error(arguments, 1);
        assert!(error.contains(expected), "{arguments}: {error}");
    }
    let error = folder.error("heatmap out.png --size 5", 2);
    assert!(
        error.contains("a whole number from 200 to 8000 would work"),
        "{error}"
    );
    assert!(folder.files().is_empty());
}
