//! The pages, as a person uses them in a real browser.

use std::{fs, path::PathBuf};

use thirtyfour::prelude::*;

use crate::{
    browser::Browser,
    projects::{GATED, example, printed, release, repository, shell_project, shell_stack, zip_of},
    world::{World, story},
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
        browser.driver.goto(&server.url).await.unwrap();
        choose_file(&browser, world, zip_of(&repository().join("dev"))).await;
        browser.shows("#verdict", "run.sh").await;
        assert!(browser.text("#verdict").await.contains("not admitted"));
        browser.drop_file("#drop", &written(world, shell_project(GATED))).await;
        browser.shows("#verdict", "would be admitted").await;
        browser.find("#project").await.send_keys("shop" + Key::Tab).await.unwrap();
        browser.find("details.lines summary").await.click().await.unwrap();
        browser.shows("#line-curl", r#""project":"shop""#).await;
        browser.shows("#line-cli", "--only build --project shop").await;
        browser.find("button[type=submit]").await.click().await.unwrap();

        browser.shows(".sentence", "now at BUILD").await;
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

#[test]
fn without_scripts_every_page_can_be_read_and_used() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let server = world.serve(&["serve", "--pipelines", &pipelines]).await;
        let browser = Browser::start(world, false).await;
        browser.driver.goto(&server.url).await.unwrap();
        choose_file(&browser, world, zip_of(&repository().join("dev"))).await;
        browser.find("button[type=submit]").await.click().await.unwrap();
        browser.shows("#verdict", "run.sh").await;
        choose_file(&browser, world, shell_project("echo one\n")).await;
        browser.find("button[type=submit]").await.click().await.unwrap();
        // The page draws itself again until the job has ended.
        browser.shows(".sentence", "Passed").await;
        browser.find("#log-build summary").await.click().await.unwrap();
        browser.shows("#log-build pre", "one").await;
        browser.find("a.brand").await.click().await.unwrap();
        browser.shows("#jobs", "passed").await;
        browser.close().await;
        server.process.stop().await;
    });
}

#[test]
fn a_person_without_a_mouse_submits_and_the_pictures_of_the_documentation_are_taken() {
    story(async |world| {
        let server = world.serve(&["serve"]).await;
        let browser = Browser::start(world, true).await;
        browser.driver.goto(&server.url).await.unwrap();
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
