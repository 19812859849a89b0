//! Maven's pom.xml: which dependencies it names. Only to tell how much of a project a scan of its source can see.

use quick_xml::{Reader, events::Event};

use super::BadReport;

/// How many dependencies a pom names for itself; what it only manages for others, and plugins' own, do not count.
///
/// # Errors
/// [`BadReport`]: not XML, or no Maven project.
pub fn dependencies(text: &[u8]) -> Result<u64, BadReport> {
    let bad = |reason: String| BadReport { format: "Maven", reason };
    let mut reader = Reader::from_reader(text);
    let mut path: Vec<String> = Vec::new();
    let (mut count, mut is_project) = (0, false);
    loop {
        match reader.read_event().map_err(|error| bad(error.to_string()))? {
            Event::Start(tag) => {
                path.push(tag.local_name().as_ref().to_owned());
                is_project |= path == ["project"];
                // Deeper places are not asked about: a pom of nothing but nested tags stays cheap.
                let names: Vec<&str> = path.iter().take(6).map(String::as_str).collect();
                count += u64::from(matches!(
                    names[..],
                    ["project", "dependencies", "dependency"]
                        | ["project", "profiles", "profile", "dependencies", "dependency"]
                ));
            }
            Event::End(_) => {
                path.pop();
            }
            Event::Eof if is_project && path.is_empty() => return Ok(count),
            Event::Eof => return Err(bad("it is no whole project".to_owned())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dependencies_of_the_project_itself_count() {
        let pom = b"<?xml version='1.0'?><project><dependencyManagement><dependencies><dependency/><dependency>
            </dependency></dependencies></dependencyManagement><dependencies><dependency><artifactId>a</artifactId>
            </dependency><!-- <dependency></dependency> --></dependencies><build><plugins><plugin><dependencies><dependency>
            </dependency></dependencies></plugin></plugins></build><profiles><profile><dependencies><dependency>
            </dependency></dependencies></profile></profiles></project>";
        assert_eq!(dependencies(pom).unwrap(), 2);
    }

    #[test]
    fn what_is_no_pom_is_an_error() {
        for bad in ["", "text", "<html></html>", "<project><dependencies>", "<project></dependencies>"] {
            assert!(dependencies(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
