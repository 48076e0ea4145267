//! The lists of a training: read, counted and split.

use std::path::Path;

use anyhow::bail;
use makemore_tch::data::SplitOf;
use makemore_tch::data::split::Part;
use makemore_tch::memory::Memory;
use makemore_tch::score::evaluate::{self, Evaluation, OldAndNew};
use makemore_tch::{Checkpoint, Counted, LanguageModel, List, Parts, Shares, Source, Split, count};

use serde::Serialize;

use super::arguments::{SEED, Train};
use crate::cli::arguments::check_standard_input;
use crate::cli::context::Context;
use crate::cli::output::Remarks;

/// What a model is trained on and evaluated with.
pub struct Data {
    /// The list, with all its bigrams.
    pub counted: Counted,
    /// Its parts.
    pub parts: Parts,
    /// The lists that are a part by themselves.
    own: Vec<(Part, Counted)>,
}

/// The losses of a model on the parts that it was not trained on, where they have words.
#[derive(Debug, Default, Serialize)]
pub struct HeldOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_loss_new: Option<f64>,
    /// The same for a person to read.
    #[serde(skip)]
    pub lines: Vec<String>,
}

impl Train {
    /// Reads the lists; `default` is how the data is split if the user does not say.
    pub(super) fn read_data(
        &self,
        default: Shares,
        resumed: Option<&Checkpoint>,
        context: Context,
    ) -> anyhow::Result<Data> {
        let own = self.dev.iter().chain(&self.test);
        check_standard_input(self.data.data.iter().chain(own))?;
        let learned = resumed.map(|resumed| resumed.model.vocabulary());
        let boundary = self.data.boundary(learned);
        let source = self.data.source()?.rereadable()?;
        let counted = count(&source, boundary)?;
        let split = self.split_of(default, resumed, &counted, context.remarks)?;
        let list = List {
            source,
            digest: counted.digest,
        };
        let mut data = Data {
            parts: Parts::new(list, split),
            counted,
            own: Vec::new(),
        };
        for (part, file) in [(Part::Dev, &self.dev), (Part::Test, &self.test)] {
            let Some(file) = file else {
                continue;
            };
            let source = Source::files(vec![file.clone()]).rereadable()?;
            let counted = count(&source, boundary)?;
            let list = List {
                source,
                digest: counted.digest,
            };
            data.parts = data.parts.with(part, list)?;
            data.own.push((part, counted));
        }
        if let (Some(file), Some(resumed)) = (&self.resume, resumed) {
            data.check_same_split(file, &resumed.split)?;
        }
        Ok(data)
    }

    fn split_of(
        &self,
        default: Shares,
        resumed: Option<&Checkpoint>,
        list: &Counted,
        remarks: Remarks,
    ) -> anyhow::Result<Split> {
        let words = list.digest.words;
        if let (Some(resumed), Some(file)) = (resumed, &self.resume) {
            return self.split_again(file, resumed.split, words);
        }
        let own = [
            (Part::Dev, "--dev", &self.dev),
            (Part::Test, "--test", &self.test),
        ];
        let own = own.into_iter().filter(|(.., file)| file.is_some());
        let mut shares = self.split.unwrap_or(default);
        for (part, argument, _) in own {
            if self.split.is_some_and(|split| split.has(part)) {
                bail!(
                    "--split {shares} takes the {part} part from the data, and {argument} names a list for it; leave one of them out"
                );
            }
            shares = shares.without(part);
        }
        let seed = self.split_seed.or(self.seed).unwrap_or(SEED);
        let split = Split::new(shares, seed, words);
        let parts = [Part::Train, Part::Dev, Part::Test].into_iter();
        let mut parts = parts.filter(|&part| shares.has(part));
        match parts.find(|&part| split.words(part) == 0) {
            None => Ok(split),
            Some(_) if self.split.is_none() => {
                remarks.say(format_args!(
                    "{} has too few words to hold some out ({words}): all are for training",
                    list.origin
                ));
                Ok(Split::new(Shares::ALL, seed, words))
            }
            Some(part) => bail!(
                "--split {shares} leaves the {part} part of {} without words ({words} in all); choose another --split, or name a list with --{part}",
                list.origin
            ),
        }
    }

