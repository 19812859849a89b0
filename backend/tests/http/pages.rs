//! The pages, as a browser without JavaScript gets them.

use pipelinex_common::{
    coverage::{Scanned, Skipped, Unread},
    execution::{FailedTest, FindingCounts, TestCounts},
    state::{JobState, Reason, StepState},
};

use crate::{
    answers::Worker,
    support::{Answer, TestServer, file, form, project, text, zip},
};

/// What a browser sends when somebody chose a file and typed a project.
fn filled(zip: &[u8], project: &str) -> Vec<u8> {
    form(&[
        file(zip),
        text("github_url", ""),
        text("ref", ""),
        text("stack", "java/spring-boot/maven"),
        text("versions", "java=17"),
        text("build_tool", "3.9"),
        text("run_build", "on"),
        text("run_unit_tests", "on"),
        text("secret_scan_mode", "dir"),
        text("sast_mode", "default"),
        text("project", project),
        text("branch", ""),
        text("commit", ""),
    ])
}

/// A page is HTML, and its policy lets nothing run that is not ours.
fn assert_page(answer: &Answer, status: u16) -> String {
    let page = answer.text();
    assert_eq!(answer.status, status, "{page}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for inline in ["<style", "style=", "onclick=", "<script>", "javascript:"] {
        assert!(!page.contains(inline), "{inline} in {page}");
    }
    page
}

#[tokio::test]
async fn a_form_becomes_a_job_and_every_text_on_its_page_stays_text() {
    let server = TestServer::start().await;
    let home = assert_page(&server.get("/").await, 200);
    assert!(home.contains("There are no jobs yet") && home.contains("href=\"/new\""), "{home}");
    let home = assert_page(&server.get("/new").await, 200);
    for field in ["project_zip", "github_url", "stack", "versions", "run_dast", "secret_custom.tool_cmd", "sast_mode"] {
        assert!(home.contains(&format!("name=\"{field}\"")), "{field}");
    }
    assert!(home.contains("at most 2 MiB"), "the limits are shown");
    assert!(home.contains("/api/jobs/upload"), "and the line for a shell");

    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let kind = format!("multipart/form-data; boundary={}", crate::support::BOUNDARY);
    let post = client.post(server.url("/jobs")).header("content-type", kind);
    let made = server.send(post.body(filled(&project(), "<b>shop</b>"))).await;
    assert_eq!(made.status, 303, "{}", made.text());
    let page = assert_page(&server.get(made.header("location")).await, 200);
    assert!(page.contains("&#60;b&#62;shop&#60;/b&#62;") && !page.contains("<b>shop"), "{page}");
    assert!(page.contains("Queued:</span> waits for a worker"), "{page}");
    assert!(page.contains("http-equiv=\"refresh\""), "a page of a job that goes on draws itself again");

    let id = server.store.ids().unwrap()[0];
    let request = server.store.job(id).unwrap().metadata().unwrap();
    assert!(request.pipeline.wanted().on.iter().map(|s| s.as_str()).eq(["run_build", "run_unit_tests"]));
    assert!(assert_page(&server.get("/").await, 200).contains(&id.to_string()));
    server.stop().await;
}

