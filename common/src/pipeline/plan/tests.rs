//! Tables for what each condition means, and a small model for what has to hold in any pipeline whatever.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::pipeline::{
    model::{AllowFailure, Artifacts, Need, Network, StepKind, When},
    tests::{BUILT_IN, pipeline},
};

const ALL: &str = "default: {image: i}\nstages: [one, two, three]\n";

fn end(word: &str) -> Ended {
    let (outcome, exit_code) = match word {
        "ok" => (StepOutcome::Success, Some(0)),
        "canceled" => (StepOutcome::Canceled, None),
        "skipped" => (StepOutcome::Skipped, None),
        "refused" => (StepOutcome::Refused, Some(0)),
        code => (StepOutcome::Failed, code.parse().ok()),
    };
    Ended { outcome, exit_code }
}

/// The same with steps that were started by hand, or were not in time (`late `).
fn told_with(text: &str, ended: &[(&str, &str)], freed: &[&str]) -> String {
    let pipeline = pipeline(&format!("{ALL}{text}"));
    let selected = pipeline.steps.iter().map(|step| step.slug.clone()).collect();
    let ended = ended.iter().map(|(name, word)| (Slug::of(name), end(word))).collect();
    let (late, start): (Vec<&str>, Vec<&str>) = freed.iter().partition(|name| name.starts_with("late "));
    let late = late.iter().map(|name| Slug::of(&name[5..])).collect();
    let freed = Freed { start: start.iter().map(|name| Slug::of(name)).collect(), late };
    line(&next(&pipeline, &selected, &ended, &BTreeSet::new(), &freed))
}

/// What is next, as one line: `?a` waits, `a` starts, `-a` is skipped, `-a(b)` because of b, `.` all done.
fn told(text: &str, unselected: &[&str], ended: &[(&str, &str)], running: &[&str]) -> String {
    let pipeline = pipeline(text);
    let slug = |name: &str| Slug::of(name);
    let off: BTreeSet<Slug> = unselected.iter().map(|name| slug(name)).collect();
    let selected = pipeline.steps.iter().map(|step| step.slug.clone()).filter(|slug| !off.contains(slug)).collect();
    let ended = ended.iter().map(|(name, word)| (slug(name), end(word))).collect();
    let running = running.iter().map(|name| slug(name)).collect();
    line(&next(&pipeline, &selected, &ended, &running, &Freed::default()))
}

fn line(next: &Next) -> String {
    let skip = next.skip.iter().map(|(slug, reason)| match reason {
        SkipReason::DependencyFailed { step } => format!("-{slug}({step})"),
        SkipReason::NotSelected => format!("-{slug}"),
        SkipReason::ManualNotRun => format!("-{slug}(manual)"),
    });
    let done = next.done.then(|| ".".to_owned());
    let hold = next.hold.iter().map(|slug| format!("?{slug}"));
    next.start.iter().map(Slug::to_string).chain(hold).chain(skip).chain(done).collect::<Vec<_>>().join(" ")
}

/// What has ended, and how.
type Ends<'a> = &'a [(&'a str, &'a str)];

