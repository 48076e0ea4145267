//! The help of every command: its options by purpose, the most used first, and those of `train` with the
//! types of models that take them.

use clap::builder::StyledStr;
use clap::{Arg, Command};

use super::model_type::OF;

/// The options of all commands by the names of their fields, under their headings. With a command before
/// it, a name is that command's alone.
const GROUPS: [(&str, &[&str]); 6] = [
    (
        "Your words",
        &[
            "number",
            "prefix",
            "suffix",
            "min_length",
            "max_length",
            "contains",
            "without",
            "matching",
            "new",
            "unique",
            "most_probable",
            "sample seed",
            "word",
            "data",
            "columns",
            "lowercase",
            "encoding",
            "normalize",
            "skip_bad_lines",
            "boundary",
        ],
    ),
    (
        "Model",
        &[
            "kind",
            "models",
            "model",
            "weights",
            "mix",
            "part",
            "temperature",
            "top_k",
            "top_p",
            "order",
            "smoothing",
            "n_embd",
            "n_embd2",
            "n_layer",
            "n_head",
            "block_size",
            "batchnorm",
            "space_token",
        ],
    ),
    (
        "Training",
        &[
            "quick",
            "minutes",
            "train distributed",
            "train timeout",
            "max_steps",
            "steps",
            "resume",
            "split",
            "dev",
            "test",
            "seed",
            "split_seed",
            "preset",
            "lr",
            "batch_size",
            "dropout",
            "weight_decay",
            "patience",
            "eval_every",
        ],
    ),
    (
        "Output",
        &[
            "out",
            "title",
            "known",
            "open",
            "save",
            "force",
            "each",
            "top",
            "of",
            "sort",
            "plain",
            "csv",
            "json",
            "verbose",
            "plot",
            "plots",
            "metrics",
            "tensorboard",
            "save_every",
            "train top_k",
            "size",
            "scale",
            "quiet",
        ],
    ),
    (
        "For the lecture only",
        &[
            "source",
            "epochs",
            "warmup_epochs",
            "warmup_lr",
            "regularization",
            "rows",
            "log_every",
            "sampler",
        ],
    ),
    (
        "Machine",
        &["device", "memory", "threads", "distributed", "timeout"],
    ),
];

/// The heading of an option of a command, and its place among all options.
fn place(command: &str, id: &str) -> Option<(usize, &'static str)> {
    let all = GROUPS
        .iter()
        .flat_map(|(heading, ids)| ids.iter().map(|id| (*id, *heading)));
    let own = format!("{command} {id}");
    let find = |wanted: &str| {
        let mut all = all.clone().enumerate();
        all.find(|(_, (name, _))| *name == wanted)
    };
    let (order, (_, heading)) = find(&own).or_else(|| find(id))?;
    Some((order, heading))
}

/// A command with its options by purpose.
pub fn grouped(command: Command) -> Command {
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| {
        let id = arg.get_id().to_string();
        let of = OF.iter().find(|(other, _)| name == "train" && *other == id);
        let arg = match of.and_then(|(_, of)| of.shown(&id)) {
            Some(types) => with_types(arg, &types),
            None => arg,
        };
        match place(&name, &id).filter(|_| !arg.is_positional()) {
            Some((order, heading)) => arg.help_heading(heading).display_order(order),
            None => arg,
        }
    });
    command.mut_subcommands(grouped)
}

