//! Models named by `--model`: one, or several in a mixture.

use std::cell::OnceCell;
use std::path::Path;

use anyhow::bail;
use makemore_tch::arpa::{self, ReadOptions};
use makemore_tch::checkpoint::Weights;
use makemore_tch::data::words::{is_lecture, with_counts};
use makemore_tch::distributed::{Alone, Processes, agree};
use makemore_tch::files::sha256_of_file;
use makemore_tch::memory::Memory;
use makemore_tch::model_file::TrainedOn;
use makemore_tch::models::Sizes;
use makemore_tch::{ModelFile, Source, Vocabulary};

use super::arguments::DataArguments;
use super::arguments::models::{ModelArguments, ModelFileArguments, Several};
use super::context::check_same_boundary;
use super::model_folder;
use super::output::Remarks;

/// Models from files.
pub struct Models {
    files: Vec<ModelFile>,
    /// The memory limit; what the models take is already reserved.
    pub memory: Memory,
    /// The list, which can be read again: the user's, else that of the models, else the lecture's names.
    source: Source,
    /// The same, with the counts of its words.
    list: OnceCell<Source>,
    /// Whether the list of a model was found where it names it.
    pub found_list: bool,
    /// Whether the user names no list.
    has_no_data: bool,
    /// Whether the models need the list: for the vocabulary of makemore.py's weights, or to fit the
    /// weights of a mixture.
    reads_list: bool,
}

impl ModelArguments {
    /// Reads the models, if any are named.
    pub fn load(
        &self,
        data: &DataArguments,
        memory: Memory,
        remarks: Remarks,
        processes: &dyn Processes,
    ) -> anyhow::Result<Option<Models>> {
        let several = Several::Mixed {
            weights: self.weights.as_deref(),
            flag: "--weights",
        };
        self.files
            .load_shared(several, data, memory, remarks, processes)
    }
}

impl ModelFileArguments {
    /// Reads the models, if any are named.
    pub fn load(
        &self,
        several: Several,
        data: &DataArguments,
        memory: Memory,
        remarks: Remarks,
    ) -> anyhow::Result<Option<Models>> {
        self.load_shared(several, data, memory, remarks, &Alone)
    }

    /// Reads the models, if any are named, of which each process has all.
    fn load_shared(
        &self,
        several: Several,
        data: &DataArguments,
        memory: Memory,
        remarks: Remarks,
        processes: &dyn Processes,
    ) -> anyhow::Result<Option<Models>> {
        if self.models.is_empty() {
            return Ok(None);
        }
        let options = ReadOptions {
            boundary: data.boundary,
            space: self.space_token.clone(),
        };
        let fits_weights = matches!(several, Several::Mixed { weights: None, .. });
        let (mut files, mut foreign) = (Vec::new(), Vec::new());
        for path in &self.models {
            model_folder::refuse(path, several)?;
            match Weights::load(path)? {
                Some(of_path) => foreign.push((files.len() + foreign.len(), path, of_path)),
                None => files.push(ModelFile::load(path, &options, &memory)?),
            }
        }
        let list = files.iter().find_map(|file| file.list.as_ref());
        let boundary = files.first().map(|file| file.model.vocabulary().boundary());
        let source = data
            .unread_source(list, boundary, processes)?
            .rereadable()?;
        let found = list.zip(source.list_files());
        let mut models = Models {
            has_no_data: data.data.is_empty(),
            found_list: found.is_some_and(|(list, found)| list.files == found.files),
            source,
            list: OnceCell::new(),
            memory,
            reads_list: self.models.len() > 1 && fits_weights || !foreign.is_empty(),
            files,
        };
        for (place, path, of_path) in foreign {
            let list = models.shared_list(processes)?;
            let file = self.of_weights((path, &of_path), list, data, remarks, processes)?;
            models.files.insert(place, file);
        }
        self.check(several, &models, data)?;
        models.remark_on_spaces(&options, remarks);
        Ok(Some(models))
    }

    /// Refuses options that do not fit the models.
    fn check(&self, several: Several, models: &Models, data: &DataArguments) -> anyhow::Result<()> {
        for file in &models.files {
            check_same_boundary(&file.path, file.model.vocabulary(), data.boundary)?;
        }
        if self.space_token.is_some() && !models.files.iter().any(ModelFile::is_arpa) {
            bail!(
                "{}: not an ARPA file, and --space-token is of those; leave it out",
                models.path().display()
            );
        }
        if let Several::Mixed {
            weights: Some(weights),
            flag,
        } = several
            && (weights.len() != models.files.len() || weights.len() == 1)
        {
            if models.files.len() == 1 {
                bail!("{flag} is of several models; give --model more than once");
            }
            bail!(
                "{flag} has {} of {} numbers; one for each --model would work",
                weights.len(),
                models.files.len()
            );
        }
        Ok(())
    }

