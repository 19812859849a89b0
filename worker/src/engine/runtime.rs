//! Whether the program that makes the containers is known to have holes. Which of them are mended only the package's own
//! change log tells: distributions mend an older version and keep its number. So this warns, and stops nothing.

use super::{Engine, EngineError};

/// Something about the engine's programs that its operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeFinding {
    /// The program and its version, with that of its package where the engine tells it.
    pub program: String,
    /// What is known of versions below [`Self::fixed_in`].
    pub problem: String,
    /// The first versions without it.
    pub fixed_in: String,
}

impl std::fmt::Display for RuntimeFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { program, problem, fixed_in } = self;
        write!(
            f,
            "{program}: {problem}; mended in {fixed_in}. Distributions mend older versions without a new number: \
             see the change log of the package, or update it"
        )
    }
}

/// The engine's runtime, as the engine tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Its version.
    pub version: String,
    /// The version of its package, or the commit it was built from; empty where the engine does not tell.
    pub package: String,
}

impl std::fmt::Display for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "runc {}", self.version)?;
        if self.package.is_empty() { Ok(()) } else { write!(f, " ({})", self.package) }
    }
}

impl Engine {
    /// The engine's runc; `None` where it names none.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn runtime(&self) -> Result<Option<Runtime>, EngineError> {
        let components = self.docker.version().await?.components.unwrap_or_default();
        let runc = components.into_iter().find(|component| component.name == "runc");
        Ok(runc.map(|runc| {
            let package = runc.details.and_then(|details| details.get("GitCommit").cloned()).unwrap_or_default();
            Runtime { version: runc.version, package }
        }))
    }

    /// What is known of the engine's runtime; empty where nothing is, or where it is none that we know.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn runtime_findings(&self) -> Result<Vec<RuntimeFinding>, EngineError> {
        Ok(self.runtime().await?.map_or_else(Vec::new, |runtime| runtime.findings()))
    }
}

impl Runtime {
    /// Whether its version can be compared at all.
    pub fn is_known(&self) -> bool {
        number(&self.version).is_some()
    }

    /// What is known of this version.
    pub fn findings(&self) -> Vec<RuntimeFinding> {
        number(&self.version).map_or_else(Vec::new, |number| runc_findings(self, number))
    }
}

fn runc_findings(runtime: &Runtime, number: [u32; 3]) -> Vec<RuntimeFinding> {
    let finding = |problem: &str, fixed_in: &str| RuntimeFinding {
        program: runtime.to_string(),
        problem: problem.to_owned(),
        fixed_in: fixed_in.to_owned(),
    };
    let mut findings = Vec::new();
    if number < [1, 1, 12] {
        findings.push(finding("a container can get hold of a folder of the host (CVE-2024-21626)", "1.1.12"));
    }
    if number < [1, 2, 8] || ([1, 3, 0]..[1, 3, 3]).contains(&number) {
        findings.push(finding(
            "a container can get around masked paths, or write to files of /proc, when it wins a race \
             (CVE-2025-31133, CVE-2025-52565, CVE-2025-52881)",
            "1.2.8 and 1.3.3",
        ));
    }
    findings
}

/// `1.1.5+ds1`, `v1.2.0-rc.1` as numbers.
fn number(version: &str) -> Option<[u32; 3]> {
    let plain = version.trim_start_matches('v').split(['+', '-', '~']).next()?;
    let mut parts = plain.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_known_holes_are_named_and_others_are_not() {
        let runc = |version: &str, package: &str| Runtime { version: version.to_owned(), package: package.to_owned() };
        let count = |version: &str| runc(version, "").findings().len();
        for (version, expected) in [
            ("1.1.5+ds1", 2),
            ("1.1.11", 2),
            ("v1.1.12", 1),
            ("1.2.7", 1),
            ("1.2.8", 0),
            ("1.3.0-rc.1", 1),
            ("1.3.2~ds1", 1),
            ("1.3.3", 0),
            ("1.4.0", 0),
            ("", 0),
            ("unknown", 0),
        ] {
            assert_eq!(count(version), expected, "{version}");
        }
        let told = runc("1.1.5+ds1", "1.1.5+ds1-1+deb12u1").findings()[0].to_string();
        assert!(told.contains("runc 1.1.5+ds1 (1.1.5+ds1-1+deb12u1)") && told.contains("CVE-2024-21626"), "{told}");
        assert_eq!(runc("1.3.3", "").to_string(), "runc 1.3.3");
        assert!(runc("1.3.3", "").is_known() && !runc("unknown", "").is_known());
    }
}
