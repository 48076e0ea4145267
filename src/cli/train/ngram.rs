//! `makemore-tch train --type ngram`: n-grams, counted and smoothed.

use std::time::Instant;

use anyhow::bail;
use makemore_tch::memory::Memory;
use makemore_tch::models::ngram::orders::{Curve, Order, Orders, Tried, better_order};
use makemore_tch::score::{evaluate, held_out::HeldOut};
use makemore_tch::train::corpus::Corpus;
use makemore_tch::{Checkpoint, Model, Ngram, Part, SampleOptions, Shares, Smoothing, plots};

use super::print::{Document, draw};
use crate::cli::aftermath::Aftermath;
use crate::cli::arguments::model_type::{Choice, ModelType};
use crate::cli::arguments::train::{SEED, Train};
use crate::cli::context::Context;
use crate::cli::output::Printer;
use crate::cli::outputs::Outputs;
use crate::cli::progress;

/// The default order: on the lecture's names, the one with the lowest dev loss.
const ORDER: usize = 6;

impl Train {
    pub(super) fn count_ngrams(self, context: Context) -> anyhow::Result<u8> {
        let start = Instant::now();
        let out = self.out(ModelType::Ngram);
        let mut outputs = Outputs::check(self.request(&out, false, ""))?;
        let data = self.read_data(Shares::USUAL, None, context)?;
        outputs.check_list(&data.counted, "ngram")?;
        if !data.has(Part::Dev) && self.plot.is_some() {
            bail!(
                "--plot draws the loss on dev, which is empty; give it words with --split or --dev FILE"
            );
        }
        if data.has(Part::Dev) {
            outputs.keep_better(&data.parts.split_of(), false, |there| {
                let model = there.language_model();
                if data.has_unknown() && !model.knows_unknown() {
                    return Ok(None);
                }
                let evaluation = evaluate::parts(model, &data.parts, &[Part::Dev])?;
                Ok(Some(evaluation.nll()))
            })?;
        }
        let memory = self.memory.memory();
        let orders = self.count(&data, &memory, context)?;
        let mut printer = Printer::new(self.json.json);
        let (smoothing, model, mut document) = self.smooth(&orders, &data, &mut printer)?;
        let held_out = HeldOut::of(&model, &data.parts, &memory);
        document.seconds = Some(start.elapsed().as_secs_f64());
        let seed = self.seed.unwrap_or(SEED);
        let checkpoint = Checkpoint::new(Model::Ngram(model), seed, &data);
        let model = checkpoint.model.language_model();
        let loss = held_out.as_ref().ok().and_then(|losses| losses.dev_loss);
        let mut after = Aftermath::of("model", outputs.save(&checkpoint, loss), None);
        document.held_out = after.note(held_out, "not all could be evaluated");
        document.checkpoint = after.saved();
        let plotted = self.plot(&orders, smoothing, &document.orders, &data, &mut outputs);
        after.note(plotted, "no picture was drawn");
        let drawn = draw(model, seed, &data.parts, &SampleOptions::default());
        document.names = after.note(drawn, "no names can be drawn from it");
        after.note(document.print(printer), "not all could be printed");
        if let Some(better) = outputs.remark() {
            context.remarks.say(better);
        }
        if let Some(best) = better_order(&document.orders) {
            context.remarks.say(format_args!(
                "order {best} has the lowest dev loss; --order {best} trains it"
            ));
        }
        after.finish(&outputs)?;
        Ok(0)
    }

    fn count(&self, data: &Corpus, memory: &Memory, context: Context) -> anyhow::Result<Orders> {
        let words = [Part::Train, Part::Dev].map(|part| data.parts.words(part));
        let bar = progress::words(words.iter().sum(), context.remarks.quiet);
        let (counts, order) = (&data.counted.counts, self.order.unwrap_or(ORDER));
        let on_words = |words| bar.inc(words);
        let orders = Orders::count(&data.parts, counts, order, memory, &on_words);
        bar.finish_and_clear();
        Ok(orders?)
    }

    /// Smooths the counts and prints the losses of each order. The caller adds the remaining results to
    /// the document.
    fn smooth(
        &self,
        orders: &Orders,
        data: &Corpus,
        printer: &mut Printer,
    ) -> anyhow::Result<(Smoothing, Ngram, Document)> {
        let (smoothing, tried) = match self.smoothing {
            None => (Smoothing::KneserNey, Vec::new()),
            Some(Choice::Smoothing(smoothing)) => (smoothing, Vec::new()),
            Some(Choice::Auto) if !data.has(Part::Dev) => bail!(
                "--smoothing auto chooses by the loss on dev, which is empty; give it words with --split or --dev FILE"
            ),
            Some(Choice::Auto) => {
                let (added, tried) = orders.search(self.order.unwrap_or(ORDER))?;
                (Smoothing::Additive(added), tried)
            }
        };
        let model = orders.model(smoothing);
        for Tried { added, dev } in &tried {
            printer.line(format_args!(
                "{added} added to every count: dev loss {dev:.6}"
            ));
        }
        if !tried.is_empty() {
            printer.line(format_args!("The lowest dev loss: {smoothing} added"));
        }
        printer.line(Order::heading(smoothing, data.has(Part::Dev)));
        let print = |order: &Order| printer.line(order);
        let rows = match self.smoothing {
            Some(Choice::Auto) => orders.best_additive(print)?,
            _ => orders.with(smoothing, print),
        };
        let document = Document {
            kind: ModelType::Ngram.name(),
            parameters: Some(model.parameters()),
            smoothing: Some(smoothing.to_string()),
            orders: rows,
            tried,
            ..Document::default()
        };
        Ok((smoothing, model, document))
    }

    /// Draws the dev losses of all orders, if a picture is wanted.
    fn plot(
        &self,
        orders: &Orders,
        smoothing: Smoothing,
        rows: &[Order],
        data: &Corpus,
        outputs: &mut Outputs,
    ) -> anyhow::Result<()> {
        if self.plot.is_none() {
            return Ok(());
        }
        // No curve of additive smoothing if dev has unknown characters: their probability is 0.
        let curves = orders.curves(smoothing, rows, !data.has_unknown())?;
        let curves = curves.into_iter();
        let lines = curves.map(|Curve { name, dev }| plots::DevLosses { name, losses: dev });
        outputs.write_plot(&plots::ByOrder {
            lines: lines.collect(),
        })
    }
}
