//! Sends one delivery, and decides what becomes of it.

use std::{net::SocketAddr, path::Path, time::Duration};

use jiff::Timestamp;
use pipelinex_common::{
    hooks::HookEvent,
    store::{Delivery, HookRecord, HookTarget},
};
use reqwest::{Certificate, Url, header, redirect};
use tokio::{net::lookup_host, time::timeout};

use super::{address, backoff, body, status};
use crate::config::HooksConfig;

/// How long one try may take, the name of the host included.
const TRY_LIMIT: Duration = Duration::from_secs(10);
const EVENT: &str = "x-pipelinex-event";
const DELIVERY: &str = "x-pipelinex-delivery";
const SIGNATURE: &str = "x-hub-signature-256";
const USER_AGENT: &str = concat!("pipelinex/", env!("CARGO_PKG_VERSION"));

/// What a hook keeps from others, for as long as it is sent to.
pub struct Opened {
    /// Where to.
    pub target: HookTarget,
    /// The token of its host, where it tells that of commits.
    pub token: Option<String>,
}

/// Sends what is in the outbox.
#[derive(Debug)]
pub struct Courier {
    config: HooksConfig,
    certificates: Vec<Certificate>,
}

impl Courier {
    /// One that trusts these certificates besides the public ones.
    ///
    /// # Errors
    /// A sentence, when the file cannot be read.
    pub fn new(config: HooksConfig, ca_certs: Option<&Path>) -> Result<Self, String> {
        let read = |path: &Path| {
            let told = |why: &dyn std::fmt::Display| format!("{} cannot be used: {why}", path.display());
            let text = std::fs::read(path).map_err(|error| told(&error))?;
            Certificate::from_pem_bundle(&text).map_err(|error| told(&error))
        };
        Ok(Self { config, certificates: ca_certs.map(read).transpose()?.unwrap_or_default() })
    }

    /// Sends a delivery once.
    ///
    /// # Errors
    /// Why it was not taken, as a sentence that names nothing but the host.
    pub async fn send(&self, hook: &HookRecord, opened: &Opened, delivery: &Delivery) -> Result<(), String> {
        match timeout(TRY_LIMIT, self.try_once(hook, opened, delivery)).await {
            Ok(sent) => sent,
            Err(_) => Err(format!("no answer within {} seconds", TRY_LIMIT.as_secs())),
        }
    }

    async fn try_once(&self, hook: &HookRecord, opened: &Opened, delivery: &Delivery) -> Result<(), String> {
        let (base, public_url) = (&opened.target.url, self.config.public_url.as_deref());
        let call = hook
            .status
            .as_ref()
            .zip(opened.token.as_deref())
            .map(|(of, token)| status::call(delivery, hook.format, (base, &of.repository), token, public_url));
        let url = call.as_ref().map_or(base, |call| &call.url);
        let (url, _) = address::check_url(url).map_err(|error| error.to_string())?;
        let found = look_up(&url).await?;
        let admitted = address::admitted(found, url.scheme() == "https", &self.config.allowed_addresses);
        let client = self.client(&url, &admitted.map_err(|error| error.to_string())?)?;
        let request = match call {
            Some(status::Call { headers, body, .. }) => {
                let request = match body {
                    Some(body) => {
                        client.post(url).header(header::CONTENT_TYPE, "application/json").body(body.to_string())
                    }
                    None => client.get(url),
                };
                headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
            }
            None => {
                let body = body::body(delivery, hook.format, public_url).to_string();
                let mut request = client
                    .post(url)
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(EVENT, delivery.event.as_str())
                    .header(DELIVERY, &delivery.id);
                if let Some(secret) = &opened.target.secret {
                    request = request.header(SIGNATURE, body::signature(secret, body.as_bytes()));
                }
                request.body(body)
            }
        };
        let answer = request.send().await.map_err(|error| told(error.without_url()))?;
        // Nothing of what it says is read: it is not needed, and has no end that is known.
        match answer.status() {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(format!("it answered {status}, and redirects are not followed")),
            status => Err(format!("it answered {status}")),
        }
    }

    /// A client that connects to these addresses and to no other.
    fn client(&self, url: &Url, addresses: &[SocketAddr]) -> Result<reqwest::Client, String> {
        let built = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .tls_certs_merge(self.certificates.clone())
            .resolve_to_addrs(url.host_str().unwrap_or_default(), addresses)
            .build();
        built.map_err(|error| format!("TLS cannot be prepared: {}", told(error)))
    }

    /// When a delivery is sent again that has failed so often; `None`: never.
    pub fn next_try(&self, delivery: &Delivery) -> Option<Timestamp> {
        let once = delivery.event == HookEvent::Test;
        if once { None } else { backoff::after(delivery.tries, self.config.first_pause) }
    }
}

async fn look_up(url: &Url) -> Result<Vec<SocketAddr>, String> {
    let port = url.port_or_known_default().unwrap_or(443);
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let found = lookup_host((host, port)).await;
    Ok(found.map_err(|error| format!("the name of the host cannot be looked up: {error}"))?.collect())
}

/// The innermost reason of an error, which names no address.
fn told(error: reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = &error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}
