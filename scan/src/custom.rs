//! The tool that a request brings for SECRETS or SAST: an install command, then the tool, both as they were given.
//! Its exit code is the verdict: 0 clean, 1 findings, all else is an error of the tool.

use std::fs::{self, File};

use serde_json::json;

use crate::{
    report, sarif,
    stage::{Failure, Stage, say},
    tool::Tool,
};

/// The extension of the log where the request names none that can be a part of a file name.
const LOG_EXTENSION: &str = "json";

pub(crate) fn run(stage: &mut Stage) -> Result<String, Failure> {
    let commands =
        ["CUSTOM_INSTALL_CMD", "CUSTOM_TOOL_CMD"].map(|name| stage.variable(name).unwrap_or_default().to_owned());
    let [install, tool] = &commands;
    if tool.trim().is_empty() {
        return Err(Failure::tool("CUSTOM_TOOL_CMD is empty: there is no tool to run"));
    }
    if commands.iter().any(|command| says_sudo(command)) {
        return Err(Failure::tool("sudo is refused: a runner has no rights to give; install below $HOME"));
    }
    let name = log_name(stage);
    let log = stage.reports.join(&name);
    let failed = |error| Failure::tool(format!("{} cannot be written: {error}", log.display()));
    let file = File::create(&log).map_err(failed)?;
    if !install.trim().is_empty() {
        let ended =
            command(stage, "the install command", install)?.copy_to(file.try_clone().map_err(failed)?).run(shown)?;
        match ended.code()? {
            0 => {}
            code => return Err(ended.failed(&format!("failed with exit code {code}"))),
        }
    }
    let ended = command(stage, "the tool", tool)?.copy_to(file).run(shown)?;
    let found = match ended.code()? {
        0 => false,
        1 => true,
        2 => return Err(ended.failed("failed with exit code 2, which is its code for an error of its own")),
        code => {
            return Err(ended.failed(&format!("failed with exit code {code}, which means neither clean nor findings")));
        }
    };
    let findings = sarif::keep(stage, "the tool", "custom.sarif", &verdict(stage, &name, found))?;
    Ok(report::summary(&findings, &format!("no findings: the tool ended with exit code 0, see {name}")))
}

fn shown(line: &str) -> Option<String> {
    Some(line.to_owned())
}

/// A command with a home it can write to, and what it installs there on its path.
fn command(stage: &Stage, name: &str, text: &str) -> Result<Tool, Failure> {
    let home = stage.scratch("home");
    fs::create_dir_all(home.join(".local/bin")).map_err(|error| Failure::tool(format!("/tmp: {error}")))?;
    let path = stage.variable("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    let path = format!("{}:{path}", home.join(".local/bin").display());
    say(&format!("$ {}", text.lines().next().unwrap_or_default()));
    Ok(Tool::shell(stage, name, text).env("HOME", &home).env("TMPDIR", stage.scratch.path()).env("PATH", path))
}

/// Whether `sudo` stands there as a word of its own.
fn says_sudo(command: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    command.split(|c: char| !part_of_word(c)).any(|word| word == "sudo")
}

fn log_name(stage: &Stage) -> String {
    let asked = stage.variable("CUSTOM_LOG_EXT").unwrap_or(LOG_EXTENSION);
    let plain = (1..=8).contains(&asked.len()) && asked.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    format!("{}.{}", stage.name, if plain { asked } else { LOG_EXTENSION })
}

/// Only the exit code is known, so there is one finding, and its place is the tool's own log.
fn verdict(stage: &Stage, log: &str, found: bool) -> serde_json::Value {
    let result = json!({
        "ruleId": "custom-tool",
        "level": "warning",
        "message": {"text": format!("the tool of this request found something, see {log} in the reports of {}", stage.name)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": log}}}],
    });
    let results = if found { vec![result] } else { Vec::new() };
    json!({
        "version": "2.1.0",
        "runs": [{"tool": {"driver": {"name": "custom", "rules": [{"id": "custom-tool"}]}}, "results": results}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_is_seen_as_a_word_only() {
        for refused in
            ["sudo apt-get install x", "a && sudo b", "x;sudo\ty", "$(sudo id)", "/usr/bin/sudo x", "'sudo' x"]
        {
            assert!(says_sudo(refused), "{refused}");
        }
        for fine in ["pip install sudoku", "echo pseudo", "cat sudo.txt", "my-sudo"] {
            assert!(!says_sudo(fine), "{fine}");
        }
    }
}
