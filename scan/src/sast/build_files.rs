//! What the build files of a project say of its Java sources: which encoding the compiler reads them in, and whether source folders
//! lie where the convention has them. What cannot be understood counts as the worst that it could say.

use quick_xml::{Reader, events::Event};

/// Words that only build files in Groovy or Kotlin have which say where sources are.
const MOVING_WORDS: [&str; 5] = ["sourceSets", "srcDir", "setSrcDirs", "projectDir", "src/test"];

/// All build files, so far.
#[derive(Debug, Default)]
pub(super) struct BuildFiles {
    /// An encoding in which bytes may mean something else than in UTF-8, or why it is not known, and the file that says so.
    pub(super) encoding: Option<String>,
    /// Whether sources of tests may be more than that.
    pub(super) moves_sources: bool,
}

/// What kind of build file it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Xml,
    Code,
    Properties,
}

fn kind(path: &str) -> Option<Kind> {
    let path = path.to_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    let of_maven = path.starts_with(".mvn/") || path.contains("/.mvn/");
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "xml" | "pom" => Some(Kind::Xml),
        "gradle" => Some(Kind::Code),
        "kts" if name.ends_with(".gradle.kts") => Some(Kind::Code),
        "properties" if name != "gradle.properties" => Some(Kind::Properties),
        "properties" => Some(Kind::Code),
        "config" if of_maven => Some(Kind::Code),
        _ => None,
    }
}

/// Whether a file is one of those that are to be told of.
pub(super) fn is_one(path: &str) -> bool {
    kind(path).is_some()
}

impl BuildFiles {
    /// Reads one more.
    pub(super) fn read(&mut self, path: &str, bytes: &[u8]) {
        let Some(kind) = kind(path) else { return };
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        let lossy = || String::from_utf8_lossy(bytes).into_owned();
        let said = match (kind, text) {
            (Kind::Xml, Some(text)) => xml(text).or_else(|| (!is_of_maven(bytes)).then(Said::default)),
            (Kind::Xml, None) => (!is_of_maven(bytes)).then(|| xml(&lossy()).unwrap_or_default()),
            (Kind::Code, Some(text)) => Some(code(text)),
            (Kind::Code, None) => None,
            (Kind::Properties, _) => Some(Said { encoding: in_text(&lossy(), is_known_to_differ), moves: false }),
        };
        let unknown = || Said { encoding: Some("an encoding that cannot be made out".to_owned()), moves: true };
        let said = said.unwrap_or_else(unknown);
        self.moves_sources |= said.moves;
        if let (None, Some(encoding)) = (&self.encoding, said.encoding) {
            self.encoding = Some(format!("{path} names {encoding}"));
        }
    }
}

/// What one file says.
#[derive(Default)]
struct Said {
    encoding: Option<String>,
    moves: bool,
}

/// A file that Maven could read, whatever its encoding: one with these letters in it, or with bytes between them.
fn is_of_maven(bytes: &[u8]) -> bool {
    let plain: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    plain.windows(8).any(|part| part == b"<project")
}

/// Elements and attributes with their texts; none where it is no XML, or has entities of its own.
fn xml(text: &str) -> Option<Said> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let (mut said, mut path, mut value, mut before) = (Said::default(), Vec::new(), String::new(), String::new());
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                value.clear();
                path.push(tag.local_name().as_ref().to_owned());
                attributes(&tag, &mut said)?;
            }
            Event::Empty(tag) => attributes(&tag, &mut said)?,
            Event::Text(text) => value.push_str(&text.xml10_content()),
            Event::CData(text) => value.push_str(&text.xml10_content()),
            // One of the five, or a number: nothing that a sound value needs.
            Event::GeneralRef(_) => value.push('&'),
            Event::DocType(doctype) if doctype.contains("<!ENTITY") => return None,
            Event::End(_) => {
                let name = path.pop()?;
                let text = value.trim().to_owned();
                value.clear();
                if !text.is_empty() {
                    element(&name, &path, &text, &before, &mut said);
                    before = text;
                }
            }
            Event::Eof => return path.is_empty().then_some(said),
            _ => {}
        }
    }
}

