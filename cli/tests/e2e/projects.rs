//! What the stories submit: the examples of the repository, and projects of one shell script with a stack of their own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pipelinex_common::testing::zip_builder::ZipBuilder;
use serde_json::{Value, json};

use crate::{
    server::Server,
    world::{World, text, until},
};

/// An example of the repository.
pub fn example(name: &str) -> PathBuf {
    repository().join("examples").join(name)
}

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A folder as a ZIP file, build results left out.
pub fn zip_of(folder: &Path) -> Vec<u8> {
    let mut files = Vec::new();
    collect(folder, "", &mut files);
    files.sort();
    files.iter().fold(ZipBuilder::new(), |zip, name| zip.file(name, fs::read(folder.join(name)).unwrap())).build()
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true if name == "target" => {}
            true => collect(&entry.path(), &format!("{name}/"), files),
            false => files.push(name),
        }
    }
}

/// What is sent with an example.
pub fn maven(pipeline: &[&str]) -> Value {
    let switches: serde_json::Map<_, _> = pipeline.iter().map(|name| ((*name).to_owned(), json!(true))).collect();
    json!({
        "stack": {"language": "java", "framework": "spring-boot", "build_tool": "maven"},
        "versions": {"java": "17", "build_tool": "3.9"},
        "pipeline": switches,
    })
}

/// The switches of all stages that are there.
pub const ALL_STAGES: [&str; 4] = ["run_secret_scan", "run_build", "run_unit_tests", "run_package"];

/// Writes a folder of stacks with one whose only step, BUILD, runs the project's own `run.sh`.
pub fn shell_stack(world: &World, network: &str) -> String {
    let pipeline = format!(
        "stages: [BUILD]\nBUILD: {{stage: BUILD, image: scan, script: [bash run.sh], artifacts: {{paths: [made/*]}}}}\n\
         .pipelinex: {{jobs: {{BUILD: {{network: {network}, memory: 256m}}}}}}\n"
    );
    shell_stack_of(world, &pipeline)
}

/// Writes a folder of stacks with one of this pipeline.
pub fn shell_stack_of(world: &World, pipeline: &str) -> String {
    let folder = world.path("pipelines");
    let contract = "stack: {language: sh, framework: shell, build_tool: none}\nrequired: [run.sh]\n";
    for (name, content) in [
        ("global/lib.sh", "# Nothing is shared.\n"),
        ("shell-none/contract.yml", contract),
        ("shell-none/pipeline.yml", pipeline),
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder.to_str().unwrap().to_owned()
}

/// A project that is this script.
pub fn shell_project(script: &str) -> Vec<u8> {
    ZipBuilder::new().file("run.sh", script).build()
}

/// What is sent with a shell project.
pub fn shell() -> Value {
    json!({"stack": {"language": "sh", "framework": "shell", "build_tool": "none"}})
}

/// A script that says a word once, then waits until the story lets it go on: see [`release`].
pub const GATED: &str = "echo begun\nuntil [ -e \"$REPORTS_DIR/go\" ]; do sleep 0.05; done\nmkdir made\necho thing > made/thing.txt\necho done\n";

/// Waits until the script of a job has printed a text.
pub async fn printed(world: &World, id: &str, what: &str) {
    let log = world.job(id).join("logs/build.log");
    until(&format!("{id} prints {what}"), async || text(&log).contains(what).then_some(())).await;
}

/// Lets the script of a job go on, through the one folder that it shares with this machine.
pub fn release(world: &World, id: &str) {
    fs::write(world.job(id).join("outbox/build/go"), "").unwrap();
}

/// A gated job ran once, from its beginning to its end.
pub async fn ends_having_run_once(world: &World, server: &Server, id: &str) {
    let status = server.end_of(id).await;
    assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
    assert_eq!(status["execution"]["attempt"], 1, "{status:#}");
    assert_eq!(world.claims(id), 1, "taken twice");
    let log = text(world.job(id).join("logs/build.log"));
    for word in ["begun\n", "done\n"] {
        assert_eq!(log.matches(word).count(), 1, "{log}");
    }
    assert_eq!(text(world.job(id).join("artifacts/build/made/thing.txt")), "thing\n");
}
