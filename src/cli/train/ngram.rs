//! `makemore-tch train --type ngram`: n-grams, counted and smoothed.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};
use makemore_tch::counting::count_parts;
use makemore_tch::libtorch::device;
use makemore_tch::memory::Memory;
use makemore_tch::models::ngram::orders::{Order, Orders, Tried};
use makemore_tch::{
    Checkpoint, LanguageModel, Model, NgramCounts, Part, SampleOptions, Shares, Smoothing, format,
    plots,
};
use serde::Serialize;

use super::data::{Data, nll};
use super::names::{self, Name};
use super::outputs::Outputs;
use super::{Choice, ModelType, SEED, Train};
use crate::cli::context::Context;
use crate::cli::{output, progress};

/// As many characters as say most about the next one in names.
const ORDER: usize = 6;

/// A difference of dev losses that is worth a remark, in nats.
const CLEARLY: f64 = 0.005;

#[derive(Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: &'static str,
    parameters: u64,
    seconds: f64,
    smoothing: String,
    orders: Vec<Order>,
    /// What was tried for the number to add.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tried: Vec<Tried>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_loss_new: Option<f64>,
    checkpoint: String,
    names: Vec<Name>,
}

impl Train {
    pub(super) fn count_ngrams(self, context: Context) -> anyhow::Result<u8> {
        self.refuse_of_gradient_descent()?;
        let start = Instant::now();
        let out = self.out(ModelType::Ngram);
        let outputs = Outputs::check(self.request(&out, None, ""))?;
        let data = self.read_data(Shares::USUAL, None, context)?;
        outputs.check_list(&data.counted, "ngram")?;
        if !data.has(Part::Dev) && self.plot.is_some() {
            bail!(
                "--plot draws the loss on dev, which is empty; give it words with --split or --dev FILE"
            );
        }
        let memory = self.memory.memory();
        let (train, dev) = self.count(&data, &memory, context)?;
        let orders = Orders::of(train, dev, &memory)?;
        let (smoothing, tried) = self.smoothing_of(&orders, &data)?;
        let model = orders.model(smoothing);
        if !model.knows_unknown() {
            data.check_characters()?;
        }

        let mut results = output::results();
        let mut printed = Ok(());
        let mut print = |line: &dyn std::fmt::Display| {
            if printed.is_ok() && !self.json.json {
                printed = writeln!(results, "{line}");
            }
        };
        for tried in &tried {
            let Tried { added, dev } = tried;
            print(&format_args!(
                "{added} added to every count: dev loss {dev:.6}"
            ));
        }
        if let (false, Smoothing::Additive(best)) = (tried.is_empty(), smoothing) {
            print(&format_args!("The lowest dev loss: {best} added"));
        }
        print(&Row::heading(smoothing, data.has(Part::Dev)));
        let rows = self.orders(&orders, smoothing, |order| print(&Row(order)))?;
        let shorter = better_order(&rows);
        let held_out = data.held_out(&model, &memory)?;
        let seconds = start.elapsed().as_secs_f64();

        // Saved before it is said that it is, and whatever became of what was printed.
        let seed = self.seed.unwrap_or(SEED);
        let checkpoint = Checkpoint {
            model: Model::Ngram(model),
            seed,
            libtorch: device::libtorch_version(),
            data: data.counted.digest,
            split: data.parts.split_of(),
        };
        let saved = outputs.save(&checkpoint)?;
        // What fails from here on does so after the results.
        let plotted = self.plot(&orders, smoothing, &rows, &data, &outputs);
        let model = checkpoint.model.language_model();
        let is_saved =
            |what: &str| format!("the model was saved to {}, but {what}", saved.display());
        let (names, drawn) = match names::draw(model, seed, &data.parts, &SampleOptions::default())
        {
            Ok(names) => (names, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        let parameters = match &checkpoint.model {
            Model::Ngram(ngram) => ngram.parameters(),
            Model::Bigram(_) | Model::Network(_) => 0,
        };
        let written = if self.json.json {
            output::json(&Document {
                kind: "ngram",
                parameters,
                seconds,
                smoothing: smoothing.to_string(),
                orders: rows,
                tried,
                dev_loss: nll(held_out.dev.all),
                test_loss: nll(held_out.test.all),
                test_loss_new: nll(held_out.test.new),
                checkpoint: saved.to_string_lossy().into_owned(),
                names,
            })
        } else {
            for line in held_out.lines() {
                print(&line);
            }
            let checkpoint = format::visible(&saved.to_string_lossy());
            print(&format_args!("Checkpoint: {checkpoint}"));
            for name in &names {
                print(name);
            }
            printed
                .and_then(|()| results.flush())
                .map_err(anyhow::Error::from)
        };
        let plotted = plotted.with_context(|| is_saved("no picture was drawn"))?;
        let files: Vec<PathBuf> = std::iter::once(saved.clone()).chain(plotted).collect();
        outputs.check_displaced(&files)?;
        written.with_context(|| is_saved("not all could be printed"))?;
        drawn.with_context(|| is_saved("no names can be drawn from it"))?;
        if let Some(best) = shorter {
            context.remarks.say(format_args!(
                "order {best} has the lowest dev loss; --order {best} trains it"
            ));
        }
        Ok(0)
    }

    /// Draws the dev losses of all orders, if a picture is wanted; returns where.
    fn plot(
        &self,
        orders: &Orders,
        smoothing: Smoothing,
        rows: &[Order],
        data: &Data,
        outputs: &Outputs,
    ) -> anyhow::Result<Vec<PathBuf>> {
        if self.plot.is_none() {
            return Ok(Vec::new());
        }
        // Additive smoothing gives unknown characters no probability, so there is no such line.
        let with_additive = data.check_characters().is_ok();
        let lines = lines(orders, smoothing, rows, with_additive)?;
        let plotted = outputs.write_plot(&plots::ByOrder { lines })?;
        Ok(plotted.into_iter().collect())
    }

    fn refuse_of_gradient_descent(&self) -> anyhow::Result<()> {
        if let Some(file) = &self.resume {
            bail!(
                "--resume {} goes on training a network; an n-gram model is counted, so count all lists together: --type ngram --data FILE FILE",
                file.display()
            );
        }
        self.refuse(
            &[
                (self.epochs.is_some(), "--epochs"),
                (self.lr.is_some(), "--lr"),
                (self.warmup_epochs.is_some(), "--warmup-epochs"),
                (self.warmup_lr.is_some(), "--warmup-lr"),
                (self.regularization.is_some(), "--regularization"),
                (self.rows.is_some(), "--rows"),
                (self.log_every.is_some(), "--log-every"),
                (self.metrics.is_some(), "--metrics"),
                (self.device.is_some(), "--device"),
            ],
            "is of training by gradient descent, and n-grams are counted; leave it out",
        )
    }

    /// The n-grams of the train part and, if it has words, the dev part.
    fn count(
        &self,
        data: &Data,
        memory: &Memory,
        context: Context,
    ) -> anyhow::Result<(NgramCounts, Option<NgramCounts>)> {
        let order = self.order.unwrap_or(ORDER);
        let vocabulary = data.counted.counts.vocabulary();
        // All bigrams of the list are counted already.
        let is_counted = order == 2 && data.parts.is_whole();
        let mut wanted = Vec::new();
        if !is_counted {
            wanted.push(Part::Train);
        }
        if data.has(Part::Dev) {
            wanted.push(Part::Dev);
        }
        let words = wanted.iter().map(|&part| data.parts.words(part)).sum();
        let bar = progress::words(words, context.remarks.quiet);
        let counted = match wanted.is_empty() {
            true => Vec::new(),
            false => count_parts(&data.parts, &wanted, vocabulary, order, memory, &|words| {
                bar.inc(words);
            })?,
        };
        bar.finish_and_clear();
        let mut counted = counted.into_iter();
        let train = match is_counted {
            true => data.counted.counts.clone(),
            false => counted.next().context("the train part was not counted")?,
        };
        Ok((train, counted.next()))
    }

    fn smoothing_of(
        &self,
        orders: &Orders,
        data: &Data,
    ) -> anyhow::Result<(Smoothing, Vec<Tried>)> {
        match self
            .smoothing
            .unwrap_or(Choice::Smoothing(Smoothing::KneserNey))
        {
            Choice::Smoothing(smoothing) => Ok((smoothing, Vec::new())),
            Choice::Auto if !data.has(Part::Dev) => bail!(
                "--smoothing auto chooses by the loss on dev, which is empty; give it words with --split or --dev FILE"
            ),
            Choice::Auto => {
                data.check_characters()?;
                let (added, tried) = orders.search(self.order.unwrap_or(ORDER))?;
                Ok((Smoothing::Additive(added), tried))
            }
        }
    }

    /// A model of every order; where the number to add is chosen, each with its own.
    fn orders(
        &self,
        orders: &Orders,
        smoothing: Smoothing,
        each: impl FnMut(&Order),
    ) -> makemore_tch::Result<Vec<Order>> {
        match self.smoothing {
            Some(Choice::Auto) => best_additive(orders, self.order.unwrap_or(ORDER), each),
            _ => Ok(orders.with(smoothing, each)),
        }
    }
}

/// An order whose dev loss is clearly lower than that of the last one, the lowest.
fn better_order(rows: &[Order]) -> Option<usize> {
    let losses = rows.iter().filter_map(|row| Some((row.order, row.dev?)));
    let (order, lowest) = losses.min_by(|one, other| one.1.total_cmp(&other.1))?;
    let last = rows.last()?.dev?;
    (lowest < last - CLEARLY).then_some(order)
}

/// Additive models of every order, each with the number that is best on dev.
fn best_additive(
    orders: &Orders,
    highest: usize,
    mut each: impl FnMut(&Order),
) -> makemore_tch::Result<Vec<Order>> {
    let best = |order| {
        let (added, _) = orders.search(order)?;
        let row = orders.additive(order, added);
        each(&row);
        Ok(row)
    };
    (1..=highest).map(best).collect()
}

/// The dev losses of every order: of the smoothing that was chosen, of Kneser–Ney and of the best
/// numbers to add.
fn lines(
    orders: &Orders,
    smoothing: Smoothing,
    rows: &[Order],
    with_additive: bool,
) -> makemore_tch::Result<Vec<plots::DevLosses>> {
    let losses = |rows: &[Order]| rows.iter().filter_map(|row| row.dev).collect();
    let of = |name: &str, rows: &[Order]| plots::DevLosses {
        name: name.to_owned(),
        losses: losses(rows),
    };
    let mut lines = Vec::new();
    if with_additive {
        lines.push(of(
            "additive, the best number of each order",
            &best_additive(orders, rows.len(), |_| ())?,
        ));
    }
    match smoothing {
        Smoothing::KneserNey => {}
        Smoothing::WittenBell => lines.push(of("Witten–Bell", rows)),
        Smoothing::Additive(added) => {
            let chosen = of(&format!("additive, {added}"), rows);
            let is_best = lines.iter().any(|line| line.losses == chosen.losses);
            if !is_best && chosen.losses.iter().all(|loss| loss.is_finite()) {
                lines.push(chosen);
            }
        }
    }
    let kneser_ney = match smoothing {
        Smoothing::KneserNey => rows.to_vec(),
        _ => orders.with(Smoothing::KneserNey, |_| ()),
    };
    lines.push(of("modified Kneser–Ney", &kneser_ney));
    Ok(lines)
}

/// A line of the table that is printed.
struct Row<'a>(&'a Order);

impl Row<'_> {
    fn heading(smoothing: Smoothing, has_dev: bool) -> String {
        let how = match smoothing {
            Smoothing::KneserNey => format!("{:>8}{:>8}{:>8}", "D1", "D2", "D3+"),
            Smoothing::WittenBell => String::new(),
            Smoothing::Additive(_) => format!("{:>12}", "added"),
        };
        let dev = if has_dev {
            format!("{:>11}", "dev NLL")
        } else {
            String::new()
        };
        format!("order{:>12}{how}{:>11}{dev}", "n-grams", "train NLL")
    }
}

impl std::fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let order = self.0;
        write!(f, "{:>5}{:>12}", order.order, order.ngrams)?;
        if let Some(discounts) = order.discounts {
            for discount in discounts.0 {
                write!(f, "{discount:>8.4}")?;
            }
        }
        if let Some(added) = order.added {
            write!(f, " {added:>11}")?;
        }
        write!(f, "{:>11.4}", order.train)?;
        match order.dev {
            Some(dev) => write!(f, "{dev:>11.4}"),
            None => Ok(()),
        }
    }
}
