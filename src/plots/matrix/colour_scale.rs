//! The colours of values: the Blues scale for heatmaps, red to blue for those with values below 0, black to
//! white for other matrices.

use colorgrad::Gradient;
use plotters::prelude::*;

use crate::plots::style::contrasts;
use crate::plots::ticks::{self, Tick};

/// The mapping of values to colours.
///
/// The linear one runs from 0 to the highest value, or as far below 0 as above it if there are values below
/// 0. The logarithmic one is `ln(1 + value / smallest value above 0)`, for values from 0 on.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::EnumString,
    strum::EnumMessage,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Scale {
    /// Proportional to the value
    Linear,
    /// Proportional to the value's logarithm, which also shows what is rare; 0 is the palest
    Log,
}

impl Scale {
    /// The scale that tells most values apart: logarithmic if no value is negative and the largest is over
    /// a thousand times the median of those above 0. From 100 columns on, whose cells are too small for
    /// numbers, 50 times are enough: a linear scale would leave most of them within 2 % of white.
    pub fn for_values(values: &[f64], columns: usize) -> Self {
        let times = if columns < 100 { 1000.0 } else { 50.0 };
        let faint = values.iter().copied().fold(0.0, f64::max) / times;
        let mut positive = 0_usize;
        let mut pale = 0_usize;
        for &value in values {
            if value < 0.0 {
                return Self::Linear;
            }
            positive += usize::from(value > 0.0);
            pale += usize::from(value > 0.0 && value < faint);
        }
        // The median is below that share if more than half of the values are.
        if 2 * pale > positive {
            Self::Log
        } else {
            Self::Linear
        }
    }
}

/// The colours of the values of a matrix.
pub struct ColourScale {
    scale: Scale,
    low: f64,
    high: f64,
    /// The smallest value above 0.
    unit: f64,
    colours: Colours,
}

enum Colours {
    Blues(colorgrad::BasisGradient),
    RedsAndBlues,
    Greys,
}

/// The colours from the lowest value to the highest, with white for 0 in the middle.
///
/// Source: RdBu of ColorBrewer, whose middle is a light grey.
const REDS_AND_BLUES: [RGBColor; 11] = [
    RGBColor(103, 0, 31),
    RGBColor(178, 24, 43),
    RGBColor(214, 96, 77),
    RGBColor(244, 165, 130),
    RGBColor(253, 219, 199),
    WHITE,
    RGBColor(209, 229, 240),
    RGBColor(146, 197, 222),
    RGBColor(67, 147, 195),
    RGBColor(33, 102, 172),
    RGBColor(5, 48, 97),
];

impl ColourScale {
    /// The scale of a heatmap of finite values: Blues, or red to blue if there are values below 0; a
    /// logarithmic one takes none of these.
    pub fn of_heatmap(values: &[f64], scale: Scale) -> Self {
        if values.iter().all(|&value| value >= 0.0) {
            let blues = Colours::Blues(colorgrad::preset::blues());
            return Self::new(values, 0.0, scale, blues);
        }
        let largest = values.iter().copied().map(f64::abs).fold(0.0, f64::max);
        Self::new(&[-largest, largest], 0.0, scale, Colours::RedsAndBlues)
    }

    /// A linear scale from black for the lowest finite value to white for the highest.
    pub fn greys(values: &[f64]) -> Self {
        Self::new(values, f64::INFINITY, Scale::Linear, Colours::Greys)
    }

    /// A scale from the lowest value, or `lowest` if that is below it, to the highest.
    fn new(values: &[f64], lowest: f64, scale: Scale, colours: Colours) -> Self {
        let low = values.iter().copied().fold(lowest, f64::min);
        let high = values.iter().copied().fold(low, f64::max);
        let high = if high > low { high } else { low + 1.0 };
        let positive = values.iter().copied().filter(|&value| value > 0.0);
        Self {
            scale,
            low,
            high,
            unit: positive.fold(high, f64::min),
            colours,
        }
    }

    /// The values of the palest and the darkest colour.
    pub fn ends(&self) -> [f64; 2] {
        [self.low, self.high]
    }

