//! Lecture 1: the notes on bigrams, by counting and by a network.

use std::ops::ControlFlow;

use tch::{Device, IndexOp, Kind, Tensor};

use super::bigram_pictures;
use super::figures::{Comparison, Figure, Tolerance};
use super::location::Location;
use super::stage::{Section, Stage};
use crate::counting::NgramCounts;
use crate::data::words::is_lecture;
use crate::data::{Digest, Words};
use crate::error::Result;
use crate::models::bigram::probabilities;
use crate::models::{Bigram, LanguageModel, Table};
use crate::sample::{SampleOptions, Sampler};
use crate::score::{self, Ranking};
use crate::train::{Examples, Rows, Sgd, Step, TrainOptions, loss, train};

/// The sections of the notes.
const LOAD_DATA: Location = Location::Notes("Load data");
const FREQUENCY: Location = Location::Notes("Frequency");
const PREPARATION: Location = Location::Notes("Training Data Preparation");
const LIKELIHOOD: Location = Location::Notes("Maximum Likelihood");
const OPTIMIZATION: Location = Location::Notes("Optimization");

/// The seed of all random numbers of the notes.
const SEED: u64 = 420;

/// The five sampled names and their likelihoods; the network samples the same.
const NAMES: [(&str, &str); 5] = [
    ("jen", "0.0005491252522915602"),
    ("jor", "0.0001786774955689907"),
    ("she", "0.00017446796118747443"),
    ("tais", "3.90183367926511e-06"),
    ("anuir", "2.335933579900029e-08"),
];

/// A bigram of `emma`: input, target, and the network's probability and loss before training.
pub(super) type EmmaBigram = (usize, usize, &'static str, &'static str);

const EMMA: [EmmaBigram; 5] = [
    (0, 5, "0.024598384276032448", "3.7050745487213135"),
    (5, 13, "0.057898372411727905", "2.8490660190582275"),
    (13, 13, "0.017136109992861748", "4.066567420959473"),
    (13, 1, "0.012621787376701832", "4.372330665588379"),
    (1, 0, "0.030220769345760345", "3.4992258548736572"),
];

/// The published losses, every 50 epochs.
const LOSSES: [(u64, &str); 7] = [
    (0, "3.6365137100219727"),
    (50, "2.4955990314483643"),
    (100, "2.4727954864501953"),
    (150, "2.4657769203186035"),
    (200, "2.4625258445739746"),
    (250, "2.4606406688690186"),
    (300, "2.459399700164795"),
];

/// The figure of a loss or a probability, which this lecture computes on the CPU.
pub(super) fn close(name: impl Into<String>, ours: f64, published: &str) -> Figure {
    Tolerance::on(Device::Cpu).figure(name, ours, published)
}

/// The published average NLL of the names under `P`.
const AVERAGE_NLL: &str = "2.454579";

/// The number of epochs in the notes.
const EPOCHS: u64 = 301;

/// The average NLL that the notes print, if the list and the smoothing of `P` are the notes'.
///
/// The notes add the words' log-likelihoods in f32, whose rounding makes their figure a little higher
/// than our exact sum.
pub fn published_average_nll(list: Digest, smoothing: f64) -> Option<&'static str> {
    (smoothing == 1.0 && is_lecture(list)).then_some(AVERAGE_NLL)
}

/// Replays the lecture; the figures agree if the word list is the notes'.
pub(super) fn replay(words: &Words, stage: &mut Stage) -> Result<()> {
    let counts = NgramCounts::of(words)?;
    stage.show(sizes(words, &counts))?;
    stage.show(most_common(&counts))?;
    stage.show(vocabulary(&counts))?;
    let p = Table::of(&counts, 1.0)?;
    stage.show(good(&p)?)?;
    stage.show(Section::new(
        "Names from the counts",
        "Character after character is drawn from its row of P with seed 420, until the end token \
         comes.",
        LIKELIHOOD,
        names(&p, &p)?,
    ))?;
    stage.show(average_nll(words, &p, &counts)?)?;

    let all = Examples::all(words.iter(), &counts, Device::Cpu)?;
    let network = Bigram::new(counts.vocabulary().clone(), 2, SEED, Device::Cpu)?;
    stage.show(shapes(&network, &all)?)?;
    stage.show(emma(&network.table()?)?)?;

    let examples = examples(words, &counts, stage.options.rows)?;
    stage.show(first_step(&network, &examples)?)?;
    let losses = training(&network, &examples, stage)?;
    let named = ("loss of the network", &losses[..]);
    bigram_pictures::draw(stage, &counts, &p, &network, named)?;
    stage.show(regularization(&network, &examples)?)?;
    stage.show(Section::new(
        "Names from the network",
        "The trained network is sampled with the same seed, and draws the same names; their \
         likelihoods are again those of P.",
        OPTIMIZATION,
        names(&network.table()?, &p)?,
    ))
}

