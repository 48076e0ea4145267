//! Figures of ours beside the published ones, and the tolerances within which they agree.

use serde::{Serialize, Serializer};
use tch::Device;

use crate::format;

/// A figure of ours and the published one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The name of both.
    pub name: String,
    /// Our figure; in JSON a number if it is one.
    #[serde(serialize_with = "as_number")]
    pub ours: String,
    /// The figure that the notes or the notebook print.
    #[serde(serialize_with = "as_number")]
    pub published: String,
    /// Whether both agree: texts and whole numbers exactly, other numbers within a tolerance. `None` if
    /// they cannot be compared; the note says why.
    pub agrees: Option<bool>,
    /// Why our figure may differ from the published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Serialises a text as a number if it is one.
fn as_number<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(whole), _) => serializer.serialize_i64(whole),
        (_, Ok(number)) if number.is_finite() => serializer.serialize_f64(number),
        _ => serializer.serialize_str(text),
    }
}

impl Figure {
    /// A text or a whole number, which agrees if it is the same.
    pub(super) fn same(
        name: impl Into<String>,
        ours: impl ToString,
        published: impl ToString,
    ) -> Self {
        let (ours, published) = (ours.to_string(), published.to_string());
        Self {
            name: name.into(),
            agrees: Some(ours == published),
            ours,
            published,
            note: None,
        }
    }

    /// A number printed in full, which agrees within a tolerance.
    pub(super) fn within(
        name: impl Into<String>,
        ours: f64,
        published: &str,
        tolerance: f64,
    ) -> Self {
        Self {
            agrees: Some((ours - number(published)).abs() <= tolerance),
            ..Self::same(name, format::float(ours), published)
        }
    }

    /// A number that cannot be repeated exactly, for the reason given. It agrees within a tolerance and
    /// is printed with as many digits as the published one.
    pub(super) fn about(
        name: impl Into<String>,
        ours: f64,
        published: &str,
        tolerance: f64,
        reason: &str,
    ) -> Self {
        Self {
            ours: like(published, ours),
            note: Some(format!("within {tolerance}: {reason}")),
            ..Self::within(name, ours, published, tolerance)
        }
    }

    /// A number that agrees if it is at most so large.
    pub(super) fn at_most(name: impl Into<String>, ours: f64, most: f64) -> Self {
        Self {
            agrees: Some(ours <= most),
            ..Self::same(name, format::float(ours), format!("at most {most:e}"))
        }
    }
}

