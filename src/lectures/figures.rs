//! Figures of ours beside the published ones, and the tolerances within which they agree.

use serde::{Serialize, Serializer};
use tch::Device;

use super::location::Location;
use crate::format;

/// A figure of ours and the published one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The name of both.
    pub name: String,
    /// Where the figure is published; that of its section by default. A check of what is published nowhere
    /// has none.
    pub source: Option<Location>,
    /// Our figure; in JSON a number if it is one.
    #[serde(serialize_with = "as_number")]
    pub ours: String,
    /// The figure that the notes or the notebook print. A check may have none.
    #[serde(serialize_with = "as_number_or_null")]
    pub published: Option<String>,
    /// Ours, in full, less the published one, if both are numbers.
    pub difference: Option<f64>,
    /// How both are compared.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// Whether they agree, or the check holds. `None` if the published figure cannot be repeated.
    pub agrees: Option<bool>,
}

/// The way in which a figure of ours is compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Comparison {
    /// It has to be the same.
    Same,
    /// It has to be the same in the digits that are published.
    Rounded,
    /// It differs, by no more than a tolerance if it agrees.
    Tolerance {
        /// The largest difference.
        tolerance: f64,
        /// Why there may be one.
        reason: &'static str,
    },
    /// It is held against an expectation of ours.
    Check {
        /// What is expected.
        check: String,
        /// Why it is not held against the published figure, if there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    },
    /// It is only shown beside the published one, which cannot be repeated.
    Shown {
        /// Why not.
        reason: &'static str,
    },
}

impl Comparison {
    /// Whether figures of this kind have to be as they are published.
    pub fn is_published(&self) -> bool {
        !matches!(self, Self::Check { .. } | Self::Shown { .. })
    }
}

/// Serialises a text as a number if it is one.
fn as_number<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(whole), _) => serializer.serialize_i64(whole),
        (_, Ok(number)) if number.is_finite() => serializer.serialize_f64(number),
        _ => serializer.serialize_str(text),
    }
}

fn as_number_or_null<S: Serializer>(
    text: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => as_number(text, serializer),
        None => serializer.serialize_none(),
    }
}

/// Why figures that are computed by floats may differ in their last digits.
const ROUNDING: &str = "rounded otherwise than by the published figure's libtorch";

impl Figure {
    /// A text or a whole number, which agrees if it is the same.
    pub(super) fn same(
        name: impl Into<String>,
        ours: impl ToString,
        published: impl ToString,
    ) -> Self {
        let (ours, published) = (ours.to_string(), published.to_string());
        let numbers = ours.parse::<f64>().ok().zip(published.parse::<f64>().ok());
        Self {
            name: name.into(),
            source: None,
            difference: numbers.map(|(ours, published)| ours - published),
            comparison: Comparison::Same,
            agrees: Some(ours == published),
            ours,
            published: Some(published),
        }
    }

    /// A number, printed with as many digits as the published one. It agrees if these are the same.
    pub(super) fn number(name: impl Into<String>, ours: f64, published: &str) -> Self {
        Self {
            difference: Some(ours - number(published)),
            comparison: match is_full(published) {
                true => Comparison::Same,
                false => Comparison::Rounded,
            },
            ..Self::same(name, like(published, ours), published)
        }
    }

    /// A number whose digits are the same, or else agree within a tolerance, for the reason given.
    pub(super) fn within(self, tolerance: f64, reason: &'static str) -> Self {
        match self.agrees {
            Some(true) => self,
            _ => Self {
                agrees: Some(self.is_off_by_at_most(tolerance)),
                comparison: Comparison::Tolerance { tolerance, reason },
                ..self
            },
        }
    }

    /// A number of another network than the published one, for the reason given. It cannot be the same but by
    /// chance; that it is about the same is a check of ours.
    pub(super) fn about(self, tolerance: f64, reason: &'static str) -> Self {
        Self {
            agrees: Some(self.is_off_by_at_most(tolerance)),
            comparison: Comparison::Check {
                check: format!("within {tolerance} of the published"),
                reason: Some(reason),
            },
            ..self
        }
    }

    /// A number that should be at most so large. The published one is another network's, for the reason given.
    pub(super) fn at_most(self, ours: f64, most: f64, reason: &'static str) -> Self {
        Self {
            agrees: Some(ours <= most),
            comparison: Comparison::Check {
                check: format!("at most {most:e}"),
                reason: Some(reason),
            },
            ..self
        }
    }

    /// A text or a whole number that is expected and published nowhere.
    pub(super) fn expected(
        name: impl Into<String>,
        ours: impl ToString,
        check: impl ToString,
    ) -> Self {
        let same = Self::same(name, ours, check);
        Self {
            comparison: Comparison::Check {
                check: same.published.unwrap_or_default(),
                reason: None,
            },
            published: None,
            difference: None,
            ..same
        }
    }

