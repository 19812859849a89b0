//! Stories about the file store: what makes a job, who holds it, and what ends it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so, and who won how often"
)]

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use pipelinex_common::{
    access::Owner,
    disk::Versioned,
    execution::{Execution, StepEnd, StepRecord},
    id::JobId,
    slug::Slug,
    state::{JobState, StepState},
    store::{
        Claim, ClaimOutcome, HeartbeatWatch, Job, RUNNER_UID, Snapshot, Store, StoreError, Wished, WorkerIdentity,
    },
    testing::sample,
};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn admitted(store: &Store) -> Job {
    let staging = store.stage().unwrap();
    fs::write(staging.paths().source().join("pom.xml"), "<project/>").unwrap();
    let id = JobId::generate();
    store.admit(staging, &sample::metadata(id, ["BUILD", "TEST"])).unwrap();
    store.job(id).unwrap()
}

fn claimed(job: &Job, who: &WorkerIdentity) -> Option<Claim> {
    match job.claim(who, &mut HeartbeatWatch::default()).unwrap() {
        ClaimOutcome::Won(claim) => Some(claim),
        ClaimOutcome::Held { .. } | ClaimOutcome::Ended => None,
    }
}

fn end(job: &Job, state: JobState) -> Execution {
    Execution { state, finished_at: Some(Timestamp::now()), ..job.view().unwrap().execution }
}

#[test]
fn one_rename_makes_a_job_and_before_it_there_is_nothing() {
    let (_dir, store) = store();
    let staging = store.stage().unwrap();
    assert_eq!(store.ids().unwrap(), []);
    assert_eq!(store.sweep_staging().unwrap(), 0, "a folder that is held is not swept");
    drop(staging);
    assert_eq!(fs::read_dir(store.layout().staging()).unwrap().count(), 0, "dropped, it leaves nothing");

    let job = admitted(&store);
    assert_eq!(store.ids().unwrap(), [job.id()]);
    let view = job.view().unwrap();
    assert_eq!((view.execution.state, view.execution.attempt), (JobState::Queued, 0));
    assert_eq!(view.execution.stages["BUILD"].status, StepState::Pending);
    assert_eq!(fs::read_dir(store.layout().staging()).unwrap().count(), 0);

    let again = store.admit(store.stage().unwrap(), &sample::metadata(job.id(), []));
    assert!(matches!(again, Err(StoreError::Taken(_))), "a job is never replaced");
    assert_eq!(fs::read_dir(store.layout().staging()).unwrap().count(), 0);
}

#[test]
fn what_a_dead_process_staged_is_swept() {
    let (_dir, store) = store();
    let left = store.layout().staging().join("left-behind");
    fs::create_dir(&left).unwrap();
    assert_eq!(store.sweep_staging().unwrap(), 1);
    assert!(!left.exists());
}

#[test]
fn a_sweep_never_fails_a_submission_that_is_just_being_staged() {
    let (_dir, store) = store();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    store.sweep_staging().unwrap();
                }
            });
        }
        let staged: Result<Vec<_>, _> = (0..500).map(|_| store.stage().map(drop)).collect();
        done.store(true, Ordering::Relaxed);
        staged.unwrap();
    });
    assert_eq!(fs::read_dir(store.layout().staging()).unwrap().count(), 0);
}

#[test]
fn two_processes_agree_on_one_instance() {
    let dir = tempfile::tempdir().unwrap();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let tries: Vec<_> =
            (0..8).map(|_| scope.spawn(|| Store::open(dir.path()).unwrap().instance().clone())).collect();
        tries.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(opened.iter().all(|instance| *instance == opened[0]));
}

