//! Networks that let nobody out but their proxy: clones go through the one that the operator names, and no rule changes by it.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    host::{Asked, Host, Reply},
    repository::{Files, Repository},
    world::story,
};

const LIST: &str = "/info/refs?service=git-upload-pack";
/// A host that is nowhere but in the proxy's own book of addresses: nothing listens on that port.
const BEHIND: &str = "localhost:1";

/// A proxy that connects to the hosts in its book and refuses all others.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    async fn start(book: &[(&str, SocketAddr)]) -> Self {
        let book: Arc<BTreeMap<String, SocketAddr>> =
            Arc::new(book.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let asked = heads.clone();
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(client, book.clone(), asked.clone()));
            }
        });
        Self { address, heads, task }
    }

    /// What was asked of it: first lines and, in lower case, headers.
    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn targets(&self) -> Vec<String> {
        self.heads().iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

async fn carry(mut client: TcpStream, book: Arc<BTreeMap<String, SocketAddr>>, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head);
    let Some(address) = book.get(&target) else {
        let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        return;
    };
    let mut host = TcpStream::connect(address).await.unwrap();
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut host).await;
}

#[test]
fn clones_go_through_the_proxy_and_it_learns_the_host_and_nothing_else() {
    story(async |world| {
        Repository::with(&world.repositories(), "shop", Files::project());
        let host = Host::start(&world.repositories(), |_| Reply::Git).await;
        let proxy = Proxy::start(&[(BEHIND, host.address)]).await;
        let tokens = world.path("tokens");
        fs::create_dir(&tokens).unwrap();
        fs::write(tokens.join("ci"), "s3cret-token").unwrap();
        let address = format!("http://me:s3cret-proxy@{}", proxy.address);
        world.serve(&[BEHIND], &["--git-proxy", &address, "--git-tokens", tokens.to_str().unwrap()]).await;
        let answer = world.submit(&format!("https://{BEHIND}/team/shop.git"), json!({"token": "ci"})).await;
        assert!(world.job(&answer).join("source/pom.xml").exists());
        assert!(host.asked().iter().all(|asked| asked.authorization.is_some()) && host.asked().len() == 2);
        assert!(!proxy.heads().is_empty());
        for head in proxy.heads() {
            assert!(head.starts_with(&format!("CONNECT {BEHIND} HTTP/1.1\r\n")), "{head}");
            assert!(head.contains("Basic bWU6czNjcmV0LXByb3h5\r\n"), "user and password of the proxy: {head}");
            let head = head.to_lowercase();
            assert!(!head.contains("\r\nauthorization:"), "the token is for the host: {head}");
        }
        assert!(host.asked().iter().all(|asked| !asked.path.contains("proxy")));
        assert!(!world.log().contains("s3cret"), "{}", world.log());
    });
}

#[test]
fn a_host_that_the_operator_excepts_is_reached_without_the_proxy() {
    story(async |world| {
        Repository::with(&world.repositories(), "shop", Files::project());
        let inside = Host::start(&world.repositories(), |_| Reply::Git).await;
        let proxy = Proxy::start(&[(BEHIND, inside.address)]).await;
        let address = format!("http://{}", proxy.address);
        let more = ["--git-proxy", &address, "--git-no-proxy", &inside.name()];
        world.serve(&[&inside.name(), BEHIND], &more).await;
        let direct = world.submit(&inside.url("shop"), json!({})).await;
        assert_eq!((direct.status, proxy.targets()), (201, vec![]), "{direct:?}");
        let through = world.submit(&format!("https://{BEHIND}/team/shop.git"), json!({})).await;
        assert_eq!(through.status, 201, "{through:?}");
        assert!(!proxy.targets().is_empty() && proxy.targets().iter().all(|target| target == BEHIND));
    });
}

#[test]
fn no_rule_changes_behind_a_proxy() {
    story(async |world| {
        Repository::with(&world.repositories(), "shop", Files::project());
        let excepted = Host::start(&world.repositories(), |_| Reply::Git).await;
        let to_excepted = format!("{}{LIST}", excepted.url("shop"));
        let host = Host::start(&world.repositories(), move |asked: &Asked| match asked.is_list() {
            true if asked.path.contains("/stranger.git") => {
                Reply::Redirect(302, format!("https://localhost:2/team/shop.git{LIST}"))
            }
            true if asked.path.contains("/inside.git") => Reply::Redirect(302, to_excepted.clone()),
            _ => Reply::Git,
        })
        .await;
        // The proxy itself would lead to the stranger.
        let proxy = Proxy::start(&[(BEHIND, host.address), ("localhost:2", host.address)]).await;
        let address = format!("http://{}", proxy.address);
        let more = ["--git-proxy", &address, "--git-no-proxy", &excepted.name()];
        world.serve(&[BEHIND, &excepted.name()], &more).await;
        let submit = async |name: &str| world.submit(&format!("https://{BEHIND}/team/{name}.git"), json!({})).await;
        assert_eq!(submit("stranger").await.rule(), "422 git-redirect -");
        assert_eq!(submit("inside").await.status, 201, "a redirect takes the way of the host that it leads to");
        assert_eq!(excepted.asked().len(), 2);
        let stranger = world.submit("https://localhost:2/team/shop.git", json!({})).await;
        assert_eq!(stranger.rule(), "422 git-host-not-allowed github_url");
        assert!(proxy.targets().iter().all(|target| target == BEHIND), "{:?}", proxy.targets());
    });
}

#[test]
fn a_proxy_that_refuses_is_named_without_its_password() {
    story(async |world| {
        let proxy = Proxy::start(&[]).await;
        let address = format!("http://me:s3cret@{}", proxy.address);
        world.serve(&[BEHIND], &["--git-proxy", &address]).await;
        let answer = world.submit(&format!("https://{BEHIND}/team/shop.git"), json!({})).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        assert!(answer.said().contains("through the operator's proxy (PIPELINEX_GIT_PROXY)"), "{answer:?}");
        assert!(!answer.body.to_string().contains("s3cret") && !world.log().contains("s3cret"), "{answer:?}");
        let wrong = world.command(&["backend", "--git-proxy", "socks5://me:s3cret@h:1"]).output().unwrap();
        let said = String::from_utf8(wrong.stderr).unwrap();
        assert_eq!(wrong.status.code(), Some(64), "{said}");
        assert!(said.contains("PIPELINEX_GIT_PROXY") && said.contains("http://") && !said.contains("s3cret"), "{said}");
    });
}
