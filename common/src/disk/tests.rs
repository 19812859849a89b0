use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Page {
    schema: u32,
    text: String,
}

impl Versioned for Page {
    const SCHEMA: u32 = 2;
}

fn page(text: &str) -> Page {
    Page { schema: 2, text: text.to_owned() }
}

#[test]
fn a_page_is_replaced_whole_and_created_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.json");
    assert!(read_json::<Page>(&path).unwrap().is_none());
    assert!(create_json(&path, &page("first")).unwrap());
    assert!(!create_json(&path, &page("second")).unwrap(), "a created page is never replaced");
    assert_eq!(read_json::<Page>(&path).unwrap().unwrap(), page("first"));
    write_json(&path, &page("third")).unwrap();
    assert_eq!(read_json::<Page>(&path).unwrap().unwrap(), page("third"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing temporary stays");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, FILE_MODE);
}

#[test]
fn of_many_who_create_at_once_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("final.json");
    let winners: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|n| {
                let path = &path;
                scope.spawn(move || create_json(path, &page(&n.to_string())).unwrap())
            })
            .collect();
        tries.into_iter().map(|t| usize::from(t.join().unwrap())).sum()
    });
    assert_eq!(winners, 1);
}

#[test]
fn a_record_of_an_older_program_is_brought_up_step_by_step() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Third {
        schema: u32,
        name: String,
        size: u64,
    }
    impl Versioned for Third {
        const SCHEMA: u32 = 3;

        fn upgrade(from: u32, mut record: Value) -> Result<Value, String> {
            let fields = record.as_object_mut().ok_or("it is no record")?;
            match from {
                1 => _ = fields.remove("title").map(|title| fields.insert("name".to_owned(), title)),
                2 => _ = fields.entry("size").or_insert(0.into()),
                _ => return Err("never written".to_owned()),
            }
            Ok(record)
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record.json");
    let read = |content: &str| {
        fs::write(&path, content).unwrap();
        read_json::<Third>(&path).map_err(|error| error.to_string())
    };
    let third = |name: &str, size| Ok(Some(Third { schema: 3, name: name.to_owned(), size }));
    assert_eq!(read(r#"{"schema": 1, "title": "a"}"#), third("a", 0));
    assert_eq!(read(r#"{"schema": 2, "name": "b"}"#), third("b", 0));
    assert_eq!(read(r#"{"schema": 3, "name": "c", "size": 7}"#), third("c", 7));
    assert!(read(r#"{"schema": 0}"#).unwrap_err().contains("never written"));
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_path_and_never_absent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.json");
    for (content, expected) in [
        ("", "empty"),
        ("{\"schema\": 2, \"te", "EOF"),
        ("{\"text\": \"a\"}", "no schema version"),
        ("{\"schema\": 2}", "missing field"),
        ("{\"schema\": 3, \"novel\": true}", "upgrade pipelinex"),
    ] {
        fs::write(&path, content).unwrap();
        let error = read_json::<Page>(&path).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("page.json"), "{error}");
    }
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
    assert!(read_json::<Page>(&path).unwrap_err().to_string().contains("link"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(read_json::<Page>(&path).unwrap_err().to_string().contains("not a regular file"));
}

#[test]
fn without_an_exclusive_rename_nothing_is_replaced_either() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for name in ["job", "other", "late"] {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join("metadata.json"), name).unwrap();
    }
    fs::write(path("file"), "file").unwrap();
    fs::write(path("second"), "second").unwrap();
    let moved = |from: &str, to: &str| {
        move_plainly(&path(from), &path(to)).map_err(|error| error.kind() == io::ErrorKind::AlreadyExists)
    };
    assert_eq!(moved("job", "published"), Ok(()));
    assert_eq!(moved("other", "published"), Err(true));
    assert_eq!(moved("late", "file"), Err(true));
    assert_eq!(moved("file", "published"), Err(true));
    assert_eq!(moved("file", "second"), Err(true));
    assert_eq!(moved("file", "moved"), Ok(()));
    assert_eq!(moved("gone", "anywhere"), Err(false));
    assert_eq!(fs::read_to_string(path("published/metadata.json")).unwrap(), "job");
    assert!(!path("job").exists() && !path("file").exists() && path("other").exists());
}