#[test]
fn run_numbers_are_never_given_twice() {
    let ((_dir, store), anonymous) = (store(), Owner::anonymous());
    let mut numbers: Vec<u64> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..4)
            .map(|_| {
                scope
                    .spawn(|| (0..25).map(|_| store.next_run_number(&anonymous, "p", "q").unwrap()).collect::<Vec<_>>())
            })
            .collect();
        tries.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    assert_eq!(store.next_run_number(&Owner::anonymous(), "other", "q").unwrap(), 1);
    assert_eq!(store.next_run_number(&Owner::named("ada"), "p", "q").unwrap(), 1, "each owner has runs of their own");
    // SHA-256 of "p", NUL and "q": where older programs counted, to which nobody had an owner.
    let before = store.layout().run_numbers("594d7170011c2622ed909f9c1325fda9");
    assert!(before.join("100").exists(), "anonymous goes on there");
}

#[test]
fn of_many_workers_one_holds_a_job_until_it_dies() {
    let (_dir, store) = store();
    let job = admitted(&store);
    let mut held: Vec<Claim> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| claimed(&job, &WorkerIdentity::of_this_process()))).collect();
        tries.into_iter().filter_map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(held.len(), 1);
    let first = held.remove(0);
    let other = WorkerIdentity::of_this_process();
    assert!(claimed(&job, &other).is_none(), "its lock is held");
    let elsewhere = WorkerIdentity { boot_id: "another boot".to_owned(), ..other.clone() };
    drop(first); // the lock of a process that ends is free
    assert!(claimed(&job, &elsewhere).is_none(), "another machine does not believe the lock, only the heartbeat");
    let second = claimed(&job, &other).unwrap();
    assert_eq!(second.number(), 2);
    assert!(second.holds());
}

#[test]
fn a_holder_that_was_overtaken_knows_it_and_a_beat_needs_no_space() {
    let (_dir, store) = store();
    let job = admitted(&store);
    let mut first = claimed(&job, &WorkerIdentity::of_this_process()).unwrap();
    let size = fs::metadata(job.paths().claim(1)).unwrap().len();
    (0..3).for_each(|_| first.beat().unwrap());
    assert_eq!(fs::metadata(job.paths().claim(1)).unwrap().len(), size);
    assert!(first.holds());
    fs::write(job.paths().claim(2), "").unwrap();
    assert!(!first.holds());
}

