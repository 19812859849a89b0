//! TLS of the server's own: the certificate and its key, read again when their files change, and a connection that may be either
//! plain or secure. By tokio-rustls, which is what our client speaks through already: `axum-server` would bring an accept loop of
//! its own, without the limits of ours.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
    },
    server::TlsStream,
};

use crate::http::lingering_close::PatientStream;

/// How often somebody looks whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("{} cannot be read as PEM: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("{} has no certificate in it", .0.display())]
    NoCertificate(PathBuf),
    /// The two do not go together, or nobody can use them.
    #[error("certificate and key cannot be used together: {0}")]
    Pair(#[from] rustls::Error),
}

/// A certificate and its key, as their files have them.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    now: RwLock<Arc<ServerConfig>>,
}

/// What tells that a file is another one, or has another content.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let now = RwLock::new(read(certificate, key)?);
        Ok(Arc::new(Self { certificate: certificate.to_owned(), key: key.to_owned(), now }))
    }

    /// What a new connection is met with.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Reads the files again whenever one has changed, for ever. Where they do not go together, as between the writing of one and
    /// of the other, those that were good before stay.
    pub async fn follow(self: Arc<Self>) {
        let mut known = self.stamps().await;
        loop {
            sleep(LOOK_EVERY).await;
            let stamps = self.stamps().await;
            if stamps == known {
                continue;
            }
            known = stamps;
            let this = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || read(&this.certificate, &this.key)).await {
                Ok(Ok(new)) => {
                    *self.now.write().unwrap_or_else(PoisonError::into_inner) = new;
                    tracing::info!(certificate = %self.certificate.display(), "the certificate was read again");
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the certificate of before stays until its files are good again")
                }
                Err(error) => tracing::error!(%error, "the certificate could not be read again"),
            }
        }
    }

    async fn stamps(&self) -> [Stamp; 2] {
        let files = [self.certificate.clone(), self.key.clone()];
        tokio::task::spawn_blocking(move || files.map(|path| stamp(&path))).await.unwrap_or_default()
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let broken = |path: &Path| {
        let path = path.to_owned();
        move |cause| TlsError::File { path, cause }
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(broken(certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(broken(key))?;
    // Named, because another part of the program may bring a second provider, and then there is none by default.
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let mut config =
        builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A connection to a client.
pub(crate) enum Channel {
    /// As it is.
    Plain(PatientStream),
    /// Within TLS.
    Secure(Box<TlsStream<PatientStream>>),
}

impl Channel {
    /// Closes our side and reads on for a while, as [`PatientStream::linger`] does.
    pub async fn linger(self, longest: Duration) {
        match self {
            Self::Plain(stream) => stream.linger(longest).await,
            Self::Secure(mut stream) => {
                // What is still within TLS goes out first, and a client is told that nothing was cut off.
                let _ = timeout(longest, stream.shutdown()).await;
                stream.into_inner().0.linger(longest).await;
            }
        }
    }
}

impl AsyncRead for Channel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Secure(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Secure(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Our side is closed by [`Self::linger`].
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
