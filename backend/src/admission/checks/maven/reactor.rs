//! A pom.xml with the modules that it builds: which of them makes the application.

use std::collections::BTreeSet;

use pipelinex_common::foreign::shown;

use super::{
    POM, POM_MULTI_MODULE, POM_NOT_SPRING_BOOT,
    pom::{JavaVersion, Pom, Repackaging, SpringBoot},
    read,
};
use crate::admission::{Problem, checks::Opinion, facts::Facts};

/// The most modules that are looked at.
const MODULES_MAX: usize = 200;
/// Modules that a sentence names before it says "and more".
const NAMED_MAX: usize = 5;
/// The rule of the contract that finds the class with main.
const APPLICATION: &str = "spring-boot-application";

/// The pom.xml at the top, and those of its modules that could be read.
pub struct Reactor {
    top: Pom,
    modules: Vec<Module>,
    /// Whether the poms of some modules were not looked at.
    cut: bool,
}

struct Module {
    /// The path of its folder.
    folder: String,
    pom: Pom,
    /// Whether a class with main was found in it.
    has_main: bool,
}

impl Reactor {
    /// Follows a pom to its modules.
    ///
    /// # Errors
    /// A module that is not there, or cannot be read.
    pub fn of(top: Pom, facts: &Facts) -> Result<Self, Problem> {
        let mut open: Vec<(String, String)> = named(&top, "");
        open.reverse();
        let (mut reactor, mut seen) = (Self { top, modules: Vec::new(), cut: false }, BTreeSet::new());
        while let Some((folder, named_by)) = open.pop() {
            let path = if folder.ends_with(".xml") { folder.clone() } else { format!("{folder}/{POM}") };
            if !seen.insert(path.clone()) {
                continue;
            }
            match facts.contents.get(&path) {
                _ if reactor.modules.len() >= MODULES_MAX => reactor.cut = true,
                Some(content) => {
                    let pom = read(&path, content)?;
                    let mut below = self::named(&pom, &folder);
                    below.reverse();
                    open.append(&mut below);
                    reactor.modules.push(Module { has_main: has_main(facts, &folder), folder, pom });
                }
                None if facts.has(&path) => reactor.cut = true,
                None => return Err(missing(&path, &named_by)),
            }
        }
        Ok(reactor)
    }

    /// The Java version it asks for: what the top says, else the first module that says something.
    pub fn java(&self) -> JavaVersion {
        let poms = std::iter::once(&self.top).chain(self.modules.iter().map(|module| &module.pom));
        poms.map(Pom::java).find(|java| *java != JavaVersion::Unsaid).unwrap_or(JavaVersion::Unsaid)
    }

    /// What is to be said of its Lombok, of the first pom with one that is too old for the Java that the job runs with.
    pub fn lombok_too_old(&self, java: u32) -> Option<String> {
        std::iter::once(&self.top)
            .chain(self.modules.iter().map(|module| &module.pom))
            .find_map(|pom| pom.lombok_too_old(java))
    }

    /// Whether it makes an application of Spring Boot, and which module that is.
    pub fn spring_boot(&self, opinion: &mut Opinion) {
        if self.modules.is_empty() && !self.cut {
            return alone(&self.top, opinion);
        }
        let applications: Vec<&Module> = self.applications();
        let uses = |pom: &Pom| pom.spring_boot() != SpringBoot::No;
        let any = uses(&self.top) || self.modules.iter().any(|module| uses(&module.pom));
        let names = |modules: &[&Module]| {
            let named: Vec<_> = modules.iter().take(NAMED_MAX).map(|module| shown(&module.folder)).collect();
            let more = if modules.len() > named.len() { ", ..." } else { "" };
            format!("{}{more}", named.join(", "))
        };
        let all: Vec<&Module> = self.modules.iter().collect();
        match applications.as_slice() {
            [] if !any && !self.cut => {
                let message = format!("none of the modules that pom.xml builds uses Spring Boot ({})", names(&all));
                let hint = "submit a project with a module that is an application of Spring Boot";
                opinion.problems.push(Problem::at(POM_MULTI_MODULE, POM, message, hint));
            }
            [] if self.cut || self.has_foreign_parent() => {}
            [] => opinion.warnings.push(format!(
                "no module uses the spring-boot-maven-plugin ({}): PACKAGE will fail, for nothing that it makes can be started; \
                 add the plugin to the module that is the application",
                names(&all)
            )),
            [_] => {}
            several => opinion.warnings.push(format!(
                "pom.xml builds {} applications ({}): name the module that SMOKE-TEST and DAST are to start with `application` \
                 (--application {})",
                several.len(),
                names(several),
                several.first().map(|module| shown(&module.folder)).unwrap_or_default()
            )),
        }
    }

