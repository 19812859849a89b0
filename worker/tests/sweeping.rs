//! Stories about what is left behind: ours goes once nobody needs it, and what is not ours is never touched.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use pipelinex_common::{
    access::Owner,
    disk::Versioned,
    execution::{StepEnd, StepRecord},
    id::JobId,
    limits::CacheLimits,
    slug::Slug,
    state::{JobState, StepState},
    store::{Because, Keep},
};
use pipelinex_worker::{
    engine::{Engine, Kind, VolumeSpec},
    gc::{self, Clearing},
    spec::{
        ContainerLimits, ContainerSpec, KeptLog, LABEL_ATTEMPT, LABEL_CREATED, LABEL_INSTANCE, LABEL_JOB, LABEL_STEP,
        NetworkKind, Program,
    },
    sweep::{self, Why},
};
use support::{World, story, text, until};

const FINE: &str = "stages: [S]\nS: {stage: S, image: scan, script: [\"true\"]}\n";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Labels of something made so many seconds ago.
fn labels(instance: &str, job: Option<JobId>, ago: i64) -> BTreeMap<String, String> {
    let created = (jiff::Timestamp::now().as_second() - ago).to_string();
    let mut labels =
        BTreeMap::from([(LABEL_INSTANCE.to_owned(), instance.to_owned()), (LABEL_CREATED.to_owned(), created)]);
    labels.extend(job.map(|job| (LABEL_JOB.to_owned(), job.to_string())));
    labels
}

async fn volume(engine: &Engine, name: &str, labels: BTreeMap<String, String>) {
    engine.create_volume(&VolumeSpec { name: name.to_owned(), options: BTreeMap::new(), labels }).await.unwrap();
}

async fn container(engine: &Engine, name: &str, labels: BTreeMap<String, String>) {
    let spec = ContainerSpec {
        name: name.to_owned(),
        image: "pipelinex/scan:1".to_owned(),
        program: Program::Command(vec!["sleep".to_owned(), "1000".to_owned()]),
        env: BTreeMap::new(),
        mounts: Vec::new(),
        scratch: Vec::new(),
        limits: ContainerLimits {
            memory_bytes: 64 << 20,
            milli_cpus: 100,
            pids: 16,
            tmp_bytes: 1 << 20,
            open_files: 1024,
        },
        network: None,
        health: None,
        log: KeptLog::All,
        labels,
    };
    engine.create(&spec).await.unwrap();
}

/// What of these is left on the engine, by a label that only this story gives.
async fn there(engine: &Engine, tag: &str) -> Vec<String> {
    let things = engine.things(&[format!("story={tag}")]).await.unwrap();
    things.into_iter().map(|thing| thing.name).collect()
}

#[test]
fn what_belongs_to_no_living_job_is_removed_after_a_grace_and_nothing_that_is_not_ours() {
    story(async |world| {
        let tag = JobId::generate().to_string();
        let ours = world.store.instance().as_str().to_owned();
        let open = world.submit(FINE, &[]);
        let gone = JobId::generate();
        let tagged = |mut labels: BTreeMap<String, String>| {
            labels.insert("story".to_owned(), tag.clone());
            labels
        };
        let name = |what: &str| format!("story-{what}-{tag}");
        let foreign = "0".repeat(32);
        for (what, labels) in [
            ("gone-old", labels(&ours, Some(gone), 7200)),
            ("gone-young", labels(&ours, Some(gone), 60)),
            ("jobless-old", labels(&ours, None, 7200)),
            ("open-old", labels(&ours, Some(open.id()), 7200)),
            ("ageless", BTreeMap::from([(LABEL_INSTANCE.to_owned(), ours.clone())])),
            ("foreign", labels(&foreign, Some(gone), 7200)),
            ("unlabelled", BTreeMap::from([(LABEL_JOB.to_owned(), gone.to_string())])),
        ] {
            volume(&world.engine, &name(what), tagged(labels)).await;
        }
        container(&world.engine, &name("container"), tagged(labels(&ours, Some(gone), 7200))).await;
        container(&world.engine, &name("foreign-container"), tagged(labels(&foreign, Some(gone), 7200))).await;
        let network = tagged(labels(&ours, Some(gone), 7200));
        world.engine.create_network(&name("network"), NetworkKind::Internal, &network).await.unwrap();
        world
            .engine
            .create_network(&name("foreign-network"), NetworkKind::Internal, &tagged(labels(&foreign, None, 7200)))
            .await
            .unwrap();

        let left = sweep::leftovers(&world.engine, &world.store, HOUR).await.unwrap();
        let told: Vec<_> = left.iter().map(|left| (left.kind, left.name.clone(), left.why)).collect();
        let expected = [
            (Kind::Container, name("container"), Why::JobGone),
            (Kind::Volume, name("gone-old"), Why::JobGone),
            (Kind::Volume, name("jobless-old"), Why::NoJob),
            (Kind::Network, name("network"), Why::JobGone),
        ];
        assert_eq!(told, expected);
        assert_eq!(sweep::remove_leftovers(&world.engine, &world.store, left).await.len(), 4);
        let mut stayed = there(&world.engine, &tag).await;
        stayed.sort();
        let mut expected: Vec<String> =
            ["ageless", "foreign", "foreign-container", "foreign-network", "gone-young", "open-old", "unlabelled"]
                .map(name)
                .to_vec();
        expected.sort();
        assert_eq!(stayed, expected);

        let all = world.engine.find(&[format!("story={tag}")]).await.unwrap();
        world.engine.remove(&all).await.unwrap();
    });
}

