//! `makemore-tch page`: models in one HTML file.

mod list;
mod mixture;

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use makemore_tch::data::words::is_lecture;
use makemore_tch::files::check_distinct;
use makemore_tch::memory::Memory;
use makemore_tch::model_file::TrainedOn;
use makemore_tch::page::{Entry, Known, Page, Precision};
use makemore_tch::train::choice::choose::Choice;
use makemore_tch::train::choice::plan::Effort;
use makemore_tch::train::choice::report::Silent;
use makemore_tch::train::corpus::Corpus;
use makemore_tch::{LanguageModel, Model, ModelFile, Ngram, Smoothing};

use crate::cli::arguments::models::{ModelFileArguments, Several};
use crate::cli::arguments::train::SEED;
use crate::cli::arguments::{DataArguments, one_of, zero_or_more};
use crate::cli::context::Context;
use crate::cli::models::Models;
use crate::cli::outputs::new_file;
use crate::cli::sample::ngrams::is_too_long;
use crate::cli::typed::{Typed, argument, file_name};
use list::{OfList, short};
use mixture::mixture;

/// The size of a page, in bytes, above which --force writes it.
const LARGE: usize = 50_000_000;

/// Write a page: models in one HTML file, to draw from, to look into, and to share
///
/// The page opens in any browser, without a network, and sends nothing anywhere. It draws words by the models
/// themselves: those that `sample` draws with the same seed and wishes. Without --model, it has the counted
/// pairs of the list, and the n-grams that predict held-out words best.
///
/// Whoever has the page has the models, which may give the list away: by default all of its words are in the
/// page (--known), and long n-grams have nearly all of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch page names.html
  makemore-tch page towns.html --data towns.txt --title Towns --open
  makemore-tch page gru.html --model makemore-gru.safetensors --model makemore-ngram.safetensors
  makemore-tch page small.html --model makemore-gru.safetensors --weights f16 --known none")]
pub struct WritePage {
    /// The file, ending in .html
    #[arg(value_name = "OUT")]
    out: PathBuf,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    models: ModelFileArguments,

    /// The weight of each --model in their mixture [default: those that are best on dev]
    #[arg(long, value_name = "X,X", value_delimiter = ',', value_parser = zero_or_more, requires = "models", allow_negative_numbers = true)]
    mix: Option<Vec<f64>>,

    /// The title of the page [default: the name of the list]
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    title: Option<String>,

    /// The precision of weights in the page
    #[arg(long, value_parser = one_of::<Precision>(), default_value = "f32")]
    weights: Precision,

    /// How the page knows the words of the list, to tell which words are new
    #[arg(long, value_parser = one_of::<Known>(), default_value = "list")]
    known: Known,

    /// Open the page in the browser
    #[arg(long)]
    open: bool,

    /// Overwrite an existing file; write a page of more than 50 MB
    #[arg(long)]
    force: bool,

    /// The arguments as typed, which the page shows in its commands
    #[arg(skip)]
    pub typed: Typed,
}

