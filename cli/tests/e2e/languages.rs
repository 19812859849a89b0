//! Stacks that no line of Rust knows: their examples go all the way, and nobody says what they are.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    projects::{example, zip_of},
    server::Server,
    world::{World, story},
};

/// What all of these have.
const STAGES: [&str; 8] = ["SECRETS", "BUILD", "TEST", "SAST", "SCA", "PACKAGE", "SMOKE-TEST", "DAST"];

/// Imports an advisory on a package that no example has.
async fn import_advisories(world: &World, ecosystem: &str) {
    let folder = world.path("advisories").join(ecosystem);
    fs::create_dir_all(&folder).unwrap();
    let package = json!({"ecosystem": ecosystem, "name": "pipelinex-no-such-package"});
    let range = json!({"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.0.0"}]});
    let advisory = json!({
        "schema_version": "1.6.0", "id": "PX-2026-0001", "modified": "2026-01-15T00:00:00Z",
        "summary": "Made for a test", "affected": [{"package": package, "ranges": [range]}],
    });
    fs::write(folder.join("PX-2026-0001.json"), advisory.to_string()).unwrap();
    let imported = world.run(&["db", "import", world.path("advisories").to_str().unwrap()]).await;
    assert_eq!(imported.code, 0, "{imported:?}");
}

fn stage<'a>(status: &'a Value, name: &str) -> &'a Value {
    &status["execution"]["stages"][name]
}

fn step<'a>(status: &'a Value, name: &str) -> &'a Value {
    &stage(status, name)["steps"][name.to_lowercase()]
}

/// Submits a folder by the command that a person types, without a word on what it is; its id.
async fn submit(world: &World, server: &Server, folder: &Path, more: &[&str]) -> String {
    let server = server.url("");
    let command = [&["submit", folder.to_str().unwrap(), "--server", &server], more].concat();
    let submitted = world.run(&command).await;
    assert_eq!(submitted.code, 0, "{submitted:?}");
    submitted.out.lines().last().unwrap().trim().to_owned()
}

/// A failing test fails TEST, and its name is in the message.
async fn fails_its_test(server: &Server, id: &str, test_name: &str) {
    let status = server.end_of(id).await;
    let test = step(&status, "TEST");
    assert_eq!((&test["status"], &test["reason"]), (&json!("FAILED"), &json!("script_failure")), "{status:#}");
    assert!(test["message"].as_str().unwrap().contains(test_name), "{test:#}");
}

