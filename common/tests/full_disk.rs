//! A disk that is full, for real: what is said then, what is left behind, and that a job which runs gets its end written.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;

use jiff::Timestamp;
use pipelinex_common::{
    disk::Versioned,
    execution::{Execution, StepEnd, StepRecord},
    id::JobId,
    slug::Slug,
    state::{JobState, StepState},
    store::{Claim, ClaimOutcome, HeartbeatWatch, Job, Store, StoreError, Wished, WorkerIdentity},
    testing::{SmallDisk, sample},
};

/// The kinds of disks that there are here.
fn disks() -> impl Iterator<Item = SmallDisk> {
    [Some(SmallDisk::in_memory()), SmallDisk::ext4()].into_iter().flatten()
}

fn few_inodes() -> impl Iterator<Item = SmallDisk> {
    [Some(SmallDisk::with_few_inodes(200)), SmallDisk::ext4_with_few_inodes(256)].into_iter().flatten()
}

fn store(disk: &SmallDisk) -> Store {
    Store::open(&disk.path().join("workspaces")).unwrap()
}

fn admit(store: &Store) -> Result<Job, StoreError> {
    let staging = store.stage()?;
    fs::write(staging.paths().source().join("pom.xml"), "<project/>")
        .map_err(|source| pipelinex_common::disk::DiskError::io("write", staging.paths().source())(source))?;
    let id = JobId::generate();
    store.admit(staging, &sample::metadata(id, ["BUILD", "TEST"]))?;
    store.job(id)
}

/// A program that another test starts at this moment holds our locks, too, until it runs its own: whoever is told that a job is held
/// comes again, as a worker does.
fn claim(store: &Store, job: &Job) -> Result<Claim, StoreError> {
    for _ in 0..3000 {
        match job.claim(&WorkerIdentity::of_this_process(), &mut HeartbeatWatch::default())? {
            ClaimOutcome::Won(claim) => {
                store.take_over(job)?;
                return Ok(claim);
            }
            ClaimOutcome::Held { .. } => std::thread::sleep(std::time::Duration::from_millis(10)),
            other => panic!("{other:?}"),
        }
    }
    panic!("the job stays held")
}

fn step_end(claim: &Claim, stage: &str) -> StepEnd {
    let record = StepRecord::bare(stage, StepState::Success, None, "a message of some length ".repeat(40));
    StepEnd { schema: StepEnd::SCHEMA, stage: stage.to_owned(), claim: claim.number(), record }
}

fn end(job: &Job) -> Execution {
    let execution = job.view().unwrap().execution;
    Execution { state: JobState::Succeeded, finished_at: Some(Timestamp::now()), ..execution }
}

