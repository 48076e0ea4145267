//! The evaluation of a model on a list, or on a part of the list that it was trained on.

use strum::VariantArray;

use super::evaluate::{self, Evaluation};
use crate::counting::Counted;
use crate::data::parts::{List, Parts};
use crate::data::reader::Source;
use crate::data::split::Part;
use crate::error::Result;
use crate::memory::Memory;
use crate::model_file::TrainedOn;
use crate::models::LanguageModel;

/// The evaluations of a model on a list or a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// All words.
    pub all: Evaluation,
    /// New words, which training never saw; none where the list of the training is not known.
    pub new: Option<Evaluation>,
}

impl Fit {
    /// The average NLL of the new words in nats, if there are any.
    pub fn nll_new(&self) -> Option<f64> {
        let new = self.new.filter(|new| new.words > 0);
        new.map(|new| new.nll())
    }
}

/// Evaluates a model on a list that was counted, or on a part of it as the model's training split it.
///
/// # Errors
///
/// As [`TrainedOn::part`] and [`evaluate::parts_and_new`].
pub fn fit(
    model: &dyn LanguageModel,
    trained_on: Option<TrainedOn>,
    part: Option<Part>,
    source: &Source,
    counted: &Counted,
    memory: &Memory,
) -> Result<Fit> {
    let list = List {
        source: source.clone(),
        digest: counted.digest,
    };
    let is_new_known = trained_on.is_some_and(|trained_on| match part {
        Some(part) => trained_on.split.own(part).is_none(),
        None => trained_on.list == counted.digest,
    });
    let (parts, wanted) = match (trained_on, part) {
        (Some(trained_on), Some(part)) => {
            let (parts, part) = trained_on.part(part, list)?;
            (parts, vec![part])
        }
        (Some(trained_on), None) => (trained_on.parts(list), Part::VARIANTS.to_vec()),
        (None, _) => (Parts::whole(list), Part::VARIANTS.to_vec()),
    };
    if parts.is_whole() {
        // A model of bigrams is evaluated by their counts.
        let all = match model.block_size() <= 1 && !model.knows_unknown() {
            true => evaluate::counts(model, &counted.counts)?,
            false => evaluate::parts(model, &parts, &wanted)?,
        };
        let new = is_new_known.then(Evaluation::default);
        return Ok(Fit { all, new });
    }
    let evaluated = evaluate::parts_and_new(model, &parts, &wanted, memory)?.together();
    Ok(Fit {
        all: evaluated.all,
        new: Some(evaluated.new),
    })
}
