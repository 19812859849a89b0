//! The contract of a stack: what a project must look like to be admitted. A file beside the stack's pipeline definition,
//! read with the same strictness and the same messages.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{contract, diagnostic::Rejected};

/// Language, framework and build tool, normalised: lower case, words joined by hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StackKey {
    /// For example `java`.
    pub language: String,
    /// For example `spring-boot`.
    pub framework: String,
    /// For example `maven`.
    pub build_tool: String,
}

impl StackKey {
    /// A key from three words as somebody wrote them.
    pub fn new(language: &str, framework: &str, build_tool: &str) -> Self {
        let [language, framework, build_tool] = [language, framework, build_tool].map(normalised);
        Self { language, framework, build_tool }
    }

    /// Whether both mean the same stack: `springboot`, `Spring Boot` and `spring-boot` do.
    pub fn matches(&self, other: &StackKey) -> bool {
        let parts = |key: &StackKey| [&key.language, &key.framework, &key.build_tool].map(|part| squeezed(part));
        parts(self) == parts(other)
    }

    /// The stack's folder below `pipelines/`. Take it of a contract's own key: there the spelling is settled.
    pub fn folder(&self) -> String {
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

/// What a project of a stack must look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// The stack it is for.
    pub stack: StackKey,
    /// The versions that can be asked for, by what they are of (`java`, `build_tool`).
    pub versions: BTreeMap<String, Versions>,
    /// Paths that must exist.
    pub required: Vec<String>,
    /// Files of which there must be some.
    pub patterns: Vec<Pattern>,
    /// Texts that must be in files.
    pub contains: Vec<Contains>,
    /// Paths that should exist.
    pub optional: Vec<OptionalPath>,
    /// Checks that are code.
    pub semantic: Vec<SemanticCheck>,
}

/// The versions of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Taken when none is asked for.
    pub default: String,
    /// All that can be asked for; the default is one of them.
    pub supported: Vec<String>,
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

/// A text must be so many times in the files that match a glob, all of them together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contains {
    /// The name of the rule.
    pub id: String,
    /// Which files.
    pub glob: String,
    /// The text.
    pub text: String,
    /// How many times exactly; in Java files only code counts, and no comment or string.
    pub exactly: u64,
    /// What to do if it is not met.
    pub hint: String,
}

/// A path whose absence is worth a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionalPath {
    /// The path.
    pub path: String,
    /// The warning.
    pub warning: String,
}

/// A check that looks into files with a parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SemanticCheck {
    /// pom.xml can be read and is a Spring Boot project.
    MavenPomIsSpringBoot,
    /// The Java version asked for fits what pom.xml says.
    MavenJavaVersion,
}

impl SemanticCheck {
    /// All checks.
    pub const ALL: [SemanticCheck; 2] = [SemanticCheck::MavenPomIsSpringBoot, SemanticCheck::MavenJavaVersion];

    /// The written form, for example `maven-java-version`.
    pub fn as_str(self) -> &'static str {
        match self {
            SemanticCheck::MavenPomIsSpringBoot => "maven-pom-is-spring-boot",
            SemanticCheck::MavenJavaVersion => "maven-java-version",
        }
    }
}

/// Reads a contract file. `file` is its name as messages show it.
pub fn read(file: &str, text: &str) -> Result<Contract, Rejected> {
    contract::read(file, text)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let contract = read("contract.yml", SPRING).unwrap();
        assert_eq!(contract.stack.folder(), "spring-boot-maven");
        assert_eq!(contract.versions["java"].supported, ["17"]);
        assert_eq!((contract.patterns[0].min, contract.contains[0].exactly), (1, 1));
        assert_eq!(contract.semantic, SemanticCheck::ALL);
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
        insta::assert_snapshot!(read("contract.yml", &bad).unwrap_err(), @r#"
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
    fn spellings_of_a_stack_meet() {
        let own = StackKey::new("java", "spring-boot", "maven");
        for (language, framework, build_tool) in
            [("Java", "springboot", "Maven"), ("JAVA", "Spring Boot", "maven"), ("java", "spring_boot", "MAVEN")]
        {
            assert!(own.matches(&StackKey::new(language, framework, build_tool)), "{framework}");
        }
        assert!(!own.matches(&StackKey::new("java", "spring", "maven")));
        assert_eq!(StackKey::new("x", "../..", "/etc").folder(), "-etc");
    }
}
