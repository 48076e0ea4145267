//! Networks that are saved while they train: whatever ends a training, no more than a minute is lost.
#![cfg(target_os = "linux")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::Folder;

const NAMES: &str = include_str!("../assets/names.txt");

/// A network that is small, and trains for some seconds.
const TRAIN: &str = "train --type mlp --n-embd 8 --n-embd2 16 --data list.txt --threads 1";

fn folder() -> Folder {
    let folder = Folder::new();
    let names: Vec<&str> = NAMES.lines().step_by(40).collect();
    folder.write("list.txt", names.join("\n"));
    folder
}

fn start(folder: &Folder, arguments: &str) -> Child {
    let mut command = folder.process(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until a file is there, and has been written again `times`.
fn wait_for(folder: &Folder, file: &str, times: usize) {
    let begin = Instant::now();
    let (mut seen, mut before) = (0, None);
    while seen <= times {
        let written = std::fs::metadata(folder.path(file)).and_then(|file| file.modified());
        if let Ok(written) = written
            && before != Some(written)
        {
            (seen, before) = (seen + 1, Some(written));
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "no {file}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until Ctrl-C is caught: SIGINT, 2, is the second bit of the signals that are.
fn wait_until_caught(child: &Child) {
    let status = format!("/proc/{}/status", child.id());
    let catches = || {
        let status = std::fs::read_to_string(&status).unwrap();
        let mut lines = status.lines();
        let caught = lines.find_map(|line| line.strip_prefix("SigCgt:\t"));
        u64::from_str_radix(caught.unwrap(), 16).unwrap() & 2 != 0
    };
    while !catches() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let killed = Command::new("kill").args([signal, &pid]).status();
    assert!(killed.unwrap().success());
}

/// Nothing was on disk before the end of a training: `kill -9` lost all of it.
#[test]
fn a_killed_training_goes_on_and_ends_as_if_it_had_not_been_killed() {
    let folder = folder();
    let steps = "--max-steps 600 --eval-every 50 --save-every 0.05";
    folder.stdout(&format!("{TRAIN} {steps} --out whole --metrics whole.csv"));
    let mut child = start(&folder, &format!("{TRAIN} {steps} --out m --metrics m.csv"));
    for file in ["m", "m.csv"] {
        wait_for(&folder, file, 0);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let at_kill = folder.read("m.csv");
    folder.stdout("train --resume m --data list.txt --metrics m.csv");
    assert_eq!(folder.read("m"), folder.read("whole"));
    assert_eq!(folder.read("m.csv"), folder.read("whole.csv"));
    assert!(folder.read("whole.csv").starts_with(&at_kill));
    assert!(
        at_kill.len() < folder.read("whole.csv").len(),
        "killed after the end"
    );
}

/// The network as it was at the interruption was not as overfitted as the one of the end, and stayed in
/// its place.
#[test]
fn an_interruption_before_the_first_evaluation_changes_nothing() {
    let folder = folder();
    folder.write(
        "few.txt",
        NAMES.lines().take(60).collect::<Vec<_>>().join("\n"),
    );
    let train = "train --type mlp --data few.txt --threads 1 --eval-every 400 --max-steps 400";
    folder.stdout(&format!("{train} --out whole"));
    let child = start(&folder, &format!("{train} --out m"));
    wait_until_caught(&child);
    signal(&child, "-INT");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    // The losses of another training gave way to those of this one, which had none yet.
    folder.write("foreign.csv", "step,train,dev\n300,2.5,2.5\n");
    let error = folder.error("train --resume m --data few.txt --metrics foreign.csv", 1);
    assert!(error.contains("step 300 of another training"), "{error}");
    folder.stdout("train --resume m --data few.txt");
    assert_eq!(folder.read("m"), folder.read("whole"));
}

/// Losses that were ahead of the network kept it from going on, and a long warm-up was not saved.
#[test]
fn a_killed_training_of_the_lectures_network_goes_on() {
    let folder = folder();
    let train = "train --data list.txt --save-every 0.1 --metrics m.csv --out m";
    let kill = |arguments: &str| {
        let mut child = start(&folder, &format!("{train} {arguments}"));
        wait_for(&folder, "m", 0);
        child.kill().unwrap();
        child.wait().unwrap();
    };
    kill("--warmup-epochs 100000000");
    folder.stdout("train --resume m --data list.txt --epochs 2");
    std::fs::remove_file(folder.path("m")).unwrap();
    kill("--epochs 100000000");
    // As if it had been killed a moment later, before the next network was saved.
    let ahead = String::from_utf8(folder.read("m.csv")).unwrap() + "900000000,2.5\n";
    folder.write("m.csv", &ahead);
    let resume = "train --resume m --data list.txt --metrics m.csv --epochs 3";
    folder.stdout(resume);
    let losses = || String::from_utf8(folder.read("m.csv")).unwrap();
    let (before, epochs) = (losses(), losses().lines().count());
    let last = before.lines().last().unwrap();
    assert!(last.starts_with(&format!("{},", epochs - 2)), "{last}");
    assert!(epochs < ahead.lines().count() + 3, "{last}");
    // Those of another training are neither appended to nor cut.
    folder.write("m.csv", ahead);
    let error = folder.error(resume, 1);
    assert!(error.contains("it ends with epoch 900000000"), "{error}");
}

/// As a shell asks for that starts the program in the background of a script.
#[test]
fn an_ignored_ctrl_c_stays_ignored() {
    let folder = folder();
    let command = format!("trap '' INT; exec \"$0\" {TRAIN} --save-every 0.1 --out m");
    let program = folder.makemore("").get_program().to_owned();
    let mut bash = Command::new("bash");
    let bash = bash
        .args(["-c", &command])
        .arg(program)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = bash.current_dir(folder.path("")).spawn().unwrap();
    wait_for(&folder, "m", 0);
    signal(&child, "-INT");
    signal(&child, "-TERM");
    assert_eq!(
        child.wait_with_output().unwrap().status.code(),
        Some(128 + 15)
    );
}

/// The results were lost with the state: neither losses nor names were printed, nor metrics kept.
#[test]
fn a_state_that_cannot_be_saved_takes_no_results_with_it() {
    let folder = folder();
    folder.stdout(&format!("{TRAIN} --max-steps 60 --out m --metrics m.csv"));
    let (base, state) = (folder.read("m").len(), folder.read("m.last").len());
    let metrics = folder.read("m.csv");
    for file in ["m", "m.last", "m.csv"] {
        std::fs::remove_file(folder.path(file)).unwrap();
    }
    let blocks = (base + state) / 2 / 1024;
    assert!(base < blocks * 1024 && blocks * 1024 < state);
    let program = folder.makemore("").get_program().to_owned();
    let train = format!("{TRAIN} --max-steps 60 --out m --metrics m.csv -q");
    let output = Command::new("bash")
        .args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" {train}")])
        .arg(program)
        .current_dir(folder.path(""))
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("m.last"), "{stderr}");
    assert!(
        stdout.contains("Train loss") && stdout.contains("Checkpoint: m"),
        "{stdout}"
    );
    assert_eq!(folder.read("m").len(), base);
    assert_eq!(folder.read("m.csv"), metrics);
}

/// Neither was anything printed where nothing could be saved, nor said why with `--quiet`.
#[test]
fn results_that_cannot_be_saved_are_printed_all_the_same() {
    let folder = folder();
    for train in [
        format!("{TRAIN} --max-steps 20"),
        "train --data list.txt --epochs 20".to_owned(),
        "train --data list.txt --type ngram".to_owned(),
    ] {
        let program = folder.makemore("").get_program().to_owned();
        let command = format!("ulimit -f 0; exec \"$0\" {train} --out m -q");
        let output = Command::new("bash")
            .args(["-c", &command])
            .arg(program)
            .current_dir(folder.path(""))
            .output()
            .unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(1), "{train}: {stderr}");
        assert!(
            stderr.starts_with("error: cannot write m: "),
            "{train}: {stderr}"
        );
        let is_told = ["Dev loss", "Final loss"]
            .iter()
            .any(|loss| stdout.contains(loss));
        assert!(
            is_told && !stdout.contains("Checkpoint"),
            "{train}: {stdout}"
        );
        assert!(!folder.path("m").exists());
    }
}

/// An evaluation for whoever looks on was once part of the training: other losses, another best.
#[test]
fn an_interruption_changes_nothing_of_what_follows() {
    let folder = folder();
    let train = format!("{TRAIN} --eval-every 100 --max-steps 300");
    folder.stdout(&format!("{train} --out whole --metrics whole.csv"));
    for wait in [0, 20, 45] {
        let child = start(
            &folder,
            &format!("{train} --out m --metrics m.csv --save-every 1000"),
        );
        wait_until_caught(&child);
        std::thread::sleep(Duration::from_millis(wait));
        signal(&child, "-INT");
        let told = child.wait_with_output().unwrap();
        assert_eq!(told.status.code(), Some(130), "{told:?}");
        let told = String::from_utf8(told.stderr).unwrap();
        let resume = told
            .split("go on with: makemore-tch ")
            .nth(1)
            .unwrap()
            .trim();
        folder.stdout(resume);
        assert_eq!(folder.read("m"), folder.read("whole"));
        assert_eq!(folder.read("m.csv"), folder.read("whole.csv"));
        for file in ["m", "m.last", "m.csv"] {
            std::fs::remove_file(folder.path(file)).unwrap();
        }
    }
}

/// Two Ctrl-C during a long evaluation once left no file; the first one now ends it.
#[test]
fn ctrl_c_ends_a_long_evaluation() {
    let folder = folder();
    // All different, as equal words are evaluated once.
    let names: Vec<&str> = NAMES.lines().collect();
    let pairs = names.iter().take(400);
    let pairs = pairs.flat_map(|one| {
        names
            .iter()
            .step_by(107)
            .map(move |other| format!("{one}{other}\n"))
    });
    folder.write("dev.txt", pairs.collect::<String>());
    let lists = "--data list.txt --dev dev.txt --max-steps 10";
    let train = format!("train --type mlp --n-embd2 512 {lists} --split 90,0,10 --out m");
    let child = start(&folder, &train);
    wait_for(&folder, "m", 0);
    std::thread::sleep(Duration::from_millis(200));
    let begin = Instant::now();
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    for model in ["m", "m.last"] {
        assert_eq!(
            folder
                .stdout(&format!("sample --plain -n 3 --model {model}"))
                .lines()
                .count(),
            3
        );
    }
    // Before the first step of a network that was trained before, it ended without a word.
    std::fs::remove_file(folder.path("m.last")).unwrap();
    let child = start(&folder, &format!("train --resume m {lists} --out other"));
    wait_until_caught(&child);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("nothing was saved to other"), "{stderr}");
    assert!(!folder.path("other").exists());
}

