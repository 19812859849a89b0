//! `doctor`: what a server needs here, each line ok, or what to do.

mod engine;
mod local;
mod policy;

use std::time::Duration;

use jiff::Timestamp;
use pipelinex_common::{
    id::InstanceId,
    queue::{Doorbell, QueueHealth},
};
use serde::Serialize;
use serde_json::json;

use super::settings::Settings;
use crate::{
    args::WorkerArgs,
    client::Client,
    exit::Exit,
    failure::Failure,
    output::{Line, Output, Style},
};

/// How long Redis may take to answer.
const REDIS_LIMIT: Duration = Duration::from_secs(5);

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
pub async fn doctor(client: &Client, out: &Output, settings: &Settings, worker: &WorkerArgs) -> Result<Exit, Failure> {
    let mut checks = vec![Check::ok("version", env!("PIPELINEX_VERSION"))];
    checks.push(local::workspaces(&settings.workspaces));
    checks.extend(local::room(&settings.workspaces, &settings.min_free));
    checks.extend(local::step_limits(&settings.workspaces));
    checks.extend(local::claims(&settings.workspaces));
    checks.extend(local::jobs(&settings.workspaces));
    checks.push(local::pipelines(settings.pipelines.as_deref()));
    checks.push(policy::policy(&settings.policy));
    checks.push(policy::advisories(&settings.workspaces, &settings.policy, Timestamp::now()));
    checks.extend(settings.ca_certs.as_deref().map(local::ca_certs));
    checks.extend(local::stack_files(&worker.stack_files));
    checks.push(redis(settings).await);
    checks.extend(engine::checks(settings, worker).await);
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

async fn redis(settings: &Settings) -> Check {
    let config = match settings.redis(&InstanceId::generate()) {
        Ok(Some(config)) => config,
        Ok(None) => return Check::ok("redis", "none: `pipelinex serve` has its queue inside"),
        Err(error) => return Check::bad("redis", error.to_string(), "set PIPELINEX_REDIS_URL"),
    };
    let doorbell = Doorbell::redis(config);
    let mut health = doorbell.health();
    let up = tokio::time::timeout(REDIS_LIMIT, health.wait_for(|health| *health == QueueHealth::Up)).await.is_ok();
    if up {
        return Check::ok("redis", "answers");
    }
    let found = match &*doorbell.health().borrow() {
        QueueHealth::Up => "answers late".to_owned(),
        QueueHealth::Down { error, .. } => error.clone(),
    };
    Check::bad("redis", found, "start it, or leave --redis-url away; jobs run without it, only later")
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
