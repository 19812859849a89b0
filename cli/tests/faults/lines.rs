//! Ten thousand numbered lines, printed while workers come and go.

use crate::{
    figures::times,
    projects::printed,
    trial::Trial,
    world::{story, text},
};

const LINES: usize = 10_000;
/// In pieces, over some twenty seconds: also while nobody listens.
const COUNTING: &str = "[ \"$STAGE\" = BUILD ] || exit 0\nmkdir made\nfor n in $(seq 10000); do echo \"line $n of it\"; \
    [ $((n % 250)) -gt 0 ] || sleep 0.5; done\n";

#[test]
fn ten_thousand_lines_over_many_workers_are_each_there_once_and_in_order() {
    story(async |world| {
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &[]).await;
        let id = trial.submit(&backend, COUNTING).await;
        let restarts = times(3, 10);
        let mut worker = trial.worker("", &[]);
        for restart in 1..=restarts {
            let line = restart * (LINES - 500) / restarts;
            printed(trial.world, &id, &format!("line {line} of it")).await;
            trial.kill(worker);
            worker = trial.worker("", &[]);
        }
        let note = "10,000 numbered lines: each once, in order";
        trial.judged("worker, `kill -9` while a step prints", "SUCCEEDED", note).await;
        let log = text(trial.world.job(&id).join("logs/build.log"));
        let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("line ")).collect();
        assert_eq!(lines.len(), LINES);
        for (number, line) in lines.iter().enumerate() {
            assert_eq!(*line, format!("line {} of it", number + 1));
        }
        worker.stop().await;
        backend.process.stop().await;
    });
}
