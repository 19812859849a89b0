//! Every address with ids, headers and tokens that mean no good: never an error of ours, and never a byte of a foreign job.

use std::{net::IpAddr, time::Duration};

use axum::{
    body::{Body, HttpBody},
    http::{HeaderName, HeaderValue, Method, Request, Uri},
};
use pipelinex_backend::{
    access::{Auth, table::TABLE},
    app::App,
    client::Caller,
    config::Config,
    router,
    stacks::Stacks,
};
use pipelinex_common::{access::Role, queue, slug::Slug, state::JobState, store::Store};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config as Cases, TestRunner},
};
use tower::ServiceExt;

use crate::{
    access::{submit, token, with_accounts},
    answers::Worker,
};

/// So many requests.
const CASES: u32 = 600;
/// What stands in everything that the foreign job has, and nowhere else.
const MARK: &str = "f0re1gn";
/// So much of an answer is looked at, in bytes.
const LOOKED_AT: usize = 256 * 1024;

/// One request.
#[derive(Clone, Debug)]
struct Asked {
    row: usize,
    method: Option<&'static str>,
    parts: Vec<String>,
    query: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    token: usize,
    body: Vec<u8>,
    from: u16,
}

const METHODS: [&str; 6] = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"];
const HEADERS: [&str; 12] = [
    "authorization",
    "cookie",
    "range",
    "if-none-match",
    "if-range",
    "last-event-id",
    "content-type",
    "content-length",
    "host",
    "origin",
    "x-forwarded-for",
    "idempotency-key",
];

/// A part of a path, percent-encoded where it has to be.
fn part(foreign: String) -> impl Strategy<Value = String> {
    let known = [
        foreign.to_uppercase(),
        format!("{foreign}%00"),
        foreign.clone(),
        "..".to_owned(),
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd".to_owned(),
        "%ff%fe".to_owned(),
        "build".to_owned(),
        MARK.to_owned(),
        "a".repeat(5000),
        "00000000-0000-7000-8000-000000000000".to_owned(),
    ];
    prop_oneof![
        3 => select(known.to_vec()),
        1 => vec(any::<u8>(), 0..40).prop_map(|bytes| bytes.iter().map(|byte| format!("%{byte:02x}")).collect()),
        1 => "[a-z0-9._~%-]{0,20}",
    ]
}

fn header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let value = prop_oneof![
        vec(any::<u8>(), 0..60),
        select(vec![
            "bytes=18446744073709551615-",
            "bytes=-1,5-2,",
            "Bearer plx__",
            "pipelinex_session=../../x; pipelinex_session=",
            "multipart/form-data; boundary=",
            "99999999999999999999",
            "http://evil.example",
            "*",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    (select(HEADERS.to_vec()), value)
}

fn asked(foreign: String) -> impl Strategy<Value = Asked> {
    let query = prop_oneof![
        Just(String::new()),
        "(state|limit|cursor|q|offset|tail|lines|format|baseline|to|branch)=[a-zA-Z0-9%&=+-]{0,30}",
        "[ -~]{0,30}",
    ];
    let parts = vec(part(foreign), 3);
    let method = prop_oneof![3 => Just(None), 1 => select(METHODS.to_vec()).prop_map(Some)];
    let rest = (vec(header(), 0..4), 0..4usize, vec(any::<u8>(), 0..600), any::<u16>());
    (0..TABLE.len(), method, parts, query, rest).prop_map(
        |(row, method, parts, query, (headers, token, body, from))| Asked {
            row,
            method,
            parts,
            query,
            headers,
            token,
            body,
            from,
        },
    )
}

impl Asked {
    /// As a request; `None` where no client could send it.
    fn request(&self, tokens: &[String]) -> Option<Request<Body>> {
        let row = &TABLE[self.row];
        let mut parts = self.parts.iter();
        let path: Vec<&str> = row
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { parts.next().map_or("x", String::as_str) } else { part })
            .collect();
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let uri: Uri = format!("{}{query}", path.join("/")).parse().ok()?;
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.uri_mut() = uri;
        *request.method_mut() = Method::from_bytes(self.method.unwrap_or(row.method).as_bytes()).ok()?;
        request.headers_mut().insert("host", HeaderValue::from_static("localhost"));
        if let Some(token) = tokens.get(self.token) {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
            request.headers_mut().insert("authorization", bearer);
        }
        for (name, value) in &self.headers {
            request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?);
        }
        let from = IpAddr::from([10, 0, (self.from >> 8) as u8, self.from as u8]);
        request.extensions_mut().insert(Caller { client: from.into(), https: false, forwarded: false });
        Some(request)
    }
}

/// What comes at once of an answer: one that goes on until a job ends has said by then what it says to anybody.
async fn beginning(mut body: Body) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < LOOKED_AT && !body.is_end_stream() {
        let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx));
        match tokio::time::timeout(Duration::from_millis(50), frame).await {
            Ok(Some(Ok(frame))) => read.extend(frame.into_data().unwrap_or_default()),
            _ => break,
        }
    }
    read
}

#[test]
fn whatever_is_asked_nothing_breaks_and_nothing_of_a_foreign_job_is_told() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (app, foreign, tokens, folder) = runtime.block_on(prepared());
    let router = runtime.block_on(async { router(app).unwrap() });
    let mut runner = TestRunner::new(Cases { cases: CASES, failure_persistence: None, ..Cases::default() });
    let outcome = runner.run(&asked(foreign.clone()), |asked| {
        let Some(request) = asked.request(&tokens) else { return Ok(()) };
        // Whoever asks for it may be told the name again.
        let named = [request.uri().to_string(), format!("{:?}", request.headers())].concat().contains(MARK)
            || String::from_utf8_lossy(&asked.body).contains(MARK);
        let (status, body) = runtime.block_on(async {
            let response = router.clone().oneshot(request).await.unwrap();
            (response.status().as_u16(), beginning(response.into_body()).await)
        });
        let told = String::from_utf8_lossy(&body);
        prop_assert!(status < 500, "{status}: {told}");
        prop_assert!(named || !told.contains(MARK), "{told}");
        Ok(())
    });
    drop(folder);
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// A server with a job of ours, and one of others that has left something everywhere.
async fn prepared() -> (App, String, Vec<String>, std::sync::Arc<tempfile::TempDir>) {
    let server = with_accounts().await;
    let theirs = token(&server.store, "theirs", Role::Submitter, &[MARK]);
    let ours = token(&server.store, "ours", Role::Operator, &["shop"]);
    assert_eq!(submit(&server, &ours, None).await.status, 201);
    let made = submit(&server, &theirs, None).await;
    let foreign = made.json()["job_id"].as_str().unwrap().to_owned();
    let job = server.store.job(foreign.parse().unwrap()).unwrap();
    let worker = Worker::take(&job);
    for folder in [job.paths().logs(), job.paths().artifacts_of(&Slug::of("build"))] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(job.paths().log(&Slug::of("build")), MARK).unwrap();
    std::fs::write(job.paths().artifacts_of(&Slug::of("build")).join(MARK), MARK).unwrap();
    worker.finish(JobState::Succeeded, None, None);
    let folder = server.stop_and_keep().await;
    let config = Config { auth: Auth::Token, ..Config::for_testing() };
    let app = App::new(Store::open(folder.path()).unwrap(), queue::in_process().0, Stacks::load(None).unwrap(), config);
    let wrong = ours.replace(&ours[ours.len() - 4..], "0000");
    (app, foreign, vec![ours, wrong, "x".repeat(9000)], folder)
}
