//! What a project is taken for, asked by programs; and what a project says of itself.

use serde_json::{Value, json};

use crate::support::{TestServer, file, form, text, zip};

const PACKAGE: &str = r#"{"name": "a", "engines": {"node": ">=18"}, "dependencies": {"express": "^5"}, "scripts": {"start": "node a.js"}}"#;

async fn list(server: &TestServer, body: &Value) -> Value {
    let answer = server.send(server.client.post(server.url("/api/detect")).json(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_list_of_files_is_answered_with_what_decided_each_word() {
    let server = TestServer::start().await;
    let files = ["README.md", "web/package.json", "web/package-lock.json", "web/.nvmrc"];
    let heads = json!({"web/package.json": PACKAGE, "web/.nvmrc": "22\n"});
    let answer = list(&server, &json!({"files": files, "heads": heads})).await;
    let stack = json!({"language": "node", "framework": "any", "build_tool": "any"});
    assert_eq!((&answer["stack"], &answer["folder"]), (&stack, &json!("web")));
    assert_eq!(answer["decided_by"], json!(["web/package.json", "web/package-lock.json"]));
    let node =
        json!({"version": "24", "decided_by": "web/package.json", "says": ">=18", "supported": ["20", "22", "24"]});
    assert_eq!(answer["versions"]["node"], node, "the first file in their order counts");
    assert_eq!(answer["tells"]["manager"], json!({"value": "npm", "decided_by": "web/package-lock.json"}));
    assert_eq!(answer["tells"]["start"]["value"], "npm start, which is `node a.js`");
    assert_eq!(answer["port"], 3000);
    assert_eq!(answer["change"]["flags"], "--stack node/any/any --folder web --versions node=24,npm=11");
    let written = answer["change"]["file"].as_str().unwrap();
    let heads = json!({"web/package.json": PACKAGE, ".pipelinex.yml": written});
    let again = list(&server, &json!({"files": [files[1], ".pipelinex.yml"], "heads": heads})).await;
    assert_eq!((&again["stack"], &again["folder"]), (&stack, &json!("web")), "what it prints is understood: {written}");

    let heads = json!({"package.json": PACKAGE.replace(">=18", "^18")});
    let none = list(&server, &json!({"files": ["package.json"], "heads": heads})).await;
    assert_eq!(none["problems"][0]["message"], "package.json asks for node `^18`, and there is 20, 22, 24");
    let several = list(&server, &json!({"files": ["a/package.json", "b/pom.xml"]})).await;
    assert_eq!((&several["stack"], several["candidates"].as_array().unwrap().len()), (&Value::Null, 2));
    for (body, code) in [(json!({"heads": {}}), "metadata-invalid"), (json!([]), "metadata-invalid")] {
        let answer = server.send(server.client.post(server.url("/api/detect")).json(&body)).await;
        answer.assert_problem(422, code);
    }
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn an_archive_is_looked_at_as_an_upload_and_nothing_is_kept() {
    let server = TestServer::start().await;
    let upload = |metadata: &str| {
        let zip = zip(&[("x-main/a/package.json", PACKAGE), ("x-main/b/package.json", PACKAGE), ("x-main/R", "")]);
        form(&[file(&zip), text("metadata", metadata)])
    };
    let answer = server.post_form("/api/detect", upload("{}")).await.json();
    assert_eq!(answer["problems"][0]["rule"], "several-projects", "{answer}");
    let answer = server.post_form("/api/detect", upload(r#"{"folder": "b"}"#)).await.json();
    assert_eq!(answer["decided_by"], json!(["b/package.json"]));
    server.post_form("/api/detect", form(&[text("metadata", "{}")])).await.assert_problem(400, "part-missing");
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn a_project_corrects_what_it_is_taken_for_and_a_slip_in_that_is_told_with_its_line() {
    let server = TestServer::start().await;
    let submit = async |written: &str, metadata: Value| {
        let files = [("a/package.json", PACKAGE), ("b/package.json", PACKAGE), (".pipelinex.yml", written)];
        server.upload(&zip(&files), &metadata).await.json()
    };
    let job = submit(".pipelinex: {folder: b, versions: {node: 24}}", json!({})).await;
    assert_eq!((&job["folder"], &job["versions"]["node"]), (&json!("b"), &json!("24")), "{job}");
    let job = submit(".pipelinex: {folder: b}", json!({"folder": "a"})).await;
    assert_eq!(job["folder"], "a", "who submits has the last word: {job}");
    let refused = submit(".pipelinex:\n  fodler: b\n", json!({})).await;
    let problem = &refused["problems"][0];
    assert_eq!((&problem["rule"], &problem["path"]), (&json!("project-file"), &json!(".pipelinex.yml")), "{refused}");
    assert_eq!(problem["message"], ".pipelinex.yml:2:3: unknown key `fodler` in `.pipelinex`");
    assert_eq!(problem["hint"], "did you mean `folder`?");
    server.stop().await;
}

#[tokio::test]
async fn what_no_stack_recognises_is_scanned_and_that_is_said() {
    let server = TestServer::start().await;
    let job = server.upload(&zip(&[("index.php", "<?php"), ("lib/a.php", "<?php")]), &json!({})).await.json();
    assert_eq!(job["stack"]["language"], "generic", "{job}");
    let ran: Vec<&str> = job["stages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|stage| stage["selected"] == true)
        .map(|stage| stage["name"].as_str().unwrap())
        .collect();
    assert_eq!(ran, ["SECRETS"], "{job}");
    let warnings = job["warnings"].to_string();
    for said in ["no stack is recognised", "name the stack to have it built", "SAST is left out", "SCA is left out"] {
        assert!(warnings.contains(said), "{said}: {warnings}");
    }
    let front = zip(&[("package.json", r#"{"engines": {"node": "^18"}}"#)]);
    let refused = server.upload(&front, &json!({})).await.json();
    assert_eq!(refused["candidates"][0]["stack"]["language"], "generic", "it can be scanned at least: {refused}");
    let job = server.upload(&zip(&[("tool/a.js", ""), ("yarn.lock", "")]), &json!({})).await.json();
    let ran = job["stages"].as_array().unwrap().iter().filter(|stage| stage["selected"] == true).count();
    assert_eq!(ran, 3, "{job}");
    server.stop().await;
}
