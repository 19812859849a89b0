//! Sends a project: streamed from its file, the description first, so that a server can say no early.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::{Client, ClientError};

/// How long sending a project, and its admission, may take.
const UPLOAD_LIMIT: Duration = Duration::from_secs(60 * 60);
/// How long a clone, and its admission, may take: the server has a deadline of its own, which an operator can raise.
const CLONE_LIMIT: Duration = Duration::from_secs(60 * 60);
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

impl Client {
    /// Submits a project. Gives the server's answer as it is.
    pub async fn submit(&self, metadata: String, archive: Archive) -> Result<Value, ClientError> {
        self.send("/api/jobs/upload", metadata, archive).await
    }

    /// Has a repository cloned and submits it. Gives the server's answer as it is.
    pub async fn submit_url(&self, request: &Value) -> Result<Value, ClientError> {
        let request = self.http.post(self.endpoint("/api/jobs/github")).json(request).timeout(CLONE_LIMIT);
        let response = request.send().await.map_err(|error| ClientError::of(self.url(), error))?;
        let response = self.judge(response).await?;
        self.read_json(response).await
    }

    /// Asks whether a project would be admitted. Gives the server's answer as it is.
    pub async fn precheck(&self, metadata: String, archive: Archive) -> Result<Value, ClientError> {
        self.send("/api/precheck", metadata, archive).await
    }

    async fn send(&self, path: &str, metadata: String, archive: Archive) -> Result<Value, ClientError> {
        let stream = ReaderStream::with_capacity(File::from_std(archive.file), PIECE);
        let zip = Part::stream_with_length(reqwest::Body::wrap_stream(stream), archive.bytes).file_name(archive.name);
        let typed = |part: Part, kind| part.mime_str(kind).map_err(|error| ClientError::of(self.url(), error));
        let form = Form::new()
            .part("metadata", typed(Part::text(metadata), "application/json")?)
            .part("project_zip", typed(zip, "application/zip")?);
        let request = self.http.post(self.endpoint(path)).multipart(form).timeout(UPLOAD_LIMIT);
        let response = request.send().await.map_err(|error| match ClientError::of(self.url(), error) {
            ClientError::Torn(cause) => ClientError::TornUpload(cause),
            other => other,
        })?;
        let response = self.judge(response).await?;
        self.read_json(response).await
    }
}
