//! The links of a project, from a ZIP or from Git: one rule for both, decided before anything is written.
//!
//! A link is made last, when every file and folder is there, so that nothing is written through one; nothing lies below one,
//! because a path is a link or a folder and not both; and it stays inside the project, also when it leads through others.
//! Admission asks the kernel again, about what is there.

use pipelinex_common::foreign::{PlannedLinks, shown};

use super::{
    project_path::ProjectPath,
    refusal::{Refusal, Rule},
};

/// The longest target, in bytes (PATH_MAX without its end).
pub(super) const TARGET_BYTES: u64 = 4095;
/// Links that a refusal names.
const NAMED_MAX: usize = 5;

/// A link that will be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedLink {
    /// Where.
    pub path: ProjectPath,
    /// What it says.
    pub target: Vec<u8>,
}

/// Refuses links that lead nowhere a path can name, or out of the project.
pub(super) fn check_links(links: &[PlannedLink]) -> Result<(), Refusal> {
    for PlannedLink { path, target } in links {
        if target.is_empty() || target.contains(&0) || target.len() as u64 > TARGET_BYTES {
            let hint = "its target is empty, has a NUL, or is longer than a path can be; make the link again";
            return Err(Refusal::of_entry(Rule::Symlink, path.as_str().as_bytes(), hint));
        }
    }
    let planned = PlannedLinks::new(links.iter().map(|link| (link.path.as_str(), &*link.target)));
    let mut out = links.iter().filter(|link| planned.leads_out(link.path.as_str(), &link.target));
    let Some(first) = out.next() else { return Ok(()) };
    let mut others: Vec<_> = out.take(NAMED_MAX).map(|link| format!("`{}`", shown(link.path.as_str()))).collect();
    others.sort_unstable();
    let also = if others.is_empty() { String::new() } else { format!("; so do {}", others.join(", ")) };
    let target = shown(&String::from_utf8_lossy(&first.target));
    let hint = format!("it leads to `{target}`: remove it, or let it lead to a file of the project{also}");
    Err(Refusal::of_entry(Rule::LinkLeaves, first.path.as_str().as_bytes(), hint))
}