    /// The position of a value in the scale, from 0 to 1.
    pub fn share(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.unit).ln_1p() / (self.high / self.unit).ln_1p(),
        }
    }

    pub fn colour(&self, value: f64) -> RGBColor {
        self.colour_at(self.share(value))
    }

    pub fn colour_at(&self, share: f64) -> RGBColor {
        match &self.colours {
            Colours::Blues(blues) => {
                let [red, green, blue, _] = blues.at(share as f32).to_rgba8();
                RGBColor(red, green, blue)
            }
            Colours::RedsAndBlues => {
                let place = share.clamp(0.0, 1.0) * (REDS_AND_BLUES.len() - 1) as f64;
                let below = (place as usize).min(REDS_AND_BLUES.len() - 2);
                let way = place - below as f64;
                let mixed = |below: u8, above: u8| {
                    (f64::from(below) + way * (f64::from(above) - f64::from(below))).round() as u8
                };
                let (one, other) = (REDS_AND_BLUES[below], REDS_AND_BLUES[below + 1]);
                RGBColor(
                    mixed(one.0, other.0),
                    mixed(one.1, other.1),
                    mixed(one.2, other.2),
                )
            }
            Colours::Greys => {
                let grey = (255.0 * share).round() as u8;
                RGBColor(grey, grey, grey)
            }
        }
    }

    /// The ticks of a colour bar, about `at_most`.
    pub fn ticks(&self, at_most: usize, whole: bool) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => ticks::linear(self.low..self.high, at_most, whole),
            Scale::Log => ticks::logarithmic(self.unit, self.high, whole),
        }
    }
}

/// Black or white, whichever has more contrast on a colour.
pub fn readable_on(colour: RGBColor) -> RGBColor {
    let (with_black, with_white) = contrasts(colour);
    if with_black >= with_white {
        BLACK
    } else {
        WHITE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::NgramCounts;
    use crate::data::Words;

    #[test]
    fn text_is_black_on_the_palest_and_white_on_the_darkest_cell() {
        let scale = ColourScale::of_heatmap(&[0.0, 1.0], Scale::Linear);
        assert_eq!(readable_on(scale.colour(0.0)), BLACK);
        assert_eq!(readable_on(scale.colour(1.0)), WHITE);
    }

    /// The lowest logit was the palest, and nothing told which are above 0.
    #[test]
    fn zero_is_white_where_values_are_below_and_above_it() {
        let scale = ColourScale::of_heatmap(&[-1.0, 0.5, 4.0], Scale::Linear);
        assert_eq!(scale.ends(), [-4.0, 4.0]);
        assert_eq!(scale.colour(0.0), WHITE);
        assert_eq!(scale.colour(-4.0), REDS_AND_BLUES[0]);
        assert_eq!(scale.colour(4.0), REDS_AND_BLUES[10]);
        // As far from white on both sides.
        let [below, above] = [-1.0, 1.0].map(|value| scale.colour(value));
        assert!(
            below.0 > below.2 && above.0 < above.2,
            "{below:?} {above:?}"
        );
        let counts = ColourScale::of_heatmap(&[0.0, 7.0], Scale::Linear);
        assert_eq!(counts.ends(), [0.0, 7.0]);
    }

    #[test]
    fn the_logarithmic_scale_tells_0_1_and_10_apart() {
        let scale = ColourScale::of_heatmap(&[0.0, 1.0, 10.0, 1e5], Scale::Log);
        assert_eq!(scale.share(0.0), 0.0);
        assert_eq!(scale.share(1e5), 1.0);
        assert!(scale.share(1.0) > 0.05 && scale.share(10.0) > 3.0 * scale.share(1.0));
    }

    #[test]
    fn logarithmic_is_the_default_over_a_thousand_times_the_median() {
        let scale = |values: &[f64]| Scale::for_values(values, values.len());
        assert_eq!(scale(&[0.0, 1.0, 1.0, 1000.0]), Scale::Linear);
        assert_eq!(scale(&[0.0, 1.0, 1.0, 1001.0]), Scale::Log);
        assert_eq!(scale(&[0.0, 1.0, 9.0, 9.0, 1001.0]), Scale::Linear);
        assert_eq!(scale(&[-1.0, 1.0, 1.0, 1001.0]), Scale::Linear);
        assert_eq!(scale(&[]), Scale::Linear);
    }

    #[test]
    fn hundreds_of_characters_were_almost_white_on_a_linear_scale() {
        let scale = |rows: usize, columns: usize, common: f64| {
            let mut values = vec![1.0; rows * columns];
            values[0] = common;
            Scale::for_values(&values, columns)
        };
        assert_eq!(scale(100, 100, 51.0), Scale::Log);
        assert_eq!(scale(100, 100, 50.0), Scale::Linear);
        assert_eq!(scale(99, 99, 51.0), Scale::Linear);
        // The picture of a word has few rows, and cells as small.
        assert_eq!(scale(5, 126, 51.0), Scale::Log);
    }

    #[test]
    fn the_picture_of_the_lecture_stays_linear() {
        let counts = NgramCounts::of(&Words::lecture('.').unwrap()).unwrap();
        let counts = counts.matrix().unwrap();
        let values: Vec<f64> = counts.into_iter().map(|count| count as f64).collect();
        assert_eq!(Scale::for_values(&values, 27), Scale::Linear);
    }
}