#[test]
fn the_order_rules_of_a_built_in_pipeline() {
    let cases: &[(&[&str], Ends<'_>, &[&str], &str)] = &[
        (&[], &[], &[], "secrets build"),
        (&[], &[("build", "ok")], &["secrets"], "test"),
        (&[], &[("build", "ok"), ("test", "ok")], &["secrets"], "package"),
        (&[], &[("build", "1")], &["secrets"], "-test(BUILD) -package(BUILD)"),
        (&[], &[("build", "1"), ("secrets", "ok")], &[], "-test(BUILD) -package(BUILD) ."),
        (&[], &[("build", "ok"), ("test", "1"), ("secrets", "2")], &[], "-package(TEST) ."),
        (&["test"], &[("build", "ok")], &["secrets"], "package -test"),
        (&["build", "test", "package", "secrets"], &[], &[], "-secrets -build -test -package ."),
    ];
    for (unselected, ended, running, expected) in cases {
        assert_eq!(told(BUILT_IN, unselected, ended, running), *expected, "{unselected:?} {ended:?}");
    }
}

#[test]
fn conditions() {
    let cases: &[(&str, &[&str], Ends<'_>, &str)] = &[
        // Whole stages, and failures that are allowed.
        ("a: {stage: one, script: x}\nb: {stage: two, script: x}\n", &[], &[("a", "ok")], "b"),
        ("a: {stage: one, script: x}\nb: {stage: two, script: x}\n", &[], &[("a", "1")], "-b(a) ."),
        ("a: {stage: one, script: x, allow_failure: true}\nb: {stage: two, script: x}\n", &[], &[("a", "1")], "b"),
        (
            "a: {stage: one, script: x, allow_failure: true}\nb: {stage: two, script: x}\n",
            &[],
            &[("a", "refused")],
            "-b(a) .",
        ),
        (
            "a: {stage: one, script: x, allow_failure: {exit_codes: 3}}\nb: {stage: two, script: x}\n",
            &[],
            &[("a", "3")],
            "b",
        ),
        (
            "a: {stage: one, script: x, allow_failure: {exit_codes: 3}}\nb: {stage: two, script: x}\n",
            &[],
            &[("a", "4")],
            "-b(a) .",
        ),
        ("a: {stage: one, script: x}\nb: {stage: two, script: x}\n", &[], &[("a", "canceled")], "-b(a) ."),
        ("a: {stage: one, script: x}\nb: {stage: two, script: x}\n", &["a"], &[], "b -a"),
        // on_failure and always.
        ("a: {stage: one, script: x}\nb: {stage: two, script: x, when: on_failure}\n", &[], &[("a", "1")], "b"),
        ("a: {stage: one, script: x}\nb: {stage: two, script: x, when: on_failure}\n", &[], &[("a", "ok")], "-b ."),
        (
            "a: {stage: one, script: x}\nb: {stage: two, script: x, when: on_failure}\n",
            &[],
            &[("a", "canceled")],
            "-b(a) .",
        ),
        (
            "a: {stage: one, script: x}\nb: {stage: two, script: x, when: on_failure}\nc: {stage: three, script: x}\n",
            &[],
            &[("a", "ok")],
            "c -b",
        ),
        (
            "a: {stage: one, script: x}\nb: {stage: two, script: x, when: always}\n",
            &[],
            &[("a", "canceled")],
            "-b(a) .",
        ),
        (
            "a: {stage: one, script: x}\nc: {stage: one, script: x}\nb: {stage: two, script: x, when: always}\n",
            &[],
            &[("a", "canceled"), ("c", "1")],
            "b",
        ),
        (
            "a: {stage: one, script: x}\nc: {stage: one, script: x}\nb: {stage: two, script: x, when: on_failure, needs: [a, c]}\n",
            &[],
            &[("a", "1"), ("c", "skipped")],
            "-b(c) .",
        ),
        (
            "a: {stage: one, script: x}\nc: {stage: one, script: x}\nb: {stage: two, script: x, when: always, needs: [a, c]}\n",
            &[],
            &[("a", "canceled"), ("c", "skipped")],
            "b",
        ),
        ("a: {stage: one, script: x}\nb: {stage: two, script: x, when: always, needs: [a]}\n", &["a"], &[], "b -a"),
        // By hand.
        ("a: {stage: one, script: x, when: manual}\nb: {stage: two, script: x}\n", &[], &[], "b ?a"),
        (
            "a: {stage: one, script: x, when: manual, allow_failure: false}\nb: {stage: two, script: x}\n",
            &[],
            &[],
            "?a",
        ),
        (
            "a: {stage: one, script: x, when: manual}\nb: {stage: two, script: x, needs: [a]}\n",
            &[],
            &[],
            "-a(manual) -b(a) .",
        ),
        // Needs.
        ("b: {stage: one, script: x, needs: [a]}\na: {stage: one, script: x, needs: []}\n", &[], &[], "a"),
        ("a: {stage: one, script: x}\nb: {stage: two, script: x, needs: [a]}\n", &["a"], &[], "-a -b(a) ."),
        (
            "a: {stage: one, script: x}\nb: {stage: two, script: x, needs: [{job: a, optional: true}]}\n",
            &["a"],
            &[],
            "b -a",
        ),
    ];
    for (text, unselected, ended, expected) in cases {
        assert_eq!(told(&format!("{ALL}{text}"), unselected, ended, &[]), *expected, "{text} {ended:?}");
    }
}

#[test]
fn steps_by_hand_and_delayed_ones() {
    const MANUAL: &str = "a: {stage: one, script: x}\nb: {stage: two, script: x, when: manual, allow_failure: false}\n\
                          c: {stage: three, script: x}\nd: {stage: three, script: x, when: on_failure}\n";
    const OPTIONAL: &str = "a: {stage: one, script: x}\nb: {stage: two, script: x, when: manual}\n\
                            c: {stage: three, script: x}\nd: {stage: three, script: x, needs: [b]}\n";
    const DELAYED: &str = "a: {stage: one, script: x}\nb: {stage: two, script: x, when: delayed, start_in: 1 hour}\n\
                           c: {stage: three, script: x}\n";
    let cases: &[(&str, Ends<'_>, &[&str], &str)] = &[
        // One that others wait for: it is not ready, waits, is started, is too late.
        (MANUAL, &[], &[], "a"),
        (MANUAL, &[("a", "ok")], &[], "?b"),
        (MANUAL, &[("a", "ok")], &["b"], "b"),
        (MANUAL, &[("a", "ok")], &["late b"], "-b(manual) -c(b) -d ."),
        (MANUAL, &[("a", "1")], &[], "d -b(a) -c(a)"),
        (MANUAL, &[("a", "ok"), ("b", "ok")], &[], "c -d"),
        // One that keeps nobody but who needs it, and is left out when nothing else is left.
        (OPTIONAL, &[("a", "ok")], &[], "c ?b"),
        (OPTIONAL, &[("a", "ok")], &["b"], "b"),
        (OPTIONAL, &[("a", "ok"), ("c", "ok")], &[], "-b(manual) -d(b) ."),
        (OPTIONAL, &[("a", "ok"), ("b", "ok"), ("c", "ok")], &[], "d"),
        (DELAYED, &[("a", "ok")], &[], "?b"),
        (DELAYED, &[("a", "ok")], &["b"], "b"),
        // What waits beside one that others wait for stays, also when nothing runs.
        (
            "a: {stage: one, script: x, when: manual}\nb: {stage: one, script: x, when: delayed, start_in: 1 day}\n",
            &[],
            &[],
            "?a ?b",
        ),
    ];
    for (text, ended, freed, expected) in cases {
        assert_eq!(told_with(text, ended, freed), *expected, "{text} {ended:?} {freed:?}");
    }
}

#[test]
fn the_outcome_counts_what_is_not_allowed_to_fail() {
    let steps =
        pipeline(&format!("{ALL}a: {{stage: one, script: x, allow_failure: true}}\nb: {{stage: one, script: x}}\n"));
    for (a, b, expected) in [
        ("ok", "ok", JobOutcome::Succeeded),
        ("1", "skipped", JobOutcome::Succeeded),
        ("ok", "1", JobOutcome::Failed),
        ("ok", "canceled", JobOutcome::Failed),
    ] {
        let ended = [(Slug::of("a"), end(a)), (Slug::of("b"), end(b))].into();
        assert_eq!(outcome(&steps, &ended), expected, "{a} {b}");
    }
}

#[test]
fn planning_five_hundred_steps_is_cheap() {
    let steps: String =
        (0..500).map(|n| format!("s{n}: {{stage: {}, script: x}}\n", ["one", "two", "three"][n / 167])).collect();
    let pipeline = pipeline(&format!("{ALL}{steps}"));
    let selected = pipeline.steps.iter().map(|step| step.slug.clone()).collect();
    let begin = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(next(&pipeline, &selected, &BTreeMap::new(), &BTreeSet::new(), &Freed::default()).start.len(), 167);
    }
    assert!(begin.elapsed().as_secs() < 30, "{:?} for 100 rounds", begin.elapsed());
}

/// A step of any shape, also one that no checked file has: needs that point anywhere, stages that do not exist.
fn any_step(count: usize) -> impl Strategy<Value = Step> {
    let need = (0..count + 1, any::<bool>()).prop_map(|(n, optional)| Need {
        step: format!("s{n}"),
        optional,
        artifacts: true,
    });
    let when = prop_oneof![4 => Just(When::OnSuccess), 1 => Just(When::OnFailure), 1 => Just(When::Always), 1 => Just(When::Manual), 1 => Just(When::Delayed)];
    let allow = prop_oneof![3 => Just(AllowFailure::No), 1 => Just(AllowFailure::Yes), 1 => Just(AllowFailure::ExitCodes(vec![1]))];
    let needs = prop::option::of(prop::collection::vec(need, 0..3));
    (needs, when, allow, 0..4_usize, prop::option::of(0..count)).prop_map(
        |(needs, when, allow_failure, stage, tree)| Step {
            services: Vec::new(),
            name: String::new(),
            slug: Slug::of("x"),
            stage: format!("stage{stage}"),
            image: "i".into(),
            script: vec!["x".into()],
            before_script: vec![],
            after_script: vec![],
            variables: BTreeMap::new(),
            needs,
            dependencies: None,
            when,
            allow_failure,
            manual_confirmation: None,
            resource_group: None,
            coverage: None,
            interruptible: false,
            start_in_seconds: None,
            timeout_seconds: None,
            retry: None,
            artifacts: Artifacts::default(),
            caches: Vec::new(),
            kind: StepKind::Normal,
            network: Network::None,
            tree: tree.map(|n| format!("s{n}")),
            switch: None,
            memory_bytes: None,
            milli_cpus: None,
            pids: None,
            findings: vec![],
            advisories: false,
            database: None,
            target: None,
        },
    )
}

fn any_pipeline() -> impl Strategy<Value = Pipeline> {
    (1..8_usize).prop_flat_map(|count| prop::collection::vec(any_step(count), count)).prop_map(|mut steps| {
        for (index, step) in steps.iter_mut().enumerate() {
            step.name = format!("s{index}");
            step.slug = Slug::of(&step.name);
        }
        Pipeline { stages: (0..3).map(|n| format!("stage{n}")).collect(), steps }
    })
}

/// One job, played to its end; `dice` decides which running step ends next, and how.
struct Play<'p> {
    pipeline: &'p Pipeline,
    selected: BTreeSet<Slug>,
    ended: BTreeMap<Slug, Ended>,
    running: BTreeSet<Slug>,
    started: BTreeSet<Slug>,
    freed: Freed,
    held: Vec<Slug>,
}

impl Play<'_> {
    fn round(&mut self) -> bool {
        let next = next(self.pipeline, &self.selected, &self.ended, &self.running, &self.freed);
        assert_eq!(next, super::next(self.pipeline, &self.selected, &self.ended, &self.running, &self.freed));
        self.held.clone_from(&next.hold);
        for slug in &next.start {
            assert!(self.started.insert(slug.clone()), "{slug} started twice");
            assert!(self.selected.contains(slug) && !self.ended.contains_key(slug));
            self.check_start(slug);
            self.running.insert(slug.clone());
        }
        for (slug, _) in next.skip {
            assert!(!self.running.contains(&slug), "{slug} skipped while it runs");
            assert!(self.ended.insert(slug, SKIPPED).is_none());
        }
        next.done
    }

    fn check_start(&self, slug: &Slug) {
        let steps = &self.pipeline.steps;
        let step = steps.iter().find(|step| step.slug == *slug).unwrap();
        let rank = |step: &Step| self.pipeline.stages.iter().position(|stage| *stage == step.stage).unwrap_or(99);
        for other in steps.iter().filter(|other| self.selected.contains(&other.slug)) {
            let needed = match &step.needs {
                Some(needs) => needs.iter().any(|need| need.step == other.name),
                None => rank(other) < rank(step),
            };
            // What was skipped in this very round counts as ended: it is recorded right after.
            let open = self.running.contains(&other.slug) || self.started.contains(&other.slug);
            assert!(!needed || !open || self.ended.contains_key(&other.slug), "{slug} before {}", other.slug);
        }
        let shares = |other: &&Step| self.running.contains(&other.slug) && other.tree_owner() == step.tree_owner();
        assert!(!steps.iter().any(|other| shares(&other)), "{slug} shares its tree with a running step");
    }

    /// A person starts one of those that wait, or comes too late for it.
    fn free_one(&mut self, dice: usize) {
        let slug = self.held[dice % self.held.len()].clone();
        let free = if dice.is_multiple_of(3) { &mut self.freed.late } else { &mut self.freed.start };
        free.insert(slug);
    }

    fn end_one(&mut self, dice: usize) {
        let slug = self.running.iter().nth(dice % self.running.len()).unwrap().clone();
        self.running.remove(&slug);
        let words = ["ok", "1", "2", "canceled", "ok", "skipped"];
        self.ended.insert(slug, end(words[dice / 8 % words.len()]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_job_ends(pipeline in any_pipeline(), off in prop::collection::vec(any::<bool>(), 8), dice in prop::collection::vec(0..1000_usize, 18)) {
        let on = pipeline.steps.iter().zip(off).filter(|(_, off)| !off).map(|(step, _)| step.slug.clone()).collect();
        let mut play = Play { pipeline: &pipeline, selected: on, ended: BTreeMap::new(), running: BTreeSet::new(), started: BTreeSet::new(), freed: Freed::default(), held: Vec::new() };
        let mut dice = dice.into_iter();
        while !play.round() {
            let thrown = dice.next().expect("no more rounds than twice the steps");
            match play.running.is_empty() {
                true => {
                    prop_assert!(!play.held.is_empty(), "nothing runs or waits, and it is not done");
                    play.free_one(thrown);
                }
                false => play.end_one(thrown),
            }
        }
        prop_assert_eq!(play.ended.len(), pipeline.steps.len());
        prop_assert!(play.running.is_empty());
    }
}
