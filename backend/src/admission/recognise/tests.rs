use pipelinex_common::{folder::TOP, pipeline::detect::candidates};

use super::*;

/// Two stacks, of which an Express application's `package.json` says more for one.
fn stacks() -> Stacks {
    let dir = tempfile::tempdir().unwrap();
    for (name, markers) in [
        ("java-a-maven", "{file: pom.xml, weight: 50}"),
        ("node-b-npm", "{file: package.json, weight: 40}, {file: lock, weight: 10}"),
    ] {
        let stack = dir.path().join(name);
        std::fs::create_dir(&stack).unwrap();
        let words: Vec<&str> = name.split('-').collect();
        let key = format!("{{language: {}, framework: {}, build_tool: {}}}", words[0], words[1], words[2]);
        let contract = format!("stack: {key}\ndetect: {{markers: [{markers}]}}\n");
        std::fs::write(stack.join("contract.yml"), contract).unwrap();
        std::fs::write(stack.join("pipeline.yml"), "stages: [S]\nS: {stage: S, image: i, script: [x]}\n").unwrap();
    }
    Stacks::load(Some(dir.path())).unwrap()
}

fn told(stack: &str, folder: Option<&str>, files: &[&str]) -> String {
    let stacks = stacks();
    let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
    let found = candidates(stacks.iter().map(|stack| &stack.contract), &files, |_| None);
    let mut words = stack.split('/').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    let named = Stack { language: word(), framework: word(), build_tool: word(), requires_db: false.into() };
    let folder = folder.map(|folder| Folder::asked(folder).unwrap());
    let asked = Asked { stack: named.is_named().then_some(named), folder };
    match choose(&asked, &found, &stacks) {
        Ok(Recognised { stack, folder, warning, others, .. }) => {
            let folder = folder.map_or_else(|| TOP.to_owned(), String::from);
            let others: Vec<String> =
                others.iter().map(|c| format!("{}:{}", c.asked_folder(), c.stack.language)).collect();
            format!("{}:{} {} [{}]", folder, stack.language, warning.unwrap_or_default(), others.join(" "))
        }
        Err(refused) => {
            let choices: Vec<&str> = refused.candidates.iter().map(Candidate::asked_folder).collect();
            format!("{refused} [{}]", choices.join(" "))
        }
    }
}

#[test]
fn the_top_counts_then_the_only_project_below_it() {
    let maven = "java/a/maven";
    for (stack, folder, files, expected) in [
        ("", None, &["pom.xml", "web/package.json"][..], ".:java  [web:node]"),
        (
            "",
            None,
            &["README", "api/pom.xml"],
            "api:java the project is taken to be the folder `api`, as java/a/maven (by api/pom.xml) []",
        ),
        (
            "",
            None,
            &["api/pom.xml", "api/web/package.json"],
            "api:java the project is taken to be the folder `api`, as java/a/maven (by api/pom.xml) [api/web:node]",
        ),
        (
            maven,
            None,
            &["api/pom.xml", "web/package.json"],
            "api:java the project is taken to be the folder `api`, as java/a/maven (by api/pom.xml) []",
        ),
        (maven, None, &["package.json"], ".:java  []"),
        (maven, None, &["package.json", "pom.xml", "a/pom.xml"], ".:java  []"),
        (maven, Some("web"), &["package.json"], "web:java  []"),
        ("", Some("complete"), &["initial/pom.xml", "complete/pom.xml"], "complete:java  []"),
        ("", Some("."), &["pom.xml", "package.json", "lock", "a/pom.xml"], "could be"),
        (
            "",
            None,
            &["initial/pom.xml", "complete/pom.xml"],
            "several-projects: there are 2 projects below the top: `complete` (java/a/maven), `initial` (java/a/maven) (say which one is meant, with `folder`) [complete initial]",
        ),
        (
            "",
            Some("."),
            &["initial/pom.xml", "complete/pom.xml"],
            "unknown-stack: no stack is recognised at the top of the project, by none of lock, package.json, pom.xml (choose another folder, or name the stack: java/a/maven, node/b/npm) [complete initial]",
        ),
        (
            "",
            None,
            &["README"],
            "unknown-stack: no stack is recognised in the project, by none of lock, package.json, pom.xml (name the stack: java/a/maven, node/b/npm) []",
        ),
    ] {
        let told = told(stack, folder, files);
        assert!(told == expected || expected == "could be" && told.contains(expected), "{files:?}\n{told}\n{expected}");
    }
}

#[test]
fn of_many_projects_a_sentence_names_the_first() {
    let files: Vec<String> = (0..20).map(|n| format!("m{n:02}/pom.xml")).collect();
    let told = told("", None, &files.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(told.contains("there are 20 projects below the top: `m00`") && told.contains("and 15 more"), "{told}");
    assert!(told.contains("m19"), "all of them are in the list: {told}");
}
