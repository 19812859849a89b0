//! Which steps of a pipeline a request wants. A switch turns its steps on; a step that needs another turns that one on as
//! well, and says so.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Pipeline, Step};
use crate::{slug::Slug, stage::Switch};

/// What is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The selected steps.
    pub steps: BTreeSet<Slug>,
    /// What a person should know: what was turned on, what this pipeline does not have.
    pub warnings: Vec<String>,
}

/// What a request wants of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Switches that are on.
    pub on: BTreeSet<Switch>,
    /// Switches that are off.
    pub off: BTreeSet<Switch>,
}

impl Wanted {
    /// Whether a step is wanted for itself. One that names a switch waits for it; any other runs unless its stage is off.
    fn wants(&self, step: &Step) -> bool {
        match &step.switch {
            Some(switch) => self.on.contains(switch),
            None => !self.off.contains(&step.selector()),
        }
    }
}

/// Selects what is wanted, and what these steps need.
pub fn select(pipeline: &Pipeline, wanted: &Wanted) -> Selection {
    let by_name: BTreeMap<&str, usize> = pipeline.steps.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
    let mut selection = Selection::default();
    let mut open: Vec<usize> = Vec::new();
    for (index, step) in pipeline.steps.iter().enumerate() {
        if wanted.wants(step) {
            selection.steps.insert(step.slug.clone());
            open.push(index);
        }
    }
    open.reverse();
    while let Some(index) = open.pop() {
        let step = &pipeline.steps[index];
        for need in step.needs.iter().flatten().filter(|need| !need.optional) {
            if let Some(needed) = by_name.get(need.step.as_str()) {
                turn_on(pipeline, step, *needed, &mut selection, &mut open);
            }
        }
    }
    for switch in &wanted.on {
        if !pipeline.steps.iter().any(|step| step.selector() == *switch) {
            selection.warnings.push(format!("this stack has no {} stage yet: skipped", switch.stage()));
        }
    }
    selection
}

/// Turns the needed step on, together with all steps of its switch.
fn turn_on(pipeline: &Pipeline, step: &Step, needed: usize, selection: &mut Selection, open: &mut Vec<usize>) {
    let needed = &pipeline.steps[needed];
    if selection.steps.contains(&needed.slug) {
        return;
    }
    for (index, other) in pipeline.steps.iter().enumerate() {
        let same = other.slug == needed.slug || (needed.switch.is_some() && other.switch == needed.switch);
        if same && selection.steps.insert(other.slug.clone()) {
            open.push(index);
        }
    }
    selection.warnings.push(format!("{} needs {}: turned on", called(step), called(needed)));
}

fn called(step: &Step) -> &str {
    match &step.switch {
        Some(switch) => switch.as_str(),
        None => &step.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::{BUILT_IN, pipeline};

    /// Wanted as requests say it: `build`, or `-lint` for what is off.
    fn wanted(words: &str) -> Wanted {
        let mut wanted = Wanted::default();
        for word in words.split_whitespace() {
            match word.strip_prefix('-') {
                Some(stage) => wanted.off.insert(Switch::of_stage(stage)),
                None => wanted.on.insert(Switch::of_stage(word)),
            };
        }
        wanted
    }

    #[test]
    fn switches_select_steps_and_pull_in_what_these_need() {
        let cases: [(&str, &[&str], &[&str]); 7] = [
            ("", &[], &[]),
            ("secrets", &["secrets"], &[]),
            ("build", &["build"], &[]),
            ("build test", &["build", "test"], &[]),
            ("test", &["build", "test"], &["run_unit_tests needs run_build: turned on"]),
            ("package", &["build", "package"], &["run_package needs run_build: turned on"]),
            ("build dast", &["build"], &["this stack has no DAST stage yet: skipped"]),
        ];
        let built_in = pipeline(BUILT_IN);
        for (words, steps, warnings) in cases {
            let selection = select(&built_in, &wanted(words));
            let selected: Vec<_> = selection.steps.iter().map(Slug::as_str).collect();
            assert_eq!(
                (selected.as_slice(), selection.warnings),
                (steps, warnings.iter().map(|w| w.to_string()).collect())
            );
        }
    }

    #[test]
    fn steps_without_a_switch_run_unless_their_stage_is_off() {
        let own =
            "stages: [lint, ship]\ndefault: {image: i}\na: {stage: lint, script: x}\nb: {stage: ship, script: x}\n";
        let own = pipeline(own);
        let selected = |words: &str| {
            let steps = select(&own, &wanted(words)).steps;
            steps.iter().map(Slug::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!([selected(""), selected("-LINT"), selected("-lint -ship")], ["a b", "b", ""]);
    }
}