fn attributes(tag: &quick_xml::events::BytesStart<'_>, said: &mut Said) -> Option<()> {
    for attribute in tag.attributes() {
        let attribute = attribute.ok()?;
        let name = attribute.key.local_name().as_ref().to_lowercase();
        let value = attribute.value.into_owned();
        if name.contains("encoding") && !is_plain(&value) {
            said.encoding.get_or_insert(value);
        }
    }
    Some(())
}

fn element(name: &str, path: &[String], text: &str, before: &str, said: &mut Said) {
    let lower = name.to_lowercase();
    let named = (lower.contains("encoding") || before == "-encoding") && !is_plain(text);
    // A file of arguments may name one, too.
    let of_arguments =
        lower.contains("arg") && text.split_whitespace().any(|word| word.trim_matches('"').starts_with('@'));
    if named || of_arguments {
        said.encoding.get_or_insert(text.to_owned());
    } else if !lower.contains("encoding") && text != "-encoding" {
        let found = in_text(text, |value| !is_plain(value) && (text.contains("-encoding") || text.contains("-D")));
        said.encoding = said.encoding.take().or(found);
    }
    let of_tests =
        path.iter().any(|outer| outer == "testResource" || outer == "testResources") || name == "testSourceDirectory";
    let main =
        text.trim_start_matches("${basedir}/").trim_start_matches("${project.basedir}/").trim_start_matches("./");
    let resource = name == "directory" && path.iter().any(|outer| outer == "resource");
    said.moves |= !of_tests
        && (["sourceDirectory", "scriptSourceDirectory"].contains(&name)
            || name.starts_with("compileSourceRoot")
            || ["add-source", "add-resource"].contains(&text)
            // What is left out somewhere is nowhere taken in.
            || (text.contains("src/test") && !lower.ends_with("exclude"))
            || (resource && (!main.starts_with("src/main/") || main.contains(".."))));
}

fn code(text: &str) -> Said {
    let arguments = text.contains("\"@") || text.contains("'@");
    let encoding = in_text(text, |value| !is_plain(value));
    Said {
        encoding: encoding.or_else(|| arguments.then(|| "a file of arguments for the compiler".to_owned())),
        moves: MOVING_WORDS.iter().any(|word| text.contains(word)),
    }
}

/// The first value behind the word `encoding` of which this is true.
fn in_text(text: &str, bad: impl Fn(&str) -> bool) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    lower.match_indices("encoding").find_map(|(at, word)| {
        let rest = &text[at + word.len()..];
        let value = rest.trim_start_matches(|c: char| c.is_whitespace() || "=:(),<+\"')]".contains(c));
        let between = &rest[..rest.len() - value.len()];
        let assigned = lower[..at].ends_with('-') || between.contains(['=', ':', '(', ',', '<']);
        let value: String = value.chars().take_while(|c| c.is_ascii_alphanumeric() || "_.-${}:".contains(*c)).collect();
        (assigned && !between.contains('\n') && !value.is_empty() && bad(&value)).then_some(value)
    })
}

/// Whether in this encoding every byte below 0x80 is the character of ASCII, and no other byte is one. A property that is itself an
/// encoding is looked at where it is set.
fn is_plain(value: &str) -> bool {
    let value = value.trim_matches(['"', '\'', ' ']).to_lowercase().replace('_', "-");
    let value = value.rsplit("charsets.").next().unwrap_or_default().trim_end_matches(".name");
    let of_property = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let single = ["iso-8859-", "iso8859-", "windows-125", "cp125"].iter().any(|start| value.starts_with(start));
    ["", "true", "false", "utf-8", "utf8", "us-ascii", "ascii", "latin1", "koi8-r"].contains(&value)
        || (single && !value.contains('$'))
        || (of_property.contains("encoding") && !of_property.contains(['$', '{']))
}

