//! `doctor`: what a server needs here, each line ok, or what to do.

use std::{fs, path::Path};

use pipelinex_common::limits::IntakeLimits;
use serde::Serialize;
use serde_json::json;

use crate::{
    client::Client,
    commands::serve::Settings,
    exit::Exit,
    failure::Failure,
    output::{Line, Output, Style},
};

/// Room below which a server soon runs into trouble: five of the largest projects, bytes.
const LITTLE_ROOM: u64 = 5 * 1024 * 1024 * 1024;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub result: CheckResult,
    /// What was found.
    pub found: String,
    /// What to do about it; empty where there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckResult {
    /// As it should be.
    Ok,
    /// It works, and could be better.
    Note,
    /// Jobs will not run, or not be taken.
    Bad,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, result: CheckResult::Ok, found: found.into(), advice: String::new() }
    }

    fn note(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, result: CheckResult::Note, found: found.into(), advice: advice.into() }
    }

    fn bad(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, result: CheckResult::Bad, found: found.into(), advice: advice.into() }
    }
}

/// Looks at everything, and says it.
pub async fn doctor(client: &Client, out: &Output, settings: Settings) -> Result<Exit, Failure> {
    let mut checks = vec![Check::ok("version", env!("PIPELINEX_VERSION"))];
    checks.push(workspaces(&settings.workspaces));
    checks.extend(room(&settings.workspaces));
    checks.push(
        settings.pipelines.as_deref().map_or_else(|| Check::ok("pipelines", "those inside the program"), pipelines),
    );
    checks.extend(settings.ca_certs.as_deref().map(ca_certs));
    checks.push(redis(&settings));
    checks.push(server(client).await);
    let bad = checks.iter().any(|check| check.result == CheckResult::Bad);
    if out.json() {
        out.document(&json!({"ok": !bad, "checks": checks}))?;
    } else {
        let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default() + 2;
        for check in &checks {
            show(check, width, out)?;
        }
    }
    Ok(if bad { Exit::Errored } else { Exit::Passed })
}

fn show(check: &Check, width: usize, out: &Output) -> Result<(), Failure> {
    let (style, word) = match check.result {
        CheckResult::Ok => (Style::Good, "ok  "),
        CheckResult::Note => (Style::Warn, "note"),
        CheckResult::Bad => (Style::Bad, "bad "),
    };
    out.data(Line::new().add(style, word).text("  ").column(Style::Bold, check.name, width).text(&check.found))?;
    if !check.advice.is_empty() {
        out.data(Line::new().text(" ".repeat(6 + width)).text(&check.advice))?;
    }
    Ok(())
}

/// Looks without making anything: what is missing is made when a server starts.
fn workspaces(path: &Path) -> Check {
    let shown = path.display().to_string();
    let there = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let advice = "name a folder that can be written with --workspaces";
    match tempfile::tempfile_in(there) {
        Ok(_) if there == path => Check::ok("workspaces", shown),
        Ok(_) => Check::ok("workspaces", format!("{shown} (will be made)")),
        Err(error) => Check::bad("workspaces", format!("{shown} cannot be written: {error}"), advice),
    }
}

fn room(workspaces: &Path) -> Option<Check> {
    let there = workspaces.ancestors().find(|ancestor| ancestor.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let shown = format!("{:.1} GiB free", free as f64 / f64::from(1 << 30));
    let advice = "make room, or name a folder on a larger disk with --workspaces";
    Some(match free {
        free if free < IntakeLimits::default().unpacked_bytes => Check::bad("disk", shown, advice),
        free if free < LITTLE_ROOM => Check::note("disk", shown, advice),
        _ => Check::ok("disk", shown),
    })
}

fn pipelines(path: &Path) -> Check {
    let stacks = fs::read_dir(path).into_iter().flatten().flatten();
    let mut stacks: Vec<_> = stacks
        .filter(|entry| entry.path().join("contract.yml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    stacks.sort_unstable();
    if stacks.is_empty() {
        let advice = "name the folder that holds spring-boot-maven with --pipelines";
        return Check::bad("pipelines", format!("there is no stack in {}", path.display()), advice);
    }
    Check::ok("pipelines", format!("{}: {}", path.display(), stacks.join(", ")))
}

fn ca_certs(path: &Path) -> Check {
    match Client::new("https://localhost", Some(path)) {
        Ok(_) => Check::ok("ca-certs", path.display().to_string()),
        Err(error) => Check::bad("ca-certs", error.to_string(), "name a PEM file with --ca-certs"),
    }
}

fn redis(settings: &Settings) -> Check {
    match settings.redis_url {
        None => Check::ok("redis", "none: `pipelinex serve` has its queue inside"),
        Some(_) => Check::note("redis", "not looked at", "this build cannot reach it yet"),
    }
}

async fn server(client: &Client) -> Check {
    match client.health().await {
        Ok(()) => Check::ok("server", client.url()),
        Err(error) => {
            let text = error.to_string();
            let (found, advice) = text.split_once(": ").unwrap_or((&text, ""));
            Check::note("server", found, advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(workspaces(dir.path()).result, CheckResult::Ok);
        assert!(workspaces(&dir.path().join("a/b")).found.ends_with("(will be made)"));
        assert!(!dir.path().join("a").exists());
        assert_eq!(workspaces(Path::new("/proc/none")).result, CheckResult::Bad);
        let missing = pipelines(dir.path());
        assert_eq!(missing.result, CheckResult::Bad);
        assert!(missing.advice.contains("--pipelines"));
        fs::create_dir(dir.path().join("x-y")).unwrap();
        fs::write(dir.path().join("x-y/contract.yml"), "").unwrap();
        assert!(pipelines(dir.path()).found.ends_with(": x-y"));
        assert_eq!(ca_certs(&dir.path().join("x-y/contract.yml")).result, CheckResult::Bad);
    }
}
