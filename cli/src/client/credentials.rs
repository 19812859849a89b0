//! The tokens that are kept for servers: one file of the user's own, which nobody else may read.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::ClientError;

/// The variable that counts more than what is kept.
pub const TOKEN_VARIABLE: &str = "PIPELINEX_TOKEN";

/// The file.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    servers: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    token: String,
}

impl Credentials {
    /// The token for a server: of the variable, else the one that is kept.
    pub fn find(url: &str) -> Result<Option<SecretString>, ClientError> {
        match env::var(TOKEN_VARIABLE) {
            Ok(token) if !token.trim().is_empty() => return Ok(Some(token.trim().into())),
            Ok(_) | Err(env::VarError::NotPresent) => {}
            Err(env::VarError::NotUnicode(_)) => {
                return Err(ClientError::Token(format!("{TOKEN_VARIABLE} is no text")));
            }
        }
        let Some(path) = place() else { return Ok(None) };
        let kept = Self::read(&path)?;
        Ok(kept.servers.get(&key(url)).map(|entry| entry.token.clone().into()))
    }

    /// Keeps the token for a server; gives the file.
    pub fn keep(url: &str, token: &SecretString) -> Result<PathBuf, ClientError> {
        let path = place().ok_or_else(|| {
            ClientError::Token(format!("there is no HOME to keep the token in; set {TOKEN_VARIABLE} instead"))
        })?;
        let mut kept = Self::read(&path)?;
        kept.servers.insert(key(url), Entry { token: token.expose_secret().to_owned() });
        kept.write(&path).map_err(|error| cannot("write", &path, &error))?;
        Ok(path)
    }

    /// Forgets the token for a server; `false` where none was kept.
    pub fn forget(url: &str) -> Result<bool, ClientError> {
        let Some(path) = place() else { return Ok(false) };
        let mut kept = Self::read(&path)?;
        let known = kept.servers.remove(&key(url)).is_some();
        if known {
            kept.write(&path).map_err(|error| cannot("write", &path, &error))?;
        }
        Ok(known)
    }

    fn read(path: &Path) -> Result<Self, ClientError> {
        let mode = match fs::metadata(path) {
            Ok(meta) => meta.permissions().mode(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(cannot("read", path, &error)),
        };
        if mode & 0o077 != 0 {
            let path = path.display();
            return Err(ClientError::Token(format!(
                "others can read {path}, and there are tokens in it: chmod 600 {path}"
            )));
        }
        let text = fs::read(path).map_err(|error| cannot("read", path, &error))?;
        serde_json::from_slice(&text).map_err(|error| cannot("read", path, &error.into()))
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // A temporary file is its owner's alone from its first moment on.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> ClientError {
    ClientError::Token(format!("cannot {verb} {}: {error}", path.display()))
}

/// One spelling of a server's address.
fn key(url: &str) -> String {
    url.trim_end_matches('/').to_ascii_lowercase()
}

fn place() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config.join("pipelinex/credentials.json"))
}