fn sizes(words: &Words, counts: &NgramCounts) -> Section {
    let names = Figure {
        ours: words.len().to_string(),
        comparison: Comparison::Rounded,
        ..Figure::same("names", format!("{}k", words.len() / 1000), "32k")
    };
    let bigrams = Figure::same("bigrams", counts.total(), 228_146);
    Section::new(
        "The data",
        "The most common names of 2018. A bigram is two characters in a row; the start/end token \
         '.' begins and ends every name.",
        LOAD_DATA,
        vec![names, bigrams.published_in(PREPARATION)],
    )
}

fn most_common(counts: &NgramCounts) -> Section {
    let published = [
        ("n.", 6763),
        ("a.", 6640),
        ("an", 5438),
        (".a", 4410),
        ("e.", 3983),
    ];
    Section::new(
        "The most common bigrams",
        "Counting: how often does each character follow each other one?",
        LOAD_DATA,
        frequencies(counts, &published),
    )
}

/// The most common bigrams beside the published ones.
pub(super) fn frequencies(counts: &NgramCounts, published: &[(&str, u64)]) -> Vec<Figure> {
    let ours = counts.most_common(published.len());
    let figures = ours.iter().zip(published).enumerate();
    let figures = figures.map(|(place, ((context, next, count), (bigram, frequency)))| {
        let ours = format!("{}: {count}", counts.ngram(context, *next));
        let published = format!("{bigram}: {frequency}");
        Figure::same(format!("frequency {}", place + 1), ours, published)
    });
    figures.collect()
}

fn vocabulary(counts: &NgramCounts) -> Section {
    let characters = counts.vocabulary().characters();
    let letters: String = characters[1..].iter().collect();
    Section::new(
        "The vocabulary",
        "Every character has an index: the start/end token 0, the letters from 1 in their order. \
         N and P are matrices of that size.",
        Location::Notes("Numericallization"),
        vec![
            Figure::same("index 0", characters[0], '.'),
            Figure::same("from index 1", letters, "abcdefghijklmnopqrstuvwxyz"),
            Figure::same("characters", characters.len(), 27).published_in(FREQUENCY),
        ],
    )
}

fn good(p: &Table) -> Result<Section> {
    let published = ["0.0209", "0.0430", "0.0146", "0.0240", "0.0936"];
    let good = score::word(p, "good")?;
    let bigrams = good.bigrams.into_iter().zip(published);
    let figures = bigrams.map(|(bigram, published)| {
        let name = format!("probability for {}", bigram.bigram);
        close(name, bigram.probability, published)
    });
    let likelihood = good.likelihood.ln().exp();
    let likelihood = close("likelihood for good", likelihood, "2.9399e-08");
    Ok(Section::new(
        "Probabilities and likelihood",
        "P is N + 1, each row divided by its sum. The likelihood of a word is the product of the \
         probabilities of its bigrams.",
        LIKELIHOOD,
        figures.chain([likelihood]).collect(),
    ))
}

/// Names sampled from `drawn_from`, with their likelihoods under `p`.
fn names(drawn_from: &Table, p: &Table) -> Result<Vec<Figure>> {
    let sampler = Sampler::new(drawn_from, SEED, &SampleOptions::default())?;
    let ours = score::ranked(p, sampler.take(NAMES.len()), Ranking::Probability)?;
    let figures = ours.into_iter().zip(NAMES).enumerate();
    Ok(figures
        .map(|(place, (ours, (name, likelihood)))| {
            Figure::same(
                format!("likelihood {}", place + 1),
                format!("{}: {}", ours.name, ours.likelihood),
                format!("{name}: {likelihood}"),
            )
        })
        .collect())
}

fn average_nll(words: &Words, p: &Table, counts: &NgramCounts) -> Result<Section> {
    let nll = nll_as_in_the_notes(words, p, counts)?;
    Ok(Section::new(
        "Average negative log-likelihood",
        "The quality of a model in one number, the lower the better. The notes add in 32-bit \
         floats, and so does this step; the exact sum, which every other command prints, is \
         2e-6 lower. (The notes' running text has a slip, 2.454679; their code prints this \
         figure.)",
        LIKELIHOOD,
        vec![close("average NLL", nll, AVERAGE_NLL)],
    ))
}

