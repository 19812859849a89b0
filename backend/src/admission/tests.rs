mod modules;
mod recognised;
mod selecting;
mod warnings;

use std::{
    fs,
    os::unix::fs::symlink,
    time::{Duration, Instant},
};

use pipelinex_common::{metadata::AdmissionStatus, request::Switches};
use tempfile::TempDir;

use super::*;
use crate::stacks::Stacks;

/// As start.spring.io makes them.
const POM: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
	xsi:schemaLocation="http://maven.apache.org/POM/4.0.0 https://maven.apache.org/xsd/maven-4.0.0.xsd">
	<modelVersion>4.0.0</modelVersion>
	<parent>
		<groupId>org.springframework.boot</groupId>
		<artifactId>spring-boot-starter-parent</artifactId>
		<version>3.5.7</version>
		<relativePath/> <!-- lookup parent from repository -->
	</parent>
	<groupId>com.example</groupId>
	<artifactId>demo</artifactId>
	<version>0.0.1-SNAPSHOT</version>
	<properties>
		<java.version>17</java.version>
	</properties>
	<dependencies>
		<dependency>
			<groupId>org.springframework.boot</groupId>
			<artifactId>spring-boot-starter-web</artifactId>
		</dependency>
	</dependencies>
	<build>
		<plugins>
			<plugin>
				<groupId>org.springframework.boot</groupId>
				<artifactId>spring-boot-maven-plugin</artifactId>
			</plugin>
		</plugins>
	</build>
</project>
"#;
const MAIN: &str = "src/main/java/com/example/DemoApplication.java";
const TEST: &str = "src/test/java/com/example/DemoApplicationTests.java";
const APPLICATION: &str = "package com.example;\n\n@SpringBootApplication\npublic class DemoApplication {}\n";

/// A definition with half of the stages: what these tests say of selecting does not move with the one that is shipped.
const PIPELINE: &str = r#"
stages: [SECRETS, BUILD, TEST, PACKAGE]
default: {image: java17-maven}
SECRETS: {stage: SECRETS, needs: [], script: [x]}
BUILD: {stage: BUILD, needs: [], script: [x]}
TEST: {stage: TEST, needs: [BUILD], script: [x]}
PACKAGE: {stage: PACKAGE, needs: [BUILD, {job: TEST, optional: true}], script: [x]}
.pipelinex:
  jobs:
    SECRETS: {kind: scan, switch: run_secret_scan}
    BUILD: {switch: run_build}
    TEST: {switch: run_unit_tests}
    PACKAGE: {switch: run_package}
"#;

fn on(accepted: &Accepted) -> Vec<String> {
    accepted.switches.wanted().on.iter().map(ToString::to_string).collect()
}

/// A project on disk, a request for it, and the stack that it is for.
struct World {
    dir: TempDir,
    request: JobRequest,
    kind: SourceKind,
    stacks: Stacks,
}

impl World {
    /// A project that is admitted without a warning.
    fn good() -> Self {
        let stack = r#"{"stack": {"language": "java", "framework": "spring-boot", "build_tool": "maven"}}"#;
        let request = serde_json::from_str(stack).unwrap();
        let stacks = Self::stacks();
        let world = Self { dir: tempfile::tempdir().unwrap(), request, kind: SourceKind::Zip, stacks };
        world.write("pom.xml", POM);
        world.write(MAIN, APPLICATION);
        world.write(TEST, "class DemoApplicationTests {}");
        world
    }

