//! The parts of an upload: the project streamed to a file in staging, the metadata in memory, in either order.
//!
//! What a client writes about the file (its name, its type) is not used: the content decides.

use std::{collections::BTreeMap, fs::File, io::Write, path::PathBuf};

use axum::{
    body::Body,
    http::{HeaderMap, Request, header},
};
use bytes::{Bytes, BytesMut};
use multer::{Field, Multipart};
use pipelinex_common::{
    foreign::shown, limits::IntakeLimits, pipeline::context::Repository, request::JobRequest, store::Fingerprint,
};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::{
    app::App,
    client::Caller,
    error::ApiError,
    http::body::{BodyError, HeadBudget, PacedBody},
    http::shares::Place,
    request,
    submission::staging_guard::StagingGuard,
};

/// The part with the project.
pub const FILE_PART: &str = "project_zip";
/// The part with the request.
pub const METADATA_PART: &str = "metadata";
/// What boundaries and heads of parts may add to a body, in bytes.
const FRAME_BYTES: u64 = 64 * 1024;
/// The project is written in pieces of this size, in bytes.
const PIECE_BYTES: usize = 256 * 1024;
/// Fields of a page's form: ours has 28.
const FIELDS_MAX: usize = 64;
/// The longest boundary (RFC 2046), in characters.
const BOUNDARY_MAX: usize = 70;

/// An upload that has come in whole.
pub struct Upload {
    /// What is asked for.
    pub request: JobRequest,
    /// Keys of it that nothing here knows.
    pub warnings: Vec<String>,
    /// One of the places for uploads, held until this has become a job or nothing.
    pub place: Place,
    /// Where it is.
    pub staging: StagingGuard,
    /// The file with the project, inside staging.
    pub archive: PathBuf,
    /// Its size, in bytes.
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// What is known of the repository it was packed from: of what comes over HTTP nothing.
    pub repository: Repository,
}

/// An upload whose request is not one of ours yet.
pub struct Received {
    place: Place,
    staging: StagingGuard,
    archive: PathBuf,
    bytes: u64,
    sha256: String,
}

impl Received {
    /// The upload with what is asked for.
    pub fn into_upload(self, request: JobRequest, warnings: Vec<String>) -> Upload {
        let Self { place, staging, archive, bytes, sha256 } = self;
        Upload { request, warnings, place, staging, archive, bytes, sha256, repository: Repository::default() }
    }
}

/// Reads an upload into a staging folder of its own, which goes away with the upload. Returns it with the fingerprint of its
/// parts: of nothing that a client makes up anew when it sends the same again, such as the boundary.
///
/// # Errors
/// A 4xx that says what to send instead; 507 when the disk is full.
pub async fn receive(app: &App, request: Request<Body>) -> Result<(Upload, Fingerprint), ApiError> {
    let ((request, warnings), received, fingerprint) = receive_with(app, request, request::parse).await?;
    Ok((received.into_upload(request, warnings), fingerprint))
}

/// [`receive`] of an upload whose metadata says something else, which `parse` reads as soon as it is there.
///
/// # Errors
/// As there, and those of `parse`.
pub async fn receive_with<T>(
    app: &App,
    request: Request<Body>,
    parse: impl Fn(&[u8]) -> Result<T, ApiError>,
) -> Result<(T, Received, Fingerprint), ApiError> {
    let limits = &app.config.intake;
    let (place, mut parts, staging) = begin(app, request).await?;
    let archive = staging.paths().root().join("upload.zip");
    let (mut metadata, mut file) = (None, None);
    while let Some(field) = parts.next().await? {
        match field.name() {
            Some(METADATA_PART) if metadata.is_none() => {
                let text = read_text(field, limits.metadata_bytes).await?;
                let read = parse(&text)?;
                metadata = Some((text, read));
            }
            Some(FILE_PART) if file.is_none() => file = Some(store_file(field, archive.clone(), limits).await?),
            other => return Err(unexpected_part(other)),
        }
    }
    let missing = |part: &str| ApiError::Malformed {
        code: "part-missing",
        detail: format!("the form has no part `{part}`; send `{FILE_PART}` (the ZIP) and `{METADATA_PART}` (JSON)"),
    };
    let (text, read) = metadata.ok_or_else(|| missing(METADATA_PART))?;
    let (bytes, sha256) = file.ok_or_else(|| missing(FILE_PART))?;
    let fingerprint = Fingerprint::of(&[sha256.as_bytes(), &text]);
    Ok((read, Received { place, staging, archive, bytes, sha256 }, fingerprint))
}