/// Nor did one that was killed before its first evaluation.
#[test]
fn a_killed_training_leaves_a_better_checkpoint_alone() {
    let folder = folder();
    folder.stdout(&format!(
        "{TRAIN} --preset makemore --eval-every 50 --max-steps 200 --out m"
    ));
    let better = folder.read("m");
    let late = "--lr 0.00001 --eval-every 1000000 --max-steps 1000000 --save-every 0.1";
    let mut child = start(&folder, &format!("{TRAIN} {late} --force --out m"));
    wait_for(&folder, "m.last", 1);
    child.kill().unwrap();
    child.wait().unwrap();
    folder.stdout("train --resume m --data list.txt --minutes 0.01 -q");
    assert_eq!(folder.read("m"), better);
}

/// The words of `more` were lost where its models could not be saved, or they themselves not be written.
#[test]
fn words_that_cannot_be_saved_are_printed() {
    let folder = folder();
    for place in ["--save kept", "--out kept.txt"] {
        let command = format!("ulimit -f 0; exec \"$0\" more list.txt --quick -q -n 3 {place}");
        let output = Command::new("bash")
            .args(["-c", &command])
            .arg(folder.makemore("").get_program())
            .current_dir(folder.path(""))
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("error: cannot write kept"), "{stderr}");
        assert_eq!(output.stdout.split(|&byte| byte == b'\n').count(), 4);
    }
}
