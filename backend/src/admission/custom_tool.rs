//! The rules for a scanner that a request brings along. They look at it only where it would run.

use pipelinex_common::{policy::Policy, request::CustomTool, stage::Switch};

use super::problem::{Problem, Rule};

/// The longest command, in bytes: longer work belongs into a script of the project.
const COMMAND_BYTES: usize = 4 * 1024;
/// The longest ending of a log's name, in characters: `sarif` and `json` fit, a file name does not.
const LOG_EXT_CHARACTERS: usize = 8;

/// Where a request may name a tool of its own.
pub struct Place {
    /// The stage.
    switch: Switch,
    /// The field that asks for it.
    mode: &'static str,
    /// The field with the tool.
    object: &'static str,
    /// The mode in which our own tool runs.
    instead: &'static str,
}

/// In place of our look for secrets.
pub static SECRETS: Place =
    Place { switch: Switch::SECRETS, mode: "secret_scan_mode", object: "secret_custom", instead: "dir" };
/// In place of our analysis of the source.
pub static SAST: Place = Place { switch: Switch::SAST, mode: "sast_mode", object: "sast_custom", instead: "default" };

/// Everything for which a tool is refused.
pub fn problems(place: &Place, tool: Option<&CustomTool>, policy: &Policy) -> Vec<Problem> {
    let Place { switch, mode, object, instead } = place;
    let mut problems = Vec::new();
    if policy.require.contains(switch) {
        // A tool that always ends with 0 would switch the requirement off.
        let message = format!(
            "the {} requires {}, with our tool and not with one of the request",
            policy.who_requires(switch),
            switch.stage()
        );
        let hint = format!("use {mode} `{instead}`");
        problems.push(Problem::at(Rule::CUSTOM_TOOL_REQUIRED, &format!("pipeline.{mode}"), message, hint));
    }
    let Some(tool) = tool else {
        let message = format!("{mode} is `custom`, and there is no {object}");
        let hint = format!("add {object} with install_cmd and tool_cmd, or use {mode} `{instead}`");
        problems.push(Problem::at(Rule::CUSTOM_TOOL_MISSING, &format!("pipeline.{object}"), message, hint));
        return problems;
    };
    let at = |field: &str| format!("pipeline.{object}.{field}");
    for (field, command) in [("install_cmd", &tool.install_cmd), ("tool_cmd", &tool.tool_cmd)] {
        problems.extend(command_problems(&at(field), command));
    }
    if tool.tool_cmd.trim().is_empty() {
        let hint = format!("name the command that scans, or use {mode} `{instead}`");
        problems.push(Problem::at(Rule::CUSTOM_TOOL_COMMAND, &at("tool_cmd"), "tool_cmd is empty", hint));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !(1..=LOG_EXT_CHARACTERS).contains(&tool.log_ext.len()) || !tool.log_ext.chars().all(plain) {
        let message = "log_ext is not the ending of a file name";
        let hint = format!("use 1 to {LOG_EXT_CHARACTERS} lower-case letters and digits, such as json");
        problems.push(Problem::at(Rule::CUSTOM_TOOL_LOG_EXT, &at("log_ext"), message, hint));
    }
    problems
}

fn command_problems(path: &str, command: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let field = path.rsplit('.').next().unwrap_or(path);
    if command.len() > COMMAND_BYTES {
        let message = format!("{field} has {} bytes, at most {COMMAND_BYTES} are taken", command.len());
        let hint = "put longer work into a script of the project, and call that";
        problems.push(Problem::at(Rule::CUSTOM_TOOL_COMMAND, path, message, hint));
    }
    if command.contains('\0') {
        let message = format!("{field} has a zero byte, which no shell takes");
        problems.push(Problem::at(Rule::CUSTOM_TOOL_COMMAND, path, message, "remove it"));
    }
    if words(command).any(|word| word == "sudo") {
        let message = format!("{field} uses sudo, and the tool runs as an unprivileged user");
        let hint = "install into a folder below $HOME or /tmp without it";
        problems.push(Problem::at(Rule::CUSTOM_TOOL_SUDO, path, message, hint));
    }
    problems
}

/// What stands between spaces, slashes, quotes and the like.
fn words(command: &str) -> impl Iterator<Item = &str> {
    command.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}
