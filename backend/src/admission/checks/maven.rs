//! The rules that look into pom.xml, and their sentences.
//!
//! A pom that builds several modules is built as a whole, with the reports of all of them; what is started is the module that
//! makes the application.

pub mod java;
mod pom;
mod reactor;

use pipelinex_common::{foreign::shown, request::Versions};

use self::{
    pom::{JavaVersion, Pom, requested_java},
    reactor::Reactor,
};
use super::{Opinion, xml::XmlError};
use crate::admission::{
    facts::{Content, Facts},
    problem::{Problem, Rule},
};

/// The file that all of them look into.
pub const POM: &str = "pom.xml";
/// It, and those of modules.
pub const POMS: &str = "**/pom.xml";
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
/// pom.xml builds several modules, and none of them is an application.
const POM_MULTI_MODULE: Rule = Rule::of_check("pom-multi-module");
/// pom.xml is not that of a Spring Boot application.
const POM_NOT_SPRING_BOOT: Rule = Rule::of_check("pom-not-spring-boot");
/// pom.xml asks for a newer Java than the job would run with.
const JAVA_TOO_NEW: Rule = Rule::of_check("java-too-new");

/// Those that say what a project is not.
pub const OF_SHAPE: [Rule; 2] = [POM_MULTI_MODULE, POM_NOT_SPRING_BOOT];

/// The rules of these checks, for a list of all.
#[cfg(test)]
pub const RULES: [Rule; 6] =
    [POM_ENCODING, POM_DOCTYPE, POM_MALFORMED, POM_MULTI_MODULE, POM_NOT_SPRING_BOOT, JAVA_TOO_NEW];

/// Applies the checks that a contract names. A pom that is not there is the contract's own rule.
pub fn check(facts: &Facts, checks: &[String], versions: &Versions) -> Opinion {
    let mut opinion = Opinion::default();
    let Some(content) = facts.contents.get(POM) else { return opinion };
    let reactor = match read(POM, content).and_then(|pom| Reactor::of(pom, facts)) {
        Ok(reactor) => reactor,
        Err(problem) => {
            opinion.problems.push(problem);
            return opinion;
        }
    };
    for check in checks {
        match check.as_str() {
            IS_SPRING_BOOT => reactor.spring_boot(&mut opinion),
            JAVA_VERSION => java_version(&reactor, versions.get("java"), &mut opinion),
            _ => {}
        }
    }
    opinion
}

fn read(path: &str, content: &Content) -> Result<Pom, Problem> {
    let shown = shown(path);
    let bytes = match content {
        Content::Read(bytes) => bytes,
        Content::Refused(reason) => {
            let hint = "submit pom.xml as a plain file of at most 1 MiB";
            return Err(Problem::at(Rule::UNREADABLE_FILE, path, format!("{shown} is not read: {reason}"), hint));
        }
    };
    Pom::parse(bytes).map_err(|error| match error {
        XmlError::Encoding(is) => Problem::at(
            POM_ENCODING,
            path,
            format!("{shown} is not in UTF-8 but in {is}"),
            "save it in UTF-8 and begin it with <?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        ),
        XmlError::Doctype => Problem::at(
            POM_DOCTYPE,
            path,
            format!(
                "{shown} has a document type declaration (<!DOCTYPE ...>), which can define entities and is never read"
            ),
            "remove it; Maven needs none",
        ),
        XmlError::Malformed(why) => {
            let hint = "`mvn validate` shows the same file as Maven sees it";
            Problem::at(POM_MALFORMED, path, format!("{shown} cannot be read: {why}"), hint)
        }
    })
}

/// `java` is what the job will run with; `None` when the request asks for what does not exist, which is told elsewhere.
fn java_version(reactor: &Reactor, java: Option<&str>, opinion: &mut Opinion) {
    let Some(runs) = java.and_then(requested_java) else { return };
    opinion.warnings.extend(reactor.lombok_too_old(runs));
    match reactor.java() {
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