/// The average NLL, added word by word in f32 as in the notes.
fn nll_as_in_the_notes(words: &Words, p: &Table, counts: &NgramCounts) -> Result<f64> {
    let mut sum = 0.0_f32;
    for logarithms in log_probabilities(words, p)? {
        let mut log_likelihood = 0.0;
        for logarithm in logarithms {
            log_likelihood += logarithm;
        }
        sum -= log_likelihood;
    }
    Ok(f64::from(sum) / counts.total() as f64)
}

/// The logarithms of the probabilities of each word's bigrams.
pub(super) fn log_probabilities(words: &Words, p: &Table) -> Result<Vec<Vec<f32>>> {
    let log: Vec<f32> = Vec::try_from(p.tensor()?.f_log()?.f_view([-1])?)?;
    let v = p.vocabulary().len();
    let of_words = words.iter().map(|word| {
        let bigrams = p.vocabulary().bigrams(word)?.into_iter();
        Ok(bigrams.map(|(i, j)| log[i * v + j]).collect())
    });
    of_words.collect()
}

fn shapes(network: &Bigram, all: &Examples) -> Result<Section> {
    let xenc = network.encode(all.xs())?;
    let probs = tch::no_grad(|| probabilities(&network.forward(&xenc)?))?;
    let row = probs.i(1).f_sum(Kind::Float)?.f_double_value(&[])?;
    Ok(Section::new(
        "Inputs and outputs of the network",
        "With a row for each bigram, also where the training has one for each distinct bigram: its first \
         character one-hot, times W (27 × 27 normal random numbers, seed 420), exponentiated, divided by \
         the row's sum.",
        Location::Notes("Understanding Weights"),
        vec![
            Figure::same("shape of xenc", shape(&xenc), "[228146, 27]").published_in(PREPARATION),
            Figure::same("shape of probs", shape(&probs), "[228146, 27]"),
            close("sum of a row of probs", row, "1.0000"),
        ],
    ))
}

fn shape(tensor: &Tensor) -> String {
    format!("{:?}", tensor.size())
}

fn emma(untrained: &Table) -> Result<Section> {
    Ok(Section::new(
        "The bigrams of emma",
        "Before training: the probability that the network gives to each next character of the \
         first name, and its negative logarithm, the loss.",
        OPTIMIZATION,
        emma_figures(untrained, &EMMA, "3.6984527111053467")?,
    ))
}

/// The probabilities and losses of the bigrams of `emma` beside the published ones, and their mean loss.
pub(super) fn emma_figures(
    untrained: &Table,
    published: &[EmmaBigram; 5],
    published_mean: &str,
) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut sum = 0.0_f32;
    let bigrams = untrained.vocabulary().bigrams("emma")?;
    for ((i, j), (x, y, probability, nll)) in bigrams.into_iter().zip(published) {
        let ours = untrained.row(i)[j];
        let loss = -ours.ln();
        sum += loss;
        let bigram = untrained.vocabulary().decode(&[i, j]);
        let indexes = format!("indexes of {bigram}");
        figures.push(Figure::same(
            indexes,
            format!("{i}, {j}"),
            format!("{x}, {y}"),
        ));
        let name = format!("probability of {bigram}");
        figures.push(close(name, ours.into(), probability));
        figures.push(close(format!("loss of {bigram}"), loss.into(), nll));
    }
    let mean = f64::from(sum / published.len() as f32);
    figures.push(close("mean loss of emma", mean, published_mean));
    Ok(figures)
}

/// The bigrams of all words in one of the two layouts.
pub(super) fn examples(words: &Words, counts: &NgramCounts, rows: Rows) -> Result<Examples> {
    match rows {
        Rows::All => Examples::all(words.iter(), counts, Device::Cpu),
        Rows::Distinct => Examples::distinct(counts, Device::Cpu),
    }
}

