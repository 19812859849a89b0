//! A project of this machine, taken in without a server: through the same intake, admission and store, by whoever runs the program.

use std::{fs::File, io, net::Ipv4Addr};

use pipelinex_common::{metadata::Metadata, pipeline::context::Repository, queue, request::JobRequest, store::Store};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::{
    access::Principal,
    app::App,
    client::Client,
    config::Config,
    error::{ApiError, Problem},
    stacks::Stacks,
    submission::body_zip::Upload,
    submission::{self, staging_guard::StagingGuard},
};

/// Why a project is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The project or the request is at fault: everything that is wrong.
    #[error("the project was not admitted")]
    Refused(Vec<Problem>),
    /// Something else, as a sentence.
    #[error("{0}")]
    Failed(String),
}

/// Makes a job of a packed project, and starts nothing. `repository`: what is known of the one that it lies in. Needs a tokio runtime.
///
/// # Errors
/// [`LocalError`]; nothing is left behind.
pub async fn submit(
    store: &Store,
    stacks: Stacks,
    config: Config,
    (request, repository): (JobRequest, Repository),
    packed: File,
) -> Result<Metadata, LocalError> {
    let (doorbell, _bells) = queue::in_process();
    let app = App::new(store.clone(), doorbell, stacks, config);
    let this_machine = Client::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    let upload = Upload { repository, ..taken_in(&app, this_machine, request, packed).await? };
    Ok(submission::submit(&app, &Principal::of_this_machine(), upload.into(), None).await?.metadata)
}

/// A packed project as if it had been uploaded.
///
/// # Errors
/// 429 and 507.
pub(crate) async fn taken_in(
    app: &App,
    client: Client,
    request: JobRequest,
    mut packed: File,
) -> Result<Upload, ApiError> {
    let place = app.slots.uploads.take(client).map_err(|why| ApiError::too_many("uploads", why))?;
    let staging = StagingGuard::new(app).await?;
    let archive = staging.paths().root().join("upload.zip");
    let path = archive.clone();
    let copied = spawn_blocking(move || {
        let mut to = Hashing { file: File::create_new(path)?, digest: Sha256::new() };
        let bytes = io::copy(&mut packed, &mut to)?;
        Ok::<_, io::Error>((bytes, to.digest.finalize()))
    });
    let (bytes, digest) = copied.await.map_err(ApiError::internal)?.map_err(ApiError::io)?;
    let sha256 = hex::encode(digest);
    let repository = Repository::default();
    Ok(Upload { request, warnings: Vec::new(), place, staging, archive, bytes, sha256, repository })
}

struct Hashing {
    file: File,
    digest: Sha256,
}

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl From<ApiError> for LocalError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Refused { problems, .. } => Self::Refused(problems),
            other => Self::Failed(other.tell().detail),
        }
    }
}
