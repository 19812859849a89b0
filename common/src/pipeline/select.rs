//! Which steps of a pipeline a request wants. A switch turns its steps on; a step that needs another turns that one on as
//! well, and says so.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Pipeline, Step, Switch};
use crate::slug::Slug;

/// What is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The selected steps.
    pub steps: BTreeSet<Slug>,
    /// What a person should know: what was turned on, what this pipeline does not have.
    pub warnings: Vec<String>,
}

/// Selects the steps without a switch, those of the wanted switches, and what these need.
pub fn select(pipeline: &Pipeline, wanted: &BTreeSet<Switch>) -> Selection {
    let by_name: BTreeMap<&str, usize> = pipeline.steps.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
    let mut selection = Selection::default();
    let mut open: Vec<usize> = Vec::new();
    for (index, step) in pipeline.steps.iter().enumerate() {
        if step.switch.is_none_or(|switch| wanted.contains(&switch)) {
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
    for switch in wanted {
        if !pipeline.steps.iter().any(|step| step.switch == Some(*switch)) {
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
    match step.switch {
        Some(switch) => switch.as_str(),
        None => &step.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::{BUILT_IN, pipeline};

    #[test]
    fn switches_select_steps_and_pull_in_what_these_need() {
        use Switch::*;
        let cases: [(&[Switch], &[&str], &[&str]); 7] = [
            (&[], &[], &[]),
            (&[RunSecretScan], &["secrets"], &[]),
            (&[RunBuild], &["build"], &[]),
            (&[RunBuild, RunUnitTests], &["build", "test"], &[]),
            (&[RunUnitTests], &["build", "test"], &["run_unit_tests needs run_build: turned on"]),
            (&[RunPackage], &["build", "package"], &["run_package needs run_build: turned on"]),
            (&[RunBuild, RunDast], &["build"], &["this stack has no DAST stage yet: skipped"]),
        ];
        let built_in = pipeline(BUILT_IN);
        for (wanted, steps, warnings) in cases {
            let selection = select(&built_in, &wanted.iter().copied().collect());
            let selected: Vec<_> = selection.steps.iter().map(Slug::as_str).collect();
            assert_eq!(
                (selected.as_slice(), selection.warnings),
                (steps, warnings.iter().map(|w| w.to_string()).collect())
            );
        }
    }

    #[test]
    fn steps_without_a_switch_are_always_selected() {
        let own = pipeline("default: {image: i}\na: {script: x}\nb: {script: x, needs: [a]}\n");
        assert_eq!(select(&own, &BTreeSet::new()).steps.len(), 2);
    }
}
