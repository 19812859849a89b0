//! Hosts that redirect, stall, drip, break off, and what happens when somebody goes away meanwhile.

use std::{fs, time::Duration};

use rustix::process::{Pid, test_kill_process};
use serde_json::json;

use crate::{
    host::{Asked, Host, Reply},
    repository::{Files, Repository},
    world::{story, until},
};

const LIST: &str = "/info/refs?service=git-upload-pack";

#[test]
fn a_redirect_is_followed_within_the_allowed_hosts_and_to_a_repository() {
    story(async |world| {
        Repository::with(&world.repositories(), "shop", Files::project());
        let other = Host::start(&world.repositories(), |_| Reply::Git).await;
        let to_other = format!("{}{LIST}", other.url("shop"));
        let stranger = Host::start(&world.repositories(), |_| Reply::Git).await;
        let to_stranger = format!("{}{LIST}", stranger.url("shop"));
        let host = Host::start(&world.repositories(), move |asked: &Asked| {
            let place = |part: &str| asked.path.contains(part) && asked.is_list();
            match () {
                () if place("/moved.git") => Reply::Redirect(301, format!("/team/shop.git{LIST}")),
                () if place("/elsewhere.git") => Reply::Redirect(302, to_other.clone()),
                () if place("/stranger.git") => Reply::Redirect(307, to_stranger.clone()),
                () if place("/plain.git") => Reply::Redirect(301, to_other.replace("https://", "http://")),
                () if place("/file.git") => Reply::Redirect(301, "file:///etc/passwd".to_owned()),
                () if place("/metadata.git") => Reply::Redirect(301, "https://169.254.169.254/latest/".to_owned()),
                () if place("/login.git") => Reply::Redirect(302, "/login".to_owned()),
                () if place("/nowhere.git") => Reply::Redirect(302, String::new()),
                () if place("/loop.git") => Reply::Redirect(301, format!("/team/loop.git{LIST}")),
                () if !asked.is_list() && asked.path.contains("/late.git") => {
                    Reply::Redirect(307, "/team/shop.git".to_owned())
                }
                () => Reply::Git,
            }
        })
        .await;
        Repository::with(&world.repositories(), "late", Files::project());
        let tokens = world.path("tokens");
        fs::create_dir(&tokens).unwrap();
        fs::write(tokens.join("ci"), format!("https://me:s3cret@{}\n", host.name())).unwrap();
        world.serve(&[&host.name(), &other.name()], &["--git-tokens", tokens.to_str().unwrap()]).await;

        let moved = world.submit(&host.url("moved"), json!({"token": "ci"})).await;
        assert_eq!(moved.status, 201, "{moved:?}");
        assert!(host.asked().iter().all(|asked| asked.authorization.is_some()), "the same host");
        let elsewhere = world.submit(&host.url("elsewhere"), json!({"token": "ci"})).await;
        assert_eq!(elsewhere.status, 201, "{elsewhere:?}");
        assert_eq!(elsewhere.body["project"], host.url("elsewhere").trim_end_matches(".git"));
        assert_eq!(other.asked().len(), 2);
        assert!(other.asked().iter().all(|asked| asked.authorization.is_none()), "{:?}", other.asked());

        for name in ["stranger", "plain", "file", "metadata", "login", "nowhere", "loop", "late"] {
            let answer = world.submit(&host.url(name), json!({"token": "ci"})).await;
            assert_eq!(answer.rule(), "422 git-redirect -", "{name}");
        }
        assert_eq!((other.asked().len(), stranger.asked().len()), (2, 0));
        let loops = host.asked().iter().filter(|asked| asked.path.contains("loop")).count();
        assert!(loops <= 5, "{loops}");
    });
}

