//! One job from its admission to its end, and a power cut after each of the system calls that this takes: in every state that may
//! then be on the disk, nothing that is half there is read as whole, and whatever somebody was told is there.
//!
//! The calls are the real ones, recorded by strace from this binary as a process of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![allow(clippy::print_stdout, reason = "says how much was looked at")]

mod access;
mod disk;
mod trace;

use std::{
    collections::HashSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use jiff::Timestamp;
use pipelinex_common::{
    disk::Versioned,
    execution::{Execution, StepEnd, StepRecord},
    id::JobId,
    slug::Slug,
    state::{JobState, StepState},
    store::{ClaimOutcome, HeartbeatWatch, Job, Store, StoreError, WorkerIdentity},
    testing::sample,
};

use self::{
    disk::{Disk, Tree},
    trace::{Call, Reading, traced},
};

/// Tells this binary to write: the workspaces folder.
const ROOT: &str = "PIPELINEX_TEST_ROOT";
/// Where it says what is done: a file beside that folder.
const TOLD: &str = "told";
const SOURCE: &str = "<project>what was submitted</project>";
const DEFINITION: &str = "stages: [BUILD]\n";

fn id() -> JobId {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

/// No test: what the recorded process does.
#[test]
fn writing_a_job() {
    if let Ok(root) = std::env::var(ROOT) {
        write(Path::new(&root)).unwrap();
    }
}

/// Whoever asked has his answer: what it says must be there after any crash.
fn tell(root: &Path, what: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(root.with_file_name(TOLD)).unwrap();
    file.write_all(what.as_bytes()).unwrap();
}

fn write(root: &Path) -> Result<(), StoreError> {
    let store = Store::open(root)?;
    tell(root, &format!("instance {}", store.instance().as_str()));
    let staging = store.stage()?;
    fs::write(staging.paths().source().join("pom.xml"), SOURCE).unwrap();
    fs::write(staging.paths().definition(), DEFINITION).unwrap();
    store.admit(staging, &sample::metadata(id(), ["BUILD"]))?;
    tell(root, "admitted");
    let job = store.job(id())?;
    for holder in 1..=2 {
        let ClaimOutcome::Won(mut claim) = claim(&job)? else { panic!("nobody holds it") };
        claim.beat().unwrap();
        store.take_over(&job)?;
        tell(root, &format!("claim {holder}"));
        job.begin_attempt(&claim, 0)?;
        tell(root, "attempt 1");
        job.draw_state(&execution(&job, JobState::Running)?)?;
        // What the first one recorded stays, and so does what the second one ends the job with.
        let status = if holder == 1 { StepState::Success } else { StepState::Failed };
        assert_eq!(job.record_end(&Slug::of("BUILD"), &end(status))?, holder == 1);
        tell(root, "ended");
    }
    assert!(job.finish(&execution(&job, JobState::Succeeded)?)?);
    tell(root, "final");
    assert!(!job.finish(&execution(&job, JobState::Failed)?)?);
    Ok(())
}

fn claim(job: &Job) -> Result<ClaimOutcome, StoreError> {
    job.claim(&WorkerIdentity::of_this_process(), &mut HeartbeatWatch::default())
}

fn execution(job: &Job, state: JobState) -> Result<Execution, StoreError> {
    Ok(Execution { state, updated_at: Timestamp::now(), ..job.metadata()?.initial_execution() })
}

fn end(status: StepState) -> StepEnd {
    let record = StepRecord::bare("BUILD", status, None, "");
    StepEnd { schema: StepEnd::SCHEMA, stage: "BUILD".to_owned(), claim: 1, record }
}

/// What the process asks of the disk, with a call that fails where one is named; and whether it came to its end.
fn recorded(failing: Option<&str>) -> (bool, Vec<Call>) {
    recorded_of("writing_a_job", failing)
}

fn recorded_of(story: &str, failing: Option<&str>) -> (bool, Vec<Call>) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("workspaces");
    fs::create_dir(&root).unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", story, "--test-threads=1", "--nocapture"]).env(ROOT, &root);
    let log = dir.path().join("strace");
    let mut traced = traced(&program, &log, failing);
    let status = traced.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.expect("these tests need strace: `make setup` installs it");
    let mut reading = Reading::new(&root, &root.with_file_name(TOLD));
    reading.take_in(&trace::whole(&log));
    (status.success(), reading.calls())
}

/// What the readers of the store make of a tree; a sentence where it is not what was told.
fn judge(tree: &Tree, told: &[&str]) -> Result<(), String> {
    let dir = scratch();
    disk::lay_out(tree, dir.path());
    let text = |error: StoreError| error.to_string();
    let must = |what: &str, is: bool| if is { Ok(()) } else { Err(format!("{what}, and was told {told:?}")) };
    let store = Store::open(dir.path()).map_err(text)?;
    let instance = format!("instance {}", store.instance().as_str());
    must("the instance is another one", told.iter().all(|t| !t.starts_with("instance") || *t == instance))?;
    let ids = store.ids().map_err(text)?;
    let Some(id) = ids.first() else { return must("there is no job", !told.contains(&"admitted")) };
    must("there is one job", ids == [*id])?;
    let job = store.job(*id).map_err(text)?;
    let view = job.view().map_err(text)?;
    must("the live record cannot be read", view.execution.error.is_none())?;
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
    must("the source is not what was sent", read(job.paths().source().join("pom.xml")) == SOURCE)?;
    must("the definition is another one", read(job.paths().definition()) == DEFINITION)?;
    let last = job.final_record().map_err(text)?;
    must("another end", last.as_ref().is_none_or(|last| last.state == JobState::Succeeded))?;
    must("it has not ended", last.is_some() || !told.contains(&"final"))?;
    let step = job.end_of(&Slug::of("BUILD")).map_err(text)?;
    must("another end of the step", step.as_ref().is_none_or(|end| end.record.status == StepState::Success))?;
    must("the step has not ended", step.is_some() || !told.contains(&"ended"))?;
    let attempt = job.latest_attempt().map_err(text)?;
    must("another attempt", attempt <= 1 && (attempt == 1 || !told.contains(&"attempt 1")))?;
    // Whoever comes next can go on, with a claim that nobody had.
    match claim(&job).map_err(text)? {
        ClaimOutcome::Ended => must("nobody said so", last.is_some()),
        ClaimOutcome::Held { .. } => must("somebody holds it after a power cut", false),
        ClaimOutcome::Won(claim) => {
            must("it was held before", !told.contains(&format!("claim {}", claim.number()).as_str()))
        }
    }
}

/// In memory where there is such a place: there are thousands of them.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Judges every state after every call: how many there were, and the first that is not as it should be.
fn replayed(calls: &[Call]) -> (usize, Option<String>) {
    replayed_by(calls, judge)
}

fn replayed_by(calls: &[Call], judge: fn(&Tree, &[&str]) -> Result<(), String>) -> (usize, Option<String>) {
    let (disk, mut seen, mut states) = (Disk::new(calls), HashSet::new(), 0);
    for cut in 0..=calls.len() {
        let told: Vec<&str> = calls[..cut]
            .iter()
            .filter_map(|call| match call {
                Call::Told { what } => Some(what.as_str()),
                _ => None,
            })
            .collect();
        for tree in disk.after(cut, usize::MAX) {
            if !seen.insert((tree.clone(), told.len())) {
                continue;
            }
            states += 1;
            if let Err(wrong) = judge(&tree, &told) {
                return (states, Some(format!("{wrong}, after {:?}", &calls[..cut].last())));
            }
        }
    }
    (states, None)
}

#[test]
fn a_descriptor_that_is_used_again_before_its_close_has_returned_is_the_new_file() {
    let mut reading = Reading::new(Path::new("/w"), Path::new("/told"));
    reading.take_in(
        r#"1 openat(AT_FDCWD</>, "/w/old", O_WRONLY|O_CREAT, 0640) = 5</w/old>
1 close(5</w/old> <unfinished ...>
2 openat(AT_FDCWD</>, "/w/new", O_WRONLY|O_CREAT, 0640) = 5</w/new>
1 <... close resumed>) = 0
2 write(5</w/new>, "text", 4) = 4
2 close(5</w/new>) = 0
"#,
    );
    let create = |file, name: &str| Call::Create { file, name: name.to_owned() };
    let written = Call::Write { file: 2, at: 0, bytes: b"text".to_vec() };
    assert_eq!(reading.calls(), [create(1, "old"), create(2, "new"), written]);
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_that_was_told_and_leaves_nothing_half() {
    let (succeeded, calls) = recorded(None);
    assert!(succeeded);
    let told = calls.iter().filter(|call| matches!(call, Call::Told { .. })).count();
    assert_eq!(told, 9, "all was recorded: {calls:?}");
    let (states, wrong) = replayed(&calls);
    println!("{states} states after {} calls", calls.len());
    assert_eq!(wrong, None);
    assert!(states > 300, "{states}");
}

#[test]
fn without_a_sync_the_same_judge_finds_what_is_lost_or_half() {
    let (_, calls) = recorded(None);
    let kind = |call: &Call| match call {
        Call::SyncFile { .. } => "of files",
        Call::SyncDir { .. } => "of folders",
        Call::SyncAll => "of the file system",
        _ => "",
    };
    for what in ["of files", "of folders", "of the file system"] {
        let without: Vec<Call> = calls.iter().filter(|call| kind(call) != what).cloned().collect();
        assert!(without.len() < calls.len(), "{what}");
        let (_, wrong) = replayed(&without);
        println!("without the syncs {what}: {}", wrong.as_deref().unwrap_or("nothing is found"));
        assert!(wrong.is_some(), "without the syncs {what}");
    }
}

#[test]
fn a_sync_that_fails_once_is_a_write_that_failed() {
    let mut failed = 0;
    for call in ["fsync", "syncfs"] {
        for number in 1.. {
            let (succeeded, calls) = recorded(Some(&format!("inject={call}:error=EIO:when={number}")));
            if succeeded {
                assert!(number > 1, "there is a {call}");
                break;
            }
            failed += 1;
            // It is not asked again and then believed: what was told until then is all that must be there.
            let told: Vec<&str> = calls
                .iter()
                .filter_map(|c| if let Call::Told { what } = c { Some(what.as_str()) } else { None })
                .collect();
            for tree in Disk::new(&calls).after(calls.len(), usize::MAX) {
                assert_eq!(judge(&tree, &told), Ok(()), "{call} number {number}");
            }
        }
    }
    println!("{failed} syncs, each failed once");
    assert!(failed > 10, "{failed}");
}
