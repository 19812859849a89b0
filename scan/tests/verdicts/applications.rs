//! Applications that come up, that do not, that break, and that die under attack.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use pipelinex_scan::Word;
use serde_json::Value;

use crate::world::World;

/// An application that answers each request by its path and number; it lives as long as the test. An empty answer closes
/// the connection.
fn application(answer: impl Fn(&str, usize) -> (u16, &'static str) + Send + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), [0; 4096]);
            let read = stream.read(&mut request).unwrap_or_default();
            let text = String::from_utf8_lossy(&request[..read]).into_owned();
            let (status, body) =
                answer(text.split(' ').nth(1).unwrap_or_default(), counter.fetch_add(1, Ordering::SeqCst));
            if status != 0 {
                let head =
                    format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        }
    });
    (address, asked)
}

fn world(stage: &str, address: SocketAddr) -> World {
    let world = World::new(stage).with("TARGET_URL", &format!("http://{address}"));
    world.with("TARGET_HEALTH", "/health").with("TARGET_STARTUP_SECONDS", "1")
}

/// What a smoke test says of an application.
fn smoke(answer: impl Fn(&str, usize) -> (u16, &'static str) + Send + 'static) -> (u8, String, String) {
    let (code, result) = world("SMOKE-TEST", application(answer).0).run(Word::Smoke);
    (code, result["message"].as_str().unwrap().to_owned(), result["warnings"].to_string())
}

#[test]
fn an_application_is_up_once_it_says_so() {
    let (code, message, warnings) = smoke(|path, number| match (path, number) {
        ("/health", 0) => (503, ""),
        ("/health", 1) => (200, r#"{"status": "OUT_OF_SERVICE"}"#),
        ("/health", _) => (200, r#"{"status": "UP"}"#),
        _ => (404, ""),
    });
    assert_eq!((code, warnings.as_str()), (0, "[]"));
    assert!(
        message.contains("/health answered 200 UP after 0.") && message.ends_with("GET / answered 404"),
        "{message}"
    );
}

#[test]
fn an_application_without_a_health_page_is_up_with_a_warning() {
    let (code, _, warnings) = smoke(|path, _| if path == "/" { (200, "hello") } else { (404, "") });
    assert!(code == 0 && warnings.contains("/health answered 404"), "{warnings}");
}

#[test]
fn an_application_that_is_not_well_does_not_pass() {
    let (code, message, _) = smoke(|_, _| (200, r#"{"status": "DOWN"}"#));
    assert!(code == 10 && message.contains("within 1 s") && message.contains("answered 200 DOWN"), "{message}");
    let (code, message, _) = smoke(|path, _| if path == "/" { (500, "") } else { (404, "") });
    assert!(code == 10 && message.contains("GET / answered 500"), "{message}");
    let (code, message, _) = smoke(|path, _| if path == "/" { (500, "") } else { (200, "fine") });
    assert!(code == 10 && message.contains("but GET / answered 500"), "{message}");
    let (code, message, _) = smoke(|_, _| (0, ""));
    assert!(code == 10 && message.contains("last seen: GET http://127.0.0.1:"), "{message}");
}

const PAGES: &str = r#"{"infos": {"crawled_pages_nbr": 3}, "anomalies": {}, "vulnerabilities": {"Reflected Cross Site
Scripting": [{"method": "GET", "path": "/x", "level": 2, "parameter": "q", "info": "found"}]}}"#;

/// Stands for wapiti: it follows the link of the planted page, and finds there what it should.
const PLANTED: &str = r#"if [ "${out##*/}" = planted.json ]; then
    place=${2#http://}; place=${place%/}
    exec 3<>"/dev/tcp/${place%:*}/${place#*:}"
    printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' >&3
    link=$(sed -n 's|.*href="\([^"]*\)=tea".*|\1|p' <&3)
    printf '{"vulnerabilities": {"XSS": [{"path": "%s", "parameter": "%s"}]}}' "${link%\?*}" "${link#*\?}" >"$out"
    exit 0
fi
"#;

fn wapiti(report: &str, more: &str) -> String {
    format!("{PLANTED}tr -d '\\n' >\"$out\" <<'END'\n{report}\nEND\n{more}")
}

#[test]
fn an_attack_is_believed_when_its_report_shows_pages() {
    let (address, _) = application(|_, _| (200, ""));
    let world = world("DAST", address);
    let (code, result) =
        world.tool("wapiti", &wapiti(PAGES, "echo '3 requests were skipped due to network issues'")).run(Word::Dast);
    assert_eq!((code, result["message"].as_str()), (0, Some("passed with findings: 1 medium; 3 pages")));
    assert_eq!(result["warnings"], serde_json::json!(["3 requests were not answered"]));
    let none = PAGES.replace("_nbr\": 3", "_nbr\": 0");
    for (script, expected) in [
        (wapiti(&none, ""), "no page was crawled"),
        (wapiti(PAGES, "exit 2"), "exit code 2"),
        (wapiti(PAGES, "kill -KILL $$"), "signal 9"),
        (wapiti("{\"infos\": ", ""), "not a wapiti report"),
        (PLANTED.to_owned(), "wrote no report"),
        (wapiti(PAGES, "").replace("=tea", "=x"), "did not find the hole in the page that was planted"),
        (
            wapiti(PAGES, "")
                .replace("XSS\": [{", "XSS\": [{\"path\": \"/\"}], \"other\": [{\"was\": \"")
                .replace("\"path\": \"%s\"", "%s\""),
            "planted",
        ),
    ] {
        let message = world.tool("wapiti", &script).tool_error(Word::Dast);
        assert!(message.contains(expected), "{message} for {script}");
    }
}

#[test]
fn an_attack_that_takes_too_long_is_told_to_report() {
    let (address, _) = application(|_, _| (200, ""));
    let world = world("DAST", address).with("DAST_MAX_SECONDS", "1");
    // As wapiti does: it is interrupted, asks what to do, and reads the answer.
    let asks = "trap 'read -r answer; [ \"$answer\" = r ] && exit 0; exit 1' INT\nwhile :; do sleep 0.1; done";
    let (code, result) = world.tool("wapiti", &wapiti(PAGES, asks)).run(Word::Dast);
    assert_eq!(code, 0, "{result}");
    assert!(result["warnings"].to_string().contains("stopped after 1 s"), "{result}");
    let bad = world.with("DAST_MAX_SECONDS", "soon");
    assert!(bad.tool_error(Word::Dast).contains("`soon` is no number from 1 to 3600"));
}

#[test]
fn an_attack_of_too_many_requests_is_told_to_report() {
    let (address, _) = application(|_, _| (200, ""));
    let world = world("DAST", address).with("DAST_MAX_REQUESTS", "40");
    // It attacks until it is told to end, and says so, one line a request.
    let attacks = "trap 'read -r answer; [ \"$answer\" = r ] && exit 0; exit 1' INT\n\
                   echo '[+] GET http://app/ (0)'\nwhile :; do echo '[¨] GET http://app/?q=1 (1)'; sleep 0.01; done";
    let (code, result) = world.tool("wapiti", &wapiti(PAGES, attacks)).run(Word::Dast);
    assert_eq!(code, 0, "{result}");
    assert!(result["warnings"].to_string().contains("stopped after 40 requests"), "{result}");
    assert!(result["details"]["requests"].as_u64().unwrap() >= 40, "{result}");
    // As many as it may make are no reason to stop.
    let enough = "echo '[+] GET http://app/ (0)'; for i in $(seq 38); do echo '[¨] GET http://app/?q=1 (1)'; done";
    let (_, result) = world.tool("wapiti", &wapiti(PAGES, enough)).run(Word::Dast);
    assert_eq!(
        (&result["warnings"], &result["details"]["requests"]),
        (&serde_json::json!([]), &serde_json::json!(39)),
        "{result}"
    );
}

#[test]
fn an_application_that_is_not_there_is_never_clean() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = world("DAST", gone);
    let (code, result) = absent.tool("wapiti", &wapiti(PAGES, "")).run(Word::Dast);
    assert_eq!((code, &result["status"]), (10, &Value::from("FAILED")));
    // It came up, and died while it was attacked.
    let (address, asked) = application(|_, number| if number == 0 { (200, "") } else { (0, "") });
    let message = world("DAST", address).tool("wapiti", &wapiti(PAGES, "")).tool_error(Word::Dast);
    assert!(message.contains("does not answer any more") && asked.load(Ordering::SeqCst) > 1, "{message}");
}
