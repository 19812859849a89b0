use super::*;

fn pom(inner: &str) -> Pom {
    Pom::parse(format!("<project xmlns=\"http://maven.apache.org/POM/4.0.0\">{inner}</project>").as_bytes()).unwrap()
}

fn error(content: impl AsRef<[u8]>) -> XmlError {
    Pom::parse(content.as_ref()).unwrap_err()
}

fn malformed(content: impl AsRef<[u8]>) -> String {
    match error(content) {
        XmlError::Malformed(why) => why,
        other => panic!("{other:?}"),
    }
}

const STARTER: &str = "<dependencies><dependency><groupId>org.springframework.boot</groupId>\
     <artifactId>spring-boot-starter-web</artifactId></dependency></dependencies>";
const PLUGIN: &str = "<build><plugins><plugin><groupId>org.springframework.boot</groupId>\
     <artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build>";
const OWN_PARENT: &str = "<parent><groupId>com.acme</groupId><artifactId>acme-parent</artifactId></parent>";
const IMPORT: &str = "<dependencyManagement><dependencies><dependency><groupId>org.springframework.boot</groupId>\
     <artifactId>spring-boot-dependencies</artifactId><scope>import</scope></dependency></dependencies>\
     </dependencyManagement>";

fn boot_parent(version: &str) -> String {
    format!(
        "<parent><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId>\
         <version>{version}</version></parent>"
    )
}

fn compiler(configuration: &str) -> String {
    format!(
        "<build><plugins><plugin><artifactId>maven-compiler-plugin</artifactId>\
         <configuration>{configuration}</configuration></plugin></plugins></build>"
    )
}

#[test]
fn spring_boot_is_known_by_parent_import_or_starter_with_plugin() {
    let in_properties = "<properties><g>org.springframework</g><group>${g}.boot</group></properties><parent>\
         <groupId>${group}</groupId><artifactId>spring-boot-starter-parent</artifactId></parent>";
    for (inner, expected) in [
        (boot_parent("3.5.0"), SpringBoot::Yes),
        (boot_parent("3.5.0").replace("starter-parent", "dependencies"), SpringBoot::Yes),
        (in_properties.to_owned(), SpringBoot::Yes),
        (IMPORT.to_owned(), SpringBoot::Yes),
        (IMPORT.replace("<scope>import</scope>", ""), SpringBoot::No),
        (format!("{STARTER}{PLUGIN}"), SpringBoot::Yes),
        (format!("{OWN_PARENT}{STARTER}"), SpringBoot::WithParent("acme-parent".to_owned())),
        (STARTER.to_owned(), SpringBoot::NoPlugin),
        (PLUGIN.to_owned(), SpringBoot::No),
        (String::new(), SpringBoot::No),
        (boot_parent("3.5.0").replace("org.springframework.boot", "com.evil"), SpringBoot::No),
        (format!("<!-- {} -->", boot_parent("3.5.0")), SpringBoot::No),
        (format!("<profiles><profile>{STARTER}{PLUGIN}</profile></profiles>"), SpringBoot::No),
        (boot_parent("3.5.0").replace("parent>", "x:parent>"), SpringBoot::No),
    ] {
        assert_eq!(pom(&inner).spring_boot(), expected, "{inner}");
    }
}

