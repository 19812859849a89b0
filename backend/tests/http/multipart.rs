//! Section 2 of the hostile input: forms. Each refusal is typed, says what to do, and leaves nothing.

use std::time::Duration;

use serde_json::json;
use tokio::{io::AsyncWriteExt, time::sleep};

use crate::support::{
    BOUNDARY, TestServer, file, form, good_form, head, part, project, read_all, request, status_of, text,
};

fn metadata() -> Vec<u8> {
    text("metadata", &request().to_string())
}

/// Posts each body and expects the code.
async fn refused(cases: Vec<(&str, Vec<u8>, u16, &str)>) {
    let server = TestServer::start().await;
    for (case, body, status, code) in cases {
        println!("{case}");
        server.post_form("/api/jobs/upload", body.clone()).await.assert_problem(status, code);
        server.post_form("/api/precheck", body).await.assert_problem(status, code);
        server.assert_untouched().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn m01_to_m06_parts_that_miss_or_come_twice_or_are_unknown() {
    let zip = || file(&project());
    refused(vec![
        ("M01", form(&[metadata()]), 400, "part-missing"),
        ("M02", form(&[zip()]), 400, "part-missing"),
        ("M01+M02", form(&[]), 400, "part-missing"),
        ("M03", form(&[zip(), zip(), metadata()]), 400, "part-twice"),
        ("M04", form(&[metadata(), metadata(), zip()]), 400, "part-twice"),
        ("M05", form(&[zip(), text("extra", "1"), metadata()]), 400, "part-unknown"),
        ("M05 no name", form(&[part("Content-Disposition: form-data", b"x")]), 400, "part-unknown"),
        ("M05 no head", form(&[part("X: y", b"x")]), 400, "part-unknown"),
    ])
    .await;
}

#[tokio::test]
async fn m06_both_orders_of_the_parts_work() {
    let server = TestServer::start().await;
    for parts in [[file(&project()), metadata()], [metadata(), file(&project())]] {
        let answer = server.post_form("/api/jobs/upload", form(&parts)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("location"), format!("/api/jobs/{}", answer.json()["job_id"].as_str().unwrap()));
    }
    assert_eq!(server.store.ids().unwrap().len(), 2);
    server.assert_nothing_staged().await;
    server.stop().await;
}

#[tokio::test]
async fn m07_and_j_metadata_that_is_too_large_or_no_request() {
    let with = |text_of: &str| form(&[file(&project()), text("metadata", text_of)]);
    let first = |text_of: &str| form(&[text("metadata", text_of), file(&project())]);
    let padded = format!("{}{}", request(), " ".repeat(64 * 1024));
    let mut git = request();
    git["pipeline"]["secret_scan_mode"] = json!("git");
    let mut custom = request();
    custom["pipeline"]["secret_scan_mode"] = json!("custom");
    let mut nothing = request();
    nothing["pipeline"] = json!({"run_build": false});
    let mut stack = request();
    stack["stack"]["framework"] = json!("rails");
    refused(vec![
        ("M07", with(&padded), 413, "too-large"),
        ("M07 first", first(&padded), 413, "too-large"),
        ("M07 10 MB", first(&" ".repeat(1_900_000)), 413, "too-large"),
        ("J01", with(&"[".repeat(60_000)), 400, "metadata-not-json"),
        ("J13", with(""), 400, "metadata-not-json"),
        ("J12", with("// {}"), 400, "metadata-not-json"),
        ("J06", with("[]"), 422, "metadata-invalid"),
        ("J05", with(r#"{"stack": 7}"#), 422, "metadata-invalid"),
    ])
    .await;
    let server = TestServer::start().await;
    for (case, metadata) in [("git", git), ("custom", custom), ("nothing", nothing), ("stack", stack)] {
        let answer = server.upload(&project(), &metadata).await;
        println!("{case}: {}", answer.text());
        answer.assert_problem(422, "not-admitted");
        let problem = &answer.json()["problems"][0];
        assert!(problem["rule"].is_string() && problem["hint"].is_string(), "{problem}");
        server.assert_untouched().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn m08_m16_m17_parts_of_another_kind() {
    let typed = |kind: &str| {
        let head = format!("Content-Disposition: form-data; name=\"metadata\"\r\nContent-Type: {kind}");
        form(&[file(&project()), part(&head, request().to_string().as_bytes())])
    };
    let zip_head = "Content-Disposition: form-data; name=\"project_zip\"; filename=\"a.zip\"";
    let zip = |more: &str| form(&[metadata(), part(&format!("{zip_head}\r\n{more}"), &project())]);
    refused(vec![
        ("M08", typed("image/png"), 415, "part-type"),
        ("M08 charset", typed("application/json; charset=utf-16"), 415, "part-type"),
        ("M16", typed("multipart/mixed; boundary=inner"), 415, "part-type"),
        ("M16 file", zip("Content-Type: multipart/mixed; boundary=inner"), 415, "part-type"),
        ("M17", zip("Content-Transfer-Encoding: base64"), 415, "part-encoding"),
        ("M17 gzip", zip("Content-Encoding: gzip"), 415, "part-encoding"),
    ])
    .await;
    let server = TestServer::start().await;
    for kind in ["application/json", "text/plain; charset=UTF-8", "application/octet-stream"] {
        assert_eq!(server.post_form("/api/jobs/upload", typed(kind)).await.status, 201, "{kind}");
    }
    for more in ["Content-Type: text/html", "Content-Transfer-Encoding: binary"] {
        assert_eq!(server.post_form("/api/jobs/upload", zip(more)).await.status, 201, "{more}: the content decides");
    }
    server.stop().await;
}

#[tokio::test]
async fn m09_m18_the_head_of_the_request() {
    let server = TestServer::start().await;
    let long = "x".repeat(71);
    for (case, kind, status, code) in [
        ("M09 none", "multipart/form-data", 400, "boundary"),
        ("M09 empty", "multipart/form-data; boundary=\"\"", 400, "boundary"),
        ("M09 71", &format!("multipart/form-data; boundary={long}"), 400, "boundary"),
        ("no form", "application/json", 415, "not-a-form"),
        ("no type", "", 415, "not-a-form"),
        ("M09 other", "multipart/form-data; boundary=another", 400, "form-broken"),
    ] {
        println!("{case}");
        let post = server.client.post(server.url("/api/jobs/upload")).header("content-type", kind);
        server.send(post.body(good_form())).await.assert_problem(status, code);
        server.assert_untouched().await;
    }
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let post = server.client.post(server.url("/api/jobs/upload")).header("content-type", kind);
    let zipped = post.header("content-encoding", "gzip").body(good_form());
    server.send(zipped).await.assert_problem(415, "content-encoding");
    server.assert_untouched().await;
    let quoted = format!("multipart/form-data; boundary=\"{BOUNDARY}\"");
    let post = server.client.post(server.url("/api/jobs/upload")).header("content-type", quoted);
    assert_eq!(server.send(post.body(good_form())).await.status, 201, "M09 quoted");
    server.stop().await;
}

#[tokio::test]
async fn m10_m12_m13_m14_forms_that_never_come_to_the_point() {
    let open = form(&[metadata(), file(&project())]);
    let open = open[..open.len() - BOUNDARY.len() - 8].to_vec();
    let line_feeds = String::from_utf8_lossy(&form(&[metadata()])).replace("\r\n", "\n").into_bytes();
    let flood = |bytes: usize| part(&format!("X-Flood: {}", "x".repeat(bytes)), b"x");
    let many = format!("X: {}", "y\r\nX: ".repeat(100));
    refused(vec![
        ("M10", open, 400, "form-broken"),
        ("M10 preamble", vec![b'x'; 1_500_000], 400, "form-broken"),
        ("M12", line_feeds, 400, "form-broken"),
        ("M13 one line", form(&[flood(1_000_000)]), 400, "form-broken"),
        ("M13 many lines", form(&[part(&many, b"x")]), 400, "form-broken"),
        ("M14", form(&vec![text("x", ""); 10_000]), 400, "part-unknown"),
    ])
    .await;
    // Given up early, and not only when all of it had come in and been looked at again with each piece.
    let server = TestServer::start().await;
    for body in [vec![b'x'; 1_500_000], form(&[flood(1_000_000)])] {
        let answer = server.post_form("/api/jobs/upload", body).await;
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains("the head of a part is larger than"), "{detail}");
    }
    server.stop().await;
}

#[tokio::test]
async fn m11_a_boundary_may_fall_on_any_edge_of_what_comes_in() {
    let server = TestServer::start().await;
    let body = form(&[metadata(), file(&project())]);
    let head = head(&format!("Content-Length: {}\r\nConnection: close\r\n", body.len()));
    // The end of the first part and the whole head of the second: every byte is once the last of a packet.
    let start = metadata().len() - 8;
    for cut in start..start + 2 * BOUNDARY.len() + 140 {
        let mut stream = server.connect().await;
        stream.set_nodelay(true).unwrap();
        stream.write_all(&[head.as_bytes(), &body[..cut]].concat()).await.unwrap();
        sleep(Duration::from_millis(2)).await;
        stream.write_all(&body[cut..]).await.unwrap();
        let answer = read_all(&mut stream, Duration::from_secs(5)).await;
        assert_eq!(status_of(&answer), 201, "cut at {cut}: {answer}");
    }
    server.assert_nothing_staged().await;
    server.stop().await;
}

#[tokio::test]
async fn m15_the_name_of_the_file_is_never_a_path() {
    let server = TestServer::start().await;
    let outside = server.store.layout().root().join("evil.zip");
    for name in ["../../evil.zip", "/etc/evil.zip", "..\\evil.zip", &"x".repeat(8 * 1024), "a\" ; x=\"", "."] {
        let head = format!("Content-Disposition: form-data; name=\"project_zip\"; filename=\"{name}\"");
        let answer = server.post_form("/api/jobs/upload", form(&[metadata(), part(&head, &project())])).await;
        assert_eq!(answer.status, 201, "{name}: {}", answer.text());
    }
    let star = "Content-Disposition: form-data; name=\"project_zip\"; filename*=UTF-8''..%2f..%2fevil.zip";
    let answer = server.post_form("/api/jobs/upload", form(&[metadata(), part(star, &project())])).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(!outside.exists());
    // A zero byte, and 64 KiB: no head of a part looks like that.
    for name in ["a\0b".to_owned(), "x".repeat(64 * 1024)] {
        let head = format!("Content-Disposition: form-data; name=\"project_zip\"; filename=\"{name}\"");
        let answer = server.post_form("/api/jobs/upload", form(&[metadata(), part(&head, &project())])).await;
        answer.assert_problem(400, "form-broken");
    }
    server.assert_nothing_staged().await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_zip_or_no_project_is_refused_with_rule_and_hint() {
    let server = TestServer::start().await;
    let whole = project();
    let no_pom = crate::support::zip(&[("src/main/java/A.java", "@SpringBootApplication class A {}")]);
    for (case, content, code) in [
        ("Z70 empty", Vec::new(), "zip-refused"),
        ("Z71 text", b"hello".to_vec(), "zip-refused"),
        ("Z68 truncated", whole[..whole.len() - 30].to_vec(), "zip-refused"),
        ("Z01 escape", crate::support::zip(&[("../../x", "x"), ("pom.xml", "x")]), "zip-refused"),
        ("no pom.xml", no_pom, "not-admitted"),
    ] {
        let answer = server.upload(&content, &request()).await;
        println!("{case}: {}", answer.text());
        answer.assert_problem(422, code);
        for problem in answer.json()["problems"].as_array().unwrap() {
            for field in ["rule", "message", "hint"] {
                assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {problem}");
            }
        }
        server.assert_untouched().await;
        let precheck = server.post_form("/api/precheck", form(&[file(&content), metadata()])).await;
        assert_eq!(precheck.status, 200);
        assert_eq!(precheck.json()["accepted"], false);
        assert_eq!(precheck.json()["problems"], answer.json()["problems"]);
        server.assert_untouched().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn json_with_a_byte_order_mark_and_under_its_other_names_is_json() {
    let server = TestServer::start().await;
    let metadata = format!("\u{feff}{}", request());
    for kind in ["application/json", "text/json", "application/vnd.api+json; charset=UTF-8", "text/plain"] {
        let head = format!("Content-Disposition: form-data; name=\"metadata\"\r\nContent-Type: {kind}");
        let body = form(&[file(&project()), part(&head, metadata.as_bytes())]);
        let answer = server.post_form("/api/jobs/upload", body).await;
        assert_eq!(answer.status, 201, "{kind}: {}", answer.text());
    }
    let wish = json!({"github_url": "https://evil.test/team/app", "stack": request()["stack"]});
    for kind in ["application/json", "text/json; charset=utf-8", "Application/Vnd.api+JSON"] {
        let clone = server.client.post(server.url("/api/jobs/github")).header("content-type", kind);
        // It was read: what is refused is the host.
        server.send(clone.body(format!("\u{feff}{wish}"))).await.assert_problem(422, "git-refused");
    }
    for kind in ["text/html", "application/jsonx", "text/x+json"] {
        let clone = server.client.post(server.url("/api/jobs/github")).header("content-type", kind);
        server.send(clone.body(wish.to_string())).await.assert_problem(415, "not-json");
    }
    server.stop().await;
}