    /// The contract that is shipped, with [`PIPELINE`].
    fn stacks() -> Stacks {
        let dir = tempfile::tempdir().unwrap();
        let stack = dir.path().join("java-spring-boot-maven");
        fs::create_dir(&stack).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/java-spring-boot-maven/contract.yml");
        fs::copy(shipped, stack.join("contract.yml")).unwrap();
        fs::write(stack.join("pipeline.yml"), PIPELINE).unwrap();
        Stacks::load(Some(dir.path())).unwrap()
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.dir.path().join(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    fn ask(&mut self, switches: &str) {
        self.request.pipeline = Some(serde_json::from_str::<Switches>(switches).unwrap());
    }

    fn admit(&self) -> Result<Accepted, Refused> {
        let stack = self.stacks.find(&self.request.stack).unwrap();
        match admit_source(self.dir.path(), None, &self.request, self.kind, stack, &Config::default()) {
            Ok(accepted) => Ok(accepted),
            Err(AdmissionError::Refused(refused)) => Err(refused),
            Err(AdmissionError::Io(error)) => panic!("{error}"),
        }
    }

    fn accepted(&self) -> Accepted {
        self.admit().unwrap_or_else(|refused| panic!("{refused}"))
    }

    /// One line for each problem: rule, path, message, hint.
    fn refused(&self) -> String {
        let problems = self.admit().unwrap_err().problems;
        let line =
            |p: &Problem| format!("{} | {} | {} | {}", p.rule, p.path.as_deref().unwrap_or("-"), p.message, p.hint);
        problems.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn selected(&self) -> Vec<String> {
        self.accepted().stages.into_iter().filter(|stage| stage.selected).map(|stage| stage.name).collect()
    }
}

#[test]
fn a_good_project_is_accepted_with_all_that_the_stack_has() {
    let accepted = World::good().accepted();
    assert_eq!((accepted.status, accepted.warnings.len()), (AdmissionStatus::Accepted, 0), "{:?}", accepted.warnings);
    let versions = (accepted.versions.get("java"), accepted.versions.get("build_tool"));
    assert_eq!(versions, (Some("17"), Some("3.9")));
    assert_eq!(accepted.pipeline_name, "spring-boot-maven");
    let stages: Vec<_> = accepted.stages.iter().map(|s| (s.name.as_str(), s.selected)).collect();
    let expected = [
        ("SECRETS", true),
        ("BUILD", true),
        ("TEST", true),
        ("SAST", false),
        ("SCA", false),
        ("PACKAGE", true),
        ("SMOKE-TEST", false),
        ("DAST", false),
    ];
    assert_eq!(stages, expected);
    assert_eq!(on(&accepted), ["run_secret_scan", "run_build", "run_unit_tests", "run_package"]);
}

#[test]
fn all_problems_are_told_at_once_in_a_stable_order() {
    let mut world = World::good();
    world.remove("src");
    world.write("pom.xml", "<project><properties><java.version>21</java.version></properties></project>");
    world.request.versions =
        [("build_tool", "4.0"), ("java", "17")].into_iter().map(|(tool, v)| (tool.to_owned(), v.to_owned())).collect();
    world.ask(r#"{"run_secret_scan": true, "secret_scan_mode": "git"}"#);
    insta::assert_snapshot!(world.refused(), @r#"
required-files | - | java-sources: no files match `**/src/main/java/**/*.java`, at least 1 must | put the Java sources under src/main/java, of the project or of a module
required-text | - | spring-boot-application: `@SpringBootApplication` is in none of the files that match `**/src/main/**/*.java` (no files), it must be there at least once | annotate one class, the one with main, with @SpringBootApplication
pom-not-spring-boot | pom.xml | pom.xml is not that of a Spring Boot application | inherit from spring-boot-starter-parent, or import spring-boot-dependencies, or use a spring-boot-starter with the spring-boot-maven-plugin
java-too-new | pom.xml | pom.xml asks for Java 21 (the property java.version), the job would run with Java 17 | ask for Java 21 if the stack has it, or lower it in pom.xml to 17
unsupported-version | - | versions.build_tool is `4.0`, which this stack does not have | supported: 3.9; without versions.build_tool the stack's default is taken
history-needs-git | - | secret_scan_mode `git` looks through the history, and a ZIP has none | use secret_scan_mode `dir`, or submit the project by its Git URL
"#);
    assert_eq!(world.refused(), world.refused());
}

#[test]
fn a_required_path_is_told_with_where_it_may_be_instead() {
    let world = World::good();
    world.remove("pom.xml");
    insta::assert_snapshot!(world.refused(), @"required-path | pom.xml | `pom.xml` is not there | add `pom.xml`, at the top of what you submit");
    world.write("demo/pom.xml", POM);
    insta::assert_snapshot!(world.refused(), @"required-path | pom.xml | `pom.xml` is not there | it is there below `demo`: choose that folder, with `folder`");
    world.write("Pom.XML", POM);
    insta::assert_snapshot!(world.refused(), @"required-path | pom.xml | `pom.xml` is not there | rename `Pom.XML`: upper and lower case matter");
}

#[test]
fn links_are_never_followed() {
    let world = World::good();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(outside.path().join("main/java")).unwrap();
    fs::write(outside.path().join("main/java/App.java"), APPLICATION).unwrap();
    fs::write(outside.path().join("pom.xml"), POM).unwrap();
    world.remove("src");
    world.remove("pom.xml");
    symlink(outside.path(), world.dir.path().join("src")).unwrap();
    symlink(outside.path().join("pom.xml"), world.dir.path().join("pom.xml")).unwrap();
    let refused = world.refused().replace(&*outside.path().to_string_lossy(), "/outside");
    insta::assert_snapshot!(refused, @r#"
link-leaves-project | pom.xml | the link `pom.xml` leads out of the project, to `/outside/pom.xml` | remove it, or let it lead to a file of the project
link-leaves-project | src | the link `src` leads out of the project, to `/outside` | remove it, or let it lead to a file of the project
required-path | pom.xml | `pom.xml` is not there: `pom.xml` is a link or a special file, and these are not followed | submit plain files and folders
required-files | - | java-sources: no files match `**/src/main/java/**/*.java`, at least 1 must | put the Java sources under src/main/java, of the project or of a module
required-text | - | spring-boot-application: `@SpringBootApplication` is in none of the files that match `**/src/main/**/*.java` (no files), it must be there at least once | annotate one class, the one with main, with @SpringBootApplication
"#);

    let world = World::good();
    world.remove("pom.xml");
    fs::hard_link(outside.path().join("pom.xml"), world.dir.path().join("pom.xml")).unwrap();
    insta::assert_snapshot!(world.refused(), @"required-path | pom.xml | `pom.xml` is not there: `pom.xml` is a link or a special file, and these are not followed | submit plain files and folders");
}

#[test]
fn a_pom_is_refused_with_its_own_rule() {
    let world = World::good();
    let mut told = String::new();
    let huge = format!("<project>{}</project>", " ".repeat(1024 * 1024));
    let modules = POM.replace(
        "<dependencies>",
        "<packaging>pom</packaging><modules><module>a\u{1b}</module></modules><dependencies>",
    );
    for hostile in [
        "<!DOCTYPE p [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><project>&x;</project>",
        "\u{feff}\0",
        "<project>",
        huge.as_str(),
        modules.as_str(),
        &POM.replace("<packaging>", "").replace("<dependencies>", "<packaging>pom</packaging><dependencies>"),
        "<project><properties><java.version>17</java.version></properties></project>",
        &POM.replace("<java.version>17", "<java.version>26"),
    ] {
        world.write("pom.xml", hostile);
        told += &(world.refused() + "\n");
    }
    world.write("pom.xml", b"\xff\xfe<\0p\0");
    told += &world.refused();
    insta::assert_snapshot!(told, @r#"
pom-doctype | pom.xml | pom.xml has a document type declaration (<!DOCTYPE ...>), which can define entities and is never read | remove it; Maven needs none
pom-malformed | pom.xml | pom.xml cannot be read: it has no element at all | `mvn validate` shows the same file as Maven sees it
pom-malformed | pom.xml | pom.xml cannot be read: the element `project` is not closed | `mvn validate` shows the same file as Maven sees it
unreadable-file | pom.xml | pom.xml is not read: it has more than 1048576 bytes | submit pom.xml as a plain file of at most 1 MiB
pom-multi-module | pom.xml | pom.xml names a module whose pom is not there: a\u{1b}/pom.xml | submit the whole project, from the folder with the pom.xml that all modules share; or remove the module from it
pom-multi-module | pom.xml | pom.xml has the packaging `pom` and no modules: it builds no application | submit the folder of the project that is the application, with the pom.xml that names its modules
pom-not-spring-boot | pom.xml | pom.xml is not that of a Spring Boot application | inherit from spring-boot-starter-parent, or import spring-boot-dependencies, or use a spring-boot-starter with the spring-boot-maven-plugin
java-too-new | pom.xml | pom.xml asks for Java 26 (the property java.version), the job would run with Java 17 | ask for Java 26 if the stack has it, or lower it in pom.xml to 17
pom-encoding | pom.xml | pom.xml is not in UTF-8 but in UTF-16, little-endian | save it in UTF-8 and begin it with <?xml version="1.0" encoding="UTF-8"?>
"#);
    world.write("pom.xml", POM.replace("<java.version>17", "<java.version>11"));
    let older = world.accepted().warnings;
    assert_eq!(
        older,
        ["pom.xml asks for java `11`: the job runs with 17, the nearest there is"],
        "an older Java is fine"
    );
    world.write("pom.xml", POM.replace("<java.version>17", "<java.version>26"));
    assert_eq!(world.admit().unwrap_err().problems.len(), 1);
    world.write("pom.xml", POM.replace("<java.version>17", "<java.version>21"));
    let newer = world.accepted();
    assert_eq!(
        (newer.versions.get("java"), newer.warnings.len()),
        (Some("21"), 0),
        "a newer one that there is is taken"
    );
}

#[test]
fn ten_thousand_files_are_quick() {
    // In memory where that can be had: making so many files takes far longer than judging them.
    let memory = Path::new("/dev/shm");
    let mut world = World::good();
    if let Ok(dir) = tempfile::tempdir_in(memory) {
        let on_disk = std::mem::replace(&mut world.dir, dir);
        for path in ["pom.xml", MAIN, TEST] {
            world.write(path, fs::read(on_disk.path().join(path)).unwrap());
        }
    }
    for n in 0..10_000 {
        let folder = world.dir.path().join(format!("src/main/java/p{}", n / 100));
        if n % 100 == 0 {
            fs::create_dir(&folder).unwrap();
        }
        fs::write(folder.join(format!("C{n}.java")), "class C {}").unwrap();
    }
    let started = Instant::now();
    assert!(world.accepted().warnings.is_empty());
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn too_many_files_are_a_problem_of_their_own() {
    let world = World::good();
    let stacks = Stacks::load(None).unwrap();
    let stack = stacks.find(&world.request.stack).unwrap();
    let mut facts = facts::gather(world.dir.path(), None, &stack.contract).unwrap();
    facts.cut = true;
    let refused = judge(&facts, &world.request, world.kind, stack, &Config::default()).unwrap_err();
    insta::assert_snapshot!(refused, @"too-many-files: the project has more files than are looked at (3) (leave out what is built or downloaded)");
}

#[test]
fn the_examples_are_admitted() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let stacks = Stacks::load(None).unwrap();
    let world = World::good();
    let mut seen = 0;
    for example in
        fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.join("pom.xml").exists())
    {
        let mut request = world.request.clone();
        if !example.file_name().is_some_and(|name| name.to_string_lossy().starts_with("spring-boot")) {
            "plain".clone_into(&mut request.stack.framework);
        }
        let stack = stacks.find(&request.stack).unwrap();
        let accepted = admit_source(&example, None, &request, SourceKind::Zip, stack, &Config::default()).unwrap();
        let warnings = accepted.warnings.len();
        let expected = usize::from(example.ends_with("spring-boot-database"));
        assert_eq!(warnings, expected, "{}: {:?}", example.display(), accepted.warnings);
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} examples were seen");
}
