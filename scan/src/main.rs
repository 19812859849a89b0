//! `pipelinex-scan STAGE-WORD`: runs one scanner inside its container and says what its end means.

use std::{env, process::ExitCode};

use pipelinex_scan::{Stage, Word, say};

/// The caller's mistake: sysexits' `EX_USAGE`.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let word = env::args().nth(1).unwrap_or_default();
    let Some(word) = Word::parse(&word) else {
        say("usage: pipelinex-scan secrets|sast|sca|smoke|dast");
        return ExitCode::from(USAGE);
    };
    match Stage::new(env::vars().collect()) {
        Ok(stage) => ExitCode::from(stage.run(word)),
        Err(error) => {
            say(&format!("pipelinex-scan: {error}"));
            ExitCode::from(USAGE)
        }
    }
}
