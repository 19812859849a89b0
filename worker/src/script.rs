//! The shell script of a step, written from its definition. Commands are copied as they are written, never pasted into
//! another command line.

use pipelinex_common::pipeline::model::{Step, StepKind};

use crate::spec::PIPELINES_DIR;

/// Waits a moment where the kernel has killed a process of this container for want of memory (cgroup 2, or 1).
macro_rules! linger {
    () => {
        "! grep -qs '^oom_kill [1-9]' /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control || sleep 0.5"
    };
}

/// Starts the step's script in bash, or in sh where there is no bash. Standard error joins standard output here, so that
/// there is one stream and its order is kept.
///
/// A script of a project's takes the shell's place, so that a wish to end reaches it. A scan does not: the engine hears of a
/// killed process from a watcher that ends with the container, and one in twenty-five was missed; so it is given a moment.
const LAUNCH: &str = concat!(
    r#"exec 2>&1
shell=$(command -v bash || command -v sh)
[ -e "$2" ] || [ "$3" = scan ] || exec "$shell" "$1"
"$shell" "$1"; code=$?
[ ! -e "$2" ] || "$shell" "$2" || echo "after_script ended with code $?; that does not change how the step ended"
"#,
    linger!(),
    r#"
exit "$code""#
);

/// Starts an application in the folder of the artifacts it is made of. One stream, as for a step, and the same moment.
const LAUNCH_APPLICATION: &str = concat!(
    r#"exec 2>&1; cd "$APP_DIR" || exit
"$(command -v bash || command -v sh)" -c "$1"; code=$?
"#,
    linger!(),
    r#"
exit "$code""#
);

/// The program of a step's container. It is the same for every step but for its kind and two file names.
pub fn command(step: &Step) -> Vec<String> {
    let script = format!("{PIPELINES_DIR}/.steps/{}", step.slug);
    let kind = match step.kind {
        StepKind::Normal => "normal",
        StepKind::Scan => "scan",
    };
    let parts = ["/bin/sh", "-c", LAUNCH, "step", &format!("{script}.sh"), &format!("{script}.after.sh"), kind];
    parts.map(str::to_owned).to_vec()
}

/// The program of an application's container.
pub fn application(command: &str) -> Vec<String> {
    ["/bin/sh", "-c", LAUNCH_APPLICATION, "app", command].map(str::to_owned).to_vec()
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
