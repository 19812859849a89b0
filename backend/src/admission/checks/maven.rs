//! The rules that look into pom.xml, and their sentences.
//!
//! A pom that builds several modules is refused: build, test and package would work, but one job has one artifact and one
//! set of reports, and which module is meant cannot be guessed.

pub mod java;
mod pom;

use pipelinex_common::{foreign::shown, request::Versions};

use self::pom::{JavaVersion, Pom, SpringBoot, requested_java};
use super::{Opinion, xml::XmlError};
use crate::admission::{
    facts::Content,
    problem::{Problem, Rule},
};

/// The file that both look into.
pub const POM: &str = "pom.xml";
/// The check that it is that of an application.
pub const IS_SPRING_BOOT: &str = "maven-pom-is-spring-boot";
/// The check of the version that it asks for.
pub const JAVA_VERSION: &str = "maven-java-version";

/// pom.xml is not in UTF-8.
const POM_ENCODING: Rule = Rule::of_check("pom-encoding");
/// pom.xml has a document type declaration.
const POM_DOCTYPE: Rule = Rule::of_check("pom-doctype");
/// pom.xml is no XML, nested too deeply, or no Maven project.
const POM_MALFORMED: Rule = Rule::of_check("pom-malformed");
/// pom.xml builds several modules.
const POM_MULTI_MODULE: Rule = Rule::of_check("pom-multi-module");
/// pom.xml is not that of a Spring Boot application.
const POM_NOT_SPRING_BOOT: Rule = Rule::of_check("pom-not-spring-boot");
/// pom.xml asks for a newer Java than the job would run with.
const JAVA_TOO_NEW: Rule = Rule::of_check("java-too-new");

/// The rules of these checks, for a list of all.
#[cfg(test)]
pub const RULES: [Rule; 6] =
    [POM_ENCODING, POM_DOCTYPE, POM_MALFORMED, POM_MULTI_MODULE, POM_NOT_SPRING_BOOT, JAVA_TOO_NEW];

/// Applies the checks that a contract names. A pom that is not there is the contract's own rule.
pub fn check(content: &Content, checks: &[String], versions: &Versions) -> Opinion {
    let mut opinion = Opinion::default();
    match read(content) {
        Err(problem) => opinion.problems.push(problem),
        Ok(pom) => {
            for check in checks {
                match check.as_str() {
                    IS_SPRING_BOOT => spring_boot(&pom, &mut opinion),
                    JAVA_VERSION => java_version(&pom, versions.get("java"), &mut opinion),
                    _ => {}
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
            return Err(Problem::at(Rule::UNREADABLE_FILE, POM, format!("pom.xml is not read: {reason}"), hint));
        }
    };
    Pom::parse(bytes).map_err(|error| match error {
        XmlError::Encoding(is) => Problem::at(
            POM_ENCODING,
            POM,
            format!("pom.xml is not in UTF-8 but in {is}"),
            "save it in UTF-8 and begin it with <?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        ),
        XmlError::Doctype => Problem::at(
            POM_DOCTYPE,
            POM,
            "pom.xml has a document type declaration (<!DOCTYPE ...>), which can define entities and is never read",
            "remove it; Maven needs none",
        ),
        XmlError::Malformed(why) => {
            let hint = "`mvn validate` shows the same file as Maven sees it";
            Problem::at(POM_MALFORMED, POM, format!("pom.xml cannot be read: {why}"), hint)
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
        opinion.problems.push(Problem::at(POM_MULTI_MODULE, POM, message, hint));
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
    opinion.problems.push(Problem::at(POM_NOT_SPRING_BOOT, POM, refusal, hint));
}

/// `java` is what the job will run with; `None` when the request asks for what does not exist, which is told elsewhere.
fn java_version(pom: &Pom, java: Option<&str>, opinion: &mut Opinion) {
    let Some(runs) = java.and_then(requested_java) else { return };
    match pom.java() {
        JavaVersion::Known(wants, place) if wants > runs => {
            let message = format!("pom.xml asks for Java {wants} ({place}), the job would run with Java {runs}");
            let hint = format!("ask for Java {wants} if the stack has it, or lower it in pom.xml to {runs}");
            opinion.problems.push(Problem::at(JAVA_TOO_NEW, POM, message, hint));
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
