//! A stack that no line of Rust knows: its examples go all the way, and nobody says what they are.

use std::fs;

use serde_json::{Value, json};

use crate::{
    projects::{example, zip_of},
    world::{World, story},
};

/// An advisory on a package that the examples do not have.
const ADVISORY: &str = r#"{"schema_version": "1.6.0", "id": "PX-2026-0001", "modified": "2026-01-15T00:00:00Z",
    "summary": "Made for a test", "affected": [{"package": {"ecosystem": "npm", "name": "pipelinex-no-such-package"},
    "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.0.0"}]}]}]}"#;

async fn import_advisories(world: &World) {
    let folder = world.path("advisories/npm");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("PX-2026-0001.json"), ADVISORY).unwrap();
    let imported = world.run(&["db", "import", world.path("advisories").to_str().unwrap()]).await;
    assert_eq!(imported.code, 0, "{imported:?}");
}

fn stage<'a>(status: &'a Value, name: &str) -> &'a Value {
    &status["execution"]["stages"][name]
}

fn step<'a>(status: &'a Value, name: &str) -> &'a Value {
    &stage(status, name)["steps"][name.to_lowercase()]
}

#[test]
fn node_is_recognised_and_goes_through_all_stages() {
    story(async |world| {
        import_advisories(world).await;
        let server = world.serve(&["serve", "--parallel", "2"]).await;
        // By the command that a person types, without a word on what it is.
        let folder = example("node-express-failing-test");
        let submitted = ["submit", folder.to_str().unwrap(), "--only", "test", "--server", &server.url("")];
        let failing = world.run(&submitted).await;
        assert_eq!(failing.code, 0, "{failing:?}");
        let good = server.submit(zip_of(&example("node-express-npm")), &json!({})).await;

        let status = server.end_of(failing.out.lines().last().unwrap().trim()).await;
        let test = step(&status, "TEST");
        assert_eq!((&test["status"], &test["reason"]), (&json!("FAILED"), &json!("script_failure")), "{status:#}");
        assert!(test["message"].as_str().unwrap().contains("greets by name"), "{test:#}");

        let status = server.end_of(&good).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        for name in ["SECRETS", "BUILD", "TEST", "SAST", "SCA", "PACKAGE", "SMOKE-TEST", "DAST"] {
            assert_eq!(stage(&status, name)["status"], "SUCCESS", "{name}: {status:#}");
        }
        let stack = json!({"language": "node", "framework": "express", "build_tool": "npm", "requires_db": false});
        assert_eq!(status["job"]["stack"], stack);
        assert_eq!(step(&status, "TEST")["tests"], json!({"tests": 3, "failures": 0, "errors": 0, "skipped": 0}));
        assert_eq!(step(&status, "PACKAGE")["artifacts"], json!(["pipelinex-package/greeter-1.0.0.tar.gz"]));
        let clean = json!({"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0});
        for name in ["SECRETS", "SAST", "SCA"] {
            assert_eq!(step(&status, name)["findings"], clean, "{name}: {status:#}");
        }
        server.process.stop().await;
    });
}
