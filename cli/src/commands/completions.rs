//! `completions`: a script for the shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Cli, exit::Exit, failure::Failure, output::Output};

/// Prints the script.
pub fn print(shell: Shell, out: &Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pipelinex", &mut script);
    out.bytes(&script)?;
    Ok(Exit::Passed)
}
