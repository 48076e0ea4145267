//! `makemore-tch train --type ngram`: n-grams, counted and smoothed.

use std::time::Instant;

use anyhow::bail;
use makemore_tch::distributed::Processes;
use makemore_tch::distributed::processes::agree_on_options;
use makemore_tch::models::ngram::orders::{Curve, Order, Orders, Tried, USUAL, better_order};
use makemore_tch::train::corpus::Corpus;
use makemore_tch::{Checkpoint, Model, Part, SampleOptions, Shares, Smoothing, plots};

use super::print::{Document, draw};
use crate::cli::aftermath::Aftermath;
use crate::cli::arguments::model_type::{Choice, ModelType};
use crate::cli::arguments::train::{SEED, Train};
use crate::cli::context::Context;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Printer;
use crate::cli::outputs::Outputs;
use crate::cli::progress;

impl Train {
    pub(super) fn count_ngrams(
        self,
        processes: &dyn Processes,
        context: Context,
    ) -> anyhow::Result<u8> {
        if processes.rank() > 0 {
            return self.share_ngrams(processes, context);
        }
        let start = Instant::now();
        let out = self.out(ModelType::Ngram);
        let mut outputs = Outputs::check(self.request(&out, false, ""))?;
        let data = self.read_data(Shares::USUAL, None, processes, context)?;
        outputs.check_list(&data.counted, "ngram")?;
        if !data.has(Part::Dev) && self.plot.is_some() {
            bail!(
                "--plot draws the loss on dev, which is empty; give it words with --split or --dev FILE"
            );
        }
        if data.has(Part::Dev) {
            let split = data.parts.split_of();
            outputs.keep_better(&split, false, |there| there.dev_loss(&data))?;
        }
        let orders = self.count(&data, processes, context)?;
        let mut printer = Printer::new(self.json.json);
        let (smoothing, mut document, curves) = self.smooth(&orders, &data, &mut printer)?;
        // What was counted is saved, also if the user or a launcher ends the evaluation.
        let interrupt = Interrupt::catch(context.remarks)?;
        let model = orders.model(smoothing)?;
        document.parameters = Some(model.parameters());
        let seed = self.seed.unwrap_or(SEED);
        let checkpoint = Checkpoint::new(Model::Ngram(model), seed, &data);
        let model = checkpoint.model.language_model();
        let held_out = checkpoint.held_out(&data.stopped_by(interrupt.flag()), processes);
        document.interrupted = interrupt.is_pressed();
        let data = data.alone();
        document.seconds = Some(start.elapsed().as_secs_f64());
        let loss = held_out.as_ref().ok().and_then(|losses| losses.dev_loss);
        let mut after = Aftermath::of("model", outputs.save(&checkpoint, loss), None);
        document.held_out = after.note(held_out, "not all could be evaluated");
        document.checkpoint = after.saved();
        let plotted = curves.map_or(Ok(()), |curves| plot(curves, &mut outputs));
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
        Ok(interrupt.status())
    }

    /// Counts and evaluates what process 0 makes a model of.
    fn share_ngrams(&self, processes: &dyn Processes, context: Context) -> anyhow::Result<u8> {
        let data = self.read_data(Shares::USUAL, None, processes, context)?;
        let orders = self.count(&data, processes, context)?;
        let (smoothing, ..) = self.smooth(&orders, &data, &mut Printer::silent())?;
        let interrupt = Interrupt::catch(context.remarks)?;
        // Process 0 gathers it.
        orders.model(smoothing)?;
        let data = data.stopped_by(interrupt.flag());
        match Checkpoint::receive_and_evaluate(&data, processes) {
            Err(fault) if processes.blame(None).is_none() => Err(fault.into()),
            // Process 0 evaluates by itself what this one cannot.
            _ => Ok(interrupt.status()),
        }
    }

