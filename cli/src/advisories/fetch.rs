//! Fetches archives of advisories over HTTP: within time and size, into a file without a name.

use std::{io::Write, path::Path, time::Duration};

use pipelinex_common::{advisories::Ecosystem, limits::MIB};
use reqwest::{Response, StatusCode, Url, redirect};
use sha2::{Digest, Sha256};

use super::source::ARCHIVE_MAX;
use crate::{
    client::{ClientError, builder},
    failure::Failure,
};

/// Where OSV publishes all advisories, one folder for each ecosystem.
pub const PUBLIC_ARCHIVE: &str = "https://osv-vulnerabilities.storage.googleapis.com";
/// How long one archive may take: the largest has some hundred MiB.
const WHOLE_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How long nothing may come.
const PAUSE_LIMIT: Duration = Duration::from_secs(30);
/// Redirects that are followed: a mirror may have a few.
const REDIRECTS: usize = 5;

/// An archive that was fetched.
#[derive(Debug)]
pub struct Archive {
    /// Its content; it is gone when this is closed.
    pub file: std::fs::File,
    /// Where it came from.
    pub url: Url,
    /// SHA-256 of what came, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Size of what came, in bytes.
    pub bytes: u64,
}

impl Archive {
    /// Fetches the archive of an ecosystem below `base`.
    ///
    /// # Errors
    /// [`Failure`] with what to do where there is no network.
    pub async fn fetch(
        base: &Url,
        ecosystem: &Ecosystem,
        ca_certs: Option<&Path>,
        scratch: &Path,
    ) -> Result<Self, Failure> {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend([ecosystem.as_str(), "all.zip"]);
        }
        let fetched = tokio::time::timeout(WHOLE_LIMIT, download(&url, ca_certs, scratch)).await;
        let fetched = fetched.unwrap_or_else(|_| Err("it took too long".to_owned()));
        fetched.map_err(|reason| {
            Failure::errored(format!(
                "cannot fetch {url}: {reason}\nWhere there is a network, download it; then, here: pipelinex db import all.zip"
            ))
        })
    }
}

async fn download(url: &Url, ca_certs: Option<&Path>, scratch: &Path) -> Result<Archive, String> {
    let said = |error: ClientError| error.to_string();
    let client = builder(url, ca_certs).map_err(said)?.redirect(redirect::Policy::limited(REDIRECTS));
    // What came over TLS up to here does not go on without.
    let client =
        client.https_only(url.scheme() == "https").build().map_err(|e| said(ClientError::of(url.as_str(), e)))?;
    let sent = within(client.get(url.clone()).send()).await?;
    let mut response = sent.map_err(|error| reason(url, error))?;
    match response.status() {
        status if status.is_success() => {}
        StatusCode::NOT_FOUND => {
            return Err(
                "there is no such archive; ecosystems are spelled as OSV does, such as Maven, npm or crates.io"
                    .to_owned(),
            );
        }
        status => return Err(format!("the server answered {}", status.as_u16())),
    }
    store(&mut response, url, scratch).await
}

async fn store(response: &mut Response, url: &Url, scratch: &Path) -> Result<Archive, String> {
    let mut file = tempfile::tempfile_in(scratch).map_err(|error| error.to_string())?;
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    while let Some(piece) = within(response.chunk()).await?.map_err(|error| reason(url, error))? {
        bytes += piece.len() as u64;
        if bytes > ARCHIVE_MAX {
            return Err(format!("it has more than {} MiB", ARCHIVE_MAX / MIB));
        }
        digest.update(&piece);
        file.write_all(&piece).map_err(|error| format!("it cannot be kept: {error}"))?;
    }
    let sha256 = hex::encode(digest.finalize());
    Ok(Archive { file, url: url.clone(), sha256, bytes })
}

async fn within<T>(work: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(PAUSE_LIMIT, work).await.map_err(|_| "it did not answer in time".to_owned())
}

fn reason(url: &Url, error: reqwest::Error) -> String {
    match ClientError::of(url.as_str(), error) {
        ClientError::NoServer { .. } => "nobody answers there".to_owned(),
        ClientError::NoConnection { cause, .. } => cause,
        ClientError::Torn(cause) => format!("the connection broke off: {cause}"),
        other => other.to_string(),
    }
}
