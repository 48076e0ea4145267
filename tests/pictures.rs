//! The pictures of the library, decoded again or read as SVG

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use image::RgbImage;
use makemore_tch::Vocabulary;
use makemore_tch::plots::{self, Heatmap, LossCurve};
use tempfile::TempDir;

const COUNTING_NLL: f64 = 2.454579;
const SIZE: (u32, u32) = (1200, 750);
const NETWORK: &str = "#08519C";

struct Pictures(TempDir);

impl Pictures {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn svg(&self, losses: &[(u64, f32)]) -> String {
        plots::write(&self.path("loss.svg"), SIZE, &curve(losses)).unwrap();
        fs::read_to_string(self.path("loss.svg")).unwrap()
    }

    fn png(&self, losses: &[(u64, f32)]) -> RgbImage {
        plots::write(&self.path("loss.png"), SIZE, &curve(losses)).unwrap();
        image::open(self.path("loss.png")).unwrap().to_rgb8()
    }
}

fn curve(losses: &[(u64, f32)]) -> LossCurve<'_> {
    LossCurve {
        title: "Loss of the network",
        losses,
        counting_nll: COUNTING_NLL,
    }
}

/// A loss that falls like the lecture's.
fn falling(epochs: u64) -> Vec<(u64, f32)> {
    (0..epochs)
        .map(|epoch| (epoch, 2.45 + 1.2 / (epoch + 1) as f32))
        .collect()
}

/// The value of an attribute in the rest of an element.
fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let (_, value) = element.split_once(&format!(" {name}=\"")).unwrap();
    value.split('"').next().unwrap()
}

/// The labels below (anchored in the middle) or beside (ending there) the axes that are numbers.
fn ticks(svg: &str, anchor: &str) -> Vec<String> {
    let texts = svg.split("<text").skip(1);
    let texts = texts.filter(|text| attribute(text, "text-anchor") == anchor);
    let texts = texts.map(|text| text.split(['>', '<']).nth(1).unwrap().trim().to_owned());
    texts.filter(|text| text.parse::<f64>().is_ok()).collect()
}

#[test]
fn ticks_of_the_loss_curve_are_distinct_for_few_epochs_and_flat_losses() {
    let pictures = Pictures::new();
    let expected: [&[&str]; 4] = [&["0", "1"], &["0"], &["0", "1"], &["0", "1", "2"]];
    for (epochs, expected) in expected.iter().enumerate() {
        let svg = pictures.svg(&falling(epochs as u64));
        assert_eq!(ticks(&svg, "middle"), *expected);
    }
    let flat: Vec<(u64, f32)> = (0..20).map(|epoch| (epoch, COUNTING_NLL as f32)).collect();
    for losses in [falling(0), falling(1), falling(301), flat] {
        let labels = ticks(&pictures.svg(&losses), "end");
        let distinct: HashSet<_> = labels.iter().collect();
        assert!(
            labels.len() > 3 && distinct.len() == labels.len(),
            "{labels:?}"
        );
    }
}

#[test]
fn one_epoch_draws_a_point() {
    let pictures = Pictures::new();
    let one = pictures.svg(&falling(1));
    let (_, circle) = one.split_once("<circle").unwrap();
    assert_eq!(attribute(circle, "fill"), NETWORK);
    assert!(!pictures.svg(&falling(2)).contains("<circle"));
}

#[test]
fn lines_of_the_loss_curve_are_smooth() {
    let picture = Pictures::new().png(&falling(10));
    assert_eq!(picture.dimensions(), SIZE);
    // Between the blue of the line and white; text and grid are grey.
    let between = picture.pixels().filter(|pixel| {
        let [red, green, blue] = pixel.0;
        blue > red.saturating_add(40) && blue > green && (30..225).contains(&red)
    });
    assert!(between.count() > 500);
}

#[test]
fn the_legend_does_not_cover_data() {
    let rising: Vec<(u64, f32)> = (0..30).map(|epoch| (epoch, 2.0 + epoch as f32)).collect();
    for losses in [falling(301), rising] {
        let svg = Pictures::new().svg(&losses);
        let number = |text: &str| text.parse::<f64>().unwrap();
        let legend = svg
            .split("<text")
            .filter(|text| text.contains("network (") || text.contains("counting ("));
        let lowest_of_legend = legend
            .map(|text| number(attribute(text, "y")) + number(attribute(text, "font-size")))
            .fold(0.0, f64::max);
        assert!(lowest_of_legend > 0.0);

        // The legend has a line too, of two points.
        let lines = svg.split("<polyline").skip(1);
        let data = lines
            .filter(|line| attribute(line, "stroke") == NETWORK)
            .max_by_key(|line| attribute(line, "points").len());
        let points = attribute(data.unwrap(), "points").split_whitespace();
        let highest_of_data = points
            .map(|point| number(point.split_once(',').unwrap().1))
            .fold(f64::INFINITY, f64::min);
        assert!(highest_of_data > lowest_of_legend);
    }
}

#[test]
fn a_curve_that_jumps_stays_in_its_frame() {
    let jumping: Vec<(u64, f32)> = (0..20_000)
        .map(|epoch| (epoch, 2.5 + (epoch * 7919 % 1000) as f32 / 1000.0))
        .collect();
    let picture = Pictures::new().png(&jumping);
    let blue = |pixel: &image::Rgb<u8>| pixel.0[2] > pixel.0[0].saturating_add(60);
    let rows: Vec<u32> = picture
        .enumerate_pixels()
        .filter(|(x, _, pixel)| *x > 200 && blue(pixel))
        .map(|(_, y, _)| y)
        .collect();
    assert!(rows.iter().all(|y| (115..690).contains(y)));
    assert!(rows.len() > 100_000, "the band that the jumps fill");
}

#[test]
fn what_is_not_finite_is_refused_and_nothing_is_written() {
    let pictures = Pictures::new();
    let mut heatmap = Heatmap {
        vocabulary: Vocabulary::new('.', ['a']).unwrap(),
        contexts: None,
        values: vec![0.0, 1.0, f64::NAN, 0.0],
        scale: None,
        decimals: 0,
        title: "title".to_owned(),
        unit: "count".to_owned(),
    };
    let error = plots::write(&pictures.path("out.png"), SIZE, &heatmap).unwrap_err();
    assert!(
        error.to_string().contains("the value of \"a.\" is NaN"),
        "{error}"
    );
    heatmap.values[2] = f64::INFINITY;
    assert!(plots::write(&pictures.path("out.svg"), SIZE, &heatmap).is_err());
    let infinite = [(0, 3.6), (1, f32::INFINITY)];
    assert!(plots::write(&pictures.path("out.svg"), SIZE, &curve(&infinite)).is_err());
    assert!(fs::read_dir(pictures.0.path()).unwrap().next().is_none());
}
