//! The two calls of Git's smart HTTP protocol, with everything that they must not do: leave the allowed hosts, show a
//! secret to another host, or receive more than a clone may have.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use pipelinex_common::{foreign::shown, limits::IntakeLimits};
use reqwest::{Certificate, ClientBuilder, Proxy, RequestBuilder, Response, StatusCode, Url, header, redirect};

use super::packet;
use crate::{
    error::Problem,
    intake::git::{
        fault::{CloneError, GitRule},
        order::Order,
        url::{Host, RepositoryUrl},
    },
};

/// How long a connection may take; the server's deadline is for the whole clone.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// Redirects before the list of branches: a host that moved a repository needs one.
const REDIRECTS_MAX: usize = 3;
/// The longest list of branches and tags, in bytes: the largest public repositories have 20 MiB.
const ADVERTISEMENT_MAX: usize = 64 * 1024 * 1024;
/// Hosts that show pages to browsers and repositories to Git go by the first word.
const USER_AGENT: &str = concat!("git/2.0 (pipelinex ", env!("CARGO_PKG_VERSION"), ")");

const REFS: &str = "/info/refs?service=git-upload-pack";
const PACK: &str = "/git-upload-pack";
const REFS_TYPE: &str = "application/x-git-upload-pack-advertisement";
const PACK_REQUEST_TYPE: &str = "application/x-git-upload-pack-request";
const PACK_TYPE: &str = "application/x-git-upload-pack-result";

/// Speaks to one repository.
pub(super) struct Carrier {
    /// Through the proxy, where there is one.
    http: reqwest::Client,
    /// For hosts that are reached without it.
    beside: reqwest::Client,
    proxied: bool,
    direct: Vec<Host>,
    url: RepositoryUrl,
    hosts: Vec<Host>,
    credentials: Option<(String, String)>,
    limits: IntakeLimits,
    received: u64,
}

impl Carrier {
    /// Clients that follow nothing by themselves.
    pub fn new(order: &Order) -> Result<Self, CloneError> {
        let more = order.ca_certs.as_deref().map(certificates).transpose()?.unwrap_or_default();
        // No text of an error of it may be shown: it could repeat the password.
        let unusable = |_| CloneError::Ours("the proxy of PIPELINEX_GIT_PROXY cannot be used".to_owned());
        let proxy = order.proxy.as_deref().map(Proxy::https).transpose().map_err(unusable)?;
        let client = |proxy: Option<Proxy>| {
            let builder = reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .https_only(true)
                .no_proxy()
                .redirect(redirect::Policy::none())
                .referer(false)
                .connect_timeout(CONNECT_LIMIT)
                .tls_certs_merge(more.clone());
            let built = proxy.into_iter().fold(builder, ClientBuilder::proxy).build();
            built
                .map_err(|error| CloneError::internal("prepare TLS (is ca-certificates installed?)", innermost(&error)))
        };
        Ok(Self {
            proxied: proxy.is_some(),
            http: client(proxy)?,
            beside: client(None)?,
            direct: order.direct.clone(),
            url: order.url.clone(),
            hosts: order.hosts.clone(),
            credentials: order.credentials.clone(),
            limits: order.limits.clone(),
            received: 0,
        })
    }

    /// Bytes that came in.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The list of branches and tags, as it came.
    pub async fn advertisement(&mut self) -> Result<Vec<u8>, CloneError> {
        for _ in 0..=REDIRECTS_MAX {
            let request = self.http().get(format!("{}{REFS}", self.url.endpoint()));
            let response = self.send(request).await?;
            if response.status().is_redirection() {
                self.follow(&response)?;
                continue;
            }
            let mut pieces = self.judge(response, REFS_TYPE)?;
            let mut whole = Vec::new();
            while let Some(piece) = self.next(&mut pieces).await? {
                whole.extend_from_slice(&piece);
                if whole.len() > ADVERTISEMENT_MAX {
                    return Err(CloneError::TooLarge("the repository has too many branches and tags".to_owned()));
                }
            }
            return Ok(whole);
        }
        let hint = "open the repository in a browser, and submit the address where it ends";
        Err(GitRule::Redirect.problem(format!("the host redirects more than {REDIRECTS_MAX} times"), hint).into())
    }