/// A form as a page sends it: texts by name, and a file perhaps.
pub struct PageForm {
    /// The texts, by name; of a name that comes twice, the last.
    pub texts: BTreeMap<String, String>,
    file: Option<(u64, String)>,
    archive: PathBuf,
    staging: StagingGuard,
    place: Place,
}

impl PageForm {
    /// Reads a form of our own pages. A file field that was left empty is no file.
    ///
    /// # Errors
    /// As those of [`receive`].
    pub async fn receive(app: &App, request: Request<Body>) -> Result<Self, ApiError> {
        let limits = &app.config.intake;
        let (place, mut parts, staging) = begin(app, request).await?;
        let archive = staging.paths().root().join("upload.zip");
        let (mut texts, mut file, mut left) = (BTreeMap::new(), None, limits.metadata_bytes);
        while let Some(field) = parts.next().await? {
            match field.name().map(str::to_owned).as_deref() {
                Some(FILE_PART) if file.is_none() => {
                    file = Some(store_file(field, archive.clone(), limits).await?).filter(|(bytes, _)| *bytes > 0);
                }
                Some(name) if name != FILE_PART && texts.len() < FIELDS_MAX => {
                    let text = read_text(field, left).await?;
                    left -= text.len() as u64;
                    texts.insert(name.to_owned(), String::from_utf8_lossy(&text).trim().to_owned());
                }
                other => return Err(unexpected_part(other)),
            }
        }
        Ok(Self { texts, file, archive, staging, place })
    }

    /// Whether a file was chosen.
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// The upload, once the texts have become a request; without a file the form itself comes back.
    pub fn into_upload(self, request: JobRequest, warnings: Vec<String>) -> Option<Upload> {
        let (bytes, sha256) = self.file?;
        let Self { archive, staging, place, .. } = self;
        let repository = Repository::default();
        Some(Upload { request, warnings, place, staging, archive, bytes, sha256, repository })
    }
}

/// What every form begins with: a place, the head, and a staging folder.
async fn begin(app: &App, request: Request<Body>) -> Result<(Place, Parts, StagingGuard), ApiError> {
    let client = Caller::of(request.extensions())?.client;
    let place = app.slots.uploads.take(client).map_err(|why| ApiError::too_many("uploads", why))?;
    let (head, body) = request.into_parts();
    let boundary = check_head(&head.headers, &app.config.intake)?;
    let body = PacedBody::new(body, &app.config.connections);
    let parts = Parts { budget: body.budget(), multipart: Multipart::new(body, boundary) };
    Ok((place, parts, StagingGuard::new(app).await?))
}

/// What can be refused before the first byte of the body. Returns the boundary.
fn check_head(headers: &HeaderMap, limits: &IntakeLimits) -> Result<String, ApiError> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity") {
        let detail = "a compressed body is not taken: send the form as it is, the ZIP is compressed already";
        return Err(ApiError::Unsupported { code: "content-encoding", detail: detail.to_owned() });
    }
    let not_a_form = || ApiError::Unsupported {
        code: "not-a-form",
        detail: format!(
            "send multipart/form-data with the parts `{FILE_PART}` and `{METADATA_PART}`, \
             as `curl -F {FILE_PART}=@app.zip -F {METADATA_PART}='{{..}}'` does"
        ),
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(not_a_form)?;
    let boundary = match multer::parse_boundary(kind) {
        Ok(boundary) if (1..=BOUNDARY_MAX).contains(&boundary.len()) => boundary,
        Err(_) if !kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") => {
            return Err(not_a_form());
        }
        Ok(_) | Err(_) => {
            let detail = format!("the boundary of the form is missing or not 1 to {BOUNDARY_MAX} characters long");
            return Err(ApiError::Malformed { code: "boundary", detail });
        }
    };
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > limits.upload_bytes + limits.metadata_bytes + FRAME_BYTES) {
        return Err(upload_too_large(limits));
    }
    Ok(boundary)
}

struct Parts {
    budget: HeadBudget,
    multipart: Multipart<'static>,
}

impl Parts {
    async fn next(&mut self) -> Result<Option<Field<'static>>, ApiError> {
        self.budget.head();
        let Some(field) = self.multipart.next_field().await.map_err(broken_form)? else { return Ok(None) };
        self.budget.data();
        check_part(&field)?;
        Ok(Some(field))
    }
}

