use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use pipelinex_common::{access::Owner, execution::StepRecord, pipeline, state::StepState, store::Refs};

use super::*;
use crate::spec::TreeKind;

/// Two jobs of one project after one another, by hand: no engine is needed to see what a step finds.
struct World {
    dir: tempfile::TempDir,
    store: Store,
    scope: Option<CacheScope>,
    limits: StepLimits,
    bytes: u64,
}

/// One job of it.
struct OneJob<'w> {
    world: &'w World,
    paths: JobPaths,
    step: Step,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let scope = CacheScope { owner: Owner::anonymous(), project: "p".to_owned(), refs: Refs::Upload };
        Self { dir, store, scope: Some(scope), limits: StepLimits::default(), bytes: 10 * MIB }
    }

    /// A job of this cache, with a lock file in its source.
    fn job(&self, name: &str, cache: &str) -> OneJob<'_> {
        let text = format!("a: {{image: i, script: x, cache: {cache}}}\n");
        let step = pipeline::read("pipeline.yml", &text).unwrap().steps[0].clone();
        let paths = JobPaths::at(self.dir.path().join(name));
        for folder in [paths.source(), paths.tree(&step.slug).join("upper"), paths.tree(&step.slug).join("cache")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(paths.source().join("lock"), "versions").unwrap();
        OneJob { world: self, paths, step }
    }
}

impl OneJob<'_> {
    fn upper(&self) -> PathBuf {
        self.paths.tree(&self.step.slug).join("upper")
    }

    fn restore(&self) -> Restored {
        let (folder, owner) = (self.upper(), &self.step.slug);
        let place = Place { paths: &self.paths, owner, onto: Onto { folder: &folder, is_upper: true } };
        let World { store, scope, limits, .. } = self.world;
        restore(store, scope.as_ref(), &self.step, &place, limits).unwrap();
        Restored::of(&self.paths, owner, owner)
    }

    fn writes(&self, path: &str, text: &str) -> &Self {
        put(self.upper().join(path), text);
        self
    }

    fn keep(&self, status: StepState) -> StepRecord {
        self.keep_as(true, status)
    }

    fn keep_as(&self, is_own: bool, status: StepState) -> StepRecord {
        let mut record = StepRecord::bare("a", status, None, "");
        let World { store, scope, bytes, limits, .. } = self.world;
        Keeper {
            store,
            scope: scope.as_ref(),
            paths: &self.paths,
            step: &self.step,
            owner: &self.step.slug,
            trees: TreeKind::Overlay,
            is_own,
            bytes: *bytes,
            files: limits.disk_files,
        }
        .keep(&mut record);
        record
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.upper().join(path)).ok()
    }
}

