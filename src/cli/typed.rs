//! The arguments that the user typed: to refuse them, or to repeat them in a suggested command.

use clap::ArgMatches;
use clap::parser::ValueSource;

/// The arguments of a command, by the names of their fields.
#[derive(Debug, Clone, Default)]
pub struct Typed(pub ArgMatches);

impl Typed {
    /// Whether an argument was typed.
    pub fn has(&self, id: &str) -> bool {
        self.0.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// An argument with its values as typed, quoted for a shell.
    pub fn again(&self, id: &str) -> String {
        if let Ok(Some(true)) = self.0.try_get_one(id) {
            return flag(id);
        }
        let values = self.0.get_raw(id).into_iter().flatten();
        let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        match values.as_slice() {
            [value] => argument(id, value),
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

/// An argument with its value, quoted for a shell.
pub fn argument(id: &str, value: &str) -> String {
    match value.starts_with('-') && value != "-" {
        // After a space, the value would be read as a flag.
        true => format!("{}={}", flag(id), quoted(value)),
        false => format!("{} {}", flag(id), quoted(value)),
    }
}

/// Quotes the name of a file for a shell; `./` before a hyphen, so that it is not read as a flag.
pub fn file_name(name: &str) -> String {
    match name.starts_with('-') && name != "-" {
        true => quoted(&format!("./{name}")),
        false => quoted(name),
    }
}

/// The names of columns as one types them.
pub fn columns_typed(columns: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || character == ',';
    match columns.chars().all(is_plain) {
        true => columns.to_owned(),
        false => file_name(columns),
    }
}

fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned())
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn typed(arguments: &[&str]) -> Typed {
        let number = Arg::new("lr").long("lr").allow_hyphen_values(true);
        let files = Arg::new("data").long("data").num_args(1..);
        let command = Command::new("train").args([number, files, Arg::new("dev").long("dev")]);
        Typed(command.no_binary_name(true).get_matches_from(arguments))
    }

    #[test]
    fn arguments_are_typed_again_as_a_shell_takes_them() {
        let typed = typed(&["--lr", "-0", "--data", "a b", "-", "it's", "--dev=-d"]);
        assert_eq!(typed.again("lr"), "--lr=-0");
        assert_eq!(typed.again("data"), r#"--data 'a b' - "it's""#);
        assert_eq!(typed.again("dev"), "--dev=-d");
        assert!(typed.has("dev"));
    }
}
