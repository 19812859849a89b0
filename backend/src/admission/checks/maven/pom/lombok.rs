//! Whether the Lombok of a pom is new enough for a Java: it reaches into the compiler, and an older one ends the build with an error
//! that says nothing of it.

use super::Pom;

/// The first version of Lombok that works with a Java and those before it, as its changelog says; newest first.
const WANTED: [(u32, [u32; 3]); 3] = [(25, [1, 18, 40]), (21, [1, 18, 30]), (17, [1, 18, 22])];

impl Pom {
    /// What is to be said of its Lombok, if the job runs with this Java. Nothing where no version stands in the file.
    pub fn lombok_too_old(&self, java: u32) -> Option<String> {
        let (_, wanted) = WANTED.into_iter().find(|(from, _)| java >= *from)?;
        let version = self.lombok()?;
        let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().ok());
        let found = [parts.next()??, parts.next()??, parts.next().flatten().unwrap_or_default()];
        let wanted_text = wanted.map(|part| part.to_string()).join(".");
        (found < wanted).then(|| {
            format!(
                "pom.xml has Lombok {version}, and Java {java} needs {wanted_text} or newer: BUILD will fail until its version is raised"
            )
        })
    }

    /// The version that its dependency or the property of Spring Boot's parent says.
    fn lombok(&self) -> Option<String> {
        let lists = [&["dependencies"][..], &["dependencyManagement", "dependencies"]];
        let own = lists.into_iter().filter_map(|path| self.project.at(path)).flat_map(|list| list.all("dependency"));
        let mut own = own.filter(|dependency| self.is(dependency, "artifactId", "lombok"));
        let stated = own.find_map(|dependency| dependency.text_of("version").map(str::to_owned));
        let text = stated.or_else(|| self.property("lombok.version").map(str::to_owned))?;
        self.resolve(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(version: &str, java: u32) -> Option<String> {
        let dependency = format!("<groupId>org.projectlombok</groupId><artifactId>lombok</artifactId>{version}");
        let text = format!(
            "<project><properties><p>1.18.20</p></properties><dependencies><dependency>{dependency}</dependency></dependencies></project>"
        );
        Pom::parse(text.as_bytes()).unwrap().lombok_too_old(java)
    }

    #[test]
    fn a_lombok_that_breaks_is_told_with_the_version_that_does_not() {
        insta::assert_snapshot!(told("<version>1.18.12</version>", 17).unwrap(), @"pom.xml has Lombok 1.18.12, and Java 17 needs 1.18.22 or newer: BUILD will fail until its version is raised");
        assert!(told("<version>${p}</version>", 17).unwrap().contains("Lombok 1.18.20"), "a property");
        assert!(told("<version>1.18.30</version>", 25).unwrap().contains("1.18.40"));
        for (version, java) in
            [("1.18.22", 17), ("1.18.30", 21), ("1.18.40", 25), ("1.18.12", 11), ("edge-SNAPSHOT", 17)]
        {
            assert_eq!(told(&format!("<version>{version}</version>"), java), None, "{version} with {java}");
        }
        assert_eq!(told("", 25), None, "the parent's");
        assert_eq!(told("<version>${lombok}</version>", 25), None, "from elsewhere");
    }

    #[test]
    fn the_property_of_spring_boot_counts() {
        let text = "<project><properties><lombok.version>1.18.4</lombok.version></properties></project>";
        assert!(Pom::parse(text.as_bytes()).unwrap().lombok_too_old(17).is_some());
    }
}
