//! Stories about steps that wait to be started by hand or for their time, and about jobs in which nothing else is left.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod support;

use std::time::Duration;

use pipelinex_common::{
    disk::Versioned,
    execution::{Execution, StepEnd, StepRecord, Waiting},
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::{ClaimOutcome, GroupTurn, HeartbeatWatch, Job, ResourceGroup, WorkerIdentity},
};
use support::{names, story, text, until};

const BY_HAND: &str = r#"
stages: [A, B, C]
default: {image: scan}
a: {stage: A, script: ["echo built > made.txt"], artifacts: {paths: [made.txt]}}
b: {stage: B, when: manual, allow_failure: false, manual_confirmation: "Sure?", script: ["cat made.txt"]}
optional: {stage: B, when: manual, script: ["exit 1"]}
c: {stage: C, script: ["echo after"]}
late: {stage: C, when: delayed, start_in: 1 second, script: ["echo later"]}
"#;

fn of<'a>(execution: &'a Execution, step: &str) -> &'a StepRecord {
    let slug = Slug::of(step);
    execution.stages.values().find_map(|stage| stage.steps.get(&slug)).unwrap()
}

async fn parked(job: &Job) -> Execution {
    until("nobody holds the job", async || job.is_parked().then_some(())).await;
    job.view().unwrap().execution
}

#[test]
fn a_job_waits_without_a_holder_until_somebody_starts_its_step() {
    story(async |world| {
        let job = world.submit(BY_HAND, &[]);
        let working = world.work();
        let live = parked(&job).await;
        let (b, optional, c) = (of(&live, "b"), of(&live, "optional"), of(&live, "c"));
        assert_eq!((live.state, b.status, b.waiting), (JobState::Running, StepState::Pending, Some(Waiting::Manual)));
        assert_eq!(b.message, "waits to be started by hand: Sure?");
        assert_eq!((optional.waiting, c.waiting), (Some(Waiting::Manual), None), "c waits for b alone");
        let claims = names(job.paths().claims());
        working.stop().await;
        // Another worker leaves it alone as well: it passes over it on the way to a younger job.
        let other = world.submit("S: {image: scan, script: [\"true\"]}\n", &[]);
        let working = world.work();
        until("the younger job has ended", async || other.final_record().unwrap()).await;
        assert_eq!(names(job.paths().claims()), claims, "nobody took it");
        assert_eq!(job.wish_play(&Slug::of("b")).unwrap(), None);
        let end = until("the job has ended", async || job.final_record().unwrap()).await;
        working.stop().await;
        assert_eq!((end.state, end.attempt), (JobState::Succeeded, 1), "{end:#?}");
        let states = ["a", "b", "optional", "c", "late"].map(|step| of(&end, step).status);
        use StepState::{Skipped, Success};
        assert_eq!(states, [Success, Success, Skipped, Success, Success]);
        assert_eq!(of(&end, "optional").reason, Some(Reason::ManualNotRun));
        assert!(text(job.paths().log(&Slug::of("b"))).ends_with("\nbuilt\n"), "it has what came before it");
        assert_eq!(job.wish_play(&Slug::of("optional")).unwrap().map(|end| end.state), Some(JobState::Succeeded));
    });
}

#[test]
fn a_job_that_waits_can_be_canceled_and_ends_when_nobody_comes() {
    story(async |world| {
        let job = world.submit(BY_HAND, &[]);
        let working = world.work();
        parked(&job).await;
        job.wish_cancel("by a test").unwrap();
        let end = until("the job has ended", async || job.final_record().unwrap()).await;
        working.stop().await;
        assert_eq!(end.state, JobState::Canceled, "{end:#?}");
        assert_eq!((of(&end, "a").status, of(&end, "b").status), (StepState::Success, StepState::Skipped));

        world.config.manual_timeout = Duration::ZERO;
        let job = world.submit(BY_HAND, &[]);
        let end = world.run(&job).await;
        assert_eq!(of(&end, "b").reason, Some(Reason::ManualNotRun), "{end:#?}");
        assert_eq!(of(&end, "c").reason, Some(Reason::DependencyFailed));
    });
}

const DEPLOYS: &str = r#"
stages: [S]
default: {image: scan}
deploy: {stage: S, resource_group: production, script: ["echo deployed"]}
beside: {stage: S, script: ["echo beside"]}
"#;

#[test]
fn a_step_waits_without_a_holder_until_its_resource_group_is_free() {
    story(async |world| {
        // A job that somebody else holds has the group, and dies with it: what counts is the end of its step.
        let first = world.submit(DEPLOYS, &[]);
        let me = WorkerIdentity::of_this_process();
        let ClaimOutcome::Won(_held) = first.claim(&me, &mut HeartbeatWatch::default()).unwrap() else { panic!() };
        let deploy = Slug::of("deploy");
        let group = ResourceGroup::of(world.store.layout(), &first.metadata().unwrap(), "production");
        assert!(matches!(group.take(&world.store, &first, &deploy).unwrap(), GroupTurn::Taken));

        let second = world.submit(DEPLOYS, &[]);
        let working = world.work();
        let live = parked(&second).await;
        let waits = of(&live, "deploy");
        assert_eq!((waits.status, waits.waiting), (StepState::Pending, Some(Waiting::ResourceGroup)));
        let told = format!("waits for the resource group production, which deploy of job {} has", first.id());
        assert_eq!(waits.message, told);
        assert_eq!(of(&live, "beside").status, StepState::Success, "what needs no group goes on");
        let claims = names(second.paths().claims());
        working.stop().await;
        // So does another worker let it wait.
        let canceled = world.submit(DEPLOYS, &[]);
        let working = world.work();
        parked(&canceled).await;
        canceled.wish_cancel("by a test").unwrap();
        let end = until("a job that waits for a group is canceled", async || canceled.final_record().unwrap()).await;
        assert_eq!((end.state, of(&end, "deploy").status), (JobState::Canceled, StepState::Skipped));
        assert_eq!(names(second.paths().claims()), claims, "nobody took it");

        let record = StepRecord::bare("deploy", StepState::Success, None, "");
        let end = StepEnd { schema: StepEnd::SCHEMA, stage: "S".to_owned(), claim: 1, record };
        first.record_end(&deploy, &end).unwrap();
        let end = until("the job has ended", async || second.final_record().unwrap()).await;
        assert_eq!((end.state, of(&end, "deploy").status), (JobState::Succeeded, StepState::Success), "{end:#?}");
        assert_eq!(group.holder(world.store.layout()).unwrap(), None);
        drop(_held);
        let end = until("the first has ended", async || first.final_record().unwrap()).await;
        assert_eq!(end.state, JobState::Succeeded);
        working.stop().await;
    });
}
