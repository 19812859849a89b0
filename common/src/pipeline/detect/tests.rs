use super::*;
use crate::pipeline::stack;

fn contract(key: &str, markers: &str) -> Contract {
    let text = format!("stack: {{language: {key}, framework: f, build_tool: t}}\ndetect: {{markers: [{markers}]}}\n");
    stack::read("c.yml", &text, &[]).unwrap()
}

fn contracts() -> [Contract; 4] {
    [
        contract("a", "{file: pom.xml, weight: 5}"),
        contract("b", "{file: package.json, weight: 5}, {file: package.json, text: '\"express\"', weight: 3}"),
        contract("c", "{file: package.json, weight: 6}"),
        contract("d", "{file: '*.cfg', weight: 1}"),
    ]
}

fn paths(files: &[&str]) -> Vec<String> {
    files.iter().map(|file| (*file).to_owned()).collect()
}

fn told(candidates: &[&Candidate]) -> String {
    let told = |c: &&Candidate| format!("{}{}{:?}", c.stack.language, c.weight, c.because);
    candidates.iter().map(told).collect::<Vec<_>>().join(" ")
}

fn all(files: &[&str], content: &str) -> String {
    let found = candidates(&contracts(), &paths(files), |_| Some(content.as_bytes().to_vec()));
    told(&found.iter().collect::<Vec<_>>())
}

#[test]
fn what_says_more_comes_first_and_says_why() {
    assert_eq!(
        all(&["package.json", "x.cfg"], "\"express\": 5"),
        r#"b8["package.json"] c6["package.json"] d1["x.cfg"]"#
    );
    assert_eq!(all(&["package.json"], ""), r#"c6["package.json"] b5["package.json"]"#);
    assert_eq!(all(&["README"], ""), "");
}

#[test]
fn projects_are_found_below_the_top_the_flattest_first() {
    assert_eq!(
        all(&["z/pom.xml", "a/b/pom.xml", "a/x.cfg", "pom.xml"], ""),
        r#"a5["pom.xml"] d1["a/x.cfg"] a5["z/pom.xml"] a5["a/b/pom.xml"]"#
    );
    for passed_over in [
        "node_modules/x/pom.xml",
        "a/target/pom.xml",
        ".git/pom.xml",
        "a/.mvn/pom.xml",
        "vendor/pom.xml",
        "1/2/3/4/5/pom.xml",
    ] {
        assert_eq!(all(&[passed_over], ""), "", "{passed_over}");
    }
    assert_eq!(all(&["1/2/3/4/pom.xml"], ""), r#"a5["1/2/3/4/pom.xml"]"#);
}

#[test]
fn a_part_of_a_project_is_no_other_project() {
    let of = |files: &[&str]| {
        let found = candidates(&contracts(), &paths(files), |_| None);
        told(&projects(&found))
    };
    for (files, expected) in [
        (&["pom.xml", "web/package.json"][..], r#"a5["pom.xml"]"#),
        (&["web/package.json"], r#"c6["web/package.json"]"#),
        (&["web/package.json", "web/ui/package.json"], r#"c6["web/package.json"]"#),
        (&["initial/pom.xml", "complete/pom.xml"], r#"a5["complete/pom.xml"] a5["initial/pom.xml"]"#),
        (&["web/package.json", "webapp/pom.xml"], r#"c6["web/package.json"] a5["webapp/pom.xml"]"#),
    ] {
        assert_eq!(of(files), expected, "{files:?}");
    }
}

#[test]
fn however_many_folders_there_are_a_bounded_number_is_looked_into() {
    let files: Vec<String> = (0..5000).map(|n| format!("m{n:05}/package.json")).collect();
    let mut looked = 0;
    let found = candidates(&contracts(), &files, |_| {
        looked += 1;
        None
    });
    assert_eq!((looked, found.len()), (FOLDERS_MAX, 2 * FOLDERS_MAX));
}
