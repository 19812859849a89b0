//! The contract of a stack: what a project must look like to be admitted. A file beside the stack's pipeline definition,
//! read with the same strictness and the same messages.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{contract, diagnostic::Rejected};
use crate::database::DatabaseKind;

/// Language, framework and build tool, normalised: lower case, words joined by hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct StackKey {
    /// For example `java`.
    pub language: String,
    /// For example `spring-boot`.
    pub framework: String,
    /// For example `maven`.
    pub build_tool: String,
}

/// The framework, or the build tool, of a stack that has none.
const NONE: &str = "none";
/// What a stack calls a framework or a build tool that it leaves to the project.
pub const ANY: &str = "any";

impl StackKey {
    /// A key from three words as somebody wrote them.
    pub fn new(language: &str, framework: &str, build_tool: &str) -> Self {
        let [language, framework, build_tool] = [language, framework, build_tool].map(normalised);
        Self { language, framework, build_tool }
    }

    /// How closely this stack is what a request asks for; `None`: it is another. `springboot`, `Spring Boot` and `spring-boot` are
    /// the same, and a stack of [`ANY`] framework or build tool is that of each, less closely than one that names it.
    pub fn closeness(&self, asked: &StackKey) -> Option<u32> {
        let parts = |key: &StackKey| [&key.language, &key.framework, &key.build_tool].map(|part| squeezed(part));
        parts(self).iter().zip(parts(asked)).try_fold(0, |close, (own, asked)| match own {
            own if *own == asked => Some(close + 1),
            own if own == ANY => Some(close),
            _ => None,
        })
    }

    /// The stack's folder below `pipelines/`; of one that has neither framework nor build tool, the first word. Take it of a
    /// contract's own key: there the spelling is settled.
    pub fn folder(&self) -> String {
        match (self.framework.as_str(), self.build_tool.as_str()) {
            (NONE, NONE) => self.language.clone(),
            (framework, build_tool) => format!("{}-{framework}-{build_tool}", self.language),
        }
    }

    /// The folder's name in earlier versions, which an operator's own folder of stacks may still have.
    pub fn former_folder(&self) -> String {
        format!("{}-{}", self.framework, self.build_tool)
    }
}

impl fmt::Display for StackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.language, self.framework, self.build_tool)
    }
}

/// Lower case; what is neither letter, digit nor one of `+#` (c++, c#) becomes one hyphen. So it is safe as a folder name.
pub(super) fn normalised(word: &str) -> String {
    let keep = |c: char| c.is_alphanumeric() || matches!(c, '+' | '#');
    let lower = word.to_lowercase();
    lower.split(|c: char| !keep(c)).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn squeezed(word: &str) -> String {
    normalised(word).replace('-', "")
}

impl Contract {
    /// How close the stack is to one that a request names, see [`StackKey::closeness`]; `None`: it is not meant.
    pub fn closeness(&self, asked: &StackKey) -> Option<u32> {
        let framework = squeezed(&asked.framework);
        let is_known = self.frameworks.is_empty()
            || framework == ANY
            || framework == squeezed(&self.stack.framework)
            || self.frameworks.iter().any(|known| squeezed(known) == framework);
        self.stack.closeness(asked).filter(|_| is_known)
    }
}

/// What a project of a stack must look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// The stack it is for.
    pub stack: StackKey,
    /// Of a stack of any framework: the words for one that a request may use; empty: all.
    pub frameworks: Vec<String>,
    /// The versions that can be asked for, by what they are of.
    pub versions: BTreeMap<String, Versions>,
    /// Paths that must exist.
    pub required: Vec<String>,
    /// Files of which there must be some.
    pub patterns: Vec<Pattern>,
    /// Texts that must be in files.
    pub contains: Vec<Contains>,
    /// Paths that should exist.
    pub optional: Vec<OptionalPath>,
    /// Checks of a value in a structured file.
    pub values: Vec<ValueCheck>,
    /// Texts that say that something will be missed while the job runs.
    pub mentions: Vec<Mention>,
    /// Folders that a build makes again: they are left out of what is submitted.
    pub build_output: Vec<BuildOutput>,
    /// Checks that are code, by name.
    pub semantic: Vec<String>,
    /// The name under which runs are counted; `None`: the folder's.
    pub pipeline: Option<String>,
    /// What tells a project of this stack from others.
    pub markers: Vec<Marker>,
    /// What is known of a project besides, by name: its package manager, how it is started.
    pub tells: BTreeMap<String, Vec<Tell>>,
    /// Whether a project that no other stack recognises is of this one.
    pub fallback: bool,
    /// By stage: files of which there must be some, or the stage has nothing to do.
    pub applies: BTreeMap<String, Vec<String>>,
}

