//! Stories about files that are not as they should be: each in turn torn, empty, garbage, of an older and of a newer program,
//! a folder, a link. One job suffers, or none.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use pipelinex_common::{
    disk::Versioned,
    execution::{Execution, StepEnd, StepRecord},
    id::JobId,
    slug::Slug,
    state::{JobState, StepState},
    store::{ClaimOutcome, DEFINITION_MAX, HeartbeatWatch, Job, Snapshot, Store, WorkerIdentity},
    testing::sample,
};

/// What can be wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Torn,
    Empty,
    Garbage,
    Unversioned,
    NeverWritten,
    Future,
    Folder,
    Link,
    DanglingLink,
}

const HARMS: [Harm; 9] = {
    use Harm::*;
    [Torn, Empty, Garbage, Unversioned, NeverWritten, Future, Folder, Link, DanglingLink]
};

impl Harm {
    fn to(self, path: &Path) {
        let whole = fs::read_to_string(path).unwrap_or_else(|_| "{\"schema\": 1}".to_owned());
        let _ = fs::remove_file(path);
        match self {
            Self::Torn => fs::write(path, &whole[..whole.len() / 2]).unwrap(),
            Self::Empty => fs::write(path, "").unwrap(),
            Self::Garbage => fs::write(path, b"\x00\xff{]").unwrap(),
            Self::Unversioned => fs::write(path, "{}").unwrap(),
            Self::NeverWritten => fs::write(path, "{\"schema\": 0}").unwrap(),
            Self::Future => fs::write(path, "{\"schema\": 99, \"novel\": true}").unwrap(),
            Self::Folder => fs::create_dir(path).unwrap(),
            Self::Link => {
                // What it leads to would be fine.
                let aside = path.with_file_name(".tmp-elsewhere");
                fs::write(&aside, whole).unwrap();
                symlink(aside, path).unwrap();
            }
            Self::DanglingLink => symlink("/nonexistent/file", path).unwrap(),
        }
    }
}

/// A job that runs: one step has ended, a worker that is gone holds it.
fn running(store: &Store) -> Job {
    let id = JobId::generate();
    store.admit(store.stage().unwrap(), &sample::metadata(id, ["BUILD"])).unwrap();
    let job = store.job(id).unwrap();
    let ClaimOutcome::Won(_claim) = claim(&job) else { panic!("nobody else is here") };
    let record = StepRecord::bare("BUILD", StepState::Success, None, "");
    let end = StepEnd { schema: StepEnd::SCHEMA, stage: "BUILD".to_owned(), claim: 1, record };
    job.record_end(&Slug::of("BUILD"), &end).unwrap();
    assert_eq!(job.quarantine(), None);
    job
}

