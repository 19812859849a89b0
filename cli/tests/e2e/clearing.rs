//! What `gc` finds on a real engine: what is ours and of no living job, by its labels and its age, and nothing else.

use pipelinex_common::id::JobId;
use pipelinex_worker::spec::{LABEL_CREATED, LABEL_INSTANCE, LABEL_JOB};
use serde_json::{Value, json};

use crate::world::{World, docker, story, text};

/// Makes something on the engine, labelled like something of that installation and job which was made so many seconds ago.
async fn made(create: &[&str], instance: &str, job: &str, ago: i64, name: &[&str]) {
    let created = jiff::Timestamp::now().as_second() - ago;
    let labels =
        [format!("{LABEL_INSTANCE}={instance}"), format!("{LABEL_JOB}={job}"), format!("{LABEL_CREATED}={created}")];
    let labels = labels.iter().flat_map(|label| ["--label", label]).collect::<Vec<_>>();
    docker(&[create, &labels, name].concat()).await;
}

/// The volumes and containers that carry a label.
async fn there(label: &str) -> String {
    let filter = format!("label={label}");
    let volumes = docker(&["volume", "ls", "--filter", &filter, "--format", "{{.Name}}"]).await;
    let containers = docker(&["container", "ls", "--all", "--filter", &filter, "--format", "{{.Names}}"]).await;
    volumes + containers.as_str()
}

async fn gc(world: &World, args: &[&str]) -> Value {
    let said = world.run(&[&["gc", "--json"], args].concat()).await;
    assert_eq!(said.code, 0, "{said:?}");
    let answer: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(answer["engine_reached"], true, "{answer:#}");
    answer["removed"].clone()
}

#[test]
fn gc_lists_what_is_left_on_the_engine_with_its_age_and_removes_what_is_ours() {
    story(async |world| {
        world.serve(&["backend"]).await.process.stop().await;
        let ours = text(world.workspaces.join(".instance")).trim().to_owned();
        let (gone, own) = (JobId::generate().to_string(), world.label());
        let [container, volume, young, foreign] =
            ["container", "volume", "young", "foreign"].map(|what| format!("{}-{what}", world.name()));
        let (create, two_hours) = (["volume", "create"], 2 * 60 * 60 + 60);
        let image = ["--name", &container, "pipelinex/scan:1", "true"];
        made(&["container", "create"], &ours, &gone, two_hours, &image).await;
        made(&create, &ours, &gone, two_hours, &[&volume]).await;
        made(&create, &ours, &gone, 60, &[&young]).await;
        // Of another installation on this engine, for the same job, and as old.
        let another = JobId::generate().to_string();
        made(&create, &another, &gone, two_hours, &["--label", &own, &foreign]).await;

        let seen = world.run(&["gc", "--dry-run"]).await;
        assert!(seen.code == 0 && seen.err.contains("2 would be removed"), "{seen:?}");
        for (kind, name) in [("container", &container), ("volume", &volume)] {
            let row = seen.out.lines().find(|line| line.contains(name.as_str())).unwrap_or_default();
            let told = ["its job is gone", "2 h 01 min"].iter().all(|what| row.contains(what));
            assert!(row.starts_with(kind) && told, "{}", seen.out);
        }
        assert!(!seen.out.contains(&young) && !seen.out.contains(&foreign), "{}", seen.out);
        let job = format!("{LABEL_JOB}={gone}");
        assert_eq!(there(&job).await.lines().count(), 4, "nothing is removed by looking");

        let removed = gc(world, &[]).await["engine"].clone();
        let told = |row: &Value| json!([row["kind"], row["name"], row["job"], row["why"]]);
        let told: Vec<Value> = removed.as_array().unwrap().iter().map(told).collect();
        let row = |kind: &str, name: &str| json!([kind, name, gone, "job_gone"]);
        assert_eq!(told, [row("container", &container), row("volume", &volume)]);
        assert!(removed[0]["age_seconds"].as_i64().is_some_and(|age| age >= two_hours), "{removed:#}");
        let left = there(&job).await;
        assert!(left.lines().count() == 2 && left.contains(&young) && left.contains(&foreign), "{left}");

        assert_eq!(gc(world, &["--grace", "1s"]).await["engine"][0]["name"], young);
        assert_eq!(there(&job).await.trim(), foreign, "what is not ours stays");
    });
}
