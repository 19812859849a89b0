//! The shell script of a step, written from its definition. Commands are copied as they are written, never pasted into
//! another command line.

use pipelinex_common::{
    pipeline::model::Step,
    secrets::{Purpose, Secret},
};
use secrecy::{ExposeSecret, SecretString};

use crate::spec::{PIPELINES_DIR, RUNTIME_DIR};

/// The first program of every container that runs something of a definition's; it says itself why it is as it is.
const LAUNCHER: &str = include_str!("script/launch.sh");

/// The variable that makes the engine's init signal the launcher's whole process group.
pub(crate) const SIGNAL_THE_GROUP: &str = "TINI_KILL_PROCESS_GROUP";

/// The program of a step's container. It is the same for every step but for two file names, and whether it waits for secrets.
pub fn command(step: &Step, secrets: bool) -> Vec<String> {
    let script = format!("{PIPELINES_DIR}/.steps/{}", step.slug);
    let mut command = launcher(&["step", &format!("{script}.sh"), &format!("{script}.after.sh")]);
    command.extend(secrets.then(|| format!("{RUNTIME_DIR}/.secrets")));
    command
}

/// What a step's launcher is sent on its standard input: each secret becomes a variable, or a file in memory whose path the variable has.
pub fn secrets(secrets: &[Secret]) -> SecretString {
    let mut script = String::new();
    for Secret { name, purpose, value, .. } in secrets {
        let value = quoted(value.expose_secret());
        if *purpose == Purpose::File {
            let file = format!("{RUNTIME_DIR}/secret.{name}");
            script.push_str(&format!("printf %s {value} >{file}\nexport {name}={file}\n"));
        } else {
            script.push_str(&format!("export {name}={value}\n"));
        }
    }
    // The line before `begin` ends what a sender before us has left half sent.
    let lines: Vec<String> = script.trim_end_matches('\n').split('\n').map(|line| format!("+{line}\n")).collect();
    format!("\nbegin\n{}end\n", lines.concat()).into()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
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
    fn secrets_reach_a_script_as_they_are_also_after_a_sender_that_died() {
        let values = ["it's $HOME `x` \\ \"q\"", "two\nlines\n\nend\nbegin\n+x\n"];
        let secret = |name: &str, purpose, value: &str| Secret::new(name, purpose, false, false, value.into()).unwrap();
        let sent = secrets(&[secret("A", Purpose::Variable, values[0]), secret("B", Purpose::Variable, values[1])]);
        let sent = sent.expose_secret();
        let launcher = LAUNCHER.split_once("receive() {").unwrap().1.split_once("\n}\n").unwrap().0;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("given");
        let code =
            format!("receive() {{{launcher}\n}}\nreceive \"$1\" || exit 9\n. \"$1\"; printf '%s|%s' \"$A\" \"$B\"");
        for shell in ["sh", "bash"] {
            for before in [0, 1, 9, 30, sent.len() - 3] {
                let input = dir.path().join("input");
                std::fs::write(&input, format!("{}{sent}", &sent[..before])).unwrap();
                let mut command = std::process::Command::new(shell);
                command.args(["-c", &code, "launch"]).arg(&file).stdin(std::fs::File::open(&input).unwrap());
                let ran = command.output().unwrap();
                let told = String::from_utf8(ran.stdout).unwrap();
                // Of a variable one line end at its end is nobody's.
                assert_eq!(
                    told,
                    format!("{}|{}", values[0], values[1].strip_suffix('\n').unwrap()),
                    "{shell} {before}"
                );
            }
            let mut command = std::process::Command::new(shell);
            let torn = command.args(["-c", &code, "launch"]).arg(&file).stdin(std::process::Stdio::null()).output();
            assert_eq!(torn.unwrap().status.code(), Some(9));
        }
    }

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
