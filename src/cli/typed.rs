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
        let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        match values.as_slice() {
            // Behind a blank it would be a flag.
            [value] if value.starts_with('-') && value != "-" => {
                quoted(&format!("{}={value}", flag(id)))
            }
            values => {
                let values = values.iter().map(|value| file_name(value));
                [flag(id)]
                    .into_iter()
                    .chain(values)
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        }
    }
}

/// An argument as the user types it.
pub fn flag(id: &str) -> String {
    format!("--{}", id.replace('_', "-"))
}

/// The name of a file as a shell takes it, and we do not take for a flag.
pub fn file_name(name: &str) -> String {
    match name.starts_with('-') && name != "-" {
        true => quoted(&format!("./{name}")),
        false => quoted(name),
    }
}

fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned())
}
