//! The rules that look into pom.xml, and their sentences.
//!
//! A pom that builds several modules is refused: build, test and package would work, but one job has one artifact and one
//! set of reports, and which module is meant cannot be guessed.

use pipelinex_common::{foreign::shown, pipeline::stack::SemanticCheck};

use super::{
    facts::Content,
    pom::{JavaVersion, Pom, SpringBoot, requested_java},
    problem::{Problem, Rule},
    xml::XmlError,
};

/// Where the file is.
pub const POM: &str = "pom.xml";

/// What the checks say of a pom.
#[derive(Debug, Default)]
pub struct Opinion {
    /// Why it is refused.
    pub problems: Vec<Problem>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Applies the checks that a contract names. A pom that is not there is the contract's own rule.
pub fn check(content: Option<&Content>, checks: &[SemanticCheck], java: Option<&str>) -> Opinion {
    let mut opinion = Opinion::default();
    let Some(content) = content.filter(|_| !checks.is_empty()) else { return opinion };
    match read(content) {
        Err(problem) => opinion.problems.push(problem),
        Ok(pom) => {
            for check in checks {
                match check {
                    SemanticCheck::MavenPomIsSpringBoot => spring_boot(&pom, &mut opinion),
                    SemanticCheck::MavenJavaVersion => java_version(&pom, java, &mut opinion),
                }
            }
        }
    }
    opinion
}

fn read(content: &Content) -> Result<Pom, Problem> {
    let bytes = match content {
        Content::Read(bytes) => bytes,
        Content::Refused(reason) => {
            let hint = "submit pom.xml as a plain file of at most 1 MiB";
            return Err(Problem::at(Rule::UnreadableFile, POM, format!("pom.xml is not read: {reason}"), hint));
        }
    };
    Pom::parse(bytes).map_err(|error| match error {
        XmlError::Encoding(is) => Problem::at(
            Rule::PomEncoding,
            POM,
            format!("pom.xml is not in UTF-8 but in {is}"),
            "save it in UTF-8 and begin it with <?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        ),
        XmlError::Doctype => Problem::at(
            Rule::PomDoctype,
            POM,
            "pom.xml has a document type declaration (<!DOCTYPE ...>), which can define entities and is never read",
            "remove it; Maven needs none",
        ),
        XmlError::Malformed(why) => {
            let hint = "`mvn validate` shows the same file as Maven sees it";
            Problem::at(Rule::PomMalformed, POM, format!("pom.xml cannot be read: {why}"), hint)
        }
    })
}

fn spring_boot(pom: &Pom, opinion: &mut Opinion) {
    let packaging = pom.packaging();
    let modules = pom.modules();
    if packaging == "pom" || !modules.is_empty() {
        let named: Vec<_> = modules.iter().take(5).map(|module| shown(module)).collect();
        let more = if modules.len() > named.len() { ", ..." } else { "" };
        let message = match named.as_slice() {
            [] => "pom.xml has the packaging `pom`: it builds no application".to_owned(),
            named => format!("pom.xml builds several modules ({}{more}), a job runs one", named.join(", ")),
        };
        let hint = "submit the folder of the module that is the application, with a pom.xml that stands alone";
        opinion.problems.push(Problem::at(Rule::PomMultiModule, POM, message, hint));
    } else if packaging != "jar" {
        let packaging = shown(&packaging);
        opinion.warnings.push(format!("pom.xml packages a `{packaging}`: PACKAGE looks for a jar"));
    }
    let refusal = match pom.spring_boot() {
        SpringBoot::Yes => return,
        SpringBoot::WithParent(parent) => {
            let parent = shown(&parent);
            opinion.warnings.push(format!(
                "pom.xml does not name the spring-boot-maven-plugin: PACKAGE needs it from the parent `{parent}`"
            ));
            return;
        }
        SpringBoot::NoPlugin => "pom.xml uses a starter of Spring Boot, but nothing in it builds an application",
        SpringBoot::No => "pom.xml is not that of a Spring Boot application",
    };
    let hint = "inherit from spring-boot-starter-parent, or import spring-boot-dependencies, or use a \
                spring-boot-starter with the spring-boot-maven-plugin";
    opinion.problems.push(Problem::at(Rule::PomNotSpringBoot, POM, refusal, hint));
}

/// `java` is what the job will run with; `None` when the request asks for what does not exist, which is told elsewhere.
fn java_version(pom: &Pom, java: Option<&str>, opinion: &mut Opinion) {
    let Some(runs) = java.and_then(requested_java) else { return };
    match pom.java() {
        JavaVersion::Known(wants, place) if wants > runs => {
            let message = format!("pom.xml asks for Java {wants} ({place}), the job would run with Java {runs}");
            let hint = format!("ask for Java {wants} if the stack has it, or lower it in pom.xml to {runs}");
            opinion.problems.push(Problem::at(Rule::JavaTooNew, POM, message, hint));
        }
        JavaVersion::Known(..) => {}
        JavaVersion::Unclear(text, place) => opinion.warnings.push(format!(
            "pom.xml asks for Java `{text}` ({place}), which cannot be told from the file: the job runs with Java {runs}"
        )),
        JavaVersion::Unsaid => opinion
            .warnings
            .push(format!("pom.xml does not say which Java it is written for: the job runs with Java {runs}")),
    }
}
