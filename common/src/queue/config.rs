//! Where the Redis is, parsed once; the password inside it never leaves this file as text.

use std::{fmt, time::Duration};

use redis::{Client, IntoConnectionInfo, io::tcp::TcpSettings, io::tcp::socket2::TcpKeepalive};
use secrecy::{ExposeSecret, SecretString};

use crate::id::InstanceId;

/// A Redis URL that cannot be used. The sentence never repeats the URL: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedisUrl {
    /// Not a URL that names a Redis.
    #[error("not a Redis URL: it looks like redis://127.0.0.1:6379 or redis://user:password@host:6379/0")]
    Malformed,
    /// `rediss://` asks for TLS, which is not built in.
    #[error(
        "a Redis URL with rediss:// asks for TLS, which Pipelinex does not speak to Redis yet: use redis:// on a private network, or a TLS tunnel beside it"
    )]
    Tls,
}

/// Which Redis, and which list in it.
#[derive(Clone)]
pub struct RedisConfig {
    pub(super) client: Client,
    /// Host and port, without user name and password: for logs and errors.
    pub(super) address: String,
    /// The list of this installation.
    pub(super) key: String,
    secrets: Vec<SecretString>,
}

impl RedisConfig {
    /// Checks the URL and derives the key of the list from the instance, so that two installations on one Redis do not
    /// ring at each other's doors.
    pub fn new(url: &SecretString, instance: &InstanceId) -> Result<Self, InvalidRedisUrl> {
        let text = url.expose_secret();
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("rediss" | "valkeys") => return Err(InvalidRedisUrl::Tls),
            Some(_) => {}
            None => return Err(InvalidRedisUrl::Malformed),
        }
        let info = text.into_connection_info().map_err(|_| InvalidRedisUrl::Malformed)?;
        let address = info.addr().to_string();
        let password = info.redis_settings().password().filter(|password| !password.is_empty());
        let mut secrets: Vec<SecretString> = password.map(SecretString::from).into_iter().collect();
        // The form in the URL may be percent-encoded; both forms are kept out of texts.
        let in_url = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        let encoded = in_url.and_then(|(login, _)| login.split_once(':')).map(|(_, password)| password);
        secrets.extend(encoded.filter(|password| !password.is_empty()).map(SecretString::from));
        let client = Client::open(info.set_tcp_settings(tcp_settings())).map_err(|_| InvalidRedisUrl::Malformed)?;
        Ok(Self { client, address, key: format!("pipelinex:{}:bells", instance.as_str()), secrets })
    }

    /// What Redis said, without the password: some servers repeat the arguments of a command that they do not know.
    pub(super) fn redact(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "***"))
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig").field("address", &self.address).field("key", &self.key).finish_non_exhaustive()
    }
}

/// A connection whose other end is gone without a word is found dead within about 20 s, whether idle or writing.
fn tcp_settings() -> TcpSettings {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(5)).with_interval(Duration::from_secs(5)).with_retries(3);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive).set_user_timeout(Duration::from_secs(20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<RedisConfig, InvalidRedisUrl> {
        RedisConfig::new(&SecretString::from(url), &InstanceId::generate())
    }

    #[test]
    fn a_url_is_checked_before_anything_connects() {
        for bad in ["", "localhost", "localhost:6379", "http://localhost", "redis://", "redis://host:notaport"] {
            assert_eq!(parse(bad).unwrap_err(), InvalidRedisUrl::Malformed, "{bad}");
        }
        assert_eq!(parse("rediss://localhost").unwrap_err(), InvalidRedisUrl::Tls);
        assert_eq!(parse("redis://host:7000/2").unwrap().address, "host:7000");
    }

    #[test]
    fn the_password_is_in_no_text() {
        let config = parse("redis://user:s3cr%40et@host:6379").unwrap();
        assert!(!format!("{config:?}").contains("s3cr"));
        let said = "ERR unknown command 'AUTH', with args beginning with: 'user' 's3cr@et' or s3cr%40et";
        assert!(!config.redact(said).contains("s3cr"));
    }
}
