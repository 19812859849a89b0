//! Stories about the jobs of a project: which there are, and with which of them one is compared.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;

use jiff::Timestamp;
use pipelinex_common::{
    access::Owner,
    baseline::{self, Against},
    execution::{Execution, FindingCounts, StepRecord},
    id::JobId,
    metadata::Metadata,
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::{ProjectKey, Store},
    testing::sample,
};

/// A job of a project that has ended with these rules found by SAST; `None`: it did not look.
fn ended(store: &Store, state: JobState, found: Option<&[&str]>, change: impl FnOnce(&mut Metadata)) -> Metadata {
    let mut metadata = sample::metadata(JobId::generate(), ["SAST"]);
    "shop".clone_into(&mut metadata.project);
    metadata.branch = Some("main".to_owned());
    change(&mut metadata);
    store.admit(store.stage().unwrap(), &metadata).unwrap();
    let job = store.job(metadata.job_id).unwrap();
    let mut execution = metadata.initial_execution();
    (execution.state, execution.finished_at) = (state, Some(Timestamp::now()));
    if let Some(rules) = found {
        let rows: Vec<_> = rules
            .iter()
            .map(|rule| serde_json::json!({"tool": "t", "rule": rule, "severity": "high", "message": "m", "path": null, "line": null}))
            .collect();
        let folder = job.paths().reports_of(&Slug::of("SAST"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("findings.json"), serde_json::to_string(&rows).unwrap()).unwrap();
        let mut step = StepRecord::bare("SAST", StepState::Success, None, "");
        step.findings = Some(FindingCounts { high: rules.len() as u64, ..FindingCounts::default() });
        execution.stages["SAST"].steps.insert(Slug::of("SAST"), step);
    }
    fs::write(job.paths().final_record(), serde_json::to_string(&execution).unwrap()).unwrap();
    metadata
}

/// How the findings of a job stand, and which run it was compared with.
fn told(store: &Store, metadata: &Metadata, against: Against) -> String {
    let past = baseline::of(store, metadata, &[Slug::of("SAST")], against).unwrap();
    let now = store.job(metadata.job_id).unwrap().found_by("SAST", &Slug::of("SAST")).unwrap();
    let beside = past.compare(&Slug::of("SAST"), &now);
    let standings = now.iter().zip(&beside.compared.standings).map(|(f, s)| format!("{} {}", f.rule, s.as_str()));
    let fixed = beside.fixed.iter().map(|finding| format!("{} fixed", finding.rule));
    let runs = past.runs.iter().map(|run| format!("#{}", run.run_number));
    standings.chain(fixed).chain(runs).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_job_is_compared_with_the_last_run_of_its_owner_project_and_branch_that_looked() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let run = |state, found: Option<&[&str]>, number: u64, change: &dyn Fn(&mut Metadata)| {
        ended(&store, state, found, |metadata| {
            metadata.run_number = number;
            change(metadata);
        })
    };
    let passed = JobState::Succeeded;
    run(passed, Some(&["old", "b"]), 1, &|_| ());
    let second = run(passed, Some(&["a", "b"]), 2, &|_| ());
    assert_eq!(told(&store, &second, Against::Ended), "a new, b unchanged, old fixed, #1");
    // Neither another's job, nor one of another branch or project, nor one that did not look, nor one that goes on.
    run(passed, Some(&["c"]), 3, &|metadata| metadata.owner = Owner::named("eve"));
    run(passed, Some(&["c"]), 4, &|metadata| metadata.branch = Some("next".to_owned()));
    run(passed, Some(&["c"]), 5, &|metadata| "other".clone_into(&mut metadata.project));
    run(passed, None, 6, &|_| ());
    let open = run(passed, Some(&["c"]), 7, &|_| ());
    fs::remove_file(store.job(open.job_id).unwrap().paths().final_record()).unwrap();
    let next = run(passed, Some(&["b", "old", "c"]), 8, &|_| ());
    assert_eq!(told(&store, &next, Against::Ended), "b unchanged, old reopened, c new, a fixed, #2");
    assert_eq!(told(&store, &next, Against::Job(second.job_id)), "b unchanged, old new, c new, a fixed, #2");
    // What the gate refused does not become old by that.
    run(JobState::Failed, Some(&["b", "c"]), 9, &|_| ());
    let last = run(passed, Some(&["c"]), 10, &|_| ());
    assert_eq!(told(&store, &last, Against::Ended), "c unchanged, b fixed, #9");
    assert_eq!(told(&store, &last, Against::Passed), "c unchanged, b fixed, old fixed, #8");
    // A branch without a run is compared with main; the project that nobody named with nothing but what a job repeats.
    let branch = run(passed, Some(&["c"]), 1, &|metadata| metadata.branch = Some("fresh".to_owned()));
    assert_eq!(told(&store, &branch, Against::Ended), "c unchanged, #10");
    let unnamed = run(passed, Some(&["c"]), 1, &|metadata| "default".clone_into(&mut metadata.project));
    let again = run(passed, Some(&["c"]), 2, &|metadata| {
        "default".clone_into(&mut metadata.project);
        metadata.retry_of = Some(unnamed.job_id);
    });
    assert_eq!(told(&store, &unnamed, Against::Ended), "c new");
    assert_eq!(told(&store, &again, Against::Ended), "c unchanged, #1");
    // Nobody names another's job.
    let foreign = baseline::of(&store, &last, &[], Against::Job(unnamed.job_id)).map(|_| ());
    assert!(foreign.unwrap_err().to_string().contains("there is no job"));
}

#[test]
fn a_broken_scan_is_nobodys_past() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    ended(&store, JobState::Succeeded, Some(&["a"]), |metadata| metadata.run_number = 1);
    let broken = ended(&store, JobState::Failed, Some(&[]), |metadata| metadata.run_number = 2);
    let path = store.job(broken.job_id).unwrap().paths().final_record();
    let mut end: Execution = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let step = &mut end.stages["SAST"].steps[0];
    (step.status, step.reason) = (StepState::Failed, Some(Reason::ToolError));
    fs::write(&path, serde_json::to_string(&end).unwrap()).unwrap();
    let now = ended(&store, JobState::Succeeded, Some(&["a"]), |_| ());
    assert_eq!(told(&store, &now, Against::Ended), "a unchanged, #1");
}

#[test]
fn the_jobs_of_a_project_are_known_also_where_the_index_was_deleted_and_go_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let first = ended(&store, JobState::Succeeded, None, |_| ());
    let second = ended(&store, JobState::Succeeded, None, |metadata| metadata.owner = Owner::named("ada"));
    let names =
        |store: &Store| store.projects().unwrap().iter().map(|p| (p.name.clone(), p.anonymous)).collect::<Vec<_>>();
    let both = [("shop".to_owned(), false), ("shop".to_owned(), true)];
    assert_eq!(names(&store), both);
    let runs = |store: &Store, of: &Metadata| store.runs_of(&ProjectKey::of(of)).unwrap().len();
    assert_eq!((runs(&store, &first), runs(&store, &second)), (1, 1));

    fs::remove_dir_all(store.layout().projects()).unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!((names(&store), runs(&store, &first)), (both.to_vec(), 1));
    assert!(store.remove_ended(&store.job(first.job_id).unwrap()).unwrap());
    assert_eq!((runs(&store, &first), runs(&store, &second)), (0, 1));
}