    /// Asks for a pack. What comes is read with [`Self::next`].
    pub async fn upload_pack(&mut self, body: String) -> Result<Pieces, CloneError> {
        let request = self.http().post(format!("{}{PACK}", self.url.endpoint()));
        let request = request.header(header::CONTENT_TYPE, PACK_REQUEST_TYPE).body(body);
        let response = self.send(request).await?;
        if response.status().is_redirection() {
            return Err(astray(&response));
        }
        self.judge(response, PACK_TYPE)
    }

    /// The next piece of an answer, counted; `None` at its end.
    pub async fn next(&mut self, pieces: &mut Pieces) -> Result<Option<Bytes>, CloneError> {
        let piece = pieces.0.chunk().await.map_err(|error| self.broke_off(&error))?;
        self.received += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        match self.received > self.limits.clone_bytes {
            true => Err(CloneError::too_many_bytes(&self.limits)),
            false => Ok(piece),
        }
    }

    /// The way to the host that is asked now: a redirect may have led to one with another way.
    fn http(&self) -> &reqwest::Client {
        if self.direct.contains(self.url.host()) { &self.beside } else { &self.http }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CloneError> {
        let request = match &self.credentials {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        request.send().await.map_err(|error| self.broke_off(&error))
    }

    /// Goes where a redirect leads, if that is a repository on an allowed host. Another host is shown no secret.
    fn follow(&mut self, response: &Response) -> Result<(), CloneError> {
        let named = location(response).and_then(|to| to.as_str().strip_suffix(REFS).map(str::to_owned));
        let target = named.ok_or_else(|| astray(response))?;
        let url = RepositoryUrl::parse(&target, &self.hosts).map_err(|_| astray(response))?;
        if url.host() != self.url.host() {
            self.credentials = None;
        }
        self.url = url;
        Ok(())
    }

    fn judge(&self, response: Response, kind: &str) -> Result<Pieces, CloneError> {
        let status = response.status();
        if matches!(status.as_u16(), 401 | 403 | 404 | 410) {
            return Err(self.not_found(status).into());
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(CloneError::Unreachable(format!("{} answered {status}; try again later", self.url.host())));
        }
        let sent = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match status == StatusCode::OK && sent == Some(kind) {
            true => Ok(Pieces(response)),
            false => Err(packet::broken()),
        }
    }

    fn not_found(&self, status: StatusCode) -> Problem {
        let code = status.as_u16();
        match self.credentials {
            Some(_) => GitRule::NotFound.problem(
                format!("the repository is not there, or the token does not open it (the host answered {code})"),
                "check the URL, and ask the operator whether the token may read this repository",
            ),
            None => GitRule::NotFound.problem(
                format!("the repository is not there, or it is private (the host answered {code})"),
                "check the URL; for a private repository send `token` with the name of a secret that the operator keeps",
            ),
        }
    }

    fn broke_off(&self, error: &reqwest::Error) -> CloneError {
        let (host, cause) = (self.url.host(), shown(&innermost(error)));
        let advice = match cause.contains("certificate") || cause.contains("UnknownIssuer") {
            true => "; the operator names certificates of an authority of their own with PIPELINEX_CA_CERTS",
            false => "",
        };
        let way = match self.proxied && !self.direct.contains(host) {
            true => " through the operator's proxy (PIPELINEX_GIT_PROXY)",
            false => "",
        };
        CloneError::Unreachable(match error.is_connect() {
            true => format!("cannot connect to {host}{way}: {cause}{advice}"),
            false => format!("the connection to {host} broke off: {cause}"),
        })
    }
}

/// An answer that is being read.
pub(super) struct Pieces(Response);

fn location(response: &Response) -> Option<Url> {
    let to = response.headers().get(header::LOCATION)?.to_str().ok()?;
    response.url().join(to).ok()
}

fn astray(response: &Response) -> CloneError {
    let to = match location(response) {
        Some(mut to) => {
            // Who wrote it there meant it for somebody else.
            let _ = (to.set_username(""), to.set_password(None));
            shown(to.as_str())
        }
        None => "nowhere".to_owned(),
    };
    let message = format!("the host redirects to {to}, from where is not cloned");
    let hint = "submit the address of the repository itself, on an allowed host";
    GitRule::Redirect.problem(message, hint).into()
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, CloneError> {
    let doing = "read the certificates of PIPELINEX_CA_CERTS";
    let pem = std::fs::read(path).map_err(|error| CloneError::internal(doing, error))?;
    Certificate::from_pem_bundle(&pem).map_err(|error| CloneError::internal(doing, error))
}

/// The last of the chain of causes says what happened; the ones before it say that a request failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
