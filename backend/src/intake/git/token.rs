//! Secrets for private repositories. A request names one; the operator keeps them as files in one folder, and which host
//! may see one is part of it.
//!
//! A file holds one line: `https://USER:TOKEN@HOST`, as Git's own credential store writes it; or the bare token, which is
//! only taken where a single host is allowed, so that no submitter can send it to another.

use std::{fs, io, path::Path};

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
}
