//! `detect`: without any server.

use std::fs;

use serde_json::Value;

use crate::run;

const PACKAGE: &str = r#"{"dependencies": {"express": "^5"}, "engines": {"node": ">=20"}, "main": "app.js"}"#;

#[test]
fn a_folder_and_an_archive_are_told_alike_and_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("project");
    for (path, content) in [("README.md", "x"), ("complete/package.json", PACKAGE), ("initial/package.json", PACKAGE)] {
        fs::create_dir_all(project.join(path).parent().unwrap()).unwrap();
        fs::write(project.join(path), content).unwrap();
    }
    let path = project.to_str().unwrap();
    let nowhere = ["--server", "http://127.0.0.1:1"];
    let several = run(&[&["detect", path], &nowhere[..]].concat());
    assert_eq!(several.code, 4, "{}", several.err);
    assert!(several.out.contains("there are 2 projects below the top"), "{}", several.out);
    assert!(several.out.contains("  --folder complete  node/any/any (by complete/package.json)"), "{}", several.out);

    let zip = dir.path().join("project.zip");
    let mut writer = zip::ZipWriter::new(fs::File::create(&zip).unwrap());
    for name in ["complete/package.json", "initial/package.json"] {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, PACKAGE.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    for path in [path, zip.to_str().unwrap()] {
        let told = run(&["detect", path, "--folder", "complete", "--json"]);
        assert_eq!(told.code, 0, "{}", told.err);
        let told: Value = serde_json::from_str(&told.out).unwrap();
        assert_eq!((&told["folder"], &told["versions"]["node"]["says"]), (&"complete".into(), &">=20".into()));
    }
    let told = run(&["detect", path, "--folder", "complete"]);
    let expected = "node/any/any, in the folder complete\n  by         complete/package.json\n  \
        node       24  (complete/package.json says >=20)\n  npm        11\n  framework  Express ^5  (complete/package.json)\n  \
        start      node app.js, if that listens  (complete/package.json)\n  port       3000\n";
    assert!(told.out.starts_with(expected), "{}", told.out);
    assert!(told.out.contains("or, in .pipelinex.yml at the top of the project:\n  .pipelinex:\n"), "{}", told.out);
}
