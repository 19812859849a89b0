//! Stories about jobs whose files cannot be read: they are set aside, cost nothing, and go on once they are mended.

mod support;

use std::fs;

use pipelinex_common::{state::JobState, testing::Opened};
use support::{story, text};

const FINE: &str = "stages: [S]\nS: {stage: S, image: scan, script: [\"true\"]}\n";

#[test]
fn a_job_that_is_set_aside_is_not_opened_again_before_its_file_is_another_one() {
    story(async |world| {
        let [torn, newer, claimed] = [(); 3].map(|()| world.submit(FINE, &[]));
        let whole = text(torn.paths().metadata());
        fs::write(torn.paths().metadata(), &whole[..100]).unwrap();
        fs::write(newer.paths().state(), "{\"schema\": 99, \"novel\": true}").unwrap();
        fs::create_dir(claimed.paths().claims()).unwrap();
        fs::write(claimed.paths().claim(1), "{\"schema\": 99}\n00000000000000000007\n").unwrap();

        let working = world.work();
        let first = world.submit(FINE, &[]);
        assert_eq!(world.end_of(&first).await.state, JobState::Succeeded);
        let aside = [&torn, &newer, &claimed];
        let mut opened = Opened::watch(aside.iter().map(|job| job.paths().root().to_owned())).unwrap();
        for _ in 0..3 {
            let other = world.submit(FINE, &[]);
            assert_eq!(world.end_of(&other).await.state, JobState::Succeeded);
        }
        assert_eq!(opened.count(), 0, "passes go by and nothing of them is opened");
        for job in aside {
            assert!(job.final_record().unwrap().is_none() && !job.paths().logs().exists(), "it is left as it is");
        }
        assert!(text(newer.paths().state()).contains("novel"));
        assert!(!claimed.paths().claim(2).exists(), "nobody takes over from a newer program");

        // As an editor does it, that leaves what was there before.
        fs::rename(torn.paths().metadata(), torn.paths().root().join("metadata.json~")).unwrap();
        fs::write(torn.paths().metadata(), whole).unwrap();
        assert_eq!(world.end_of(&torn).await.state, JobState::Succeeded, "mended, it goes on");
        fs::remove_file(newer.paths().state()).unwrap();
        assert_eq!(world.end_of(&newer).await.state, JobState::Succeeded);
        working.stop().await;
    });
}

#[test]
fn an_end_of_a_step_that_cannot_be_read_is_not_run_again() {
    story(async |world| {
        let job = world.submit(FINE, &[]);
        fs::create_dir(job.paths().ends()).unwrap();
        fs::write(job.paths().ends().join("s.json"), "").unwrap();
        let other = world.submit(FINE, &[]);
        assert_eq!(world.run(&other).await.state, JobState::Succeeded);
        assert!(!job.paths().claims().exists(), "nobody even claims it");
    });
}

#[test]
fn jobs_run_in_the_order_in_which_they_came_and_no_more_at_once_than_the_operator_allows() {
    story(async |world| {
        world.config.parallel = 2;
        let sleeping = "stages: [S]\nS: {stage: S, image: scan, script: [\"sleep 0.2\"]}\n";
        let jobs: Vec<_> = (0..12).map(|_| world.submit(sleeping, &[])).collect();
        let working = world.work();
        let mut spans = Vec::new();
        for job in &jobs {
            let end = world.end_of(job).await;
            spans.push((end.started_at.unwrap(), end.finished_at.unwrap()));
        }
        working.stop().await;
        for (place, (start, _)) in spans.iter().enumerate() {
            let running = spans.iter().filter(|(from, to)| from <= start && start < to).count();
            assert!(running <= 2, "{running} at once");
            // Two are taken in one pass, and may get going in either order.
            assert!(spans.iter().skip(place + 2).all(|(later, _)| start < later), "job {place} was overtaken");
        }
    });
}