/// The tolerances of lectures 2 to 5.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    /// Of losses during a training.
    losses: f64,
    /// Of figures that are published in full, relative to the figure.
    relative: f64,
    /// Of rounded figures, in units of the last published digit.
    last_digit: f64,
    /// Of the losses after a training.
    at_the_end: f64,
    /// Of gradients derived by hand.
    gradients: f64,
    /// Whether the lecture draws all random numbers from a seed, so that its network is ours.
    is_seeded: bool,
    /// Why figures may differ, if they may.
    note: Option<&'static str>,
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
                note: None,
            },
            _ => Self {
                losses: 1e-3,
                relative: 1e-4,
                last_digit: 1.5,
                at_the_end: 1e-4,
                gradients: 1e-7,
                is_seeded: true,
                note: Some("compared less strictly: this device adds in another order"),
            },
        }
    }

    /// The tolerances for a network other than the lecture's, for the reason given.
    pub(super) fn of_another_network(self, at_the_end: f64, reason: &'static str) -> Self {
        Self {
            at_the_end,
            is_seeded: false,
            note: Some(reason),
            ..self
        }
    }

    /// A figure that is published in full.
    pub(super) fn full(&self, name: impl Into<String>, ours: f64, published: &str) -> Figure {
        let tolerance = self.relative * number(published).abs();
        self.noted(Figure::within(name, ours, published, tolerance))
    }

    /// A figure that is published with a few digits; ours is printed with as many.
    pub(super) fn rounded(&self, name: impl Into<String>, ours: f64, published: &str) -> Figure {
        let tolerance =
            self.last_digit * unit(published) + self.relative * number(published).abs().max(1e-3);
        self.noted(Figure {
            ours: like(published, ours),
            ..Figure::within(name, ours, published, tolerance)
        })
    }

    /// A loss after a training.
    pub(super) fn at_the_end(&self, name: &str, ours: f64, published: &str) -> Figure {
        match self.note {
            Some(reason) if !self.is_seeded => {
                Figure::about(name, ours, published, self.at_the_end, reason)
            }
            _ => self.noted(Figure::within(name, ours, published, self.at_the_end)),
        }
    }

    /// The largest difference between a gradient derived by hand and autograd's.
    pub(super) fn gradient(&self, name: &str, difference: f64) -> Figure {
        self.noted(Figure::at_most(name, difference, self.gradients))
    }

    /// The losses of steps beside the published ones, which are separated by spaces. After a whole
    /// training a last figure is the number of those that are the same in all digits.
    pub(super) fn losses(&self, ours: &[(u64, f64)], published: &str) -> Vec<Figure> {
        let all = published.split_whitespace().count();
        let pairs = ours.iter().zip(published.split_whitespace());
        let mut figures: Vec<Figure> = pairs
            .map(|(&(step, ours), published)| {
                let name = format!("loss of step {step}");
                let figure = Figure::within(name, ours, published, self.losses);
                Figure {
                    ours: like(published, ours),
                    agrees: figure.agrees.filter(|_| self.is_seeded),
                    ..self.noted(figure)
                }
            })
            .collect();
        let same = figures
            .iter()
            .filter(|figure| figure.ours == figure.published);
        let same = same.count();
        if figures.len() == all && all > 1 && self.note.is_none() {
            figures.push(Figure {
                agrees: Some(same >= SAME_LOSSES),
                ..Figure::same(
                    "losses the same in all digits",
                    format!("{same} of {all}"),
                    format!("at least {SAME_LOSSES} of {all}"),
                )
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
            let may_differ = self.note.is_some() && figure.agrees == Some(false);
            match may_differ || !self.is_seeded {
                true => Figure {
                    agrees: None,
                    ..self.noted(figure)
                },
                false => figure,
            }
        });
        figures.collect()
    }

    fn noted(&self, figure: Figure) -> Figure {
        Figure {
            note: self.note.map(str::to_owned),
            ..figure
        }
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

/// A number in the format of a published one: as many decimals, a plus sign, a power of ten.
fn like(published: &str, ours: f64) -> String {
    match digits(published) {
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
            assert!(
                figures[..20]
                    .iter()
                    .all(|figure| figure.agrees == Some(true))
            );
            assert_eq!(figures[20].agrees, Some(expected), "{differing}");
        }
    }

    #[test]
    fn figures_agree_as_far_as_they_are_published() {
        let digits = |ours| CPU().rounded("", ours, "0.63").agrees;
        assert_eq!((digits(0.6349), digits(0.6251)), (Some(true), Some(true)));
        assert_eq!(
            (digits(0.6361), digits(f64::NAN)),
            (Some(false), Some(false))
        );
        let full = |ours| CPU().full("", ours, "0.9953052997589111").agrees;
        assert_eq!(
            (full(0.9953053593), full(0.99531)),
            (Some(true), Some(false))
        );
        let end = |ours| CPU().at_the_end("", ours, "2.1").agrees;
        assert_eq!((end(2.100009), end(2.100011)), (Some(true), Some(false)));
        let gradient = |difference| CPU().gradient("", difference).agrees;
        assert_eq!(
            (gradient(0.9e-8), gradient(1.1e-8)),
            (Some(true), Some(false))
        );
        let scientific = CPU().rounded("", 0.002640701597556472, "2.640702e-03");
        assert_eq!(
            (scientific.ours.as_str(), scientific.agrees),
            ("2.640702e-03", Some(true))
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
        let end = another.at_the_end("", 2.14999, "2.1260");
        assert_eq!((end.ours.as_str(), end.agrees), ("2.1500", Some(true)));
        assert_eq!(end.note.as_deref(), Some("within 0.03: no seed"));
        assert_eq!(another.at_the_end("", 2.1561, "2.1260").agrees, Some(false));
        let losses = another.losses(&[(0, 2.0)], "3.7805");
        assert_eq!((losses[0].agrees, losses.len()), (None, 1));
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
