//! What a server refuses, by the real program: each with a sentence that helps, and nothing left of it.

use pipelinex_common::testing::zip_builder::ZipBuilder;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::{
    projects::{example, maven, zip_of},
    server::{Answer, Server},
    world::{World, names, story, until},
};

/// A refusal has the envelope, a sentence, and no path of this machine in it.
fn refused(what: &str, answer: &Answer, helps: &str) {
    let text = answer.text();
    assert!((400..500).contains(&answer.status), "{what}: {} {text}", answer.status);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    let body = answer.json();
    assert_eq!(body["status"], answer.status, "{what}");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 15), "{what}: {text}");
    assert!(text.contains(helps), "{what} should say `{helps}`: {text}");
    assert!(!text.contains("/var/tmp"), "{what} tells where things are: {text}");
}

/// Nothing of a refused upload is there, and the server goes on.
async fn untouched(what: &str, world: &World, server: &Server) {
    let staging = world.workspaces.join(".staging");
    until(&format!("nothing of `{what}` is staged"), async || names(&staging).is_empty().then_some(())).await;
    assert_eq!(server.get("/api/jobs").await.json()["jobs"], json!([]), "{what} made a job");
    assert_eq!(server.get("/health").await.json(), json!({"status": "UP"}), "{what}");
}

#[test]
fn bad_uploads_leave_nothing_but_a_sentence() {
    story(async |world| {
        let server = world.serve(&["serve"]).await;
        let good = zip_of(&example("spring-boot-maven"));
        let request = maven(&["run_build"]).to_string();
        let without_pom = ZipBuilder::new().file("src/main/java/A.java", "@SpringBootApplication class A {}").build();
        let truncated = good[..good.len() / 2].to_vec();
        for (what, zip, helps) in [
            ("a path that climbs out", ZipBuilder::new().file("../../evil.sh", "x").build(), ".."),
            ("an absolute path", ZipBuilder::new().file("/etc/cron.d/evil", "x").build(), "/etc/cron.d/evil"),
            ("a link", ZipBuilder::new().file("pom.xml", "").symlink("link", "/etc/passwd").build(), "link"),
            ("a truncated archive", truncated, "ZIP"),
            ("text", b"this is no archive at all, only some words".to_vec(), "ZIP"),
            ("an empty file", Vec::new(), "empty"),
            ("an archive of nothing", ZipBuilder::new().build(), "empty"),
            ("no pom.xml", without_pom, "pom.xml"),
        ] {
            let answer = server.post("/api/jobs/upload", Some(zip), Some(&request)).await;
            refused(what, &answer, helps);
            untouched(what, world, &server).await;
        }
        let other_stack = r#"{"stack": {"language": "cobol", "framework": "cics", "build_tool": "jcl"}}"#;
        for (what, metadata, helps) in [
            ("no metadata", None, "metadata"),
            ("broken metadata", Some("{\"stack\": {"), "JSON"),
            ("a list for metadata", Some("[]"), "stack"),
            ("a stack that nobody knows", Some(other_stack), "cobol"),
            ("nothing selected", Some(&*maven(&[]).to_string()), "select"),
        ] {
            let answer = server.post("/api/jobs/upload", Some(good.clone()), metadata).await;
            refused(what, &answer, helps);
            untouched(what, world, &server).await;
        }
        refused("no archive", &server.post("/api/jobs/upload", None, Some(&request)).await, "project_zip");
        for id in
            ["x", "..%2f..%2fetc", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "%00", "0190a1b2c3d47e5f8a9b0c1d2e3f4a5b"]
        {
            for page in ["status", "reports", "build/logs"] {
                let answer = server.get(&format!("/api/jobs/{id}/{page}")).await;
                assert_eq!(answer.status, 404, "{id} {page}: {}", answer.text());
                refused(id, &answer, "job");
            }
        }
        broken_off(world, &server, &good).await;
        untouched("an upload that broke off", world, &server).await;
        server.process.stop().await;
    });
}

/// A client that goes away in the middle of its file.
async fn broken_off(world: &World, server: &Server, zip: &[u8]) {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let part = "--B\r\nContent-Disposition: form-data; name=\"project_zip\"; filename=\"a.zip\"\r\n\r\n";
    let head = format!(
        "POST /api/jobs/upload HTTP/1.1\r\nHost: {address}\r\nContent-Type: multipart/form-data; boundary=B\r\n\
         Content-Length: {}\r\n\r\n{part}",
        zip.len() * 2
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(zip).await.unwrap();
    let staging = world.workspaces.join(".staging");
    until("the upload is being staged", async || (!names(&staging).is_empty()).then_some(())).await;
}
