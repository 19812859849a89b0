//! Addresses, names and origins: M29 and M31 through the whole server.

use std::collections::BTreeSet;

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
    for path in ["/api/jobs", "/health"] {
        for second in ["evil.test", "localhost"] {
            let two = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nHost: {second}\r\nConnection: close\r\n\r\n");
            let answer = server.raw(two).await;
            assert!(status_of(&answer) == 400 && answer.contains("\"code\":\"host\""), "{answer}");
        }
    }
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
    let other_scheme = server.raw([post("https://localhost").as_bytes(), &body].concat()).await;
    assert_eq!(status_of(&other_scheme), 403, "{other_scheme}");
    server.assert_untouched().await;
    let own = server.raw([post("http://localhost").as_bytes(), &body].concat()).await;
    assert_eq!(status_of(&own), 201, "{own}");
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

#[tokio::test]
async fn m31_the_scheme_of_an_origin_is_the_one_that_a_trusted_proxy_names() {
    let server = TestServer::start_with(|config| config.trusted_proxies.0 = vec!["127.0.0.1".parse().unwrap()]).await;
    for (proto, origin, status) in [
        ("https", "https://pipelinex.test", 201),
        ("https", "http://pipelinex.test", 403),
        ("http", "https://pipelinex.test", 403),
    ] {
        let headers = [("host", "pipelinex.test"), ("x-forwarded-proto", proto), ("origin", origin)];
        let answer = server.upload_from(&server.client_from(1), &headers).await;
        assert_eq!(answer.status, status, "{proto} {origin}: {}", answer.text());
        let headers =
            [("host", "pipelinex.test"), ("x-forwarded-proto", "https"), ("origin", "https://pipelinex.test")];
        assert_eq!(server.upload_from(&server.client_from(2), &headers).await.status, 403, "it is no proxy");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_an_address_does_not_know_behind_the_question_mark_is_refused_everywhere() {
    let server = TestServer::start().await;
    let id = server.job().await.id();
    let job = format!("/api/jobs/{id}");
    let below = ["", "/status", "/reports", "/findings", "/artifacts", "/artifacts/package/a.jar", "/build/logs"];
    let addresses = below.iter().map(|path| format!("{job}{path}"));
    let others = ["/health", "/readyz", "/api/jobs", "/", "/new", "/jobs", "/jobs/lines", &format!("/jobs/{id}")];
    for address in addresses.chain(others.map(str::to_owned)) {
        for query in ["foo=1", "foo", "limit=1&limit=1", "%ff=1", "Severity=high"] {
            server.get(&format!("{address}?{query}")).await.assert_problem(400, "query");
        }
    }
    for address in [
        "/api/jobs/upload",
        "/api/jobs/github",
        "/api/precheck",
        "/api/detect",
        &format!("{job}/cancel"),
        "/jobs/check",
    ] {
        let post = server.client.post(server.url(&format!("{address}?dry_run=true"))).body(good_form());
        server.send(post).await.assert_problem(400, "query");
    }
    let person = server.client.get(server.url("/?foo=1")).header("accept", "text/html");
    let page = server.send(person).await;
    assert_eq!((page.status, page.header("content-type")), (400, "text/html; charset=utf-8"));
    // All that the form holds is known to the pages that show it.
    let page = server.get("/new").await.text();
    let form = page.split_once("<form").unwrap().1;
    let fields: BTreeSet<&str> = form.split("name=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let query: Vec<String> = fields.iter().map(|field| format!("{field}=x")).collect();
    let query = query.join("&");
    assert!(fields.len() > 20, "{query}");
    for address in ["/", "/new", "/jobs/lines"] {
        let answer = server.get(&format!("{address}?{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    server.stop().await;
}