/// The versions of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Taken when none is asked for.
    pub default: String,
    /// All that can be asked for; the default is one of them.
    pub supported: Vec<String>,
    /// Where a project says which one it wants; the first that is there counts.
    pub from: Vec<VersionFile>,
}

/// A file in which a project says which version of a tool it wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionFile {
    /// Where.
    pub lookup: Lookup,
    /// How it is meant.
    pub means: Means,
    /// Whether a version that nobody has is a warning, and the default is taken.
    pub warn: bool,
}

/// How a version is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A range; a version by itself means all that begin with it.
    Range,
    /// A version by itself, and newer ones do as well: the usual one first.
    AtLeast,
    /// A version by itself, and the next newer one does as well.
    Nearest,
    /// The oldest that will do, as a project says it: a newer one is what is meant, and nothing to tell.
    Minimum,
}

/// A place in a file of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Which file; of several the first in order of their paths.
    pub file: String,
    /// Where in it.
    pub place: Place,
}

/// Where in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The first line that is neither empty nor a comment.
    FirstLine,
    /// What follows on the line that begins with this word.
    Row(String),
    /// The value at these keys.
    Path(Vec<String>),
    /// The first group of the first match of this regular expression.
    Pattern(String),
}

/// Something that a file of a project says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tell {
    /// Where.
    pub lookup: Lookup,
    /// What that means in words, with the value as `$value`; `None`: the value itself.
    pub says: Option<String>,
}

/// At least so many files must match a glob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// The name of the rule.
    pub id: String,
    /// Which files.
    pub glob: String,
    /// How many at least.
    pub min: u64,
    /// What to do if it is not met.
    pub hint: String,
}

/// How often a text must be in the files that match a glob, all of them together. In a language that is known only code counts,
/// and no comment or string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contains {
    /// The name of the rule.
    pub id: String,
    /// Which files.
    pub glob: String,
    /// The text.
    pub text: String,
    /// How many times at least.
    pub min: u64,
    /// How many times at most; `None`: any number. A contract says `exactly` where both are the same.
    pub max: Option<u64>,
    /// What a person should know where it is there more often than `min` says.
    pub several: Option<String>,
    /// What to do if it is not met.
    pub hint: String,
}

/// A warning for a text in the files that match a glob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mention {
    /// The name of the rule.
    pub id: String,
    /// Which files.
    pub glob: String,
    /// Texts of which one must be there.
    pub any: Vec<String>,
    /// Texts of which none may be there.
    pub unless: Vec<String>,
    /// It is only said where this database was not asked for.
    pub without_database: Option<DatabaseKind>,
    /// The warning.
    pub warning: String,
}

/// A folder that a build makes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOutput {
    /// Its name.
    pub folder: String,
    /// The file beside it that makes it so.
    pub beside: String,
}

/// A path whose absence is worth a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionalPath {
    /// The path.
    pub path: String,
    /// The warning.
    pub warning: String,
}

/// A check of the value at a path of a JSON, YAML, TOML or XML file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCheck {
    /// The name of the rule.
    pub id: String,
    /// Which files; the ending tells the format.
    pub file: String,
    /// Keys from the root on, with dots between them.
    pub path: String,
    /// What must hold.
    pub test: ValueTest,
    /// Whether a project that does not pass is admitted with a warning.
    pub warn: bool,
    /// What is wrong then.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// What must hold of a value. All but `present` hold of a value that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueTest {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// It is one of these texts.
    OneOf(Vec<String>),
    /// It matches this pattern of a file name: `*` is any text.
    Like(String),
    /// It is a range of versions that has the version of this tool which the job runs with.
    Accepts(String),
}

/// A file that speaks for a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Which file, at the top of the project.
    pub file: String,
    /// A text that must be in it.
    pub text: Option<String>,
    /// How much it says.
    pub weight: u32,
}