    /// The split that a model was trained with.
    fn split_again(&self, file: &Path, before: SplitOf, words: u64) -> anyhow::Result<Split> {
        if let Some(split) = self.split.filter(|&split| split != before.shares) {
            bail!(
                "{}: its list was split {}, and {split} would train it on words that were held out; leave --split out",
                file.display(),
                before.shares
            );
        }
        if let Some(seed) = self.split_seed.filter(|&seed| seed != before.seed) {
            bail!(
                "{}: its list was split by the seed {}, and {seed} would train it on words that were held out; leave --split-seed out",
                file.display(),
                before.seed
            );
        }
        Ok(Split::new(before.shares, before.seed, words))
    }
}

impl Data {
    /// Whether a part has words.
    pub fn has(&self, part: Part) -> bool {
        self.parts.words(part) > 0
    }

    /// Refuses lists with characters that a model of the data will not know.
    pub fn check_characters(&self) -> anyhow::Result<()> {
        let known = self.counted.counts.vocabulary();
        for (part, list) in &self.own {
            let characters = &list.counts.vocabulary().characters()[1..];
            for &character in characters {
                if let Err(error) = known.stoi(character) {
                    let context = format!("the {part} part is {}", list.origin);
                    return Err(anyhow::Error::from(error).context(context));
                }
            }
        }
        Ok(())
    }

    /// Refuses to go on with a run on another list.
    pub fn check_same_list(&self, file: &Path, resumed: &Checkpoint) -> anyhow::Result<()> {
        let list = &self.counted;
        if resumed.run().is_none() || resumed.data == list.digest {
            return Ok(());
        }
        bail!(
            "{}: trained on another list ({}) than {} ({}); pass that list with --data FILE",
            file.display(),
            resumed.data,
            list.origin,
            list.digest
        )
    }

    /// What was held out must stay so.
    fn check_same_split(&self, file: &Path, before: &SplitOf) -> anyhow::Result<()> {
        for part in [Part::Dev, Part::Test] {
            let own = before.own(part);
            if self.parts.own(part).map(|list| list.digest) != own {
                let was = match own {
                    Some(own) => format!("was a list of its own ({own}); name it with --{part}"),
                    None => format!("was no list of its own; leave --{part} out"),
                };
                bail!("{}: its {part} part {was}", file.display());
            }
        }
        Ok(())
    }
}

impl HeldOut {
    /// A loss on dev that is known.
    pub fn dev(dev_loss: Option<f64>) -> Self {
        Self {
            dev_loss,
            lines: dev_loss
                .map(|loss| format!("Dev loss: {loss:.6}"))
                .into_iter()
                .collect(),
            ..Self::default()
        }
    }

    /// The losses of a model on the parts that it was not trained on.
    pub fn of(
        model: &dyn LanguageModel,
        parts: &Parts,
        memory: &Memory,
    ) -> makemore_tch::Result<Self> {
        let wanted = [Part::Dev, Part::Test].into_iter();
        let wanted: Vec<Part> = wanted.filter(|&part| parts.words(part) > 0).collect();
        let evaluation = evaluate::parts_and_new(model, parts, &wanted, memory)?;
        let (dev, test) = (evaluation.of(Part::Dev), evaluation.of(Part::Test));
        let lines = [line("Dev", dev), line("Test", test)];
        Ok(Self {
            dev_loss: nll(dev.all),
            test_loss: nll(test.all),
            test_loss_new: nll(test.new),
            lines: lines.into_iter().flatten().collect(),
        })
    }
}

/// The losses on a part as a line.
fn line(part: &str, OldAndNew { all, new }: OldAndNew) -> Option<String> {
    let of_new = nll(new).map_or_else(String::new, |nll| {
        let words = new.words;
        if words == all.words {
            return " (training saw none of the words)".to_owned();
        }
        format!(
            " ({nll:.6} on the {words} of {} words that training never saw)",
            all.words
        )
    });
    let of_unknown = match all.unknown {
        0 => String::new(),
        unknown => format!(
            "; unknown characters: {unknown}, without them {:.6}",
            all.known_nll()
        ),
    };
    nll(all).map(|nll| format!("{part} loss: {nll:.6}{of_new}{of_unknown}"))
}

/// The loss, if there are words.
pub fn nll(evaluation: Evaluation) -> Option<f64> {
    (evaluation.words > 0).then(|| evaluation.nll())
}
