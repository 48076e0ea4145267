//! The options of every command, and checks that a model and a list fit together.

use std::path::Path;

use anyhow::bail;
use makemore_tch::counting::{count_for, count_shared, count_shared_for};
use makemore_tch::data::columns;
use makemore_tch::data::list_format::{LinesLeftOut, in_two_forms, unseen};
use makemore_tch::data::words::BOUNDARY;
use makemore_tch::data::{Shares, Split};
use makemore_tch::distributed::{Alone, Processes};
use makemore_tch::libtorch::device::DeviceRequest;
use makemore_tch::libtorch::threads::Threads;
use makemore_tch::memory::Memory;
use makemore_tch::model_file::TrainedOn;
use makemore_tch::models::Network;
use makemore_tch::train::corpus::Corpus;
use makemore_tch::train::run_state::RunState;
use makemore_tch::{Counted, ModelFile, Sampler, Source, Vocabulary};
use tch::Device;

use super::arguments::DataArguments;
use super::output::Remarks;
use super::typed::columns_typed;

/// The options of every command.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub remarks: Remarks,
    pub threads: Threads,
    /// The number of this process among those that share the work on this host, from 0.
    pub place: usize,
}

impl Context {
    /// Opens the requested device, by default the CPU; with `auto`, tells the user which one it is.
    pub fn open_device(self, request: Option<DeviceRequest>) -> makemore_tch::Result<Device> {
        let request = request.unwrap_or(DeviceRequest::Cpu);
        let device = request.open(self.place)?;
        if request == DeviceRequest::Auto {
            self.remarks.say(match device {
                Device::Cpu => "neither CUDA nor MPS can be used (`makemore-tch devices` says why): computing on the CPU",
                Device::Mps => "computing on MPS",
                _ => "computing on CUDA",
            });
        }
        Ok(device)
    }

    /// Prepares the sums of gradients on a device, and tells the user if those of GPUs will be copied.
    pub fn prepare_sums(
        self,
        device: Device,
        processes: &dyn Processes,
    ) -> makemore_tch::Result<()> {
        if let Some(reason) = processes.prepare(device)? {
            self.remarks.say(format_args!(
                "gradients are copied through the CPU, as NCCL cannot be used: {reason}"
            ));
        }
        Ok(())
    }
}

impl Context {
    /// Chooses the number of threads of a training, of all processes together, by the length of a step. A
    /// resumed run has the same number as before unless the user chooses one, or it cannot be divided among
    /// the processes, since the last digits of the losses depend on it.
    pub fn choose_threads(
        self,
        state: &mut RunState,
        network: &Network,
        processes: &dyn Processes,
    ) -> makemore_tch::Result<()> {
        let numbers = state.options.batch_size * network.parameter_count();
        let fitting = match network.device() {
            Device::Cpu => self.threads.prepare_for_training(numbers),
            _ => 1,
        };
        // All processes have as many as the one with the fewest.
        let of_all = processes.gather(&fitting.to_le_bytes())?;
        let of_all = of_all.into_iter().filter_map(|bytes| bytes.try_into().ok());
        let fewest = of_all.map(usize::from_le_bytes).min().unwrap_or(fitting);
        let (size, before) = (processes.size(), state.options.threads);
        let (is_new, is_divided) = (state.progress.steps == 0, before.is_multiple_of(size));
        if is_new || self.threads.is_chosen || !is_divided {
            state.options.threads = fewest * size;
        }
        if !is_new && !is_divided {
            self.remarks.say(format_args!(
                "the run had {before} threads, which {size} processes cannot share: it goes on, but not to the same network bit for bit"
            ));
        }
        Ok(())
    }

    /// Counts a list to learn from, or for a model to score, and tells the user of what was left out or
    /// chosen while it was read.
    pub fn count(
        self,
        arguments: &DataArguments,
        source: &Source,
        model: Option<&Vocabulary>,
    ) -> makemore_tch::Result<Counted> {
        self.count_shared(arguments, source, model, &Alone)
    }

