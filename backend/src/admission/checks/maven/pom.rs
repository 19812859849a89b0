//! What a pom.xml says of itself: whether it is Spring Boot, which Java it asks for, how it is packaged.
//!
//! Only the file itself is read. What a parent outside of the project or an active profile would add is not known here,
//! and is never held against the project.

mod lombok;

use std::{cell::Cell, collections::HashMap};

use crate::admission::checks::xml::{self, Element, XmlError};

/// Group of all artifacts of Spring Boot.
const BOOT: &str = "org.springframework.boot";
/// The longest value that properties may unfold to, in bytes.
const VALUE_MAX: usize = 4096;
/// How many properties are unfolded for one file, all in all: a hostile one must not cost more than its size.
const UNFOLDED_MAX: usize = 50_000;
/// How deep properties may name one another.
const NESTED_MAX: usize = 10;

/// A pom.xml that could be read.
#[derive(Debug)]
pub struct Pom {
    project: Element,
    /// As they are written; of two of the same name the last counts, as for Maven.
    properties: HashMap<String, String>,
    /// How many may still be unfolded.
    unfolds_left: Cell<usize>,
}

/// How sure it is that a pom is that of a Spring Boot application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpringBoot {
    /// It says so itself.
    Yes,
    /// It uses a starter, and has a parent of somebody's own that may bring along the rest.
    WithParent(String),
    /// It uses a starter, and nothing builds an application of it.
    NoPlugin,
    /// Nothing of Spring Boot is in it.
    No,
}

/// What a pom says of the plugin that makes an application of a jar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repackaging {
    /// It runs.
    On,
    /// It is told to skip.
    Off,
    /// Nothing.
    Unsaid,
}

/// The Java version that a pom asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JavaVersion {
    /// A number, and where it stands.
    Known(u32, String),
    /// A value that cannot be resolved inside the file, and where it stands.
    Unclear(String, String),
    /// It says nothing.
    Unsaid,
}

impl Pom {
    /// Reads the file.
    ///
    /// # Errors
    /// [`XmlError`]; also when its root is no `project`.
    pub fn parse(content: &[u8]) -> Result<Self, XmlError> {
        let project = xml::parse(content)?;
        if project.name != "project" {
            let name = pipelinex_common::foreign::shown(&project.name);
            return Err(XmlError::Malformed(format!("its root element is `{name}`, not `project`")));
        }
        let properties = project.child("properties").into_iter().flat_map(|list| &list.children);
        let properties = properties.map(|property| (property.name.clone(), property.text.clone())).collect();
        Ok(Self { project, properties, unfolds_left: Cell::new(UNFOLDED_MAX) })
    }

    /// How it is packaged: `jar` unless it says otherwise.
    pub fn packaging(&self) -> String {
        self.value(&self.project, "packaging").unwrap_or_else(|| "jar".to_owned())
    }

    /// The modules it builds.
    pub fn modules(&self) -> Vec<&str> {
        self.project.child("modules").map(|m| m.all("module").map(|m| m.text.as_str()).collect()).unwrap_or_default()
    }

    /// Whether it is that of a Spring Boot application: by its parent, by the imported versions, or by a starter with
    /// the plugin.
    pub fn spring_boot(&self) -> SpringBoot {
        let imported = self.dependencies(&["dependencyManagement", "dependencies"]).any(|dependency| {
            self.is(dependency, "artifactId", "spring-boot-dependencies") && self.is(dependency, "scope", "import")
        });
        if self.boot_parent().is_some() || imported {
            return SpringBoot::Yes;
        }
        let starter = self.dependencies(&["dependencies"]).any(|dependency| {
            self.value(dependency, "artifactId").is_some_and(|name| name.starts_with("spring-boot-starter"))
        });
        match (starter, self.project.child("parent")) {
            (false, _) => SpringBoot::No,
            (true, _) if self.plugins().any(|p| self.is_plugin(p, BOOT, "spring-boot-maven-plugin")) => SpringBoot::Yes,
            (true, Some(parent)) => SpringBoot::WithParent(self.value(parent, "artifactId").unwrap_or_default()),
            (true, None) => SpringBoot::NoPlugin,
        }
    }

    /// Whether Spring Boot's plugin makes an application of what it builds. One that is only managed does not run.
    pub fn repackaging(&self) -> Repackaging {
        let skips = |at: &Element| at.child("configuration").is_some_and(|given| self.is(given, "skip", "true"));
        let mut own = self.project.at(&["build", "plugins"]).into_iter().flat_map(|list| list.all("plugin"));
        let found = own.find(|plugin| self.is_plugin(plugin, BOOT, "spring-boot-maven-plugin"));
        let skipped = self.property("spring-boot.repackage.skip") == Some("true");
        match found {
            _ if skipped => Repackaging::Off,
            Some(plugin) if skips(plugin) || executions(plugin).any(skips) => Repackaging::Off,
            Some(_) => Repackaging::On,
            None => Repackaging::Unsaid,
        }
    }

    /// Whether it has a parent that is not Spring Boot's.
    pub fn has_own_parent(&self) -> bool {
        self.project.child("parent").is_some() && self.boot_parent().is_none()
    }