    /// A figure that is not compared, for the reason given.
    pub(super) fn shown(self, reason: &'static str) -> Self {
        Self {
            comparison: Comparison::Shown { reason },
            agrees: None,
            ..self
        }
    }

    /// A figure that is published elsewhere than the others of its section.
    pub(super) fn published_in(self, source: Location) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    fn is_off_by_at_most(&self, tolerance: f64) -> bool {
        self.difference.is_some_and(|off| off.abs() <= tolerance)
    }
}

/// The tolerances of a lecture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    /// Of losses during a training.
    losses: f64,
    /// Of figures that are published in full, relative to the figure: some units of 32-bit floats, which are
    /// 1.2e-7.
    relative: f64,
    /// Of rounded figures, in units of the last published digit.
    last_digit: f64,
    /// Of the losses after a training.
    at_the_end: f64,
    /// Of gradients derived by hand.
    gradients: f64,
    /// Whether the lecture draws all random numbers from a seed, so that its network is ours.
    is_seeded: bool,
    /// Whether names and most losses are the same in all digits, as on a CPU.
    is_exact: bool,
    /// Why figures may differ.
    reason: &'static str,
}

/// At least this many of the 20 losses of a training are the same in all published digits.
const SAME_LOSSES: usize = 16;

impl Tolerance {
    /// The tolerances on a device. The published figures are from a CPU.
    pub(super) fn on(device: Device) -> Self {
        match device {
            Device::Cpu => Self {
                losses: 2e-4,
                relative: 2e-6,
                last_digit: 0.5,
                at_the_end: 1e-5,
                gradients: 1e-8,
                is_seeded: true,
                is_exact: true,
                reason: ROUNDING,
            },
            _ => Self {
                losses: 1e-3,
                relative: 1e-4,
                last_digit: 1.5,
                at_the_end: 1e-4,
                gradients: 1e-7,
                is_seeded: true,
                is_exact: false,
                reason: "compared less strictly: this device adds in another order",
            },
        }
    }

    /// The tolerances for a network other than the lecture's, for the reason given.
    pub(super) fn of_another_network(self, at_the_end: f64, reason: &'static str) -> Self {
        Self {
            at_the_end,
            is_seeded: false,
            is_exact: false,
            reason,
            ..self
        }
    }

    /// A figure that is published in full, or rounded to a few digits.
    pub(super) fn figure(&self, name: impl Into<String>, ours: f64, published: &str) -> Figure {
        let size = number(published).abs();
        let tolerance = match (is_full(published), digits(published)) {
            (true, _) => self.relative * size,
            (false, (_, Some(_))) => self.last_digit * unit(published) + self.relative * size,
            // Those with fixed decimals are means of numbers that are larger than their mean.
            (false, (_, None)) => {
                self.last_digit * unit(published) + self.relative * size.max(1e-3)
            }
        };
        Figure::number(name, ours, published).within(tolerance, self.reason)
    }

    /// A loss after a training.
    pub(super) fn at_the_end(&self, name: &str, ours: f64, published: &str) -> Figure {
        let figure = Figure::number(name, ours, published);
        match self.is_seeded {
            true => figure.within(self.at_the_end, self.reason),
            false => figure.about(self.at_the_end, self.reason),
        }
    }

    /// The largest difference between a gradient derived by hand and autograd's, which is published as 0.
    pub(super) fn exact_gradient(&self, name: &str, difference: f64) -> Figure {
        let reason = "autograd rounds otherwise on this processor or device";
        Figure::number(name, difference, "0.0").within(self.gradients, reason)
    }

    /// The same of a gradient that is simplified, beside that of another network, for the reason given.
    pub(super) fn gradient(
        &self,
        name: &str,
        difference: f64,
        published: &str,
        reason: &'static str,
    ) -> Figure {
        let figure = Figure::number(name, difference, published);
        figure.at_most(difference, self.gradients, reason)
    }

    /// The losses of steps beside the published ones, which are separated by spaces. After a whole
    /// training a last figure is the number of those that are the same in all digits.
    pub(super) fn losses(&self, ours: &[(u64, f64)], published: &str) -> Vec<Figure> {
        let all = published.split_whitespace().count();
        let pairs = ours.iter().zip(published.split_whitespace());
        let mut figures: Vec<Figure> = pairs
            .map(|(&(step, ours), published)| {
                let name = format!("loss of step {step}");
                let figure = Figure::number(name, ours, published);
                match self.is_seeded {
                    true => figure.within(self.losses, self.reason),
                    false => figure.shown(self.reason),
                }
            })
            .collect();
        let same = figures
            .iter()
            .filter(|figure| figure.comparison == Comparison::Rounded)
            .count();
        if figures.len() == all && all > 1 && self.is_exact {
            let expected = Figure::expected(
                "losses the same in all digits",
                format!("{same} of {all}"),
                format!("at least {SAME_LOSSES} of {all}"),
            );
            figures.push(Figure {
                agrees: Some(same >= SAME_LOSSES),
                ..expected
            });
        }
        figures
    }