    /// Counts a list as [`count`](Self::count) does, by several processes.
    pub fn count_shared(
        self,
        arguments: &DataArguments,
        source: &Source,
        model: Option<&Vocabulary>,
        processes: &dyn Processes,
    ) -> makemore_tch::Result<Counted> {
        let boundary = arguments.boundary(model);
        self.remark_on_stdin(arguments, processes);
        let list = match model {
            Some(model) => count_shared_for(source, model, processes)?,
            None => count_shared(source, boundary, processes)?,
        };
        self.remark_on(&list, source, boundary)?;
        Ok(list)
    }

    /// Tells the user that processes do not share what only one of them has.
    pub fn remark_on_stdin(self, arguments: &DataArguments, processes: &dyn Processes) {
        if arguments.has_stdin() && processes.size() > 1 {
            self.remarks
                .say("standard input is read by process 0 alone; processes share files");
        }
    }

    /// Reads a list to learn all of, and tells the user of what was left out or chosen while it was read.
    pub fn whole(
        self,
        arguments: &DataArguments,
        source: Source,
        memory: Memory,
        seed: u64,
    ) -> makemore_tch::Result<Corpus> {
        let boundary = arguments.boundary(None);
        let all = |list: &Counted| Ok(Split::new(Shares::ALL, seed, list.digest.words));
        let data = Corpus::read(source, Vec::new(), boundary, all, memory, &Alone)?;
        self.remark_on(&data.counted, &data.parts.list().source, boundary)?;
        Ok(data)
    }

    /// Tells the user of what was left out or chosen while a list was read.
    pub fn remark_on(
        self,
        list: &Counted,
        source: &Source,
        boundary: Option<char>,
    ) -> makemore_tch::Result<()> {
        if self.remarks.quiet {
            return Ok(());
        }
        let (origin, say) = (&list.origin, |remark: String| self.remarks.say(remark));
        let has_columns = source.format().columns.is_some();
        if !has_columns
            && source.is_rereadable()
            && let Some(columns) = columns::guess(&source.first_lines()?)
        {
            let columns = columns_typed(&columns);
            say(format!(
                "{origin}: its lines look as if they had columns; --columns {columns} would read them"
            ));
        }
        if source.is_rereadable() && source.looks_like_utf_8()? {
            say(format!(
                "{origin}: its lines look like UTF-8; --encoding utf-8 would read them as such"
            ));
        }
        if let Some(LinesLeftOut { lines, first }) = &list.left_out {
            say(format!(
                "{origin}: lines left out: {lines}; the first is {first}"
            ));
        }
        let characters = list.counts.vocabulary().characters();
        let (token, characters) = (characters[0], &characters[1..]);
        if boundary.is_none() && token != BOUNDARY {
            say(format!(
                "{origin}: words have {BOUNDARY:?}, so {token:?} is the start/end token (--boundary)"
            ));
        }
        let unseen: Vec<String> = unseen(characters)
            .map(|character| format!("U+{:04X}", u32::from(character)))
            .collect();
        if !unseen.is_empty() {
            let unseen = unseen.join(", ");
            say(format!(
                "{origin}: words have characters that are not seen: {unseen}"
            ));
        }
        if let Some(character) = in_two_forms(characters) {
            say(format!(
                "{origin}: words may have {character:?} as one character and as two; --normalize nfc makes them alike"
            ));
        }
        Ok(())
    }
}

impl Context {
    /// Tells the user if the list that a model names is not the one that it was trained on any more.
    pub fn remark_on_change(
        self,
        list: &Source,
        trained_on: TrainedOn,
        file: &Path,
        vocabulary: &Vocabulary,
    ) {
        let now = count_for(list, vocabulary);
        if !now.is_ok_and(|now| now.digest == trained_on.list) {
            self.remarks.say(format_args!(
                "{} has changed since {} was trained on it: words are new to the list as it is now",
                list.origin(),
                file.display()
            ));
        }
    }
}

