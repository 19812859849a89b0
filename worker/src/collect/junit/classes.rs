//! Which classes of a test report are in no source of the project. A report is a file, and a project may write any: a test
//! that is told to have passed in a class that nobody wrote is worth a remark.
//!
//! There must be no false alarm, so a class is unknown only if its name is nowhere: it names no file, and is a word in no
//! source. Inner classes go by the outer one, whose name is all that a source must have; parameters and suffixes of a name are
//! left off; names that no class can have (sentences, paths) are not judged. Whoever writes the name into a comment is
//! believed: that is no proof, it only keeps forgotten and copied reports out of the sums.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use pipelinex_common::{execution::TestCounts, foreign::Beneath};

/// Endings of files in which tests are written, and in which others give them their names.
const SOURCES: [&str; 38] = [
    "java", "kt", "kts", "groovy", "gvy", "scala", "sc", "clj", "feature", "story", "spec", "py", "rb", "js", "jsx",
    "mjs", "cjs", "ts", "tsx", "go", "rs", "php", "cs", "fs", "vb", "c", "cc", "cpp", "cxx", "h", "hpp", "swift", "m",
    "dart", "ex", "exs", "lua", "pl",
];
/// The most that is read to look for a name, in bytes; beyond that nothing is judged.
const READ_MAX: u64 = 64 * 1024 * 1024;
/// A source larger than this is not read, and then nothing is judged either.
const SOURCE_MAX: u64 = 4 * 1024 * 1024;

/// Whether a path is one of a source, by its ending.
pub(super) fn is_source(path: &str) -> bool {
    path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).is_some_and(|(_, end)| SOURCES.contains(&end))
}

/// Whether a path is that of a source with tests, by the habits of the build tools.
pub(super) fn is_test(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let ends = ["Test", "Tests", "TestCase", "IT", "Spec", "_test", "_spec", ".test", ".spec"];
    let in_folder = folders.split('/').any(|folder| matches!(folder, "test" | "tests" | "__tests__" | "spec"));
    // Resources of tests have other endings, or a folder of their own.
    let is_named = stem.starts_with("test_") || ends.iter().any(|end| stem.ends_with(end));
    is_source(path) && (is_named || in_folder) && !folders.split('/').any(|folder| folder == "resources")
}

/// Those of the classes that are in none of the sources. Files are read only for a class that names none of them.
pub(super) fn unknown<'a>(
    classes: &BTreeMap<String, TestCounts>,
    tree: &Beneath,
    sources: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let named = classes.keys().filter_map(|class| Some((outer(class)?, class)));
    let sources: Vec<&str> = sources.filter(|path| is_source(path)).collect();
    let stems: HashSet<&str> = sources.iter().map(|path| stem(path)).collect();
    let mut missing: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (name, class) in named.filter(|(name, _)| !stems.contains(name)) {
        missing.entry(name).or_default().push(class);
    }
    if sources.is_empty() || missing.is_empty() {
        return Vec::new();
    }
    let names = missing.keys().copied().collect();
    let absent = absent(names, &mut sources.iter().map(|path| tree.read(path, SOURCE_MAX).ok()));
    absent.iter().flat_map(|name| &missing[name]).map(|class| (*class).clone()).collect()
}

/// Those of the names that are a word in none of the texts; none where a text is missing or there are too many.
fn absent<'a>(mut names: BTreeSet<&'a str>, texts: &mut dyn Iterator<Item = Option<Vec<u8>>>) -> BTreeSet<&'a str> {
    let mut left = READ_MAX;
    for text in texts {
        let length = |text: &Vec<u8>| u64::try_from(text.len()).unwrap_or(u64::MAX);
        let Some(text) = text.filter(|text| length(text) <= left) else { return BTreeSet::new() };
        left -= length(&text);
        let text = String::from_utf8_lossy(&text);
        for word in text.split(|c: char| !is_word(c)) {
            names.remove(word);
        }
        if names.is_empty() {
            break;
        }
    }
    names
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name)
}

