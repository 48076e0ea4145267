//! Lecture 1 from its notebook: the same model as in the notes, with other random numbers.
//!
//! Source: [makemore_part1_bigrams.ipynb].
//!
//! [makemore_part1_bigrams.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part1_bigrams.ipynb

use std::ops::ControlFlow;

use tch::{Device, Kind};

use super::bigram::{
    EmmaBigram, close, emma_figures, examples, frequencies, log_probabilities, trained,
};
use super::bigram_pictures;
use super::figures::Figure;
use super::location::Notebook;
use super::stage::{Section, Stage, Version};
use crate::counting::NgramCounts;
use crate::data::Words;
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::models::{Bigram, LanguageModel, Table};
use crate::sample::{SampleOptions, Sampler};
use crate::train::{Examples, TrainOptions, train};

const NOTEBOOK: Notebook = Notebook("makemore_part1_bigrams");

/// The seed of all random numbers of the notebook that have one.
const SEED: u64 = 2_147_483_647;

/// The most common bigrams; the notebook has two tokens, here both `.`.
const FREQUENCIES: [(&str, u64); 26] = [
    ("n.", 6763),
    ("a.", 6640),
    ("an", 5438),
    (".a", 4410),
    ("e.", 3983),
    ("ar", 3264),
    ("el", 3248),
    ("ri", 3033),
    ("na", 2977),
    (".k", 2963),
    ("le", 2921),
    ("en", 2675),
    ("la", 2623),
    ("ma", 2590),
    (".m", 2538),
    ("al", 2528),
    ("i.", 2489),
    ("li", 2480),
    ("ia", 2445),
    (".j", 2422),
    ("on", 2411),
    ("h.", 2409),
    ("ra", 2356),
    ("ah", 2332),
    ("ha", 2244),
    ("ya", 2143),
];

/// The probabilities of first characters, the end token's before the letters'.
const FIRST: &str = "0.0000 0.1377 0.0408 0.0481 0.0528 0.0478 0.0130 0.0209 0.0273 \
                     0.0184 0.0756 0.0925 0.0491 0.0792 0.0358 0.0123 0.0161 0.0029 \
                     0.0512 0.0642 0.0408 0.0024 0.0117 0.0096 0.0042 0.0167 0.0290";

/// A hundred draws from three probabilities, in four rows.
const DRAWS: [&str; 4] = [
    "1 1 2 0 0 2 1 1 0 0 0 1 1 0 0 1 1 0 0 1 0 2 0 0 1",
    "0 0 1 0 0 0 1 1 1 0 1 1 0 0 1 1 1 0 1 1 0 1 1 0 2",
    "0 0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 0 0 0 0 1 0 0 1 0",
    "0 0 0 0 0 0 1 2 0 0 0 0 0 0 1 0 0 2 0 1 0 0 1 1 1",
];

const NAMES_OF_COUNTS: &str = "mor axx minaymoryles kondlaisah anchshizarie";
const NAMES_OF_NETWORK: &str = "mor axx minaymoryles kondlaisah anchthizarie";

/// The bigrams of `emma`, as in the notes.
const EMMA: [EmmaBigram; 5] = [
    (0, 5, "0.012286253273487091", "4.3992743492126465"),
    (5, 13, "0.018050702288746834", "4.014570713043213"),
    (13, 13, "0.026691533625125885", "3.623408794403076"),
    (13, 1, "0.07367684692144394", "2.6080667972564697"),
    (1, 0, "0.0149775305762887", "4.201204299926758"),
];

const OVERWRITTEN: &str =
    "a cell run before had put another P, with a gradient, in the place of the counts'";

/// The loss that the training cell printed last, and the first step of one run whose loss is below it.
const LAST_LOSS: &str = "2.481828451156616";
const LAST_STEP: u64 = 266;

const IN_PARTS: &str = "the saved cell makes one step, and how those before it were made is not in the notebook; \
     the step with index 266 of one run is nearest";

/// Replays the lecture; the figures agree if the word list is the notebook's.
pub(super) fn replay(words: &Words, stage: &mut Stage) -> Result<()> {
    let counts = NgramCounts::of(words)?;
    stage.show(data(words, &counts))?;
    stage.show(first_characters(&counts)?)?;
    stage.show(draws()?)?;
    let p = Table::of(&counts, 1.0)?;
    stage.show(Section::new(
        "The notebook's names from the counts",
        "Drawn from the rows of P with seed 2147483647, as PyTorch drew before 2.0; with the notes' seed, \
         420, the same lines draw other names.",
        NOTEBOOK.cell(164),
        names(&p, NAMES_OF_COUNTS)?,
    ))?;
    stage.show(likelihood(words, &p, &counts)?)?;
    let network = || Bigram::new(counts.vocabulary().clone(), 2, SEED, Device::Cpu);
    stage.show(emma(&network()?, &counts)?)?;
    let network = network()?;
    let losses = training(words, &counts, &network, stage)?;
    // Beside the notes, their pictures are drawn.
    if stage.options.version == Some(Version::Notebook) {
        let named = ("loss of the network, with 0.01 * mean(W²),", &losses[..]);
        bigram_pictures::draw(stage, &counts, &p, &network, named)?;
    }
    stage.show(Section::new(
        "The notebook's names from the network",
        "The same seed draws the names that it draws from the counts, but for one letter of the last. The \
         network's rows take the place of those of P in the lines that draw them.",
        NOTEBOOK.cell(725),
        names(&network.table()?, NAMES_OF_NETWORK)?,
    ))
}

