//! The harness: one server per test, a client that speaks bytes where a library would be too polite, and fixtures.

use std::{io::Write, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use pipelinex_backend::{
    app::App,
    config::Config,
    http::serve::{ServeError, serve},
    stacks::Stacks,
};
use pipelinex_common::{
    id::JobId,
    queue::{self, Doorbell},
    store::{Job, Store},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// The boundary of the forms that are written by hand.
pub const BOUNDARY: &str = "pipelinex-test-boundary";

pub struct TestServer {
    pub store: Store,
    pub address: SocketAddr,
    pub client: reqwest::Client,
    pub shutdown: CancellationToken,
    task: JoinHandle<Result<(), ServeError>>,
    pub folder: Arc<tempfile::TempDir>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_on(queue::in_process().0, change).await
    }

    pub async fn start_on(doorbell: Doorbell, change: impl FnOnce(&mut Config)) -> Self {
        Self::start_over(Arc::new(tempfile::tempdir().unwrap()), doorbell, change).await
    }

    /// A server over a folder that another one has, or had before.
    pub async fn start_over(
        folder: Arc<tempfile::TempDir>,
        doorbell: Doorbell,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        show_the_log();
        let store = Store::open(folder.path()).unwrap();
        let mut config = Config::for_testing();
        change(&mut config);
        let app = App::new(store.clone(), doorbell, Stacks::load(None).unwrap(), config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(app, listener, shutdown.clone()));
        Self { store, address, client: reqwest::Client::new(), shutdown, task, folder }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.request(Method::GET, self.url(path))).await
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = timeout(Duration::from_secs(30), request.send()).await.expect("an answer in time").unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    /// Posts a form that was written by hand.
    pub async fn post_form(&self, path: &str, body: Vec<u8>) -> Answer {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.send(self.client.post(self.url(path)).header("content-type", kind).body(body)).await
    }

    pub async fn upload(&self, zip: &[u8], metadata: &Value) -> Answer {
        self.post_form("/api/jobs/upload", form(&[file(zip), text("metadata", &metadata.to_string())])).await
    }

    /// A job that was admitted.
    pub async fn job(&self) -> Job {
        let answer = self.upload(&project(), &request()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let id: JobId = answer.json()["job_id"].as_str().unwrap().parse().unwrap();
        self.store.job(id).unwrap()
    }

    /// A client of another address of this machine, such as 127.0.0.2.
    pub fn client_from(&self, last: u8) -> reqwest::Client {
        let address = std::net::IpAddr::from([127, 0, 0, last]);
        reqwest::Client::builder().local_address(address).no_proxy().build().unwrap()
    }

    pub async fn get_from(&self, last: u8, path: &str) -> Answer {
        self.send(self.client_from(last).get(self.url(path))).await
    }

    pub async fn upload_from(&self, client: &reqwest::Client, more: &[(&str, &str)]) -> Answer {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let upload = client.post(self.url("/api/jobs/upload")).header("content-type", kind).body(good_form());
        self.send(more.iter().fold(upload, |upload, (name, value)| upload.header(*name, *value))).await
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes as they are and returns what comes back until the server closes, or for at most five seconds.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes.as_ref()).await;
        read_all(&mut stream, Duration::from_secs(5)).await
    }

    /// A refusal leaves nothing: no job, no staged folder; and the server lives.
    pub async fn assert_untouched(&self) {
        assert_eq!(self.store.ids().unwrap(), [], "a refused request made a job");
        self.assert_nothing_staged().await;
        assert_eq!(self.get("/health").await.json(), json!({"status": "UP"}));
    }

    pub async fn assert_nothing_staged(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let left: Vec<PathBuf> =
                std::fs::read_dir(self.store.layout().staging()).unwrap().map(|entry| entry.unwrap().path()).collect();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "left in staging: {left:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn stop(self) {
        self.stop_and_keep().await;
    }

    /// Stops, and leaves the folder to the next one.
    pub async fn stop_and_keep(self) -> Arc<tempfile::TempDir> {
        self.shutdown.cancel();
        timeout(Duration::from_secs(20), self.task).await.expect("the server ends").unwrap().unwrap();
        self.folder
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A refusal has the one envelope, and never more of our insides than a sentence.
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 15), "{body}");
        assert!(!body.to_string().contains("/tmp"), "a path of ours: {body}");
        for name in ["x-content-type-options", "content-security-policy"] {
            assert!(self.headers.contains_key(name), "{name}");
        }
    }
}