/// Reads a contract file. `file` is its name as messages show it, `checks` are the names of the checks that are code.
pub fn read(file: &str, text: &str, checks: &[&'static str]) -> Result<Contract, Rejected> {
    contract::read(file, text, checks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKS: [&str; 2] = ["maven-pom-is-spring-boot", "maven-java-version"];
    const SPRING: &str = r#"
stack: {language: java, framework: spring-boot, build_tool: maven}
versions: {java: {default: "17", supported: ["17"]}, build_tool: {default: "3.9", supported: ["3.9"]}}
required: [pom.xml, src/main/java]
patterns: [{id: java-sources, glob: "**/*.java", min: 1, hint: "..."}]
contains: [{id: spring-boot-application, glob: "**/*.java", text: "@SpringBootApplication", exactly: 1, hint: "..."}]
optional: [{path: src/test/java, warning: "..."}]
semantic: [maven-pom-is-spring-boot, maven-java-version]
"#;

    #[test]
    fn a_contract_is_read() {
        let contract = read("contract.yml", SPRING, &CHECKS).unwrap();
        assert_eq!(contract.stack.folder(), "java-spring-boot-maven");
        assert_eq!(contract.versions["java"].supported, ["17"]);
        let contains = &contract.contains[0];
        assert_eq!((contract.patterns[0].min, contains.min, contains.max), (1, 1, Some(1)));
        let several = SPRING.replace("exactly: 1", "min: 1, several: s");
        let contains = read("contract.yml", &several, &CHECKS).unwrap().contains.remove(0);
        assert_eq!((contains.min, contains.max, contains.several.as_deref()), (1, None, Some("s")));
        for bad in ["hint: \"...\"", "exactly: 1, min: 1", "exactly: 1, several: s"] {
            let told = read("contract.yml", &SPRING.replace("exactly: 1", bad), &CHECKS).unwrap_err().to_string();
            assert!(told.contains("an item of `contains`"), "{bad}: {told}");
        }
        assert_eq!(contract.semantic, CHECKS);
    }

    #[test]
    fn everything_wrong_with_a_contract_is_told_at_once() {
        let bad = SPRING
            .replace("default: \"17\"", "default: 11")
            .replace("glob: \"**/*.java\", min", "glob: \"[\", min")
            .replace("warning:", "warnign:")
            .replace("maven-java-version]", "maven-java-versoin]")
            .replace("id: spring-boot-application", "id: java-sources")
            .replace("required:", "requird:");
        insta::assert_snapshot!(read("contract.yml", &bad, &CHECKS).unwrap_err(), @r#"
contract.yml:3:28: error[PX006]: the default `11` is not one of `supported`
3 | versions: {java: {default: 11, supported: ["17"]}, build_tool: {default: "3.9", supported: ["3.9"]}}
  |                            ^^

contract.yml:4:1: error[PX003]: unknown key `requird` in a contract
4 | requird: [pom.xml, src/main/java]
  | ^^^^^^^
help: did you mean `required`?

contract.yml:5:37: error[PX006]: `[` in `glob` is no pattern: unclosed character class; missing ']'
5 | patterns: [{id: java-sources, glob: "[", min: 1, hint: "..."}]
  |                                     ^^^

contract.yml:6:17: error[PX006]: two rules are called `java-sources`
6 | contains: [{id: java-sources, glob: "**/*.java", text: "@SpringBootApplication", exactly: 1, hint: "..."}]
  |                 ^^^^^^^^^^^^
contract.yml:5:17: note: first used here
5 | patterns: [{id: java-sources, glob: "[", min: 1, hint: "..."}]
  |                 ^^^^^^^^^^^^

contract.yml:7:12: error[PX009]: an item of `optional` has no `warning`
7 | optional: [{path: src/test/java, warnign: "..."}]
  |            ^

contract.yml:7:34: error[PX003]: unknown key `warnign` in an item of `optional`
7 | optional: [{path: src/test/java, warnign: "..."}]
  |                                  ^^^^^^^
help: did you mean `warning`?

contract.yml:8:38: error[PX006]: `maven-java-versoin` is no value of a semantic check
8 | semantic: [maven-pom-is-spring-boot, maven-java-versoin]
  |                                      ^^^^^^^^^^^^^^^^^^
help: did you mean `maven-java-version`?
"#);
    }

    #[test]
    fn values_and_markers_are_data() {
        let text = "stack: {language: node, framework: express, build_tool: npm}\n\
            versions: {node: {default: '24', supported: ['24']}}\n\
            detect: {markers: [{file: package.json, weight: 10}, {file: package.json, text: express, weight: 5}]}\n\
            values:\n\
            - {id: a, file: package.json, path: scripts.start, is: present, message: m, hint: h}\n\
            - {id: b, file: package.json, path: engines.node, accepts: node, level: warning, message: m, hint: h}\n\
            - {id: c, file: '**/*.toml', path: x, one_of: [p, q], message: m, hint: h}\n\
            - {id: d, file: a.xml, path: x, like: '1.*', message: m, hint: h}\n";
        let contract = read("c.yml", text, &[]).unwrap();
        let tests: Vec<_> = contract.values.iter().map(|check| (check.test.clone(), check.warn)).collect();
        assert_eq!(
            tests,
            [
                (ValueTest::Present, false),
                (ValueTest::Accepts("node".into()), true),
                (ValueTest::OneOf(vec!["p".into(), "q".into()]), false),
                (ValueTest::Like("1.*".into()), false)
            ]
        );
        assert_eq!(contract.markers[1].text.as_deref(), Some("express"));
        let bad = text
            .replace("accepts: node,", "accepts: nod,")
            .replace("is: present, ", "")
            .replace("like: '1.*'", "like: '1.*', is: absent")
            .replace("a.xml", "a.ini");
        let told = read("c.yml", &bad, &[]).unwrap_err().to_string();
        for part in ["names one of `is`, `one_of`, `like` and `accepts`", "`nod`", "a.ini"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn where_a_project_says_its_versions_is_data() {
        let text = "stack: {language: go, framework: none, build_tool: none}\n\
            versions:\n  go:\n    default: '1.24'\n    supported: ['1.24']\n    from:\n\
            \x20   - {file: .tool-versions, row: golang}\n\
            \x20   - {file: go.mod, row: go, means: at_least, level: warning}\n\
            \x20   - {file: pom.xml, path: [project, properties, java.version]}\n\
            \x20   - {file: package.json, path: engines.node}\n\
            \x20   - {file: build.gradle, pattern: 'of\\((\\d+)\\)'}\n\
            detect: {fallback: true, tells: {manager: [{file: go.sum, says: modules}]}}\n\
            applies: {SCA: [go.sum]}\n";
        let contract = read("c.yml", text, &[]).unwrap();
        let from = &contract.versions["go"].from;
        assert_eq!(from[0].lookup, Lookup { file: ".tool-versions".into(), place: Place::Row("golang".into()) });
        assert_eq!((from[0].means, from[1].means, from[1].warn), (Means::Range, Means::AtLeast, true));
        let path =
            |n: usize| if let Place::Path(keys) = &from[n].lookup.place { keys.join("|") } else { String::new() };
        assert_eq!((path(2).as_str(), path(3).as_str()), ("project|properties|java.version", "engines|node"));
        assert_eq!(from[4].lookup.place, Place::Pattern(r"of\((\d+)\)".into()));
        for (wrong, said) in [(r"of\((\d+", "no regular expression"), (r"of\(\d+\)", "one group, which is the value")] {
            let bad = text.replace(r"of\((\d+)\)", wrong);
            assert!(read("c.yml", &bad, &[]).unwrap_err().to_string().contains(said), "{wrong}");
        }
        assert_eq!(contract.tells["manager"][0].says.as_deref(), Some("modules"));
        assert!(contract.fallback && contract.applies["SCA"] == ["go.sum"]);
        assert_eq!(contract.stack.folder(), "go", "neither framework nor build tool");
        let bad = text.replace("row: golang", "path: golang").replace("means: at_least", "means: at_most");
        let told = read("c.yml", &bad.replace("SCA: [", "SCA: [/"), &[]).unwrap_err().to_string();
        for part in [".properties", "`means` is one of: range, at_least, nearest", "leads out of the project"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn spellings_of_a_stack_meet() {
        let own = StackKey::new("java", "spring-boot", "maven");
        for (language, framework, build_tool) in
            [("Java", "springboot", "Maven"), ("JAVA", "Spring Boot", "maven"), ("java", "spring_boot", "MAVEN")]
        {
            assert_eq!(own.closeness(&StackKey::new(language, framework, build_tool)), Some(3), "{framework}");
        }
        assert_eq!(own.closeness(&StackKey::new("java", "spring", "maven")), None);
        let any = StackKey::new("java", "any", "maven");
        assert_eq!(
            any.closeness(&own),
            Some(2),
            "a stack of any framework takes each, and one that names it comes first"
        );
        assert_eq!(own.closeness(&any), None, "a request for any names no framework that this one has");
        assert_eq!(StackKey::new("x", "../..", "/etc").folder(), "x--etc");
    }
}