    fn of_weights(
        &self,
        (path, weights): (&Path, &Weights),
        source: &Source,
        data: &DataArguments,
        remarks: Remarks,
        processes: &dyn Processes,
    ) -> makemore_tch::Result<ModelFile> {
        let n_head = self.n_head.unwrap_or(Sizes::default().n_head);
        if weights.has_heads() && self.n_head.is_none() {
            remarks.say(format_args!(
                "{}: weights do not say how many heads there are; {n_head} are assumed, as makemore.py has by default (--n-head)",
                path.display()
            ));
        }
        ModelFile::of_weights(path, weights, source, data.boundary, n_head, processes)
    }
}

impl Models {
    /// The model, if there is only one.
    pub fn single(&self) -> Option<&ModelFile> {
        match self.files.as_slice() {
            [file] => Some(file),
            _ => None,
        }
    }

    /// Checks that all processes have the same models.
    pub fn agree(&self, processes: &dyn Processes) -> makemore_tch::Result<()> {
        if processes.size() > 1 {
            for file in &self.files {
                let sha256 = sha256_of_file(&file.path)?;
                agree(processes, "the checksum of a model", &sha256)?;
            }
        }
        Ok(())
    }

    /// Tells the user of a character of an ARPA file that may stand for the space.
    fn remark_on_spaces(&self, options: &ReadOptions, remarks: Remarks) {
        for file in self.files.iter().filter(|file| file.is_arpa()) {
            let characters = file.model.vocabulary().characters();
            let has = |character: &char| characters.contains(character);
            let space = arpa::SPACES.iter().find(|space| has(space));
            if let Some(space) = space.filter(|_| options.space.is_none() && !has(&' ')) {
                remarks.say(format_args!(
                    "{}: {space:?} may stand for the space; --space-token '{space}' reads it so",
                    file.path.display()
                ));
            }
        }
    }

    /// The list of words, which few commands need: the user's, else that of the models, else the lecture's
    /// names. Equal words of a list with counts are one.
    pub fn list(&self) -> anyhow::Result<&Source> {
        self.shared_list(&Alone)
    }

    /// The same for several processes, each of which reads a part of it.
    pub fn shared_list(&self, processes: &dyn Processes) -> anyhow::Result<&Source> {
        if let Some(list) = self.list.get() {
            return Ok(list);
        }
        let is_other = |file: &&ModelFile| file.trained_on.is_none_or(|of| !is_lecture(of.list));
        let mut others = self.files.iter().filter(is_other);
        if let Some(gone) = others.find_map(|file| file.list.as_ref())
            && self.has_no_data
            && !self.found_list
        {
            bail!(
                "{}: the list that it was trained on ({}) is not where it was; name it with --data FILE",
                self.path().display(),
                gone.files.join(", ")
            );
        }
        let list = with_counts(self.source.clone(), &self.memory, processes)?;
        Ok(self.list.get_or_init(|| list))
    }

    /// A word of the user's as the models learned words: in lower case or normalized.
    pub fn word(&self, word: &str) -> String {
        self.source.format().word(word)
    }

    pub fn files(&self) -> &[ModelFile] {
        &self.files
    }

    /// Refuses a list and a start/end token that would not be used. `what` is the clause for the user,
    /// such as "words are scored".
    pub fn check_alone(&self, data: &DataArguments, what: &str) -> anyhow::Result<()> {
        // The user chooses the token only for a file that does not name it.
        let takes_token = self.files.iter().any(|file| file.trained_on.is_none());
        let has_token = data.boundary.is_some() && !takes_token;
        let has_list = !(data.data.is_empty() || self.reads_list);
        let given = match (has_list, has_token) {
            (false, false) => return Ok(()),
            (true, false) => "--data",
            (false, true) => "--boundary",
            (true, true) => "--data and --boundary",
        };
        bail!("{what} with --model alone; leave {given} out")
    }

    /// The first file; messages name it.
    pub fn path(&self) -> &Path {
        &self.files[0].path
    }

    pub fn vocabulary(&self) -> &Vocabulary {
        self.files[0].model.vocabulary()
    }