    /// Names beside the published ones, which are separated by spaces.
    pub(super) fn names(&self, ours: &[String], published: &str) -> Vec<Figure> {
        let pairs = ours.iter().zip(published.split_whitespace()).enumerate();
        let figures = pairs.map(|(place, (ours, published))| {
            let figure = Figure::same(format!("name {}", place + 1), ours, published);
            // Probabilities that differ in their last digits can change a draw.
            let may_differ = !self.is_exact && figure.agrees == Some(false);
            match may_differ || !self.is_seeded {
                true => figure.shown(self.reason),
                false => figure,
            }
        });
        figures.collect()
    }
}

fn number(published: &str) -> f64 {
    published.parse().unwrap_or(f64::NAN)
}

/// The number of decimals, and the power of ten if it is written.
fn digits(published: &str) -> (usize, Option<i32>) {
    let (digits, power) = match published.split_once('e') {
        Some((digits, power)) => (digits, power.parse().ok()),
        None => (published, None),
    };
    let decimals = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
    (decimals, power)
}

/// One unit of the last digit.
fn unit(published: &str) -> f64 {
    let (decimals, power) = digits(published);
    10_f64.powi(power.unwrap_or(0) - decimals as i32)
}

/// Whether a number is printed in full, as Python prints a float. PyTorch and the notes round to two to
/// six decimals.
fn is_full(published: &str) -> bool {
    !(2..=6).contains(&digits(published).0)
}

