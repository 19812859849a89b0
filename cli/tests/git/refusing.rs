//! Everything that is not cloned, each with its reason. The submitter's faults are 4xx, a host's are 502 and 504, ours 500.

use std::fs;

use serde_json::{Value, json};

use crate::{
    host::{Host, Reply},
    repository::{Files, Repository},
    world::{World, story},
};

#[test]
fn a_request_is_refused_before_anybody_is_asked() {
    story(async |world| {
        let host = Host::start(&world.repositories(), |_| Reply::Git).await;
        world.serve(&[&host.name()], &[]).await;
        let own = host.url("shop");
        for (url, more, expected) in [
            ("http://localhost/a/b", json!({}), "422 git-url-scheme github_url"),
            ("ssh://git@localhost/a/b", json!({}), "422 git-url-scheme github_url"),
            ("file:///etc", json!({}), "422 git-url-scheme github_url"),
            ("https://me:pass@localhost/a/b", json!({}), "422 git-url-credentials github_url"),
            ("https://github.com/a/b", json!({}), "422 git-host-not-allowed github_url"),
            ("https://localhost/a/b", json!({}), "422 git-host-not-allowed github_url"),
            ("https://127.0.0.1/a/b", json!({}), "422 git-host-not-allowed github_url"),
            ("https://[::1]/a/b", json!({}), "422 git-url-malformed github_url"),
            (&own, json!({"ref": "--upload-pack=touch /tmp/x"}), "422 git-ref-malformed ref"),
            (&own, json!({"token": "none"}), "422 git-token-unknown token"),
            (&own, json!({"stack": {"language": "cobol", "framework": "x", "build_tool": "y"}}), "422 unknown-stack -"),
            (&own, json!({"ref": 7}), "422 metadata-invalid -"),
        ] {
            let answer = world.submit(url, more).await;
            assert_eq!(answer.rule(), expected, "{url}");
        }
        let client = reqwest::Client::new();
        let post = || client.post(format!("{}/api/jobs/github", world.url()));
        let json = |body: &'static str| post().header("content-type", "application/json").body(body);
        for (request, expected) in [
            (post().body("{}"), "415 not-json"),
            (json("{\"github_url\""), "400 metadata-not-json"),
            (json("[]"), "422 metadata-invalid"),
            (json("{}"), "422 metadata-invalid"),
            (json("").header("content-encoding", "gzip"), "415 content-encoding"),
            (post().json(&json!({"github_url": "x".repeat(70_000)})), "413 too-large"),
            (post().json(&json!({"github_url": own})).header("origin", "https://evil.example"), "403 cross-site"),
        ] {
            let answer = world.post(request).await;
            assert_eq!(format!("{} {}", answer.status, answer.body["code"].as_str().unwrap()), expected, "{answer:?}");
        }
        assert_eq!(host.asked(), []);
        world.assert_untouched().await;
    });
}

/// What is said about the repository `shop` where the host answers as the script says.
async fn said(world: &mut World, name: &str, script: impl Fn() -> Reply + Send + Sync + 'static) -> String {
    let host = Host::start(&world.repositories(), move |_| script()).await;
    let answer = serve_and_submit(world, &host, name, json!({})).await;
    match answer.body["problems"].as_array() {
        Some(problems) => format!("{} ({})", answer.said(), problems[0]["rule"].as_str().unwrap()),
        None => answer.said(),
    }
}

async fn serve_and_submit(world: &mut World, host: &Host, name: &str, more: Value) -> crate::world::Answer {
    world.kill();
    world.serve(&[&host.name()], &[]).await;
    let answer = world.submit(&host.url(name), more).await;
    world.assert_untouched().await;
    answer
}

