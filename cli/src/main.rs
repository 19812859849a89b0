//! The one binary of Pipelinex: server, worker, and the commands that people use.

mod advisories;
mod args;
mod client;
mod commands;
mod exit;
mod failure;
mod follow;
mod local;
mod output;
mod portable;
mod project;
mod repository;
mod show;
mod telemetry;
mod watch;

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser};

use crate::{args::Cli, exit::Exit, output::Output};

fn main() -> ExitCode {
    if env::args_os().len() < 2 {
        // The library takes a variable for an argument, and would complain of what is missing.
        let _ = io::stderr().write_all(Cli::command().render_help().to_string().as_bytes());
        return Exit::Usage.into();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version come this way, too, and are no mistakes. Nobody listening is no error.
            let _ = usage.print();
            return if usage.use_stderr() { Exit::Usage } else { Exit::Passed }.into();
        }
    };
    let out = Output::new(&cli.global);
    #[cfg(feature = "faults")]
    if let Err(reason) = pipelinex_common::fault::start() {
        out.error(&reason);
        return Exit::Usage.into();
    }
    match commands::run(cli, &out) {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.is_closed_pipe() {
                out.error(&failure.to_string());
            }
            failure.exit()
        }
    }
    .into()
}