/// Whether it is the name of an encoding of another kind.
fn is_known_to_differ(value: &str) -> bool {
    const PARTS: [&str; 18] = [
        "ibm", "cp9", "cp8", "cp1", "2022", "utf-7", "utf7", "utf-16", "utf-32", "shift", "jis", "31j", "ms9", "gb",
        "big5", "euc", "johab", "x-",
    ];
    let value = value.to_lowercase().replace('_', "-");
    !is_plain(&value) && PARTS.iter().any(|part| value.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str) -> (bool, bool) {
        let mut files = BuildFiles::default();
        files.read(path, text.as_bytes());
        (files.encoding.is_some(), files.moves_sources)
    }

    #[test]
    fn an_encoding_that_is_not_like_ascii_is_seen_wherever_a_build_can_name_it() {
        let property = |value: &str| {
            format!("<project><properties><p.sourceEncoding>{value}</p.sourceEncoding></properties></project>")
        };
        for (path, text) in [
            ("pom.xml", property("x-IBM943")),
            ("a/pom.xml", property("x-<!-- -->IBM943")),
            ("pom.xml", property("<![CDATA[UTF-7]]>")),
            ("pom.xml", property("&#120;-IBM943")),
            ("pom.xml", property("${other}")),
            ("pom.xml", "<project><a><arg>-encoding</arg><arg>Shift_JIS</arg></a></project>".to_owned()),
            ("pom.xml", "<project><compilerArgument>-encoding IBM037</compilerArgument></project>".to_owned()),
            ("pom.xml", "<project><compilerArgs><arg>@more.txt</arg></compilerArgs></project>".to_owned()),
            ("pom.xml", "<!DOCTYPE project [<!ENTITY e 'x'>]><project>&e;</project>".to_owned()),
            ("pom.xml", "<project><torn>".to_owned()),
            ("pom.xml", "<project>\0</project>".to_owned()),
            ("build.xml", "<project><javac encoding='ISO-2022-JP'/></project>".to_owned()),
            (".mvn/maven.config", "-Dproject.build.sourceEncoding=x-IBM943".to_owned()),
            (".mvn/jvm.config", "-Dfile.encoding=Big5".to_owned()),
            ("build.gradle", "compileJava.options.encoding = \"GBK\"".to_owned()),
            ("build.gradle.kts", "options.compilerArgs.addAll(listOf(\"-encoding\", \"EUC-JP\"))".to_owned()),
            ("gradle.properties", "org.gradle.jvmargs=-Xmx1g -Dfile.encoding=UTF-16".to_owned()),
            ("build.properties", "my.encoding=x-IBM943".to_owned()),
        ] {
            assert!(said(path, &text).0, "{path}: {text}");
        }
    }

    #[test]
    fn what_ordinary_builds_say_is_no_doubt() {
        for (path, text) in [
            (
                "pom.xml",
                "<?xml version='1.0' encoding='UTF-8'?><project><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>\
              <encoding>${project.build.sourceEncoding}</encoding><outputEncoding>ISO-8859-15</outputEncoding><arg>-parameters</arg>\
              <directory>${basedir}/src/main/resources</directory><testSourceDirectory>src/test/java</testSourceDirectory></project>",
            ),
            (
                "pom.xml",
                "<project><inputExclude>src/test/resources/a.csv</inputExclude><exclude>src/test/**</exclude></project>",
            ),
            ("logback.xml", "<configuration><encoder/><encoding>utf-8</encoding></configuration>"),
            ("notes.xml", "<torn"),
            ("build.gradle", "// the encoding of all\ntasks.withType(JavaCompile) { options.encoding = 'UTF-8' }"),
            ("build.gradle.kts", "options.encoding = Charsets.UTF_8.name()"),
            (
                "application.properties",
                "server.servlet.encoding.force=true\nspring.messages.encoding=cp1252\nAccept-Encoding=gzip",
            ),
        ] {
            assert_eq!(said(path, text), (false, false), "{path}: {text}");
        }
    }

    #[test]
    fn moved_source_folders_are_seen() {
        for (path, text) in [
            ("pom.xml", "<project><build><sourceDirectory>src/test</sourceDirectory></build></project>"),
            ("pom.xml", "<project><goal>add-source</goal></project>"),
            ("pom.xml", "<project><resource><directory>src/./test</directory></resource></project>"),
            ("pom.xml", "<project><module>src/test</module></project>"),
            ("build.gradle", "sourceSets.main.java.srcDirs = ['x']"),
        ] {
            assert!(said(path, text).1, "{path}: {text}");
        }
    }
}