impl WritePage {
    pub fn run(self, context: Context) -> anyhow::Result<()> {
        context.threads.prepare_for_reading();
        let out = self.out.display();
        let name = self.out.to_string_lossy().to_lowercase();
        if ![".html", ".htm"].iter().any(|end| name.ends_with(end)) {
            bail!("{out}: the name of a page ends in .html");
        }
        let models = self.models.models.iter().map(PathBuf::as_path);
        let inputs: Vec<&Path> = models.chain(self.data.files()).collect();
        check_distinct(&[&self.out], &inputs)?;
        let output = new_file(&self.out, self.force)?;
        let memory = Memory::half_of_the_machine();
        let models = self.models.load(
            Several::Mixed {
                weights: self.mix.as_deref(),
                flag: "--mix",
            },
            &self.data,
            memory,
            context.remarks,
        )?;
        let lists = models.iter().flat_map(Models::files);
        let lists = lists.filter_map(|file| file.list.as_ref());
        let lists = lists.flat_map(|list| list.files.iter().map(Path::new));
        check_distinct(&[&self.out], &lists.collect::<Vec<_>>())?;
        let page = match &models {
            Some(models) => self.of_models(models, context)?,
            None => self.of_list(context)?,
        };
        let html = page.html()?;
        let size = html.len() as f64 / 1e6;
        if html.len() > LARGE && !self.force {
            bail!(
                "{out}: the page would have {size:.0} MB, which browsers open slowly; --weights f16 or --known none makes it smaller, --force writes it"
            );
        }
        output.replace(html.as_bytes())?;
        let held = match page.given_away() {
            Some(what) => format!(", {what}"),
            None => String::new(),
        };
        context
            .remarks
            .say(format_args!("wrote {out} ({size:.1} MB{held})"));
        if models.is_none() {
            context.remarks.say("it has counted pairs and n-grams alone; `makemore-tch more LIST --save FOLDER` trains better models, and says how a page has them");
        }
        if self.open {
            open::that_detached(&self.out)
                .map_err(|cause| anyhow!("{out} is written, but no browser opens it: {cause}"))?;
        }
        Ok(())
    }

    /// A page of a list: its counted pairs and its n-grams.
    fn of_list(&self, context: Context) -> anyhow::Result<Page> {
        let memory = Memory::half_of_the_machine();
        let source = self.data.source(None, &memory)?;
        let data = context.whole(&self.data, source, memory, SEED)?;
        let list = OfList {
            source: &data.parts.list().source,
            counted: &data.counted,
            memory: &data.memory,
        };
        let mut entries = Vec::from_iter(list.pairs()?);
        match is_too_long(&data) {
            true => context.remarks.say(format_args!(
                "{}: too long to find the best n-grams, so that the page has counted pairs alone; --model adds models",
                data.counted.origin
            )),
            false => entries.extend(self.best_ngrams(&data)?),
        }
        if entries.is_empty() {
            bail!(
                "{}: too long for a page; a part of it would work",
                data.counted.origin
            );
        }
        let title = self.title(&list.name());
        let vocabulary = data.counted.counts.vocabulary();
        let page = Page::new(title, vocabulary, self.weights, entries);
        let arguments = list.arguments(&self.data, &self.typed);
        list.into_page(page, arguments.unwrap_or_default(), self.known)
    }

    /// The n-grams of a list that predict held-out words best.
    fn best_ngrams(&self, data: &Corpus) -> anyhow::Result<Option<Entry>> {
        let choice = Choice::of(data, SEED, Effort::Quick, &data.memory, &mut Silent)?;
        let mut models = choice.models.into_iter().map(|(model, _)| model);
        let Some(Model::Ngram(best)) = models.next() else {
            return Ok(None);
        };
        // `sample --order 2` draws by counted pairs.
        let ngrams = match best.order() {
            3.. => best,
            _ => {
                let counts = data.train_counts(3, &data.memory)?;
                Ngram::of(&counts, Smoothing::KneserNey, &data.memory)?
            }
        };
        let arguments = argument("order", &ngrams.order().to_string());
        let entry = Entry::of(&Model::Ngram(ngrams), self.weights)?;
        let mut entry = entry.in_format(data.parts.list().source.format());
        (entry.arguments, entry.needs_data) = (arguments, true);
        Ok(Some(entry))
    }

    fn title(&self, of: &str) -> String {
        let title = self.title.clone();
        title.unwrap_or_else(|| format!("Words like those of {of}"))
    }

