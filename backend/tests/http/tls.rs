//! TLS of the server's own: a certificate that is read again, cookies that go over TLS alone, and hands that nobody shakes.

use std::{path::Path, time::Duration};

use pipelinex_backend::{access::Auth, config::Config, http::tls::Tls};
use pipelinex_common::access::Role;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client};
use tokio::{net::TcpStream, time::timeout};

use crate::{access::token, support::TestServer};

/// Writes a new certificate for `localhost`, and gives a client that trusts nothing else.
fn renew(folder: &Path) -> Client {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    let trusted = Certificate::from_pem(cert.pem().as_bytes()).unwrap();
    // Nothing is kept open, so that each request shakes hands anew.
    let builder = Client::builder().tls_certs_only([trusted]).pool_max_idle_per_host(0);
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn started(folder: &Path, change: impl FnOnce(&mut Config)) -> TestServer {
    let tls = Tls::load(&folder.join("cert.pem"), &folder.join("key.pem")).unwrap();
    TestServer::start_with(|config| {
        config.tls = Some(tls);
        config.auth = Auth::Token;
        change(config);
    })
    .await
}

#[tokio::test]
async fn a_certificate_is_read_again_when_it_is_good_and_sessions_go_over_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let client = renew(folder.path());
    let server = started(folder.path(), |_| ()).await;
    let url = |path: &str| format!("https://localhost:{}{path}", server.address.port());
    assert_eq!(server.send(client.get(url("/health"))).await.status, 200);
    let plain = Client::new().get(server.url("/health")).send().await;
    assert!(plain.is_err(), "whoever speaks plain HTTP is told nothing: {plain:?}");

    let token = token(&server.store, "ada", Role::Viewer, &["default"]);
    let signed = client
        .post(url("/login"))
        .header("origin", url("").trim_end_matches('/'))
        .header("content-type", "application/x-www-form-urlencoded");
    let signed = signed.body(format!("token={token}"));
    let signed = server.send(signed).await;
    let cookie = signed.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-pipelinex_session=") && cookie.ends_with("; Secure"),
        "{} {cookie}",
        signed.text()
    );
    let shown = cookie.split(';').next().unwrap();
    assert_eq!(server.send(client.get(url("/api/whoami")).header("cookie", shown)).await.status, 200);

    // Half of a new pair: those of before stay.
    let good = std::fs::read(folder.path().join("key.pem")).unwrap();
    std::fs::write(folder.path().join("key.pem"), "-----BEGIN").unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(server.send(client.get(url("/health"))).await.status, 200);
    std::fs::write(folder.path().join("key.pem"), good).unwrap();
    let renewed = renew(folder.path());
    let seen = async {
        while renewed.get(url("/health")).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), seen).await.expect("the new certificate is shown");
    assert!(client.get(url("/health")).send().await.is_err(), "nobody is shown the old one");
    server.stop().await;
}

#[tokio::test]
async fn hands_that_are_not_shaken_cost_their_own_address_a_place_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let client = renew(folder.path());
    let server = started(folder.path(), |config| {
        config.connections.most = 4;
        config.connections.head_timeout = Duration::from_secs(600);
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let answer = server.send(client.get(format!("https://localhost:{}/health", server.address.port()))).await;
    assert_eq!(answer.status, 200, "the oldest of those that say nothing gave up its place");
    server.stop().await;
    for stream in &silent {
        timeout(Duration::from_secs(30), stream.readable()).await.expect("it is closed with the server").unwrap();
    }
}