    /// The list that the models were trained on; `None` if no model says it.
    pub fn trained_on(&self) -> anyhow::Result<Option<TrainedOn>> {
        let mut said: Option<(&Path, TrainedOn)> = None;
        for file in &self.files {
            let Some(trained_on) = file.trained_on else {
                continue;
            };
            match said {
                None => said = Some((&file.path, trained_on)),
                Some((_, other))
                    if other.list == trained_on.list && other.split.is_same(&trained_on.split) => {}
                Some((other, _)) => bail!(
                    "{} and {} were trained on different lists, or on different parts of one, so that it is not known which words are new to both; train them with one list, --split and --split-seed, or name weights with --weights",
                    other.display(),
                    file.path.display()
                ),
            }
        }
        Ok(said.map(|(_, trained_on)| trained_on))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::cli::testing::{Folder, SMALL};

    fn number(value: &Value) -> f64 {
        value.as_f64().unwrap()
    }

    #[test]
    fn damaged_checkpoints_are_refused_by_every_command_that_reads_one() {
        let folder = Folder::new();
        folder.stdout("train --epochs 1 --out model.safetensors");
        let mut bytes = folder.read("model.safetensors");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        folder.write("flipped.safetensors", &bytes);
        folder.write("truncated.safetensors", &bytes[..middle]);
        // A cut file was called no checkpoint.
        let (flipped, cut) = ("flipped.safetensors", "truncated.safetensors");
        for (command, file, says) in [
            ("sample --model", flipped, "damaged"),
            ("sample --model", "missing", "cannot read missing"),
            ("score --model", cut, "damaged"),
            ("heatmap out.png --model", flipped, "damaged"),
            ("export out.arpa --model", cut, "damaged"),
            // What is resumed is also what is overwritten, and refused for that first.
            ("train --out new --resume", cut, "damaged"),
            ("train --out new --resume", "missing", "cannot read missing"),
        ] {
            let error = folder.error(&format!("{command} {file}"), 1);
            assert!(error.contains(file) && error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_part_is_refused_of_another_list_and_of_a_model_that_has_none() {
        let folder = Folder::new();
        folder.write("list.txt", "emma\nolivia\nava\nmia\n".repeat(20));
        folder.write("other.txt", "emma\nolivia\n");
        let train = "train --type ngram --order 2 --out m --data list.txt";
        folder.stdout(train);
        let error = folder.error("score --part test --model m --data other.txt", 1);
        assert!(
            error.contains("m cannot score other.txt: its test part is of another list (80 words"),
            "{error}"
        );
        assert!(
            error.ends_with("; pass that list with --data FILE"),
            "{error}"
        );
        folder.stdout(&format!("{train} --force --split 90,0,10"));
        let error = folder.error("score --part dev --model m --data list.txt", 1);
        let expected = "its dev part is empty, since its list was split 90,0,10; train it with another --split";
        assert!(error.ends_with(expected), "{error}");
        folder.stdout("export m.arpa --model m");
        let error = folder.error("score --part dev --model m.arpa --data list.txt", 1);
        assert!(
            error.contains("it does not say what it was trained on"),
            "{error}"
        );
    }

    /// A missing file once went unnoticed.
    #[test]
    fn data_that_would_not_be_used_is_refused() {
        let folder = Folder::new();
        folder.stdout("train --epochs 1 --out model.safetensors");
        for arguments in [
            "sample --plain --model model.safetensors --data missing.txt",
            "score --model model.safetensors --data missing.txt -- emma",
        ] {
            let error = folder.error(arguments, 1);
            assert!(error.contains("leave --data"), "{error}");
        }
    }

    /// The weights of the mixture are found on dev, and it is better there than each of its models.
    #[test]
    fn models_are_mixed() {
        let folder = Folder::with_names();
        folder.stdout(&format!("train --type gru --n-embd2 8 {SMALL}"));
        folder.stdout("train --type ngram --order 3 --data list.txt");
        let both = "--model makemore-gru.safetensors --model makemore-ngram.safetensors";
        let score = format!("score --json {both} --data list.txt");
        let dev = folder.json(&format!("{score} --part dev"));
        let models = dev["models"].as_array().unwrap();
        let weights: f64 = models.iter().map(|model| number(&model["weight"])).sum();
        assert!((weights - 1.0).abs() < 1e-9);
        for model in models {
            assert!(number(&dev["nll"]) <= number(&model["nll"]) + 1e-9);
            let file = model["model"].as_str().unwrap();
            let alone = format!("score --json --model {file} --data list.txt --part dev");
            let off = number(&folder.json(&alone)["nll"]) - number(&model["nll"]);
            assert!(off.abs() < 1e-9);
        }
        // With a weight of 1 and one of 0 it is the first one.
        let first = folder.json(&format!("{score} --part test --weights 3,0"));
        assert_eq!(first["nll"], first["models"][0]["nll"]);
        let word = folder.stdout(&format!("score emma {both} --weights 1,1"));
        assert!(
            word.contains("makemore-ngram.safetensors   0.5000"),
            "{word}"
        );
        assert!(word.lines().last().unwrap().starts_with("mix "), "{word}");
        let sample = format!("sample --plain {both} --data list.txt");
        assert_eq!(folder.stdout(&sample).lines().count(), 5);
        let drawn = folder.stdout(&format!("sample --plain {both} --weights 1,1 -n 20"));
        assert_eq!(drawn.lines().count(), 20);
        for (weights, says) in [
            ("1", "--weights has 1 of 2 numbers"),
            ("0,0", "one above 0"),
        ] {
            let error = folder.error(&format!("score emma {both} --weights {weights}"), 1);
            assert!(error.contains(says), "{error}");
        }
        std::fs::remove_file(folder.path("list.txt")).unwrap();
        let error = folder.error(&format!("score emma {both}"), 1);
        assert!(
            error.ends_with("list.txt) is not where it was; name it with --data FILE"),
            "{error}"
        );
    }

    /// `sample --new` and `score --part` wanted a list that had not moved.
    #[test]
    fn a_model_knows_its_list_and_wants_it_once_it_is_gone() {
        let folder = Folder::new();
        folder.write("towns.txt", "Ulm\nKöln\nBonn\n".repeat(10));
        let train = "train --data towns.txt --boundary $ --lowercase --split 80,0,20";
        folder.stdout(&format!("{train} --out towns.safetensors"));
        let scored = folder.stdout("sample --model towns.safetensors -n 3");
        assert_eq!(scored.matches("Likelihood for ").count(), 3);
        folder.json("score --json --part test --model towns.safetensors");
        folder.json("score --json --model towns.safetensors ULM");
        std::fs::rename(folder.path("towns.txt"), folder.path("list.txt")).unwrap();
        let error = folder.error("sample --model towns.safetensors", 1);
        assert!(error.contains("towns.txt) is not where it was"), "{error}");
        assert!(error.contains("--data FILE"), "{error}");
        let error = folder.error("sample --model towns.safetensors --plain --new", 1);
        assert!(error.contains("not where it was"), "{error}");
        let plain = folder.stdout("sample --model towns.safetensors --plain -n 3");
        assert_eq!(plain.lines().count(), 3);
        let scored = folder.stdout("sample --model towns.safetensors --data list.txt -n 3");
        assert_eq!(scored.matches("Likelihood for ").count(), 3);
    }

    /// A list cut in two was once another list, and one with equal counts was not.
    #[test]
    fn a_list_is_recognised_by_its_words_in_their_order() {
        let folder = Folder::new();
        folder.write("list.txt", "ab\nba\nab\n");
        folder.write("one.txt", "ab\r\n\r\n");
        folder.write("two.txt", "ba\nab");
        folder.write("swapped.txt", "ba\nab\nab\n");
        folder.stdout("train --data list.txt --out list.safetensors");
        let says =
            |data: &str| folder.stderr(&format!("sample --model list.safetensors --data {data}"));
        assert_eq!(says("list.txt"), "");
        assert_eq!(says("one.txt two.txt"), "");
        assert!(says("swapped.txt").contains("was trained on another list"));
    }

    /// The error once had two equal figures.
    #[test]
    fn other_counts_of_the_same_words_are_another_list() {
        let folder = Folder::new();
        folder.write("list.csv", "Brand,193,5\nHoud,37,4\nEdvin,1,8\n");
        let train = "train --type mlp --max-steps 1 --data list.csv --columns 1,2 --out m";
        folder.stdout(train);
        for command in ["train --resume m", "score --part train --model m"] {
            let error = folder.error(&format!("{command} --columns 1,3"), 1);
            let expected = "other counts (3 words with 14 characters as well); leave --columns out";
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_list_with_the_same_characters_is_used_with_a_remark() {
        let folder = Folder::new();
        folder.write("one.txt", "ab\nba\n");
        folder.write("two.txt", "ab\nab\n");
        folder.stdout("train --data one.txt --out one.safetensors");
        let sample = "sample --model one.safetensors --data two.txt";
        let remark = folder.stderr(sample);
        assert!(remark.contains("was trained on another list"), "{remark}");
        assert!(folder.stderr(&format!("{sample} -q")).is_empty());
    }
}