    fn count<'a>(
        &self,
        data: &Corpus,
        processes: &'a dyn Processes,
        context: Context,
    ) -> anyhow::Result<Orders<'a>> {
        // They compute the same losses together.
        agree_on_options(processes, &self.options_of_ngrams())?;
        let words = [Part::Train, Part::Dev].map(|part| data.parts.words(part));
        let own = words.iter().sum::<u64>() / processes.size() as u64;
        let bar = progress::words(own, context.remarks.quiet);
        let (parts, counts) = (&data.parts, &data.counted.counts);
        let on_words = |words| bar.inc(words);
        let orders = match self.order.and_then(|order| order.named()) {
            None if data.has(Part::Dev) => {
                let losses = |orders: &Orders| self.losses(orders, |_| ());
                Orders::chosen(parts, counts, &data.memory, &on_words, losses, processes)
            }
            order => {
                let order = order.unwrap_or(USUAL);
                Orders::count(parts, counts, order, &data.memory, &on_words, processes)
            }
        };
        bar.finish_and_clear();
        Ok(orders?)
    }

    /// Smooths the counts and prints the losses of each order. The caller adds the remaining results to
    /// the document. The curves are those of the picture, if one is wanted.
    fn smooth(
        &self,
        orders: &Orders,
        data: &Corpus,
        printer: &mut Printer,
    ) -> anyhow::Result<(Smoothing, Document, Option<Vec<Curve>>)> {
        let (smoothing, tried) = match self.smoothing {
            None => (Smoothing::KneserNey, Vec::new()),
            Some(Choice::Smoothing(smoothing)) => (smoothing, Vec::new()),
            Some(Choice::Auto) if !data.has(Part::Dev) => bail!(
                "--smoothing auto chooses by the loss on dev, which is empty; give it words with --split or --dev FILE"
            ),
            Some(Choice::Auto) => {
                let (added, tried) = orders.search(orders.highest())?;
                (Smoothing::Additive(added), tried)
            }
        };
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
        let rows = self.losses(orders, print)?;
        // No curve of additive smoothing if dev has unknown characters: their probability is 0.
        let curves = || orders.curves(smoothing, &rows, !data.has_unknown());
        let curves = self.plot.as_ref().map(|_| curves()).transpose()?;
        let document = Document {
            kind: ModelType::Ngram.name(),
            smoothing: Some(smoothing.to_string()),
            orders: rows,
            tried,
            ..Document::default()
        };
        Ok((smoothing, document, curves))
    }

    /// The losses of every order, smoothed as the user asks.
    fn losses(
        &self,
        orders: &Orders,
        each: impl FnMut(&Order),
    ) -> makemore_tch::Result<Vec<Order>> {
        match self.smoothing {
            None => orders.with(Smoothing::KneserNey, each),
            Some(Choice::Smoothing(smoothing)) => orders.with(smoothing, each),
            Some(Choice::Auto) => orders.best_additive(each),
        }
    }
}

