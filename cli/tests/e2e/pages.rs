//! The pages, as a person uses them in a real browser.

use std::{fs, path::PathBuf};

use thirtyfour::prelude::*;

use crate::{
    browser::Browser,
    projects::{GATED, example, printed, release, repository, shell, shell_project, shell_stack, zip_of},
    world::{World, story, text, until},
};

/// A file of a name of its own: a browser says nothing when the same file is chosen again.
fn written(world: &World, zip: Vec<u8>) -> PathBuf {
    let path = world.path(&format!("project-{}.zip", zip.len()));
    fs::write(&path, zip).unwrap();
    path
}

async fn choose_file(browser: &Browser, world: &World, zip: Vec<u8>) {
    let path = written(world, zip);
    browser.find("#project_zip").await.send_keys(path.to_str().unwrap()).await.unwrap();
}

/// The id of the job whose page is open.
async fn job(browser: &Browser) -> String {
    let url = browser.driver.current_url().await.unwrap();
    url.path_segments().unwrap().next_back().unwrap().to_owned()
}

#[test]
fn a_file_is_checked_when_it_is_chosen_or_dropped_and_the_log_of_its_job_grows() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let server = world.serve(&["serve", "--pipelines", &pipelines]).await;
        let browser = Browser::start(world, true).await;
        browser.driver.goto(&server.url("/new")).await.unwrap();
        choose_file(&browser, world, zip_of(&repository().join("dev"))).await;
        browser.shows("#verdict", "run.sh").await;
        assert!(browser.text("#verdict").await.contains("not admitted"));
        browser.drop_file("#drop", &written(world, shell_project(GATED))).await;
        browser.shows("#verdict", "would be admitted").await;
        browser.find("#project").await.send_keys("shop" + Key::Tab).await.unwrap();
        browser.find("details.lines summary").await.click().await.unwrap();
        browser.shows("#line-curl", r#""project":"shop""#).await;
        browser.shows("#line-cli", "--only build --project shop").await;
        browser.find("#submit button[type=submit]").await.click().await.unwrap();

        browser.shows(".sentence", "Running: BUILD").await;
        let id = job(&browser).await;
        printed(world, &id, "begun\n").await;
        browser.shows("#log-build pre", "begun").await;
        release(world, &id);
        browser.shows("#log-build pre", "done").await;
        browser.shows(".sentence", "Passed").await;
        assert!(browser.text(".files").await.contains("made/thing.txt"));
        let log = browser.text("#log-build pre").await;
        assert_eq!(log.matches("begun").count(), 1, "{log}");
        browser.close().await;
        server.process.stop().await;
    });
}

/// What a script in the page says.
async fn asks<T: serde::de::DeserializeOwned>(browser: &Browser, script: &str) -> T {
    browser.driver.execute(script, vec![]).await.unwrap().convert().unwrap()
}

/// A script that prints numbered lines up to a number, and goes on when the story has made the file of that name.
const COUNTING: &str = "upto() { while [ $n -lt $1 ]; do n=$((n+1)); echo \"line $n of the log\"; done; }\n\
                        n=0; upto 200; until [ -e \"$REPORTS_DIR/more\" ]; do sleep 0.05; done\n\
                        upto 4000; until [ -e \"$REPORTS_DIR/go\" ]; do sleep 0.05; done\nupto 4010\n";

