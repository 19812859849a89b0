//! Secrets for private repositories. A request names one. A project keeps them among its secrets, the operator as files in one folder,
//! and which host may see one is part of it.
//!
//! A file of the folder holds one line: `https://USER:TOKEN@HOST`, as Git's own credential store writes it; or the bare token, which is
//! only taken where a single host is allowed, so that no submitter can send it to another.

use std::{fs, io, path::Path};

use pipelinex_common::{
    secrets::{Purpose, SecretKey},
    store::Store,
};
use secrecy::SecretString;

use super::{fault::GitRule, url::Host};
use crate::error::Problem;

/// The longest name of a secret, in bytes.
const NAME_BYTES: usize = 64;
/// The longest file, in bytes.
const FILE_BYTES: u64 = 4096;
/// What hosts take as the user of a token that is written without one.
const ANY_USER: &str = "x-access-token";

/// What is shown to one host.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The token.
    pub password: SecretString,
}

/// Why there are no credentials.
#[derive(Debug)]
pub enum TokenError {
    /// The request is at fault.
    Refused(Problem),
    /// The operator is; the sentence names the file and nothing of its content.
    Unusable(String),
}

impl Credentials {
    /// The token of this name that a project keeps for this host; `None`: it has none. Blocks on the disk.
    ///
    /// # Errors
    /// [`TokenError::Unusable`].
    pub fn of_project(
        store: &Store,
        key: Option<&SecretKey>,
        project: &str,
        name: &str,
        host: &Host,
    ) -> Result<Option<Self>, TokenError> {
        let unusable = |error: &dyn std::fmt::Display| TokenError::Unusable(error.to_string());
        let purpose = Purpose::Git(host.to_string());
        let meant = store.secrets_of(project, |record| record.name == name && record.purpose == purpose);
        let meant = meant.map_err(|error| unusable(&error))?;
        if meant.is_empty() {
            return Ok(None);
        }
        let without = "the project keeps a token of that name, and this server has no --secrets-key to read it";
        let opened = store.open_secrets(key.ok_or_else(|| unusable(&without))?, &meant);
        let opened = opened.map_err(|error| unusable(&error))?;
        Ok(opened.first().map(|secret| {
            let (user, password) = secret.expose().split_once(':').unwrap_or((ANY_USER, secret.expose()));
            Self { user: user.to_owned(), password: password.into() }
        }))
    }

    /// Reads the secret of this name for this host. Blocks on the disk.
    ///
    /// # Errors
    /// [`TokenError`]. Nothing of the name is repeated: people put the secret itself there.
    pub fn read(folder: Option<&Path>, name: &str, host: &Host, allowed: &[Host]) -> Result<Self, TokenError> {
        let unknown = || {
            let hint = "`token` is the name of a secret that the operator keeps (PIPELINEX_GIT_TOKENS), never the secret itself; \
                        if you sent a secret, revoke it";
            let message = "the server has no token of that name for that host";
            TokenError::Refused(GitRule::TokenUnknown.problem_at("token", message, hint))
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let named = (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.');
        let path = folder.filter(|_| named).ok_or_else(unknown)?.join(name);
        let unusable =
            |why: &str| TokenError::Unusable(format!("the token in {} cannot be used: {why}", path.display()));
        let text = match fs::metadata(&path) {
            Ok(meta) if meta.is_file() && meta.len() <= FILE_BYTES => fs::read_to_string(&path),
            Ok(_) => return Err(unusable("it is no small file")),
            Err(error) => Err(error),
        };
        let text = text.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => unknown(),
            _ => unusable(&error.to_string()),
        })?;
        let (credentials, bound) =
            parse(text.trim()).ok_or_else(|| unusable("it is neither a token nor https://USER:TOKEN@HOST"))?;
        match bound {
            Some(bound) if bound == *host => Ok(credentials),
            None if allowed.len() == 1 => Ok(credentials),
            None => Err(unusable("several hosts are allowed, so it must say for which it is: https://USER:TOKEN@HOST")),
            Some(_) => Err(unknown()),
        }
    }
}

