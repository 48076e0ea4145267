//! The losses of a model on the dev and test parts of its data.

use std::fmt;

use serde::Serialize;

use super::evaluate::{self, Evaluation, OldAndNew};
use crate::data::{Part, Parts};
use crate::distributed::Processes;
use crate::error::Result;
use crate::memory::Memory;
use crate::models::LanguageModel;

/// The losses of a model on the dev and test parts in nats, if these have words. Displayed as a line
/// for each part.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HeldOut {
    /// The loss on dev.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev_loss: Option<f64>,
    /// The loss on the new words of dev, which training never saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev_loss_new: Option<f64>,
    /// The loss on test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_loss: Option<f64>,
    /// The loss on the new words of test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_loss_new: Option<f64>,
    /// The number of words of dev that the losses leave out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev_left_out: Option<u64>,
    /// The number of words of test that the losses leave out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_left_out: Option<u64>,
    #[serde(skip)]
    lines: Vec<String>,
}

impl HeldOut {
    /// A dev loss that was computed before.
    pub fn dev(dev_loss: Option<f64>) -> Self {
        let line = dev_loss.map(|loss| format!("Dev loss: {loss:.6}"));
        Self {
            dev_loss,
            lines: line.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Evaluates a model on dev and test, by all processes that have it and share the parts.
    ///
    /// # Errors
    ///
    /// As [`evaluate::parts_and_new`].
    pub fn of(
        model: &dyn LanguageModel,
        parts: &Parts,
        memory: &Memory,
        processes: &dyn Processes,
    ) -> Result<Self> {
        let wanted = [Part::Dev, Part::Test].into_iter();
        let wanted: Vec<Part> = wanted.filter(|&part| parts.words(part) > 0).collect();
        let evaluation = evaluate::parts_and_new(model, parts, &wanted, memory, processes)?;
        let (dev, test) = (evaluation.of(Part::Dev), evaluation.of(Part::Test));
        let lines = [line("Dev", dev), line("Test", test)];
        let left_out = |part| Some(parts.left_out(part)).filter(|&words| words > 0);
        Ok(Self {
            dev_left_out: left_out(Part::Dev),
            test_left_out: left_out(Part::Test),
            dev_loss: nll(dev.all),
            dev_loss_new: nll(dev.new),
            test_loss: nll(test.all),
            test_loss_new: nll(test.new),
            lines: lines.into_iter().flatten().collect(),
        })
    }
}

impl fmt::Display for HeldOut {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The losses on a part as a line.
fn line(part: &str, OldAndNew { all, new }: OldAndNew) -> Option<String> {
    let of_new = match nll(new) {
        None => String::new(),
        Some(_) if new.words == all.words => " (training saw none of the words)".to_owned(),
        Some(nll) => format!(
            " ({nll:.6} on the {} of {} words that training never saw)",
            new.words, all.words
        ),
    };
    let of_unknown = match all.unknown {
        0 => String::new(),
        unknown => format!(
            "; unknown characters: {unknown}, without them {:.6}",
            all.known_nll()
        ),
    };
    let of_impossible = match all.possible_nll() {
        Some(nll) if all.impossible() > 0 => format!(
            "; characters with probability 0: {}, without them {nll:.6}",
            all.impossible()
        ),
        _ => String::new(),
    };
    nll(all).map(|nll| format!("{part} loss: {nll:.6}{of_new}{of_unknown}{of_impossible}"))
}

/// The loss, if there are words.
fn nll(evaluation: Evaluation) -> Option<f64> {
    (evaluation.words > 0).then(|| evaluation.nll())
}