#[test]
fn focus_stays_on_cancel_while_the_page_changes_and_the_log_follows_until_one_scrolls_up() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let server = world.serve(&["serve", "--pipelines", &pipelines]).await;
        let id = server.submit(shell_project(COUNTING), &shell()).await;
        let browser = Browser::start(world, true).await;
        browser.driver.goto(&server.url(&format!("/jobs/{id}"))).await.unwrap();
        browser.shows("#log-build pre", "line 200 of the log").await;
        let () = asks(&browser, "document.getElementById('cancel').focus()").await;
        let log = "const log = document.querySelector('#log-build .log');";
        let at_end = format!("{log} return log.scrollTop + log.clientHeight >= log.scrollHeight - 30");
        until("the log is at its end", async || asks::<bool>(&browser, &at_end).await.then_some(())).await;
        fs::write(world.job(&id).join("outbox/build/more"), "").unwrap();
        browser.shows("#log-build pre", "line 4000 of the log").await;
        until("it follows", async || asks::<bool>(&browser, &at_end).await.then_some(())).await;
        let lines: u64 = asks(&browser, &format!("{log} return log.childElementCount")).await;
        assert!(lines <= 3000, "{lines} lines in the document");
        let up = format!(
            "{log} log.scrollTop = 100; return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
        );
        let _: bool = asks(&browser, &up).await;
        let follows = "return document.querySelector('#log-build .follow').checked";
        until("who scrolls up is let go", async || (!asks::<bool>(&browser, follows).await).then_some(())).await;
        release(world, &id);
        browser.shows("#log-build pre", "line 4010 of the log").await;
        browser.shows(".sentence", "Passed").await;
        let place: f64 = asks(&browser, &format!("{log} return log.scrollTop")).await;
        assert!((place - 100.0).abs() < 2.0, "the reader stays where they read: {place}");

        let id = server.submit(shell_project(GATED), &shell()).await;
        browser.driver.goto(&server.url(&format!("/jobs/{id}"))).await.unwrap();
        let () = asks(&browser, "document.getElementById('cancel').focus()").await;
        browser.shows(".sentence", "Running: BUILD").await;
        browser.shows("#log-build pre", "begun").await;
        let focused = browser.driver.active_element().await.unwrap();
        assert_eq!(focused.id().await.unwrap().as_deref(), Some("cancel"), "the page changed around it");
        focused.send_keys("" + Key::Enter).await.unwrap();
        browser.shows(".sentence", "Canceled").await;
        browser.close().await;
        server.process.stop().await;
    });
}

#[test]
fn whoever_watches_while_server_and_worker_are_killed_misses_no_line_and_sees_none_twice() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let server = world.serve(&["serve", "--pipelines", &pipelines]).await;
        let id = server.submit(shell_project(COUNTING), &shell()).await;
        let browser = Browser::start(world, true).await;
        browser.driver.goto(&server.url(&format!("/jobs/{id}"))).await.unwrap();
        browser.shows("#log-build pre", "line 200 of the log").await;
        let address = server.url.strip_prefix("http://").unwrap().to_owned();
        server.process.kill();
        fs::write(world.job(&id).join("outbox/build/more"), "").unwrap();
        let process = world.start(&["serve", "--pipelines", &pipelines, "--listen", &address]);
        browser.shows("#log-build pre", "line 4000 of the log").await;
        release(world, &id);
        browser.shows("#log-build pre", "line 4010 of the log").await;
        browser.shows(".sentence", "Passed").await;
        let lines: Vec<String> = asks(
            &browser,
            "return [...document.querySelectorAll('#log-build .l')].map(l => l.dataset.n + ' ' + l.textContent.trim())",
        )
        .await;
        let log = text(world.job(&id).join("logs/build.log"));
        let all: Vec<String> = (1..).zip(log.lines()).map(|(n, line)| format!("{n} {line}")).collect();
        assert!(log.matches(" of the log\n").count() == 4010 && lines.len() > 2000, "{} lines", lines.len());
        let same = lines.iter().rev().zip(all.iter().rev()).find(|(shown, stored)| shown != stored);
        assert_eq!(same, None, "each line is there once, with its number in the log");
        browser.close().await;
        process.stop().await;
    });
}

