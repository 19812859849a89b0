//! Which repositories may be cloned: https, a host on the operator's list, and a path of plain names. Everything else is
//! refused and never repaired: two programs that read one URL differently are how a request reaches another host.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::fault::GitRule;
use crate::error::Problem;

/// The longest URL, in bytes.
const URL_BYTES: usize = 500;
/// The most folders and names in a path: groups of GitLab nest.
const SEGMENTS_MAX: usize = 10;
/// Where every repository is `owner/name`.
const GITHUB: &str = "github.com";
/// The field of the request.
const FIELD: &str = "github_url";

/// A host from which may be cloned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    name: String,
    /// Absent: that of https, and then a URL must not name one.
    port: Option<u16>,
}

/// What is no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is a name such as github.com, or git.example.org:8443")]
pub struct InvalidHost;

impl Host {
    /// The public default.
    pub fn github() -> Self {
        Self { name: GITHUB.to_owned(), port: None }
    }
}

impl FromStr for Host {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let (name, port) = match text.split_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, Some(port.parse::<u16>().ok().filter(|port| *port > 0).ok_or(InvalidHost)?))
            }
            Some(_) => return Err(InvalidHost),
            None => (text, None),
        };
        let label = |label: &str| {
            let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        match name.len() <= 253 && name.split('.').all(label) {
            true => Ok(Self { name: name.to_ascii_lowercase(), port }),
            false => Err(InvalidHost),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The address of a repository on a host that is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryUrl {
    host: Host,
    /// As it was written, without slashes at its ends.
    path: String,
}

impl RepositoryUrl {
    /// Reads the address.
    ///
    /// # Errors
    /// What is wrong with it; text that may hold a password is not repeated.
    pub fn parse(text: &str, allowed: &[Host]) -> Result<Self, Problem> {
        let malformed = |why: &str| {
            let hint = "write https://HOST/OWNER/NAME, such as https://github.com/owner/name";
            GitRule::UrlMalformed.problem_at(FIELD, why, hint)
        };
        if text.len() > URL_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = format!("the URL has more than {URL_BYTES} bytes, or characters other than plain ASCII");
            return Err(malformed(&why));
        }
        let rest = text.strip_prefix("https://").ok_or_else(|| {
            let hint =
                "submit the repository's https address; a private one needs the name of a token of the operator's";
            GitRule::UrlScheme.problem_at(FIELD, "only https:// is cloned from", hint)
        })?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            let hint = "send `token` with the name of a secret that the operator keeps";
            let message = "a user name or password does not belong into the URL";
            return Err(GitRule::UrlCredentials.problem_at(FIELD, message, hint));
        }
        let host: Host = authority.parse().map_err(|_| malformed("the host of the URL is no plain name"))?;
        if !allowed.contains(&host) {
            return Err(not_allowed(&host, allowed));
        }
        let path = check_path(path, &host).map_err(|why| malformed(&why))?;
        Ok(Self { host, path })
    }

    /// Where the repository's own calls begin.
    pub fn endpoint(&self) -> String {
        format!("https://{}/{}", self.host, self.path)
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What the jobs of this repository belong to: its address, however it was written.
    pub fn project(&self) -> String {
        let endpoint = self.endpoint();
        endpoint.strip_suffix(".git").unwrap_or(&endpoint).to_owned()
    }
}

fn check_path(path: &str, host: &Host) -> Result<String, String> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let plain = |segment: &str| {
        let known = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-~+".contains(&byte));
        known && !segment.is_empty() && !segment.starts_with(['-', '.']) && segment != ".git"
    };
    let segments: Vec<&str> = path.split('/').collect();
    if segments.len() > SEGMENTS_MAX || !segments.iter().all(|segment| plain(segment)) {
        return Err("the path of the URL is not made of plain names (letters, digits, . _ - ~ +)".to_owned());
    }
    if host.name == GITHUB && segments.len() != 2 {
        return Err(format!("the path of a repository on {GITHUB} is OWNER/NAME, and nothing behind it"));
    }
    Ok(path.to_owned())
}

