//! The order that `needs` and stages give: circles in it, and steps that share a tree without being ordered.

use std::collections::BTreeMap;

use super::{
    diagnostic::Code,
    problems::{Place, Problems, quoted},
    resolve::Names,
    step::RawStep,
};

/// One arrow from a step to one that it needs.
struct Arrow {
    to: usize,
    optional: bool,
    at: Place,
}

/// Checks the order of the steps.
pub(crate) fn check(names: &Names<'_>, problems: &mut Problems<'_>) {
    let arrows: Vec<Vec<Arrow>> = names.file.steps.iter().map(|step| arrows(step, names)).collect();
    let mut walk =
        Walk { names, arrows: &arrows, seen: vec![Seen::Not; arrows.len()], path: Vec::new(), circle: false };
    for index in 0..arrows.len() {
        walk.from(index, problems);
    }
    if !walk.circle {
        check_trees(names, &arrows, problems);
    }
}

fn arrows(step: &RawStep, names: &Names<'_>) -> Vec<Arrow> {
    let needs = step.needs.as_deref().unwrap_or_default();
    let arrow = |need: &super::step::RawNeed| {
        let to = names.step(&need.step.value)?;
        Some(Arrow { to, optional: need.optional, at: need.step.at })
    };
    needs.iter().filter_map(arrow).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Seen {
    Not,
    OnPath,
    Done,
}

/// Stages alone make no circle, they only point back; so only `needs` is walked. At most as deep as there are steps.
struct Walk<'w, 'r> {
    names: &'w Names<'r>,
    arrows: &'w [Vec<Arrow>],
    seen: Vec<Seen>,
    path: Vec<(usize, Place)>,
    circle: bool,
}

impl Walk<'_, '_> {
    fn from(&mut self, index: usize, problems: &mut Problems<'_>) {
        if self.seen[index] != Seen::Not {
            return;
        }
        self.seen[index] = Seen::OnPath;
        let arrows = self.arrows;
        for arrow in &arrows[index] {
            self.path.push((index, arrow.at));
            match self.seen[arrow.to] {
                Seen::Not => self.from(arrow.to, problems),
                Seen::OnPath => self.note(arrow.to, problems),
                Seen::Done => {}
            }
            self.path.pop();
        }
        self.seen[index] = Seen::Done;
    }

    fn note(&mut self, closes_at: usize, problems: &mut Problems<'_>) {
        self.circle = true;
        let start = self.path.iter().position(|(index, _)| *index == closes_at).unwrap_or(0);
        let circle = &self.path[start..];
        let name = |index: usize| quoted(&self.names.file.steps[index].name.value);
        let text: Vec<String> = circle.iter().map(|(index, _)| *index).chain([closes_at]).map(name).collect();
        let Some(((_, first), rest)) = circle.split_first() else {
            return;
        };
        let message = format!("steps need one another in a circle: {}", text.join(" -> "));
        let mut noted = problems.error(Code::Cycle, *first, message);
        for (index, at) in rest {
            noted = noted.also(*at, format!("needed by {} here", name(*index)));
        }
        noted.help("remove one of these from `needs`");
    }
}

/// Steps of one tree write into it, so no two may ever run at once, whichever steps are selected.
fn check_trees(names: &Names<'_>, arrows: &[Vec<Arrow>], problems: &mut Problems<'_>) {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, step) in names.file.steps.iter().enumerate() {
        let owner = step.ours.tree.as_ref().map_or(&step.name.value, |tree| &tree.value);
        groups.entry(owner).or_default().push(index);
    }
    groups.retain(|_, members| members.len() > 1);
    if groups.is_empty() {
        return;
    }
    let mut before = Before { names, arrows, known: vec![None; arrows.len()] };
    for members in groups.values() {
        for (position, later) in members.iter().enumerate() {
            for earlier in &members[..position] {
                if !before.of(*later)[*earlier] && !before.of(*earlier)[*later] {
                    note_unordered(names, *earlier, *later, problems);
                }
            }
        }
    }
}

fn note_unordered(names: &Names<'_>, earlier: usize, later: usize, problems: &mut Problems<'_>) {
    let (earlier, later) = (&names.file.steps[earlier], &names.file.steps[later]);
    let (first, second) = (quoted(&earlier.name.value), quoted(&later.name.value));
    let message = format!("steps {first} and {second} share a tree and could run at once");
    let at = later.ours.tree.as_ref().or(earlier.ours.tree.as_ref()).map_or(later.name.at, |tree| tree.at);
    problems
        .error(Code::SharedTree, at, message)
        .help(format!("let {second} need {first}, or give it a tree of its own"));
}

/// Which steps have ended for certain when a step starts.
struct Before<'w, 'r> {
    names: &'w Names<'r>,
    arrows: &'w [Vec<Arrow>],
    known: Vec<Option<Vec<bool>>>,
}

impl Before<'_, '_> {
    /// There is no circle, so this ends. An optional need may be missing from the run; it orders the step after itself,
    /// but carries nothing on.
    fn of(&mut self, index: usize) -> &[bool] {
        if self.known[index].is_none() {
            let steps = &self.names.file.steps;
            let mut before = vec![false; steps.len()];
            if steps[index].needs.is_none() {
                let rank = self.names.rank(&steps[index]);
                for (other, step) in steps.iter().enumerate() {
                    before[other] = self.names.rank(step) < rank;
                }
            }
            let arrows = self.arrows;
            for arrow in &arrows[index] {
                before[arrow.to] = true;
                if !arrow.optional {
                    let further = self.of(arrow.to);
                    before.iter_mut().zip(further).for_each(|(own, more)| *own |= *more);
                }
            }
            self.known[index] = Some(before);
        }
        self.known[index].as_deref().unwrap_or_default()
    }
}
