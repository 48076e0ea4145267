//! The networks that `train` trains on batches of words.

use std::time::{Duration, Instant};

use makemore_tch::checkpoint::{Checkpoint, Weights};
use makemore_tch::distributed::{Alone, Processes};
use makemore_tch::error::Error;
use makemore_tch::models::Kind;
use makemore_tch::sample::SampleOptions;
use makemore_tch::score::held_out::HeldOut;
use makemore_tch::train::choice::beside::Beside;
use makemore_tch::train::course::Course;
use makemore_tch::train::run_state::RunState;
use makemore_tch::train::tensorboard::EventFile;
use makemore_tch::train::word_batches::WordBatches;

use super::advice::of_network;
use super::print::{Document, draw};
use super::word_task::WordTask;
use crate::cli::aftermath::{Aftermath, explain_fault};
use crate::cli::arguments::train::Train;
use crate::cli::context::Context;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Printer;
use crate::cli::progress;
use crate::cli::run_files::RunFiles;
use crate::cli::watch::{Watcher, check_same, end_together, follow, status_of_all};

/// A training that has ended.
struct Ended {
    state: RunState,
    /// The curve of train losses: steps, each with the mean loss of the batches before it.
    curve: Vec<(u64, f64)>,
    /// The number of steps before this start of the program; above 0 for a resumed run.
    first: u64,
    /// The time that the steps took, without evaluations.
    stepping: Duration,
    fault: Option<Error>,
}

impl Train {
    pub(super) fn train_on_words(
        self,
        kind: &'static dyn Kind,
        weights: Option<Weights>,
        resumed: Option<Checkpoint>,
        processes: &dyn Processes,
        context: Context,
    ) -> anyhow::Result<u8> {
        let start = Instant::now();
        // Networks are compared with as many of libtorch's threads as in training, on which the last
        // digits depend.
        context.threads.prepare_for_training(0);
        let (task, state, outputs) =
            self.task_on_words(kind, weights, resumed, processes, context)?;
        let interrupt = Interrupt::catch(context.remarks)?;
        let first = state.progress.steps;
        check_same(&task.data, &task.lists, &task.network, &state, processes)?;
        let (network, train) = (&task.network, &task.lists.train);
        let mut learner = WordBatches::shared(network, train, state.options, processes)?;
        if first > 0 {
            learner.optimizer.restore(&state.optimizer, first)?;
        }
        if processes.rank() > 0 {
            let (is_trained, task) = (task.is_trained, (network, &task.lists, &task.data));
            let run = (state, is_trained);
            return follow(task, run, &mut learner, &interrupt, processes);
        }
        let events = self.words.tensorboard.as_deref().map(EventFile::create);
        let data = &task.data;
        let mut watcher = Watcher {
            files: RunFiles::new(outputs, network, data, task.seed, context.remarks),
            interrupt: &interrupt,
            bar: progress::training(context.remarks.quiet),
            printer: Printer::new(self.json.json),
            events: events.transpose()?,
            first,
            dev: None,
        };
        let (dev, every) = (&task.lists.dev, self.save_every());
        let mut course = Course::new(network, dev, state, every, &mut watcher, processes);
        let kept = task.is_trained.then(|| course.keep_first()).transpose();
        let fault = kept.and_then(|_| course.run(&mut learner)).err();
        // Processes that have ended evaluate nothing.
        let processes = fault.as_ref().map_or(processes, |_| &Alone);
        let ended = Ended {
            state: course.state,
            curve: course.curve,
            first,
            stepping: course.stepping,
            fault,
        };
        self.conclude((ended, processes), &task, watcher, start)
    }