    /// The modules that the plugin makes applications of. What the top does for all of them is meant for those with a class
    /// that has main.
    fn applications(&self) -> Vec<&Module> {
        let by_top = self.top.repackaging();
        let repackaged = |module: &&Module| match module.pom.repackaging() {
            Repackaging::On => true,
            Repackaging::Off => false,
            Repackaging::Unsaid => by_top == Repackaging::On && module.has_main,
        };
        let found: Vec<&Module> =
            self.modules.iter().filter(|module| module.pom.packaging() != "pom").filter(repackaged).collect();
        let with_main: Vec<&Module> = found.iter().copied().filter(|module| module.has_main).collect();
        if with_main.is_empty() { found } else { with_main }
    }

    /// Whether a parent from outside of the project may bring the plugin along.
    fn has_foreign_parent(&self) -> bool {
        self.top.has_own_parent()
    }
}

/// The modules of a pom in a folder, each with the path of the pom that names it. One that leads out of the project keeps its
/// dots, and is so not found.
fn named(pom: &Pom, folder: &str) -> Vec<(String, String)> {
    let by = if folder.is_empty() { POM.to_owned() } else { format!("{folder}/{POM}") };
    let resolved = |module: &&str| {
        let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        for part in module.split(['/', '\\']) {
            match part {
                "" | "." => {}
                ".." if path.last().is_some_and(|last| *last != "..") => _ = path.pop(),
                part => path.push(part),
            }
        }
        path.join("/")
    };
    pom.modules().iter().map(resolved).filter(|path| !path.is_empty()).map(|path| (path, by.clone())).collect()
}

fn has_main(facts: &Facts, folder: &str) -> bool {
    let found = facts.found.get(APPLICATION).map(Vec::as_slice).unwrap_or_default();
    found.iter().any(|(path, _)| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with("/src/main/")))
}

fn missing(path: &str, named_by: &str) -> Problem {
    let message = format!("{} names a module whose pom is not there: {}", shown(named_by), shown(path));
    let hint = "submit the whole project, from the folder with the pom.xml that all modules share; or remove the module from it";
    Problem::at(POM_MULTI_MODULE, named_by, message, hint)
}

/// A pom without modules.
fn alone(pom: &Pom, opinion: &mut Opinion) {
    let packaging = pom.packaging();
    if packaging == "pom" {
        let hint = "submit the folder of the project that is the application, with the pom.xml that names its modules";
        let message = "pom.xml has the packaging `pom` and no modules: it builds no application";
        opinion.problems.push(Problem::at(POM_MULTI_MODULE, POM, message, hint));
    } else if !matches!(packaging.as_str(), "jar" | "war") {
        let packaging = shown(&packaging);
        opinion.warnings.push(format!("pom.xml packages a `{packaging}`: PACKAGE looks for a jar or a war"));
    }
    let refusal = match pom.spring_boot() {
        SpringBoot::Yes if pom.repackaging() == Repackaging::On || pom.has_own_parent() || packaging == "pom" => return,
        SpringBoot::Yes => {
            opinion.warnings.push(
                "pom.xml does not use the spring-boot-maven-plugin (or skips it): PACKAGE will fail unless another plugin makes a \
                 jar that starts by itself; add it below <build><plugins>"
                    .to_owned(),
            );
            return;
        }
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
