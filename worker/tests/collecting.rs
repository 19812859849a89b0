//! Stories about what steps leave behind to be collected: none of it may stop the job, fill our disk, or make a record that
//! nobody can read. No engine is needed: the files are made by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use pipelinex_common::{
    execution::{FailedTest, StepRecord, TestCounts},
    findings::code_coverage::CoverageFormat,
    layout::JobPaths,
    limits::StepLimits,
    pipeline::{
        self,
        model::{CoverageReport, FindingsFormat, FoundReports, Step},
    },
    state::StepState,
};
use pipelinex_worker::{
    collect::{Collected, Collector},
    mask::Mask,
    spec::TreeKind,
    tree,
    verdict::Voice,
};

const DEFINITION: &str = r#"
stages: [TEST]
TEST:
  stage: TEST
  image: scan
  script: [make]
  artifacts: {paths: ["target/*.jar", "deep/"], reports: {junit: ["**/TEST-*.xml"]}}
"#;

struct Place {
    _dir: tempfile::TempDir,
    paths: JobPaths,
    step: Step,
    limits: StepLimits,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = JobPaths::at(dir.path());
        let step = pipeline::read("pipeline.yml", DEFINITION).unwrap().steps[0].clone();
        for folder in
            [paths.outbox_of(&step.slug), paths.tree(&step.slug).join("copy"), paths.reports(), paths.artifacts()]
        {
            fs::create_dir_all(folder).unwrap();
        }
        Self { _dir: dir, paths, step, limits: StepLimits::default() }
    }

    fn tree(&self, path: &str, content: &str) -> PathBuf {
        put(self.paths.tree(&self.step.slug).join("copy").join(path), content)
    }

    fn report(&self, path: &str, content: &str) -> PathBuf {
        put(self.paths.outbox_of(&self.step.slug).join(path), content)
    }

    /// Collects and publishes; returns what was collected.
    fn collect(&self) -> Collected {
        let collector = Collector {
            folder: None,
            paths: &self.paths,
            step: &self.step,
            tree_owner: &self.step.slug,
            trees: TreeKind::Copy,
            reports_to: self.published(),
            artifacts_to: self.paths.artifacts_of(&self.step.slug),
            limits: &self.limits,
            claim: 1,
            voice: Voice::Project,
            beside: None,
            mask: Mask::default(),
        };
        let collected = collector.gather(true).unwrap();
        let record = StepRecord::bare("TEST", StepState::Success, None, "finished");
        collector.publish(&record, &collected).unwrap();
        collected
    }

    fn published(&self) -> PathBuf {
        self.paths.reports().join("test")
    }
}