/// The name of the outermost class, without its package: `C` of `a.b.C$D`, `a.b.C[1]` and `a.b.C(suffix)`. `None` for what is
/// no name of a class.
fn outer(class: &str) -> Option<&str> {
    let whole = class.split(['$', '[', '(']).next()?;
    let plain = |part: &str| part.chars().all(is_word) && part.starts_with(|c: char| c.is_alphabetic() || c == '_');
    whole.split('.').all(plain).then(|| whole.rsplit('.').next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_goes_by_its_outer_name() {
        for (class, name) in [
            ("com.example.GreeterTest", Some("GreeterTest")),
            ("GreeterTest", Some("GreeterTest")),
            ("com.example.GreeterTest$Nested$Deeper", Some("GreeterTest")),
            ("com.example.GreeterTest[1]", Some("GreeterTest")),
            ("com.example.GreeterTest(on Linux, 17)", Some("GreeterTest")),
            ("größe.GrößeTest", Some("GrößeTest")),
            ("When nobody is there", None),
            ("src/greeter.test.ts", None),
            ("a::b::tests", None),
            ("com.example.When nobody", None),
            ("1.2", None),
            ("", None),
            ("a..b", None),
        ] {
            assert_eq!(outer(class), name, "{class}");
        }
    }

    #[test]
    fn a_test_is_known_by_its_name_or_its_folder() {
        for path in ["src/test/java/a/Greets.java", "GreeterTest.java", "a/GreeterIT.kt", "test_a.py", "web/a.spec.ts"]
        {
            assert!(is_test(path), "{path}");
        }
        for path in ["src/main/java/a/Greeter.java", "src/test/resources/a.js", "latest.java", "src/test/data.txt"] {
            assert!(!is_test(path), "{path}");
        }
    }

    /// The tree that these files make, and the unknown among the classes.
    fn unknown_in(files: &[(&str, &str)], classes: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let tree = Beneath::open(dir.path()).unwrap();
        let walk = tree.walk(1000).unwrap();
        let classes = classes.iter().map(|class| ((*class).to_owned(), TestCounts::default())).collect();
        unknown(&classes, &tree, walk.files.iter().map(|found| found.path.as_str()))
    }

    #[test]
    fn a_class_is_unknown_if_its_name_is_nowhere() {
        let files = [
            ("src/test/java/a/GreeterTest.java", "class GreeterTest { class Inner {} } class Second extends Base {}"),
            ("src/test/kotlin/a/Specs.kt", "class KotlinSpec : Spec() {}\nclass Other_Spec"),
            ("src/test/groovy/a/GroovySpec.groovy", "class GroovySpec extends Specification {}"),
            ("src/test/scala/a/Suite.scala", "final class ScalaSuite extends AnyFunSuite"),
            ("src/test/resources/a/greet.feature", "Feature: Greeting\n  Scenario: somebody comes"),
            ("tests/test_greets.py", "class TestGreets: pass"),
            ("target/surefire-reports/TEST-a.Forged.xml", "<testcase classname='a.Forged'/>"),
            ("target/surefire-reports/a.Forged.txt", "a.Forged"),
            ("target/classes/a/Compiled.class", "Compiled"),
        ];
        let known = [
            "a.GreeterTest",
            "a.GreeterTest$Inner",
            "a.Second",
            "a.Second$Other[2]",
            "a.KotlinSpec",
            "a.Other_Spec",
            "a.GroovySpec",
            "a.ScalaSuite",
            "Greeting",
            "Somebody comes in",
            "tests.test_greets",
            "tests.test_greets.TestGreets",
        ];
        assert_eq!(unknown_in(&files, &known), Vec::<String>::new());
        let both = ["a.Forged", "b.Forged$1", "a.GreeterTest", "a.Greeter", "a.Compiled"];
        assert_eq!(unknown_in(&files, &both), ["a.Compiled", "a.Forged", "b.Forged$1", "a.Greeter"]);
    }

    #[test]
    fn where_not_all_was_read_nothing_is_judged() {
        let large = "x".repeat(SOURCE_MAX as usize + 1);
        assert_eq!(unknown_in(&[("A.java", &large)], &["a.Forged"]), Vec::<String>::new());
        assert_eq!(unknown_in(&[("README.md", "no source")], &["a.Forged"]), Vec::<String>::new());
        let texts =
            |each: u64, number: usize| std::iter::repeat_with(move || Some(vec![b' '; each as usize])).take(number);
        assert_eq!(absent(["Forged"].into(), &mut texts(READ_MAX / 4, 4)).len(), 1);
        assert_eq!(absent(["Forged"].into(), &mut texts(READ_MAX / 4, 5)).len(), 0);
    }
}
