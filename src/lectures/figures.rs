//! How a figure of ours is compared with the published one.

use serde::Serialize;
use tch::Device;

use crate::format;

/// How far a loss or a probability of the first lecture that is published in full may be off.
const TOLERANCE: f64 = 1e-6;

/// A figure of ours and the published one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// As we compute it.
    pub ours: String,
    /// As the notes or the notebook print it.
    pub published: String,
    /// Texts and whole numbers agree if they are the same, figures that are rounded within their
    /// last digit, and others within what the note says or what rounding does. None of a figure that
    /// cannot be compared, for the reason in the note.
    pub agrees: Option<bool>,
    /// How far it may be off, and why; of a figure that cannot be repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Figure {
    /// Agrees if both are the same.
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

    /// Published in full, in the first lecture.
    pub(super) fn close(name: impl Into<String>, ours: f64, published: f64) -> Self {
        Self::within(name, ours, published, TOLERANCE)
    }

    /// Published in full, and the same within some tolerance.
    pub(super) fn within(
        name: impl Into<String>,
        ours: f64,
        published: f64,
        tolerance: f64,
    ) -> Self {
        Self {
            name: name.into(),
            ours: format::float(ours),
            published: format::float(published),
            agrees: Some((ours - published).abs() <= tolerance),
            note: None,
        }
    }

    /// `published` is rounded, and its last digit is worth `unit`.
    pub(super) fn rounded(name: impl Into<String>, ours: f64, published: &str, unit: f64) -> Self {
        let value: f64 = published.parse().unwrap_or(f64::NAN);
        Self {
            name: name.into(),
            ours: format::float(ours),
            published: published.to_owned(),
            agrees: Some((ours - value).abs() < unit),
            note: None,
        }
    }

    /// Cannot be repeated, for a reason, and lies within some tolerance nevertheless.
    pub(super) fn about(
        name: impl Into<String>,
        ours: impl ToString,
        published: impl ToString,
        tolerance: f64,
        reason: &str,
    ) -> Self {
        let (ours, published) = (ours.to_string(), published.to_string());
        let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
        Self {
            name: name.into(),
            agrees: Some((number(&ours) - number(&published)).abs() <= tolerance),
            ours,
            published,
            note: Some(format!("within {tolerance}: {reason}")),
        }
    }

    /// Cannot be compared, for a reason.
    pub(super) fn beside(
        name: impl Into<String>,
        ours: impl ToString,
        published: impl ToString,
        reason: &str,
    ) -> Self {
        Self {
            name: name.into(),
            ours: ours.to_string(),
            published: published.to_string(),
            agrees: None,
            note: Some(reason.to_owned()),
        }
    }

    /// Agrees if it is no more than some small number.
    pub(super) fn at_most(name: impl Into<String>, ours: f64, most: f64) -> Self {
        Self {
            name: name.into(),
            ours: format::float(ours),
            published: format!("at most {most:e}"),
            agrees: Some(ours <= most),
            note: None,
        }
    }

    /// The same with a note.
    pub(super) fn noted(self, note: Option<&'static str>) -> Self {
        Self {
            note: note.map(str::to_owned),
            ..self
        }
    }
}

/// How far the figures of lectures 2 to 5 may be off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    /// Of losses in the course of a training.
    losses: f64,
    /// Of figures that are published in full, relatively.
    relative: f64,
    /// Of figures that are rounded, in units of the last digit.
    last_digit: f64,
    /// Of the losses at the end.
    at_the_end: f64,
    /// Of gradients derived by hand.
    gradients: f64,
    /// Why, if it is more than on the CPU.
    note: Option<&'static str>,
}

/// How many of 20 losses are the same in all digits at least.
const SAME_LOSSES: usize = 16;

impl Tolerance {
    pub(super) fn on(device: Device) -> Self {
        match device {
            Device::Cpu => Self {
                losses: 2e-4,
                relative: 2e-6,
                last_digit: 0.5,
                at_the_end: 1e-5,
                gradients: 1e-8,
                note: None,
            },
            _ => Self {
                losses: 1e-3,
                relative: 1e-4,
                last_digit: 1.5,
                at_the_end: 1e-4,
                gradients: 1e-7,
                note: Some("compared less strictly: this device adds in another order"),
            },
        }
    }

    /// A figure that is published in full.
    pub(super) fn full(&self, name: impl Into<String>, ours: f64, published: f64) -> Figure {
        let tolerance = self.relative * published.abs();
        Figure::within(name, ours, published, tolerance).noted(self.note)
    }

    /// A figure that is published with six digits behind the point and a power of ten.
    pub(super) fn scientific(&self, name: impl Into<String>, ours: f64, published: &str) -> Figure {
        Figure {
            ours: format::scientific(ours, 6),
            published: published.to_owned(),
            ..self.full(name, ours, number(published))
        }
    }

    /// A figure that is published with so many digits behind the point.
    pub(super) fn digits(
        &self,
        name: impl Into<String>,
        ours: f64,
        published: &str,
        digits: usize,
    ) -> Figure {
        let value = number(published);
        let unit = 0.1_f64.powi(digits as i32);
        let tolerance = self.last_digit * unit + self.relative * value.abs().max(1e-3);
        Figure {
            ours: match published.starts_with(['+', '-']) {
                true => format!("{ours:+.digits$}"),
                false => format!("{ours:.digits$}"),
            },
            published: published.to_owned(),
            ..Figure::within(name, ours, value, tolerance).noted(self.note)
        }
    }

    /// A loss at the end of a training.
    pub(super) fn at_the_end(&self, name: impl Into<String>, ours: f64, published: f64) -> Figure {
        Figure::within(name, ours, published, self.at_the_end).noted(self.note)
    }