#[test]
fn a_repository_that_cannot_be_cloned_is_refused_with_its_reason() {
    story(async |world| {
        let repositories = world.repositories();
        Repository::new(&repositories, "empty");
        Repository::with(&repositories, "no-project", Files::default().file("README.md", "hi"));
        let headless = Repository::with(&repositories, "headless", Files::project());
        fs::write(headless.path("HEAD"), "ref: refs/heads/none\n").unwrap();
        let tagged = Repository::with(&repositories, "tagged", Files::project());
        let blob = tagged.object("blob", b"x");
        tagged.git(&["tag", "blob", &blob]);
        let new_hash = Repository::new(&repositories, "sha256");
        fs::remove_dir_all(new_hash.path("")).unwrap();
        fs::create_dir(new_hash.path("")).unwrap();
        new_hash.git(&["init", "--quiet", "--bare", "--initial-branch=main", "--object-format=sha256", "."]);
        new_hash.commit("main", Files::project());

        let cases = [
            (
                "none",
                "422 git-refused: the repository is not there, or it is private (the host answered 404) (git-not-found)",
            ),
            ("empty", "422 git-refused: the repository is empty: it has no commit (git-empty)"),
            ("headless", "422 git-refused: the repository has no default branch (git-ref-not-found)"),
            ("no-project", "422 not-admitted: `pom.xml` is not there (and 2 more in `problems`) (required-path)"),
        ];
        for (name, expected) in cases {
            assert_eq!(said(world, name, || Reply::Git).await, expected);
        }
        let sha256 = said(world, "sha256", || Reply::Git).await;
        assert!(sha256.contains("names its objects by SHA-256"), "{sha256}");

        let host = Host::start(&repositories, |_| Reply::Git).await;
        let missing = serve_and_submit(world, &host, "tagged", json!({"ref": "release"})).await;
        assert_eq!(missing.rule(), "422 git-ref-not-found -");
        assert!(missing.body["problems"][0]["hint"].as_str().unwrap().contains("it has: main"), "{missing:?}");
        let no_commit = serve_and_submit(world, &host, "tagged", json!({"ref": "blob"})).await;
        assert_eq!(no_commit.rule(), "422 git-ref-not-found -");
    });
}

#[test]
fn what_a_host_answers_is_told_apart() {
    story(async |world| {
        Repository::with(&world.repositories(), "shop", Files::project());
        let page = || Reply::Bytes("text/html", b"<html>".to_vec());
        let list = "application/x-git-upload-pack-advertisement";
        assert!(said(world, "shop", || Reply::Status(401)).await.contains("or it is private (the host answered 401)"));
        assert!(said(world, "shop", || Reply::Status(403)).await.ends_with("(git-not-found)"));
        assert!(said(world, "shop", page).await.ends_with("(git-not-a-repository)"));
        assert!(said(world, "shop", || Reply::Bytes(list, b"0000".to_vec())).await.ends_with("(git-not-a-repository)"));
        assert!(said(world, "shop", || Reply::Bytes(list, Vec::new())).await.ends_with("(git-not-a-repository)"));
        let no = b"001e# service=git-upload-pack\n0000000eERR no\x1b[2J".to_vec();
        let refused = said(world, "shop", move || Reply::Bytes(list, no.clone())).await;
        assert_eq!(refused, "422 git-refused: the host refuses: no\\u{1b}[2J (git-host-refuses)");
        for code in [429, 500, 503] {
            let answer = said(world, "shop", move || Reply::Status(code)).await;
            assert!(
                answer.starts_with("502 git-host-unreachable: localhost:") && answer.contains(&code.to_string()),
                "{answer}"
            );
        }
    });
}

#[test]
fn a_host_that_is_not_reached_is_nobodys_fault_here() {
    story(async |world| {
        let nobody = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            format!("localhost:{}", listener.local_addr().unwrap().port())
        };
        world.serve(&[&nobody, "does-not-exist.invalid"], &[]).await;
        let answer = world.submit(&format!("https://{nobody}/a/b"), json!({})).await;
        assert!(
            answer.said().starts_with(&format!("502 git-host-unreachable: cannot connect to {nobody}: ")),
            "{answer:?}"
        );
        let answer = world.submit("https://does-not-exist.invalid/a/b", json!({})).await;
        assert!(answer.said().starts_with("502 git-host-unreachable: cannot connect to does-not"), "{answer:?}");
    });
}

#[test]
fn a_certificate_that_nobody_trusts_is_not_accepted() {
    story(async |world| {
        Repository::with(&world.repositories(), "shop", Files::project());
        let host = Host::start(&world.repositories(), |_| Reply::Git).await;
        let public = world.path("public.pem");
        fs::write(&public, "").unwrap();
        world.serve(&[&host.name()], &["--ca-certs", public.to_str().unwrap()]).await;
        let answer = world.submit(&host.url("shop"), json!({})).await;
        assert!(answer.said().starts_with("502 git-host-unreachable: cannot connect to localhost"), "{answer:?}");
        assert!(answer.said().contains("PIPELINEX_CA_CERTS"), "{answer:?}");
        assert_eq!(host.asked(), []);
    });
}