/// Draws the dev losses of all orders.
fn plot(curves: Vec<Curve>, outputs: &mut Outputs) -> anyhow::Result<()> {
    let lines = curves.into_iter();
    let lines = lines.map(|Curve { name, dev }| plots::DevLosses { name, losses: dev });
    let lines = lines.collect();
    outputs.write_plot(&plots::ByOrder { lines })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use crate::cli::testing::Folder;

    /// A list that the first lines of others are chosen from.
    const NAMES: &str = include_str!("../../../assets/names.txt");

    fn number(value: &Value) -> f64 {
        value.as_f64().unwrap()
    }

    /// The texts of a picture, without its title.
    fn texts(picture: &[u8]) -> Vec<&str> {
        let picture = str::from_utf8(picture).unwrap();
        let texts = picture.split("<text").skip(1);
        let texts = texts.map(|text| text.split(['>', '<']).nth(1).unwrap().trim());
        texts.filter(|text| !text.starts_with("Bigram")).collect()
    }

    /// A folder with a model of the lecture's names, of an order that is counted fast.
    fn trained(arguments: &str) -> (Folder, Value) {
        let folder = Folder::new();
        let document = folder.json(&format!("train --type ngram --order 3 --json {arguments}"));
        (folder, document)
    }

    #[test]
    fn the_document_has_the_losses_and_where_the_names_are_from() {
        let (folder, document) = trained("");
        assert_eq!(document["type"], "ngram");
        assert_eq!(document["checkpoint"], "makemore-ngram.safetensors");
        assert_eq!(document["orders"].as_array().unwrap().len(), 3);
        let names = document["names"].as_array().unwrap();
        assert_eq!(names.len(), 10);
        for name in names {
            let word = name["name"].as_str().unwrap();
            match &name["in"] {
                Value::Null => assert!(!NAMES.lines().any(|line| line == word), "{name}"),
                part => {
                    assert!(["train", "dev", "test"].contains(&part.as_str().unwrap()));
                    assert!(NAMES.lines().any(|line| line == word), "{name}");
                }
            }
        }
        // What training says of the parts is what scoring finds.
        for part in ["dev", "test"] {
            let scored = folder.json(&format!(
                "score --json --model makemore-ngram.safetensors --part {part}"
            ));
            assert_eq!(scored["nll"], document[format!("{part}_loss")], "{part}");
            assert_eq!(scored["unknown"], 0);
            if part == "test" {
                assert_eq!(scored["nll_new"], document["test_loss_new"]);
            }
        }
    }

    /// The three parts are all words, and the average of all is that of the parts.
    #[test]
    fn the_parts_together_are_the_data() {
        let (folder, _) = trained("--split 70,20,10 --seed 1");
        let score = |arguments: &str| {
            let command = "score --json --model makemore-ngram.safetensors";
            folder.json(&format!("{command} {arguments}"))
        };
        let (mut words, mut bigrams, mut nats) = (0, 0, 0.0);
        for part in ["train", "dev", "test"] {
            let of_part = score(&format!("--part {part}"));
            words += of_part["words"].as_u64().unwrap();
            bigrams += of_part["ngrams"].as_u64().unwrap();
            nats += number(&of_part["nll"]) * number(&of_part["ngrams"]);
            match part {
                "train" => assert_eq!(of_part["words_new"], 0),
                _ => assert!(
                    number(&of_part["nll_new"]) > number(&of_part["nll"]),
                    "{of_part}"
                ),
            }
        }
        let all = score("");
        assert_eq!(
            (&all["words"], &all["ngrams"]),
            (&words.into(), &bigrams.into())
        );
        assert!((number(&all["nll"]) - nats / bigrams as f64).abs() < 1e-12);
    }

    #[test]
    fn another_seed_is_another_split() {
        let (_, one) = trained("--seed 1");
        let (_, same) = trained("--seed 1");
        let (_, other) = trained("--seed 2");
        assert_eq!(one["dev_loss"], same["dev_loss"]);
        assert_ne!(one["dev_loss"], other["dev_loss"]);
    }

    #[test]
    fn a_part_of_another_list_is_refused() {
        let (folder, _) = trained("");
        folder.write("list.txt", "emma\nolivia\n");
        let error = folder.error(
            "score --model makemore-ngram.safetensors --part test --data list.txt",
            1,
        );
        assert!(
            error.contains("its test part is of another list"),
            "{error}"
        );
        // `--data FILE` was once advised where no file has the list.
        assert!(
            error.ends_with("; leave --data out for the built-in names"),
            "{error}"
        );
        let error = folder.error("score --part test", 2);
        assert!(error.contains("--model"), "{error}");
    }

    #[test]
    fn dev_and_test_may_be_lists_of_their_own() {
        let folder = Folder::new();
        let lines: Vec<&str> = NAMES.lines().collect();
        let every = |first: usize| {
            let lines = lines.iter().skip(first).step_by(3).copied();
            lines.collect::<Vec<_>>().join("\n")
        };
        for (first, name) in ["train.txt", "dev.txt", "test.txt"].iter().enumerate() {
            folder.write(name, every(first));
        }
        let document = folder.json(
            "train --type ngram --order 4 --json --data train.txt --dev dev.txt --test test.txt",
        );
        for part in ["dev", "test"] {
            let scored = folder.json(&format!(
                "score --json --model makemore-ngram.safetensors --data {part}.txt"
            ));
            assert_eq!(scored["nll"], document[format!("{part}_loss")], "{part}");
            assert_eq!(
                scored["words"],
                every(usize::from(part == "test") + 1).lines().count()
            );
        }
        let error = folder.error("train --type ngram --data train.txt --dev missing.txt", 1);
        assert!(error.contains("missing.txt"), "{error}");
    }

    #[test]
    fn a_checkpoint_of_counts_cannot_be_resumed() {
        let (folder, _) = trained("");
        let error = folder.error("train --resume makemore-ngram.safetensors", 1);
        assert!(error.contains("makemore-ngram.safetensors"), "{error}");
        assert!(error.contains("n-gram"), "{error}");
    }

    /// Rather than by the kernel.
    #[test]
    fn too_little_memory_is_said_with_the_orders_that_fit() {
        let folder = Folder::new();
        for memory in ["1MB", "2MB", "6MB"] {
            let train = format!("train --type ngram --memory {memory} --order");
            let error = folder.error(&format!("{train} 12"), 1);
            assert!(
                error.contains(" of memory that there is for them"),
                "{error}"
            );
            let (_, fits) = error.split_once("orders of 1 to ").unwrap();
            let fits = fits.split_whitespace().next().unwrap();
            folder.stdout(&format!("{train} {fits}"));
        }
    }

    #[test]
    fn two_characters_with_one_added_are_the_matrix_of_the_lecture() {
        let folder = Folder::new();
        folder.stdout("train --type ngram --order 2 --smoothing 1 --split 100,0,0");
        let words = "emma good zyx a";
        let counts = folder.json(&format!("score --json {words}"));
        let model = folder.json(&format!(
            "score --json --model makemore-ngram.safetensors {words}"
        ));
        assert_eq!(model["words"], counts["words"]);
        // And so are the names.
        let command = "sample --plain -n 50 --seed 7";
        assert_eq!(
            folder.stdout(&format!("{command} --model makemore-ngram.safetensors")),
            folder.stdout(command)
        );
    }

    /// The order was 6 for every list, also where 3 had a lower loss.
    #[test]
    fn the_order_with_the_lowest_dev_loss_is_taken() {
        let folder = Folder::new();
        let names: Vec<&str> = NAMES.lines().step_by(150).collect();
        folder.write("few.txt", names.join("\n"));
        for smoothing in ["kneser-ney", "auto"] {
            let train = format!("train --type ngram --data few.txt --json --smoothing {smoothing}");
            let all = folder.json(&format!("{train} --order 8"));
            let dev = |order: &Value| number(&order["dev"]);
            let orders = all["orders"].as_array().unwrap();
            let lowest = orders
                .iter()
                .min_by(|one, other| dev(one).total_cmp(&dev(other)));
            let chosen = folder.json(&train);
            let last = chosen["orders"].as_array().unwrap().last();
            assert_eq!(last.unwrap()["order"], lowest.unwrap()["order"], "{all}");
            assert!((number(&chosen["dev_loss"]) - dev(lowest.unwrap())).abs() < 1e-6);
        }
        let without = folder.json("train --type ngram --data few.txt --json --split 100,0,0");
        assert_eq!(without["orders"].as_array().unwrap().len(), 6);
    }

    #[test]
    fn auto_shows_its_search_and_takes_the_best() {
        let folder = Folder::new();
        let document = folder.json("train --type ngram --order 3 --smoothing auto --json");
        let tried = document["tried"].as_array().unwrap();
        assert!(tried.len() > 10);
        let best = tried
            .iter()
            .min_by(|one, other| number(&one["dev"]).total_cmp(&number(&other["dev"])))
            .unwrap();
        assert_eq!(
            best["added"].to_string(),
            document["smoothing"].as_str().unwrap()
        );
        assert!((number(&best["dev"]) - number(&document["dev_loss"])).abs() < 1e-6);
        let printed = folder.stdout("train --type ngram --order 3 --smoothing auto");
        assert_eq!(
            printed.matches("added to every count: dev loss").count(),
            tried.len()
        );
        let error = folder.error("train --type ngram --smoothing auto --split 90,0,10", 1);
        assert!(error.contains("dev"), "{error}");
    }

    #[test]
    fn witten_bell_is_between_additive_and_kneser_ney() {
        let dev = |smoothing: &str| {
            let folder = Folder::new();
            let arguments = format!("train --type ngram --order 5 --json --smoothing {smoothing}");
            number(&folder.json(&arguments)["dev_loss"])
        };
        let (additive, witten_bell, kneser_ney) =
            (dev("0.1"), dev("witten-bell"), dev("kneser-ney"));
        assert!(kneser_ney < witten_bell && witten_bell < additive);
    }

    #[test]
    fn its_names_are_like_names_and_never_have_unknown_characters() {
        let folder = Folder::new();
        folder.stdout("train --type ngram");
        let sample = "sample --model makemore-ngram.safetensors";
        let names = folder.stdout(&format!("{sample} --plain -n 2000"));
        assert_eq!(names.lines().count(), 2000);
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(names.lines().all(is_name));
        let list: HashSet<&str> = NAMES.lines().collect();
        let of_list = names.lines().filter(|name| list.contains(name));
        assert!(of_list.count() > 400);
        assert_eq!(names, folder.stdout(&format!("{sample} --plain -n 2000")));
        let begun = folder.stdout(&format!("{sample} --plain -n 20 --prefix mar"));
        assert!(begun.lines().all(|name| name.starts_with("mar")));
        let document = folder.json(&format!("{sample} --json -n 3"));
        assert_eq!(document["names"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn an_unknown_character_has_a_probability_and_is_counted() {
        let (folder, _) = trained("");
        let score = "score --model makemore-ngram.safetensors";
        let printed = folder.stdout(&format!("{score} zoé"));
        let of_unknown = printed.lines().find(|line| line.contains("é after zo: "));
        assert!(
            of_unknown
                .unwrap()
                .ends_with(", as of any unknown character")
        );
        folder.write("list.txt", "zoé\nemma\n");
        let scored = folder.json(&format!("{score} --json --data list.txt"));
        assert_eq!(
            (&scored["unknown"], &scored["words"]),
            (&1.into(), &2.into())
        );
        let printed = folder.stdout(&format!("{score} --data list.txt"));
        assert!(
            printed.contains("Unknown characters: 1; without them the average is "),
            "{printed}"
        );
        // What would steer a terminal is escaped.
        let printed = folder.stdout(&format!("{score} a\u{1b}[31mb"));
        assert!(!printed.contains('\u{1b}'));
        // Additive smoothing knows of none.
        folder.stdout("train --type ngram --order 3 --smoothing 1 --force");
        let error = folder.error(&format!("{score} zoé"), 1);
        assert!(error.contains("'é' (U+00E9)"), "{error}");
    }

    /// In the words that trigrams as they were counted make, pairs are as frequent as they were counted.
    #[test]
    fn the_heatmap_is_its_marginal_for_pairs() {
        let folder = Folder::new();
        folder.write("list.txt", "emma\nolivia\nava\nisabella\nsophia\nmia\n");
        folder.stdout("train --type ngram --order 3 --smoothing 0 --split 100,0,0 --data list.txt");
        let model = "--model makemore-ngram.safetensors";
        folder.stdout(&format!("heatmap model.svg --of probabilities {model}"));
        folder.stdout("heatmap pairs.svg --of probabilities --smoothing 0 --data list.txt");
        let (of_model, of_pairs) = (folder.read("model.svg"), folder.read("pairs.svg"));
        assert!(texts(&of_pairs).len() > 2 * 12 * 12);
        assert_eq!(texts(&of_model), texts(&of_pairs));
        let error = folder.error(&format!("heatmap logits.png --of logits {model}"), 1);
        assert!(error.contains("logits"), "{error}");
    }

    #[test]
    fn the_picture_of_the_orders_has_both_ways_of_smoothing() {
        let (folder, document) = trained("--plot orders.svg --force");
        let orders = document["orders"].as_array().unwrap();
        let dev = orders.iter().map(|order| number(&order["dev"]));
        let (lowest, order) = dev
            .zip(1..)
            .min_by(|one, other| one.0.total_cmp(&other.0))
            .unwrap();
        let picture = folder.read("orders.svg");
        let kneser_ney = format!("modified Kneser–Ney (lowest: {lowest:.4} at order {order})");
        let additive = "additive, the best number of each order (lowest: ";
        let texts = texts(&picture);
        assert!(texts.contains(&kneser_ney.as_str()), "{texts:?}");
        let is_there = texts.iter().any(|text| text.starts_with(additive));
        assert!(is_there, "{texts:?}");
        let picture = str::from_utf8(&picture).unwrap();
        // Markers with their edges, those of the legend too.
        let markers = picture.matches("<polygon").count();
        assert_eq!(markers, 2 * 2 * (orders.len() + 1));
        let error = folder.error("train --type ngram --split 100,0,0 --plot p.svg", 1);
        assert!(error.contains("--plot draws the loss on dev"), "{error}");
    }

    /// The exercise of the lecture: its loss comes down to that of counting.
    #[test]
    fn trigrams_by_gradient_descent_come_close_to_counting() {
        let folder = Folder::new();
        folder.write(
            "list.txt",
            NAMES.lines().take(300).collect::<Vec<_>>().join("\n"),
        );
        let trained =
            folder.json("train --order 3 --json --data list.txt --epochs 2000 --smoothing 0");
        let loss = number(&trained["final_loss"]);
        let counts = folder.json(
            "train --type ngram --order 3 --smoothing 0 --split 100,0,0 --data list.txt --json",
        );
        let counted = number(&counts["orders"][2]["train"]);
        assert!(
            loss > counted && loss < counted + 0.05,
            "{loss} and {counted}"
        );
        // The likelihoods of its names are its own.
        let sampled =
            folder.json("sample --json --model makemore.safetensors --data list.txt -n 3");
        let name = &sampled["names"][0];
        let word = name["name"].as_str().unwrap();
        let of_word = folder.json(&format!("score --json --model makemore.safetensors {word}"));
        assert_eq!(name["likelihood"], of_word["words"][0]["likelihood"]);
        let scored = folder.json("score --json --model makemore.safetensors --data list.txt");
        assert!((number(&scored["nll"]) - loss).abs() < 1e-4, "{scored}");
    }

    /// A model of order 2 once took the place of one of order 6 in silence.
    #[test]
    fn a_worse_ngram_model_is_saved_beside_a_better_one() {
        let folder = Folder::new();
        folder.stdout("train --type ngram --out m.safetensors");
        let better = folder.read("m.safetensors");
        let worse = "train --type ngram --order 2 --out m.safetensors";
        let told = folder.stderr(worse);
        assert!(told.contains("m.safetensors has a better model"), "{told}");
        assert_eq!(folder.read("m.safetensors"), better);
        assert_eq!(folder.files(), ["m-2.safetensors", "m.safetensors"]);
        folder.stdout(&format!("{worse} --force"));
        assert_eq!(folder.read("m.safetensors"), folder.read("m-2.safetensors"));
    }

    /// The dev part and what models take were once left out of the estimate.
    #[test]
    fn the_orders_that_are_named_fit_into_the_memory() {
        let folder = Folder::new();
        let mut random = fastrand::Rng::with_seed(1);
        let mut word = || (0..11).map(|_| random.lowercase()).chain(['\n']).collect();
        let words: Vec<String> = std::iter::repeat_with(&mut word).take(30_000).collect();
        folder.write("list.txt", words.concat());
        for memory in ["14MB", "20MB", "26MB", "32MB"] {
            let train = |order: &str| {
                format!("train --type ngram --data list.txt --memory {memory} --order {order}")
            };
            let error = folder.error(&train("8"), 1);
            let named = error.split_once("orders of 1 to ").expect(&error).1;
            folder.stdout(&train(&named[..1]));
        }
    }
}