    /// The Java version it asks for, by what counts for Maven: the compiler plugin's own settings go before properties,
    /// `release` before `source` and `target`, and `java.version` is a word of Spring Boot's parent, which since version
    /// 3 makes a `release` of it.
    pub fn java(&self) -> JavaVersion {
        let boot = self.boot_parent().map(|version| version.split('.').next().and_then(|major| major.parse().ok()));
        let release = self.compiler("release").or_else(|| self.property_version("maven.compiler.release"));
        let parents = || self.property_version("java.version").or_else(|| boot.flatten().and_then(boot_default));
        let levels = || {
            let of = |name| self.compiler(name).or_else(|| self.property_version(&format!("maven.compiler.{name}")));
            newer(of("source"), of("target"))
        };
        let found = match boot.flatten() {
            Some(3..) => release.or_else(parents).or_else(levels),
            Some(_) | None => release.or_else(levels).or_else(parents),
        };
        found.unwrap_or(JavaVersion::Unsaid)
    }

    /// The version of Spring Boot's parent, where that is the parent.
    fn boot_parent(&self) -> Option<String> {
        let parent = self.project.child("parent").filter(|parent| self.is(parent, "groupId", BOOT))?;
        let known = ["spring-boot-starter-parent", "spring-boot-dependencies"];
        let artifact = self.value(parent, "artifactId")?;
        known.contains(&artifact.as_str()).then(|| self.value(parent, "version").unwrap_or_default())
    }

    /// The dependencies of Spring Boot below a path.
    fn dependencies(&self, path: &[&str]) -> impl Iterator<Item = &Element> {
        let list = self.project.at(path).into_iter();
        list.flat_map(|list| list.all("dependency")).filter(|dependency| self.is(dependency, "groupId", BOOT))
    }

    fn plugins(&self) -> impl Iterator<Item = &Element> {
        let lists = [&["build", "plugins"][..], &["build", "pluginManagement", "plugins"]];
        lists.into_iter().filter_map(|path| self.project.at(path)).flat_map(|list| list.all("plugin"))
    }

    fn is_plugin(&self, plugin: &Element, group: &str, artifact: &str) -> bool {
        let own = self.value(plugin, "groupId").unwrap_or_else(|| "org.apache.maven.plugins".to_owned());
        own == group && self.is(plugin, "artifactId", artifact)
    }

    /// A setting of the compiler plugin, its own or that of one of its executions.
    fn compiler(&self, setting: &str) -> Option<JavaVersion> {
        let compilers =
            self.plugins().filter(|p| self.is_plugin(p, "org.apache.maven.plugins", "maven-compiler-plugin"));
        let settings = compilers.flat_map(|plugin| {
            std::iter::once(plugin).chain(executions(plugin)).filter_map(|of| of.child("configuration"))
        });
        let written = settings.filter_map(|configuration| configuration.text_of(setting));
        written
            .map(|text| self.version(text, format!("<{setting}> of the maven-compiler-plugin")))
            .reduce(|a, b| newer(Some(a), Some(b)).unwrap_or(JavaVersion::Unsaid))
    }

    fn property_version(&self, name: &str) -> Option<JavaVersion> {
        self.property(name).map(|text| self.version(text, format!("the property {name}")))
    }

    fn version(&self, text: &str, place: String) -> JavaVersion {
        match self.resolve(text).as_deref().and_then(java_number) {
            Some(number) => JavaVersion::Known(number, place),
            None => JavaVersion::Unclear(pipelinex_common::foreign::shown(text), place),
        }
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn is(&self, element: &Element, child: &str, expected: &str) -> bool {
        self.value(element, child).as_deref() == Some(expected)
    }

    /// The text of a child with its properties resolved, where they can be.
    fn value(&self, element: &Element, child: &str) -> Option<String> {
        let text = element.text_of(child)?;
        Some(self.resolve(text).unwrap_or_else(|| text.to_owned()))
    }

    /// The text with every `${property}` resolved inside the file; `None` when one is not there, names itself, or unfolds
    /// to more than a value may be.
    fn resolve(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        self.unfold(text, NESTED_MAX, &mut out)?;
        Some(out.trim().to_owned())
    }

    fn unfold(&self, text: &str, depth: usize, out: &mut String) -> Option<()> {
        if out.len() + text.len() > VALUE_MAX {
            return None;
        }
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}')?;
            self.unfolds_left.set(self.unfolds_left.get().checked_sub(1)?);
            out.push_str(before);
            self.unfold(self.property(name)?, depth.checked_sub(1)?, out)?;
            rest = after;
        }
        out.push_str(rest);
        Some(())
    }
}

/// The executions of a plugin.
fn executions(plugin: &Element) -> impl Iterator<Item = &Element> {
    plugin.child("executions").into_iter().flat_map(|list| list.all("execution"))
}

/// `17`, `17.0.2` and `1.8` as the number of the release.
fn java_number(text: &str) -> Option<u32> {
    let text = text.strip_prefix("1.").unwrap_or(text);
    let major = text.split('.').next()?;
    major.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// What Spring Boot's parent takes where `java.version` is not set.
fn boot_default(boot: u32) -> Option<JavaVersion> {
    let place = format!("the default of Spring Boot {boot}");
    match boot {
        2 => Some(JavaVersion::Known(8, place)),
        3 | 4 => Some(JavaVersion::Known(17, place)),
        _ => None,
    }
}

/// The newer of two; one that is unclear counts as newest, for nothing can be said then.
fn newer(a: Option<JavaVersion>, b: Option<JavaVersion>) -> Option<JavaVersion> {
    let rank = |version: &JavaVersion| match version {
        JavaVersion::Unsaid => 0,
        JavaVersion::Known(number, _) => *number,
        JavaVersion::Unclear(..) => u32::MAX,
    };
    match (a, b) {
        (Some(a), Some(b)) => Some(if rank(&b) > rank(&a) { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// What a Java version in a request means.
pub fn requested_java(text: &str) -> Option<u32> {
    java_number(text)
}

#[cfg(test)]
mod tests;
