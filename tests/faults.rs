//! Training that is killed, and training on a full disk: no output is ever lost or left half.
//!
//! `scripts/fuzz.sh` runs it: `cargo test --release --test program -- --ignored --nocapture faults::`.
//! The random moments follow from a seed, which is printed and can be set: `FAULTS_SEED=7`.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::common::Folder;

const KILLS: usize = 200;

/// More calls that write than a run makes.
const FULL_DISKS: usize = 20;

/// Training whose checkpoint is large enough for a kill to land while it is written.
const TRAIN: &str = "train --data list.txt --epochs 1 --lr 1 --out model --force";

/// A folder with a list of 600 characters, and the outputs of two runs on it.
struct Outputs {
    folder: Folder,
    old: BTreeMap<String, Vec<u8>>,
    /// The names that the new checkpoint makes: two files with the same network may differ.
    new_names: String,
    new: BTreeMap<String, Vec<u8>>,
}

impl Outputs {
    /// The outputs of training with `--seed 1`, then those with `--seed 2`; `and` are further
    /// arguments.
    fn new(and: &str) -> Self {
        let folder = Folder::new();
        let characters: Vec<char> = ('\u{4E00}'..).take(600).collect();
        let words = characters.windows(2);
        let words = words.map(|word| word.iter().collect::<String>() + "\n");
        folder.write("list.txt", words.collect::<String>());
        folder.write("bystander", "of no concern");
        let mut outputs = Self {
            folder,
            old: BTreeMap::new(),
            new_names: String::new(),
            new: BTreeMap::new(),
        };
        outputs.folder.stdout(&format!("{TRAIN} --seed 1 {and}"));
        outputs.old = outputs.contents();
        outputs.folder.stdout(&format!("{TRAIN} --seed 2 {and}"));
        outputs.new = outputs.contents();
        outputs.new_names = outputs.names();
        outputs
    }

    fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let files = self.folder.files().into_iter();
        files
            .map(|name| (name.clone(), self.folder.read(&name)))
            .collect()
    }

    fn put_back(&self) {
        for (name, contents) in &self.old {
            self.folder.write(name, contents);
        }
    }

    /// What the checkpoint makes, which has to load for that.
    fn names(&self) -> String {
        self.folder.stdout("sample --model model --plain -n 2")
    }

    /// Whether the checkpoint is the new one, and not the old one; it has to be one of them.
    fn is_new(&self) -> bool {
        let is_old = self.folder.read("model") == self.old["model"];
        if !is_old {
            assert_eq!(self.names(), self.new_names);
        }
        !is_old
    }

    /// The files that were being written when a run ended, with their lengths.
    fn unfinished(&self) -> BTreeMap<String, u64> {
        let entries = fs::read_dir(self.folder.path("")).unwrap();
        let files = entries.filter_map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            // A run may be renaming it just now.
            let length = entry.metadata().ok()?.len();
            name.starts_with(".makemore-tch-").then_some((name, length))
        });
        files.collect()
    }

    fn train(&self, arguments: &str) -> Command {
        let mut command = Command::new(self.folder.makemore("").get_program());
        command.current_dir(self.folder.path(""));
        command.args(TRAIN.split(' ')).args(arguments.split(' '));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Waits until a run writes into a file that was not there before, or ends; tells which.
fn writes(run: &mut Child, outputs: &Outputs, before: &BTreeMap<String, u64>) -> bool {
    while run.try_wait().unwrap().is_none() {
        let mut unfinished = outputs.unfinished().into_iter();
        if unfinished.any(|(name, length)| length > 0 && !before.contains_key(&name)) {
            return true;
        }
    }
    false
}

#[test]
#[ignore = "kills 200 runs of training, in a minute or two"]
fn a_kill_at_any_moment_leaves_a_checkpoint_that_loads() {
    let seed = std::env::var("FAULTS_SEED")
        .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("FAULTS_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let outputs = Outputs::new("");

    // How long an undisturbed run takes, and how long it takes to write.
    let start = Instant::now();
    let mut run = outputs.train("--seed 2").spawn().unwrap();
    assert!(writes(&mut run, &outputs, &BTreeMap::new()));
    let began = Instant::now();
    while !outputs.unfinished().is_empty() {}
    let writing = began.elapsed();
    run.wait().unwrap();
    let whole = start.elapsed();

    let (mut left_old, mut left_new, mut left_unfinished) = (0, 0, 0);
    for kill in 0..KILLS {
        outputs.put_back();
        let before = outputs.unfinished();
        let mut run = outputs.train("--seed 2").spawn().unwrap();
        // Hardly any moment of a whole run is one at which it writes.
        if kill % 4 == 0 {
            std::thread::sleep(whole.mul_f64(random.f64()));
        } else if writes(&mut run, &outputs, &before) {
            std::thread::sleep(writing.mul_f64(1.5 * random.f64()));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        match outputs.is_new() {
            true => left_new += 1,
            false => left_old += 1,
        }
        let mut unfinished = outputs.unfinished().into_keys();
        left_unfinished += usize::from(unfinished.any(|name| !before.contains_key(&name)));
    }
    println!(
        "{left_old} kills left the old checkpoint, {left_new} the new one; {left_unfinished} an unfinished one beside it"
    );
    assert!(left_old > 0 && left_new > 0 && left_unfinished > 0);

    outputs.folder.stdout(&format!("{TRAIN} --seed 2"));
    assert!(outputs.is_new());
    let left = outputs.unfinished().len();
    assert_eq!(left, 0, "files are left by the runs that were killed");
}

/// A network that is trained in steps, and saved whenever it is better and every second.
const STEPS: &str = "train --type mlp --n-embd 8 --n-embd2 16 --data words.txt --threads 1 --max-steps 400 --eval-every 20 --save-every 1";

/// A training was on disk at its end alone: `kill -9` lost all of it, or left two files of which
/// neither was enough.
#[test]
#[ignore = "kills 200 runs of training, and goes on with each, in some minutes"]
fn a_kill_at_any_moment_loses_no_more_than_was_made_since_the_last_save() {
    let seed = std::env::var("FAULTS_SEED")
        .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("FAULTS_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = Folder::new();
    let names = include_str!("../assets/names.txt").lines();
    folder.write(
        "words.txt",
        names.step_by(20).collect::<Vec<_>>().join("\n"),
    );
    let begin = Instant::now();
    folder.stdout(&format!("{STEPS} --out whole --metrics whole.csv"));
    let whole = begin.elapsed();
    let (mut from_state, mut from_nothing) = (0, 0);
    for _ in 0..KILLS {
        for file in folder.files() {
            if file.starts_with('m') || file.starts_with('.') {
                fs::remove_file(folder.path(&file)).unwrap();
            }
        }
        let mut run = folder.process(&format!("{STEPS} --out m --metrics m.csv"));
        let mut run = run
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole.mul_f64(random.f64()));
        run.kill().unwrap();
        run.wait().unwrap();
        match folder.files().iter().any(|file| file == "m.last") {
            true => {
                // Each file alone can be drawn from, whatever was being written.
                for file in ["m", "m.last"] {
                    if folder.path(file).exists() {
                        folder.stdout(&format!("sample --plain -n 1 --model {file}"));
                    }
                }
                let resumed = folder.makemore("train --resume m --data words.txt --metrics m.csv");
                let resumed = { resumed }.output().unwrap();
                let told = String::from_utf8(resumed.stderr).unwrap();
                assert!(
                    resumed.status.success() || told.contains("its training is over"),
                    "{told}"
                );
                from_state += 1;
            }
            false => {
                assert!(
                    !folder.path("m").exists(),
                    "a network without the state of its run"
                );
                folder.stdout(&format!("{STEPS} --out m --metrics m.csv"));
                from_nothing += 1;
            }
        }
        assert!(folder.read("m") == folder.read("whole"));
        assert!(folder.read("m.csv") == folder.read("whole.csv"));
    }
    println!("{from_state} kills left a state to go on from, {from_nothing} came before the first");
    assert!(from_state > KILLS / 4);
}

/// What makes calls fail as on a full disk.
fn full_disk(folder: &Path) -> std::path::PathBuf {
    let library = folder.join("full_disk.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/full_disk.c");
    let cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .status();
    assert!(cc.unwrap().success());
    library
}

#[test]
fn a_power_cut_cannot_undo_a_rename() {
    let folder = Folder::new();
    folder.write("list.txt", "emma\n");
    let tools = Folder::new();
    let command = format!("{TRAIN} --metrics losses.csv");
    let train = folder
        .process(&command)
        .env("LD_PRELOAD", full_disk(&tools.path("")))
        .env("FULL_DISK_LOG", tools.path("log"))
        .output()
        .unwrap();
    assert!(train.status.success(), "{train:?}");
    let log = String::from_utf8(tools.read("log")).unwrap();
    let written = "sync of a file\nrename\nsync of a folder\n";
    assert_eq!(log, written.repeat(2));
}

#[test]
#[ignore = "trains 40 times, and compiles a library in C that makes writing fail"]
fn a_full_disk_at_any_write_loses_nothing() {
    let and = "--metrics losses.csv --plot losses.png";
    let outputs = Outputs::new(and);
    let tools = Folder::new();
    let library = full_disk(&tools.path(""));
    let mut failed = Vec::new();
    for at in 1..=FULL_DISKS {
        outputs.put_back();
        let output = outputs
            .train(&format!("--seed 2 {and}"))
            .env("LD_PRELOAD", &library)
            .env("FULL_DISK_AT", at.to_string())
            .output()
            .unwrap();
        let contents = outputs.contents();
        let is_new = outputs.is_new();
        for (name, contents) in &contents {
            let (old, new) = (outputs.old.get(name), outputs.new.get(name));
            assert!(
                name == "model" || [old, new].contains(&Some(contents)),
                "call {at}: {name}"
            );
        }
        assert!(
            contents.keys().eq(outputs.old.keys()),
            "call {at}: {:?}",
            contents.keys()
        );
        if output.status.success() {
            assert!(is_new, "call {at}");
        } else {
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "call {at}: {stderr}");
            // The results are told all the same, what could not be saved in one line behind them.
            let errors: Vec<&str> = stderr
                .lines()
                .filter(|line| line.starts_with("error: "))
                .collect();
            assert_eq!(
                errors,
                [stderr.lines().last().unwrap()],
                "call {at}: {stderr}"
            );
            assert!(
                errors[0].contains("No space left on device"),
                "call {at}: {stderr}"
            );
            failed.push(at);
        }
        outputs.folder.stdout(&format!("{TRAIN} --seed 2 {and}"));
        assert!(outputs.is_new());
        assert!(
            outputs.contents().keys().eq(outputs.old.keys()),
            "after call {at}"
        );
    }
    println!("training failed where the disk was full at call {failed:?}");
    assert!(failed.starts_with(&[1]) && !failed.ends_with(&[FULL_DISKS]));
}

/// Pipes and files, and terminals where `NO_COLOR` is set, have the words alone.
#[cfg(target_os = "linux")]
#[test]
fn labels_of_errors_have_colours_on_a_terminal() {
    use std::io::Read;

    let folder = Folder::new();
    let plain = folder.error("count --data missing.txt", 1);
    let red = "\u{1b}[1m\u{1b}[31merror:\u{1b}[0m";
    for (no_color, label) in [("", red), ("1", "error:")] {
        let (mut ours, its) = crate::common::terminal();
        let mut process = folder.process("count --data missing.txt");
        process.env("TERM", "xterm").env("NO_COLOR", no_color);
        let mut child = process.stderr(its).spawn().unwrap();
        drop(process);
        let mut told = Vec::new();
        // Ends with an error where the program has closed the terminal.
        let _ = ours.read_to_end(&mut told);
        assert!(!child.wait().unwrap().success());
        let told = String::from_utf8(told).unwrap();
        assert_eq!(told.trim_end(), plain.trim_end().replace("error:", label));
    }
}