    /// A page of models and, where their list is known, of its counted pairs.
    fn of_models(&self, models: &Models, context: Context) -> anyhow::Result<Page> {
        let files = models.files();
        // Refuses models of different characters.
        let vocabulary = models
            .mixture(Some(&vec![1.0; files.len()]))?
            .vocabulary()
            .clone();
        let is_known = |file: &ModelFile| file.trained_on.is_some_and(|of| is_lecture(of.list));
        let has_data = !self.data.data.is_empty();
        if !has_data && !models.found_list && !files.iter().any(is_known) {
            context.remarks.say(format_args!(
                "{}: its list is not known, or not where it was, so that the page cannot tell which words are new; --data names it",
                models.path().display()
            ));
            let entries = files.iter().map(|file| self.entry(file, None));
            let entries = entries.collect::<anyhow::Result<_>>()?;
            let name = models.path().file_name().unwrap_or_default();
            let title = self.title(&name.to_string_lossy());
            let page = Page::new(title, &vocabulary, self.weights, entries);
            return Ok(page.with_mixture(mixture(models, self.mix.as_deref(), 0, None, context)?));
        }
        let source = models.list()?;
        let counted = context.count(&self.data, source, Some(&vocabulary))?;
        let owner = files.iter().find(|file| file.list.is_some());
        let owner = owner.and_then(|file| Some((file, file.trained_on?)));
        let has_changed = |of: &TrainedOn| !has_data && of.list != counted.digest;
        if let Some((file, trained_on)) = owner.filter(|(_, of)| has_changed(of)) {
            context.remark_on_change(source, trained_on, &file.path, &vocabulary);
        }
        let list = OfList {
            source,
            counted: &counted,
            memory: &models.memory,
        };
        let arguments = list.arguments(&self.data, &self.typed);
        let mut entries = Vec::new();
        if list.is_named(&self.data, &self.typed) && *counted.counts.vocabulary() == vocabulary {
            entries.extend(list.pairs()?);
        }
        let first = entries.len();
        for file in files {
            entries.push(self.entry(file, Some(&list))?);
        }
        let page = Page::new(self.title(&list.name()), &vocabulary, self.weights, entries);
        let page = page.with_mixture(mixture(
            models,
            self.mix.as_deref(),
            first,
            Some(&list),
            context,
        )?);
        list.into_page(page, arguments.unwrap_or_default(), self.known)
    }

