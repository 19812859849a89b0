//! Projects below the top of what is submitted, by every way in.

use serde_json::{Value, json};

use crate::support::{Answer, TestServer, file, form, text, zip};

const PACKAGE: &str = r#"{"name": "a", "dependencies": {"express": "5"}}"#;

/// A guide with its beginning and its end, as one folder of an archive.
fn guide() -> Vec<u8> {
    zip(&[
        ("guide-main/README.md", "# Guide"),
        ("guide-main/initial/package.json", PACKAGE),
        ("guide-main/complete/package.json", PACKAGE),
        ("guide-main/complete/package-lock.json", "{}"),
    ])
}

fn problems(answer: &Value) -> Vec<&str> {
    answer["problems"].as_array().unwrap().iter().map(|problem| problem["rule"].as_str().unwrap()).collect()
}

async fn page(server: &TestServer, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut parts = vec![file(&guide())];
    parts.extend(fields.iter().map(|(name, value)| text(name, value)));
    server.post_form(path, form(&parts)).await
}

#[tokio::test]
async fn several_projects_below_one_top_are_told_and_one_is_chosen_by_its_folder() {
    let server = TestServer::start().await;
    let refused = server.upload(&guide(), &json!({})).await;
    refused.assert_problem(422, "not-admitted");
    let refused = refused.json();
    assert_eq!(problems(&refused), ["several-projects"]);
    let stack = json!({"language": "node", "framework": "any", "build_tool": "any"});
    let expected = json!([
        {"folder": "complete", "stack": stack, "decided_by": ["complete/package.json", "complete/package-lock.json"]},
        {"folder": "initial", "stack": stack, "decided_by": ["initial/package.json"]},
    ]);
    assert_eq!(refused["candidates"], expected);
    for (folder, rule) in [("none", "unknown-folder"), ("../x", "unknown-folder"), (".", "unknown-stack")] {
        let refused = server.upload(&guide(), &json!({"folder": folder})).await;
        refused.assert_problem(422, "not-admitted");
        assert_eq!(problems(&refused.json()), [rule], "{folder}");
    }
    server.assert_untouched().await;

    let made = server.upload(&guide(), &json!({"folder": "complete/", "pipeline": {"only": ["build"]}})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let metadata = made.json();
    assert_eq!((&metadata["folder"], &metadata["warnings"]), (&json!("complete"), &json!([])));
    assert_eq!(metadata["stack"]["language"], "node");
    let told = server.get(&format!("/jobs/{}", metadata["job_id"].as_str().unwrap())).await.text();
    assert!(told.contains("<dt>Folder</dt><dd><code>complete</code></dd>"), "{told}");
    assert!(told.contains("--folder complete"), "the line for a shell makes the same job: {told}");

    let precheck = server.post_form("/api/precheck", form(&[file(&guide()), text("metadata", "{}")])).await.json();
    assert_eq!((&precheck["accepted"], &precheck["candidates"]), (&json!(false), &expected));
    server.stop().await;
}

#[tokio::test]
async fn the_form_has_a_picker_that_needs_no_script() {
    let server = TestServer::start().await;
    let refused = page(&server, "/jobs", &[("stack", ""), ("folder", "")]).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let radio = r#"<input type="radio" form="submit" name="picked" value="complete">"#;
    assert!(refused.text().contains(radio), "{}", refused.text());
    let checked =
        page(&server, "/jobs/check", &[("stack", ""), ("run_build", "on"), ("picked", "complete")]).await.text();
    assert!(checked.contains("in the folder <code>complete</code>"), "{checked}");
    let kept = r#"<input type="hidden" form="submit" name="picked" value="complete">"#;
    assert!(checked.contains(kept), "the list is gone with the verdict, and what was picked stays: {checked}");
    let lines = server.get("/jobs/lines?stack=&run_build=on&picked=complete").await;
    assert_eq!(lines.status, 200);
    assert!(lines.text().contains("--folder complete"), "{}", lines.text());
    server.stop().await;
}

#[tokio::test]
async fn the_only_project_is_taken_wherever_it_lies_and_that_is_said() {
    let server = TestServer::start().await;
    let zip = zip(&[("LICENSE", "x"), ("services/api/package.json", PACKAGE), ("docs/index.md", "x")]);
    for stack in [json!({}), json!({"language": "node", "framework": "express", "build_tool": "npm"})] {
        let metadata = server.upload(&zip, &json!({"stack": stack})).await.json();
        assert_eq!(metadata["folder"], "services/api", "{metadata}");
        let warning = metadata["warnings"][0].as_str().unwrap();
        assert_eq!(
            warning,
            "the project is taken to be the folder `services/api`, as node/any/any (by services/api/package.json)"
        );
    }
    let bad = zip_of_bad();
    let refused = server.upload(&bad, &json!({"stack": {}})).await.json();
    assert_eq!(refused["problems"][0]["path"], "api/package.json", "as seen from the top: {refused}");
    server.stop().await;
}

fn zip_of_bad() -> Vec<u8> {
    zip(&[("LICENSE", "x"), ("api/package.json", "{"), ("api/package-lock.json", "{}")])
}
