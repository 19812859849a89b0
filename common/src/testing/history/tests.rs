//! The judge judged: one honest history, and one forgery for each promise.

use super::*;

const JOB: &str = "01999999-0000-7000-8000-000000000001";
const OTHER: &str = "01999999-0000-7000-8000-000000000002";

/// What the honest world looks like: a worker dies, another goes on, a container is lost, and the job ends once.
const HONEST: &str = r#"
admit job=J
answered job=J
fault what=engine how=Refused
claim job=J claim=1
attempt job=J attempt=1
create container=pipelinex-J-a1-t1-build
container action=start container=pipelinex-J-a1-t1-build
claim job=J claim=2
container action=die container=pipelinex-J-a1-t1-build
end job=J step=build won=true
container action=start container=pipelinex-J-a1-t1-test
engine-stopped
attempt job=J attempt=2
container action=start container=pipelinex-J-a2-t1-test.db
container action=start container=pipelinex-J-a2-t1-test
container action=die container=pipelinex-J-a2-t1-test
end job=J step=test won=true
end job=J step=test won=false
final job=J state=SUCCEEDED won=true
final job=J state=FAILED won=false
"#;

/// Events in the order of their lines.
fn events(text: &str) -> Vec<Event> {
    let line = |(number, line): (usize, &str)| {
        let mut words = line.split_whitespace();
        let mut event = serde_json::json!({"at_ns": number, "pid": 1, "event": words.next()?});
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            event[key] = value.replace('J', JOB).into();
        }
        Some(event.to_string())
    };
    let lines: Vec<String> = text.lines().enumerate().filter_map(line).collect();
    Event::read(&lines.join("\n"))
}

fn evidence(text: &str) -> Evidence {
    Evidence {
        events: events(text),
        jobs: BTreeMap::from([(JOB.to_owned(), Some("SUCCEEDED".to_owned()))]),
        left_over: Vec::new(),
    }
}

/// What is wrong with the honest history once this line was put in at the place of that one, or behind it.
#[track_caller]
fn with(line: &str, behind: &str) -> Vec<(Kind, String)> {
    assert!(HONEST.contains(behind), "{behind}");
    found(&evidence(&HONEST.replacen(behind, &format!("{behind}\n{line}"), 1)))
}

fn found(evidence: &Evidence) -> Vec<(Kind, String)> {
    judge(evidence).into_iter().map(|violation| (violation.kind, violation.how)).collect()
}

#[test]
fn an_honest_history_passes() {
    assert_eq!(found(&evidence(HONEST)), []);
}

#[test]
fn an_honest_history_passes_without_what_a_death_swallows() {
    for kind in ["admit", "answered", "claim", "attempt", "create", "end", "final"] {
        let without: Vec<&str> = HONEST.lines().filter(|line| !line.starts_with(kind)).collect();
        assert_eq!(found(&evidence(&without.join("\n"))), [], "{kind}");
    }
}

#[test]
fn an_answered_job_that_is_not_there_is_lost() {
    let forged = with(&format!("answered job={OTHER}"), "answered job=J");
    assert_eq!(forged, [(Kind::Lost, "was answered with 201 and is not there".to_owned())]);
}

#[test]
fn an_admitted_job_that_is_not_there_is_lost() {
    let forged = with(&format!("admit job={OTHER}"), "admit job=J");
    assert_eq!(forged, [(Kind::Lost, "was admitted and is not there".to_owned())]);
}

#[test]
fn a_job_without_an_end_is_lost() {
    let mut forged = evidence(HONEST);
    forged.jobs.insert(JOB.to_owned(), None);
    assert_eq!(found(&forged), [(Kind::Lost, "has no end".to_owned())]);
}

#[test]
fn a_second_end_is_seen() {
    let forged = with("final job=J state=SUCCEEDED won=true", "final job=J state=SUCCEEDED won=true");
    assert_eq!(forged, [(Kind::Doubled, "ended twice".to_owned())]);
}

