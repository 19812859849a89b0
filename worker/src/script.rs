//! The shell script of a step, written from its definition. Commands are copied as they are written, never pasted into
//! another command line.

use pipelinex_common::pipeline::model::Step;

use crate::spec::PIPELINES_DIR;

/// The first program of every container that runs something of a definition's; it says itself why it is as it is.
const LAUNCHER: &str = include_str!("script/launch.sh");

/// The variable that makes the engine's init signal the launcher's whole process group.
pub(crate) const SIGNAL_THE_GROUP: &str = "TINI_KILL_PROCESS_GROUP";

/// The program of a step's container. It is the same for every step but for two file names.
pub fn command(step: &Step) -> Vec<String> {
    let script = format!("{PIPELINES_DIR}/.steps/{}", step.slug);
    launcher(&["step", &format!("{script}.sh"), &format!("{script}.after.sh")])
}

/// The program of an application's container: the command runs in the folder of the artifacts it is made of.
pub fn application(command: &str) -> Vec<String> {
    launcher(&["application", command])
}

fn launcher(arguments: &[&str]) -> Vec<String> {
    // Its comments are for readers of the source, not of each container's process list.
    let code: String =
        LAUNCHER.lines().filter(|line| !line.trim_start().starts_with('#')).map(|l| format!("{l}\n")).collect();
    let shell = ["/bin/sh", "-c", code.trim(), "launch"];
    shell.iter().chain(arguments).map(|part| (*part).to_owned()).collect()
}

/// The files of a step below `pipelines/.steps/`: name and content.
pub fn files(step: &Step) -> Vec<(String, String)> {
    let commands = step.before_script.iter().chain(&step.script);
    let mut files = vec![(format!("{}.sh", step.slug), text(commands))];
    if !step.after_script.is_empty() {
        files.push((format!("{}.after.sh", step.slug), text(step.after_script.iter())));
    }
    files
}

fn text<'a>(commands: impl Iterator<Item = &'a String>) -> String {
    let mut text = String::from(
        "# Written by the worker from this job's definition.\n\
         set -e; [ -z \"${BASH_VERSION:-}\" ] || set -o pipefail\n\
         cd \"$APP_DIR\"\n",
    );
    for command in commands {
        let first = command.lines().next().unwrap_or_default();
        let more = if command.lines().count() > 1 { " ..." } else { "" };
        text.push_str(&format!("printf '%s\\n' '$ {}{more}'\n", first.replace('\'', r"'\''")));
        text.push_str(command);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_command_stays_a_quote() {
        let commands = ["echo 'it is'".to_owned(), "for i in 1 2; do\n echo $i\ndone".to_owned()];
        let text = text(commands.iter());
        let run = std::process::Command::new("sh").arg("-c").arg(&text).env("APP_DIR", "/").output().unwrap();
        assert_eq!(
            String::from_utf8(run.stdout).unwrap(),
            "$ echo 'it is'\nit is\n$ for i in 1 2; do ...\n1\n2\n",
            "{text}"
        );
        assert!(run.status.success());
    }
}