fn data(words: &Words, counts: &NgramCounts) -> Section {
    let lengths = || words.iter().map(|word| word.chars().count());
    let mut figures = vec![
        Figure::same("names", words.len(), 32_033).published_in(NOTEBOOK.cell(6)),
        Figure::same("shortest", lengths().min().unwrap_or(0), 2).published_in(NOTEBOOK.cell(7)),
        Figure::same("longest", lengths().max().unwrap_or(0), 15).published_in(NOTEBOOK.cell(8)),
    ];
    figures.extend(frequencies(counts, &FREQUENCIES));
    Section::new(
        "The notebook's data",
        "The same names, counted as in the notes.",
        NOTEBOOK.cell(10),
        figures,
    )
}

fn first_characters(counts: &NgramCounts) -> Result<Section> {
    let p = Table::of(counts, 0.0)?;
    let characters = p.vocabulary().characters();
    let rows = p.row(0).iter().zip(FIRST.split_whitespace());
    let figures = rows.zip(characters).map(|((&ours, published), first)| {
        let name = format!("probability of .{first}");
        close(name, ours.into(), published)
    });
    let mut figures: Vec<Figure> = figures.collect();
    let name = Sampler::new(&p, SEED, &SampleOptions::default())?.next();
    let drawn: String = name
        .transpose()?
        .unwrap_or_default()
        .chars()
        .take(1)
        .collect();
    figures.push(Figure::same("first draw", drawn, "m").published_in(NOTEBOOK.cell(18)));
    Ok(Section::new(
        "The first character",
        "The counts after the start token divided by their sum, nothing added, and one draw from them.",
        NOTEBOOK.cell(17),
        figures,
    ))
}

fn draws() -> Result<Section> {
    let mut generator = Generator::seeded(SEED)?;
    // p = torch.rand(3, generator=g)
    // p = p / p.sum()
    let p = generator.rand(&[3])?;
    let p = p.f_div(&p.f_sum(Kind::Float)?)?;
    let probabilities: Vec<f32> = Vec::try_from(&p)?;
    let published = ["0.6064", "0.3033", "0.0903"];
    let figures = probabilities.iter().zip(published).enumerate();
    let figures = figures
        .map(|(place, (&ours, published))| close(format!("p[{place}]"), ours.into(), published));
    let mut figures: Vec<Figure> = figures.collect();
    // torch.multinomial(p, num_samples=100, replacement=True, generator=g)
    let draws = generator.multinomials(&p, 100)?;
    for (row, (ours, published)) in draws.chunks(25).zip(DRAWS).enumerate() {
        let ours: Vec<String> = ours.iter().map(ToString::to_string).collect();
        let name = format!("draws {} to {}", 25 * row + 1, 25 * (row + 1));
        figures.push(Figure::same(name, ours.join(" "), published).published_in(NOTEBOOK.cell(20)));
    }
    Ok(Section::new(
        "Drawing",
        "How often each of three indices is drawn follows its probability.",
        NOTEBOOK.cell(19),
        figures,
    ))
}

/// Names drawn from a table, beside published ones that are separated by spaces.
fn names(drawn_from: &Table, published: &str) -> Result<Vec<Figure>> {
    let sampler = Sampler::new(drawn_from, SEED, &SampleOptions::default())?;
    let pairs = sampler.zip(published.split_whitespace()).enumerate();
    let figures = pairs.map(|(place, (ours, published))| {
        Ok(Figure::same(
            format!("name {}", place + 1),
            ours?,
            published,
        ))
    });
    figures.collect()
}

fn likelihood(words: &Words, p: &Table, counts: &NgramCounts) -> Result<Section> {
    // log_likelihood += logprob
    let logarithms = log_probabilities(words, p)?.into_iter().flatten();
    let log_likelihood = logarithms.fold(0.0_f32, |sum, logarithm| sum + logarithm);
    let average = -log_likelihood / counts.total() as f32;
    let shown = |name, ours: f32, published| {
        Figure::number(name, ours.into(), published).shown(OVERWRITTEN)
    };
    Ok(Section::new(
        "The notebook's log-likelihood",
        "Ours is that of the counts, added bigram by bigram in 32-bit floats.",
        NOTEBOOK.cell(435),
        vec![
            shown("log-likelihood", log_likelihood, "-564996.8125"),
            shown("average NLL", average, "2.476470470428467"),
        ],
    ))
}

