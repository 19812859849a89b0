//! Lock files and manifests that the bill of materials shows nothing of: nobody read them.
//!
//! syft passes over a file that it cannot parse, and says so nowhere. So for each file of the project that should give
//! components, some must name it as their place, or it must be one that lists nothing.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::{project, report};

/// Largest file that is looked at, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// Names of files that list what a project is made of, each with a text that stands in one that lists something.
const KNOWN: [(&str, &str); 16] = [
    ("package-lock.json", "\"version\""),
    ("npm-shrinkwrap.json", "\"version\""),
    ("yarn.lock", "version"),
    ("pnpm-lock.yaml", "resolution:"),
    ("requirements.txt", ""),
    ("Pipfile.lock", "\"version\""),
    ("poetry.lock", "[[package]]"),
    ("uv.lock", "[[package]]"),
    ("pdm.lock", "[[package]]"),
    ("go.mod", "require"),
    ("Cargo.lock", "[[package]]"),
    ("Gemfile.lock", "specs:"),
    ("composer.lock", "\"version\""),
    ("packages.lock.json", "\"resolved\""),
    ("gradle.lockfile", "="),
    ("pubspec.lock", "version:"),
];

/// The files of the project that should be in the bill and are not, and why.
pub(super) fn unread(root: &Path, bill: &Value) -> Vec<(String, String)> {
    let places = places(bill);
    let mut unread = Vec::new();
    for path in project::files(root) {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        let Some((_, word)) = KNOWN.iter().find(|(known, _)| *known == name) else { continue };
        let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let place = places.iter().any(|place| place.trim_start_matches('/') == relative);
        let text = report::bytes(&path, MAX_FILE).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        match text {
            Err(error) => unread.push((relative, format!("cannot be read: {error}"))),
            Ok(text) if name.ends_with(".json") && serde_json::from_str::<Value>(&text).is_err() => {
                unread.push((relative, "it is no JSON".to_owned()));
            }
            Ok(text) if !place && !lists_nothing(&name, &text, word) => {
                unread.push((relative, "no component was read from it".to_owned()));
            }
            Ok(_) => {}
        }
    }
    unread
}

/// Whether a file is empty but for what each of its kind has.
fn lists_nothing(name: &str, text: &str, word: &str) -> bool {
    let own = match name {
        // The project itself is a package of its own lock file.
        "package-lock.json" | "npm-shrinkwrap.json" => return npm_lists_nothing(text),
        "requirements.txt" => {
            return text.lines().all(|line| line.trim().is_empty() || line.starts_with(['#', '-']));
        }
        "Cargo.lock" | "uv.lock" | "poetry.lock" | "pdm.lock" => usize::from(name == "Cargo.lock" || name == "uv.lock"),
        _ => 0,
    };
    text.matches(word).count() <= own && !text.contains('\0') && text.lines().all(|line| line.len() < 10_000)
}

fn npm_lists_nothing(text: &str) -> bool {
    let Ok(lock) = serde_json::from_str::<Value>(text) else { return false };
    let entries = |key: &str| lock[key].as_object().map_or(0, |all| all.keys().filter(|key| !key.is_empty()).count());
    entries("packages") + entries("dependencies") == 0
}

/// Every place that a component of the bill names.
fn places(bill: &Value) -> BTreeSet<String> {
    let components = bill["components"].as_array().into_iter().flatten().filter(|entry| entry["type"] != "file");
    let properties = components.flat_map(|entry| entry["properties"].as_array().into_iter().flatten());
    let places = properties.filter(|property| {
        property["name"].as_str().is_some_and(|name| name.starts_with("syft:location:") && name.ends_with(":path"))
    });
    places.filter_map(|property| Some(property["value"].as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_lock_file_that_nobody_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("seen/Cargo.lock", "[[package]]\nname = \"a\"\n[[package]]\nname = \"b\"\n"),
            ("torn/Cargo.lock", "[[package]]\nname = \"a\"\n[[package\n[[package]]\n"),
            ("alone/Cargo.lock", "version = 4\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n"),
            ("torn/package-lock.json", "{\"packages\": {"),
            ("empty/package-lock.json", "{\"packages\": {\"\": {\"name\": \"app\", \"version\": \"1.0.0\"}}}"),
            ("full/package-lock.json", "{\"packages\": {\"node_modules/a\": {\"version\": \"1.0.0\"}}}"),
            ("web/requirements.txt", "# nothing\n"),
            ("wide/requirements.txt", "a\0=\0=\x001\0"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let place = json!([{"name": "syft:location:1:path", "value": "/seen/Cargo.lock"}]);
        let bill = json!({"components": [{"type": "library", "name": "a", "properties": place}]});
        let names: Vec<String> = unread(dir.path(), &bill).into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            names,
            ["full/package-lock.json", "torn/Cargo.lock", "torn/package-lock.json", "wide/requirements.txt"]
        );
    }
}
