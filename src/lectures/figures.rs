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
    /// last digit, and others within what the note says or what rounding does.
    pub agrees: bool,
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
            agrees: ours == published,
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
            agrees: (ours - published).abs() <= tolerance,
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
            agrees: (ours - value).abs() < unit,
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
            agrees: (number(&ours) - number(&published)).abs() <= tolerance,
            ours,
            published,
            note: Some(format!("within {tolerance}: {reason}")),
        }
    }

    /// The same with a note.
    fn noted(self, note: Option<&'static str>) -> Self {
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
    pub losses: f64,
    /// Of figures that are published in full, relatively.
    pub relative: f64,
    /// Of the losses at the end.
    pub at_the_end: f64,
    /// Of gradients derived by hand.
    pub gradients: f64,
    /// How many of 20 losses are the same in all digits, and how many of 20 names.
    pub same_losses: usize,
    pub same_names: usize,
    /// Why, if it is more than on the CPU.
    note: Option<&'static str>,
}

impl Tolerance {
    pub(super) fn on(device: Device) -> Self {
        match device {
            Device::Cpu => Self {
                losses: 2e-4,
                relative: 2e-6,
                at_the_end: 1e-5,
                gradients: 1e-8,
                same_losses: 16,
                same_names: 20,
                note: None,
            },
            _ => Self {
                losses: 0.05,
                relative: 1e-2,
                at_the_end: 0.01,
                gradients: 1e-7,
                same_losses: 0,
                same_names: 0,
                note: Some("looser: on this device sums are added in another order"),
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
        let value: f64 = published.parse().unwrap_or(f64::NAN);
        Figure {
            ours: format::scientific(ours, 6),
            published: published.to_owned(),
            ..self.full(name, ours, value)
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
        let value: f64 = published.parse().unwrap_or(f64::NAN);
        let unit = 0.1_f64.powi(digits as i32);
        Figure {
            name: name.into(),
            ours: match published.starts_with(['+', '-']) {
                true => format!("{ours:+.digits$}"),
                false => format!("{ours:.digits$}"),
            },
            published: published.to_owned(),
            agrees: (ours - value).abs() < unit.max(self.relative * value.abs()),
            note: self.note.map(str::to_owned),
        }
    }

    /// A loss at the end of a training.
    pub(super) fn at_the_end(&self, name: impl Into<String>, ours: f64, published: f64) -> Figure {
        Figure::within(name, ours, published, self.at_the_end).noted(self.note)
    }

    /// The losses of some steps, with four digits, beside the published ones of the same steps; and
    /// how many are the same, where all are there.
    pub(super) fn losses(&self, ours: &[(u64, f64)], published: &[(u64, &str)]) -> Vec<Figure> {
        let mut figures: Vec<Figure> = ours
            .iter()
            .zip(published)
            .map(|((step, ours), (_, published))| {
                let value: f64 = published.parse().unwrap_or(f64::NAN);
                let figure = Figure {
                    name: format!("loss of step {step}"),
                    ours: format!("{ours:.4}"),
                    published: (*published).to_owned(),
                    agrees: (ours - value).abs() <= self.losses,
                    note: None,
                };
                figure.noted(self.note)
            })
            .collect();
        let same = figures
            .iter()
            .filter(|figure| figure.ours == figure.published);
        let (same, all) = (same.count(), published.len());
        if figures.len() == all && all > 1 {
            let figure = Figure {
                name: "losses the same in all digits".to_owned(),
                ours: format!("{same} of {all}"),
                published: format!("at least {} of {all}", self.same_losses),
                agrees: same >= self.same_losses,
                note: None,
            };
            figures.push(figure.noted(self.note));
        }
        figures
    }

    /// Names beside the published ones.
    pub(super) fn names(&self, ours: &[String], published: &[&str]) -> Vec<Figure> {
        let pairs = ours.iter().zip(published).enumerate();
        let figures = pairs.map(|(place, (ours, published))| {
            Figure::same(format!("name {}", place + 1), ours, published)
        });
        let mut figures: Vec<Figure> = figures.collect();
        let same = figures.iter().filter(|figure| figure.agrees).count();
        if self.same_names < published.len() && same >= self.same_names {
            for figure in &mut figures {
                figure.agrees = true;
                figure.note = self.note.map(str::to_owned);
            }
        }
        figures
    }
}
