use std::os::unix::fs::PermissionsExt;

use super::*;

struct Place {
    _dir: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Self { _dir: dir, store }
    }

    fn keep(&self, scope: &CacheScope, key: &str, text: &str) {
        let draft = self.store.draft_cache().unwrap();
        fs::create_dir(draft.folder().join(OF_PROJECT)).unwrap();
        fs::write(draft.folder().join(OF_PROJECT).join("file"), text).unwrap();
        draft.publish(scope, key, text.len() as u64).unwrap();
    }

    fn read(&self, scope: &CacheScope, key: &str) -> Option<String> {
        let kept = self.store.find_cache(scope, key).unwrap()?;
        Some(fs::read_to_string(kept.part(OF_PROJECT).join("file")).unwrap())
    }

    fn surplus(&self, bytes: u64) -> Vec<OldCache> {
        let keep = CacheLimits { bytes, ..CacheLimits::default() };
        self.store.surplus_caches(&keep, Duration::ZERO).unwrap()
    }
}

fn scope(owner: &str, project: &str, refs: Refs) -> CacheScope {
    CacheScope { owner: Owner::named(owner), project: project.to_owned(), refs }
}

#[test]
fn of_one_key_the_latest_counts_and_no_other_owner_project_or_kind_of_ref_sees_it() {
    let place = Place::new();
    let mine = scope("ann", "shop", Refs::Trusted);
    assert_eq!(place.read(&mine, "k"), None);
    place.keep(&mine, "k", "first");
    place.keep(&mine, "k", "second");
    assert_eq!(place.read(&mine, "k").unwrap(), "second");
    assert_eq!(place.read(&mine, "other"), None);
    for other in [
        scope("bob", "shop", Refs::Trusted),
        scope("ann", "shop2", Refs::Trusted),
        scope("ann", "shop", Refs::Untrusted),
        scope("ann", "shop", Refs::Upload),
        scope("anns", "hop", Refs::Trusted),
    ] {
        assert_eq!(place.read(&other, "k"), None, "{other:?}");
    }
    // Whatever the key is: it names no folder.
    place.keep(&mine, "../../../../etc", "deep");
    assert_eq!(place.read(&mine, "../../../../etc").unwrap(), "deep");
    let mode = fs::metadata(place.store.layout().caches()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else gets in");
}

#[test]
fn what_is_given_up_leaves_nothing_and_the_one_before_stays() {
    let place = Place::new();
    let mine = scope("ann", "shop", Refs::Upload);
    place.keep(&mine, "k", "whole");
    let draft = place.store.draft_cache().unwrap();
    fs::write(draft.folder().join("half"), "").unwrap();
    assert_eq!(place.surplus(u64::MAX), [], "somebody still writes it");
    drop(draft);
    assert_eq!(fs::read_dir(place.store.layout().cache_drafts()).unwrap().count(), 0);
    assert_eq!(place.read(&mine, "k").unwrap(), "whole");
    // Whoever dies gives nothing up: its lock is free, and that is all.
    let left = place.store.layout().cache_drafts().join("left");
    fs::create_dir(&left).unwrap();
    let [half] = place.surplus(u64::MAX).try_into().unwrap();
    assert_eq!((half.because, &half.path), (CacheGoes::Unfinished, &left));
    assert!(place.store.remove_cache(&half.path).unwrap() && !left.exists());
}

#[test]
fn what_is_replaced_too_old_or_too_much_goes_unless_somebody_reads_it() {
    let place = Place::new();
    let mine = scope("ann", "shop", Refs::Upload);
    place.keep(&mine, "k", "first");
    let reader = place.store.find_cache(&mine, "k").unwrap().unwrap();
    place.keep(&mine, "k", "later");
    let [replaced] = place.surplus(u64::MAX).try_into().unwrap();
    assert_eq!((replaced.because, replaced.key.as_deref()), (CacheGoes::Replaced, Some("k")));
    assert!(!place.store.remove_cache(&replaced.path).unwrap(), "it is read");
    assert_eq!(fs::read_to_string(reader.part(OF_PROJECT).join("file")).unwrap(), "first");
    drop(reader);
    assert!(place.store.remove_cache(&replaced.path).unwrap());
    assert_eq!(place.read(&mine, "k").unwrap(), "later");

    // Five bytes each: the one that was read last stays.
    let hours = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 3600);
    for (key, ago) in [("old", 400), ("a", 2), ("b", 3)] {
        place.keep(&mine, key, "bytes");
        let kept = place.store.find_cache(&mine, key).unwrap().unwrap();
        File::open(&kept.folder).unwrap().set_modified(hours(ago)).unwrap();
    }
    let goes = |bytes| {
        let told = place.surplus(bytes).into_iter().map(|old| (old.key.unwrap(), old.because));
        let mut told: Vec<_> = told.collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told
    };
    let named = |key: &str, because| (key.to_owned(), because);
    assert_eq!(goes(15), [named("old", CacheGoes::Age)]);
    assert_eq!(goes(10), [named("b", CacheGoes::Bytes), named("old", CacheGoes::Age)]);
    drop(place.store.find_cache(&mine, "b").unwrap());
    assert_eq!(goes(10), [named("a", CacheGoes::Bytes), named("old", CacheGoes::Age)], "whoever reads one keeps it");
    for old in place.surplus(10) {
        assert!(place.store.remove_cache(&old.path).unwrap());
    }
    assert_eq!((place.read(&mine, "old"), place.read(&mine, "a")), (None, None));
    assert_eq!(place.read(&mine, "b").unwrap(), "bytes");
}
