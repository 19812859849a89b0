//! What is looked at on this machine's disks. Nothing is made: what is missing is made when a server starts.

use std::path::{Path, PathBuf};

use pipelinex_backend::stacks::Stacks;
use pipelinex_common::{
    free_space::Watermark,
    humanize::counted,
    store::{Lease, Quarantine, QuarantineKind, STILL_FOR, Store},
};

use pipelinex_worker::quota::Quotas;

use super::Check;
use crate::client::Client;

/// So many jobs that are set aside are named.
const NAMED_MAX: usize = 5;
/// Room below which a server soon runs into trouble, in bytes: some of the largest projects with what they build.
const LITTLE_ROOM: u64 = 5 * 1024 * 1024 * 1024;

/// Whether jobs can be kept where they should be.
pub fn workspaces(path: &Path) -> Check {
    let shown = path.display().to_string();
    let there = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let advice = "name a folder that can be written with --workspaces";
    match tempfile::tempfile_in(there) {
        Ok(_) if there == path => Check::ok("workspaces", shown),
        Ok(_) => Check::ok("workspaces", format!("{shown} (will be made)")),
        Err(error) => Check::bad("workspaces", format!("{shown} cannot be written: {error}"), advice),
    }
}

/// Whether there is room for jobs.
pub fn room(workspaces: &Path, min_free: &Watermark) -> Option<Check> {
    let there = workspaces.ancestors().find(|ancestor| ancestor.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let files = if stat.f_files > 0 { format!(", room for {} files", stat.f_favail) } else { String::new() };
    let shown = format!("{:.1} GiB free{files}", free as f64 / f64::from(1 << 30));
    let advice = "make room, or name a folder on a larger disk with --workspaces";
    Some(match free {
        _ if let Ok(Some(lacking)) = min_free.lacking(there) => {
            Check::bad("disk", format!("{lacking}: submissions are refused"), advice)
        }
        free if free < LITTLE_ROOM => Check::note("disk", shown, advice),
        _ => Check::ok("disk", shown),
    })
}

/// How hard the limits are of what a step writes.
pub fn step_limits(workspaces: &Path) -> Option<Check> {
    let there = workspaces.ancestors().find(|ancestor| ancestor.exists())?;
    Some(match Quotas::probe(there) {
        Ok(quotas) => {
            let Quotas { kind, mounted } = quotas;
            Check::ok("step limits", format!("hard: {kind} at {} keeps project quotas", mounted.display()))
        }
        Err(why) => Check::note(
            "step limits",
            format!("what a step writes is counted while it runs ({why})"),
            "hard limits need project quotas: docs/limits.md says how to set them up, and how far a step gets without",
        ),
    })
}

/// By what a worker tells that the holder of a job is dead: docs/claims.md says what each can promise.
pub fn claims(workspaces: &Path) -> Option<Check> {
    let there = workspaces.ancestors().find(|ancestor| ancestor.exists())?;
    let seconds = STILL_FOR.as_secs();
    Some(match Lease::of(there) {
        Ok(lease @ Lease::Lock { .. }) => {
            let found = format!("{lease}: a dead holder is seen at once, a stopped one after {seconds} s and killed");
            Check::ok("claims", found)
        }
        Ok(lease @ Lease::Heartbeat { .. }) => Check::note(
            "claims",
            format!("{lease}: locks of this file system are not believed; any dead holder is seen after {seconds} s"),
            "a local file system is quicker; on one that is shared, mount options matter: see docs/claims.md",
        ),
        Err(error) => Check::bad("claims", error.to_string(), "name another folder with --workspaces"),
    })
}

/// Whether the files of all jobs can be read; each is opened once.
pub fn jobs(workspaces: &Path) -> Option<Check> {
    let store = match Store::find(workspaces) {
        Ok(store) => store?,
        Err(error) => return Some(Check::bad("jobs", error.to_string(), "restore that file from a backup")),
    };
    let ids = match store.ids() {
        Ok(ids) => ids,
        Err(error) => return Some(Check::bad("jobs", error.to_string(), "look at that folder's owner and mode")),
    };
    let aside: Vec<Quarantine> = ids.iter().filter_map(|id| store.job(*id).ok()?.quarantine()).collect();
    if aside.is_empty() {
        return Some(Check::ok("jobs", format!("{}, all can be read", counted(ids.len() as u64, "job"))));
    }
    let named = aside.iter().take(NAMED_MAX).map(|quarantine| {
        let what = match &quarantine.kind {
            QuarantineKind::Unreadable(reason) => reason.clone(),
            QuarantineKind::Newer(found, known) => format!("schema version {found}, known are {known}"),
        };
        format!("{} ({what}): {}", quarantine.path.display(), quarantine.advice())
    });
    let more = aside.len().saturating_sub(NAMED_MAX);
    let more = (more > 0).then(|| format!("and {more} more"));
    let advice: Vec<String> = named.chain(more).collect();
    Some(Check::note("jobs", format!("{} of {} set aside", aside.len(), ids.len()), advice.join("; ")))
}

/// Whether a folder holds stacks that can be used.
pub fn pipelines(path: Option<&Path>) -> Check {
    let place = path.map_or_else(|| "inside the program".to_owned(), |path| path.display().to_string());
    match Stacks::load(path) {
        Ok(stacks) => {
            let names: Vec<_> = stacks.iter().map(|stack| stack.name.as_str()).collect();
            match names.is_empty() {
                true => Check::bad("pipelines", format!("no stack in {place}"), "name their folder with --pipelines"),
                false => Check::ok("pipelines", format!("{place}: {}", names.join(", "))),
            }
        }
        Err(error) => Check::bad("pipelines", error.to_string(), "name their folder with --pipelines"),
    }
}

/// Whether certificates can be used.
pub fn ca_certs(path: &Path) -> Check {
    match Client::new("https://localhost", Some(path)) {
        Ok(_) => Check::ok("ca-certs", path.display().to_string()),
        Err(error) => Check::bad("ca-certs", error.to_string(), "name a PEM file with --ca-certs"),
    }
}

/// Whether the files for the tools of builds can be used; nothing where there are none.
pub fn stack_files(named: &[(String, PathBuf)]) -> Option<Check> {
    let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    Some(match pipelinex_worker::stack_files::read(named) {
        Ok(files) if files.is_empty() => return None,
        Ok(_) => Check::ok("stack-files", names.join(", ")),
        Err(error) => Check::bad("stack-files", error.to_string(), "no worker starts with it"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::commands::doctor::CheckResult;

    #[test]
    fn a_job_that_is_set_aside_is_named_with_its_path_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(jobs(dir.path()), None, "nothing is made");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let store = Store::open(dir.path()).unwrap();
        let ids = pipelinex_common::testing::crowd::waiting(&store, 3).unwrap();
        assert_eq!(jobs(dir.path()).unwrap().found, "3 jobs, all can be read");
        fs::write(store.layout().job(ids[1]).metadata(), "").unwrap();
        let check = jobs(dir.path()).unwrap();
        assert_eq!((check.result, check.found.as_str()), (CheckResult::Note, "1 of 3 set aside"));
        let expected = format!("{}/metadata.json (it is empty): restore the file from a backup", ids[1]);
        assert!(check.advice.contains(&expected), "{}", check.advice);
    }

    #[test]
    fn what_is_missing_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(workspaces(dir.path()).result, CheckResult::Ok);
        assert!(workspaces(&dir.path().join("a/b")).found.ends_with("(will be made)"));
        assert!(!dir.path().join("a").exists());
        assert_eq!(workspaces(Path::new("/proc/none")).result, CheckResult::Bad);
        let limits = step_limits(Path::new("/proc")).unwrap();
        assert!(limits.result == CheckResult::Note && limits.found.contains("(proc has none)"), "{}", limits.found);
        let by_lock = claims(dir.path()).unwrap();
        assert!(by_lock.result == CheckResult::Ok && by_lock.found.starts_with("by lock ("), "{}", by_lock.found);
        let by_heart = claims(Path::new("/proc")).unwrap();
        assert!(by_heart.result == CheckResult::Note && by_heart.found.contains("20 s"), "{}", by_heart.found);
        let missing = pipelines(Some(&dir.path().join("none")));
        assert_eq!(missing.result, CheckResult::Bad);
        assert!(missing.advice.contains("--pipelines"));
        let own = pipelines(None).found;
        assert!(own.starts_with("inside the program: ") && own.contains("java-spring-boot-maven"), "{own}");
        fs::write(dir.path().join("no.pem"), "").unwrap();
        assert_eq!(ca_certs(&dir.path().join("no.pem")).result, CheckResult::Bad);
    }
}
