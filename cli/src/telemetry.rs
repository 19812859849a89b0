//! The log of a server, on standard error. `PIPELINEX_LOG`, else `RUST_LOG`, says how much; without either, `info`.

use std::io;

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use crate::{args::LogFormat, failure::Failure};

/// Starts the log of this process.
pub fn start(format: LogFormat) -> Result<(), Failure> {
    let (name, wanted) = ["PIPELINEX_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()).map(|value| (name, value)))
        .unwrap_or(("the default", "info".to_owned()));
    let filter = EnvFilter::builder().parse(&wanted).map_err(|error| {
        Failure::usage(format!("{name} cannot be read: {error}; try info or pipelinex_worker=debug"))
    })?;
    let layer = fmt::layer().with_writer(io::stderr);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(filter).with(layer).try_init();
    started.map_err(|error| Failure::errored(format!("cannot start the log: {error}")))
}