/// What the server warns of stands in the output of a test that fails: an answer has only the number of its cause.
fn show_the_log() {
    let log = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::WARN);
    // Another test of this process has done so already.
    let _ = log.try_init();
}

/// Reads until the other side closes or nothing comes for `patience`.
pub async fn read_all(stream: &mut TcpStream, patience: Duration) -> String {
    let mut all = Vec::new();
    let mut piece = vec![0; 16 * 1024];
    while let Ok(Ok(count @ 1..)) = timeout(patience, stream.read(&mut piece)).await {
        all.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The status line of a raw answer.
pub fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// One part of a form, whole with its head.
pub fn part(head: &str, content: &[u8]) -> Vec<u8> {
    [format!("--{BOUNDARY}\r\n{head}\r\n\r\n").as_bytes(), content, b"\r\n"].concat()
}

pub fn file(zip: &[u8]) -> Vec<u8> {
    part(
        "Content-Disposition: form-data; name=\"project_zip\"; filename=\"app.zip\"\r\nContent-Type: application/zip",
        zip,
    )
}

pub fn text(name: &str, content: &str) -> Vec<u8> {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), content.as_bytes())
}

/// The parts with the last boundary.
pub fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat()
}

pub fn good_form() -> Vec<u8> {
    form(&[file(&project()), text("metadata", &request().to_string())])
}

/// The head of an upload that was written by hand; `more` are further header lines.
pub fn head(more: &str) -> String {
    format!(
        "POST /api/jobs/upload HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n{more}\r\n"
    )
}

pub fn request() -> Value {
    json!({
        "stack": {"language": "java", "framework": "spring-boot", "build_tool": "maven"},
        "versions": {"java": "17", "build_tool": "3.9"},
        "pipeline": {"run_secret_scan": true, "run_build": true, "run_unit_tests": true, "run_package": true},
    })
}

/// A small Spring Boot project.
pub fn project() -> Vec<u8> {
    zip(&[
        ("pom.xml", POM),
        ("src/main/java/app/App.java", "package app;\n\n@SpringBootApplication\npublic class App {}\n"),
        ("src/test/java/app/AppTest.java", "package app;\n\nclass AppTest {}\n"),
    ])
}

/// A small Spring Boot project with so many bytes that cannot be compressed.
pub fn project_of(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise: String = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state % 90) as u8)
    })
    .take(bytes)
    .collect();
    zip(&[
        ("pom.xml", POM),
        ("src/main/java/app/App.java", "package app;\n\n@SpringBootApplication\npublic class App {}\n"),
        ("src/test/java/app/AppTest.java", "package app;\n\nclass AppTest {}\n"),
        ("noise.txt", &noise),
    ])
}

pub fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const POM: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <parent>
    <groupId>org.springframework.boot</groupId>
    <artifactId>spring-boot-starter-parent</artifactId>
    <version>3.3.5</version>
  </parent>
  <groupId>app</groupId>
  <artifactId>app</artifactId>
  <version>1.0.0</version>
  <properties>
    <java.version>17</java.version>
  </properties>
  <dependencies>
    <dependency>
      <groupId>org.springframework.boot</groupId>
      <artifactId>spring-boot-starter-web</artifactId>
    </dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin>
        <groupId>org.springframework.boot</groupId>
        <artifactId>spring-boot-maven-plugin</artifactId>
      </plugin>
    </plugins>
  </build>
</project>
"#;

/// Compares an answer with the page that is checked in, ids and times and sizes made alike.
/// With `UPDATE_FIXTURES=1` in the environment the page is written instead: then read the difference before you commit it.
pub fn assert_fixture(name: &str, mut actual: Value) {
    make_alike(&mut actual);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let actual = format!("{}\n", serde_json::to_string_pretty(&actual).unwrap());
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name}: run the test with UPDATE_FIXTURES=1 if this is meant");
}

fn make_alike(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.parse::<jiff::Timestamp>().is_ok() {
                *text = "<time>".to_owned();
            } else if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
                *text = "<sha256>".to_owned();
            } else if let Some(id) = text.split('/').find(|part| part.parse::<JobId>().is_ok()) {
                *text = text.replace(id, "<id>");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_alike),
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "sent_bytes" {
                    *field = json!("<bytes>");
                }
                make_alike(field);
            }
        }
        _ => {}
    }
}