    /// A model from a file.
    fn entry(&self, file: &ModelFile, list: Option<&OfList>) -> anyhow::Result<Entry> {
        let mut entry = Entry::of(&file.model, self.weights)?;
        let format = file.list.as_ref().map(|list| list.format);
        entry = entry.in_format(format.unwrap_or_default());
        entry.arguments = format!("--model {}", file_name(&short(&file.path)));
        let options = ["space_token", "n_head"].iter();
        for id in options.filter(|id| self.typed.has(id)) {
            entry.arguments += &format!(" {}", self.typed.again(id));
        }
        // Weights of makemore.py take the vocabulary from the list.
        entry.needs_data = file.trained_on.is_none() && !file.is_arpa();
        let fit = list.map(|list| list.fit(file.model.language_model(), file.trained_on));
        if let Some(fit) = fit.transpose()?.flatten() {
            entry.test = Some(fit.all.nll());
            entry.test_new = fit.nll_new();
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::cli::testing::{Folder, SMALL};

    /// The data of a page.
    fn data(folder: &Folder, page: &str) -> Value {
        let html = String::from_utf8(folder.read(page)).unwrap();
        let (_, data) = html.split_once("id=\"data\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        serde_json::from_str(data).unwrap()
    }

    #[test]
    fn a_page_of_a_list_has_its_pairs_and_its_best_ngrams() {
        let folder = Folder::new();
        let names = include_str!("../../../assets/names.txt")
            .lines()
            .step_by(40);
        folder.write("towns.txt", names.collect::<Vec<_>>().join("\n"));
        let said = folder.stderr("page towns.html --data towns.txt --lowercase");
        assert!(said.contains(" MB, with all words of the list"), "{said}");
        assert!(
            said.contains("`makemore-tch more LIST --save FOLDER`"),
            "{said}"
        );
        let page = data(&folder, "towns.html");
        assert_eq!(page["title"], "Words like those of towns.txt");
        assert_eq!(page["dataArguments"], "--data towns.txt --lowercase");
        assert_eq!(page["list"]["words"], 801);
        assert_eq!(page["list"]["lowercase"], true);
        let [pairs, ngrams] = [0, 1].map(|model| &page["models"][model]);
        assert_eq!(
            (&pairs["kind"], &pairs["arguments"]),
            (&"counts".into(), &"--order 2".into())
        );
        // The command that the page shows draws from the same n-grams.
        let chosen = folder.stderr("sample --data towns.txt");
        let order = ngrams["config"]["order"].as_u64().unwrap();
        assert!(
            chosen.contains(&format!("n-grams of order {order},")),
            "{chosen}"
        );
        assert_eq!(ngrams["arguments"], format!("--order {order}"));

        // The same list gives the same bytes; other pages are made of the same data.
        folder.stdout("page again.html --data towns.txt --lowercase");
        assert_eq!(folder.read("again.html"), folder.read("towns.html"));
        folder.stdout("page bloom.html --data towns.txt --known bloom --title A<b>&\"c\"");
        let page = data(&folder, "bloom.html");
        assert_eq!(page["known"]["kind"], "bloom");
        let html = String::from_utf8(folder.read("bloom.html")).unwrap();
        assert!(html.contains("<title>A&lt;b&gt;&amp;&quot;c&quot;</title>"));
        folder.stdout("page none.html --data towns.txt --known none");
        assert_eq!(data(&folder, "none.html")["known"], Value::Null);
    }

    #[test]
    fn a_page_of_models_has_their_losses_and_their_mixture() {
        let folder = Folder::with_names();
        let trained = folder.json(&format!("train --type mlp {SMALL} --json --out mlp.st"));
        folder.stdout("train --type ngram --order 3 --data list.txt --out ngram.st");
        folder.stdout("page both.html --model mlp.st --model ngram.st");
        let page = data(&folder, "both.html");
        let models = page["models"].as_array().unwrap();
        let labels: Vec<&Value> = models.iter().map(|model| &model["label"]).collect();
        assert_eq!(labels, ["Counted pairs", "MLP", "3-grams"]);
        let number = |value: &Value| value.as_f64().unwrap();
        let curve = models[1]["curve"].as_array().unwrap().iter();
        let curve: Vec<(u64, f64)> = curve
            .map(|point| (point[0].as_u64().unwrap(), number(&point[1])))
            .collect();
        let losses = trained["losses"].as_array().unwrap().iter();
        let losses: Vec<(u64, f64)> = losses
            .map(|losses| {
                let dev = (number(&losses["dev"]) * 1e4).round() / 1e4;
                (losses["step"].as_u64().unwrap(), dev)
            })
            .collect();
        assert_eq!(curve, losses);
        let score = "score --json --part test --model mlp.st --model ngram.st --weights";
        let weights = page["mixture"]["models"].as_array().unwrap().iter();
        let weights: Vec<String> = weights.map(|of| of["weight"].to_string()).collect();
        let scored = folder.json(&format!("{score} {}", weights.join(",")));
        assert_eq!(page["mixture"]["nll"], scored["nll"]);
        assert_eq!(page["mixture"]["new"]["nll"], scored["nll_new"]);
        assert_eq!(models[1]["test"], scored["models"][0]["nll"]);
        assert_eq!(page["dataArguments"], "--data list.txt");

        // The weights of models that learned all words are known to `more` alone.
        folder.stdout("page mixed.html --model mlp.st --model ngram.st --mix 0.2,0.8");
        let mixed = &data(&folder, "mixed.html")["mixture"]["models"];
        assert_eq!(
            (&mixed[0]["weight"], &mixed[1]["weight"]),
            (&0.2.into(), &0.8.into())
        );
        folder.stdout("page small.html --model mlp.st --model ngram.st --mix 0.00002,0.00008");
        let small = &data(&folder, "small.html")["mixture"]["models"];
        assert_eq!(small, mixed);

        // Without the model, a command reads the list in another format: pairs would be others.
        folder.stdout("train --type ngram --order 3 --data list.txt --lowercase --out low.st");
        folder.stdout("page low.html --model low.st --data list.txt");
        assert_eq!(data(&folder, "low.html")["models"][0]["label"], "3-grams");
        folder.stdout("page own.html --model low.st --data list.txt --lowercase");
        assert_eq!(
            data(&folder, "own.html")["models"][0]["label"],
            "Counted pairs"
        );
    }

    /// A list may have whatever ends a script.
    #[test]
    fn words_do_not_end_the_element_of_the_data() {
        let folder = Folder::new();
        let words = [
            "</script><b>",
            "<!--x",
            "\u{202E}abc",
            "{{BLOBS}}",
            "it's \"so\"",
        ];
        folder.write("<x>.txt", words.repeat(12).join("\n"));
        folder.stdout("page out.html --data <x>.txt");
        let page = data(&folder, "out.html");
        assert_eq!(page["list"]["name"], "<x>.txt");
        let html = String::from_utf8(folder.read("out.html")).unwrap();
        let (_, rest) = html.split_once("id=\"data\">").unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        assert!(!data.contains('<'));
        assert!(!html.contains("<x>"));
    }

    #[test]
    fn what_cannot_be_a_page_is_refused_in_one_line_and_nothing_is_lost() {
        let folder = Folder::new();
        folder.write("mine.html", "mine");
        folder.write("ab.txt", "ab\nba\n");
        folder.write("list.html", "ab\nba\n");
        folder.stdout("train --type ngram --order 2 --data ab.txt --split 100,0,0 --out ab.st");
        folder.stdout("train --type ngram --order 2 --out names.st");
        let own = "train --type ngram --order 2 --data list.html --split 100,0,0 --out own.st";
        folder.stdout(own);
        folder.check_refusals(
            "page",
            1,
            &[
                ("out.txt", "ends in .html"),
                ("mine.html", "--force"),
                ("list.html --data list.html", "list.html"),
                ("new.html --data missing.txt", "missing.txt"),
                ("new.html --model ab.txt", "ab.txt"),
                (
                    "new.html --model ab.st --model names.st",
                    "different characters",
                ),
                ("no/new.html", "no/new.html"),
                // It was overwritten: a model names its list too.
                ("list.html --model own.st --force", "list.html"),
            ],
        );
        assert_eq!(folder.read("mine.html"), b"mine");
        assert_eq!(folder.read("list.html"), b"ab\nba\n");
        folder.write("ab.txt", "ab\nab\n");
        let said = folder.stderr("page changed.html --model ab.st");
        assert!(said.contains("ab.txt has changed since ab.st"), "{said}");
        std::fs::remove_file(folder.path("ab.txt")).unwrap();
        let said = folder.stderr("page gone.html --model ab.st");
        assert!(
            said.contains("the page cannot tell which words are new"),
            "{said}"
        );
    }

    /// Whoever gets a page does not get to know where its maker keeps files.
    #[test]
    fn a_page_names_files_without_their_folders_and_knows_infinite_losses() {
        let folder = Folder::with_names();
        let list = folder.path("list.txt").display().to_string();
        let none = "train --type ngram --order 3 --smoothing 0 --data list.txt --lowercase";
        folder.stdout(&format!("{none} --out none.st"));
        let model = folder.path("none.st").display().to_string();
        folder.stdout(&format!(
            "page page.html --data {list} --model {model} --weights f16"
        ));
        let html = String::from_utf8(folder.read("page.html")).unwrap();
        let above = folder.path("").display().to_string();
        assert!(!html.contains(above.trim_end_matches('/')));
        let page = data(&folder, "page.html");
        let ngrams = &page["models"][0];
        assert_eq!(ngrams["arguments"], "--model none.st");
        assert_eq!(page["dataArguments"], "--data list.txt");
        assert_eq!(
            (&ngrams["test"], &ngrams["lowercase"]),
            (&"inf".into(), &true.into())
        );
    }
}