#[test]
fn an_end_that_was_replaced_is_seen() {
    let mut forged = evidence(HONEST);
    forged.jobs.insert(JOB.to_owned(), Some("FAILED".to_owned()));
    assert_eq!(found(&forged), [(Kind::Doubled, "ended SUCCEEDED, and its record says FAILED".to_owned())]);
}

#[test]
fn a_claim_with_two_holders_is_seen() {
    assert_eq!(
        with("claim job=J claim=2", "claim job=J claim=2"),
        [(Kind::Doubled, "claim 2 has two holders".to_owned())]
    );
}

#[test]
fn a_claim_that_does_not_rise_is_seen() {
    let forged = evidence(&HONEST.replace("claim job=J claim=1", "claim job=J claim=3"));
    assert_eq!(found(&forged), [(Kind::Disorder, "claim 2 came after claim 3".to_owned())]);
    let elsewhere = with(&format!("claim job={OTHER} claim=1"), "claim job=J claim=2");
    assert_eq!(elsewhere, [], "each job counts its own");
}

#[test]
fn a_claim_of_long_ago_that_comes_again_has_two_holders() {
    let forged = with("claim job=J claim=1", "claim job=J claim=2");
    assert_eq!(forged, [(Kind::Doubled, "claim 1 has two holders".to_owned())]);
}

#[test]
fn an_attempt_that_does_not_rise_is_seen() {
    for again in [1, 2] {
        let forged = with(&format!("attempt job=J attempt={again}"), "attempt job=J attempt=2");
        assert_eq!(forged, [(Kind::Disorder, format!("attempt {again} came after attempt 2"))]);
    }
}

#[test]
fn a_container_of_an_old_attempt_is_seen() {
    let start = "container action=start container=pipelinex-J-a1-t1-again";
    let forged = evidence(&HONEST.replacen(
        "engine-stopped",
        &format!("{}\nengine-stopped\n{start}", start.replace("a1", "a2")),
        1,
    ));
    assert_eq!(found(&forged), [(Kind::Disorder, "again ran in attempt 1 after attempt 2".to_owned())]);
}

#[test]
fn two_containers_of_one_step_are_seen() {
    let start = "container action=start container=pipelinex-J-a2-t1-build";
    let forged = with(start, "container action=start container=pipelinex-J-a1-t1-build");
    let how = format!("pipelinex-{JOB}-a2-t1-build ran beside pipelinex-{JOB}-a1-t1-build");
    assert_eq!(forged, [(Kind::Doubled, how)]);
}

#[test]
fn a_container_that_is_started_twice_is_seen() {
    let start = "container action=start container=pipelinex-J-a1-t1-build";
    let forged = with(start, "container action=die container=pipelinex-J-a1-t1-build");
    assert_eq!(forged, [(Kind::Doubled, format!("pipelinex-{JOB}-a1-t1-build was started twice"))]);
}

#[test]
fn a_start_after_the_end_of_the_step_is_seen() {
    let forged = with("container action=start container=pipelinex-J-a2-t1-build", "engine-stopped");
    assert_eq!(forged, [(Kind::Doubled, format!("pipelinex-{JOB}-a2-t1-build was started after the step's end"))]);
}

#[test]
fn a_start_after_the_end_of_the_job_is_seen() {
    let forged =
        with("container action=start container=pipelinex-J-a2-t1-late", "final job=J state=SUCCEEDED won=true");
    assert_eq!(forged, [(Kind::Doubled, format!("pipelinex-{JOB}-a2-t1-late was started after the job's end"))]);
}

#[test]
fn what_is_left_over_is_seen() {
    let mut forged = evidence(HONEST);
    forged.left_over.push("volume reports".to_owned());
    assert_eq!(found(&forged), [(Kind::LeftOver, "is left over".to_owned())]);
}

#[test]
fn lines_that_were_cut_short_are_passed_over() {
    let text = "{\"at_ns\": 1, \"event\": \"process\", \"pid\": 7}\n{\"at_ns\": 2, \"eve";
    let read = Event::read(text);
    assert_eq!((read.len(), read[0].pid, read[0].name.as_str()), (1, 7, "process"));
}
