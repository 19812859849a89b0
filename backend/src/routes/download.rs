//! Files as answers: always as an attachment, always as bytes, never as a page; whole, or the range of them that was asked
//! for, or a word that the client has them already.

use std::{
    fs::File,
    io::{Seek, SeekFrom},
    os::unix::fs::MetadataExt,
};

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::range::{Part, part};
use crate::{
    app::App,
    client::{Caller, Client},
    error::ApiError,
    http::shares::{NoPlace, Place, hold},
};

/// What is read of a file at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Names a state of a file for ever (RFC 9110, a strong one): another content has another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The name of what these texts make up.
    pub fn of(texts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for text in texts {
            digest.update(text);
            digest.update([0]);
        }
        Self(format!("\"{}\"", hex::encode(&digest.finalize()[..16])))
    }

    /// The name of files that nobody writes to any more.
    ///
    /// # Errors
    /// Those of the system.
    pub fn of_files(address: &str, files: &[(File, u64)]) -> Result<Self, ApiError> {
        let mut texts = vec![address.to_owned()];
        for (file, _) in files {
            let meta = file.metadata().map_err(ApiError::io)?;
            texts.push(format!("{}.{}.{}.{}", meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()));
        }
        Ok(Self::of(&texts.iter().map(String::as_str).collect::<Vec<_>>()))
    }
}

/// What a client wants of a file, beside its address, and whose share the download uses.
pub struct Asked {
    client: Client,
    is_get: bool,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let client = Caller::of(&parts.extensions)?.client;
        Ok(Self { client, is_get: parts.method == Method::GET, headers: parts.headers.clone() })
    }
}

impl Asked {
    /// A place for a download.
    ///
    /// # Errors
    /// 429 when the client has its share, 503 when there is none.
    pub fn place(&self, app: &App) -> Result<Place, ApiError> {
        app.slots.downloads.take(self.client).map_err(|why| match why {
            NoPlace::Share => ApiError::too_many("downloads", why),
            NoPlace::All => ApiError::Unavailable {
                detail: "too many files are being downloaded at once; come again in a moment".to_owned(),
            },
        })
    }

    fn text(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"))
    }

    /// Whether one of the tags of a header is this one; `*` is any.
    fn names(&self, name: header::HeaderName, etag: Option<&ETag>, weakly: bool) -> Option<bool> {
        let mut lines = self.headers.get_all(name).iter().peekable();
        lines.peek()?;
        let named = |tag: &str| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").filter(|_| weakly).unwrap_or(tag);
            tag == "*" || etag.is_some_and(|etag| etag.0 == tag)
        };
        Some(lines.any(|line| line.to_str().is_ok_and(|line| line.split(',').any(named))))
    }

    /// What of so many bytes is to be sent.
    fn part(&self, bytes: u64, etag: Option<&ETag>) -> Part {
        let same = self.text(header::IF_RANGE).is_none_or(|tag| etag.is_some_and(|etag| etag.0 == tag.trim()));
        let range = self.text(header::RANGE).filter(|_| same && self.is_get);
        range.map_or(Part::Whole, |range| part(range, bytes))
    }
}

/// A file that is to be sent.
pub struct Download {
    /// Its media type.
    pub kind: &'static str,
    /// The name under which it is saved, made of ids and slugs only.
    pub name: String,
    /// What it is made of: each file stands where reading begins, with the bytes that are left of it.
    pub files: Vec<(File, u64)>,
    /// Where the content is final, its name.
    pub etag: Option<ETag>,
}

impl Download {
    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }

    /// The answer: 200, 206 with a range, 304 where the client has it, 412 where it wants another, 416 without such a range.
    ///
    /// # Errors
    /// [`ApiError::Internal`] for a name that is no header value.
    pub fn answer(mut self, asked: &Asked, place: Place) -> Result<Response, ApiError> {
        let (bytes, etag) = (self.bytes(), self.etag.take());
        if asked.names(header::IF_MATCH, etag.as_ref(), false) == Some(false) {
            return Err(ApiError::Changed);
        }
        if etag.is_some() && asked.names(header::IF_NONE_MATCH, etag.as_ref(), true) == Some(true) {
            return tagged(StatusCode::NOT_MODIFIED.into_response(), etag.as_ref());
        }
        let (status, range) = match asked.part(bytes, etag.as_ref()) {
            Part::Whole => (StatusCode::OK, 0..bytes),
            Part::Range(range) => (StatusCode::PARTIAL_CONTENT, range),
            Part::Nothing => return not_satisfiable(bytes),
        };
        skip(&mut self.files, range.start)?;
        let left = range.end - range.start;
        let mut response = hold(Response::new(Body::from_stream(first(self.files, left))), place);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        let disposition = format!("attachment; filename=\"{}\"", self.name);
        headers.insert(header::CONTENT_DISPOSITION, value(&disposition)?);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(left));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if status == StatusCode::PARTIAL_CONTENT {
            let sent = format!("bytes {}-{}/{bytes}", range.start, range.end - 1);
            headers.insert(header::CONTENT_RANGE, value(&sent)?);
        }
        tagged(response, etag.as_ref())
    }
}

fn value(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text).map_err(ApiError::internal)
}

/// What has a name may be kept by the client itself, which then asks whether it is still the same.
fn tagged(mut response: Response, etag: Option<&ETag>) -> Result<Response, ApiError> {
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, value(&etag.0)?);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    Ok(response)
}

fn not_satisfiable(bytes: u64) -> Result<Response, ApiError> {
    let mut response = ApiError::NoSuchRange { bytes }.into_response();
    response.headers_mut().insert(header::CONTENT_RANGE, value(&format!("bytes */{bytes}"))?);
    Ok(response)
}

/// Moves the files forward by so many bytes. More than there are leave nothing of them.
///
/// # Errors
/// Those of the system.
pub fn skip(files: &mut [(File, u64)], mut bytes: u64) -> Result<(), ApiError> {
    for (file, left) in files.iter_mut() {
        let skipped = bytes.min(*left);
        let forward = i64::try_from(skipped).map_err(ApiError::internal)?;
        file.seek(SeekFrom::Current(forward)).map_err(ApiError::io)?;
        *left -= skipped;
        bytes -= skipped;
    }
    Ok(())
}

/// The first bytes of the files, read as the client takes them.
fn first(files: Vec<(File, u64)>, mut bytes: u64) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let cut = files.into_iter().map(move |(file, left)| {
        let taken = left.min(bytes);
        bytes -= taken;
        ReaderStream::with_capacity(tokio::fs::File::from_std(file).take(taken), PIECE_BYTES)
    });
    stream::iter(cut).flat_map(StreamExt::boxed)
}
