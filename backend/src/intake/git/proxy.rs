//! The proxy of a network that lets nobody else out. Only an operator names one: a variable that happens to be set where the
//! server is started must not decide who sees the clones.

use secrecy::{ExposeSecret, SecretString};

use super::url::Host;

/// Where clones go through, and which do not.
#[derive(Clone, Debug)]
pub struct GitProxy {
    /// May hold a password.
    url: SecretString,
    /// Hosts that are reached without it.
    direct: Vec<Host>,
}

/// What is no proxy. Says nothing of what was given, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a proxy is an address such as http://proxy.example:3128, or http://USER:PASSWORD@proxy.example:3128")]
pub struct InvalidProxy;

impl GitProxy {
    /// Reads the address of a proxy.
    ///
    /// # Errors
    /// [`InvalidProxy`]: it is not http or https, has no host, or has more than a host and a port.
    pub fn new(url: &SecretString, direct: Vec<Host>) -> Result<Self, InvalidProxy> {
        let parsed: reqwest::Url = url.expose_secret().parse().map_err(|_| InvalidProxy)?;
        let plain = parsed.path() == "/" && parsed.query().is_none() && parsed.fragment().is_none();
        match matches!(parsed.scheme(), "http" | "https") && parsed.has_host() && plain {
            true => Ok(Self { url: url.clone(), direct }),
            false => Err(InvalidProxy),
        }
    }

    /// The address, password and all, for the process that clones.
    pub fn url(&self) -> String {
        self.url.expose_secret().to_owned()
    }

    /// Hosts that are reached without it.
    pub fn direct(&self) -> &[Host] {
        &self.direct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_host_and_no_path_and_its_password_is_in_no_text() {
        let parse = |text: &str| GitProxy::new(&SecretString::from(text), Vec::new());
        let good = parse("http://me:s3cret@proxy.example:3128").unwrap();
        assert!(!format!("{good:?}").contains("s3cret"));
        assert!(parse("https://proxy.example/").is_ok());
        for bad in ["", "proxy.example:3128", "socks5://h:1", "http://", "http://h/path", "http://h/?q", "file:///etc"]
        {
            assert_eq!(parse(bad).map(|_| ()), Err(InvalidProxy), "{bad}");
        }
    }
}