    /// How far a gradient derived by hand is from autograd's.
    pub(super) fn gradient(&self, name: &str, difference: f64) -> Figure {
        Figure::at_most(name, difference, self.gradients).noted(self.note)
    }

    /// The losses of some steps, with four digits, beside the published ones of the same steps; and
    /// how many are the same, where all are there.
    pub(super) fn losses(&self, ours: &[(u64, f64)], published: &[(u64, &str)]) -> Vec<Figure> {
        let mut figures: Vec<Figure> = pairs(ours, published)
            .map(|(step, ours, published)| Figure {
                ours: format!("{ours:.4}"),
                published: published.to_owned(),
                ..Figure::within(of_step(step), ours, number(published), self.losses)
                    .noted(self.note)
            })
            .collect();
        let same = figures
            .iter()
            .filter(|figure| figure.ours == figure.published);
        let (same, all) = (same.count(), published.len());
        if figures.len() == all && all > 1 && self.note.is_none() {
            figures.push(Figure {
                name: "losses the same in all digits".to_owned(),
                ours: format!("{same} of {all}"),
                published: format!("at least {SAME_LOSSES} of {all}"),
                agrees: Some(same >= SAME_LOSSES),
                note: None,
            });
        }
        figures
    }

    /// Names beside the published ones.
    pub(super) fn names(&self, ours: &[String], published: &[&str]) -> Vec<Figure> {
        let pairs = ours.iter().zip(published).enumerate();
        let figures = pairs.map(|(place, (ours, published))| {
            let figure = Figure::same(of_name(place), ours, published);
            match self.note {
                // A draw may come out otherwise where probabilities differ in their last digits.
                Some(note) if figure.agrees == Some(false) => {
                    Figure::beside(of_name(place), ours, published, note)
                }
                _ => figure,
            }
        });
        figures.collect()
    }
}

/// Losses beside published ones that cannot be repeated, for a reason.
pub(super) fn losses_beside(
    ours: &[(u64, f64)],
    published: &[(u64, &str)],
    reason: &str,
) -> Vec<Figure> {
    pairs(ours, published)
        .map(|(step, ours, published)| {
            Figure::beside(of_step(step), format!("{ours:.4}"), published, reason)
        })
        .collect()
}

/// Names beside published ones that cannot be repeated, for a reason.
pub(super) fn names_beside(ours: &[String], published: &[&str], reason: &str) -> Vec<Figure> {
    let pairs = ours.iter().zip(published).enumerate();
    pairs
        .map(|(place, (ours, published))| Figure::beside(of_name(place), ours, published, reason))
        .collect()
}

/// The losses of steps of which one is published.
fn pairs<'a>(
    ours: &'a [(u64, f64)],
    published: &'a [(u64, &'a str)],
) -> impl Iterator<Item = (u64, f64, &'a str)> {
    ours.iter().filter_map(|&(step, ours)| {
        let of_same = published.iter().find(|(other, _)| *other == step);
        of_same.map(|&(_, published)| (step, ours, published))
    })
}

fn of_step(step: u64) -> String {
    format!("loss of step {step}")
}

fn of_name(place: usize) -> String {
    format!("name {}", place + 1)
}

fn number(published: &str) -> f64 {
    published.parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: fn() -> Tolerance = || Tolerance::on(Device::Cpu);

    #[test]
    fn losses_agree_within_two_units_of_the_last_digit() {
        let agrees = |loss| CPU().losses(&[(0, loss)], &[(0, "3.3239")])[0].agrees;
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
        // A loss of which none is published has nothing beside it.
        assert!(CPU().losses(&[(10_000, 2.0)], &[(0, "3.3239")]).is_empty());
    }

    #[test]
    fn sixteen_of_twenty_losses_are_the_same() {
        let published: Vec<(u64, &str)> = (0..20).map(|step| (step, "2.0000")).collect();
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
        let digits = |ours| CPU().digits("", ours, "0.63", 2).agrees;
        assert_eq!((digits(0.6349), digits(0.6251)), (Some(true), Some(true)));
        assert_eq!(
            (digits(0.6361), digits(f64::NAN)),
            (Some(false), Some(false))
        );
        let full = |ours| CPU().full("", ours, 0.9953052997589111).agrees;
        assert_eq!(
            (full(0.9953053593), full(0.99531)),
            (Some(true), Some(false))
        );
        let end = |ours| CPU().at_the_end("", ours, 2.1).agrees;
        assert_eq!((end(2.100009), end(2.100011)), (Some(true), Some(false)));
        let gradient = |difference| CPU().gradient("", difference).agrees;
        assert_eq!(
            (gradient(0.9e-8), gradient(1.1e-8)),
            (Some(true), Some(false))
        );
        let scientific = CPU().scientific("", 0.002640701597556472, "2.640702e-03");
        assert_eq!(
            (scientific.ours.as_str(), scientific.agrees),
            ("2.640702e-03", Some(true))
        );
    }

    #[test]
    fn a_name_that_differs_does_not_agree_on_the_cpu() {
        let ours = ["emma".to_owned(), "ava".to_owned()];
        let agree = |tolerance: Tolerance| -> Vec<Option<bool>> {
            let figures = tolerance.names(&ours, &["emma", "ana"]);
            figures.into_iter().map(|figure| figure.agrees).collect()
        };
        assert_eq!(agree(CPU()), [Some(true), Some(false)]);
        assert_eq!(agree(Tolerance::on(Device::Cuda(0))), [Some(true), None]);
    }
}