/// The credentials, and the host they are for.
fn parse(line: &str) -> Option<(Credentials, Option<Host>)> {
    let Some(rest) = line.strip_prefix("https://") else {
        let plain = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_graphic());
        return plain.then(|| (Credentials { user: ANY_USER.to_owned(), password: line.into() }, None));
    };
    let (userinfo, host) = rest.trim_end_matches('/').rsplit_once('@')?;
    let (user, password) = userinfo.split_once(':')?;
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%');
    let host = host.parse().ok()?;
    (plain(user) && plain(password))
        .then(|| (Credentials { user: user.to_owned(), password: password.into() }, Some(host)))
}

#[cfg(test)]
mod tests {
    use pipelinex_common::{secrets::Secret, store::NewSecret};
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secret_is_shown_to_its_host_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bare"), "s3cret\n").unwrap();
        fs::write(folder.path().join("bound"), "https://ci:s3cret@git.example:8443\n").unwrap();
        fs::write(folder.path().join("broken"), "https://git.example").unwrap();
        let (github, other): (Host, Host) = (Host::github(), "git.example:8443".parse().unwrap());
        let both = [github.clone(), other.clone()];
        let read = |name: &str, host: &Host, allowed: &[Host]| match Credentials::read(
            Some(folder.path()),
            name,
            host,
            allowed,
        ) {
            Ok(found) => format!("{}:{}", found.user, found.password.expose_secret()),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(read("bare", &github, &both[..1]), "x-access-token:s3cret");
        assert_eq!(read("bound", &other, &both), "ci:s3cret");
        for (name, host) in
            [("bound", &github), ("none", &github), ("../bare", &github), ("", &github), (".bare", &github)]
        {
            let refused = read(name, host, &both);
            assert!(refused.starts_with("Refused") && refused.contains("git-token-unknown"), "{name}: {refused}");
        }
        for name in ["bare", "broken"] {
            let unusable = read(name, &github, &both);
            assert!(unusable.starts_with("Unusable") && !unusable.contains("s3cret"), "{unusable}");
        }
        assert!(matches!(Credentials::read(None, "bare", &github, &both), Err(TokenError::Refused(_))));
    }

    #[test]
    fn a_token_of_a_project_is_for_its_host_and_its_own_submissions() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("workspaces")).unwrap();
        let key = SecretKey::create(&dir.path().join("key"), store.layout().root()).unwrap();
        for (name, value) in [("DEPLOY", "s3cret-token"), ("NAMED", "me:s3cret:token")] {
            let purpose = Purpose::Git("git.example:8443".to_owned());
            let secret = Secret::new(name, purpose, true, false, value.into()).unwrap();
            store.set_secret(&key, &NewSecret { project: "shop", secret: &secret, by: "ada" }).unwrap();
        }
        let host: Host = "git.example:8443".parse().unwrap();
        let read = |key, project: &str, name: &str, host: &Host| {
            let found = Credentials::of_project(&store, key, project, name, host).unwrap();
            found.map(|found| format!("{} {}", found.user, found.password.expose_secret()))
        };
        assert_eq!(read(Some(&key), "shop", "DEPLOY", &host).unwrap(), "x-access-token s3cret-token");
        assert_eq!(read(Some(&key), "shop", "NAMED", &host).unwrap(), "me s3cret:token");
        assert_eq!(read(Some(&key), "site", "DEPLOY", &host), None);
        assert_eq!(read(Some(&key), "shop", "DEPLOY", &Host::github()), None);
        assert_eq!(read(None, "shop", "OTHER", &host), None);
        let without = Credentials::of_project(&store, None, "shop", "DEPLOY", &host);
        assert!(matches!(without, Err(TokenError::Unusable(why)) if why.contains("--secrets-key")));
    }
}