    /// Saves and prints the results of a training.
    fn conclude(
        &self,
        (ended, processes): (Ended, &dyn Processes),
        task: &WordTask,
        watcher: Watcher,
        start: Instant,
    ) -> anyhow::Result<u8> {
        // The other processes may have ended, but not harmed the network.
        let is_sound = matches!(ended.fault, None | Some(Error::Processes { .. }));
        let state = &ended.state;
        let (mut files, interrupt) = (watcher.files, watcher.interrupt);
        watcher.bar.finish_and_clear();
        if state.best.is_none() && !(is_sound && state.progress.steps > 0) {
            ended.without_network(&files)?;
            return Ok(status_of_all(interrupt, processes));
        }
        // Saved before anything is printed, since printing may fail.
        let best = files.checkpoint(state, None)?;
        let mut after = files.finish(&best, state, is_sound);
        let plotted = files.plot(&ended.curve, state);
        after.note(plotted, "no picture was drawn");
        let status = status_of_all(interrupt, processes);
        // None evaluates after an interrupt of any.
        let together = if status > 0 { &Alone } else { processes };
        let data = task.data.stopped_by(interrupt.flag());
        let (model, parts) = (best.model.language_model(), &data.parts);
        let evaluated = task.lists.losses(model, parts, &data.memory, together);
        if let (true, Ok(Some((loss, _)))) = (task.lists.dev.is_empty(), &evaluated) {
            let state = Some(state).filter(|_| is_sound);
            after.saved_again(files.save_best(&best, state, Some(*loss)));
        }
        let mut document = ended.document(&best, task, &self.words.of_names(), &mut after);
        if let Some((train_loss, held_out)) = after.note(evaluated, "not all could be evaluated") {
            document.train_loss = Some(train_loss);
            document.held_out = held_out;
            let beside = Beside::of(model, &data, &task.lists.dev, &data.memory);
            document.beside = after.note(beside, "n-grams could not be counted");
        }
        let is_cut = is_sound && !state.is_over();
        document.interrupted = is_cut || interrupt.is_pressed();
        document.seconds = Some(start.elapsed().as_secs_f64());
        after.note(document.print(watcher.printer), "not all could be printed");
        files.say_what_is_elsewhere();
        let steps = state.progress.steps;
        let remarks = of_network(&document, state, task).into_iter();
        remarks.for_each(|remark| files.say(remark));
        if is_cut {
            let saved = files.saved(&after, steps);
            files.say(self.how_to_go_on(&ended.told(), steps, saved, "lr", &[]));
        }
        files.tell_faults(&mut after);
        if let Some(fault) = ended.fault {
            let step = document.best_step.unwrap_or(steps);
            let what = format!("the network of step {step}");
            let saved = after.told(&what, &files.outputs);
            return Err(explain_fault(fault, &state.options, &saved));
        }
        after.finish(&files.outputs)?;
        Ok(end_together(status, interrupt, processes))
    }
}

impl Ended {
    /// Why and where a training ended before its last step.
    fn told(&self) -> String {
        let why = self.fault.as_ref().map_or("interrupted", |_| "stopped");
        format!("{why} after {} steps", self.state.progress.steps)
    }

    /// Tells the user why there is no network to save.
    fn without_network(self, files: &RunFiles) -> anyhow::Result<()> {
        let told = files.without_network();
        match self.fault.unwrap_or(Error::Interrupted) {
            Error::Interrupted => {
                files.say(format_args!("interrupted before the first step; {told}"));
                Ok(())
            }
            fault => Err(explain_fault(fault, &self.state.options, &told)),
        }
    }