#[test]
fn a_job_ends_once_and_every_reader_sees_that_end() {
    let (_dir, store) = store();
    let job = Arc::new(admitted(&store));
    assert!(matches!(job.finish(&end(&job, JobState::Running)), Err(StoreError::Transition(_))), "that ends nothing");
    let states = [JobState::Succeeded, JobState::Failed, JobState::Canceled];
    let wins: Vec<bool> = std::thread::scope(|scope| {
        let tries: Vec<_> = states
            .iter()
            .map(|s| {
                let job = &job;
                scope.spawn(move || job.finish(&end(job, *s)).unwrap())
            })
            .collect();
        tries.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(wins.iter().filter(|won| **won).count(), 1);
    let winner = states[wins.iter().position(|won| *won).unwrap()];
    // An older holder that still draws changes nothing that a reader believes.
    let mut stale = job.view().unwrap().execution;
    stale.state = JobState::Running;
    job.draw_state(&stale).unwrap();
    assert_eq!(job.view().unwrap().execution.state, winner);
    assert_eq!(job.look(), Snapshot::Ended);
    assert!(claimed(&job, &WorkerIdentity::of_this_process()).is_none(), "nobody claims what has ended");
}

#[test]
fn the_first_recorded_end_of_a_step_counts() {
    let (_dir, store) = store();
    let (job, step) = (admitted(&store), Slug::of("BUILD"));
    let record = |status| StepEnd {
        schema: StepEnd::SCHEMA,
        stage: "BUILD".to_owned(),
        claim: 1,
        record: StepRecord::bare("BUILD", status, None, ""),
    };
    assert!(job.record_end(&step, &record(StepState::Failed)).unwrap());
    assert!(!job.record_end(&step, &record(StepState::Success)).unwrap());
    assert_eq!(job.end_of(&step).unwrap().unwrap().record.status, StepState::Failed);
}

#[test]
fn a_torn_live_record_is_shown_and_a_torn_admission_record_is_an_error() {
    let (_dir, store) = store();
    let job = admitted(&store);
    fs::write(job.paths().state(), "{\"schema\": 1, \"sta").unwrap();
    let view = job.view().unwrap();
    assert!(view.execution.error.unwrap().contains("state.json"));
    fs::write(job.paths().metadata(), "").unwrap();
    assert!(job.view().unwrap_err().to_string().contains("metadata.json"));
}

#[test]
fn taking_over_hands_the_source_to_the_runner_and_follows_no_link() {
    if !rustix::process::geteuid().is_root() {
        return; // nothing can be handed over
    }
    let (dir, store) = store();
    let job = admitted(&store);
    let outside = dir.path().join("outside");
    fs::write(&outside, "").unwrap();
    symlink(&outside, job.paths().source().join("link")).unwrap();
    fs::set_permissions(job.paths().metadata(), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    store.take_over(&job).unwrap();
    store.take_over(&job).unwrap();
    let owner = |path: &std::path::Path| fs::symlink_metadata(path).unwrap().uid();
    assert_eq!(owner(&job.paths().source()), RUNNER_UID);
    assert_eq!(owner(&job.paths().source().join("pom.xml")), RUNNER_UID);
    assert_eq!(owner(&job.paths().source().join("link")), RUNNER_UID, "the link itself");
    assert_eq!(owner(&outside), 0, "and not what it points to");
    assert_eq!(owner(job.paths().root()), 0);
    assert_eq!(fs::metadata(job.paths().metadata()).unwrap().mode() & 0o777, 0o640);

    assert_eq!(fs::metadata(job.paths().root()).unwrap().mode() & 0o7777, 0o2750);
    for plant in ["metadata.json", "pipelines", "source/twin", "ends", "logs", "unheard-of", "unheard-of-folder"] {
        let job = admitted(&store);
        let path = job.paths().root().join(plant);
        match plant {
            "source/twin" => fs::hard_link(&outside, &path).unwrap(),
            "ends" => {
                // As a backend of its own user would have to make it.
                fs::create_dir(&path).unwrap();
                std::os::unix::fs::chown(&path, Some(1234), None).unwrap();
            }
            "unheard-of-folder" => fs::create_dir(&path).unwrap(),
            other => {
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
                symlink(if other == "pipelines" { dir.path() } else { &outside }, &path).unwrap();
                if other == "logs" {
                    std::os::unix::fs::lchown(&path, Some(1234), None).unwrap();
                }
            }
        }
        assert!(store.take_over(&job).is_err(), "{plant}");
        // What lies in the submission is not looked at for this: there may be a hundred thousand files.
        assert!(job.quarantine().is_some() || plant == "source/twin", "nobody is told of {plant}");
        assert_eq!(owner(&outside), 0, "{plant}");
    }
}

#[test]
fn a_wish_to_cancel_is_made_once_and_only_its_being_there_is_believed() {
    let (_dir, store) = store();
    let job = admitted(&store);
    assert_eq!(job.cancel_wish(), None);
    assert_eq!(job.wish_cancel("on its page").unwrap(), Wished::Durable);
    let first = fs::read(job.paths().cancel_wish()).unwrap();
    assert_eq!(job.wish_cancel("by somebody else").unwrap(), Wished::Durable, "again is fine");
    assert_eq!(fs::read(job.paths().cancel_wish()).unwrap(), first, "and changes nothing");
    assert_eq!(job.cancel_wish().as_deref(), Some("on its page"));
    assert!(job.view().unwrap().cancel_wished);

    // What else the backend could put there is a wish without words, and is followed nowhere.
    let (path, outside) = (job.paths().cancel_wish(), job.paths().root().join("outside"));
    let long =
        format!("{{\"schema\":1,\"wished_at\":\"2026-01-01T00:00:00Z\",\"words\":\"{}\"}}", "x\\u001b".repeat(300));
    for (content, words) in [("not json", 0), (&"x".repeat(5000), 0), (&long, 1000)] {
        fs::write(&path, content).unwrap();
        let told = job.cancel_wish().unwrap();
        assert!(told.len() <= words && !told.contains('\u{1b}'), "{told}");
    }
    fs::rename(&path, &outside).unwrap();
    symlink(&outside, &path).unwrap();
    assert_eq!(job.cancel_wish().as_deref(), Some(""));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(job.cancel_wish().as_deref(), Some(""));
    fs::remove_dir_all(job.paths().wishes()).unwrap();
    symlink(job.paths().source(), job.paths().wishes()).unwrap();
    fs::write(job.paths().source().join("cancel.json"), "{}").unwrap();
    assert_eq!(job.cancel_wish(), None, "the folder is the backend's own or none");
}

#[test]
fn of_wish_and_end_at_the_same_moment_either_may_win_and_the_end_tells_which() {
    let (_dir, store) = store();
    let (mut granted, mut in_vain, mut too_late) = (0, 0, 0);
    let job = admitted(&store);
    for round in 0..1000 {
        let ready = std::sync::Barrier::new(2);
        // What a worker does at the end of a job: a last look at the wish, and the end.
        let finish = || {
            ready.wait();
            let state = if job.cancel_wish().is_some() { JobState::Canceled } else { JobState::Succeeded };
            assert!(job.finish(&end(&job, state)).unwrap());
            state
        };
        let wish = || {
            ready.wait();
            // Around the moment of the end, from both sides.
            (0..(round % 40) * 20).for_each(|_| std::hint::spin_loop());
            job.wish_cancel("now").unwrap()
        };
        let (state, answer) = std::thread::scope(|scope| {
            let (finishing, wishing) = (scope.spawn(finish), scope.spawn(wish));
            (finishing.join().unwrap(), wishing.join().unwrap())
        });
        assert_eq!(job.final_record().unwrap().unwrap().state, state, "the end is the one that was written");
        match &answer {
            Wished::Ended(told) => {
                assert_eq!((told.state, state), (JobState::Succeeded, JobState::Succeeded), "the end that won is told");
                too_late += 1;
            }
            Wished::Durable if state == JobState::Canceled => granted += 1,
            // It came between the last look and the end, and was answered before the end was there.
            Wished::Durable => in_vain += 1,
        }
        // Whatever the first answer was, from now on everybody is told the end.
        assert!(matches!(job.wish_cancel("again").unwrap(), Wished::Ended(told) if told.state == state));
        assert!(!job.finish(&end(&job, JobState::Canceled)).unwrap(), "and nobody replaces it");
        // The same job once more: admitting a thousand takes a minute of syncing.
        fs::remove_file(job.paths().final_record()).unwrap();
        let _ = fs::remove_file(job.paths().cancel_wish());
    }
    println!("{granted} granted, {in_vain} in vain, {too_late} too late");
    assert!(granted + in_vain > 0 && too_late > 0, "both sides were tried");
}

/// A pass of another worker that sees the end while its writer is not through with it.
#[test]
fn who_clears_up_behind_an_end_is_in_nobodys_way() {
    let (_dir, store) = store();
    let job = admitted(&store);
    let end = end(&job, JobState::Succeeded);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for entry in fs::read_dir(job.paths().root()).unwrap().flatten() {
                    let passing = entry.file_name().to_string_lossy().starts_with(".tmp-");
                    if passing && job.look() == Snapshot::Ended {
                        let _ = fs::remove_file(entry.path());
                    }
                }
            }
        });
        let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..300 {
                assert!(job.finish(&end).unwrap());
                fs::remove_file(job.paths().final_record()).unwrap();
            }
        }));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        finished.unwrap();
    });
}
