//! `makemore-tch train --type ngram`: n-grams, counted and smoothed.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};
use makemore_tch::counting::count_parts;
use makemore_tch::libtorch::device;
use makemore_tch::memory::Memory;
use makemore_tch::models::ngram::orders::{Curve, Order, Orders, Tried, better_order};
use makemore_tch::{
    Checkpoint, LanguageModel, Model, NgramCounts, Part, SampleOptions, Shares, Smoothing, format,
    plots,
};
use serde::Serialize;

use super::data::{Data, HeldOut, nll};
use super::names::{self, Name};
use super::outputs::Outputs;
use super::{Choice, ModelType, SEED, Train};
use crate::cli::context::Context;
use crate::cli::{output, progress};

/// The default order: as many characters as say most about the next one in names.
const ORDER: usize = 6;

#[derive(Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: &'static str,
    parameters: u64,
    seconds: f64,
    smoothing: String,
    orders: Vec<Order>,
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
        let mut printer = Printer::new(self.json.json);
        printer.search(&tried, smoothing);
        printer.line(&Row::heading(smoothing, data.has(Part::Dev)));
        let print = |order: &Order| printer.line(&Row(order));
        let rows = match self.smoothing {
            Some(Choice::Auto) => orders.best_additive(print)?,
            _ => orders.with(smoothing, print),
        };
        let held_out = data.held_out(&model, &memory)?;
        let mut document = Document {
            kind: "ngram",
            parameters: model.parameters(),
            seconds: start.elapsed().as_secs_f64(),
            smoothing: smoothing.to_string(),
            orders: rows,
            tried,
            dev_loss: nll(held_out.dev.all),
            test_loss: nll(held_out.test.all),
            test_loss_new: nll(held_out.test.new),
            checkpoint: String::new(),
            names: Vec::new(),
        };
        let checkpoint = Checkpoint {
            model: Model::Ngram(model),
            seed: self.seed.unwrap_or(SEED),
            libtorch: device::libtorch_version(),
            data: data.counted.digest,
            split: data.parts.split_of(),
        };
        let saved = outputs.save(&checkpoint)?;
        document.checkpoint = saved.to_string_lossy().into_owned();
        // What fails from here on is told after the results.
        let plotted = self.plot(&orders, smoothing, &document.orders, &data, &outputs);
        let drawn = draw(&checkpoint, &data).map(|names| document.names = names);
        let printed = printer.finish(&document, &held_out);
        let failed = |what: &str| format!("the model was saved to {}, but {what}", saved.display());
        let plotted = plotted.with_context(|| failed("no picture was drawn"))?;
        let files: Vec<PathBuf> = std::iter::once(saved.clone()).chain(plotted).collect();
        outputs.check_displaced(&files)?;
        printed.with_context(|| failed("not all could be printed"))?;
        drawn.with_context(|| failed("no names can be drawn from it"))?;
        if let Some(best) = better_order(&document.orders) {
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
    ) -> anyhow::Result<Option<PathBuf>> {
        if self.plot.is_none() {
            return Ok(None);
        }
        // Additive smoothing gives unknown characters no probability, so there is no such line.
        let with_additive = data.check_characters().is_ok();
        let curves = orders.curves(smoothing, rows, with_additive)?.into_iter();
        let lines = curves.map(|Curve { name, dev }| plots::DevLosses { name, losses: dev });
        outputs.write_plot(&plots::ByOrder {
            lines: lines.collect(),
        })
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
}

/// Names that a model makes.
fn draw(checkpoint: &Checkpoint, data: &Data) -> makemore_tch::Result<Vec<Name>> {
    let model = checkpoint.model.language_model();
    let options = SampleOptions::default();
    names::draw(model, checkpoint.seed, &data.parts, &options)
}

/// Standard output. What cannot be printed is told at the end, so that it does not end the work.
struct Printer {
    results: Box<dyn Write>,
    json: bool,
    printed: io::Result<()>,
}

impl Printer {
    fn new(json: bool) -> Self {
        Self {
            results: output::results(),
            json,
            printed: Ok(()),
        }
    }

    fn line(&mut self, line: &dyn Display) {
        if self.printed.is_ok() && !self.json {
            self.printed = writeln!(self.results, "{line}");
        }
    }

    /// The search for the number to add, if there was one.
    fn search(&mut self, tried: &[Tried], smoothing: Smoothing) {
        for Tried { added, dev } in tried {
            self.line(&format_args!(
                "{added} added to every count: dev loss {dev:.6}"
            ));
        }
        if !tried.is_empty() {
            self.line(&format_args!("The lowest dev loss: {smoothing} added"));
        }
    }

    fn finish(mut self, document: &Document, held_out: &HeldOut) -> anyhow::Result<()> {
        if self.json {
            return output::json(document);
        }
        for line in held_out.lines() {
            self.line(&line);
        }
        let checkpoint = format::visible(&document.checkpoint);
        self.line(&format_args!("Checkpoint: {checkpoint}"));
        for name in &document.names {
            self.line(name);
        }
        Ok(self.printed.and_then(|()| self.results.flush())?)
    }
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
