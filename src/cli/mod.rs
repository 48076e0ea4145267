//! The command line: one file for each command, with its arguments, a call or two into the
//! library, and printing; `train` and `lecture` have folders. Commands share `arguments`, `context`,
//! `output`, `outputs`, `progress`, `interrupt` and `report`; those that save a model also `run_files`,
//! `aftermath` and `typed`.

mod aftermath;
mod arguments;
mod completions;
mod context;
mod count;
mod devices;
mod export;
mod guesses;
mod heatmap;
pub mod interrupt;
#[cfg(feature = "distributed")]
mod launch;
mod lecture;
mod mixture;
mod model_folder;
mod models;
mod more;
mod next;
mod other_case;
mod output;
mod outputs;
mod page;
mod progress;
pub mod report;
mod run_files;
mod sample;
mod score;
#[cfg(test)]
#[path = "../../tests/common/in_process.rs"]
mod testing;
mod train;
mod typed;
mod watch;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use makemore_tch::libtorch::threads::Threads;

use arguments::{help, whole};
use context::Context;
use output::Remarks;
use typed::Typed;

/// Learn from a list of words which character follows which, and make more words like them.
///
/// Karpathy's makemore bigram lecture on libtorch. Without --data, the lecture's 32,033 names are
/// the list.
#[derive(Debug, Parser)]
#[command(
    version,
    infer_subcommands = true,
    after_help = "\
Examples:
  makemore-tch sample                      five names with the lecture's seed
  makemore-tch train                       train the network, as in the lecture
  makemore-tch train --type ngram          learn which character follows which five, by counting
  makemore-tch more towns.txt              new words like those of your own list
  makemore-tch page towns.html --data towns.txt   a page to draw from, to look into, to share
  makemore-tch heatmap out.png             which character follows which, as a picture
  makemore-tch lecture                     every figure of the lecture beside ours"
)]
pub struct Arguments {
    /// Command
    #[command(subcommand)]
    command: Command,

    /// On standard error, print errors only
    #[arg(short, long, global = true)]
    quiet: bool,

    /// Threads that libtorch computes with [default: 1 for small matrices, else all processors]
    #[arg(long, global = true, value_name = "N", value_parser = whole(1..=1024_u16), allow_negative_numbers = true)]
    threads: Option<u16>,
}

#[derive(Debug, Subcommand)]
enum Command {
    More(more::More),
    Train(Box<arguments::train::Train>),
    Sample(Box<sample::Sample>),
    Score(score::Score),
    Next(next::Next),
    Count(count::Count),
    Heatmap(heatmap::DrawHeatmap),
    Page(Box<page::WritePage>),
    Export(export::Export),
    Lecture(lecture::ReplayLectures),
    #[cfg(feature = "distributed")]
    Launch(launch::Launch),
    Devices(devices::Devices),
    Completions(completions::Completions),
}

/// The command line with its help by purpose.
fn command() -> clap::Command {
    help::grouped(Arguments::command())
}

/// Parses a command line, whose first word is the program.
pub fn parse(
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Arguments, clap::Error> {
    let matches = command().try_get_matches_from(words)?;
    let mut arguments =
        Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command()))?;
    if let Some((_, typed)) = matches.subcommand() {
        let typed = Typed(typed.clone());
        match &mut arguments.command {
            Command::Train(train) => train.typed = typed,
            Command::Page(page) => page.typed = typed,
            _ => {}
        }
    }
    Ok(arguments)
}

/// Runs a command and returns its exit status.
pub fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let context = Context {
        remarks: Remarks {
            quiet: arguments.quiet,
        },
        threads: Threads::new(arguments.threads.map(usize::from)),
        place: 0,
    };
    context.threads.use_small();
    match arguments.command {
        Command::Train(train) => return train.run(context),
        Command::Lecture(lecture) => return lecture.run(context),
        #[cfg(feature = "distributed")]
        Command::Launch(launch) => return start(launch, context),
        Command::More(more) => return more.run(context),
        Command::Sample(sample) => return sample.run(context),
        Command::Score(score) => return score.run(context),
        Command::Next(next) => next.run(context)?,
        Command::Count(count) => return count.run(context),
        Command::Heatmap(heatmap) => heatmap.run(context)?,
        Command::Page(page) => page.run(context)?,
        Command::Export(export) => export.run(context)?,
        Command::Devices(devices) => devices.run(context)?,
        Command::Completions(completions) => completions.run(command())?,
    }
    Ok(0)
}

