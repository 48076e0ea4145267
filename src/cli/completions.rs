//! `makemore-tch completions`: scripts for shells to complete our arguments.

use std::io;

use clap::Args;
use clap_complete::Shell;

use super::output;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  makemore-tch completions bash > ~/.local/share/bash-completion/completions/makemore-tch")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(self, mut command: clap::Command) -> anyhow::Result<()> {
        let name = command.get_name().to_owned();
        // Not straight to standard output: clap_complete panics where a pipe is closed.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, &name, &mut script);
        let script = match self.shell {
            Shell::Bash => with_one_name(&script, &name),
            _ => script,
        };
        let mut results = output::results();
        io::copy(&mut script.as_slice(), &mut results)?;
        Ok(results.flush()?)
    }
}

/// Mends clap_complete's script for bash: it spells a name with a hyphen in two ways, so that nothing
/// is completed after a subcommand (<https://github.com/clap-rs/clap/issues/6421>). A script with one
/// spelling stays as it is.
fn with_one_name(script: &[u8], name: &str) -> Vec<u8> {
    let script = String::from_utf8_lossy(script);
    let (one, other) = (name.replace('-', "__subcmd__"), name.replace('-', "__"));
    script.replace(&one, &other).into_bytes()
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

    #[test]
    fn completions_for_each_shell_name_the_commands() {
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            let script = Folder::new().stdout(&format!("completions {shell}"));
            assert!(
                script.contains("heatmap") && script.contains("max-length"),
                "{shell}"
            );
        }
    }
}