/// Trains a network, and hands each step to `see`. The inner error is the audience's, which has ended the
/// training; the section of what was trained until then is shown before it is returned.
pub(super) fn trained(
    stage: &mut Stage,
    network: &Bigram,
    examples: &Examples,
    options: &TrainOptions,
    mut see: impl FnMut(Step),
) -> Result<Result<()>> {
    let mut told = Ok(());
    train(network, examples, options, |step| {
        see(step);
        told = stage.audience.trained(step.number + 1, options.epochs);
        match told {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    Ok(told)
}

/// The loss of a network on examples, a scalar.
fn loss_of(network: &Bigram, examples: &Examples, regularization: f64) -> Result<Tensor> {
    let xenc = network.encode(examples.xs())?;
    let nll = loss::nll(&network.forward(&xenc)?, examples)?;
    loss::regularized(&nll, network.weights(), regularization)
}

fn first_step(network: &Bigram, examples: &Examples) -> Result<Section> {
    let mut optimizer = Sgd::new(network.weights(), None);
    let before = loss_of(network, examples, 0.0)?;
    optimizer.zero_grad();
    before.f_backward()?;
    optimizer.step(0.1)?;
    let gradient = network.weights().f_grad()?.f_double_value(&[0, 0])?;
    let after = tch::no_grad(|| loss_of(network, examples, 0.0))?.f_double_value(&[])?;
    let before = before.f_double_value(&[])?;
    Ok(Section::new(
        "One step of gradient descent",
        "The loss of all bigrams, its gradient by loss.backward(), and the loss after \
         W -= 0.1 * W.grad.",
        OPTIMIZATION,
        vec![
            close("loss", before, "3.637367010116577"),
            close("W.grad[0, 0]", gradient, "0.002339"),
            close("loss after the step", after, "3.6365137100219727"),
        ],
    ))
}

/// Trains, and returns the loss of each epoch.
fn training(network: &Bigram, examples: &Examples, stage: &mut Stage) -> Result<Vec<(u64, f32)>> {
    let options = TrainOptions {
        warmup_epochs: 0,
        epochs: EPOCHS,
        ..TrainOptions::default()
    };
    let mut figures = Vec::new();
    let mut losses = Vec::new();
    let told = trained(stage, network, examples, &options, |step| {
        if let Some(&(_, published)) = LOSSES.iter().find(|&&(at, _)| at == step.number) {
            let name = format!("loss of epoch {}", step.number);
            figures.push(close(name, step.loss.into(), published));
        }
        losses.push((step.number, step.loss));
    })?;
    stage.show(Section::new(
        "Training",
        "301 more steps, epochs 0 to 300, at learning rate 50: the loss comes down towards that of counting.",
        OPTIMIZATION,
        figures,
    ))?;
    told.map(|()| losses)
}

fn regularization(network: &Bigram, examples: &Examples) -> Result<Section> {
    let loss = tch::no_grad(|| loss_of(network, examples, 0.01))?.f_double_value(&[])?;
    Ok(Section::new(
        "Regularization",
        "0.01 * mean(W²) added to the loss pulls the weights towards 0, as smoothing evens out \
         counts.",
        OPTIMIZATION,
        vec![close("regularized loss", loss, "2.4834")],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lectures::excerpt::EXAMPLES;
    use crate::lectures::replay::tests::{Listener, SHORT};

    fn sections(words: &Words) -> Vec<Section> {
        let mut audience = Listener::default();
        let mut stage = Stage {
            options: SHORT,
            example: EXAMPLES[0],
            audience: &mut audience,
        };
        replay(words, &mut stage).unwrap();
        audience.sections
    }

    #[test]
    fn all_57_figures_of_the_lecture_agree() {
        let sections = sections(&Words::lecture('.').unwrap());
        let figures: Vec<_> = sections
            .iter()
            .map(|section| section.figures.len())
            .collect();
        assert_eq!(figures, [2, 5, 3, 6, 5, 1, 3, 16, 3, 7, 1, 5]);
        for section in &sections {
            assert!(section.agrees, "{section:#?}");
        }
    }

    #[test]
    fn only_the_lectures_own_names_have_a_published_average() {
        let names = Words::lecture('.').unwrap().digest();
        assert_eq!(published_average_nll(names, 1.0), Some("2.454579"));
        assert_eq!(published_average_nll(names, 0.5), None);
        let other = Words::parse("list", "emma", '.').unwrap().digest();
        assert_eq!(published_average_nll(other, 1.0), None);
    }

    #[test]
    fn other_data_does_not_agree() {
        let words = Words::parse("list", "good\nemma\nanna\njoris\nhe", '.').unwrap();
        assert!(sections(&words).iter().any(|section| !section.agrees));
    }
}