#[test]
fn the_java_version_is_the_one_that_counts_for_maven() {
    let known = |number, place: &str| JavaVersion::Known(number, place.to_owned());
    let unclear = |text: &str, place: &str| JavaVersion::Unclear(text.to_owned(), place.to_owned());
    let properties = |inner: &str| format!("<properties>{inner}</properties>");
    let (release, source) =
        ("<maven.compiler.release>21</maven.compiler.release>", "<maven.compiler.source>21</maven.compiler.source>");
    let word = "<java.version>17</java.version>";
    for (inner, expected) in [
        (properties(word), known(17, "the property java.version")),
        (properties("<java.version>1.8</java.version>"), known(8, "the property java.version")),
        (properties("<java.version>17.0.2</java.version>"), known(17, "the property java.version")),
        (properties(&format!("{word}<java.version>21</java.version>")), known(21, "the property java.version")),
        (properties(release), known(21, "the property maven.compiler.release")),
        (properties(&format!("{release}{word}")), known(21, "the property maven.compiler.release")),
        (properties(&format!("{source}{word}")), known(21, "the property maven.compiler.source")),
        (boot_parent("3.5.0") + &properties(&format!("{source}{word}")), known(17, "the property java.version")),
        (
            boot_parent("2.7.1") + &properties(&format!("{source}{word}")),
            known(21, "the property maven.compiler.source"),
        ),
        (boot_parent("2.7.1"), known(8, "the default of Spring Boot 2")),
        (boot_parent("4.0.0"), known(17, "the default of Spring Boot 4")),
        (boot_parent("9.0.0"), JavaVersion::Unsaid),
        (
            properties(
                "<maven.compiler.source>11</maven.compiler.source><maven.compiler.target>21</maven.compiler.target>",
            ),
            known(21, "the property maven.compiler.target"),
        ),
        (
            compiler("<release>21</release>") + &properties("<maven.compiler.release>17</maven.compiler.release>"),
            known(21, "<release> of the maven-compiler-plugin"),
        ),
        (
            compiler("<source>${java.version}</source>")
                + &properties("<java.version>${jdk}</java.version><jdk>25</jdk>"),
            known(25, "<source> of the maven-compiler-plugin"),
        ),
        (
            compiler("<release>21</release>")
                .replace("<configuration>", "<executions><execution><configuration>")
                .replace("</configuration>", "</configuration></execution></executions>"),
            known(21, "<release> of the maven-compiler-plugin"),
        ),
        (compiler("<release>21</release>").replace("maven-compiler", "other"), JavaVersion::Unsaid),
        (
            compiler("<source>21</source>").replace("<artifactId>", "<groupId>x</groupId><artifactId>"),
            JavaVersion::Unsaid,
        ),
        (properties("<java.version>${env.JDK}</java.version>"), unclear("${env.JDK}", "the property java.version")),
        (properties("<java.version>latest</java.version>"), unclear("latest", "the property java.version")),
        (properties("<java.version>-17</java.version>"), unclear("-17", "the property java.version")),
        (properties("<java.version>+17</java.version>"), unclear("+17", "the property java.version")),
        (properties("<java.version/>"), JavaVersion::Unsaid),
        (String::new(), JavaVersion::Unsaid),
    ] {
        assert_eq!(pom(&inner).java(), expected, "{inner}");
    }
}

#[test]
fn properties_that_name_one_another_end() {
    let of = |inner: &str| pom(&format!("<properties>{inner}</properties>")).java();
    let unclear = |inner: &str| assert!(matches!(of(inner), JavaVersion::Unclear(..)), "{:?}", of(inner));
    unclear("<java.version>${java.version}</java.version>");
    unclear("<java.version>${a}</java.version><a>${b}</a><b>${a}</b>");
    unclear("<java.version>${a</java.version>");
    // A billion laughs out of properties: 10 each, 9 deep.
    let mut laughs = "<java.version>${p9}</java.version><p0>1</p0>".to_owned();
    for n in 1..10 {
        laughs += &format!("<p{n}>{}</p{n}>", format!("${{p{}}}", n - 1).repeat(10));
    }
    unclear(&laughs);
    let long = pom(&format!("<properties><a>{}</a><b>${{a}}${{a}}</b></properties>", "x".repeat(2049)));
    assert_eq!(long.resolve("${a}").map(|value| value.len()), Some(2049));
    assert_eq!(long.resolve("${b}"), None, "a value has an end");
}