/// Encodings inside of a part were given up by RFC 7578; who uses one means something else than we would read.
fn check_part(field: &Field<'_>) -> Result<(), ApiError> {
    let text = |name: header::HeaderName| {
        let value =
            field.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
        value.unwrap_or_default()
    };
    let encoding = text(header::HeaderName::from_static("content-transfer-encoding"));
    if !matches!(encoding.trim(), "" | "7bit" | "8bit" | "binary") || !text(header::CONTENT_ENCODING).is_empty() {
        let detail = "a part of the form is encoded (base64 or the like); send it as it is";
        return Err(ApiError::Unsupported { code: "part-encoding", detail: detail.to_owned() });
    }
    let kind = text(header::CONTENT_TYPE);
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let metadata = field.name() == Some(METADATA_PART);
    let is_text = matches!(essence, "" | "text/plain" | "application/octet-stream") || request::is_json(essence);
    let other_charset = kind.contains("charset=") && !kind.contains("utf-8") && !kind.contains("us-ascii");
    if essence.starts_with("multipart/") || metadata && (!is_text || other_charset) {
        let detail = format!(
            "`{FILE_PART}` is one file, and `{METADATA_PART}` is JSON in UTF-8 (application/json or text/plain)"
        );
        return Err(ApiError::Unsupported { code: "part-type", detail });
    }
    Ok(())
}

fn unexpected_part(name: Option<&str>) -> ApiError {
    let (code, what) = match name {
        Some(name @ (FILE_PART | METADATA_PART)) => ("part-twice", format!("the part `{name}` comes twice")),
        Some(name) => ("part-unknown", format!("the part `{}` is not known", shown(name))),
        None => ("part-unknown", "a part has no name".to_owned()),
    };
    let detail = format!("{what}; send `{FILE_PART}` (the ZIP) and `{METADATA_PART}` (JSON), each once");
    ApiError::Malformed { code, detail }
}

async fn read_text(mut field: Field<'_>, most: u64) -> Result<BytesMut, ApiError> {
    let mut text = BytesMut::new();
    while let Some(piece) = field.chunk().await.map_err(broken_form)? {
        if (text.len() + piece.len()) as u64 > most {
            let name = shown(field.name().unwrap_or_default());
            return Err(ApiError::TooLarge { detail: format!("the part `{name}` has more than {} KiB", most / 1024) });
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

/// Writes the file of a part. The bytes are counted as they come; what the client says about its length is not used.
async fn store_file(mut field: Field<'_>, path: PathBuf, limits: &IntakeLimits) -> Result<(u64, String), ApiError> {
    let mut sink = aside(move || Ok(Sink { file: File::create_new(path)?, digest: Sha256::new() })).await?;
    let (mut waiting, mut bytes) = (BytesMut::with_capacity(PIECE_BYTES), 0);
    while let Some(piece) = field.chunk().await.map_err(broken_form)? {
        bytes += piece.len() as u64;
        if bytes > limits.upload_bytes {
            return Err(upload_too_large(limits));
        }
        waiting.extend_from_slice(&piece);
        if waiting.len() >= PIECE_BYTES {
            sink = sink.write(waiting.split().freeze()).await?;
            pipelinex_common::fault_point!("intake.mid-upload");
            waiting.reserve(PIECE_BYTES);
        }
    }
    let sink = sink.write(waiting.freeze()).await?;
    let digest = sink.digest.finalize();
    Ok((bytes, hex::encode(digest)))
}

struct Sink {
    file: File,
    digest: Sha256,
}

impl Sink {
    async fn write(mut self, piece: Bytes) -> Result<Self, ApiError> {
        aside(move || {
            self.digest.update(&piece);
            self.file.write_all(&piece)?;
            Ok(self)
        })
        .await
    }
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, ApiError> {
    spawn_blocking(work).await.map_err(ApiError::internal)?.map_err(ApiError::io)
}

fn upload_too_large(limits: &IntakeLimits) -> ApiError {
    let detail = format!(
        "the upload has more than {} MiB; leave out what is built or downloaded (target, node_modules, .git)",
        limits.upload_bytes / pipelinex_common::limits::MIB
    );
    ApiError::TooLarge { detail }
}

fn broken_form(error: multer::Error) -> ApiError {
    if let multer::Error::StreamReadFailed(cause) = &error
        && let Some(BodyError::TooSlow) = cause.downcast_ref()
    {
        return ApiError::TooSlow;
    }
    let cause = match &error {
        multer::Error::StreamReadFailed(cause) => cause.to_string(),
        multer::Error::IncompleteStream | multer::Error::IncompleteFieldData { .. } => {
            "it ends before its last boundary, or its lines do not end in CR LF".to_owned()
        }
        _ => "the head of a part cannot be read".to_owned(),
    };
    ApiError::Malformed { code: "form-broken", detail: format!("the form cannot be read: {cause}") }
}
