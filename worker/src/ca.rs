//! Extra CA certificates for runner containers: one folder with the full bundle for programs that read PEM, and a trust
//! store for Java. Mounted files and variables alone: the containers are read-only and never root.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use p12_keystore::{Certificate, KeyStore, KeyStoreEntry};
use pipelinex_common::{
    disk::{self, DiskError},
    layout::Layout,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};

/// Where Linux distributions keep the public certificates.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// A PKCS#12 file without a password named reads as empty in Java; this is the one that Java itself uses.
const PASSWORD: &str = "changeit";

/// What went wrong with the certificates.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The operator's file cannot be used.
    #[error("PIPELINEX_CA_CERTS names {}, which {reason}: it must be a PEM file of CA certificates", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Our own files could not be written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Makes the folder that containers mount, below the workspaces folder so that the engine's host sees it, and returns it.
/// The same certificates always give the same folder.
///
/// # Errors
/// [`CaError`].
pub fn prepare(extra: &Path, layout: &Layout) -> Result<PathBuf, CaError> {
    let unusable = |reason: String| CaError::Unusable { path: extra.to_owned(), reason };
    let extra_text = fs::read(extra).map_err(|error| unusable(format!("cannot be read ({error})")))?;
    let extra_certs = parse(&extra_text).map_err(&unusable)?;
    if extra_certs.is_empty() {
        return Err(unusable("holds no certificate".to_owned()));
    }
    if extra_certs.iter().any(|der| Certificate::from_der(der).is_err()) {
        return Err(unusable("holds something that is no certificate".to_owned()));
    }
    // Most variables replace the default, so the public certificates must be in the bundle too.
    let public = SYSTEM_BUNDLES.iter().find_map(|path| fs::read(path).ok()).unwrap_or_default();
    let public_certs = parse(&public).unwrap_or_default();
    let mut bundle = public;
    if !bundle.is_empty() && !bundle.ends_with(b"\n") {
        bundle.push(b'\n');
    }
    bundle.extend(extra_text);
    let digest = hex::encode(&Sha256::digest(&bundle)[..8]);
    let (parent, folder) = (layout.root().join(".ca"), layout.root().join(".ca").join(&digest));
    if folder.join("truststore.p12").exists() {
        return Ok(folder);
    }
    let store = trust_store(public_certs.into_iter().chain(extra_certs)).map_err(unusable)?;
    disk::make_dir(&parent, 0o755)?;
    let aside = parent.join(format!(".{}", uuid::Uuid::new_v4().as_simple()));
    disk::make_dir(&aside, 0o755)?;
    disk::write_new(&aside.join("ca.pem"), &bundle, 0o644)?;
    disk::write_new(&aside.join("truststore.p12"), &store, 0o644)?;
    if !disk::publish(&aside, &folder)? {
        fs::remove_dir_all(&aside).map_err(DiskError::io("remove", &aside))?;
    }
    Ok(folder)
}

/// The variables that make the usual tools read the folder when it is mounted at `at`.
pub fn environment(at: &Path) -> BTreeMap<String, String> {
    let pem = at.join("ca.pem").display().to_string();
    let java = format!(
        "-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStorePassword={PASSWORD} -Djavax.net.ssl.trustStoreType=PKCS12",
        at.join("truststore.p12").display()
    );
    [
        ("SSL_CERT_FILE", &pem),       // curl, Go, cargo, Python's urllib
        ("CURL_CA_BUNDLE", &pem),      // curl built without a default
        ("GIT_SSL_CAINFO", &pem),      // git with GnuTLS reads nothing else
        ("NODE_EXTRA_CA_CERTS", &pem), // Node and npm: adds
        ("PIP_CERT", &pem),
        ("REQUESTS_CA_BUNDLE", &pem),
        ("JAVA_TOOL_OPTIONS", &java), // Maven, Gradle, java
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .collect()
}

fn parse(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| format!("is not PEM ({error})"))
}

fn trust_store(certs: impl Iterator<Item = CertificateDer<'static>>) -> Result<Vec<u8>, String> {
    let mut store = KeyStore::new();
    for (number, der) in certs.enumerate() {
        // A public one that this library cannot read is left to the tools that read the PEM file.
        if let Ok(cert) = Certificate::from_der(&der) {
            store.add_entry(&format!("ca-{number}"), KeyStoreEntry::Certificate(cert));
        }
    }
    store.writer(PASSWORD).write().map_err(|error| format!("cannot be made a Java trust store ({error})"))
}