fn put(path: PathBuf, content: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

const PASSED: &str = "<testsuite><testcase/></testsuite>";

#[test]
fn names_that_meet_or_are_too_long_are_told_and_stop_nothing() {
    let place = Place::new();
    place.tree(&format!("a/TEST-{}.xml", "x".repeat(240)), PASSED);
    place.tree("a/b_c/TEST-A.xml", PASSED);
    place.tree("a_b/c/TEST-A.xml", PASSED);
    place.report("test/junit/0-TEST-A.xml", "forged");
    place.report("test/result.json/x", "a folder where ours belongs");
    place.report("test/findings.json", "[]");
    place.report("test/kept.txt", "kept");
    let collected = place.collect();
    assert_eq!(collected.tests, Some(TestCounts { tests: 3, ..TestCounts::default() }));
    assert_eq!(fs::read_dir(place.published().join("junit")).unwrap().count(), 3);
    assert!(fs::read_to_string(place.published().join("result.json")).unwrap().contains("\"SUCCESS\""));
    assert!(place.published().join("kept.txt").exists() && !place.published().join("findings.json").exists());
    assert_eq!(collected.warnings.len(), 4, "three names of ours, and no artifact: {:?}", collected.warnings);
}

#[test]
fn what_is_larger_than_the_limit_is_left_before_a_byte_is_written() {
    let mut place = Place::new();
    place.limits.artifact_bytes = 1000;
    for n in 0..50 {
        let path = place.tree(&format!("target/{n}.jar"), "");
        File::options().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
    }
    place.tree("target/small.jar", "small");
    let collected = place.collect();
    assert_eq!(collected.artifacts, ["target/small.jar"]);
    assert_eq!(collected.warnings.len(), 1, "{:?}", collected.warnings);
}

#[test]
fn ten_thousand_warnings_are_twenty_and_a_count() {
    let mut place = Place::new();
    place.limits.collected_files = 5000;
    for n in 0..3000 {
        place.report(&format!("elsewhere/{n}-{}", "😀".repeat(50)), "");
        place.tree(&format!("deep/{n}"), "");
    }
    let collected = place.collect();
    assert_eq!(collected.warnings.len(), 21);
    assert!(collected.warnings[20].starts_with("and 298"), "{}", collected.warnings[20]);
    assert_eq!(collected.artifacts.len(), 200, "of many the first are named");
    assert_eq!(fs::read_dir(place.paths.artifacts_of(&place.step.slug).join("deep")).unwrap().count(), 3000);
}

#[test]
fn links_and_second_names_that_lead_out_are_left_and_told() {
    let place = Place::new();
    let secret = place.paths.root().join("secret");
    fs::write(&secret, "secret").unwrap();
    let inside = place.tree("target/plain.jar", "plain");
    symlink(&secret, inside.with_file_name("link.jar")).unwrap();
    symlink("../../../../secret", inside.with_file_name("up.jar")).unwrap();
    fs::hard_link(&secret, inside.with_file_name("hard.jar")).unwrap();
    symlink(place.paths.root(), place.paths.outbox_of(&place.step.slug).join("test")).unwrap();
    let collected = place.collect();
    assert_eq!(collected.artifacts, ["target/plain.jar"]);
    assert!(!place.published().join("secret").exists());
    assert_eq!(
        collected.warnings,
        [
            "reports: test: it is a link",
            "artifacts: target/hard.jar: it has another name elsewhere (a hard link)",
            "artifacts: target/link.jar: it is a link that leads out of the project",
            "artifacts: target/up.jar: it is a link that leads out of the project",
        ]
    );
}

#[test]
fn links_inside_are_kept_and_second_names_are_copied() {
    let mut place = Place::new();
    place.step.artifacts.paths = ["out/", "latest.jar", "bin/app"].map(str::to_owned).into();
    place.tree("out/lib/app.jar", "jar");
    let real = place.tree("real/app-1.jar", "newest");
    let app = place.tree("bin/deps/app-0123", "program");
    fs::set_permissions(&app, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let tree = place.paths.tree(&place.step.slug).join("copy");
    fs::hard_link(&app, tree.join("bin/app")).unwrap();
    symlink("/home/runner/app/real/../latest.jar", tree.join("out/whole")).unwrap();
    symlink("lib/../lib/app.jar", tree.join("out/app.jar")).unwrap();
    symlink("..", tree.join("out/lib/up")).unwrap();
    symlink("../bin/deps", tree.join("out/deps")).unwrap();
    symlink("none", tree.join("out/dangling")).unwrap();
    symlink("real/app-1.jar", tree.join("latest.jar")).unwrap();
    let collected = place.collect();
    let published = place.paths.artifacts_of(&place.step.slug);
    assert_eq!(fs::read_link(published.join("out/app.jar")).unwrap().to_str(), Some("lib/app.jar"));
    assert_eq!(fs::read_link(published.join("out/lib/up")).unwrap().to_str(), Some(".."));
    for (copied, content) in [("bin/app", "program"), ("latest.jar", "newest"), ("out/whole", "newest")] {
        assert!(!published.join(copied).is_symlink(), "{copied}");
        assert_eq!(fs::read_to_string(published.join(copied)).unwrap(), content, "{copied}");
    }
    let mode = |path: PathBuf| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
    assert_eq!((mode(published.join("bin/app")) & 0o777, mode(published.join("latest.jar")) & 0o777), (0o750, 0o640));
    assert_eq!(
        collected.warnings,
        [
            "artifacts: out/dangling: it is a link to nothing that can be kept",
            "artifacts: out/deps: it is a link to a folder of which nothing is kept",
        ]
    );
    assert!(real.exists());
}

#[test]
fn what_matched_and_was_left_is_never_said_to_be_missing() {
    let mut place = Place::new();
    let tree = place.paths.tree(&place.step.slug).join("copy");
    for (path, warning) in [("pipe", "artifacts: pipe: it is a pipe"), ("none", "no file matches artifacts: none")] {
        place.step.artifacts.paths = vec![path.to_owned()];
        if path == "pipe" {
            rustix::fs::mkfifoat(rustix::fs::CWD, tree.join(path), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        }
        assert_eq!(place.collect().warnings, [warning]);
        fs::remove_dir_all(place.paths.reports()).unwrap();
        fs::create_dir(place.paths.reports()).unwrap();
    }
}

#[test]
fn what_a_former_holder_published_stays() {
    let place = Place::new();
    put(place.published().join("result.json"), "the first");
    place.collect();
    assert_eq!(fs::read_to_string(place.published().join("result.json")).unwrap(), "the first");
}

/// Gives a file the time of so many milliseconds before the step began, or after.
fn written(place: &Place, path: PathBuf, milliseconds: i64) {
    let began = tree::begun_at(&place.paths, &place.step.slug, &place.step.slug).unwrap();
    let by = Duration::from_millis(milliseconds.unsigned_abs());
    let at: SystemTime = if milliseconds < 0 { began - by } else { began + by };
    File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

#[test]
fn reports_older_than_the_step_are_not_its_own() {
    let place = Place::new();
    tree::mark_beginning(&place.paths, &place.step.slug, &place.step.slug).unwrap();
    for (name, milliseconds) in [("old", -1), ("submitted", -86_400_000), ("same", 0), ("new", 1)] {
        let failing = format!("<testsuite><testcase classname='a.{name}'><failure/></testcase></testsuite>");
        written(&place, place.tree(&format!("TEST-{name}.xml"), &failing), milliseconds);
    }
    let collected = place.collect();
    assert_eq!(collected.tests, Some(TestCounts { tests: 2, failures: 2, ..TestCounts::default() }));
    let classes: Vec<_> = collected.failed_tests.iter().map(|test| test.class.as_str()).collect();
    assert_eq!(classes, ["a.new", "a.same"]);
    assert!(collected.warnings.iter().any(|text| text.starts_with("2 JUnit reports are older")), "{collected:?}");
    assert_eq!(fs::read_dir(place.published().join("junit")).unwrap().count(), 2);
}

#[test]
fn what_no_source_has_is_counted_apart_and_what_cannot_be_read_is_told() {
    let place = Place::new();
    place.tree("src/test/java/a/GreeterTest.java", "class GreeterTest { class Inner {} }");
    place.tree(
        "TEST-a.xml",
        "<testsuite><testcase classname='a.GreeterTest'/><testcase classname='a.GreeterTest$Inner'/>\
         <testcase classname='a.Forged'/><testcase classname='a.Forged'><skipped/></testcase>\
         <testcase classname='a.Forged' name='\u{202e}x'><failure message='\u{1b}[31mno'/></testcase></testsuite>",
    );
    place.tree("TEST-b.xml", "<testsuite><testcase classname='a.GreeterTest'>");
    let collected = place.collect();
    assert_eq!(collected.tests, Some(TestCounts { tests: 3, failures: 1, unknown: 2, ..TestCounts::default() }));
    assert_eq!(collected.broken_test_reports, 1);
    let told = |part: &str| collected.warnings.iter().any(|text| text.contains(part));
    assert!(told("2 of the reported tests are not counted") && told("(a.Forged)"), "{:?}", collected.warnings);
    assert!(told("TEST-b.xml: not a JUnit report: it is cut off"), "{:?}", collected.warnings);
    let first = collected.first_broken_test_report.as_deref().unwrap();
    assert!(first.starts_with("TEST-b.xml: not a JUnit report"), "{first}");
    let FailedTest { name, message, .. } = &collected.failed_tests[0];
    assert_eq!((name.as_str(), message.as_str()), ("\\u{202e}x", "no"), "a colour is no part of a message");
}

/// How many reports were not read, and what is said of the first.
fn unread(collected: &Collected) -> (u64, &str) {
    (collected.broken_test_reports, collected.first_broken_test_report.as_deref().unwrap_or_default())
}

#[test]
fn a_report_that_is_refused_too_large_or_not_reached_is_not_taken_for_a_passed_one() {
    let mut place = Place::new();
    place.tree("TEST-a.xml", PASSED);
    place.tree("TEST-b.xml", PASSED);
    let large = File::create(place.tree("TEST-c.xml", "")).unwrap();
    large.set_len((32 << 20) + 1).unwrap();
    let collected = place.collect();
    assert_eq!(unread(&collected), (1, "TEST-c.xml: it is larger than the 32 MiB that are read"));
    assert_eq!(collected.tests.unwrap().tests, 2);

    let collected = at_most(&mut place, 32 << 20, 10_000);
    assert_eq!(unread(&collected), (1, "TEST-c.xml is more than the limit allows"));
    let collected = at_most(&mut place, 64 << 20, 1);
    assert_eq!(unread(&collected), (2, "TEST-b.xml is more than the limit allows"));
    for number in 0..60 {
        place.tree(&format!("{number}.java"), "");
    }
    let collected = at_most(&mut place, 64 << 20, 1);
    assert!(unread(&collected).1.starts_with("the tree has more files than are looked through"), "{collected:?}");
}

/// Collects with these limits.
fn at_most(place: &mut Place, bytes: u64, files: u64) -> Collected {
    (place.limits.report_bytes, place.limits.collected_files) = (bytes, files);
    fs::remove_dir_all(place.published()).unwrap();
    place.collect()
}

#[test]
fn tests_without_a_report_are_told() {
    let place = Place::new();
    place.tree("src/test/java/a/GreeterTest.java", "class GreeterTest {}");
    let collected = place.collect();
    let told = |text: &String| text.contains("no file matches **/TEST-*.xml") && text.contains("a/GreeterTest.java");
    assert!(collected.warnings.iter().any(told), "{:?}", collected.warnings);
}

#[test]
fn a_copied_tree_has_the_links_of_the_project() {
    let place = Place::new();
    let (source, owner) = (place.paths.source(), &place.step.slug);
    put(source.join("a/file"), "text");
    symlink("a/file", source.join("link")).unwrap();
    symlink("target/not-made-yet", source.join("later")).unwrap();
    fs::remove_dir_all(place.paths.tree(owner)).unwrap();
    tree::prepare(&place.paths, owner, TreeKind::Copy).unwrap();
    let copy = place.paths.tree(owner).join("copy");
    assert_eq!(fs::read_to_string(copy.join("link")).unwrap(), "text");
    assert_eq!(fs::read_link(copy.join("later")).unwrap(), PathBuf::from("target/not-made-yet"));
}

#[test]
fn what_tests_reached_is_what_was_printed_or_what_a_report_says() {
    let mut place = Place::new();
    let report = "<coverage line-rate='0' lines-covered='3' lines-valid='4'><packages/></coverage>";
    place.tree("a/coverage.xml", report);
    place.tree("b/coverage.xml", &report.replace("'3'", "'1'"));
    let format = CoverageFormat::Cobertura;
    place.step.artifacts.coverage = Some(CoverageReport { format, path: "**/coverage.xml".to_owned() });
    assert_eq!(place.collect().coverage, Some(50.0), "the sum of both");
    put(
        place.paths.log(&place.step.slug),
        "TOTAL 10 1 \u{1b}[32m90%\u{1b}[0m\nTOTAL 10 2 \u{1b}[32m80.5%\u{1b}[0m\ndone\n",
    );
    place.step.coverage = Some(r"/TOTAL.*\s(\d+(?:\.\d+)?%)$/".to_owned());
    assert_eq!(place.collect().coverage, Some(80.5), "the last line that fits, without its colours");
    place.step.coverage = Some("/nothing/".to_owned());
    let collected = place.collect();
    assert_eq!(collected.coverage, Some(50.0));
    assert!(collected.warnings.contains(&"no line of the log fits coverage: /nothing/".to_owned()), "{collected:?}");
    place.tree("b/coverage.xml", "<coverage>");
    let collected = place.collect();
    let told = "reports: coverage_report: b/coverage.xml: not a Cobertura report: it is cut off";
    assert_eq!((collected.coverage, collected.warnings.last().map(String::as_str)), (None, Some(told)));
}

#[test]
fn what_a_projects_own_tools_find_is_among_the_findings_and_what_they_do_not_say_is_told() {
    let mut place = Place::new();
    let report =
        r#"{"vulnerabilities": [{"name": "bad", "severity": "High", "location": {"file": "a.py", "start_line": 2}}]}"#;
    place.tree("out/gl-sast-report.json", report);
    place.tree("out/quality.json", r#"[{"check_name": "long", "severity": "minor", "location": {"path": "b.py"}}]"#);
    let of = |format, path: &str| FoundReports { format, paths: vec![path.to_owned()] };
    place.step.artifacts.findings = vec![
        of(FindingsFormat::Gitlab, "out/gl-*.json"),
        of(FindingsFormat::CodeQuality, "out/quality.json"),
        of(FindingsFormat::Gitlab, "missing.json"),
    ];
    let collected = place.collect();
    let counts = collected.findings.unwrap();
    assert_eq!((counts.high, counts.low, counts.total()), (1, 1, 2));
    assert!(collected.unbelievable.is_none() && place.published().join("findings.json").exists());
    let told = "no file matches reports: missing.json; no findings were counted";
    assert_eq!(collected.warnings.last().map(String::as_str), Some(told));
    place.tree("out/quality.json", "{}");
    let collected = place.collect();
    assert_eq!(collected.findings.unwrap().total(), 1);
    let told = |warning: &String| warning.starts_with("report out/quality.json: not a Code Quality report");
    assert!(collected.warnings.iter().any(told), "{collected:?}");
}