/// A number in the format of a published one: in full, or with as many decimals, a plus sign, a power of
/// ten.
fn like(published: &str, ours: f64) -> String {
    match digits(published) {
        _ if is_full(published) => format::float(ours),
        (decimals, Some(_)) => format::scientific(ours, decimals),
        (decimals, None) if published.starts_with(['+', '-']) => format!("{ours:+.decimals$}"),
        (decimals, None) => format!("{ours:.decimals$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: fn() -> Tolerance = || Tolerance::on(Device::Cpu);

    #[test]
    fn losses_agree_within_two_units_of_the_last_digit() {
        let agrees = |loss| CPU().losses(&[(0, loss)], "3.3239")[0].agrees;
        for (loss, expected) in [
            (3.3239, true),
            (3.32409, true),
            (3.32371, true),
            (3.32411, false),
            (3.3236, false),
            (f64::NAN, false),
        ] {
            assert_eq!(agrees(loss), Some(expected), "{loss}");
        }
        // A loss without a published one is left out.
        let two = [(0, 3.3239), (10_000, 2.0)];
        assert_eq!(CPU().losses(&two, "3.3239").len(), 1);
    }

    #[test]
    fn sixteen_of_twenty_losses_are_the_same() {
        let published = "2.0000 ".repeat(20);
        for (differing, expected) in [(0, true), (4, true), (5, false)] {
            let loss = |step| if step < differing { 2.0001 } else { 2.0 };
            let ours: Vec<(u64, f64)> = (0..20).map(|step| (step, loss(step))).collect();
            let figures = CPU().losses(&ours, &published);
            assert_eq!(figures.len(), 21);
            for (step, figure) in figures[..20].iter().enumerate() {
                assert_eq!(figure.agrees, Some(true));
                let is_off = matches!(figure.comparison, Comparison::Tolerance { .. });
                assert_eq!(is_off, (step as u64) < differing, "{figure:?}");
            }
            assert_eq!(figures[20].agrees, Some(expected), "{differing}");
            assert_eq!(figures[20].published, None);
        }
    }

    /// A bound of ours once stood where published figures stand.
    #[test]
    fn a_check_of_ours_is_not_published() {
        let check = Figure::expected("", 3, 4);
        assert_eq!((&check.published, check.agrees), (&None, Some(false)));
        assert!(!check.comparison.is_published());
        let beside = |ours| CPU().gradient("", ours, "5.122274160385132e-09", "no seed");
        let (holds, fails) = (beside(0.9e-8), beside(1.1e-8));
        assert_eq!((holds.agrees, fails.agrees), (Some(true), Some(false)));
        assert_eq!(holds.published.as_deref(), Some("5.122274160385132e-09"));
        assert!(!holds.comparison.is_published());
        let json = serde_json::to_string(&holds).unwrap();
        assert!(
            json.contains(r#""kind":"check","check":"at most 1e-8","reason":"no seed""#),
            "{json}"
        );
    }

    /// A tolerance is a figure's only where the digits that are published differ.
    #[test]
    fn figures_agree_as_far_as_they_are_published() {
        let kind = |ours, published| {
            let figure = CPU().figure("", ours, published);
            let name = serde_json::to_value(&figure.comparison).unwrap()["kind"].clone();
            (name.as_str().unwrap().to_owned(), figure.agrees.unwrap())
        };
        for (ours, published, expected, agrees) in [
            (0.6349, "0.63", "rounded", true),
            (0.6251, "0.63", "rounded", true),
            (0.6350009, "0.63", "tolerance", true),
            (0.6361, "0.63", "tolerance", false),
            (f64::NAN, "0.63", "tolerance", false),
            (0.9953052997589111, "0.9953052997589111", "same", true),
            (0.9953053593, "0.9953052997589111", "tolerance", true),
            (0.99531, "0.9953052997589111", "tolerance", false),
            (1.0, "1.0", "same", true),
            (0.9999999, "1.0", "tolerance", true),
            // Of small numbers too the last digits alone may differ.
            (0.0122862, "0.012286253273487091", "tolerance", false),
            (2.93988e-8, "2.9399e-08", "rounded", true),
            (2.93982e-8, "2.9399e-08", "tolerance", false),
        ] {
            let found = kind(ours, published);
            assert_eq!(found, (expected.to_owned(), agrees), "{ours} {published}");
        }
        let end = |ours| CPU().at_the_end("", ours, "2.0674145221710205").agrees;
        assert_eq!((end(2.06742), end(2.06743)), (Some(true), Some(false)));
        let scientific = CPU().figure("", 0.002640701597556472, "2.640702e-03");
        assert_eq!(scientific.ours, "2.640702e-03");
        assert_eq!(scientific.comparison, Comparison::Rounded);
        // Of the number in full, not of the digits shown.
        assert!(scientific.difference.unwrap() < 0.0);
    }

    #[test]
    fn a_gradient_that_is_exact_needs_no_tolerance() {
        assert_eq!(CPU().exact_gradient("", 0.0).comparison, Comparison::Same);
        let off = |difference| CPU().exact_gradient("", difference);
        assert!(matches!(off(5e-9).comparison, Comparison::Tolerance { .. }));
        assert_eq!(
            (off(5e-9).agrees, off(2e-8).agrees),
            (Some(true), Some(false))
        );
    }

    #[test]
    fn a_name_that_differs_does_not_agree_on_the_cpu() {
        let ours = ["emma".to_owned(), "ava".to_owned()];
        let agree = |tolerance: Tolerance| -> Vec<Option<bool>> {
            let figures = tolerance.names(&ours, "emma ana");
            figures.into_iter().map(|figure| figure.agrees).collect()
        };
        assert_eq!(agree(CPU()), [Some(true), Some(false)]);
        assert_eq!(agree(Tolerance::on(Device::Cuda(0))), [Some(true), None]);
        let another = CPU().of_another_network(0.03, "no seed");
        assert_eq!(agree(another), [None, None]);
    }

    #[test]
    fn figures_of_another_network_say_how_far_they_may_be_off() {
        let another = CPU().of_another_network(0.03, "no seed");
        let about = Comparison::Check {
            check: "within 0.03 of the published".to_owned(),
            reason: Some("no seed"),
        };
        let end = another.at_the_end("", 2.14999, "2.1260");
        assert_eq!((end.ours.as_str(), end.agrees), ("2.1500", Some(true)));
        assert_eq!(end.comparison, about);
        // The same digits by chance.
        let same = another.at_the_end("", 2.126, "2.1260");
        assert_eq!(same.comparison, about);
        assert!(!same.comparison.is_published());
        assert_eq!(another.at_the_end("", 2.1561, "2.1260").agrees, Some(false));
        let losses = another.losses(&[(0, 2.0)], "3.7805");
        assert_eq!((losses[0].agrees, losses.len()), (None, 1));
        assert_eq!(
            losses[0].comparison,
            Comparison::Shown { reason: "no seed" }
        );
    }

    /// A program that reads the document does not have to parse texts.
    #[test]
    fn numbers_are_numbers_in_json() {
        let figure = |text: &str| serde_json::to_string(&Figure::same("", text, text)).unwrap();
        for (text, json) in [
            ("2.0322", "2.0322"),
            ("+0.000246", "0.000246"),
            ("2.640702e-03", "0.002640702"),
            ("0.0005491252522915602", "0.0005491252522915602"),
            ("0.9782556295394897", "0.9782556295394897"),
            ("182625", "182625"),
            ("32k", "\"32k\""),
            ("nan", "\"nan\""),
            ("[27, 10]", "\"[27, 10]\""),
        ] {
            let expected = format!("\"ours\":{json},\"published\":{json},");
            assert!(figure(text).contains(&expected), "{}", figure(text));
        }
    }
}
