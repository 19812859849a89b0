//! `audit`: who did what, from the record of a workspaces folder.

use std::{path::Path, time::Duration};

use pipelinex_common::store::{AuditLine, Store};
use tokio::time::sleep;

use super::settings;
use crate::{exit::Exit, failure::Failure, output::Output};

/// How often a record that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many lines are looked at for new ones.
const LOOKED_AT: usize = 10_000;

/// Prints the last lines, and goes on with those that come.
pub async fn tail(out: &Output, named: Option<&Path>, lines: u32, follow: bool) -> Result<Exit, Failure> {
    let root = settings::workspaces(named)?;
    let store = Store::find(&root).map_err(|error| Failure::errored(error.to_string()))?.ok_or_else(|| {
        Failure::usage(format!("{} is no workspaces folder: name the server's with --workspaces", root.display()))
    })?;
    let mut last = print(out, &store, lines as usize, None)?;
    if !follow {
        return Ok(Exit::Passed);
    }
    loop {
        sleep(LOOK_EVERY).await;
        last = print(out, &store, LOOKED_AT, last)?;
    }
}

/// Prints lines that come after one, and gives the last of them.
fn print(out: &Output, store: &Store, most: usize, after: Option<AuditLine>) -> Result<Option<AuditLine>, Failure> {
    let lines = store.audit_tail(most).map_err(|error| Failure::errored(error.to_string()))?;
    let begin = after.as_ref().and_then(|after| lines.iter().rposition(|line| line == after)).map_or(0, |at| at + 1);
    for line in &lines[begin..] {
        if out.json() {
            out.document(line)?;
        } else {
            out.data(text(line))?;
        }
    }
    Ok(lines.into_iter().next_back().or(after))
}

fn text(line: &AuditLine) -> String {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let AuditLine { at, who, from, action, to, outcome } = line;
    format!("{at:.0}  {:<16} {:<15} {action:<13} {}  {outcome}", known(who), known(from), known(to))
}

/// Who does something in the folder itself.
pub fn who_runs_this() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

/// Writes down what somebody did in the folder itself. What cannot be written is said, and done all the same.
pub fn note(out: &Output, store: &Store, action: &str, account: &str) {
    let line = AuditLine { who: Some(who_runs_this()), to: Some(account.to_owned()), ..AuditLine::new(action, "done") };
    if let Err(error) = store.audit(&line) {
        out.say(crate::show::warning(&format!("this is not in the record of who did what: {error}")));
    }
}
