//! Addresses, names and origins: M29 and M31 through the whole server.

use reqwest::Method;
use serde_json::json;

use crate::support::{TestServer, good_form, head, status_of};

#[tokio::test]
async fn m29_a_bad_id_leads_nowhere_and_is_never_a_path() {
    let server = TestServer::start().await;
    let known = server.job().await.id();
    std::fs::write(server.store.layout().root().join("secret.json"), "secret").unwrap();
    let long = "a".repeat(8 * 1024);
    let upper = known.to_string().to_uppercase();
    for id in [
        "..",
        "%2e%2e",
        "%00",
        "..%2f",
        "..%2f..%2fetc%2fpasswd",
        ".staging",
        ".instance",
        "secret.json",
        "1",
        &long,
        "%ff",
        "日本",
        "%e6%97%a5",
        &upper,
        "{id}",
        "01900000-0000-7000-8000-000000000000",
        "' or 1=1 --",
    ] {
        for path in ["", "/status", "/reports", "/build/logs", "/findings", "/artifacts", "/artifacts/package/a.jar"] {
            let line = format!("GET /api/jobs/{}{path} HTTP/1.1\r\n", id.replace(' ', "%20"));
            let answer = server.raw(format!("{line}Host: localhost\r\nConnection: close\r\n\r\n")).await;
            assert_eq!(status_of(&answer), 404, "{line}{answer}");
            assert!(answer.contains("application/problem+json") && !answer.contains("secret\""), "{answer}");
        }
    }
    for stage in ["..", "%2e%2e", "%00", "..%2f..%2fmetadata.json", "metadata.json", "nope", &long, "%ff"] {
        let line = format!("GET /api/jobs/{known}/{stage}/logs HTTP/1.1\r\n");
        let answer = server.raw(format!("{line}Host: localhost\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(status_of(&answer), 404, "{line}{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_or_takes_another_method_is_told_in_the_same_envelope() {
    let server = TestServer::start().await;
    server.get("/api/nothing").await.assert_problem(404, "not-found");
    server.get("/nothing").await.assert_problem(404, "not-found");
    server.get("/api/jobs/upload").await.assert_problem(405, "method-not-allowed");
    let delete = server.send(server.client.request(Method::DELETE, server.url("/api/jobs"))).await;
    delete.assert_problem(405, "method-not-allowed");
    assert_eq!(delete.header("allow"), "GET,HEAD");
    server.stop().await;
}

#[tokio::test]
async fn m31_names_and_origins() {
    let server = TestServer::start().await;
    let get = |host: &str| server.client.get(server.url("/api/jobs")).header("host", host.to_owned());
    server.send(get("evil.test")).await.assert_problem(403, "host-not-allowed");
    assert_eq!(server.send(get("pipelinex.test:8000")).await.status, 200);
    let two = "GET /api/jobs HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\nConnection: close\r\n\r\n";
    assert!((400..404).contains(&status_of(&server.raw(two).await)));
    let old = server.raw("GET /api/jobs HTTP/1.0\r\n\r\n").await;
    assert_eq!(status_of(&old), 403, "{old}");

    let body = good_form();
    let post = |origin: &str| {
        format!(
            "{}Origin: {origin}\r\nContent-Length: {}\r\n\r\n",
            head("").trim_end_matches("\r\n").to_owned() + "\r\n",
            body.len()
        )
    };
    let evil = server.raw([post("http://evil.test").as_bytes(), &body].concat()).await;
    assert_eq!(status_of(&evil), 403, "{evil}");
    assert!(!evil.to_lowercase().contains("access-control-allow-origin"), "{evil}");
    server.assert_untouched().await;
    let friend = server.raw([post("http://localhost:4200").as_bytes(), &body].concat()).await;
    assert_eq!(status_of(&friend), 201, "{friend}");
    assert!(friend.contains("access-control-allow-origin: http://localhost:4200"), "{friend}");
    server.stop().await;
}

#[tokio::test]
async fn m31_preflight() {
    let server = TestServer::start().await;
    let preflight = |origin: &str| {
        let request = server.client.request(Method::OPTIONS, server.url("/api/jobs/upload"));
        request.header("origin", origin.to_owned()).header("access-control-request-method", "POST")
    };
    let friend = server.send(preflight("http://localhost:4200")).await;
    assert_eq!(friend.status, 200);
    assert_eq!(friend.header("access-control-allow-origin"), "http://localhost:4200");
    assert!(friend.header("access-control-allow-methods").contains("POST"));
    server.send(preflight("http://evil.test")).await.assert_problem(403, "cross-site");
    let read = server.client.get(server.url("/health")).header("origin", "http://evil.test");
    assert_eq!(server.send(read).await.header("access-control-allow-origin"), "");
    assert_eq!(server.get("/health").await.json(), json!({"status": "UP"}));
    server.stop().await;
}