impl Context {
    /// Checks that a model has the vocabulary of a list, and tells the user if it was trained on another one.
    pub fn check_list(self, file: &ModelFile, data: &Counted) -> anyhow::Result<()> {
        check_same_vocabulary(&file.path, file.model.vocabulary(), data)?;
        let is_of_the_data = |trained_on: TrainedOn| trained_on.list == data.digest;
        if !file.trained_on.is_some_and(is_of_the_data) {
            self.remarks.say(format_args!(
                "{} was trained on another list; the likelihoods are those of {}",
                file.path.display(),
                data.origin
            ));
        }
        Ok(())
    }

    /// Tells the user how many draws were dropped, since they got too long.
    pub fn remark_on_too_long(self, sampler: &Sampler) {
        let (dropped, longest) = (sampler.too_long(), sampler.longest());
        if dropped > 0 {
            self.remarks.say(format_args!(
                "draws dropped, as they got longer than {longest} characters: {dropped}; --max-length N draws longer words"
            ));
        }
    }
}

/// Refuses data whose characters differ from the model's.
pub fn check_same_vocabulary(
    file: &Path,
    learned: &Vocabulary,
    data: &Counted,
) -> anyhow::Result<()> {
    let counted = data.counts.vocabulary();
    if learned == counted {
        return Ok(());
    }
    let has_token = counted.characters()[1..].contains(&learned.boundary());
    check_same_boundary(file, learned, (!has_token).then_some(counted.boundary()))?;
    bail!(
        "{}: its vocabulary ({} characters, start/end token {:?}) is not that of {} ({} characters, start/end token {:?}); \
         pass the list that it was trained on with --data FILE",
        file.display(),
        learned.len(),
        learned.boundary(),
        data.origin,
        counted.len(),
        counted.boundary(),
    )
}

/// Refuses another start/end token of the user's than the model's.
pub fn check_same_boundary(
    file: &Path,
    learned: &Vocabulary,
    chosen: Option<char>,
) -> anyhow::Result<()> {
    match chosen {
        Some(token) if token != learned.boundary() => bail!(
            "{}: its words begin and end with {:?}, not with {token:?}; leave --boundary out",
            file.display(),
            learned.boundary()
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

    /// `Zoë` became `ZoÃ«` without a word.
    #[test]
    fn a_list_in_utf_8_that_is_read_as_another_encoding_is_said_to_be() {
        let folder = Folder::new();
        folder.write("utf8.txt", "Zoë\nAnna\n");
        folder.write("marked.txt", "\u{feff}Zoë\nAnna\n");
        folder.write("ascii.txt", "Zoe\nAnna\n");
        folder.write("latin1.txt", b"Zo\xeb\nAnna\n");
        for (file, encoding, is_said) in [
            ("utf8.txt", "latin1", true),
            ("utf8.txt", "utf-8", false),
            ("marked.txt", "latin1", false),
            ("ascii.txt", "latin1", false),
            ("latin1.txt", "latin1", false),
        ] {
            let said = folder.stderr(&format!("count --data {file} --encoding {encoding}"));
            let hint = "its lines look like UTF-8; --encoding utf-8 would read them as such\n";
            assert_eq!(
                said,
                if is_said {
                    format!("{file}: {hint}")
                } else {
                    String::new()
                }
            );
        }
    }

    #[test]
    fn auto_takes_the_first_device_that_can_be_used_and_says_which() {
        let folder = Folder::new();
        let devices = folder.json("devices --json");
        let usable = |index: usize| devices["devices"][index]["usable"] == true;
        let expected = match (usable(1), usable(2)) {
            (true, _) => "computing on CUDA\n",
            (false, true) => "computing on MPS\n",
            (false, false) => {
                "neither CUDA nor MPS can be used (`makemore-tch devices` says why): computing on the CPU\n"
            }
        };
        // Networks of makemore.py and the lectures once fell back in silence.
        for arguments in [
            "train --device auto",
            "train --type bow --max-steps 1 --device auto",
            "lecture 2 --steps 1 --device auto",
        ] {
            let told = folder.stderr(arguments);
            assert!(told.starts_with(expected), "{arguments}: {told}");
        }
    }
}
