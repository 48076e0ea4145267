//! The arguments that the user typed, to be refused or to be typed again.

use clap::ArgMatches;
use clap::parser::ValueSource;

/// The arguments of a command, by their names in the code.
#[derive(Debug, Clone, Default)]
pub struct Typed(pub ArgMatches);

impl Typed {
    /// Whether an argument was typed.
    pub fn has(&self, id: &str) -> bool {
        self.0.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// An argument as it was typed, for a shell.
    pub fn again(&self, id: &str) -> String {
        let values = self.0.get_raw(id).into_iter().flatten();
        let values = values.map(|value| quoted(&value.to_string_lossy()));
        [flag(id)]
            .into_iter()
            .chain(values)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// An argument as the user types it.
pub fn flag(id: &str) -> String {
    format!("--{}", id.replace('_', "-"))
}

/// A value as a shell takes it, and we do not take for a flag.
pub fn quoted(value: &str) -> String {
    let mut value = value.to_owned();
    if value.starts_with('-') && value != "-" {
        value.insert_str(0, "./");
    }
    shlex::try_quote(&value).map_or_else(|_| value.clone(), |quoted| quoted.into_owned())
}