fn emma(network: &Bigram, counts: &NgramCounts) -> Result<Section> {
    let mut figures = emma_figures(&network.table()?, &EMMA, "3.7693049907684326")?;
    let examples = Examples::all(["emma"], counts, Device::Cpu)?;
    let options = TrainOptions {
        warmup_epochs: 0,
        epochs: 5,
        learning_rate: 0.1,
        ..TrainOptions::default()
    };
    let mut loss = f32::NAN;
    train(network, &examples, &options, |step| {
        loss = step.loss;
        ControlFlow::Continue(())
    })?;
    let after = close("loss after four steps", loss.into(), "3.6891887187957764");
    figures.push(after.published_in(NOTEBOOK.cell(603)));
    Ok(Section::new(
        "The notebook's bigrams of emma",
        "Before training, and after four steps at learning rate 0.1 on these five bigrams alone.",
        NOTEBOOK.cell(560),
        figures,
    ))
}

fn training(
    words: &Words,
    counts: &NgramCounts,
    network: &Bigram,
    stage: &mut Stage,
) -> Result<Vec<(u64, f32)>> {
    let examples = examples(words, counts, stage.options.rows)?;
    let options = TrainOptions {
        warmup_epochs: 0,
        epochs: LAST_STEP + 1,
        regularization: 0.01,
        ..TrainOptions::default()
    };
    let published: f32 = LAST_LOSS.parse().unwrap_or(f32::NAN);
    let (mut last, mut below, mut losses) = (None, None, Vec::new());
    let told = trained(stage, network, &examples, &options, |step| {
        last = Some(step);
        losses.push((step.number, step.loss));
        if step.loss < published && below.is_none() {
            below = Some(step.number);
        }
    })?;
    let mut figures =
        vec![Figure::same("examples", counts.total(), 228_146).published_in(NOTEBOOK.cell(682))];
    // An interrupted training has not come to the published step.
    if let Some(step) = last.filter(|step| step.number >= LAST_STEP) {
        let loss = Figure::number("regularized loss", step.loss.into(), LAST_LOSS);
        let below = below.map_or_else(|| "none".to_owned(), |step: u64| step.to_string());
        figures.push(loss.shown(IN_PARTS));
        figures.push(Figure::expected(
            "index of the first below it",
            below,
            LAST_STEP,
        ));
    }
    stage.show(Section::new(
        "The notebook's training",
        "267 steps, with indices 0 to 266, at learning rate 50 on all bigrams, with 0.01 * mean(W²) in \
         the loss.",
        NOTEBOOK.cell(716),
        figures,
    ))?;
    told.map(|()| losses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::lectures::excerpt::EXAMPLES;
    use crate::lectures::replay::tests::{Listener, SHORT};

    /// Ctrl-C showed the loss so far beside the published one, and that the check of ours did not hold.
    #[test]
    fn an_interrupted_training_is_not_held_against_the_published_step() {
        let mut audience = Listener {
            ends_after: Some(100),
            ..Listener::default()
        };
        let mut stage = Stage {
            options: SHORT,
            example: EXAMPLES[0],
            audience: &mut audience,
        };
        let ended = replay(&Words::lecture('.').unwrap(), &mut stage);
        assert!(matches!(ended, Err(Error::Interrupted)), "{ended:?}");
        let last = audience.sections.last().unwrap();
        assert_eq!((last.figures.len(), last.agrees), (1, true));
    }

    #[test]
    fn what_can_be_repeated_agrees_and_the_rest_is_shown_with_its_reason() {
        let mut audience = Listener::default();
        let mut stage = Stage {
            options: SHORT,
            example: EXAMPLES[0],
            audience: &mut audience,
        };
        replay(&Words::lecture('.').unwrap(), &mut stage).unwrap();
        let sections = audience.sections;
        let figures: Vec<_> = sections
            .iter()
            .map(|section| section.figures.len())
            .collect();
        assert_eq!(figures, [29, 28, 7, 5, 2, 17, 3, 5]);
        for section in &sections {
            assert!(section.agrees, "{section:#?}");
        }
        let shown: Vec<_> = sections
            .iter()
            .flat_map(|section| &section.figures)
            .filter(|figure| figure.agrees.is_none())
            .map(|figure| (figure.name.as_str(), figure.ours.as_str()))
            .collect();
        assert_eq!(
            shown[..2],
            [
                ("log-likelihood", "-559951.5625"),
                ("average NLL", "2.4543561935424805")
            ]
        );
        assert_eq!(shown.len(), 3);
    }
}