/// Starts processes that share a command. A fault of the command is told once, before.
#[cfg(feature = "distributed")]
fn start(launch: launch::Launch, context: Context) -> anyhow::Result<u8> {
    let parsed = |words: Vec<OsString>| parse(std::iter::once("makemore-tch".into()).chain(words));
    let shared = parsed(launch.command.clone()).and_then(|alone| match alone.command {
        Command::Train(_) | Command::Count(_) | Command::Score(_) => {
            parsed(launch.words(context)).map(Some)
        }
        _ => Ok(None),
    });
    match shared {
        Ok(Some(_)) => launch.run(context),
        Ok(None) => anyhow::bail!(
            "launch starts a command that processes can share; train or count or score would work"
        ),
        Err(error) => Ok(report::explain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{Folder, refusal};
    use super::*;
    use makemore_tch::models::KINDS;

    /// The help of a command; of the whole program for "".
    fn help(command: &str) -> String {
        let words = ["makemore-tch", command, "--help"];
        let words = words.into_iter().filter(|word| !word.is_empty());
        parse(words).unwrap_err().to_string()
    }

    #[test]
    fn what_is_typed_wrong_gets_one_line() {
        for (arguments, expected) in [
            (
                "count towns",
                "unexpected argument 'towns' found; --help shows how it is used",
            ),
            // The tip once followed the message without a separator.
            (
                "train --splt 80,10,10",
                "found; a similar argument exists: '--split'; --help shows how it is used",
            ),
            ("heatmap", "required arguments were not provided"),
            ("sample --plain --json", "cannot be used with"),
            ("paint", "unrecognized subcommand 'paint'"),
            (
                "score --data missing.txt good",
                "words to score stand before --data or after --",
            ),
        ] {
            let status = if arguments.starts_with("score") { 1 } else { 2 };
            let error = refusal(arguments, status);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_help_of_every_command_shows_an_example() {
        let all = help("");
        assert!(all.contains("Examples:"));
        let (_, commands) = all.split_once("Commands:\n").unwrap();
        let commands = commands.lines().take_while(|line| !line.is_empty());
        let commands = commands.filter_map(|line| line.split_whitespace().next());
        let commands: Vec<&str> = commands.filter(|&command| command != "help").collect();
        assert!(commands.len() >= 9, "{commands:?}");
        for command in commands {
            let help = help(command);
            assert!(help.contains("Example"), "{command}");
            assert!(
                help.contains(&format!("  makemore-tch {command}")),
                "{command}"
            );
        }
    }

    #[test]
    fn the_help_of_train_has_every_kind() {
        let help = help("train");
        for kind in KINDS {
            assert!(help.contains(&format!("- {}:", kind.name())), "{help}");
        }
    }

    /// `Folder::json` holds every document of the suite beside its schema; these are those of no other test.
    #[test]
    fn documents_of_several_models_and_of_splits_follow_their_schemas() {
        let folder = Folder::new();
        let names = include_str!("../../assets/names.txt").lines().step_by(40);
        folder.write("list.txt", names.collect::<Vec<_>>().join("\n"));
        for order in [2, 3] {
            let train = format!("train --type ngram --order {order} --out {order}.st");
            folder.stdout(&format!("{train} --data list.txt"));
        }
        let both = "--model 2.st --model 3.st --data list.txt";
        folder.json("count --json --top 0 --data list.txt");
        folder.json(&format!("score emma --json {both}"));
        folder.json(&format!("sample --json {both}"));
        folder.json("sample --json --model 3.st --data list.txt --new");
        for arguments in [
            "bigram --epochs 2",
            "bigram --order 3 --epochs 2 --split 80,10,10",
            "ngram --order 2 --smoothing auto",
            "ngram --order 2 --split 100,0,0 --smoothing witten-bell",
            "mlp --max-steps 2 --batch-size 8 --split makemore",
        ] {
            let train = "train --json --data list.txt --out m --force --type";
            let document = folder.json(&format!("{train} {arguments}"));
            let kind = document["type"].as_str().unwrap();
            assert!(arguments.starts_with(kind), "{arguments}: {kind}");
        }
    }
}
