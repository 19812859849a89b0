//! Files as answers: always as an attachment, always as bytes, never as a page.

use std::fs::File;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use crate::error::ApiError;

/// What is read of a file at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// The next `bytes` of a file, from where it stands, read as the client takes them.
pub fn stream(file: File, bytes: u64) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    ReaderStream::with_capacity(tokio::fs::File::from_std(file).take(bytes), PIECE_BYTES)
}

/// An answer that is saved as a file; `name` is made of ids and slugs only.
///
/// # Errors
/// [`ApiError::Internal`] for a name that is no header value.
pub fn attachment<S>(kind: &'static str, name: &str, bytes: u64, content: S) -> Result<Response, ApiError>
where
    S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
{
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")).map_err(ApiError::internal)?;
    let mut response = Response::new(Body::from_stream(content.boxed()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    Ok(response)
}