#[tokio::test]
async fn a_refusal_comes_back_with_the_form_as_it_was_typed_and_leaves_nothing() {
    let server = TestServer::start().await;
    let bare = zip(&[("readme.txt", "no project")]);
    let page = assert_page(&server.post_form("/jobs", filled(&bare, "shop")).await, 422);
    assert!(page.contains("not admitted") && page.contains("pom.xml") && page.contains("required-path"), "{page}");
    assert!(page.contains("value=\"shop\""), "what was typed is still there");
    let page = assert_page(&server.post_form("/jobs", filled(&[], "shop")).await, 400);
    assert!(page.contains("choose the ZIP file"), "{page}");

    let mut elsewhere = filled(&[], "");
    let at = elsewhere.windows(21).position(|window| window == b"name=\"github_url\"\r\n\r\n").unwrap() + 21;
    elsewhere.splice(at..at, *b"https://git.test/a/b");
    let page = assert_page(&server.post_form("/jobs", elsewhere).await, 422);
    assert!(page.contains("git.test") && page.contains("value=\"https://git.test/a/b\""), "{page}");

    let checked = assert_page(&server.post_form("/jobs/check", filled(&project(), "shop")).await, 200);
    assert!(checked.contains("would be admitted"), "{checked}");
    let refused = server.post_form("/jobs?alone=true", filled(&bare, "shop")).await;
    assert_eq!(refused.status, 422, "a page that is open keeps its file and fields");
    assert!(refused.text().contains("pom.xml") && !refused.text().contains("<html"), "{}", refused.text());
    let alone = server.post_form("/jobs/check?alone=true", filled(&bare, "shop")).await;
    assert!(alone.text().contains("pom.xml") && !alone.text().contains("<html"), "{}", alone.text());
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn a_job_is_told_with_its_stages_logs_and_findings() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let address = format!("/jobs/{}", job.id());
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Running, None, "running");
    worker.log("build", "\u{1b}[31m<script>alert(1)</script>\u{1b}[0m\n");
    let page = assert_page(&server.get(&address).await, 200);
    assert!(page.contains("Running:</span> BUILD"), "{page}");
    let line = "<span class=\"l\" id=\"build-L1\" data-n=\"1\"><span class=\"a31\">&lt;script&gt;alert(1)&lt;/script&gt;</span>\n</span></pre>";
    assert!(page.contains(line), "{page}");

    worker.stage("BUILD", StepState::Success, None, "compiled");
    worker.stage("SECRETS", StepState::Success, None, "passed with findings: 1");
    let step = worker.execution.stages["SECRETS"].steps.values_mut().next().unwrap();
    step.findings = Some(FindingCounts { high: 1, ..FindingCounts::default() });
    step.scanned = Some(Scanned { files: 12, bytes: None });
    let unread = Unread { path: "src/A<b>.java".to_owned(), reason: "too deep".to_owned(), allowed: false };
    step.skipped = Some(Skipped { total: 1, allowed: 0, files: vec![unread] });
    let finding = r#"[{"tool":"gitleaks","rule":"aws-<i>","severity":"high","message":"m","path":"a.txt","line":4}]"#;
    worker.report("SECRETS", "findings.json", finding);
    worker.stage("TEST", StepState::Failed, Some(Reason::ScriptFailure), "1 of 3 tests failed");
    let step = worker.execution.stages["TEST"].steps.values_mut().next().unwrap();
    step.tests = Some(TestCounts { tests: 3, failures: 1, ..TestCounts::default() });
    let (class, name, message) = ("dev.ATest".to_owned(), "greets".to_owned(), "expected: <b>".to_owned());
    step.failed_tests =
        vec![FailedTest { class, name, message, cause: "java.net.ConnectException: refused".to_owned() }];
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("TEST: 1 of 3 tests failed"));
    let page = assert_page(&server.get(&address).await, 200);
    for told in [
        "Failed:</span> 1 of 3 tests failed in TEST: ATest.greets: expected: &#60;b&#62; (caused by java.net",
        "aws-&#60;i&#62;",
        "a.txt:4",
        ">1 high</span>",
        "/reports",
        "passed · 1.2 s",
        "12 files read, 1 not read",
        "src/A&#60;b&#62;.java: too deep",
        "3 tests, 1 failed",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(!page.contains("http-equiv=\"refresh\""), "what has ended is not drawn again");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let again = server.send(client.post(server.url(&format!("{address}/again")))).await;
    assert_eq!(again.status, 303, "{}", again.text());
    let page = assert_page(&server.get(again.header("location")).await, 200);
    assert!(page.contains("the same as") && page.contains(&address), "{page}");
    assert!(!page.contains("Run it again"), "not before it has ended");
    server.stop().await;
}

#[tokio::test]
async fn the_list_tells_passes_with_findings_apart_and_is_narrowed_by_what_a_job_is() {
    let server = TestServer::start().await;
    let (found, failed) = (server.job().await, server.job().await);
    let mut worker = Worker::take(&found);
    worker.stage("SECRETS", StepState::Success, None, "passed with findings: 10");
    let step = worker.execution.stages["SECRETS"].steps.values_mut().next().unwrap();
    step.findings = Some(FindingCounts { critical: 1, high: 9, ..FindingCounts::default() });
    worker.finish(JobState::Succeeded, None, None);
    let mut worker = Worker::take(&failed);
    crate::test_cases::tested(&mut worker);
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("TEST failed"));
    let page = assert_page(&server.get("/").await, 200);
    assert!(page.contains("<span class=\"s find\">") && page.contains("Passed with findings"), "{page}");
    assert!(page.contains("1 critical, 9 high") && page.contains("2 of 5 tests failed in TEST"), "{page}");
    let listed = async |query: &str| {
        let page = assert_page(&server.get(&format!("/?{query}")).await, 200);
        [&found, &failed].map(|job| page.contains(&format!("id=\"job-{}\"", job.id())))
    };
    assert_eq!(listed("state=findings").await, [true, false]);
    assert_eq!(listed("state=failed").await, [false, true]);
    assert_eq!(listed("state=passed").await, [false, false]);
    assert_eq!(listed("q=TESTS+FAILED&project=default").await, [false, true]);
    assert_eq!(listed("project=other").await, [false, false]);

    let page = assert_page(&server.get(&format!("/jobs/{}", failed.id())).await, 200);
    let (title, step) = (page.find("OrderTest.total").unwrap(), page.find("id=\"steps-title\"").unwrap());
    assert!(title < step, "what failed stands before all else");
    assert!(
        page.contains("<code>OrderTest.java:48</code>") && page.contains("expected: &#60;3&#62; but was: &#60;2&#62;"),
        "{page}"
    );
    let tests = assert_page(&server.get(&format!("/jobs/{}/tests?state=skipped&q=", failed.id())).await, 200);
    assert!(tests.contains("OrderTest.later") && !tests.contains("OrderTest.empty"), "{tests}");
    server.stop().await;
}

