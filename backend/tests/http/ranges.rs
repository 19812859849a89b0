//! Ranges and names of contents: M30, on logs, reports and artifacts.

use pipelinex_common::{
    slug::Slug,
    state::{JobState, StepState},
};

use crate::{
    answers::Worker,
    support::{Answer, TestServer},
};

async fn ask(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request =
        headers.iter().fold(server.client.get(server.url(path)), |get, (name, value)| get.header(*name, *value));
    server.send(request).await
}

fn assert_range(answer: &Answer, sent: &str, range: &str) {
    assert_eq!(answer.text(), format!("206 {sent}"));
    assert_eq!((answer.header("content-range"), answer.header("accept-ranges")), (range, "bytes"));
    assert_eq!(answer.header("content-length"), sent.len().to_string());
}

#[tokio::test]
async fn m30_a_growing_log_has_ranges_and_no_name_until_its_job_has_ended() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let url = format!("/api/jobs/{}/build/logs", job.id());
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Running, None, "");
    worker.log("BUILD", "0123456789");
    let growing = server.get(&url).await;
    assert_eq!((growing.text().as_str(), growing.header("etag")), ("200 0123456789", ""));
    assert_range(&ask(&server, &url, &[("range", "bytes=2-4")]).await, "234", "bytes 2-4/10");
    assert_range(&ask(&server, &url, &[("range", "bytes=-2")]).await, "89", "bytes 8-9/10");
    let rest = format!("{url}?offset=5");
    assert_range(&ask(&server, &rest, &[("range", "bytes=1-")]).await, "6789", "bytes 1-4/5");
    let beyond = ask(&server, &url, &[("range", "bytes=10-")]).await;
    beyond.assert_problem(416, "no-such-range");
    assert_eq!(beyond.header("content-range"), "bytes */10");
    let many = format!("bytes={}", vec!["0-1"; 5_000].join(","));
    for range in ["bytes=5-2", "bytes=0-1,4-5", "lines=1-2", &many] {
        let whole = ask(&server, &url, &[("range", range)]).await;
        assert_eq!(whole.text(), "200 0123456789", "the whole is a right answer to what is not one range");
    }
    assert_eq!(ask(&server, &url, &[("range", "bytes=0-1"), ("if-range", "\"x\"")]).await.status, 200);

    worker.stage("BUILD", StepState::Success, None, "");
    worker.finish(JobState::Succeeded, None, None);
    let ended = server.get(&url).await;
    assert!(ended.header("etag").starts_with('"'), "a strong one: {:?}", ended.headers);
    assert_ne!(ended.header("etag"), server.get(&rest).await.header("etag"), "another excerpt is another content");
    let same = ask(&server, &url, &[("if-none-match", ended.header("etag"))]).await;
    assert_eq!((same.status, same.body.len(), same.header("x-log-complete")), (304, 0, "true"));
    server.stop().await;
}

#[tokio::test]
async fn m30_what_is_final_has_a_strong_name_and_conditions_are_kept() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let mut worker = Worker::take(&job);
    let folder = job.paths().artifacts_of(&Slug::of("PACKAGE"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("app.jar"), "0123456789").unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    worker.stage("PACKAGE", StepState::Success, None, "");
    worker.log("PACKAGE", "packed");
    worker.finish(JobState::Succeeded, None, None);
    let base = format!("/api/jobs/{}", job.id());
    for path in ["/artifacts/package/app.jar", "/package/logs", "/reports"].map(|path| format!("{base}{path}")) {
        let whole = server.get(&path).await;
        let etag = whole.header("etag").to_owned();
        assert!(whole.status == 200 && etag.starts_with('"') && etag.ends_with('"'), "{path}: {:?}", whole.headers);
        assert_eq!((whole.header("cache-control"), whole.header("accept-ranges")), ("private, no-cache", "bytes"));
        assert_eq!(server.get(&path).await.header("etag"), etag, "{path}: it stays the same");

        for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let same = ask(&server, &path, &[("if-none-match", &known), ("range", "bytes=0-1")]).await;
            assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, etag.as_str()), "{known}");
            assert_eq!(same.header("x-content-type-options"), "nosniff");
        }
        assert_eq!(ask(&server, &path, &[("if-none-match", "\"x\"")]).await.body, whole.body);
        ask(&server, &path, &[("if-match", "\"x\"")]).await.assert_problem(412, "changed");
        assert_eq!(ask(&server, &path, &[("if-match", &etag)]).await.body, whole.body);

        let part = ask(&server, &path, &[("range", "bytes=2-4")]).await;
        assert_eq!((part.status, &part.body[..]), (206, &whole.body[2..5]), "{path}");
        assert_eq!(part.header("etag"), etag);
        let part = ask(&server, &path, &[("range", "bytes=2-4"), ("if-range", &etag)]).await;
        assert_eq!((part.status, &part.body[..]), (206, &whole.body[2..5]), "{path}");
        for stale in ["\"x\"", &format!("W/{etag}"), "Thu, 01 Jan 2026 00:00:00 GMT"] {
            let all = ask(&server, &path, &[("range", "bytes=2-4"), ("if-range", stale)]).await;
            assert_eq!((all.status, &all.body), (200, &whole.body), "{stale}");
        }
        // Resumed in pieces it is the same file.
        let middle = whole.body.len() / 2;
        let first = ask(&server, &path, &[("range", &format!("bytes=0-{}", middle - 1))]).await;
        let rest = ask(&server, &path, &[("range", &format!("bytes={middle}-")), ("if-range", &etag)]).await;
        assert_eq!([first.body, rest.body].concat(), whole.body);
        let head = server.send(server.client.head(server.url(&path)).header("range", "bytes=0-1")).await;
        assert_eq!((head.status, head.header("content-length")), (200, whole.body.len().to_string().as_str()));
    }
    let empty = format!("{base}/artifacts/package/empty");
    assert_eq!(server.get(&empty).await.text(), "200 ");
    assert_eq!(ask(&server, &empty, &[("range", "bytes=0-")]).await.status, 416);
    server.stop().await;
}