fn claim(job: &Job) -> ClaimOutcome {
    job.claim(&WorkerIdentity::of_this_process(), &mut HeartbeatWatch::default()).unwrap()
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

#[test]
fn a_job_whose_admission_record_or_ends_cannot_be_read_is_set_aside_and_says_why() {
    let (_dir, store) = store();
    let files: [fn(&Job) -> PathBuf; 2] = [|job| job.paths().metadata(), |job| job.paths().end(&Slug::of("BUILD"))];
    for (file, harm) in files.into_iter().flat_map(|file| HARMS.map(|harm| (file, harm))) {
        let job = running(&store);
        let path = file(&job);
        harm.to(&path);
        let quarantine = job.quarantine().unwrap_or_else(|| panic!("{harm:?} {}", path.display()));
        assert_eq!(quarantine.path, path, "{harm:?}");
        let (name, said) = (path.file_name().unwrap().to_str().unwrap(), quarantine.to_string());
        assert!(said.contains(name) && !said.contains(&job.id().to_string()), "{said}");
        assert_eq!(said.contains("newer pipelinex"), harm == Harm::Future, "{said}");
        assert_eq!(job.look(), Snapshot::Open, "nothing ends it");
        if let Ok(view) = job.view() {
            assert_eq!(view.execution.error, Some(said));
        }
    }
}

#[test]
fn a_missing_admission_record_sets_the_job_aside() {
    let (_dir, store) = store();
    let job = running(&store);
    fs::remove_file(job.paths().metadata()).unwrap();
    assert!(job.quarantine().unwrap().to_string().contains("metadata.json of this job cannot be read: it is missing"));
}

#[test]
fn a_job_whose_end_cannot_be_read_has_ended_and_is_never_run_again() {
    let (_dir, store) = store();
    for harm in HARMS {
        let job = running(&store);
        harm.to(&job.paths().final_record());
        assert_eq!(job.look(), Snapshot::Ended, "{harm:?}");
        assert!(matches!(claim(&job), ClaimOutcome::Ended), "{harm:?}");
        assert_eq!(job.quarantine().unwrap().path, job.paths().final_record(), "{harm:?}");
        assert!(job.view().is_err(), "{harm:?}");
    }
}

#[test]
fn a_live_record_is_put_aside_and_drawn_again_unless_a_newer_program_drew_it() {
    let (_dir, store) = store();
    for harm in HARMS {
        let job = running(&store);
        harm.to(&job.paths().state());
        assert!(job.view().unwrap().execution.error.is_some(), "{harm:?} is shown");
        let put_aside = job.put_torn_state_aside();
        if harm == Harm::Future {
            assert_eq!(job.quarantine().unwrap().path, job.paths().state());
            assert!(put_aside.is_err() && job.paths().state().exists(), "it is left alone");
            continue;
        }
        assert_eq!(job.quarantine(), None, "{harm:?}");
        put_aside.unwrap();
        let execution = job.view().unwrap().execution;
        assert_eq!((execution.state, &execution.error), (JobState::Queued, &None), "{harm:?}");
        job.draw_state(&execution).unwrap();
        // A later holder takes no offence at what was put aside.
        store.take_over(&job).unwrap();
    }
}

#[test]
fn a_claim_that_cannot_be_read_counts_as_dead_once_it_stands_still_and_one_of_a_newer_program_does_not() {
    let (_dir, store) = store();
    for harm in HARMS {
        let job = running(&store);
        harm.to(&job.paths().claim(1));
        if harm == Harm::Future {
            assert_eq!(job.quarantine().unwrap().path, job.paths().claim(1));
            continue;
        }
        assert_eq!(job.quarantine(), None, "{harm:?}");
        // A link that leads to a claim whose holder is gone is not followed to its lock.
        assert!(matches!(claim(&job), ClaimOutcome::Held { number: 1 }), "{harm:?}: not before it has stood still");
    }
}

#[test]
fn what_an_editor_leaves_beside_a_mended_record_keeps_nobody_from_going_on() {
    let (_dir, store) = store();
    let job = running(&store);
    for copy in ["metadata.json~", "metadata.json.bak", ".metadata.json.swp", "state.json~"] {
        fs::write(job.paths().root().join(copy), "what was there before").unwrap();
    }
    store.take_over(&job).unwrap();
    assert_eq!(job.quarantine(), None);
}

#[test]
fn a_job_that_nobody_can_take_over_is_set_aside_and_says_why() {
    let (dir, store) = store();
    let outside = dir.path().join("outside");
    fs::write(&outside, "stages: [S]\n").unwrap();
    let second_name = |job: &Job| fs::hard_link(job.paths().metadata(), outside.with_file_name("second")).unwrap();
    let in_its_place = |path: PathBuf, make: &dyn Fn(&Path)| {
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        make(&path);
        path
    };
    let link = |path: &Path| symlink(&outside, path).unwrap();
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    let large = |path: &Path| fs::write(path, "#".repeat(DEFINITION_MAX as usize + 1)).unwrap();
    let harms: [&dyn Fn(&Job) -> PathBuf; 7] = [
        &|job| in_its_place(job.paths().root().join("before"), &folder),
        &|job| in_its_place(job.paths().root().join("metadata.json.bak"), &link),
        &|job| in_its_place(job.paths().source(), &link),
        &|job| in_its_place(job.paths().definition(), &link),
        &|job| in_its_place(job.paths().definition(), &folder),
        &|job| in_its_place(job.paths().definition(), &large),
        &|job| {
            second_name(job);
            job.paths().metadata()
        },
    ];
    for harm in harms {
        let job = running(&store);
        let path = harm(&job);
        let told = job.quarantine().unwrap_or_else(|| panic!("nobody is told of {}", path.display()));
        assert_eq!(told.path, path);
        assert_eq!(job.view().unwrap().execution.error, Some(told.to_string()));
        // What has ended is nobody's to take over: it costs no such look, and is as it was.
        job.finish(&Execution { state: JobState::Failed, ..job.view().unwrap().execution }).unwrap();
        assert_eq!(job.quarantine(), None, "{}", path.display());
    }
}

#[test]
fn a_folder_of_the_record_that_is_none_sets_the_job_aside() {
    let (_dir, store) = store();
    let folders: [fn(&Job) -> PathBuf; 3] =
        [|job| job.paths().ends(), |job| job.paths().claims(), |job| job.paths().attempts()];
    for folder in folders {
        for link in [true, false] {
            let job = running(&store);
            let path = folder(&job);
            let _ = fs::remove_dir_all(&path);
            if link {
                symlink("/tmp", &path).unwrap()
            } else {
                fs::write(&path, "").unwrap()
            }
            assert_eq!(job.quarantine().unwrap().path, path);
        }
    }
}