/// As an overtaken holder and its successor may: engines before API 1.44 would make two.
#[test]
fn a_network_that_several_make_at_once_is_one() {
    story(async |world| {
        for round in 0..4 {
            let tag = JobId::generate().to_string();
            let labels = BTreeMap::from([("story".to_owned(), tag.clone())]);
            let (name, engine) = (format!("story-{tag}"), &world.engine);
            let make = || engine.create_network(&name, NetworkKind::Internal, &labels);
            let (a, b, c, d) = tokio::join!(make(), make(), make(), make());
            [a, b, c, d].into_iter().for_each(|made| made.unwrap());
            let made = world.engine.find(&[format!("story={tag}")]).await.unwrap();
            world.engine.remove(&made).await.unwrap();
            assert_eq!(made.networks.len(), 1, "round {round}");
        }
    });
}

/// As the holder of a job that has ended and another worker's sweeper may: both go on to what the container held.
#[test]
fn a_container_that_two_remove_at_once_is_gone_for_both() {
    story(async |world| {
        for round in 0..10 {
            let name = format!("story-{}", JobId::generate());
            container(&world.engine, &name, BTreeMap::new()).await;
            world.engine.start(&name).await.unwrap();
            let remove = || world.engine.remove_container(&name);
            let (a, b, c) = tokio::join!(remove(), remove(), remove());
            let left = world.engine.inspect(&name).await.unwrap();
            assert!(left.is_none(), "round {round}: {left:?}");
            [a, b, c].into_iter().for_each(|removed| removed.unwrap());
        }
    });
}

#[test]
fn a_container_goes_when_its_step_has_ended_or_a_later_attempt_has_one_and_never_while_its_attempt_lives() {
    story(async |world| {
        let job = world.submit(FINE, &[]);
        let ours = world.store.instance().as_str().to_owned();
        let of = |step: &str, attempt: u32| {
            let mut labels = labels(&ours, Some(job.id()), 7200);
            labels.insert(LABEL_STEP.to_owned(), step.to_owned());
            labels.insert(LABEL_ATTEMPT.to_owned(), attempt.to_string());
            (format!("pipelinex-{}-a{attempt}-t1-{step}", job.id()), labels)
        };
        let made = [of("lives", 1), of("ended", 1), of("again", 1), of("again", 2)];
        for (name, labels) in made.clone() {
            container(&world.engine, &name, labels).await;
        }
        let record = StepRecord::bare("ended", StepState::Success, None, "");
        let end = StepEnd { schema: StepEnd::SCHEMA, stage: "S".to_owned(), claim: 1, record };
        job.record_end(&Slug::of("ended"), &end).unwrap();

        let left = sweep::leftovers(&world.engine, &world.store, HOUR).await.unwrap();
        let names: Vec<_> = left.iter().map(|left| (left.name.clone(), left.why)).collect();
        let over = |place: usize| (made[place].0.clone(), Why::AttemptOver);
        assert_eq!(names, [over(2), over(1)]);
        let young = sweep::leftovers(&world.engine, &world.store, 3 * HOUR).await.unwrap();
        assert_eq!(young, [], "not before the grace is over");
        assert_eq!(sweep::remove_leftovers(&world.engine, &world.store, left).await.len(), 2);
        for (place, stays) in [(0, true), (1, false), (2, false), (3, true)] {
            assert_eq!(world.engine.inspect(&made[place].0).await.unwrap().is_some(), stays, "{}", made[place].0);
        }
        let all = sweep::resources(&world.engine, &world.store, job.id()).await.unwrap();
        world.engine.remove(&all).await.unwrap();
    });
}

async fn ended(world: &World, count: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let job = world.submit(FINE, &[]);
        assert_eq!(world.run(&job).await.state, JobState::Succeeded);
        ids.push(job.id());
    }
    ids
}

#[test]
fn old_jobs_are_removed_with_all_they_left_and_run_numbers_go_on() {
    story(async |world| {
        let number = world.store.next_run_number(&Owner::anonymous(), "p", "q").unwrap();
        let jobs = ended(world, 3).await;
        let waiting = world.submit(FINE, &[]);
        volume(&world.engine, &format!("left-{}", jobs[0]), labels(world.store.instance().as_str(), Some(jobs[0]), 0))
            .await;

        let keep = Keep { jobs: Some(1), ..Keep::default() };
        let plan = Clearing::of_folders(&world.store, &keep, &CacheLimits::default(), HOUR).unwrap();
        let told: Vec<_> = plan.jobs.iter().map(|old| (old.job, old.because)).collect();
        assert_eq!(told, [(jobs[1], Because::Count), (jobs[0], Because::Count)]);
        assert!(plan.jobs.iter().all(|old| old.bytes > 0));
        assert_eq!(world.store.ids().unwrap().len(), 4, "nothing is removed by looking");

        let done = plan.remove(Some(&world.engine), &world.store).await;
        assert_eq!(done.jobs.len(), 2);
        assert_eq!(world.store.ids().unwrap(), [waiting.id(), jobs[2]]);
        assert!(text(world.store.layout().job(jobs[2]).state()).contains("SUCCEEDED"), "the latest is whole");
        assert_eq!(world.store.trash().unwrap(), Vec::<std::path::PathBuf>::new());
        assert!(!gc::remove_job(None, &world.store, waiting.id()).await, "what has not ended is never removed");
        assert_eq!(world.store.next_run_number(&Owner::anonymous(), "p", "q").unwrap(), number + 1);
    });
}

#[test]
fn a_worker_that_is_told_to_keep_few_removes_the_others_by_itself() {
    story(async |world| {
        let jobs = ended(world, 3).await;
        world.config.keep = Keep { jobs: Some(1), ..Keep::default() };
        let working = world.work();
        until("the old jobs are gone", async || (world.store.ids().unwrap() == jobs[2..]).then_some(())).await;
        working.stop().await;
    });
}