fn not_allowed(host: &Host, allowed: &[Host]) -> Problem {
    let names: Vec<_> = allowed.iter().map(ToString::to_string).collect();
    let hint = match names.as_slice() {
        [] => "the operator allows no host; a ZIP can be uploaded".to_owned(),
        names => format!("allowed: {}; the operator can add hosts with PIPELINEX_GIT_HOSTS", names.join(", ")),
    };
    let message = format!("`{host}` is not a host from which this server clones");
    GitRule::HostNotAllowed.problem_at(FIELD, &message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> String {
        let allowed = [Host::github(), "git.example:8443".parse().unwrap()];
        match RepositoryUrl::parse(text, &allowed) {
            Ok(url) => url.endpoint(),
            Err(problem) => problem.rule,
        }
    }

    #[test]
    fn what_is_cloned_is_an_https_address_on_a_known_host() {
        for (text, project) in [
            ("https://github.com/owner/name", "https://github.com/owner/name"),
            ("https://github.com/owner/name.git", "https://github.com/owner/name"),
            ("https://github.com/owner/name/", "https://github.com/owner/name"),
            ("https://GitHub.com/Owner/n_a.m-e+~", "https://github.com/Owner/n_a.m-e+~"),
            ("https://git.example:8443/a/b/c/d.git", "https://git.example:8443/a/b/c/d"),
        ] {
            let allowed = [Host::github(), "git.example:8443".parse().unwrap()];
            assert_eq!(RepositoryUrl::parse(text, &allowed).unwrap().project(), project);
        }
    }

    #[test]
    fn everything_else_is_refused_and_nothing_is_repaired() {
        for (case, text, expected) in [
            ("G01", "file:///etc/passwd", "git-url-scheme"),
            ("G01", "ssh://git@github.com/a/b", "git-url-scheme"),
            ("G01", "git://github.com/a/b", "git-url-scheme"),
            ("G01", "git@github.com:a/b", "git-url-scheme"),
            ("G01", "ext::sh", "git-url-scheme"),
            ("G01", "http://github.com/a/b", "git-url-scheme"),
            ("G01", "HTTPS://github.com/a/b", "git-url-scheme"),
            ("G01", "https:/github.com/a/b", "git-url-scheme"),
            ("G01", "https:///github.com/a/b", "git-url-malformed"),
            ("G02", "--upload-pack=x", "git-url-scheme"),
            ("G02", "https://github.com/-u/b", "git-url-malformed"),
            ("G03", "https://user:tok@github.com/a/b", "git-url-credentials"),
            ("G03", "https://github.com@evil.example/a/b", "git-url-credentials"),
            ("G04", "https://github.com/a/b\n", "git-url-malformed"),
            ("G04", "https://github.com/a/b%0a", "git-url-malformed"),
            ("G05", "https://github.com./a/b", "git-url-malformed"),
            ("G05", "https://github.com:443/a/b", "git-host-not-allowed"),
            ("G05", "https://github.com:/a/b", "git-url-malformed"),
            ("G05", "https://github.com:+443/a/b", "git-url-malformed"),
            ("G05", "https://evil#github.com/a/b", "git-url-malformed"),
            ("G05", "https://github.com\\.evil/a/b", "git-url-malformed"),
            ("G05", "https://xn--gthub-n4a.com/a/b", "git-host-not-allowed"),
            ("G05", "https://g\u{ff49}thub.com/a/b", "git-url-malformed"),
            ("G05", "https://evil.github.com/a/b", "git-host-not-allowed"),
            ("G05", "https://git.example/a/b", "git-host-not-allowed"),
            ("G07", "https://127.0.0.1/a/b", "git-host-not-allowed"),
            ("G07", "https://2130706433/a/b", "git-host-not-allowed"),
            ("G07", "https://[::1]/a/b", "git-url-malformed"),
            ("", "https://github.com", "git-url-malformed"),
            ("", "https://github.com/owner", "git-url-malformed"),
            ("", "https://github.com/a/b/tree/main", "git-url-malformed"),
            ("", "https://github.com/a/b?x=1", "git-url-malformed"),
            ("", "https://github.com/a/b#x", "git-url-malformed"),
            ("", "https://github.com/a/../b", "git-url-malformed"),
            ("", "https://github.com/a//b", "git-url-malformed"),
            ("", "https://github.com/a/.git", "git-url-malformed"),
        ] {
            assert_eq!(rule(text), expected, "{case}: {text}");
        }
        assert_eq!(rule(&format!("https://github.com/a/{}", "b".repeat(500))), "git-url-malformed");
    }

    #[test]
    fn a_password_is_not_repeated() {
        let refused = RepositoryUrl::parse("https://me:s3cret@github.com/a/b", &[Host::github()]).unwrap_err();
        assert!(!format!("{refused:?}").contains("s3cret"), "{refused:?}");
    }
}
