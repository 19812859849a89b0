//! The feed of a project, as a reader of feeds takes it.

use pipelinex_common::{
    access::Role,
    state::{JobState, Reason},
};
use quick_xml::{Reader, events::Event};
use serde_json::json;

use crate::{
    access::{token, with_accounts},
    answers::Worker,
    support::{BOUNDARY, TestServer, file, form, project, request, text},
};

/// What stands in the elements of this name; the whole is well-formed, or the test fails.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let (mut reader, mut found, mut inside) = (Reader::from_str(xml), Vec::new(), false);
    reader.config_mut().check_end_names = true;
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {xml}")) {
            Event::Start(tag) => {
                depth += 1;
                inside = tag.name().as_ref() == name;
                if inside {
                    found.push(String::new());
                }
            }
            Event::End(_) => (depth, inside) = (depth - 1, false),
            Event::Text(part) if inside => found.last_mut().unwrap().push_str(&part),
            Event::GeneralRef(part) if inside => {
                let known = quick_xml::escape::resolve_predefined_entity(&part);
                found.last_mut().unwrap().push_str(known.unwrap_or_else(|| panic!("{part:?}")));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "all is closed: {xml}");
    found
}

async fn ended(server: &TestServer, token: &str, branch: &str, state: JobState, why: Option<&str>) -> String {
    let mut metadata = request();
    (metadata["project"], metadata["branch"]) = (json!("shop"), json!(branch));
    let body = form(&[file(&project()), text("metadata", &metadata.to_string())]);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let upload = server.client.post(server.url("/api/jobs/upload")).header("content-type", kind).body(body);
    let made = server.send(upload.bearer_auth(token)).await.json();
    let job = server.store.job(made["job_id"].as_str().unwrap().parse().unwrap()).unwrap();
    Worker::take(&job).finish(state, why.map(|_| Reason::ScriptFailure), why);
    job.id().to_string()
}

#[tokio::test]
async fn the_feed_of_a_project_is_atom_with_a_link_to_each_run_for_those_who_may_see_them() {
    let server = with_accounts().await;
    let mine = token(&server.store, "mine", Role::Submitter, &["shop"]);
    let other = token(&server.store, "other", Role::Submitter, &["site"]);
    let first = ended(&server, &mine, "main", JobState::Succeeded, None).await;
    let second = ended(&server, &mine, "a & <b>", JobState::Failed, Some("BUILD failed: </feed> \u{1b}[31m")).await;
    let get = async |token: &str, query: &str| {
        let path = server.url(&format!("/api/projects/shop/feed.atom{query}"));
        server.send(server.client.get(path).bearer_auth(token)).await
    };
    let answer = get(&mine, "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/atom+xml; charset=utf-8"));
    let feed = String::from_utf8(answer.body).unwrap();
    let titles = ["Pipelinex: shop", "#2 on a & <b>: failed", "#1 on main: passed"];
    assert_eq!(texts(&feed, "title"), titles, "{feed}");
    let ids = texts(&feed, "id");
    assert_eq!(ids[1..], [format!("urn:uuid:{second}"), format!("urn:uuid:{first}")]);
    assert!(texts(&feed, "summary")[0].contains("</feed> \\u{1b}[31m"), "{feed}");
    let updated = texts(&feed, "updated");
    assert!(updated.iter().all(|at| at.parse::<jiff::Timestamp>().is_ok()) && updated[0] == updated[1], "{updated:?}");
    assert!(feed.contains(&format!("href=\"/jobs/{first}\"")), "{feed}");

    let of_main = String::from_utf8(get(&mine, "?branch=main").await.body).unwrap();
    assert_eq!(texts(&of_main, "title"), [titles[0], titles[2]]);
    assert_ne!(texts(&of_main, "id")[0], ids[0], "another feed");
    get(&mine, "?colour=red").await.assert_problem(400, "query");
    get(&other, "").await.assert_problem(404, "not-found");
    server.get("/api/projects/shop/feed.atom").await.assert_problem(401, "unauthorized");
    server.stop().await;
}