fn put(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn told(record: &StepRecord) -> String {
    record
        .caches
        .iter()
        .map(|cache| format!("{} {} {}", cache.key, cache.restored.as_deref().unwrap_or("-"), cache.saved))
        .collect::<Vec<_>>()
        .join("; ")
}

#[test]
fn a_later_step_finds_what_an_earlier_one_left_in_a_copy_of_its_own() {
    let world = World::new();
    let cache = "{key: k, paths: [deps/], policy: pull-push}";
    let first = world.job("first", cache);
    assert_eq!(first.restore().caches[0].restored, None);
    first.writes("deps/a.jar", "jar").writes("deps/bin/run", "#!").writes("other", "not named");
    let tool = first.upper().join("deps/bin/run");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let then = SystemTime::now() - Duration::from_secs(5000);
    fs::File::open(&tool).unwrap().set_modified(then).unwrap();
    symlink("bin/run", first.upper().join("deps/tool")).unwrap();
    assert_eq!(told(&first.keep(StepState::Success)), "k - true");

    let second = world.job("second", cache);
    assert_eq!(second.restore().caches[0].restored.as_deref(), Some("k"));
    assert_eq!((second.read("deps/a.jar").as_deref(), second.read("other")), (Some("jar"), None));
    assert_eq!(second.read("deps/tool").as_deref(), Some("#!"));
    let laid = fs::metadata(second.upper().join("deps/bin/run")).unwrap();
    assert_eq!(laid.mode() & 0o111, 0o111, "what can be executed stays so");
    assert_eq!(laid.modified().unwrap(), then, "a tool that goes by times finds the same");
    // Whatever it does with its copy, and however it ends.
    second.writes("deps/a.jar", "changed");
    assert_eq!(told(&second.keep(StepState::Failed)), "k k false");
    let third = world.job("third", cache);
    third.restore();
    assert_eq!(third.read("deps/a.jar").as_deref(), Some("jar"));
}

#[test]
fn a_built_in_step_writes_its_cache_where_something_was_fetched_and_says_nothing_where_not() {
    let world = World::new();
    let cache = "{key: built-in, paths: [$CACHE_DIR/m2, $CACHE_DIR/none]}";
    let job = |name: &str, fetched: &[&str]| {
        let job = world.job(name, cache);
        job.restore();
        for file in fetched {
            put(job.paths.tree(&job.step.slug).join("cache/m2").join(file), "jar");
        }
        let record = job.keep_as(false, StepState::Success);
        assert_eq!(record.warnings, [] as [&str; 0]);
        told(&record)
    };
    assert_eq!(job("nothing", &[]), "built-in - false");
    assert_eq!(job("first", &["a/1.jar"]), "built-in - true");
    assert_eq!(job("same", &["a/1.jar"]), "built-in built-in false");
    assert_eq!(job("again", &[]), "built-in built-in false");
    assert_eq!(job("more", &["a/2.jar"]), "built-in built-in true");
    assert_eq!(job("after", &["a/1.jar", "a/2.jar"]), "built-in built-in false");
}

#[test]
fn a_policy_says_whether_it_is_read_or_written_and_when_after_which_ends() {
    let world = World::new();
    let after = |name: &str, more: &str, status| {
        let job = world.job(name, &format!("{{key: {name}, paths: [x], {more}}}"));
        let restored = job.restore().caches[0].restored.is_some();
        (restored, job.writes("x", "1").keep(status).caches[0].saved)
    };
    use StepState::{Canceled, Failed, Success};
    assert_eq!(after("push", "policy: push", Success), (false, true));
    assert_eq!(after("push", "policy: push", Success), (false, true), "it is not read");
    assert_eq!(after("push", "policy: pull", Success), (true, false));
    for (when, ends) in [("on_success", [true, false]), ("on_failure", [false, true]), ("always", [true, true])] {
        let more = format!("when: {when}");
        assert_eq!([Success, Failed].map(|status| after(when, &more, status).1), ends, "{when}");
        assert!(!after(when, &more, Canceled).1, "{when}: nobody knows what a step was at when it was ended");
    }
}

#[test]
fn keys_are_of_files_and_others_are_looked_under_in_their_order() {
    let world = World::new();
    let cache = "[{key: {files: [lock, '*.none'], prefix: p}, paths: [x]}, {key: {files: [lock]}, paths: [$CACHE_DIR]}, \
                 {key: {files: [none]}, paths: [x]}]";
    let first = world.job("first", cache);
    first.restore();
    put(first.paths.tree(&first.step.slug).join("cache/pip/wheel"), "wheel");
    let kept = first.writes("x", "of the lock").keep(StepState::Success);
    let keys: Vec<&str> = kept.caches.iter().map(|cache| cache.key.as_str()).collect();
    let digest = keys[0].strip_prefix("p-").unwrap();
    assert_eq!((digest.len(), keys[1], keys[2]), (40, &*format!("1-{digest}"), "2-default"));
    assert!(kept.caches.iter().all(|cache| cache.saved), "{kept:?}");

    let second = world.job("second", cache);
    second.restore();
    let wheel = second.paths.tree(&second.step.slug).join("cache/pip/wheel");
    assert_eq!(fs::read_to_string(wheel).unwrap(), "wheel", "what is in the step's cache folder is kept there");
    let other = world.job("other", cache);
    fs::write(other.paths.source().join("lock"), "newer versions").unwrap();
    let keys: Vec<Option<String>> = other.restore().caches.into_iter().map(|cache| cache.restored).collect();
    assert_eq!(keys, [None, None, Some("2-default".to_owned())]);

    world.job("one", "{key: one, paths: [x]}").writes("x", "one").keep(StepState::Success);
    world.job("two", "{key: two, paths: [x]}").writes("x", "two").keep(StepState::Success);
    let mut third = world.job("third", "{key: new, paths: [x], fallback_keys: [none, two, one]}");
    assert_eq!((third.restore().caches[0].restored.as_deref(), third.read("x").as_deref()), (Some("two"), Some("two")));
    assert_eq!(told(&third.keep(StepState::Success)), "new two true", "it is kept under its own key");
    third = world.job("fourth", "{key: newer, paths: [x], fallback_keys: [none]}");
    third.step.variables.insert(FALLBACK_KEY.to_owned(), "one".to_owned());
    assert_eq!(third.restore().caches[0].restored.as_deref(), Some("one"), "GitLab's variable is the last of all");
}

#[test]
fn nothing_leads_out_too_much_is_none_and_what_cannot_be_read_is_a_warning() {
    let mut world = World::new();
    put(world.dir.path().join("outside/secret"), "not theirs");
    let job = world.job("first", "{key: k, paths: [deps/]}");
    job.writes("deps/a", "1");
    symlink("../../../../outside/secret", job.upper().join("deps/up")).unwrap();
    symlink("/etc/passwd", job.upper().join("deps/root")).unwrap();
    symlink("/home/runner/app/deps/a", job.upper().join("deps/absolute")).unwrap();
    let kept = job.keep(StepState::Success);
    assert_eq!(told(&kept), "k - true");
    assert_eq!(kept.warnings.len(), 2, "{:?}", kept.warnings);
    assert!(kept.warnings.iter().all(|told| told.contains("leads out")), "{:?}", kept.warnings);
    let second = world.job("second", "{key: k, paths: [deps/]}");
    // Where a cache goes, a project may have a link, too.
    symlink(world.dir.path().join("outside"), second.upper().join("deps")).unwrap();
    second.restore();
    assert_eq!((second.read("deps/a").as_deref(), second.read("deps/absolute").as_deref()), (Some("1"), Some("1")));
    assert!(["deps/up", "deps/root"].iter().all(|link| fs::symlink_metadata(second.upper().join(link)).is_err()));
    assert_eq!(fs::read_dir(world.dir.path().join("outside")).unwrap().count(), 1, "nothing is laid through a link");

    world.bytes = 3;
    let large = world.job("large", "{key: k, paths: [x]}");
    let kept = large.writes("x", "four").keep(StepState::Success);
    assert!(told(&kept) == "k - false" && kept.warnings[0].contains("--cache-size"), "{kept:?}");
    let none = world.job("none", "{key: k, paths: [x]}").keep(StepState::Success);
    assert!(told(&none) == "k - false" && none.warnings[0].contains("no file matches x"), "{none:?}");
    assert_eq!(fs::read_dir(world.store.layout().cache_drafts()).unwrap().count(), 0, "nothing half is left");

    world.limits.disk_bytes = 0;
    let small = world.job("small", "{key: k, paths: [deps/]}");
    let restored = small.restore();
    assert!(restored.caches[0].restored.is_none() && restored.warnings[0].contains("more than a step may have"));
    let warned = small.writes("deps/b", "").keep(StepState::Success);
    assert!(warned.warnings[0].contains("was not read"), "what was told before it began is in its record: {warned:?}");
    world.scope = None;
    let nobody = world.job("nobody", "{key: k, paths: [deps/]}");
    assert!(nobody.restore().caches.is_empty() && nobody.read("deps/a").is_none());
    assert!(nobody.writes("deps/a", "2").keep(StepState::Success).caches.is_empty());
}

#[test]
fn without_accounts_there_are_none_but_for_who_runs_a_project_here() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let mut metadata = pipelinex_common::testing::sample::metadata(id, ["BUILD"]);
    let mut config = WorkerConfig::default();
    metadata.owner = Owner::anonymous();
    assert_eq!(scope_of(&metadata, &config), None);
    config.caches_of_anonymous = true;
    assert!(scope_of(&metadata, &config).is_some());
    config.caches_of_anonymous = false;
    metadata.owner = Owner::named("ann");
    assert!(scope_of(&metadata, &config).is_some_and(|scope| scope.owner == Owner::named("ann")));
}