#[tokio::test]
async fn a_failed_step_shows_its_log_around_the_first_error() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let mut worker = Worker::take(&job);
    let long: String = (1..=2000).map(|number| format!("[INFO] line {number}\n")).collect();
    worker.log("build", &format!("{long}[ERROR] COMPILATION ERROR\n{long}"));
    worker.stage("BUILD", StepState::Failed, Some(Reason::ScriptFailure), "mvn ended with 1");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("BUILD failed"));
    let page = assert_page(&server.get(&format!("/jobs/{}", job.id())).await, 200);
    assert!(page.contains("data-failure=\"build-L2001\""), "{page}");
    assert!(
        page.contains("<span class=\"l bad\" id=\"build-L2001\" data-n=\"2001\">[ERROR] COMPILATION ERROR\n</span>")
    );
    assert!(page.contains("id=\"build-L1981\"") && !page.contains("id=\"build-L1980\""), "some lines before it");
    assert!(page.contains("1980 lines before these") && page.contains("1621 lines after these"), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_told_as_a_page_to_people_and_as_a_problem_to_programs() {
    let server = TestServer::start().await;
    let person = |path: &str| server.send(server.client.get(server.url(path)).header("accept", "text/html,*/*"));
    assert_page(&person("/nope").await, 404);
    assert_page(&person("/jobs/nope").await, 404);
    assert_page(&person("/assets/style-000000000000.css").await, 404);
    server.get("/nope").await.assert_problem(404, "not-found");
    assert_page(&person("/jobs/check").await, 405);
    assert_eq!(person("/jobs/check").await.header("allow"), "POST");
    server.get("/jobs/check").await.assert_problem(405, "method-not-allowed");
    assert_page(&server.get("/assets/%ff").await, 404);
    // Programs that name both want what programs read.
    for accept in ["application/json, text/html;q=0.9", "*/*", "application/json", "text/html;q=0"] {
        let program = server.client.get(server.url("/nope")).header("accept", accept);
        server.send(program).await.assert_problem(404, "not-found");
    }
    for accept in ["application/xhtml+xml,text/html;q=0.9,*/*;q=0.8", "text/plain, text/html"] {
        assert_page(&server.send(server.client.get(server.url("/nope")).header("accept", accept)).await, 404);
    }
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for (query, status) in [("?state=failed&q=x", 200), ("?state=nope", 400), ("?cursor=x", 400), ("?foo=1", 400)] {
        assert_page(&person(&format!("/{query}")).await, status);
    }
    let old = server.send(client.get(server.url("/?github_url=https%3A%2F%2Fgit.test%2Fa"))).await;
    assert_eq!((old.status, old.header("location")), (303, "/new?github_url=https%3A%2F%2Fgit.test%2Fa"));
    let list = server.send(client.get(server.url("/jobs"))).await;
    assert_eq!((list.status, list.header("location")), (303, "/"));
    assert_page(&person("/jobs").await, 200);
    person("/api/nope").await.assert_problem(404, "not-found");
    let kind = format!("multipart/form-data; boundary={}", crate::support::BOUNDARY);
    let lured =
        server.client.post(server.url("/jobs")).header("origin", "http://evil.test").header("content-type", kind);
    let lured = server.send(lured.body(filled(&project(), "shop"))).await;
    lured.assert_problem(403, "cross-site");
    let style = server.get("/new").await.text();
    let style = style.split("href=\"").find(|part| part.starts_with("/assets/style-")).unwrap();
    let style = server.get(style.split('"').next().unwrap()).await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
    server.assert_untouched().await;
    server.stop().await;
}
