//! The log of events, for those who are no process of the program: the client, the proxy in front of the engine, and the story.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// The file that every process of a trial appends its events to.
#[derive(Clone)]
pub struct EventLog(PathBuf);

impl EventLog {
    /// An empty one.
    pub fn new(path: PathBuf) -> Self {
        File::create(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Appends an event, in one write: others append at the same time.
    pub fn note(&self, about: &Value) {
        let mut line = about.clone();
        line["at_ns"] = (jiff::Timestamp::now().as_nanosecond() as i64).into();
        let mut file = OpenOptions::new().append(true).open(&self.0).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The client's: it was answered 201, and told this id.
    pub fn answered(&self, job: &str) {
        self.note(&json!({"event": "answered", "job": job}));
    }

    /// Something was made to go wrong, like this.
    pub fn fault(&self, what: &str, how: &str) {
        self.note(&json!({"event": "fault", "what": what, "how": how}));
    }
}
