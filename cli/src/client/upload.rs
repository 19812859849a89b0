//! Sends a project: streamed from its file, the description first, so that a server can say no early.

use std::{os::fd::AsRawFd, time::Duration};

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::Value;
use tokio::fs::File;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::{Client, ClientError};

/// How long sending a project, and its admission, may take.
const UPLOAD_LIMIT: Duration = Duration::from_secs(60 * 60);
/// How long a clone, and its admission, may take: the server has a deadline of its own, which an operator can raise.
const CLONE_LIMIT: Duration = Duration::from_secs(60 * 60);
/// By which the server knows a submission that it has seen already.
const KEY: &str = "idempotency-key";
/// The pause before what broke off is sent again: a server that is started anew is there by then.
const BREATH: Duration = Duration::from_secs(1);
/// How much of a file is in memory at a time, in bytes.
const PIECE: usize = 64 * 1024;

/// A ZIP file to be sent.
#[derive(Debug)]
pub struct Archive {
    /// The file, at its beginning.
    pub file: std::fs::File,
    /// Its size, in bytes.
    pub bytes: u64,
    /// The name under which it is sent.
    pub name: String,
}

impl Archive {
    /// The file from its beginning, read at a pace of its own: an attempt that broke off may still be reading.
    fn stream(&self) -> std::io::Result<ReaderStream<File>> {
        let again = std::fs::File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))?;
        Ok(ReaderStream::with_capacity(File::from_std(again), PIECE))
    }
}

impl Client {
    /// Submits a project. Gives the server's answer as it is.
    pub async fn submit(&self, metadata: String, archive: Archive) -> Result<Value, ClientError> {
        let key = Uuid::new_v4().to_string();
        twice(async || self.send("/api/jobs/upload", &metadata, &archive, Some(&key)).await).await
    }

    /// Has a repository cloned and submits it. Gives the server's answer as it is.
    pub async fn submit_url(&self, request: &Value) -> Result<Value, ClientError> {
        let key = Uuid::new_v4().to_string();
        twice(async || {
            let post = self.request(Method::POST, self.endpoint("/api/jobs/github")).header(KEY, &key);
            let response = post.json(request).timeout(CLONE_LIMIT).send().await;
            let response = self.judge(response.map_err(|error| ClientError::of(self.url(), error))?).await?;
            self.read_json(response).await
        })
        .await
    }

    /// Asks whether a project would be admitted. Gives the server's answer as it is.
    pub async fn precheck(&self, metadata: String, archive: Archive) -> Result<Value, ClientError> {
        self.send("/api/precheck", &metadata, &archive, None).await
    }

    /// Asks what a repository is taken for. Gives the server's answer as it is.
    pub async fn detect_url(&self, request: &Value) -> Result<Value, ClientError> {
        let post = self.request(Method::POST, self.endpoint("/api/detect")).json(request).timeout(CLONE_LIMIT);
        let response = post.send().await.map_err(|error| ClientError::of(self.url(), error))?;
        let response = self.judge(response).await?;
        self.read_json(response).await
    }

    async fn send(
        &self,
        path: &str,
        metadata: &str,
        archive: &Archive,
        key: Option<&str>,
    ) -> Result<Value, ClientError> {
        let stream = archive.stream().map_err(|error| ClientError::Torn(format!("the ZIP cannot be read: {error}")))?;
        let zip = Part::stream_with_length(reqwest::Body::wrap_stream(stream), archive.bytes);
        let typed = |part: Part, kind| part.mime_str(kind).map_err(|error| ClientError::of(self.url(), error));
        let form = Form::new()
            .part("metadata", typed(Part::text(metadata.to_owned()), "application/json")?)
            .part("project_zip", typed(zip.file_name(archive.name.clone()), "application/zip")?);
        let mut request = self.request(Method::POST, self.endpoint(path)).multipart(form).timeout(UPLOAD_LIMIT);
        if let Some(key) = key {
            request = request.header(KEY, key);
        }
        let response = request.send().await.map_err(|error| match ClientError::of(self.url(), error) {
            ClientError::Torn(cause) => ClientError::TornUpload(cause),
            other => other,
        })?;
        let response = self.judge(response).await?;
        self.read_json(response).await
    }
}

/// Sends a submission, and once more when its connection broke off before the answer: under its key that makes one job.
async fn twice(send: impl AsyncFn() -> Result<Value, ClientError>) -> Result<Value, ClientError> {
    match send().await {
        Err(broken @ (ClientError::Torn(_) | ClientError::TornUpload(_))) => {
            tokio::time::sleep(BREATH).await;
            match send().await {
                // Nobody is there any more, and what became of the first is still not known.
                Err(ClientError::NoServer { .. } | ClientError::NoConnection { .. }) => Err(broken),
                second => second,
            }
        }
        told => told,
    }
}
