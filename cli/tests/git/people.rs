//! The command line.

use serde_json::{Value, json};

use crate::{
    host::{Host, Reply},
    repository::{Files, Repository},
    world::{World, story},
};

struct Said {
    code: i32,
    out: String,
    err: String,
}

async fn run(world: &World, args: &[&str]) -> Said {
    let mut command = tokio::process::Command::from(world.command(args));
    let output = command.env("PIPELINEX_SERVER", world.url()).kill_on_drop(true).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_url_is_submitted_like_a_folder() {
    story(async |world| {
        let repository = Repository::with(&world.repositories(), "shop", Files::project());
        let tagged = repository.git(&["rev-parse", "main"]);
        repository.git(&["tag", "v1", "main"]);
        repository.commit("main", Files::project().file("new", "x"));
        let host = Host::start(&world.repositories(), |_| Reply::Git).await;
        world.serve(&[&host.name()], &[]).await;
        let url = host.url("shop");

        let sent = run(world, &["submit", &url, "--ref", "v1", "--only", "build"]).await;
        assert_eq!(sent.code, 0, "{}", sent.err);
        assert!(sent.err.contains("taken for a project of java/spring-boot/maven"), "{}", sent.err);
        let metadata = world.workspaces().join(sent.out.trim()).join("metadata.json");
        let metadata: Value = serde_json::from_slice(&std::fs::read(metadata).unwrap()).unwrap();
        assert_eq!((&metadata["commit"], &metadata["pipeline"]["run_build"]), (&json!(tagged), &json!(true)));
        assert_eq!(metadata["pipeline"]["run_package"], false);

        let file = world.path("request.json");
        let stack = json!({"language": "java", "framework": "spring-boot", "build_tool": "maven"});
        std::fs::write(&file, json!({"stack": stack, "pipeline": {"run_build": true}}).to_string()).unwrap();
        let sent = run(world, &["submit", &url, "--metadata", file.to_str().unwrap(), "--json"]).await;
        assert_eq!(
            (sent.code, &serde_json::from_str::<Value>(&sent.out).unwrap()["branch"]),
            (0, &json!("main")),
            "{}",
            sent.err
        );

        let refused = run(world, &["submit", &url, "--ref", "none"]).await;
        assert_eq!((refused.code, refused.out.as_str()), (4, ""));
        let expected = "git-ref-not-found: the repository has no branch or tag `none`\n    hint: it has: main\n";
        assert!(refused.err.ends_with(expected), "{}", refused.err);
        let token = run(world, &["submit", &url, "--token-name", "ci"]).await;
        assert!(token.code == 4 && token.err.contains("git-token-unknown"), "{}", token.err);
        assert_eq!(run(world, &["submit", "http://localhost/a/b", "--stack", "a/b/c"]).await.code, 4);

        for usage in
            [&["precheck", &url][..], &["submit", ".", "--ref", "main"], &["submit", ".", "--token-name", "ci"]]
        {
            let said = run(world, usage).await;
            assert_eq!(said.code, 64, "{usage:?}: {}", said.err);
        }
        let help = run(world, &["--help"]).await;
        assert!(!help.out.contains("git-clone"), "{}", help.out);
    });
}

#[test]
fn a_host_that_is_down_is_no_fault_of_the_submitter() {
    story(async |world| {
        let host = Host::start(&world.repositories(), |_| Reply::Status(503)).await;
        world.serve(&[&host.name()], &[]).await;
        let said = run(world, &["submit", &host.url("shop")]).await;
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(said.err.contains("answered 503 Service Unavailable; try again later"), "{}", said.err);
    });
}
