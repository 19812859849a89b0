//! What the operator decides about the HTTP side. Read once, in `main`, and handed down.

use std::{path::PathBuf, sync::Arc, time::Duration};

use pipelinex_common::{
    database::DatabaseConfig,
    free_space::Watermark,
    limits::{IntakeLimits, MIB},
    policy::Policy,
    secrets::SecretKey,
};

use crate::{
    access::Auth,
    admission::OwnImages,
    client::{Network, TrustedProxies},
    http::tls::Tls,
    intake::git::{GitProxy, Host},
};

/// How the HTTP side behaves. Every number has its unit in its name or its type.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Whether there are accounts.
    pub auth: Auth,
    /// Whether jobs of nobody in particular have caches: where only one person can be meant.
    pub caches_of_anonymous: bool,
    /// Limits of what is taken in.
    pub intake: IntakeLimits,
    /// Names by which this server may be called, beside the loopback ones: a page that was lured here by a rebound
    /// name is refused. `*` allows every name.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call the API, such as `http://localhost:4200`.
    pub allowed_origins: Vec<String>,
    /// Proxies that are believed when they say for whom they ask.
    pub trusted_proxies: TrustedProxies,
    /// TLS of the server's own; `None`: plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// What no project can switch off.
    pub policy: Policy,
    /// Which images pipelines of projects' own may name; `None`: a worker of its own decides.
    pub own_images: Option<OwnImages>,
    /// The database that projects may ask for.
    pub database: DatabaseConfig,
    /// Where clones come from.
    pub git: GitConfig,
    /// Folders of this machine of which somebody may submit those below, by their path.
    pub local_roots: Vec<PathBuf>,
    /// Where webhooks go to, and what they name.
    pub hooks: HooksConfig,
    /// Limits of connections.
    pub connections: ConnectionLimits,
    /// What must be free on the disk before more is taken in.
    pub min_free: Watermark,
    /// Limits of work that is done at the same time.
    pub parallel: ParallelLimits,
}

/// Where clones come from, and who makes them. How much they may be is in the intake limits.
#[derive(Clone, Debug)]
pub struct GitConfig {
    /// Hosts from which may be cloned.
    pub hosts: Vec<Host>,
    /// The folder of secrets for private repositories.
    pub tokens: Option<PathBuf>,
    /// The key to the secrets of projects, tokens among them.
    pub secrets_key: Option<SecretKey>,
    /// Certificates to trust besides the public ones, as PEM.
    pub ca_certs: Option<PathBuf>,
    /// The proxy to go through. Nothing else is asked for one, no variable either.
    pub proxy: Option<GitProxy>,
    /// The program that clones: this one, also after its file was replaced by a newer version.
    pub program: PathBuf,
}

/// How webhooks are sent.
#[derive(Clone, Debug)]
pub struct HooksConfig {
    /// Networks besides the public Internet that may be sent to.
    pub allowed_addresses: Vec<Network>,
    /// Where people find this server, without a slash at its end; `None`: messages have no link.
    pub public_url: Option<String>,
    /// How long after a try that failed the first of the next ones comes.
    pub first_pause: Duration,
}

/// What one client, and all of them together, may hold open.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Connections that are open at once, shared among clients; one more is told 503. As many requests are answered at once
    /// that came by trusted proxies, shared likewise.
    pub most: usize,
    /// How long a client may take to send the head of a request, also the first and also on a connection that idles.
    pub head_timeout: Duration,
    /// The largest head of a request, in bytes.
    pub head_bytes: usize,
    /// How long a body may pause, or stay below the least rate.
    pub body_grace: Duration,
    /// The least rate of a body, in bytes per second: 50 MiB then take less than an hour.
    pub body_bytes_per_second: u64,
    /// How long a client may leave an answer unread, or read it below the least rate, before its connection is closed.
    pub send_grace: Duration,
    /// The least rate at which an answer is read, in bytes per second. Less than that of bodies: what a client reads is seen
    /// in steps of the system's buffers.
    pub send_bytes_per_second: u64,
    /// How long what a client still sends is read and thrown away after a refusal, so that it sees the answer.
    pub linger: Duration,
    /// How long requests that are being answered may go on after the order to stop.
    pub drain: Duration,
}

/// How much is done at the same time.
#[derive(Clone, Debug)]
pub struct ParallelLimits {
    /// Uploads that are received or looked at, shared among clients; one more is told 429.
    pub uploads: usize,
    /// Clones, each a process, shared among clients; one more is told 429.
    pub clones: usize,
    /// Projects that are unpacked and judged; others wait.
    pub intakes: usize,
    /// Answers that are being read from the disk; others wait.
    pub reads: usize,
    /// Logs, reports and artifacts that are being sent, shared among clients; one more is told 429 or 503.
    pub downloads: usize,
    /// Report archives that are being made; others wait.
    pub archives: usize,
}

impl Default for GitConfig {
    fn default() -> Self {
        let program = PathBuf::from("/proc/self/exe");
        Self { hosts: vec![Host::github()], tokens: None, secrets_key: None, ca_certs: None, proxy: None, program }
    }
}

impl Default for HooksConfig {
    fn default() -> Self {
        Self { allowed_addresses: Vec::new(), public_url: None, first_pause: Duration::from_secs(10) }
    }
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            most: 1024,
            head_timeout: Duration::from_secs(15),
            head_bytes: 32 * 1024,
            body_grace: Duration::from_secs(20),
            body_bytes_per_second: 16 * 1024,
            send_grace: Duration::from_secs(60),
            send_bytes_per_second: 8 * 1024,
            linger: Duration::from_secs(5),
            drain: Duration::from_secs(25),
        }
    }
}

impl Default for ParallelLimits {
    fn default() -> Self {
        Self { uploads: 32, clones: 8, intakes: 2, reads: 32, downloads: 128, archives: 2 }
    }
}

impl Config {
    /// Small limits and short times, so that a test reaches them.
    pub fn for_testing() -> Self {
        Self {
            auth: Auth::None,
            caches_of_anonymous: false,
            intake: IntakeLimits { upload_bytes: 2 * MIB, ..IntakeLimits::default() },
            allowed_hosts: vec!["pipelinex.test".to_owned()],
            allowed_origins: vec!["http://localhost:4200".to_owned()],
            trusted_proxies: TrustedProxies::default(),
            tls: None,
            policy: Policy::default(),
            own_images: None,
            database: DatabaseConfig::default(),
            git: GitConfig::default(),
            local_roots: Vec::new(),
            hooks: HooksConfig { first_pause: Duration::from_millis(20), ..HooksConfig::default() },
            connections: ConnectionLimits {
                head_timeout: Duration::from_millis(800),
                body_grace: Duration::from_millis(1500),
                send_grace: Duration::from_millis(800),
                linger: Duration::from_secs(1),
                drain: Duration::from_secs(5),
                ..ConnectionLimits::default()
            },
            min_free: Watermark::NONE,
            parallel: ParallelLimits::default(),
        }
    }
}