    /// The results that need no further evaluation.
    fn document(
        &self,
        best: &Checkpoint,
        task: &WordTask,
        names: &SampleOptions,
        after: &mut Aftermath,
    ) -> Document {
        let (state, model) = (&self.state, best.model.language_model());
        let steps = state.progress.steps;
        let drawn = draw(model, task.seed, &task.data.parts, names);
        let best_step = state.best.as_ref().map(|best| best.step);
        let step_ms = 1000.0 * self.stepping.as_secs_f64() / (steps - self.first).max(1) as f64;
        Document {
            kind: best.model.kind(),
            parameters: Some(task.network.parameter_count() as u64),
            steps: Some(steps),
            best_step: Some(best_step.unwrap_or(steps)),
            step_ms: Some(step_ms),
            losses: Some(state.losses.clone()),
            held_out: HeldOut::dev(state.dev_loss()),
            checkpoint: after.saved(),
            names: after.note(drawn, "no names could be drawn"),
            ..Document::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use makemore_tch::models::{KINDS, Kind};
    use serde_json::Value;

    use crate::cli::testing::{Folder, SMALL};

    const NAMES: &str = include_str!("../../../assets/names.txt");

    /// Those that learn statistics of batches.
    const NORMALISED: [&str; 3] = ["mlp --batchnorm", "mlp --n-layer 3 --batchnorm", "wavenet"];

    fn number(value: &Value) -> f64 {
        value.as_f64().unwrap()
    }

    /// All kinds with the sizes that a small network has, and deep ones of an mlp.
    fn types() -> Vec<String> {
        let small = |kind: &&dyn Kind| -> String {
            let sizes = [("n_embd", 8), ("n_embd2", 8), ("n_layer", 1), ("n_head", 2)];
            let sizes = sizes.iter().filter(|(size, _)| kind.sizes().contains(size));
            let sizes =
                sizes.map(|(size, number)| format!(" --{} {number}", size.replace('_', "-")));
            kind.name().to_owned() + &sizes.collect::<String>()
        };
        let mut types: Vec<String> = KINDS.iter().map(small).collect();
        types.extend(
            ["--n-layer 3", "--batchnorm", "--n-layer 2 --batchnorm"]
                .map(|more| format!("mlp --n-embd 8 --n-embd2 8 {more}")),
        );
        types
    }

    #[test]
    fn every_type_is_trained_saved_scored_and_drawn_from() {
        let folder = Folder::with_names();
        let steps = SMALL.replace("--n-embd 8 ", "");
        let mut trained = Vec::new();
        for arguments in types() {
            let kind = arguments.split(' ').next().unwrap();
            let document = folder.json(&format!(
                "train --type {arguments} --json --out {}.safetensors {steps}",
                trained.len()
            ));
            assert_eq!(document["type"], kind);
            let file = format!("{}.safetensors", trained.len());
            assert_eq!(document["checkpoint"], *file);
            let losses = document["losses"].as_array().unwrap();
            let steps: Vec<_> = losses
                .iter()
                .map(|row| row["step"].as_u64().unwrap())
                .collect();
            assert_eq!(steps, [20, 40], "{kind}");
            assert!(
                number(&losses[1]["train"]) < number(&losses[0]["train"]),
                "{kind}"
            );
            assert_eq!(document["names"].as_array().unwrap().len(), 10);
            // Those that were drawn after training, and ten more.
            let names = folder.stdout(&format!("sample --plain -n 20 --model {file}"));
            let names: Vec<&str> = names.lines().collect();
            assert_eq!(names.len(), 20);
            let drawn = document["names"].as_array().unwrap();
            for (name, drawn) in names.iter().zip(drawn) {
                assert_eq!(drawn["name"], *name, "{kind}");
            }
            trained.push(document);
        }
        // The figures of training are those of scoring.
        let models = (0..trained.len()).map(|model| format!(" --model {model}.safetensors"));
        let models = models.collect::<String>();
        let scored = folder.json(&format!("score --json --part test --data list.txt{models}"));
        let scored = scored["models"].as_array().unwrap();
        assert_eq!(scored.len(), trained.len());
        for (scored, trained) in scored.iter().zip(&trained) {
            let off = number(&scored["nll"]) - number(&trained["test_loss"]);
            assert!(off.abs() < 1e-6, "{}: {off}", trained["type"]);
        }
    }

    #[test]
    fn the_best_step_on_dev_is_kept_and_a_seed_repeats_it() {
        let folder = Folder::with_names();
        // A few words are soon known by heart, and dev gets worse.
        let few =
            "--data list.txt --split 10,80,10 --n-embd 8 --max-steps 60 --eval-every 30 --lr 0.03";
        let train = format!("train --type gru --preset makemore --json --force {few}");
        let document = folder.json(&train);
        let losses = document["losses"].as_array().unwrap();
        let best = losses
            .iter()
            .min_by(|one, other| number(&one["dev"]).total_cmp(&number(&other["dev"])))
            .unwrap();
        assert_eq!(document["best_step"], best["step"]);
        assert!(document["best_step"].as_u64() < document["steps"].as_u64());
        assert!((number(&document["dev_loss"]) - number(&best["dev"])).abs() < 1e-6);
        assert_eq!(folder.json(&train)["losses"], document["losses"]);
        let other = folder.json(&format!("{train} --seed 1"));
        assert_ne!(other["losses"], document["losses"]);
    }

    /// 120 words with the defaults took 47 seconds to be known by heart, and nothing was said.
    #[test]
    fn a_small_list_is_learned_in_few_steps_beside_its_ngrams() {
        let folder = Folder::new();
        let names: Vec<&str> = NAMES.lines().step_by(200).collect();
        folder.write("few.txt", names.join("\n"));
        let network = folder.json("train --type rnn --data few.txt --json");
        assert!(number(&network["steps"]) < 600.0);
        assert_eq!(network["losses"][0]["step"], 10);
        let order = &network["ngram_order"];
        let ngrams = folder.json(&format!(
            "train --type ngram --order {order} --data few.txt --json"
        ));
        let off = number(&ngrams["dev_loss"]) - number(&network["ngram_dev_loss"]);
        assert!(off.abs() < 1e-6, "{off}");
        let mixed = number(&network["mixture_dev_loss"]);
        assert!(
            mixed <= number(&network["dev_loss"]) + 1e-6 && mixed <= number(&ngrams["dev_loss"])
        );
        let models = "--model makemore-rnn.safetensors --model makemore-ngram.safetensors";
        let scored = folder.json(&format!("score --json --part dev {models}"));
        assert!((number(&scored["nll"]) - mixed).abs() < 1e-5, "{scored}");
        let printed = folder.stdout("train --type rnn --data few.txt");
        assert!(printed.contains("(lowest: the mixture)"), "{printed}");
    }

    #[test]
    fn poor_results_are_told() {
        let folder = Folder::new();
        let names: Vec<&str> = NAMES.lines().step_by(800).collect();
        folder.write("few.txt", names.join("\n"));
        let train = "train --type rnn --data few.txt --preset makemore --out m";
        let told = folder.stderr(&format!(
            "{train} --max-steps 1500 --lr 0.01 --split 100,0,0"
        ));
        assert!(
            told.contains("of 10 drawn words are words to learn from"),
            "{told}"
        );
        assert!(told.contains("few words to learn from (41)"), "{told}");
        let told = folder.stderr(&format!("{train} --max-steps 1 --force"));
        assert!(
            told.contains(", which counting pairs has; `makemore-tch more`"),
            "{told}"
        );
    }

    #[test]
    fn a_training_ends_when_dev_has_not_been_better_for_a_while() {
        let folder = Folder::with_names();
        let train = "train --type rnn --n-embd2 32 --data list.txt --out m --lr 0.05 --json";
        let stopped = format!("{train} --max-steps 5000 --eval-every 10 --patience 3");
        let (document, told) = folder.both(&stopped);
        let document: Value = serde_json::from_str(&document).unwrap();
        let steps = document["steps"].as_u64().unwrap();
        assert_eq!(document["best_step"].as_u64().unwrap() + 30, steps);
        assert!(
            told.contains(&format!(
                "stopped after {steps} steps: no lower dev loss in 3 evaluations (--patience)"
            )),
            "{told}"
        );
        let resume = "train --resume m --data list.txt --max-steps 5000";
        let error = folder.error(resume, 1);
        assert!(
            error.ends_with("in 3 evaluations; a larger --patience goes on"),
            "{error}"
        );
        let more = folder.json(&format!("{resume} --patience 5 --json"));
        assert!(more["steps"].as_u64().unwrap() > steps, "{more}");
    }

    #[test]
    fn the_preset_is_makemores() {
        let folder = Folder::with_names();
        let train =
            "train --type mlp --preset makemore --data list.txt --max-steps 5 --eval-every 1";
        let document = folder.json(&format!("{train} --json"));
        // Its defaults: 64 and 64, one block as long as the longest word and its start token.
        let longest = NAMES.lines().step_by(40).map(str::len).max().unwrap() + 1;
        let v = 27;
        let parameters = (v + 1) * 64 + (longest * 64 * 64 + 64) + (64 * v + v);
        assert_eq!(document["parameters"], parameters);
        let printed = folder.stdout(&format!("{train} --force --top-k 1"));
        let names: Vec<&str> = printed.lines().rev().take(10).collect();
        assert!(names.iter().all(|name| *name == names[0]), "{printed}");
        assert!(printed.contains("Step: 5, train loss: "), "{printed}");
        assert!(printed.contains(", best on dev at step "), "{printed}");
        assert!(printed.contains("Test loss: "), "{printed}");
    }

    #[test]
    fn the_presets_bigram_is_makemores_table() {
        let folder = Folder::with_names();
        let train =
            "train --type bigram --preset makemore --data list.txt --max-steps 40 --lr 0.05";
        let document = folder.json(&format!("{train} --json"));
        assert_eq!(document["type"], "lookup");
        assert_eq!(document["checkpoint"], "makemore-lookup.safetensors");
        assert_eq!(document["parameters"], 27 * 27);
        // Zeros, which hold all characters equally probable, are left behind.
        assert!(number(&document["dev_loss"]) < 27_f64.ln() - 0.3);
        let names = folder.stdout("sample --plain -n 5 --model makemore-lookup.safetensors");
        assert_eq!(names.lines().count(), 5);
        let error = folder.error(&format!("{train} --order 3"), 1);
        assert!(error.contains("--order is not of --type lookup"), "{error}");
    }

    /// 20 steps and 20 more are 40: the same networks to the last bit, the same losses in all files.
    #[test]
    fn a_training_goes_on_as_if_it_had_not_been_interrupted() {
        let folder = Folder::with_names();
        let steps = SMALL.replace(" --max-steps 40", "");
        folder.write("other.csv", "step,train,dev\n9,2.5,2.5\n");
        for (kind, sizes) in [
            ("gru", "--n-embd2 8"),
            ("transformer", "--n-layer 1 --n-head 2"),
            ("mlp", "--n-embd2 8 --n-layer 3 --batchnorm"),
            ("wavenet", "--n-embd2 8"),
        ] {
            let train =
                format!("train --type {kind} {sizes} --preset makemore --dropout 0.2 {steps}");
            let whole =
                format!("--max-steps 40 --out {kind}-whole.safetensors --metrics {kind}-whole.csv");
            folder.stdout(&format!("{train} {whole}"));
            let part = format!("--max-steps 20 --out {kind}.safetensors --metrics {kind}.csv");
            folder.stdout(&format!("{train} {part}"));
            let resume = format!("--resume {kind}.safetensors --metrics {kind}.csv");
            let resume = format!("train {resume} --eval-every 20 --data list.txt --max-steps 40");
            folder.stdout(&resume);
            for end in ["safetensors", "csv"] {
                let of = |name: &str| folder.read(&format!("{name}.{end}"));
                assert_eq!(of(kind), of(&format!("{kind}-whole")), "{kind}.{end}");
            }
            let csv = String::from_utf8(folder.read(&format!("{kind}.csv"))).unwrap();
            assert_eq!(csv.lines().count(), 3);
            assert!(csv.starts_with("step,train,dev\n20,"), "{csv}");
        }
        // Losses up to another step are not appended to.
        let error = folder.error(
            "train --resume gru.safetensors --metrics other.csv --data list.txt --max-steps 60",
            1,
        );
        assert!(error.contains("other.csv: it ends with step 9"), "{error}");
    }

    /// It looks at the last characters alone, wherever in a word they are. Once, only a wavenet did.
    #[test]
    fn a_network_takes_words_that_are_longer_than_its_block() {
        let folder = Folder::with_names();
        folder.write("long.txt", "emma\nolivia\nabcdefghijklmnopqrstuvwxyz\n");
        let train = "train --type gru --split 100,0,0 --block-size 3 --n-embd2 16 --max-steps 20";
        folder.stdout(&format!("{train} --data long.txt --out m"));
        let word = folder.json("score --json --model m abcdefghijklmnopqrstuvwxyz");
        let bigrams = word["words"][0]["bigrams"].as_array().unwrap();
        assert_eq!(bigrams.len(), 27);
        assert_eq!(bigrams[20]["context"], "rst");
        assert!(number(&word["words"][0]["likelihood"]) > 0.0);
        folder.stdout("heatmap z.png --word abcdefghijklmnopqrstuvwxyz --model m");
        let drawn = folder.stdout("sample --plain -n 20 --prefix abcdefghijkl --model m");
        assert!(drawn.lines().all(|name| name.starts_with("abcdefghijkl")));
        let mixed = "--model m --model m --weights 1,2";
        let alone = folder.json("score --json --model m --data long.txt");
        let off = number(&folder.json(&format!("score --json {mixed} --data long.txt"))["nll"])
            - number(&alone["nll"]);
        assert!(off.abs() < 1e-6, "{off}");
        assert_eq!(
            folder
                .stdout(&format!("sample --plain -n 20 {mixed}"))
                .lines()
                .count(),
            20
        );
        // Another list may have still longer words.
        let longer = "a".repeat(100);
        folder.write(
            "longer.txt",
            format!("{longer}\nabcdefghijklmnopqrstuvwxyz\n"),
        );
        std::fs::remove_file(folder.path("m.last")).unwrap();
        folder
            .stdout("train -q --resume m --split 100,0,0 --data longer.txt --max-steps 5 --out n");
    }

    /// A step on one word of one letter has two rows, and of more such words equal ones.
    #[test]
    fn batches_are_normalised_however_small_they_are() {
        let folder = Folder::new();
        folder.write("one.txt", "a\n");
        for kind in NORMALISED {
            for batch in [1, 3] {
                let document = folder.json(&format!(
                "train --type {kind} --data one.txt --split 100,0,0 --json --batch-size {batch} --max-steps 30"
            ));
                assert!(number(&document["train_loss"]) < 0.3, "{kind}: {document}");
                assert_eq!(document["names"][0]["name"], "a");
            }
        }
    }

    /// The statistics are of a whole batch, whatever there is to compute it with.
    #[test]
    fn threads_do_not_change_what_is_normalised_by_batches() {
        let folder = Folder::with_names();
        for kind in NORMALISED {
            for threads in [1, 3] {
                folder.stdout(&format!(
                "train --force --type {kind} {SMALL} --n-embd2 8 --threads {threads} --out {threads}"
            ));
            }
            assert!(folder.read("1") == folder.read("3"), "{kind}");
        }
    }
}
