//! The notes from the first count to the last sampled name, each figure beside the published one.
//!
//! Everything is computed from the data by the calls that the rest of the crate offers; only the
//! published figures are written down here, as they stand in the notes.

use std::ops::ControlFlow;

use tch::{Device, IndexOp, Kind, Tensor};

use crate::counts::BigramCounts;
use crate::error::{Error, Result};
use crate::format;
use crate::network::Network;
use crate::pairs::{Rows, TrainingPairs};
use crate::probabilities::Probabilities;
use crate::sampler::{SampleOptions, Sampler};
use crate::train::{Schedule, train};
use crate::words::Words;

/// The seed of all random numbers of the notes.
const SEED: u64 = 420;

/// How far a loss or a probability that is published in full may be off.
const TOLERANCE: f64 = 1e-6;

/// The five names, the likeliest first; the network's are the same.
const NAMES: [(&str, f64); 5] = [
    ("jen", 0.0005491252522915602),
    ("jor", 0.0001786774955689907),
    ("she", 0.00017446796118747443),
    ("tais", 3.90183367926511e-06),
    ("anuir", 2.335933579900029e-08),
];

/// The bigrams of `emma`: input, target, and the network's probability and loss before training.
const EMMA: [(usize, usize, f64, f64); 5] = [
    (0, 5, 0.024598384276032448, 3.7050745487213135),
    (5, 13, 0.057898372411727905, 2.8490660190582275),
    (13, 13, 0.017136109992861748, 4.066567420959473),
    (13, 1, 0.012621787376701832, 4.372330665588379),
    (1, 0, 0.030220769345760345, 3.4992258548736572),
];

/// The table of losses, every 50 epochs.
const LOSSES: [(u64, f64); 7] = [
    (0, 3.6365137100219727),
    (50, 2.4955990314483643),
    (100, 2.4727954864501953),
    (150, 2.4657769203186035),
    (200, 2.4625258445739746),
    (250, 2.4606406688690186),
    (300, 2.459399700164795),
];

/// The epochs of the notes' run.
pub const EPOCHS: u64 = 301;

/// One step of the lecture.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it is about.
    pub title: &'static str,
    /// What happens in it, in a sentence or two.
    pub explanation: &'static str,
    /// Its figures.
    pub figures: Vec<Figure>,
}

impl Step {
    /// Whether all figures agree.
    pub fn agrees(&self) -> bool {
        self.figures.iter().all(|figure| figure.agrees)
    }
}

/// A figure of ours and the published one.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// As we compute it.
    pub ours: String,
    /// As the notes print it.
    pub published: String,
    /// Texts and whole numbers agree if they are the same, losses within 1e-6, and figures that
    /// the notes round within their last digit.
    pub agrees: bool,
}

impl Figure {
    fn same(name: impl Into<String>, ours: impl ToString, published: impl ToString) -> Self {
        let (ours, published) = (ours.to_string(), published.to_string());
        Self {
            name: name.into(),
            agrees: ours == published,
            ours,
            published,
        }
    }

    fn close(name: impl Into<String>, ours: f64, published: f64) -> Self {
        Self {
            name: name.into(),
            ours: format::float(ours),
            published: format::float(published),
            agrees: (ours - published).abs() <= TOLERANCE,
        }
    }

    /// `published` is rounded, and its last digit is worth `unit`.
    fn rounded(name: impl Into<String>, ours: f64, published: &str, unit: f64) -> Self {
        let value: f64 = published.parse().unwrap_or(f64::NAN);
        Self {
            name: name.into(),
            ours: format::float(ours),
            published: published.to_owned(),
            agrees: (ours - value).abs() < unit,
        }
    }
}

/// Replays the lecture on a word list, which agrees with the notes if it is theirs.
///
/// `on_step` is called as soon as a step is done, `on_epoch` after each of the [`EPOCHS`] epochs
/// of the training, which runs on `rows`.
///
/// # Errors
///
/// What `on_step` returns, and an [`Error`] where a list other than the lecture's lacks a
/// character that the lecture needs.
pub fn replay<E: From<Error>>(
    words: &Words,
    rows: Rows,
    mut on_step: impl FnMut(Step) -> Result<(), E>,
    mut on_epoch: impl FnMut(u64),
) -> Result<(), E> {
    let counts = BigramCounts::of(words)?;
    on_step(sizes(words, &counts))?;
    on_step(most_common(&counts))?;
    on_step(vocabulary(&counts))?;
    let p = counts.probabilities(1.0)?;
    on_step(good(&p)?)?;
    on_step(Step {
        title: "Names from the counts",
        explanation: "Character after character is drawn from its row of P with seed 420, until \
                      a boundary ends the name.",
        figures: names(&p, &p)?,
    })?;
    on_step(average_nll(words, &counts, &p)?)?;

    let all = TrainingPairs::all(words, counts.vocabulary(), Device::Cpu)?;
    let mut network = Network::new(counts.vocabulary().clone(), SEED, Device::Cpu)?;
    let probs = tch::no_grad(|| network.forward(all.xenc()))?;
    on_step(shapes(&all, &probs)?)?;
    drop(probs);
    on_step(emma(&network.probabilities()?)?)?;

    let pairs = match rows {
        Rows::All => all,
        Rows::Distinct => TrainingPairs::distinct(&counts, Device::Cpu)?,
    };
    on_step(first_step(&mut network, &pairs)?)?;
    on_step(training(&mut network, &pairs, &mut on_epoch)?)?;
    on_step(regularization(&network, &pairs)?)?;
    on_step(Step {
        title: "Names from the network",
        explanation: "The trained network is sampled with the same seed, and draws the same \
                      names; their likelihoods are again those of P.",
        figures: names(&network.probabilities()?, &p)?,
    })
}

