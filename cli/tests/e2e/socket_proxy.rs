//! The worker behind a proxy that passes only what docker-compose.socket-proxy.yml allows. The image of that proxy cannot be
//! pulled where these stories run, so its rules are kept by a proxy of ours, from the same file.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinHandle,
};

use crate::{
    product::socket,
    projects::{GATED, ends_having_run_once, printed, release, repository, shell, shell_project, shell_stack},
    world::{World, story},
};

/// The settings of the proxy that begin a part of the engine's API, as its documentation has them.
const PARTS: [(&str, &str); 9] = [
    ("CONTAINERS", "containers"),
    ("IMAGES", "images"),
    ("NETWORKS", "networks"),
    ("VOLUMES", "volumes"),
    ("INFO", "info"),
    ("PING", "_ping"),
    ("VERSION", "version"),
    ("EXEC", "exec"),
    ("BUILD", "build"),
];

struct SocketProxy {
    address: String,
    refused: Arc<Mutex<Vec<String>>>,
    passed: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for SocketProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SocketProxy {
    async fn start(allowed: BTreeMap<String, bool>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let (refused, passed) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (rules, no, yes) = (Arc::new(allowed), refused.clone(), passed.clone());
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(client, rules.clone(), no.clone(), yes.clone()));
            }
        });
        Self { address, refused, passed, task }
    }
}

/// One call a connection: what comes behind the first head is never looked at.
async fn carry(
    mut client: TcpStream,
    rules: Arc<BTreeMap<String, bool>>,
    refused: Arc<Mutex<Vec<String>>>,
    passed: Arc<Mutex<Vec<String>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let call = head.lines().next().unwrap().to_owned();
    if !allows(&rules, &call) {
        refused.lock().unwrap().push(call);
        let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        return;
    }
    passed.lock().unwrap().push(call);
    let mut engine = UnixStream::connect(socket()).await.unwrap();
    let upgrades = head.to_lowercase().contains("\r\nupgrade:");
    let head = if upgrades { head } else { head.replacen("\r\n", "\r\nConnection: close\r\n", 1) };
    engine.write_all(head.as_bytes()).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut engine).await;
}

fn allows(rules: &BTreeMap<String, bool>, call: &str) -> bool {
    let (method, path) = call.split_once(' ').unwrap();
    let mut parts = path.trim_start_matches('/').split(['/', '?', ' ']);
    let first = parts.next().unwrap();
    let part = if first.starts_with("v1.") { parts.next().unwrap() } else { first };
    let on = |name: &str| rules.get(name).copied().unwrap_or_default();
    let known = PARTS.iter().find(|(_, begins)| *begins == part);
    (matches!(method, "GET" | "HEAD") || on("POST")) && known.is_some_and(|(name, _)| on(name))
}

/// The proxy's settings in the compose file.
fn settings() -> BTreeMap<String, bool> {
    let file = fs::read_to_string(repository().join("docker-compose.socket-proxy.yml")).unwrap();
    let setting = |line: &str| {
        let (name, value) = line.trim().split_once(": ")?;
        let plain = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        plain.then(|| (name.to_owned(), value == "1"))
    };
    let settings: BTreeMap<_, _> = file.lines().filter_map(setting).collect();
    assert!(settings.len() >= 10 && settings["CONTAINERS"] && !settings["EXEC"], "{settings:?}");
    settings
}

#[test]
fn a_worker_needs_no_call_that_the_variant_with_a_socket_proxy_does_not_pass() {
    story(async |world| {
        let proxy = SocketProxy::start(settings()).await;
        runs_a_job(world, &proxy).await;
        assert_eq!(*proxy.refused.lock().unwrap(), Vec::<String>::new());
        let passed = proxy.passed.lock().unwrap().join("\n");
        for call in ["/containers/create", "/attach?", "/networks/create", "/volumes/create", "DELETE "] {
            assert!(passed.contains(call), "{call} went another way: {passed}");
        }
    });
}

async fn runs_a_job(world: &mut World, proxy: &SocketProxy) {
    let pipelines = shell_stack(world, "egress");
    let server = world.serve(&["serve", "--pipelines", &pipelines, "--docker-host", &proxy.address]).await;
    let id = server.submit(shell_project(GATED), &shell()).await;
    printed(world, &id, "begun\n").await;
    release(world, &id);
    ends_having_run_once(world, &server, &id).await;
    server.process.stop().await;
}

#[test]
fn the_proxy_of_these_stories_refuses_what_is_not_allowed() {
    let rules = settings();
    for (call, passes) in [
        ("GET /_ping HTTP/1.1", true),
        ("POST /v1.41/containers/create?name=x HTTP/1.1", true),
        ("DELETE /v1.41/volumes/x HTTP/1.1", true),
        ("POST /v1.41/exec/x/start HTTP/1.1", false),
        ("POST /v1.41/build HTTP/1.1", false),
        ("GET /v1.41/secrets HTTP/1.1", false),
        ("GET /v1.41/system/df HTTP/1.1", false),
    ] {
        assert_eq!(allows(&rules, call), passes, "{call}");
    }
    let silent = BTreeMap::from([("CONTAINERS".to_owned(), true)]);
    assert!(allows(&silent, "GET /containers/json HTTP/1.1") && !allows(&silent, "POST /containers/create HTTP/1.1"));
}
