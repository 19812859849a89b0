//! Clients that are slow, rude, too many or too big: M18 to M28 and M33, spoken in bytes.

use std::time::Duration;

use pipelinex_common::state::{JobState, StepState};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use crate::{
    answers::Worker,
    support::{TestServer, good_form, head, project, project_of, read_all, request, status_of},
};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn m19_lengths_that_lie() {
    let server = TestServer::start().await;
    let body = good_form();
    for (case, lines) in [
        ("negative", "Content-Length: -1\r\n".to_owned()),
        ("no number", "Content-Length: 1x\r\n".to_owned()),
        ("two", format!("Content-Length: {}\r\nContent-Length: 5\r\n", body.len())),
        ("unknown coding", "Transfer-Encoding: gzip\r\n".to_owned()),
    ] {
        let answer = server.raw([head(&lines).as_bytes(), &body].concat()).await;
        assert!((400..500).contains(&status_of(&answer)), "{case}: {answer}");
        server.assert_untouched().await;
    }
    // Larger than the body: the client stalls, and is given up.
    let begun = Instant::now();
    let mut stream = server.connect().await;
    let lines = format!("Content-Length: {}\r\n", body.len() + 1);
    stream.write_all(&[head(&lines).as_bytes(), &body[..body.len() - 4]].concat()).await.unwrap();
    let answer = read_all(&mut stream, Duration::from_secs(8)).await;
    assert_eq!(status_of(&answer), 408, "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(6));
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn m19_a_second_request_is_never_smuggled_in() {
    let server = TestServer::start().await;
    let hidden = "GET /api/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Both lengths: the body is chunked and empty, or the request is refused; a proxy that read the other one sees no answer
    // to what it took for a body of ours after a refusal.
    let both = format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", hidden.len() + 5);
    let answer = server.raw(format!("{}0\r\n\r\n{hidden}", head(&both))).await;
    assert!((400..500).contains(&status_of(&answer)), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_is_told_when_its_connection_ends_with_the_answer() {
    let server = TestServer::start().await;
    // With the rest of a body in it, a connection takes no other request: who is not told loses the next one.
    let refused =
        server.post_form("/api/jobs/upload", crate::support::form(&[crate::support::file(&vec![b'x'; 3 * MIB])]));
    let refused = refused.await;
    assert_eq!((refused.status, refused.header("connection")), (413, "close"), "{}", refused.text());
    server.assert_untouched().await;
    let admitted = server.upload(&project(), &request()).await;
    assert_eq!((admitted.status, admitted.header("connection")), (201, ""), "it was read to its end");
    let asked = server.get("/health").await;
    assert_eq!((asked.status, asked.header("connection")), (200, ""));
    server.stop().await;
}

#[tokio::test]
async fn m20_too_large_is_told_before_the_disk_fills_and_the_client_sees_it() {
    let server = TestServer::start().await;
    let too_large = crate::support::form(&[crate::support::file(&vec![b'x'; 3 * MIB])]);
    // By the declared length, before a byte of the body.
    let declared = server.raw(head("Content-Length: 99999999999\r\nExpect: 100-continue\r\n")).await;
    assert_eq!(status_of(&declared), 413, "{declared}");
    server.assert_untouched().await;
    // A client that sends all of it first, as most do.
    let polite = server.post_form("/api/jobs/upload", too_large.clone()).await;
    polite.assert_problem(413, "too-large");
    server.assert_untouched().await;
    // Without a length.
    let mut stream = server.connect().await;
    stream.write_all(head("Transfer-Encoding: chunked\r\n").as_bytes()).await.unwrap();
    for piece in too_large.chunks(64 * 1024) {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        stream.write_all(&chunk).await.expect("the server reads on after its refusal");
        sleep(Duration::from_millis(5)).await;
    }
    let answer = read_all(&mut stream, Duration::from_secs(5)).await;
    assert_eq!(status_of(&answer), 413, "{answer}");
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn m21_expect_without_a_body_is_given_up() {
    let server = TestServer::start().await;
    let answer = server.raw(head("Content-Length: 1000\r\nExpect: 100-continue\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue"), "{answer}");
    assert!(answer.contains("HTTP/1.1 408 "), "{answer}");
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn m22_heads_that_do_not_come() {
    let server = TestServer::start().await;
    for first in ["", "GET /health HT", "GET /health HTTP/1.1\r\nHost: localhost\r\nX: "] {
        let begun = Instant::now();
        let mut stream = server.connect().await;
        stream.write_all(first.as_bytes()).await.unwrap();
        let answer = read_all(&mut stream, Duration::from_secs(8)).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{first:?} held its connection");
        assert!(answer.is_empty() || status_of(&answer) == 408, "{answer}");
    }
    // One byte at a time does not help.
    let begun = Instant::now();
    let mut stream = server.connect().await;
    while begun.elapsed() < Duration::from_secs(6) && stream.write_all(b"X").await.is_ok() {
        sleep(Duration::from_millis(100)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "a slow head held its connection");
    // Nor does idling after a request.
    let begun = Instant::now();
    let mut stream = server.connect().await;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let answer = read_all(&mut stream, Duration::from_secs(8)).await;
    assert_eq!(status_of(&answer), 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "an idle connection was kept");
    server.stop().await;
}

#[tokio::test]
async fn m23_a_body_that_trickles_is_given_up() {
    let server = TestServer::start().await;
    let body = good_form();
    let mut stream = server.connect().await;
    stream.write_all(head(&format!("Content-Length: {}\r\n", body.len())).as_bytes()).await.unwrap();
    let begun = Instant::now();
    let (mut reader, mut writer) = stream.split();
    let trickle = async {
        for byte in &body {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let mut answer = vec![0; 1024];
    tokio::select! {
        () = trickle => panic!("the server waited for all of it"),
        count = reader.read(&mut answer) => answer.truncate(count.unwrap()),
    }
    assert_eq!(status_of(&String::from_utf8_lossy(&answer)), 408);
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(stream);
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn m23_a_fast_beginning_earns_no_long_pause() {
    let server = TestServer::start().await;
    let body = crate::support::form(&[crate::support::file(&project_of(MIB)), crate::support::text("metadata", "{}")]);
    let mut stream = server.connect().await;
    stream.write_all(head(&format!("Content-Length: {}\r\n", body.len())).as_bytes()).await.unwrap();
    stream.write_all(&body[..body.len() - 10]).await.unwrap();
    let answer = read_all(&mut stream, Duration::from_secs(10)).await;
    assert_eq!(status_of(&answer), 408, "{answer}");
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn m24_a_reader_that_does_not_read_is_given_up() {
    let server = TestServer::start_with(|config| config.connections.most = 1).await;
    let job = {
        let job = server.job().await;
        let mut worker = Worker::take(&job);
        worker.stage("BUILD", StepState::Success, None, "built");
        std::fs::create_dir_all(job.paths().logs()).unwrap();
        std::fs::File::create(job.paths().log(&"build".parse().unwrap())).unwrap().set_len(1 << 30).unwrap();
        worker.finish(JobState::Succeeded, None, None);
        job.id()
    };
    // The only place is ours as soon as the client's idle connection has ended.
    let line = format!("GET /api/jobs/{job}/build/logs HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let until = Instant::now() + Duration::from_secs(10);
    let stream = loop {
        let mut stream = server.connect().await;
        stream.write_all(line.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        if stream.read_exact(&mut first).await.is_ok() && first == *b"HTTP/1.1 200" {
            break stream;
        }
        assert!(Instant::now() < until, "no place came free");
        sleep(Duration::from_millis(100)).await;
    };
    let until = Instant::now() + Duration::from_secs(10);
    while !server.client.get(server.url("/health")).send().await.is_ok_and(|answer| answer.status() == 200) {
        assert!(Instant::now() < until, "the reader still holds the only place");
        sleep(Duration::from_millis(100)).await;
    }
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn m25_a_client_that_goes_away_leaves_nothing() {
    let server = TestServer::start().await;
    let body = crate::support::form(&[crate::support::file(&project_of(MIB)), crate::support::text("metadata", "{}")]);
    for cut in [100, 70_000, 600_000, body.len() - 10] {
        let mut stream = server.connect().await;
        stream.write_all(head(&format!("Content-Length: {}\r\n", body.len())).as_bytes()).await.unwrap();
        stream.write_all(&body[..cut]).await.unwrap();
        sleep(Duration::from_millis(30)).await;
        stream.set_zero_linger().unwrap();
        drop(stream);
        server.assert_untouched().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn m26_more_connections_than_there_are_places() {
    let server = TestServer::start_with(|config| {
        config.connections.most = 8;
        config.connections.body_grace = Duration::from_secs(3);
    })
    .await;
    // On each something is being answered: half of the places are all that one address gets.
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut stream = server.connect().await;
        stream.write_all(head("Content-Length: 5000\r\nExpect: 100-continue\r\n").as_bytes()).await.unwrap();
        let mut begun = [0; 12];
        stream.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"HTTP/1.1 100");
        busy.push(stream);
    }
    let refused = server.raw("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(status_of(&refused), 503, "{refused}");
    assert!(refused.contains("retry-after: 5") && refused.contains("connection: close"), "{refused}");
    assert!(refused.contains("x-content-type-options: nosniff"), "{refused}");
    let body = refused.split_once("\r\n\r\n").unwrap().1;
    assert!(refused.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "unavailable");
    // A flood is not answered one by one for ever, others do not feel it, and the places come back.
    let mut flood = Vec::new();
    for _ in 0..300 {
        flood.push(server.connect().await);
    }
    assert_eq!(server.get_from(2, "/health").await.status, 200);
    for stream in &mut busy {
        assert_eq!(read_all(stream, Duration::from_secs(8)).await.matches("HTTP/1.1 408 ").count(), 1);
    }
    assert_eq!(server.get("/health").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn m27_http_2_is_not_spoken() {
    let server = TestServer::start().await;
    let answer = server.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(answer.is_empty() || (400..506).contains(&status_of(&answer)), "{answer}");
    let upgrade = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(status_of(&server.raw(upgrade).await), 200);
    server.stop().await;
}

#[tokio::test]
async fn m28_a_body_where_none_belongs() {
    let server = TestServer::start().await;
    let get = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(status_of(&server.raw(get).await), 200);
    server.stop().await;
}

#[tokio::test]
async fn uploads_beyond_the_places_are_told_to_come_again() {
    let server = TestServer::start_with(|config| config.parallel.uploads = 1).await;
    let body = good_form();
    let mut slow = server.connect().await;
    slow.write_all(head(&format!("Content-Length: {}\r\nConnection: close\r\n", body.len())).as_bytes()).await.unwrap();
    slow.write_all(&body[..200]).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let second = server.upload(&project(), &request()).await;
    second.assert_problem(429, "too-many");
    assert!(!second.header("retry-after").is_empty());
    slow.write_all(&body[200..]).await.unwrap();
    assert_eq!(status_of(&read_all(&mut slow, Duration::from_secs(5)).await), 201);
    assert_eq!(server.upload(&project(), &request()).await.status, 201);
    server.stop().await;
}

#[tokio::test]
async fn m33_an_upload_that_is_under_way_ends_well_while_the_server_drains() {
    let server = TestServer::start_with(|config| config.connections.head_timeout = Duration::from_secs(60)).await;
    let body = good_form();
    let mut stream = server.connect().await;
    stream.write_all(head(&format!("Content-Length: {}\r\n", body.len())).as_bytes()).await.unwrap();
    stream.write_all(&body[..200]).await.unwrap();
    let mut idle = server.connect().await;
    sleep(Duration::from_millis(100)).await;
    server.shutdown.cancel();
    sleep(Duration::from_millis(100)).await;
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err(), "nobody new is let in");
    let begun = Instant::now();
    assert_eq!(read_all(&mut idle, Duration::from_secs(3)).await, "");
    assert!(begun.elapsed() < Duration::from_secs(1), "a connection that idles is closed at once");
    stream.write_all(&body[200..]).await.unwrap();
    let answer = read_all(&mut stream, Duration::from_secs(5)).await;
    assert_eq!(status_of(&answer), 201, "{answer}");
    assert_eq!(server.store.ids().unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn m33_an_upload_that_does_not_end_is_cut_after_the_grace() {
    let server = TestServer::start_with(|config| {
        config.connections.drain = Duration::from_millis(300);
        config.connections.body_grace = Duration::from_secs(60);
    })
    .await;
    let mut stream = server.connect().await;
    stream.write_all(head("Content-Length: 5000\r\n").as_bytes()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let (store, begun) = (server.store.clone(), Instant::now());
    let staging = store.layout().staging();
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    sleep(Duration::from_millis(200)).await;
    assert!(!staging.exists() || std::fs::read_dir(staging).unwrap().next().is_none());
    assert_eq!(status_of(&read_all(&mut stream, Duration::from_secs(1)).await), 0);
}

#[tokio::test]
async fn the_server_answers_while_projects_are_unpacked() {
    let server = TestServer::start_with(|config| config.parallel.intakes = 1).await;
    let large = project_of(MIB);
    let wish = request();
    let uploads = (0..4).map(|_| server.upload(&large, &wish));
    let probe = async {
        for _ in 0..20 {
            let begun = Instant::now();
            assert_eq!(server.get("/health").await.status, 200);
            assert!(begun.elapsed() < Duration::from_secs(1));
            sleep(Duration::from_millis(10)).await;
        }
    };
    let (answers, ()) = tokio::join!(futures::future::join_all(uploads), probe);
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    server.stop().await;
}