fn sizes(words: &Words, counts: &BigramCounts) -> Step {
    Step {
        title: "The data",
        explanation: "The most common names of 2018. A bigram is two characters in a row; the \
                      boundary '.' begins and ends every name.",
        figures: vec![
            Figure {
                name: "names".to_owned(),
                ours: words.len().to_string(),
                published: "32k".to_owned(),
                agrees: words.len() / 1000 == 32,
            },
            Figure::same("bigrams", counts.bigrams(), 228_146),
        ],
    }
}

fn most_common(counts: &BigramCounts) -> Step {
    let published = [
        ("n.", 6763),
        ("a.", 6640),
        ("an", 5438),
        (".a", 4410),
        ("e.", 3983),
    ];
    let ours = counts.most_common(published.len());
    let figures = ours.iter().zip(published).enumerate();
    Step {
        title: "The most common bigrams",
        explanation: "Counting: how often does each character follow each other one?",
        figures: figures
            .map(|(place, (&(i, j, count), (bigram, frequency)))| {
                let ours = format!("{}: {count}", counts.vocabulary().bigram(i, j));
                Figure::same(
                    format!("frequency {}", place + 1),
                    ours,
                    format!("{bigram}: {frequency}"),
                )
            })
            .collect(),
    }
}

fn vocabulary(counts: &BigramCounts) -> Step {
    let characters = counts.vocabulary().characters();
    let letters: String = characters[1..].iter().collect();
    Step {
        title: "The vocabulary",
        explanation: "Every character has an index: the boundary 0, the letters from 1 in their \
                      order. N and P are matrices of that size.",
        figures: vec![
            Figure::same("index 0", characters[0], '.'),
            Figure::same("from index 1", letters, "abcdefghijklmnopqrstuvwxyz"),
            Figure::same("characters", characters.len(), 27),
        ],
    }
}

fn good(p: &Probabilities) -> Result<Step> {
    let published = [".0209", ".0430", ".0146", ".0240", ".0936"];
    let mut figures = Vec::new();
    for ((i, j), published) in p.vocabulary().bigrams("good")?.into_iter().zip(published) {
        figures.push(Figure::rounded(
            format!("probability for {}", p.vocabulary().bigram(i, j)),
            p.probability(i, j)?.into(),
            &format!("0{published}"),
            1e-4,
        ));
    }
    let likelihood = f64::from(p.likelihood("good")?);
    figures.push(Figure::rounded(
        "likelihood for good",
        likelihood,
        "2.9399e-08",
        1e-12,
    ));
    Ok(Step {
        title: "Probabilities and likelihood",
        explanation: "P is N + 1, each row divided by its sum. The likelihood of a word is the \
                      product of the probabilities of its bigrams.",
        figures,
    })
}

/// The names that `drawn_from` draws, with their likelihoods under `p`.
fn names(drawn_from: &Probabilities, p: &Probabilities) -> Result<Vec<Figure>> {
    let mut ours = Vec::new();
    for name in Sampler::new(drawn_from, SEED, &SampleOptions::default())?.take(NAMES.len()) {
        let name = name?;
        ours.push((p.likelihood(&name)?, name));
    }
    ours.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let line = |name: &str, likelihood| format!("{name}: {}", format::float(likelihood));
    let figures = ours.iter().zip(NAMES).enumerate();
    Ok(figures
        .map(|(place, ((likelihood, name), published))| {
            Figure::same(
                format!("likelihood {}", place + 1),
                line(name, f64::from(*likelihood)),
                line(published.0, published.1),
            )
        })
        .collect())
}

fn average_nll(words: &Words, counts: &BigramCounts, p: &Probabilities) -> Result<Step> {
    Ok(Step {
        title: "Average negative log-likelihood",
        explanation: "The quality of a model in one number, the lower the better. (The notes' \
                      running text has a slip, 2.454679; their code prints this figure.)",
        figures: vec![Figure::rounded(
            "average NLL",
            p.nll_of(words, counts)?,
            "2.454579",
            1e-6,
        )],
    })
}