fn is_full<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> bool {
    match outcome {
        Err(StoreError::Disk(error)) => error.is_full(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_that_runs_gets_its_end_written_on_a_full_disk() {
    for disk in disks() {
        let store = store(&disk);
        let job = admit(&store).unwrap();
        let mut claim = claim(&store, &job).unwrap();
        assert!(disk.leave(0) < 4096);

        claim.beat().unwrap();
        assert_eq!(job.begin_attempt(&claim, 0).unwrap(), 1);
        for stage in ["build", "test", "package", "sast"] {
            let end = step_end(&claim, stage);
            // What a record did not need of its room is free again: somebody else takes it at once.
            assert!(disk.leave(0) < 4096);
            assert!(job.record_end(&Slug::of(stage), &end).unwrap());
            assert!(!job.record_end(&Slug::of(stage), &end).unwrap(), "the first counts");
            assert_eq!(job.end_of(&Slug::of(stage)).unwrap(), Some(end));
        }
        disk.leave(0);
        let drawn = job.view().unwrap().execution;
        job.draw_state(&Execution { state: JobState::Running, ..drawn.clone() }).unwrap();
        assert_eq!(job.view().unwrap().execution, drawn, "the old drawing is whole");
        disk.leave(0);
        let end = end(&job);
        assert!(job.finish(&end).unwrap());
        assert_eq!(job.view().unwrap().execution, end);
        assert!(!job.finish(&end).unwrap(), "the first end counts");
        assert!(!job.paths().reserve().exists(), "the room is given back");
        let names: Vec<_> = fs::read_dir(job.paths().ends()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
    }
}

#[test]
fn without_its_room_a_job_would_have_no_end() {
    for disk in disks() {
        let store = store(&disk);
        let job = admit(&store).unwrap();
        let claim = claim(&store, &job).unwrap();
        fs::remove_dir_all(job.paths().reserve()).unwrap();
        fs::remove_dir_all(store.layout().spare()).unwrap();
        disk.leave(0);
        assert!(is_full(job.record_end(&Slug::of("build"), &step_end(&claim, "build"))));
        assert!(is_full(job.finish(&end(&job))));
        assert!(!job.paths().final_record().exists());
        disk.make_room();
        assert!(job.finish(&end(&job)).unwrap(), "with space again nothing stands in the way");
    }
}

#[test]
fn without_an_inode_left_a_job_is_canceled_taken_up_again_and_ended() {
    for disk in few_inodes() {
        let store = store(&disk);
        let job = admit(&store).unwrap();
        let first = claim(&store, &job).unwrap();
        disk.take_inodes();
        assert!(fs::write(job.paths().root().join("one-more"), "").is_err());

        assert!(matches!(job.wish_cancel("by somebody").unwrap(), Wished::Durable));
        assert!(matches!(job.wish_cancel("again").unwrap(), Wished::Durable));
        assert_eq!(job.cancel_wish().as_deref(), Some("by somebody"));
        drop(first);
        // However often its holder dies: each claim takes the file of the one before.
        let mut number = 1;
        for _ in 0..40 {
            let mut next = claim(&store, &job).unwrap();
            next.beat().unwrap();
            assert!(next.number() == number + 1 && next.holds());
            let other = job.claim(&WorkerIdentity::of_this_process(), &mut HeartbeatWatch::default()).unwrap();
            assert!(matches!(other, ClaimOutcome::Held { .. }), "{other:?}");
            number = next.number();
        }
        let claim = claim(&store, &job).unwrap();
        assert_eq!(job.begin_attempt(&claim, 0).unwrap(), 1);
        assert!(job.record_end(&Slug::of("build"), &step_end(&claim, "build")).unwrap());
        store.throw_away(&job.paths().trees()).unwrap();
        let end = end(&job);
        assert!(job.finish(&end).unwrap() && !job.finish(&end).unwrap());
        assert_eq!(job.view().unwrap().execution, end);
        assert!(store.remove_ended(&job).unwrap(), "sweeping needs none");
    }
}

#[test]
fn a_holder_that_wakes_up_knows_that_a_claim_after_its_own_was_moved_on() {
    for disk in few_inodes() {
        let store = store(&disk);
        let job = admit(&store).unwrap();
        // It is paused on another machine, and claim 2 is made while there are inodes.
        let paused = claim(&store, &job).unwrap();
        let path = |number| job.paths().claim(number);
        fs::copy(path(1), path(2)).unwrap();
        assert!(!paused.holds());
        disk.take_inodes();
        let third = claim(&store, &job).unwrap();
        assert!(third.number() == 3 && third.holds());
        assert!(!path(2).exists() && path(1).exists(), "the file of claim 2 was moved");
        assert!(!paused.holds(), "claim 3 is later");
    }
}

#[test]
fn without_an_inode_left_a_job_that_nobody_has_begun_is_canceled() {
    for disk in few_inodes() {
        let store = store(&disk);
        let job = admit(&store).unwrap();
        disk.take_inodes();
        // A folder that is opened again, such as by a worker that was restarted.
        let store = Store::open(store.layout().root()).unwrap();
        assert!(matches!(job.wish_cancel("by somebody").unwrap(), Wished::Durable));
        let outcome = job.claim(&WorkerIdentity::of_this_process(), &mut HeartbeatWatch::default()).unwrap();
        let ClaimOutcome::Won(claim) = outcome else { panic!("{outcome:?}") };
        assert!(is_full(store.take_over(&job)), "it has not begun");
        assert!(claim.holds() && job.finish(&end(&job)).unwrap());
        disk.give_inodes();
        let spare = |store: &Store| fs::read_dir(store.layout().spare()).unwrap().count();
        assert_eq!(spare(&store), 20 - 4);
        store.restock().unwrap();
        assert_eq!(spare(&store), 20);
    }
}

#[test]
fn many_steps_leave_the_room_for_the_end_of_the_job() {
    let disk = SmallDisk::in_memory();
    let store = store(&disk);
    let job = admit(&store).unwrap();
    let claim = claim(&store, &job).unwrap();
    disk.leave(0);
    let ended = (0..100).take_while(|number| {
        let step = format!("step-{number}");
        disk.leave(0);
        job.record_end(&Slug::of(&step), &step_end(&claim, &step)).is_ok()
    });
    assert_eq!(ended.count(), 16);
    assert!(job.finish(&end(&job)).unwrap());
}

#[test]
fn what_is_not_a_job_yet_leaves_nothing_and_comes_in_once_there_is_space() {
    for disk in disks() {
        let store = store(&disk);
        disk.leave(0);
        for pages in 0..16 {
            disk.leave(pages * 4096);
            match admit(&store) {
                Ok(job) => fs::remove_dir_all(job.paths().root()).unwrap(),
                refused => assert!(is_full(refused), "{pages} pages"),
            }
            assert_eq!(fs::read_dir(store.layout().staging()).unwrap().count(), 0);
            assert_eq!(store.ids().unwrap(), []);
        }
        disk.make_room();
        admit(&store).unwrap();
    }
}

#[test]
fn a_job_that_has_not_begun_waits_for_space() {
    for disk in disks() {
        let store = store(&disk);
        let job = admit(&store).unwrap();
        for pages in 0..8 {
            disk.leave(pages * 4096);
            assert!(is_full(claim(&store, &job)));
            assert!(!job.paths().reserve().exists(), "half of the room is no room");
        }
        disk.make_room();
        claim(&store, &job).unwrap();
        assert_eq!(job.view().unwrap().execution.state, JobState::Queued);
    }
}
