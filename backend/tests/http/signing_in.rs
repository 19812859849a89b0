//! A person on the page: signs in with a token, is known by a cookie, and signs out; and what audit.jsonl says of it all.

use pipelinex_backend::access::Auth;
use pipelinex_common::access::Role;
use reqwest::redirect::Policy;

use crate::{
    access::{submit, token, with_accounts},
    support::{Answer, TestServer},
};

/// A browser without JavaScript: it follows nothing by itself here, and says where its posts come from.
async fn browse(server: &TestServer, method: &str, path: &str, cookie: &str, body: &str) -> Answer {
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let request = client.request(method.parse().unwrap(), server.url(path)).header("accept", "text/html");
    let request = request.header("origin", server.url("")).header("cookie", cookie);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned());
    server.send(request).await
}

async fn sign_in(server: &TestServer, token: &str) -> String {
    let answer = browse(server, "POST", "/login", "", &format!("to=%2F&token={token}")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"), "{}", answer.text());
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax") && !cookie.contains(token), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_signs_in_comes_back_to_the_page_and_signs_out() {
    let server = with_accounts().await;
    let ours = token(&server.store, "ada", Role::Submitter, &["shop"]);
    let made = submit(&server, &ours, None).await.json();
    let page = format!("/jobs/{}", made["job_id"].as_str().unwrap());
    let asked = browse(&server, "GET", &page, "", "").await;
    let login = asked.header("location").to_owned();
    assert_eq!((asked.status, login.as_str()), (303, &*format!("/login?to={}", page.replace('/', "%2F"))));
    let form = browse(&server, "GET", &login, "", "").await.text();
    assert!(form.contains("type=\"password\"") && form.contains(&format!("value=\"{page}\"")), "{form}");
    for (body, status) in [("token=", 400), ("token=plx_wrong", 401)] {
        let told = browse(&server, "POST", "/login", "", body).await;
        assert!(told.status == status && told.text().contains("Not signed in"), "{}", told.text());
        assert_eq!(told.header("set-cookie"), "");
    }

    let cookie = sign_in(&server, &ours).await;
    let shown = browse(&server, "GET", &page, &cookie, "").await;
    assert!(shown.status == 200 && shown.text().contains("ada, submitter"), "{}", shown.text());
    let canceled = browse(&server, "POST", &format!("{page}/cancel"), &cookie, "").await;
    assert_eq!((canceled.status, canceled.header("location")), (303, page.as_str()));
    let out = browse(&server, "POST", "/logout", &cookie, "").await;
    assert!(out.status == 303 && out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(browse(&server, "GET", &page, &cookie, "").await.status, 303, "a copy of the cookie is worth nothing");
    server.stop().await;
}

#[tokio::test]
async fn a_session_is_no_use_to_another_site_and_ends_with_its_token() {
    let server = with_accounts().await;
    let ours = token(&server.store, "ada", Role::Submitter, &["shop"]);
    let id = submit(&server, &ours, None).await.json()["job_id"].as_str().unwrap().to_owned();
    let cookie = sign_in(&server, &ours).await;
    let post = || server.client.post(server.url(&format!("/api/jobs/{id}/cancel"))).header("cookie", &cookie);
    for (name, value) in [("origin", "http://evil.test"), ("sec-fetch-site", "cross-site"), ("x-nothing", "said")] {
        server.send(post().header(name, value)).await.assert_problem(403, "cross-site");
    }
    assert!(server.store.job(id.parse().unwrap()).unwrap().cancel_wish().is_none());
    assert_eq!(browse(&server, "GET", "/", &cookie, "").await.status, 200);
    server.store.revoke_token("ada").unwrap();
    let begun = std::time::Instant::now();
    while browse(&server, "GET", "/", &cookie, "").await.status != 303 {
        assert!(begun.elapsed().as_secs() < 1, "not within a second");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_record_says_who_did_what_to_which_job_and_who_was_refused() {
    let server = with_accounts().await;
    let (ours, theirs) = (
        token(&server.store, "ours", Role::Submitter, &["shop"]),
        token(&server.store, "theirs", Role::Submitter, &["x"]),
    );
    let viewer = token(&server.store, "looks", Role::Viewer, &["shop"]);
    let id = submit(&server, &ours, None).await.json()["job_id"].as_str().unwrap().to_owned();
    let cancel = format!("/api/jobs/{id}/cancel");
    for token in [&theirs, &viewer, &"plx_wrong".to_owned(), &ours] {
        server.send(server.client.post(server.url(&cancel)).bearer_auth(token)).await;
    }
    server.send(server.client.get(server.url(&format!("/api/jobs/{id}"))).bearer_auth(&ours)).await;
    let told: Vec<_> = server.store.audit_tail(10).unwrap();
    let line = |line: &pipelinex_common::store::AuditLine| {
        assert_eq!((line.from.as_deref(), line.to.as_deref()), (Some("127.0.0.1"), Some(&*id)));
        format!("{} {} {}", line.who.as_deref().unwrap_or("?"), line.action, line.outcome)
    };
    let told: Vec<_> = told.iter().map(line).collect();
    let expected = [
        "ours submit done",
        "theirs cancel refused: 404",
        "looks cancel refused: 403",
        "? cancel refused: 401",
        "ours cancel done",
    ];
    assert_eq!(told, expected);
    server.stop().await;
}

#[tokio::test]
async fn without_accounts_there_is_nothing_to_sign_in_to() {
    let server = TestServer::start_with(|config| config.auth = Auth::None).await;
    let asked = browse(&server, "GET", "/login", "", "").await;
    assert_eq!((asked.status, asked.header("location")), (303, "/"));
    assert!(!browse(&server, "GET", "/", "", "").await.text().contains("Sign out"));
    server.stop().await;
}