#[test]
fn nothing_moves_while_a_form_is_filled_in_and_a_refusal_keeps_it() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let server = world.serve(&["serve", "--pipelines", &pipelines]).await;
        let browser = Browser::start(world, true).await;
        browser.driver.goto(&server.url("/new")).await.unwrap();
        let place = async || browser.find("#submit .pri").await.rect().await.unwrap();
        let before = place().await;
        choose_file(&browser, world, zip_of(&repository().join("dev"))).await;
        browser.find("#project").await.send_keys("shop").await.unwrap();
        browser.shows("#verdict", "not admitted").await;
        let after = place().await;
        assert_eq!((before.x, before.y), (after.x, after.y), "the button is where it was");
        browser.find("#github_url").await.send_keys("https://git.test/a/b" + Key::Tab).await.unwrap();
        browser.shows("#both", "the address is not looked at").await;
        browser.find("#submit .pri").await.click().await.unwrap();
        browser.shows("#verdict", "run.sh").await;
        assert!(browser.driver.current_url().await.unwrap().path() == "/new", "a refusal leaves nowhere");
        let kept: (u64, String) = asks(&browser, "return [project_zip.files.length, project.value]").await;
        assert_eq!(kept, (1, "shop".to_owned()), "file and fields stay");

        // On a phone nothing lies off the screen, and a job is a card that one can hit.
        let id = server.submit(shell_project("echo one\n"), &shell()).await;
        server.end_of(&id).await;
        for address in ["/", "/new"] {
            browser.phone().await;
            browser.driver.goto(&server.url(address)).await.unwrap();
            let wide: u64 = asks(&browser, "return document.documentElement.scrollWidth").await;
            assert!(wide <= 390, "{address} is {wide} px wide");
        }
        browser.driver.goto(&server.url).await.unwrap();
        let (left, right, height): (f64, f64, f64) = asks(
            &browser,
            "const r = document.querySelector('.tbl tbody tr').getBoundingClientRect(); return [r.left, r.right, r.height]",
        )
        .await;
        assert!(left >= 0.0 && right <= 390.0 && height < 160.0, "{left} {right} {height}");
        browser.close().await;
        server.process.stop().await;
    });
}

#[test]
fn without_scripts_every_page_can_be_read_and_used() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let server = world.serve(&["serve", "--pipelines", &pipelines]).await;
        let browser = Browser::start(world, false).await;
        browser.driver.goto(&server.url("/new")).await.unwrap();
        choose_file(&browser, world, zip_of(&repository().join("dev"))).await;
        browser.find("#submit button[type=submit]").await.click().await.unwrap();
        browser.shows("#verdict", "run.sh").await;
        choose_file(&browser, world, shell_project("echo one\n")).await;
        browser.find("#submit button[type=submit]").await.click().await.unwrap();
        // The page draws itself again until the job has ended.
        browser.shows(".sentence", "Passed").await;
        browser.find("#log-build summary").await.click().await.unwrap();
        browser.shows("#log-build pre", "one").await;
        browser.find("a.brand").await.click().await.unwrap();
        browser.shows("#jobs", "Passed").await;
        browser.close().await;
        server.process.stop().await;
    });
}

#[test]
fn a_person_without_a_mouse_submits_and_the_pictures_of_the_documentation_are_taken() {
    story(async |world| {
        let server = world.serve(&["serve"]).await;
        let browser = Browser::start(world, true).await;
        browser.driver.goto(&server.url("/new")).await.unwrap();
        let focused = || async { browser.driver.active_element().await.unwrap() };
        focused().await.send_keys("" + Key::Tab).await.unwrap();
        assert_eq!(focused().await.text().await.unwrap(), "To the content", "first of all, past the head");
        choose_file(&browser, world, zip_of(&example("spring-boot-planted-secret"))).await;
        browser.shows("#verdict", "would be admitted").await;
        browser.picture("form").await;
        assert!(browser.brightness().await > 200, "light for whom nothing is said");
        browser.dark(true).await;
        assert!(browser.brightness().await < 60, "dark for whose system is");
        browser.dark(false).await;
        // A picture shows several stages; without one the story needs no more than the scan.
        let (more, shown) =
            (["run_smoke", "run_dast", "run_sca"], ["run_build", "run_unit_tests", "run_package", "run_sast"]);
        for field in more.into_iter().chain(shown.into_iter().filter(|_| !browser.takes_pictures())) {
            let tick = browser.find(&format!("input[name={field}]")).await;
            if tick.is_selected().await.unwrap() {
                tick.send_keys(" ").await.unwrap();
            }
        }
        browser.find("#commit").await.send_keys("" + Key::Enter).await.unwrap();
        browser.shows(".sentence", "Passed").await;
        browser.shows("#summary", "aws-access-token").await;
        browser.shows("#summary", "src/main/resources/application.properties:4").await;
        browser.picture("job").await;
        browser.close().await;
        server.process.stop().await;
    });
}
