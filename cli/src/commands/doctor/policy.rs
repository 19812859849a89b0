//! What is looked at of the operator's rules, and of what they need.

use std::path::Path;

use jiff::Timestamp;
use pipelinex_common::{
    advisories::{self, AdvisoryDb},
    layout::Layout,
    policy::Policy,
    stage::Switch,
};

use super::Check;
use crate::commands::db::{OLD_DAYS, how_to_get_one};

/// What no project can switch off.
pub fn policy(policy: &Policy) -> Check {
    Check::ok("policy", policy.to_string())
}

/// The database that SCA goes by. Where SCA is required, no job passes without one.
pub fn advisories(workspaces: &Path, policy: &Policy, now: Timestamp) -> Check {
    let required = policy.require.contains(&Switch::SCA);
    match advisories::current(&Layout::new(workspaces)) {
        Ok(Some((_, db))) => age(&db, now),
        Ok(None) if required => {
            Check::bad("advisories", "none, and SCA is required: every job will fail", how_to_get_one())
        }
        Ok(None) => Check::note("advisories", "none: SCA is skipped", how_to_get_one()),
        Err(error) => {
            Check::bad("advisories", error.to_string(), "import them again: `pipelinex db import` or `db update`")
        }
    }
}

fn age(db: &AdvisoryDb, now: Timestamp) -> Check {
    let age = |days: Option<u64>| days.map_or_else(|| "of unknown age".to_owned(), |days| format!("{days} d old"));
    let ages: Vec<_> = db.ecosystems.iter().map(|(name, info)| (name, info.age_days(now))).collect();
    let found: Vec<_> = ages.iter().map(|(name, days)| format!("{name} {}", age(*days))).collect();
    if ages.iter().all(|(_, days)| days.is_some_and(|days| days <= OLD_DAYS)) {
        return Check::ok("advisories", found.join(", "));
    }
    let advice = format!(
        "nothing is known of what came in the last {OLD_DAYS} days and more: type `pipelinex db update`, or import newer files"
    );
    Check::note("advisories", found.join(", "), advice)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pipelinex_common::advisories::{CURRENT, Counted, Import};

    use super::*;
    use crate::commands::doctor::CheckResult;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_database_is_none_old_torn_or_fine() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let required = Policy { require: [Switch::SCA].into(), ..Policy::default() };
        let look = |policy: &Policy, now: &str| advisories(dir.path(), policy, at(now));
        let none = look(&Policy::default(), "2026-01-01T00:00:00Z");
        assert_eq!(none.result, CheckResult::Note);
        assert!(none.advice.contains("pipelinex db update") && none.advice.contains("pipelinex db import all.zip"));
        assert_eq!(look(&required, "2026-01-01T00:00:00Z").result, CheckResult::Bad);
        assert!(!layout.advisories().exists(), "to look makes nothing");

        let import = Import::begin(&layout).unwrap();
        let maven = "Maven".parse().unwrap();
        import.create(&maven).unwrap();
        let counted = Counted { advisories: 1, newest: Some(at("2026-01-01T00:00:00Z")) };
        import.publish("test", &BTreeMap::from([(maven, counted)])).unwrap();
        assert_eq!(look(&required, "2026-01-31T00:00:00Z"), Check::ok("advisories", "Maven 30 d old"));
        let old = look(&required, "2026-02-01T00:00:00Z");
        assert_eq!((old.result, old.found.as_str()), (CheckResult::Note, "Maven 31 d old"));
        assert!(old.advice.contains("pipelinex db update"));
        std::fs::write(layout.advisories().join(CURRENT), "").unwrap();
        let torn = look(&Policy::default(), "2026-01-01T00:00:00Z");
        assert!(torn.result == CheckResult::Bad && torn.found.contains("current.json"), "{torn:?}");
    }
}
