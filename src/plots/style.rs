//! Colours, sizes and titles of pictures.

use plotters::style::RGBColor;

use super::drawing::Canvas;
use super::text::Font;

/// The main colour of pictures.
pub const BLUE: RGBColor = RGBColor(8, 81, 156);

/// The colour of comparisons and outlines.
pub const ORANGE: RGBColor = RGBColor(203, 75, 22);

/// The colour of frames and axes.
pub const GREY: RGBColor = RGBColor(150, 150, 150);

/// The colours of lines, in order. Each has a contrast of 3 on white, and red-green colour-blind eyes tell
/// any two apart. Black is left for a comparison.
pub const COLOURS: [RGBColor; 8] = [
    BLUE,
    ORANGE,
    RGBColor(182, 104, 255),
    RGBColor(129, 5, 0),
    RGBColor(98, 152, 121),
    RGBColor(25, 0, 73),
    RGBColor(75, 129, 140),
    RGBColor(9, 74, 71),
];

/// The least size of a picture with axes, whose letters have then 8 pixels.
pub const SMALLEST_OF_LINES: (u32, u32) = (600, 376);

/// The corners of a marker around its middle. The largest distance is about 1.
pub type Shape = &'static [(f64, f64)];

/// The markers of lines, in the order of [`COLOURS`]: a second cue beside the colour.
const SHAPES: [Shape; COLOURS.len()] = [
    // Circle, or nearly.
    &[
        (1.0, 0.0),
        (0.87, 0.5),
        (0.5, 0.87),
        (0.0, 1.0),
        (-0.5, 0.87),
        (-0.87, 0.5),
        (-1.0, 0.0),
        (-0.87, -0.5),
        (-0.5, -0.87),
        (0.0, -1.0),
        (0.5, -0.87),
        (0.87, -0.5),
    ],
    // Square.
    &[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    // Triangle.
    &[(0.0, -1.0), (1.0, 0.8), (-1.0, 0.8)],
    // Diamond.
    &[(0.0, -1.2), (1.0, 0.0), (0.0, 1.2), (-1.0, 0.0)],
    // Triangle that points down.
    &[(0.0, 1.0), (1.0, -0.8), (-1.0, -0.8)],
    // Plus.
    &[
        (-0.35, -1.0),
        (0.35, -1.0),
        (0.35, -0.35),
        (1.0, -0.35),
        (1.0, 0.35),
        (0.35, 0.35),
        (0.35, 1.0),
        (-0.35, 1.0),
        (-0.35, 0.35),
        (-1.0, 0.35),
        (-1.0, -0.35),
        (-0.35, -0.35),
    ],
    // Arrow to the right.
    &[(-0.8, -1.0), (1.0, 0.0), (-0.8, 1.0)],
    // Upright bar.
    &[(-0.35, -1.2), (0.35, -1.2), (0.35, 1.2), (-0.35, 1.2)],
];

/// The style of a line; its sizes are in em.
#[derive(Clone, Copy)]
pub struct Stroke {
    pub colour: RGBColor,
    pub width: f64,
    /// What marks the line beside its colour, if others are drawn with it.
    pub marker: Option<Marker>,
}

/// A marker, drawn at some places of a line.
#[derive(Clone, Copy)]
pub struct Marker {
    pub shape: Shape,
    /// Where its first place is between two of them, from 0 to 1: that of another line is elsewhere.
    pub offset: f64,
}

/// The strokes of several lines in one picture, each with its colour and marker; `width` is in em.
pub fn strokes(lines: usize, width: f64) -> impl Iterator<Item = Stroke> {
    let styles = COLOURS.into_iter().zip(SHAPES).take(lines).enumerate();
    styles.map(move |(index, (colour, shape))| Stroke {
        colour,
        width,
        marker: (lines > 1).then_some(Marker {
            shape,
            offset: (index as f64 + 0.5) / lines as f64,
        }),
    })
}

/// Refuses more lines than there are colours.
pub fn check_number(lines: usize) -> Result<(), String> {
    match (1..=COLOURS.len()).contains(&lines) {
        true => Ok(()),
        false => Err(format!("{lines} lines; 1 to {} would work", COLOURS.len())),
    }
}

/// The em of a picture of `width` × `height` pixels, in pixels.
pub fn em((width, height): (u32, u32)) -> f64 {
    (f64::from(width) / 75.0).min(f64::from(height) / 47.0)
}

/// The linear red, green and blue of a colour, from 0 to 1.
///
/// Source: IEC 61966-2-1 (sRGB).
pub fn linear(RGBColor(red, green, blue): RGBColor) -> [f64; 3] {
    [red, green, blue].map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.040_45 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    })
}