#[test]
fn a_token_goes_to_its_host_and_nowhere_else() {
    story(async |world| {
        Repository::with(&world.repositories(), "shop", Files::project());
        let guarded = |asked: &Asked| {
            let known = asked.authorization.as_deref() == Some("Basic eC1hY2Nlc3MtdG9rZW46czNjcmV0LXZhbHVl");
            if known { Reply::Git } else { Reply::Status(401) }
        };
        let host = Host::start(&world.repositories(), guarded).await;
        let tokens = world.path("tokens");
        fs::create_dir(&tokens).unwrap();
        fs::write(tokens.join("ci"), "s3cret-value\n").unwrap();
        fs::write(tokens.join("old"), "s3cret-expired").unwrap();
        fs::write(tokens.join("other-host"), "https://me:s3cret-other@git.example").unwrap();
        world.serve(&[&host.name()], &["--git-tokens", tokens.to_str().unwrap()]).await;

        let private = world.submit(&host.url("shop"), json!({})).await;
        assert_eq!(private.rule(), "422 git-not-found -");
        let expired = world.submit(&host.url("shop"), json!({"token": "old"})).await;
        assert_eq!(expired.rule(), "422 git-not-found -");
        assert!(expired.said().contains("the token does not open it"), "{expired:?}");
        // People paste the secret where its name belongs: it is not repeated.
        for wrong in ["other-host", "s3cret-value", "../tokens/ci", ""] {
            let unknown = world.submit(&host.url("shop"), json!({"token": wrong})).await;
            assert_eq!(unknown.rule(), "422 git-token-unknown token");
            assert!(wrong.is_empty() || !unknown.body.to_string().contains(wrong), "{unknown:?}");
        }
        let opened = world.submit(&host.url("shop"), json!({"token": "ci"})).await;
        let job = world.job(&opened);
        assert!(
            !opened.body.to_string().contains("s3cret") && !opened.body.to_string().contains("\"ci\""),
            "{opened:?}"
        );
        assert!(!fs::read_to_string(job.join("metadata.json")).unwrap().contains("s3cret"));
        assert!(!world.log().contains("s3cret"), "{}", world.log());
    });
}

#[test]
fn the_process_that_clones_shows_nothing_to_other_users() {
    story(async |world| {
        let host = Host::start(&world.repositories(), |_| Reply::Stall).await;
        let tokens = world.path("tokens");
        fs::create_dir(&tokens).unwrap();
        fs::write(tokens.join("ci"), "s3cret-value").unwrap();
        let more = ["--git-tokens", tokens.to_str().unwrap(), "--clone-timeout", "30s"];
        world.serve(&[&host.name()], &more).await;
        let (url, name) = (format!("{}/api/jobs/github", world.url()), host.url("shop"));
        let request = reqwest::Client::new().post(url).json(&request(&name, "ci"));
        let sent = tokio::spawn(request.send());
        let pid = until("the host is asked", async || {
            let asked = !host.asked().is_empty();
            world.clones().first().copied().filter(|_| asked)
        })
        .await;
        let shown =
            |file: &str| String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/{file}")).unwrap()).into_owned();
        assert_eq!(shown("environ"), "", "an empty environment");
        assert!(shown("cmdline").ends_with("\0git-clone\0") && !shown("cmdline").contains("s3cret"));
        let limits = shown("limits");
        assert!(limits.lines().any(|line| line.starts_with("Max open files            256")), "{limits}");
        let group = shown("stat").rsplit_once(')').unwrap().1.split_whitespace().nth(2).unwrap().to_owned();
        assert_eq!(group, pid.to_string(), "a process group of its own");
        sent.abort();
    });
}

fn request(url: &str, token: &str) -> serde_json::Value {
    let stack = json!({"language": "java", "framework": "spring-boot", "build_tool": "maven"});
    let mut request = json!({"github_url": url, "stack": stack});
    if !token.is_empty() {
        request["token"] = json!(token);
    }
    request
}

#[test]
fn a_host_that_stalls_or_drips_costs_its_time_and_no_more() {
    story(async |world| {
        Repository::with(&world.repositories(), "shop", Files::project());
        Repository::with(&world.repositories(), "drip", Files::project());
        let host = Host::start(&world.repositories(), |asked: &Asked| match asked.is_list() {
            _ if asked.path.contains("/list.git") => Reply::Stall,
            _ if asked.path.contains("/drip.git") => Reply::Drip(Duration::from_millis(20)),
            false => Reply::Stall,
            true => Reply::Git,
        })
        .await;
        world.serve(&[&host.name()], &["--clone-timeout", "1s"]).await;
        for name in ["list", "drip", "shop"] {
            let begun = std::time::Instant::now();
            let answer = world.submit(&host.url(name), json!({})).await;
            assert!(
                answer.said().starts_with("504 git-too-slow: the clone was not done after 1 seconds"),
                "{answer:?}"
            );
            assert!(begun.elapsed() < Duration::from_secs(10));
            assert_eq!(world.clones(), Vec::<u32>::new(), "it is gone before the answer comes");
        }
        // One that speaks no TLS at all.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("localhost:{}", silent.local_addr().unwrap().port());
        world.kill();
        world.serve(&[&name], &["--clone-timeout", "1s"]).await;
        let answer = world.submit(&format!("https://{name}/a/b"), json!({})).await;
        assert_eq!(answer.status, 504, "{answer:?}");
    });
}

