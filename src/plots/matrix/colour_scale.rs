//! The colours of values: the Blues scale for heatmaps, black to white for other matrices.

use colorgrad::Gradient;
use plotters::prelude::*;

use crate::plots::ticks::{self, Tick};

/// The mapping of values to colours.
///
/// The linear one runs from 0, or the lowest value if that is below 0, to the highest value. The
/// logarithmic one is `ln(1 + value / smallest value above 0)`, for values from 0 on.
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
    Greys,
}

impl ColourScale {
    /// The Blues scale for finite values; a logarithmic one takes no negative values.
    pub fn blues(values: &[f64], scale: Scale) -> Self {
        let blues = Colours::Blues(colorgrad::preset::blues());
        Self::new(values, 0.0, scale, blues)
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
///
/// Source: WCAG 2, "contrast ratio" and "relative luminance".
pub fn readable_on(RGBColor(red, green, blue): RGBColor) -> RGBColor {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::NgramCounts;
    use crate::data::Words;

    #[test]
    fn text_is_black_on_the_palest_and_white_on_the_darkest_cell() {
        let scale = ColourScale::blues(&[0.0, 1.0], Scale::Linear);
        assert_eq!(readable_on(scale.colour(0.0)), BLACK);
        assert_eq!(readable_on(scale.colour(1.0)), WHITE);
    }

    #[test]
    fn the_logarithmic_scale_tells_0_1_and_10_apart() {
        let scale = ColourScale::blues(&[0.0, 1.0, 10.0, 1e5], Scale::Log);
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
