//! Projects as people have them, each with what becomes of it: taken for what, refused by which rule or how each stage ends, and
//! the sentence that a person reads.
//!
//! The stand-ins of `dev/projects/` are made of the examples, by what each row says is different. That they are admitted or
//! refused as their rows say costs little, and is always tried. `make projects` (`PIPELINEX_STAND_INS=whole`) runs their stages,
//! too, and with `PIPELINEX_PROJECTS=DIR` real ones in place of them: clones in that folder, as `dev/projects/real/` lists them.

#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "the table is what it is run for")]

mod judged;
mod made;
mod rows;
// Where it happens; the stories of the product need more of it.
#[allow(dead_code, reason = "those stories need more of it")]
#[path = "../e2e/server.rs"]
mod server;
#[allow(dead_code, reason = "those stories need more of it")]
#[path = "../e2e/world.rs"]
mod world;

use std::time::Duration;

use futures::{StreamExt, stream};
use serde_json::Value;

use crate::{
    judged::Outcome,
    rows::Row,
    server::has_ended,
    world::{World, story},
};

/// Jobs at once: what two cores bear.
const AT_ONCE: usize = 2;
/// Between two looks at a job that runs.
const LOOK: Duration = Duration::from_millis(300);
/// At least so many stand-ins there are: a table that could not be found would let everything pass.
const STAND_INS_MIN: usize = 30;

#[test]
fn every_project_ends_as_its_row_says() {
    let real = std::env::var_os("PIPELINEX_PROJECTS").map(std::path::PathBuf::from);
    let whole = real.is_some() || std::env::var("PIPELINEX_STAND_INS").is_ok_and(|how| how == "whole");
    let rows = rows::read(if real.is_some() { "dev/projects/real" } else { "dev/projects" });
    assert!(real.is_some() || rows.len() >= STAND_INS_MIN, "{} stand-ins", rows.len());
    assert!(!rows::read("dev/projects/real").is_empty(), "the real ones can be read, whether or not they are run");
    let wanted = std::env::var("PIPELINEX_ROWS").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    let rows: Vec<Row> =
        rows.into_iter().filter(|row| wanted.is_empty() || wanted.contains(&row.name.as_str())).collect();
    story(async |world| {
        let mut outcomes = Vec::new();
        let backend = if whole { "serve" } else { "backend" };
        let places = AT_ONCE.to_string();
        let options = if whole { vec![backend, "--parallel", &places] } else { vec![backend] };
        let server = world.serve(&options).await;
        let seen = &*world;
        let mut running =
            stream::iter(&rows).map(|row| one(seen, &server.url, row, real.as_deref(), whole)).buffered(AT_ONCE);
        while let Some(outcome) = running.next().await {
            println!("{}", outcome.line());
            outcomes.push(outcome);
        }
        drop(running);
        server.process.stop().await;
        tell(&outcomes);
    });
}

/// One project: judged, and where that is wanted run to its end.
async fn one(world: &World, server: &str, row: &Row, real: Option<&std::path::Path>, whole: bool) -> Outcome {
    let folder = world.path(&format!("project-{}", row.name));
    made::make(row, real, &folder);
    let folder_text = folder.to_str().unwrap();
    let flags: Vec<&str> = row.flags.iter().map(String::as_str).collect();
    let ask = |command: &'static str| [&[command, folder_text, "--server", server], &flags[..]].concat();
    let mut precheck = ask("precheck");
    precheck.push("--json");
    let mut outcome = Outcome::admitted(row, &world.run(&precheck).await);
    if whole && outcome.is_admitted() && !row.ends.is_empty() {
        let submitted = world.run(&ask("submit")).await;
        assert_eq!(submitted.code, 0, "{}: {submitted:?}", row.name);
        let id = submitted.out.trim();
        let ended = until_the_end(world, server, id).await;
        let shown = world.run(&["status", id, "--server", server]).await;
        outcome.ended(row, &ended, &shown, &world.job(id));
    }
    std::fs::remove_dir_all(&folder).unwrap();
    outcome
}

/// However long it takes: its steps have limits of their own.
async fn until_the_end(world: &World, server: &str, id: &str) -> Value {
    loop {
        let answer = world.http.get(format!("{server}/api/jobs/{id}/status")).send().await.unwrap();
        let status: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        if has_ended(&status) {
            return status;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The table, and a failure that names each row that is not as it says.
fn tell(outcomes: &[Outcome]) {
    println!("\n{}", judged::table(outcomes));
    let wrong: Vec<String> = outcomes.iter().filter(|outcome| !outcome.wrong.is_empty()).map(Outcome::told).collect();
    println!("projects: {} as expected, {} not", outcomes.len() - wrong.len(), wrong.len());
    assert!(wrong.is_empty(), "not as their rows say:\n{}", wrong.join("\n"));
}