#[test]
fn a_pom_of_nothing_but_properties_costs_its_size() {
    let started = std::time::Instant::now();
    let mut inner = format!("<properties><g>{}</g><e>x</e>", "${e}".repeat(1000));
    inner += &"<p/>".repeat(50_000);
    inner += "</properties><dependencies>";
    inner += &"<dependency><groupId>${g}</groupId></dependency>".repeat(10_000);
    inner += "</dependencies>";
    let pom = pom(&inner);
    assert_eq!(pom.spring_boot(), SpringBoot::No);
    assert_eq!(pom.unfolds_left.get(), 0, "unfolding ended with the budget of the file");
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn document_types_are_refused_whatever_they_define() {
    let laughs = "<!DOCTYPE lolz [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>\
                  <project><name>&b;</name></project>";
    let external = "<!DOCTYPE p [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><project><name>&x;</name></project>";
    for hostile in
        [laughs, external, "<!DOCTYPE project SYSTEM \"http://evil/x.dtd\"><project/>", "<!doctype p><project/>"]
    {
        assert_eq!(error(hostile), XmlError::Doctype, "{hostile}");
    }
    let unknown = pom("<name>&nbsp;&xxe;&amp;&#65;</name>");
    assert_eq!(unknown.project.text_of("name"), Some("&nbsp;&xxe;&A"), "a name without a definition stays as it is");
}

#[test]
fn other_encodings_than_utf_8_are_told() {
    let utf16 = |big: bool, bom: bool| -> Vec<u8> {
        let text = format!("{}<project/>", if bom { "\u{feff}" } else { "" });
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let is = |content: &[u8]| match error(content) {
        XmlError::Encoding(is) => is,
        other => panic!("{other:?}"),
    };
    for bom in [true, false] {
        assert_eq!(is(&utf16(true, bom)), "UTF-16, big-endian");
        assert_eq!(is(&utf16(false, bom)), "UTF-16, little-endian");
    }
    assert_eq!(is(b"<project>\n<name>\xe4</name></project>"), "something else: line 2 has a byte that is not UTF-8");
    let declared = |encoding: &str, text: &str| {
        format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?><project>{text}</project>")
    };
    assert_eq!(is(declared("ISO-8859-1", "ä").as_bytes()), "ISO-8859-1");
    assert_eq!(is(declared("Cp037", "").as_bytes()), "Cp037");
    assert!(Pom::parse(declared("ISO-8859-1", "a").as_bytes()).is_ok(), "all ASCII: the same in UTF-8");
    assert!(Pom::parse(declared("utf-8", "ä").as_bytes()).is_ok());
    assert!(Pom::parse(format!("\u{feff}{}", declared("UTF-8", "ä")).as_bytes()).is_ok(), "a byte order mark is fine");
}

#[test]
fn what_is_no_maven_project_is_told_with_its_line() {
    assert_eq!(malformed(""), "it has no element at all");
    assert_eq!(malformed("just text"), "it has no element at all");
    assert_eq!(malformed("<html/>"), "its root element is `html`, not `project`");
    assert_eq!(malformed("<m:project xmlns:m=\"x\"/>"), "its root element is `m:project`, not `project`");
    assert_eq!(malformed("<project>\n<parent>"), "the element `parent` is not closed");
    assert_eq!(malformed("<project/><project/>"), "a second root element follows the first");
    insta::assert_snapshot!(malformed("<project>\n<parent></project>"), @"line 2: expected `</parent>`, but `</project>` was found");
    insta::assert_snapshot!(malformed("<project>\n\n<name>a & b</name></project>"), @"line 3: entity or character reference not closed: `;` not found before end of input");
    insta::assert_snapshot!(malformed("<project><name>\u{1b}[2J</nam\u{1b}e></project>"), @r#"line 1: expected `</name>`, but `</nam\u{1b}e>` was found"#);
    assert!(matches!(error(b"\x7fELF\x02\x01\x01\0\0\0"), XmlError::Malformed(_)));
    assert!(matches!(error(b"PK\x03\x04\xff\xfe"), XmlError::Encoding(_)));
}

#[test]
fn deep_and_wide_trees_end() {
    assert_eq!(malformed("<a>".repeat(350_000)), "elements are nested more than 64 deep");
    assert_eq!(malformed(format!("<project>{}</project>", "<a/>".repeat(200_000))), "it has more than 100000 elements");
}

#[test]
fn packaging_and_modules_are_read() {
    let several = pom("<packaging>pom</packaging><modules><module>a</module><module>b</module></modules>");
    assert_eq!((several.packaging().as_str(), several.modules()), ("pom", vec!["a", "b"]));
    assert_eq!((pom("").packaging().as_str(), pom("").modules().len()), ("jar", 0));
}
