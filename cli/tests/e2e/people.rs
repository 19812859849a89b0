//! The commands that people use, against a server that runs.

use std::{fs, process::Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::{
    projects::{GATED, example, printed, release, shell_stack},
    world::{World, story},
};

const STACK: [&str; 2] = ["--stack", "sh/shell/none"];

#[test]
fn a_person_submits_looks_and_follows() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let server = world.serve(&["serve", "--pipelines", &pipelines]).await;
        let at = ["--server", &server.url];
        let project = world.path("project");
        fs::create_dir(&project).unwrap();
        let project = project.to_str().unwrap();

        let none = world.run(&[&["list"], &at[..]].concat()).await;
        assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (0, "", "no jobs\n"), "{none:?}");
        looked_at_first(world, project, &at).await;

        fs::write(format!("{project}/run.sh"), GATED).unwrap();
        let sent = world.run(&[&["submit", project], &STACK[..], &at].concat()).await;
        assert_eq!(sent.code, 0, "{sent:?}");
        let id = sent.out.trim();
        followed(world, id, &at).await;
        let status = world.run(&[&["status", id, "--watch"], &at[..]].concat()).await;
        assert_eq!(status.code, 0, "{status:?}");
        listed(world, id, &at).await;

        fs::write(format!("{project}/run.sh"), "echo it breaks; exit 7\n").unwrap();
        let failed = world.run(&[&["submit", project, "--wait"], &STACK[..], &at].concat()).await;
        assert_eq!(failed.code, 1, "{failed:?}");
        assert!(failed.err.contains("it breaks") && failed.err.contains("script_failure"), "{failed:?}");
        server.process.stop().await;
    });
}

async fn looked_at_first(world: &World, project: &str, at: &[&str]) {
    let bad = world.run(&[&["precheck", project, "--json"], &STACK[..], at].concat()).await;
    assert_ne!(bad.code, 0, "an empty folder is nothing to send: {bad:?}");
    fs::write(format!("{project}/notes.txt"), "no script\n").unwrap();
    let bad = world.run(&[&["precheck", project], &STACK[..], at].concat()).await;
    assert_eq!(bad.code, 4, "{bad:?}");
    assert!(bad.out.contains("run.sh") && bad.out.contains("it would be refused"), "{bad:?}");
    let sent = world.run(&[&["submit", project], &STACK[..], at].concat()).await;
    assert_eq!(sent.code, 4, "{sent:?}");
    assert!(sent.err.contains("run.sh"), "{sent:?}");
    fs::write(format!("{project}/run.sh"), "true\n").unwrap();
    let good = world.run(&[&["precheck", project], &STACK[..], at].concat()).await;
    assert_eq!((good.code, good.out.lines().last()), (0, Some("it would be admitted")), "{good:?}");
    assert_eq!(world.run(&[&["list", "--json"], at].concat()).await.out, "{\"jobs\":[]}\n", "a look makes no job");
}

/// `logs -f` prints what comes as it comes, and ends with the stage.
async fn followed(world: &World, id: &str, at: &[&str]) {
    printed(world, id, "begun\n").await;
    let mut logs = tokio::process::Command::from(world.command(&[&["logs", id, "build", "-f"], at].concat()));
    let mut logs = logs.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(logs.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("begun\n") {
        assert_ne!(lines.read_line(&mut seen).await.unwrap(), 0, "it ended before the stage: {seen}");
    }
    let status = world.run(&[&["status", id, "--json"], at].concat()).await;
    let status: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(status["execution"]["state"], "RUNNING", "{status:#}");
    assert_eq!(status["execution"]["stages"]["BUILD"]["status"], "RUNNING");
    release(world, id);
    lines.read_to_string(&mut seen).await.unwrap();
    assert!(seen.ends_with("begun\ndone\n"), "{seen}");
    assert_eq!(logs.wait().await.unwrap().code(), Some(0));
    let again = world.run(&[&["logs", id, "Build"], at].concat()).await;
    assert_eq!((again.code, again.out), (0, seen));
}

async fn listed(world: &World, id: &str, at: &[&str]) {
    let jobs = world.run(&[&["list", "--json"], at].concat()).await;
    let jobs: Value = serde_json::from_str(&jobs.out).unwrap();
    assert_eq!(jobs["jobs"][0]["job_id"], id);
    assert_eq!(jobs["jobs"][0]["state"], "SUCCEEDED");
    let table = world.run(&[&["list", "--state", "succeeded"], at].concat()).await;
    let row: Vec<_> = table.out.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], [id, "default", "#1", "SUCCEEDED"], "{}", table.out);
    let status = world.run(&[&["status", id, "--json"], at].concat()).await;
    let status: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(status["job"]["id"], id);
    assert_eq!(status["execution"]["stages"]["BUILD"]["steps"]["build"]["artifacts"], json!(["made/thing.txt"]));
    let zip = world.path("reports.zip");
    let saved = world.run(&[&["reports", id, "--output", zip.to_str().unwrap()], at].concat()).await;
    assert_eq!(saved.code, 0, "{saved:?}");
    let mut zip = zip::ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    assert!(zip.by_name("build/build.log").is_ok() && zip.by_name("build/result.json").is_ok());
    let text = world.run(&[&["status", id], at].concat()).await;
    assert!(text.out.contains("PASS  BUILD") && text.out.contains(&format!("job {id} PASSED")), "{text:?}");
}

#[test]
fn doctor_finds_all_well_beside_a_server() {
    story(async |world| {
        let server = world.serve(&["serve"]).await;
        let seen = world.run(&["doctor", "--json", "--server", &server.url]).await;
        assert_eq!(seen.code, 0, "{seen:?}");
        let seen: Value = serde_json::from_str(&seen.out).unwrap();
        assert_eq!(seen["ok"], true, "{seen:#}");
        let check = |name: &str| {
            let mut all = seen["checks"].as_array().unwrap().iter();
            all.find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name} in {seen:#}"))
        };
        for name in ["version", "workspaces", "disk", "pipelines", "redis", "engine", "trees", "server"] {
            assert_eq!(check(name)["result"], "ok", "{seen:#}");
        }
        assert!(check("engine")["found"].as_str().unwrap().contains("API 1."), "{seen:#}");
        assert!(
            check("runtime")["found"].as_str().unwrap().starts_with("runc ") && check("runtime")["result"] != "bad",
            "{seen:#}"
        );
        assert!(check("trees")["found"].as_str().unwrap().contains("overlay"), "{seen:#}");
        assert!(check("pipelines")["found"].as_str().unwrap().contains("spring-boot-maven"), "{seen:#}");
        let text = world.run(&["doctor", "--server", &server.url]).await;
        assert_eq!((text.code, text.out.contains("bad ")), (0, false), "{text:?}");

        let project = example("spring-boot-maven");
        let precheck = world.run(&["precheck", project.to_str().unwrap(), "--server", &server.url]).await;
        assert_eq!((precheck.code, precheck.out.lines().last()), (0, Some("it would be admitted")), "{precheck:?}");
        let dead = world.run(&["doctor", "--server", &server.url, "--redis-url", "redis://127.0.0.1:1"]).await;
        assert_eq!(dead.code, 2, "{dead:?}");
        assert!(dead.out.contains("bad   redis"), "{dead:?}");
        server.process.stop().await;
        let gone = world.run(&["list", "--server", "http://127.0.0.1:1"]).await;
        assert_eq!(gone.code, 2, "{gone:?}");
        assert!(gone.err.contains("pipelinex serve"), "{gone:?}");
    });
}