/// A good example succeeds in all stages, finds nothing in its source, and has so many tests.
async fn goes_all_the_way(server: &Server, id: &str, language: &str, tests: u64) -> Value {
    let status = server.end_of(id).await;
    assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
    for name in STAGES {
        assert_eq!(stage(&status, name)["status"], "SUCCESS", "{name}: {status:#}");
    }
    assert_eq!(status["job"]["stack"]["language"], language);
    assert_eq!(step(&status, "TEST")["tests"], json!({"tests": tests, "failures": 0, "errors": 0, "skipped": 0}));
    let clean = json!({"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0});
    for name in ["SECRETS", "SAST", "SCA"] {
        assert_eq!(step(&status, name)["findings"], clean, "{name}: {status:#}");
    }
    status
}

/// A library has nothing to start: what would start it is skipped, and the job succeeds.
async fn starts_nothing(server: &Server, id: &str) -> Value {
    let status = server.end_of(id).await;
    assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
    let smoke = stage(&status, "SMOKE-TEST");
    assert_eq!((&smoke["status"], &smoke["reason"]), (&json!("SKIPPED"), &json!("not_applicable")), "{status:#}");
    status
}

#[test]
fn node_is_recognised_and_goes_through_all_stages() {
    story(async |world| {
        import_advisories(world, "npm").await;
        let server = world.serve(&["serve", "--parallel", "2"]).await;
        let failing = submit(world, &server, &example("node-express-failing-test"), &["--only", "test"]).await;
        // Whoever names a framework or a build tool gets the stack that takes any.
        let named = json!({"stack": {"language": "node", "framework": "express", "build_tool": "npm"}});
        let good = server.submit(zip_of(&example("node-express-npm")), &named).await;
        let more = ["--requires-db=mysql,redis", "--only", "build,test,package,smoke-test"];
        let databases = submit(world, &server, &example("node-databases"), &more).await;

        fails_its_test(&server, &failing, "greets by name").await;
        let status = goes_all_the_way(&server, &good, "node", 3).await;
        let made = json!(["pipelinex-package/greeter-1.0.0.tar.gz", "pipelinex-package/start"]);
        assert_eq!(step(&status, "PACKAGE")["artifacts"], made);
        // Each step has databases of its own, which the drivers of the project find by their variables.
        let status = server.end_of(&databases).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        assert_eq!(
            (&step(&status, "TEST")["tests"]["tests"], &stage(&status, "SMOKE-TEST")["status"]),
            (&json!(1), &json!("SUCCESS"))
        );
        let asked = (&status["job"]["stack"]["requires_db"], &status["job"]["warnings"]);
        assert_eq!(asked, (&json!(["mysql", "redis"]), &json!([])));
        server.process.stop().await;
    });
}

#[test]
fn python_is_recognised_and_goes_through_all_stages() {
    story(async |world| {
        import_advisories(world, "PyPI").await;
        let server = world.serve(&["serve", "--parallel", "3"]).await;
        let failing = submit(world, &server, &example("python-failing-test"), &["--only", "test"]).await;
        let library = submit(world, &server, &example("python-library"), &["--only", "build,package,smoke-test"]).await;
        let good = submit(world, &server, &example("python-fastapi-uv"), &[]).await;

        fails_its_test(&server, &failing, "test_greets_by_name").await;
        let status = starts_nothing(&server, &library).await;
        assert!(step(&status, "BUILD")["message"].as_str().unwrap().contains("`uv lock` makes uv.lock"), "{status:#}");
        assert_eq!(
            step(&status, "PACKAGE")["artifacts"],
            json!(["pipelinex-package/wordcount-0.1.0-py3-none-any.whl"])
        );
        goes_all_the_way(&server, &good, "python", 3).await;
        server.process.stop().await;
    });
}

#[test]
fn go_is_recognised_and_goes_through_all_stages() {
    story(async |world| {
        import_advisories(world, "Go").await;
        let server = world.serve(&["serve", "--parallel", "2"]).await;
        let failing = submit(world, &server, &example("go-failing-test"), &["--only", "test"]).await;
        let good = submit(world, &server, &example("go-program"), &[]).await;

        fails_its_test(&server, &failing, "TestCountsWithoutCase").await;
        goes_all_the_way(&server, &good, "go", 1).await;
        server.process.stop().await;
    });
}

#[test]
fn java_without_a_framework_and_a_static_site_are_recognised_and_go_through_all_stages() {
    story(async |world| {
        import_advisories(world, "Maven").await;
        let server = world.serve(&["serve", "--parallel", "2"]).await;
        let library =
            submit(world, &server, &example("java-library"), &["--only", "build,test,package,smoke-test"]).await;
        let good = submit(world, &server, &example("java-http-server"), &["--skip", "sca"]).await;
        let site = submit(world, &server, &example("static-site"), &[]).await;

        let status = starts_nothing(&server, &library).await;
        assert_eq!(step(&status, "PACKAGE")["artifacts"], json!(["target/words-1.0.0.jar"]), "{status:#}");
        let status = server.end_of(&good).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        for name in STAGES.into_iter().filter(|name| *name != "SCA") {
            assert_eq!(stage(&status, name)["status"], "SUCCESS", "{name}: {status:#}");
        }
        assert_eq!(status["job"]["pipeline_name"], "java-any-maven", "{status:#}");
        let status = server.end_of(&site).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        for name in ["SECRETS", "SAST", "PACKAGE", "SMOKE-TEST", "DAST"] {
            assert_eq!(stage(&status, name)["status"], "SUCCESS", "{name}: {status:#}");
        }
        server.process.stop().await;
    });
}