#[test]
fn a_host_that_breaks_off_or_never_ends_is_told_apart() {
    story(async |world| {
        Repository::with(&world.repositories(), "cut-short", Files::project());
        Repository::with(&world.repositories(), "short", Files::project());
        let progress = [b"0408\x02".to_vec(), vec![b'\x1b'; 1027]].concat();
        let list = b"001e# service=git-upload-pack\n".to_vec();
        let host = Host::start(&world.repositories(), move |asked: &Asked| match asked.is_list() {
            true if asked.path.contains("/endless-list.git") => Reply::Endless(list.clone(), vec![b'x'; 65536]),
            false if asked.path.contains("/cut-short.git") => Reply::Cut(2000),
            // A whole answer, of which the end is missing.
            false if asked.path.contains("/short.git") => Reply::Changed(Box::new(|body| body[..2000].to_vec())),
            false => Reply::Endless(b"00000008NAK\n".to_vec(), progress.clone()),
            true => Reply::Git,
        })
        .await;
        Repository::with(&world.repositories(), "talks", Files::project());
        world.serve(&[&host.name()], &["--clone-limit", "2MiB"]).await;
        let cut = world.submit(&host.url("cut-short"), json!({})).await;
        assert!(cut.said().starts_with("502 git-host-unreachable: the connection to localhost"), "{cut:?}");
        let short = world.submit(&host.url("short"), json!({})).await;
        assert!(short.said().starts_with("502 git-host-unreachable: the host broke off"), "{short:?}");
        let talks = world.submit(&host.url("talks"), json!({})).await;
        assert!(talks.said().starts_with("413 too-large: the clone has more than 2 MiB"), "{talks:?}");
        let list = world.submit(&host.url("endless-list"), json!({})).await;
        assert_eq!(list.rule(), "422 git-not-a-repository -", "another kind of answer: {list:?}");
        assert_eq!(world.jobs(), 0);
    });
}

#[test]
fn when_the_client_goes_away_the_clone_ends() {
    story(async |world| {
        let host = Host::start(&world.repositories(), |_| Reply::Stall).await;
        // Its deadline would end it, too.
        world.serve(&[&host.name()], &["--clone-timeout", "1h"]).await;
        let url = format!("{}/api/jobs/github", world.url());
        let sent = tokio::spawn(reqwest::Client::new().post(url).json(&request(&host.url("shop"), "")).send());
        until("the host is asked", async || (!host.asked().is_empty()).then_some(())).await;
        assert_eq!(world.clones().len(), 1);
        sent.abort();
        until("the clone ends", async || (world.clones().is_empty() && world.staged().is_empty()).then_some(())).await;
    });
}

#[test]
fn when_the_server_dies_the_clone_ends() {
    story(async |world| {
        let host = Host::start(&world.repositories(), |_| Reply::Stall).await;
        world.serve(&[&host.name()], &[]).await;
        let url = format!("{}/api/jobs/github", world.url());
        let sent = tokio::spawn(reqwest::Client::new().post(url).json(&request(&host.url("shop"), "")).send());
        until("the host is asked", async || (!host.asked().is_empty()).then_some(())).await;
        let clones = world.clones();
        let pid = Pid::from_raw(clones[0].cast_signed()).unwrap();
        world.kill();
        until("the clone ends", async || test_kill_process(pid).is_err().then_some(())).await;
        assert!(sent.await.unwrap().is_err());
        assert_eq!(world.staged().len(), 1, "swept by the next server");
        world.serve(&[&host.name()], &[]).await;
        assert_eq!(world.staged(), Vec::<String>::new());
    });
}

#[test]
fn one_clone_too_many_is_told_to_come_again() {
    story(async |world| {
        Repository::with(&world.repositories(), "shop", Files::project());
        let host = Host::start(&world.repositories(), |asked: &Asked| match asked.path.contains("/shop.git") {
            true => Reply::Git,
            false => Reply::Stall,
        })
        .await;
        world.serve(&[&host.name()], &[]).await;
        let url = format!("{}/api/jobs/github", world.url());
        let client = reqwest::Client::new();
        let stalled: Vec<_> =
            (0..4).map(|_| tokio::spawn(client.post(&url).json(&request(&host.url("stalls"), "")).send())).collect();
        until("all are under way", async || (host.asked().len() == 4).then_some(())).await;
        // Half of the eight places: the rest is for others.
        let answer = world.submit(&host.url("shop"), json!({})).await;
        assert!(answer.said().starts_with("429 too-many: your address has its share of clones"), "{answer:?}");
        stalled.iter().for_each(|sent| sent.abort());
        until("there is room", async || {
            let answer = world.submit(&host.url("shop"), json!({})).await;
            (answer.status == 201).then_some(())
        })
        .await;
    });
}