/// An argument whose help names the types of models that take it, at the end of its first paragraph.
fn with_types(arg: Arg, types: &str) -> Arg {
    let with = |text: &StyledStr| {
        let text = text.to_string();
        match text.split_once("\n\n") {
            Some((first, more)) => format!("{first} [{types}]\n\n{more}"),
            None => format!("{text} [{types}]"),
        }
    };
    let (short, long) = (arg.get_help().map(with), arg.get_long_help().map(with));
    let arg = arg.help(short.unwrap_or_default());
    match long {
        Some(long) => arg.long_help(long),
        None => arg,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::arguments::model_type::ModelType;
    use crate::cli::testing::Folder;
    use crate::cli::{Arguments, command};

    fn commands() -> Vec<Command> {
        let mut all = command();
        all.build();
        let commands = all
            .get_subcommands()
            .filter(|command| command.get_name() != "help");
        commands.cloned().collect()
    }

    #[test]
    fn every_option_has_its_heading_and_headings_are_in_one_order() {
        let order = GROUPS.map(|(heading, _)| heading);
        let mut found = BTreeSet::new();
        for mut command in commands() {
            let name = command.get_name().to_owned();
            for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
                let id = arg.get_id().to_string();
                let is_placed = arg.get_help_heading().is_some() || arg.is_hide_set();
                assert!(is_placed || id == "help", "{name}: {id}");
                found.extend([format!("{name} {id}"), id]);
            }
            let help = command.render_help().to_string();
            let headings = help.lines().filter_map(|line| line.strip_suffix(':'));
            let places = headings.filter_map(|line| order.iter().position(|other| *other == line));
            assert!(places.clone().count() > 0, "{name}");
            assert!(places.is_sorted(), "{name}: {help}");
        }
        let placed = GROUPS.iter().flat_map(|(_, ids)| ids.iter());
        let unknown: Vec<_> = placed.filter(|&&id| !found.contains(id)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    /// A summary is one to be read; the rest is in the long help.
    #[test]
    fn the_short_help_of_an_option_is_short() {
        for command in commands() {
            for arg in command.get_arguments() {
                let help = arg.get_help().map(StyledStr::to_string).unwrap_or_default();
                let text = help.split(" [").next().unwrap().chars().count();
                let id = arg.get_id();
                assert!(
                    (1..=110).contains(&text),
                    "{}: {id}: {help}",
                    command.get_name()
                );
            }
        }
    }

    /// Arguments with which an option is understood.
    fn understood(option: &Arg) -> Vec<String> {
        let flag = format!("--{}", option.get_long().unwrap());
        let values = [
            "2", "0.5", "80,10,10", "$", "cpu", "nfc", "latin1", "distinct", "makemore", "gru",
        ];
        let with_value = values.map(|value| vec![flag.clone(), value.to_owned()]);
        let mut all = [vec![flag]].into_iter().chain(with_value);
        let parses = |arguments: &Vec<String>| {
            let words = ["makemore-tch", "train"].map(str::to_owned);
            let words = words.iter().chain(arguments);
            Arguments::command().try_get_matches_from(words).is_ok()
        };
        all.find(parses).unwrap()
    }

    /// Each option is given to each type, with a list that is not there: what is refused is not in the help.
    #[test]
    fn the_help_of_train_names_the_types_that_take_an_option() {
        let folder = Folder::new();
        let train = commands()
            .into_iter()
            .find(|command| command.get_name() == "train")
            .unwrap();
        for option in train.get_arguments() {
            let id = option.get_id().as_str();
            if ["help", "kind", "data", "quiet", "threads", "json"].contains(&id) {
                continue;
            }
            let help = option.get_help().unwrap().to_string();
            let last = help
                .strip_suffix(']')
                .and_then(|help| help.rsplit_once(" ["));
            let last = last
                .map(|(_, last)| last)
                .filter(|last| !last.starts_with("default"));
            // Without types all take it: all but none.
            let last = last.unwrap_or("all but ");
            let (is_listed, types) = match last.strip_prefix("all but ") {
                Some(others) => (false, others),
                None => (true, last),
            };
            let types: Vec<&str> = types.split(", ").collect();
            for kind in ModelType::all() {
                // A bigram with it is a lookup.
                if id == "preset" && kind == ModelType::Bigram {
                    continue;
                }
                let words = format!("train --type {} --data missing.txt", kind.name());
                let words = words
                    .split(' ')
                    .map(str::to_owned)
                    .chain(understood(option));
                let said = folder.error_of(words, 1);
                let is_refused = said.contains(" is not of --type ") || said.contains("is counted");
                let is_named = types.contains(&kind.name()) == is_listed;
                assert_eq!(
                    is_named,
                    !is_refused,
                    "{} {id}: {help}: {said}",
                    kind.name()
                );
            }
        }
    }
}
