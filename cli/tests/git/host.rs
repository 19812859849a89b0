//! A Git server: `git http-backend` behind TLS of an authority of the tests' own. What it does instead, a story says.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinHandle};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What was asked of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    pub authorization: Option<String>,
}

impl Asked {
    pub fn is_list(&self) -> bool {
        self.path.contains("/info/refs?")
    }
}

/// What a host does.
pub enum Reply {
    /// What Git does.
    Git,
    /// What Git does, changed: a part of it, or one byte after another.
    Changed(Box<dyn Fn(Vec<u8>) -> Vec<u8> + Send>),
    Drip(Duration),
    /// Breaks off after so many bytes.
    Cut(usize),
    /// An answer of that kind.
    Bytes(&'static str, Vec<u8>),
    /// The same bytes again and again, after the first ones.
    Endless(Vec<u8>, Vec<u8>),
    Status(u16),
    Redirect(u16, String),
    Stall,
}

pub struct Host {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Host {
    /// Serves the repositories of a folder, as the script says.
    pub async fn start(repositories: &Path, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let serve =
            Arc::new(Serve { repositories: repositories.to_owned(), script: Box::new(script), asked: asked.clone() });
        let acceptor = TlsAcceptor::from(AUTHORITY.server.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, serve) = (acceptor.clone(), serve.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let answer = service_fn(|request| serve.answer(request));
                    let _ =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { address, asked, task }
    }

    /// How a list of allowed hosts names it.
    pub fn name(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// The address of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("https://{}/team/{name}.git", self.name())
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

struct Serve {
    repositories: PathBuf,
    script: Box<dyn Fn(&Asked) -> Reply + Send + Sync>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Serve {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let asked = Asked {
            method: request.method().to_string(),
            path: request.uri().path_and_query().unwrap().to_string(),
            authorization: text("authorization"),
        };
        let reply = (self.script)(&asked);
        self.asked.lock().unwrap().push(asked);
        Ok(match reply {
            Reply::Git => self.git(request).await.map(whole),
            Reply::Changed(change) => self.git(request).await.map(|body| whole(change(body))),
            Reply::Cut(bytes) => {
                let broken = Err(std::io::Error::other("cut"));
                self.git(request)
                    .await
                    .map(|body| pieces(stream::iter([Ok(body[..bytes.min(body.len())].to_vec()), broken])))
            }
            Reply::Drip(pause) => self.git(request).await.map(|body| {
                pieces(stream::iter(body).then(move |byte| async move {
                    tokio::time::sleep(pause).await;
                    Ok(vec![byte])
                }))
            }),
            Reply::Bytes(kind, bytes) => Response::builder().header("content-type", kind).body(whole(bytes)).unwrap(),
            Reply::Endless(first, again) => {
                let kind = "application/x-git-upload-pack-result";
                let all = stream::once(async { Ok(first) }).chain(stream::repeat_with(move || Ok(again.clone())));
                Response::builder().header("content-type", kind).body(pieces(all)).unwrap()
            }
            Reply::Status(code) => Response::builder().status(code).body(whole(b"no".to_vec())).unwrap(),
            Reply::Redirect(code, to) => {
                Response::builder().status(code).header("location", to).body(whole(Vec::new())).unwrap()
            }
            Reply::Stall => std::future::pending().await,
        })
    }

    /// `git http-backend` as a CGI program.
    async fn git(&self, request: Request<Incoming>) -> Response<Vec<u8>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix("/team").unwrap_or("/none").to_owned();
        let body = body.collect().await.unwrap().to_bytes();
        let kind = head.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let mut child = tokio::process::Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.repositories)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .env("PATH_INFO", path)
            .env("QUERY_STRING", head.uri.query().unwrap_or_default())
            .env("REQUEST_METHOD", head.method.as_str())
            .env("CONTENT_TYPE", kind)
            .env("REMOTE_ADDR", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let written = tokio::spawn(async move {
            let _ = stdin.write_all(&body).await;
        });
        let output = child.wait_with_output().await.unwrap().stdout;
        written.await.unwrap();
        let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let mut response = Response::builder();
        for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
            let (name, value) = line.split_once(": ").unwrap();
            response = match name {
                "Status" => response.status(value[..3].parse::<u16>().unwrap()),
                _ => response.header(name, value),
            };
        }
        response.body(output[end + 4..].to_vec()).unwrap()
    }
}

fn whole(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync()
}

fn pieces(pieces: impl stream::Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static) -> Body {
    StreamBody::new(pieces.map(|piece| piece.map(|piece| Frame::data(Bytes::from(piece))))).boxed_unsync()
}

/// Who signs the certificate of every host here.
pub struct Authority {
    pub pem: String,
    server: Arc<ServerConfig>,
}

pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own_key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&own_key, &issuer).unwrap();
    let private = PrivateKeyDer::try_from(own_key.serialize_der()).unwrap();
    let server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.der().clone()], private).unwrap();
    Authority { pem: authority.pem(), server: Arc::new(server) }
});
