//! How long a container lives once its job was canceled: measured from the request to the engine's own word, and printed.

use std::time::Duration;

use crate::{
    figures::{spread, times},
    projects::printed,
    trial::Trial,
    world::{story, until},
};

/// The container's own shell turns a deaf ear to TERM where the project wants that.
const ONE_STEP: &str = "
stages: [BUILD]
BUILD: {stage: BUILD, image: scan, script: [\"if grep -q deaf run.sh; then trap '' TERM; fi\", bash run.sh]}
.pipelinex: {jobs: {BUILD: {memory: 128m}}}
";
/// One that ends when it is asked to, and one that has to be killed.
const SCRIPTS: [(&str, &str); 2] = [
    ("one that obeys", "echo begun\nexec sleep 600\n"),
    ("one that has to be killed", "# deaf\necho begun\nwhile :; do sleep 1; done\n"),
];

#[test]
fn a_canceled_job_ends_soon_whatever_its_script_says_to_that() {
    story(async |world| {
        let mut trial = Trial::of(world, ONE_STEP);
        let backend = trial.backend("", &[]).await;
        let worker = trial.worker("", &[]);
        let mut notes = Vec::new();
        for (what, script) in SCRIPTS {
            let mut took = Vec::new();
            for _ in 0..times(1, 20) {
                let id = trial.submit(&backend, script).await;
                printed(trial.world, &id, "begun").await;
                let asked = jiff::Timestamp::now().as_nanosecond() as i64;
                trial.fault("cancel", &id);
                let answer = backend.answer(backend.http.post(backend.url(&format!("/api/jobs/{id}/cancel")))).await;
                assert_eq!(answer.status, 202, "{}", answer.text());
                let gone = until("its container is gone", async || trial.told_of(&id, "destroy")).await;
                took.push(Duration::from_nanos((gone - asked).max(0) as u64));
                assert_eq!(backend.end_of(&id).await["execution"]["state"], "CANCELED");
            }
            notes.push(spread(what, took));
        }
        trial.judged("a running job is canceled: until its container is gone", "CANCELED", &notes.join("; ")).await;
        worker.stop().await;
        backend.process.stop().await;
    });
}