fn shapes(all: &TrainingPairs, probs: &Tensor) -> Result<Step> {
    let row = probs.i(1).f_sum(Kind::Float)?.f_double_value(&[])?;
    Ok(Step {
        title: "Inputs and outputs of the network",
        explanation: "Every bigram is a row: its first character one-hot, times W (27 × 27 \
                      normal random numbers, seed 420), exponentiated, divided by the row's sum.",
        figures: vec![
            Figure::same("shape of xenc", shape(all.xenc()), "[228146, 27]"),
            Figure::same("shape of probs", shape(probs), "[228146, 27]"),
            Figure::rounded("sum of a row of probs", row, "1.0000", 1e-4),
        ],
    })
}

fn shape(tensor: &Tensor) -> String {
    format!("{:?}", tensor.size())
}

fn emma(untrained: &Probabilities) -> Result<Step> {
    let mut figures = Vec::new();
    let mut sum = 0.0_f32;
    let bigrams = untrained.vocabulary().bigrams("emma")?;
    for ((i, j), (x, y, probability, nll)) in bigrams.into_iter().zip(EMMA) {
        let ours = untrained.probability(i, j)?;
        let loss = -ours.ln();
        sum += loss;
        let bigram = untrained.vocabulary().bigram(i, j);
        let indexes = format!("indexes of {bigram}");
        figures.push(Figure::same(
            indexes,
            format!("{i}, {j}"),
            format!("{x}, {y}"),
        ));
        let name = format!("probability of {bigram}");
        figures.push(Figure::close(name, ours.into(), probability));
        figures.push(Figure::close(format!("loss of {bigram}"), loss.into(), nll));
    }
    let mean = f64::from(sum / EMMA.len() as f32);
    figures.push(Figure::close("mean loss of emma", mean, 3.6984527111053467));
    Ok(Step {
        title: "The bigrams of emma",
        explanation: "Before training: the probability that the network gives to each next \
                      character of the first name, and its negative logarithm, the loss.",
        figures,
    })
}

fn first_step(network: &mut Network, pairs: &TrainingPairs) -> Result<Step> {
    let before = network.loss(pairs, 0.0)?;
    network.step(&before, 0.1)?;
    let gradient = network.gradient()?.f_double_value(&[0, 0])?;
    let after = tch::no_grad(|| network.loss(pairs, 0.0))?.f_double_value(&[])?;
    let before = before.f_double_value(&[])?;
    Ok(Step {
        title: "One step of gradient descent",
        explanation: "The loss of all bigrams, its gradient by loss.backward(), and the loss \
                      after W -= 0.1 * W.grad.",
        figures: vec![
            Figure::close("loss", before, 3.637367010116577),
            Figure::rounded("W.grad[0, 0]", gradient, "0.002339", 1e-6),
            Figure::close("loss after the step", after, 3.6365137100219727),
        ],
    })
}

fn training(
    network: &mut Network,
    pairs: &TrainingPairs,
    on_epoch: &mut impl FnMut(u64),
) -> Result<Step> {
    let schedule = Schedule {
        warmup_epochs: 0,
        epochs: EPOCHS,
        ..Schedule::default()
    };
    let mut figures = Vec::new();
    train(network, pairs, &schedule, |epoch, loss| {
        if let Some(&(_, published)) = LOSSES.iter().find(|&&(at, _)| at == epoch) {
            let name = format!("loss of epoch {epoch}");
            figures.push(Figure::close(name, loss.into(), published));
        }
        on_epoch(epoch);
        ControlFlow::Continue(())
    })?;
    Ok(Step {
        title: "Training",
        explanation: "301 more steps at learning rate 50: the loss comes down towards that of \
                      counting.",
        figures,
    })
}

fn regularization(network: &Network, pairs: &TrainingPairs) -> Result<Step> {
    let loss = tch::no_grad(|| network.loss(pairs, 0.01))?.f_double_value(&[])?;
    Ok(Step {
        title: "Regularization",
        explanation: "0.01 * mean(W²) added to the loss pulls the weights towards 0, as \
                      smoothing evens out counts.",
        figures: vec![Figure::rounded("regularized loss", loss, "2.4834", 1e-4)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(words: &Words) -> Vec<Step> {
        let mut steps = Vec::new();
        let collect = |step| {
            steps.push(step);
            Ok::<(), Error>(())
        };
        replay(words, Rows::Distinct, collect, |_| ()).unwrap();
        steps
    }

    #[test]
    fn every_figure_of_the_lecture_agrees() {
        let steps = steps(&Words::lecture('.').unwrap());
        assert_eq!(steps.len(), 12);
        for step in &steps {
            assert!(!step.figures.is_empty());
            assert!(step.agrees(), "{step:#?}");
        }
    }

    #[test]
    fn other_data_does_not_agree() {
        let words = Words::parse("list", "good\nemma\nanna\njoris\nhe", '.').unwrap();
        let steps = steps(&words);
        assert!(steps.iter().any(|step| !step.agrees()));
    }
}
