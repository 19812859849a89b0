//! The program as a process that goes on until it is stopped, and how a story talks to it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, ExitStatus},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{in_time, until};

/// A process of the program; killed when dropped.
pub struct Process {
    pub child: Child,
    pub log: PathBuf,
}

impl Process {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to stop.
    pub fn ask_to_stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(self) {
        self.ask_to_stop();
        self.ends().await;
    }

    /// Waits until it has stopped, in order.
    pub async fn ends(mut self) {
        let status = until("the process ends", async || self.child.try_wait().unwrap()).await;
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Kills it as a crash would.
    pub fn kill(mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that answers.
pub struct Server {
    pub process: Process,
    pub url: String,
    pub http: reqwest::Client,
}

impl Server {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.answer(self.http.get(self.url(path))).await
    }

    pub async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.timeout(Duration::from_secs(60)).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    /// Sends a form whose parts may also be absent.
    pub async fn post(&self, path: &str, zip: Option<Vec<u8>>, metadata: Option<&str>) -> Answer {
        let mut form = reqwest::multipart::Form::new();
        if let Some(zip) = zip {
            form = form.part("project_zip", reqwest::multipart::Part::bytes(zip).file_name("app.zip"));
        }
        if let Some(metadata) = metadata {
            form = form.text("metadata", metadata.to_owned());
        }
        self.answer(self.http.post(self.url(path)).multipart(form)).await
    }

    /// Submits a project that is admitted; returns the id of its job.
    pub async fn submit(&self, zip: Vec<u8>, metadata: &Value) -> String {
        let answer = self.post("/api/jobs/upload", Some(zip), Some(&metadata.to_string())).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["job_id"].as_str().unwrap().to_owned()
    }

    pub async fn status(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/jobs/{id}/status")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits for the end of a job; returns its status. Says how far it came if it does not end.
    pub async fn end_of(&self, id: &str) -> Value {
        let ended = in_time(async || Some(self.status(id).await).filter(has_ended)).await;
        match ended {
            Some(status) => status,
            None => panic!("the job does not end: {:#}", self.status(id).await),
        }
    }
}

/// Whether a status is that of a job that has ended.
pub fn has_ended(status: &Value) -> bool {
    matches!(status["execution"]["state"].as_str(), Some("SUCCEEDED" | "FAILED" | "CANCELED"))
}

/// What came back over HTTP.
pub struct Answer {
    pub status: u16,
    headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
