//! Memory stays flat while an upload streams in. In a program of its own, since it measures the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that fails by a panic fails in the right way, and says where it was"
)]

#[allow(dead_code, reason = "shared with the other tests")]
#[path = "http/support.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use pipelinex_common::limits::MIB;
use support::{BOUNDARY, TestServer, request, text};

/// How much may be added, in bytes.
const GROWTH: u64 = 16 * MIB;
const PIECE: usize = 64 * 1024;

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_grows_by_less_than_16_mib_while_50_mib_stream_in() {
    let server = TestServer::start_with(|config| config.intake.upload_bytes = 50 * MIB).await;
    // Everything has been used once.
    assert_eq!(server.upload(b"no zip", &request()).await.status, 422);
    let (before, peak, done) = (resident_bytes(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let watcher = std::thread::spawn({
        let (peak, done) = (Arc::clone(&peak), Arc::clone(&done));
        move || {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(resident_bytes(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    });
    let head =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"project_zip\"; filename=\"a.zip\"\r\n\r\n");
    let front = [text("metadata", &request().to_string()), head.into_bytes()].concat();
    let pieces = usize::try_from(50 * MIB).unwrap() / PIECE;
    let body = stream::iter([Bytes::from(front)])
        .chain(stream::repeat(Bytes::from_static(&[b'x'; PIECE])).take(pieces))
        .chain(stream::iter([Bytes::from(format!("\r\n--{BOUNDARY}--\r\n"))]));
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let post = server.client.post(server.url("/api/jobs/upload")).header("content-type", kind);
    let answer = server.send(post.body(reqwest::Body::wrap_stream(body.map(Ok::<_, std::io::Error>)))).await;
    done.store(true, Ordering::Relaxed);
    watcher.join().unwrap();
    answer.assert_problem(422, "zip-refused");
    let grown = peak.load(Ordering::Relaxed).saturating_sub(before);
    println!("grown by {} KiB", grown / 1024);
    assert!(grown < GROWTH, "memory grew by {grown} bytes");
    server.assert_untouched().await;
    server.stop().await;
}
