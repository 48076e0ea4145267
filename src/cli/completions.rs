//! `makemore-tch completions`: what a shell needs to complete our arguments.

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
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        let mut results = output::results();
        io::copy(&mut script.as_slice(), &mut results)?;
        results.flush()?;
        Ok(())
    }
}
