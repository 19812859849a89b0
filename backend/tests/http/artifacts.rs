//! What steps made.

use std::os::unix::fs::PermissionsExt;

use pipelinex_common::{
    slug::Slug,
    state::{JobState, StepState},
};
use serde_json::{Value, json};

use crate::{
    answers::Worker,
    support::{TestServer, status_of},
};

#[tokio::test]
async fn artifacts_are_listed_and_sent_as_files_that_lead_nowhere() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let url = format!("/api/jobs/{}/artifacts", job.id());
    let none = server.get(&url).await.json();
    assert_eq!((&none["artifacts"], &none["complete"]), (&json!([]), &json!(false)));

    let mut worker = Worker::take(&job);
    let folder = job.paths().artifacts_of(&Slug::of("PACKAGE"));
    let put = |path: &str, content: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    put("target/app.jar", "PK jar");
    put("target/<b>\"x\r.html", "<script>alert(1)</script>");
    std::fs::write(job.paths().root().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(job.paths().root().join("secret"), folder.join("link")).unwrap();
    std::os::unix::fs::symlink("/etc", folder.join("etc")).unwrap();
    std::os::unix::fs::symlink("../other/file", folder.join("others")).unwrap();
    std::os::unix::fs::symlink("target/app.jar", folder.join("latest.jar")).unwrap();
    let other = job.paths().artifacts_of(&Slug::of("OTHER"));
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("file"), "another step's").unwrap();
    std::fs::set_permissions(other.join("file"), std::fs::Permissions::from_mode(0o750)).unwrap();
    worker.stage("PACKAGE", StepState::Success, None, "");
    worker.finish(JobState::Succeeded, None, None);

    let page = server.get(&url).await.json();
    assert_eq!((&page["complete"], &page["cut"]), (&json!(true), &json!(false)));
    assert_eq!(
        page["artifacts"],
        json!([
            {"step": "other", "path": "file", "bytes": 14, "executable": true},
            {"step": "package", "path": "target/app.jar", "bytes": 6},
            {"step": "package", "path": "latest.jar", "bytes": 6, "link": "target/app.jar"},
        ])
    );
    let linked = server.get(&format!("{url}/package/latest.jar")).await;
    assert_eq!((linked.status, linked.body.as_slice()), (200, &b"PK jar"[..]));
    let jar = server.get(&format!("{url}/package/target/app.jar")).await;
    assert_eq!((jar.status, jar.body.as_slice()), (200, &b"PK jar"[..]));
    assert_eq!(jar.header("content-type"), "application/octet-stream");
    assert_eq!(jar.header("content-disposition"), "attachment; filename=\"app.jar\"");
    assert_eq!((jar.header("x-content-type-options"), jar.header("content-length")), ("nosniff", "6"));
    let page = server.get(&format!("{url}/package/target/%3Cb%3E%22x%0D.html")).await;
    assert_eq!((page.status, page.header("content-disposition")), (200, "attachment; filename=\"_b__x_.html\""));
    for path in [
        "package/link",
        "package/etc/passwd",
        "package/others",
        "package/latest.jar/x",
        "package/nope",
        "package/target",
        "package/../../secret",
        "package/..%2f..%2fsecret",
        "package/target/..%2f..%2f..%2fmetadata.json",
        "package/%2fetc%2fpasswd",
        "package/%00",
        "package/target%2fapp.jar%00",
        "package/./target/app.jar",
        "package//target/app.jar",
        "../metadata.json",
        "%2e%2e/metadata.json",
        "PACKAGE/target/app.jar",
        "package/%ff",
        &format!("package/{}", "a/".repeat(3000)),
    ] {
        let line = format!("GET {url}/{path} HTTP/1.1\r\n");
        let answer = server.raw(format!("{line}Host: localhost\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(status_of(&answer), 404, "{line}{answer}");
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(body["code"], "not-found", "{line}{answer}");
    }
    server.stop().await;
}