/// The contrasts of a colour with black and with white, from 1 to 21.
///
/// Source: WCAG 2, "contrast ratio" and "relative luminance".
pub fn contrasts(colour: RGBColor) -> (f64, f64) {
    let [red, green, blue] = linear(colour);
    let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    ((luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05))
}

/// Writes a title over the whole width, in larger letters than the axes' names. A long title is smaller,
/// and cut if it is still too long.
pub fn draw_title(canvas: &mut dyn Canvas, font: &Font, title: &str, axis_em: f64, middle: i32) {
    let (width, _) = canvas.size();
    let room = 0.95 * f64::from(width);
    let em = (room / font.width(title)).clamp(1.2 * axis_em, 1.46 * axis_em);
    let title = font.cut(title, room / em);
    canvas.text(&font.text(&title, (width as i32 / 2, middle), em));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an eye without a kind of cones sees, in linear red, green and blue.
    ///
    /// Source: Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of
    /// color vision deficiency", severity 1.0.
    const PROTANOPIA: [[f64; 3]; 3] = [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ];
    const DEUTERANOPIA: [[f64; 3]; 3] = [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ];
    const ALL_CONES: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    fn times(matrix: [[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(one, other)| one * other).sum())
    }

    /// A colour as an eye sees it, in CIE L*a*b* with the white of sRGB (D65).
    fn lab(colour: RGBColor, eye: [[f64; 3]; 3]) -> [f64; 3] {
        let seen = times(eye, linear(colour)).map(|share| share.clamp(0.0, 1.0));
        let xyz = [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ];
        let [x, y, z] = times(xyz, seen);
        let root = |share: f64| match share > 216.0 / 24389.0 {
            true => share.cbrt(),
            false => (24389.0 / 27.0 * share + 16.0) / 116.0,
        };
        let [x, y, z] = [x / 0.95047, y, z / 1.08883].map(root);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    /// The CIE76 difference of two colours.
    fn difference(one: RGBColor, other: RGBColor, eye: [[f64; 3]; 3]) -> f64 {
        let pairs = lab(one, eye).into_iter().zip(lab(other, eye));
        pairs
            .map(|(one, other)| (one - other).powi(2))
            .sum::<f64>()
            .sqrt()
    }

    /// Values of Bruce Lindbloom's calculator for sRGB.
    #[test]
    fn colours_have_the_published_lab_values() {
        for (colour, expected) in [
            (RGBColor(255, 0, 0), [53.24, 80.09, 67.20]),
            (RGBColor(0, 0, 255), [32.30, 79.19, -107.86]),
            (RGBColor(255, 255, 255), [100.0, 0.0, 0.0]),
        ] {
            let lab = lab(colour, ALL_CONES);
            let close = lab
                .iter()
                .zip(expected)
                .all(|(one, other)| (one - other).abs() < 0.02);
            assert!(close, "{lab:?} is {expected:?}");
        }
    }

    /// A line had 2.6, two colours below 3, and two a difference of 8.
    #[test]
    fn colour_blind_eyes_tell_all_lines_apart_and_see_them_on_white() {
        for (index, &one) in COLOURS.iter().enumerate() {
            let (_, on_white) = contrasts(one);
            assert!(on_white >= 3.0, "{one:?}: {on_white}");
            for &other in &COLOURS[..index] {
                for eye in [PROTANOPIA, DEUTERANOPIA, ALL_CONES] {
                    let difference = difference(one, other, eye);
                    assert!(difference >= 20.0, "{one:?} and {other:?}: {difference}");
                }
            }
        }
        // The measure finds what was wrong: brown and green of the palette before.
        let before = difference(RGBColor(0, 135, 100), RGBColor(125, 125, 125), DEUTERANOPIA);
        assert!((8.0..9.0).contains(&before), "{before}");
    }

    #[test]
    fn lines_that_are_drawn_together_have_markers_of_their_own() {
        let shapes: Vec<Shape> = strokes(8, 0.1)
            .filter_map(|stroke| Some(stroke.marker?.shape))
            .collect();
        assert_eq!(shapes.len(), 8);
        for (index, shape) in shapes.iter().enumerate() {
            assert!(!shapes[..index].contains(shape));
        }
        assert!(strokes(1, 0.1).all(|stroke| stroke.marker.is_none()));
    }
}
