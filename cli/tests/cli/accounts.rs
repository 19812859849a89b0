//! Tokens as people and scripts meet them: made in a folder, kept for a server, shown with each request.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    Said,
    fake::{Fake, Reply},
    pipelinex, run, said,
};

fn with_input(mut command: Command, input: &str) -> Said {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    said(child.wait_with_output().unwrap())
}

#[test]
fn a_secret_is_set_listed_without_itself_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (key, workspaces) = (dir.path().join("key"), dir.path().join("workspaces"));
    let secret = |args: &[&str], key: Option<&Path>, input: &str| {
        let mut command = pipelinex(&[]);
        command.arg("secret").args(args).arg("--workspaces").arg(&workspaces);
        key.into_iter().for_each(|key| _ = command.arg("--secrets-key").arg(key));
        with_input(command, input)
    };
    let set = ["set", "DEPLOY", "--project", "shop", "--for", "git:git.example"];
    let missing = secret(&set, Some(&key), "s3cret-value\n");
    assert!(missing.code == 64 && missing.err.contains("pipelinex secret key --secrets-key"), "{}", missing.err);
    let made = secret(&["key"], Some(&key), "");
    assert!(made.code == 0 && made.err.contains("keep a copy elsewhere"), "{}", made.err);
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(secret(&["key"], Some(&key), "").code, 64, "a key is not replaced");
    let beside = secret(&["key"], Some(&workspaces.join("key")), "");
    assert!(beside.code == 64 && beside.err.contains("does not belong below"), "{}", beside.err);

    assert_eq!(secret(&set, Some(&key), "s3cret-value\n").code, 0);
    let again = secret(&set, Some(&key), "s3cret-other\n");
    assert!(again.err.contains("DEPLOY of the project shop is replaced"), "{}", again.err);
    for (input, why) in [("short\n", "fewer than 8 characters"), ("", "is empty"), ("two lines\nof it", "one line")] {
        let refused = secret(&set, Some(&key), input);
        assert!(refused.code == 64 && refused.err.contains(why), "{}", refused.err);
        assert!(input.trim().is_empty() || !refused.err.contains(input.trim()), "{}", refused.err);
    }
    let plain = secret(&["set", "UPLOAD", "--for", "file", "--protected"], Some(&key), "line of a file\n");
    assert!(plain.code == 0 && plain.err.contains("as a file"), "{}", plain.err);
    assert_eq!(secret(&["rm", "UPLOAD"], None, "").code, 0);
    let wrong = secret(&["set", "PATH", "--for", "git:git.example"], Some(&key), "s3cret-value");
    assert!(wrong.code == 64 && wrong.err.contains("another name"), "{}", wrong.err);
    let list = secret(&["list"], None, "");
    assert!(list.out.contains("DEPLOY  shop     git:git.example") && !list.out.contains("s3cret"), "{}", list.out);
    let document: Value = serde_json::from_str(&secret(&["list", "--json"], None, "").out).unwrap();
    assert_eq!((&document["secrets"][0]["name"], document["secrets"][0].get("sealed")), (&json!("DEPLOY"), None));

    assert_eq!(secret(&["rm", "DEPLOY", "--project", "shop"], None, "").code, 0);
    let gone = secret(&["rm", "DEPLOY", "--project", "shop"], None, "");
    assert!(gone.code == 64 && gone.err.contains("has no secret DEPLOY"), "{}", gone.err);
    let record = run(&["audit", "tail", "--workspaces", workspaces.to_str().unwrap()]);
    assert!(record.out.contains("set secret    DEPLOY of shop") && !record.out.contains("s3cret"), "{}", record.out);
}

#[test]
fn a_token_is_printed_once_listed_without_itself_and_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let token = |args: &[&str]| run(&[&["token"], args, &["--workspaces", dir.path().to_str().unwrap()]].concat());
    let made = token(&["create", "--role", "submitter", "--project", "shop,site", "--expires", "90d", "--name", "ci"]);
    assert_eq!((made.code, made.out.lines().count()), (0, 1), "{}", made.err);
    assert!(made.out.starts_with("plx_") && made.err.contains("the token of ci, submitter of shop, site, until "));
    let again = token(&["create", "--role", "viewer", "--name", "ci"]);
    assert!(again.code == 64 && again.err.contains("pipelinex token revoke ci"), "{}", again.err);

    let list = token(&["list"]);
    assert!(list.out.contains("ci    submitter  shop, site") && !list.out.contains(made.out.trim()), "{}", list.out);
    let document: Value = serde_json::from_str(&token(&["list", "--json"]).out).unwrap();
    assert_eq!(document["tokens"][0]["projects"], json!(["shop", "site"]));
    assert!(document["tokens"][0].get("sha256").is_none());

    assert_eq!(token(&["revoke", "ci"]).code, 0);
    let gone = token(&["revoke", "ci"]);
    assert!(gone.code == 64 && gone.err.contains("no token of ci"), "{}", gone.err);
    let record = run(&["audit", "tail", "-n", "2", "--workspaces", dir.path().to_str().unwrap()]);
    assert_eq!(record.out.lines().count(), 2, "{}{}", record.out, record.err);
    assert!(
        record.out.contains("make token    ci  done") && record.out.contains("revoke token  ci  done"),
        "{}",
        record.out
    );
    for (args, said) in [
        (&["create", "--role", "root"][..], "a role is viewer"),
        (&["create", "--role", "viewer", "--name", "../x"], "a name is 1 to 40"),
        (&["create", "--role", "viewer", "--expires", "0d"], "looks like 90d"),
    ] {
        let refused = token(args);
        assert!(refused.code == 64 && refused.err.contains(said), "{}", refused.err);
    }
}

#[test]
fn login_keeps_a_token_that_works_for_its_server_alone_and_the_variable_counts_more() {
    let home = tempfile::tempdir().unwrap();
    let token = format!("plx_{}_{}", "0".repeat(16), "a".repeat(64));
    let known = format!("Bearer {token}");
    let server = Fake::start(move |asked| match asked.header("authorization") {
        Some(sent) if sent == known => Reply::json(
            200,
            &json!({"accounts": true, "name": "ci", "role": "viewer", "projects": ["shop"], "jobs": []}),
        ),
        sent => Reply::json(401, &json!({"detail": format!("no such token: {}", sent.is_some())})),
    });
    let at_home = |args: &[&str], url: &str| {
        let mut command = pipelinex(args);
        command.env("HOME", home.path()).env("PIPELINEX_SERVER", url);
        command
    };
    let told = said(at_home(&["list"], &server.url()).output().unwrap());
    assert!(told.code == 4 && told.err.contains("pipelinex login"), "{} {}", told.code, told.err);
    for wrong in ["plx_x", &token.replace('a', "b")] {
        let refused = with_input(at_home(&["login"], &server.url()), wrong);
        assert!(refused.code != 0 && refused.out.is_empty(), "{}", refused.err);
    }
    assert!(!home.path().join(".config").exists(), "what does not work is not kept");

    let kept = with_input(at_home(&["login"], &server.url()), &format!("{token}\n"));
    assert_eq!(kept.code, 0, "{}", kept.err);
    assert!(!kept.err.contains(&token) && kept.err.contains("viewer of shop"), "{}", kept.err);
    let file = home.path().join(".config/pipelinex/credentials.json");
    assert_eq!(mode(&file), 0o600);
    let who = said(at_home(&["whoami"], &server.url()).output().unwrap());
    assert_eq!(who.out, format!("ci at {}: viewer of shop\n", server.url()));
    let other = Fake::start(|asked| {
        assert_eq!(asked.header("authorization"), None, "the token is another server's");
        Reply::json(200, &json!({"accounts": false, "name": "anonymous"}))
    });
    let who = said(at_home(&["whoami"], &other.url()).output().unwrap());
    assert!(who.out.contains("has no accounts"), "{}{}", who.out, who.err);
    let told = said(at_home(&["list"], &server.url()).env("PIPELINEX_TOKEN", "plx_wrong").output().unwrap());
    assert!(told.code == 4 && told.err.contains("no such token: true"), "{}", told.err);

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = said(at_home(&["list"], &server.url()).output().unwrap());
    assert!(told.code == 64 && told.err.contains("chmod 600"), "{}", told.err);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(said(at_home(&["logout"], &server.url()).output().unwrap()).code, 0);
    assert_eq!(said(at_home(&["list"], &server.url()).output().unwrap()).code, 4);
}

#[test]
fn a_project_is_made_and_changed_in_the_folder_or_over_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let project = |args: &[&str]| run(&[&["project"], args, &["--workspaces", dir.path().to_str().unwrap()]].concat());
    let made = project(&["create", "shop", "fail-on=high", "require=sca,sast", "--owner", "ada"]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert_eq!(made.err, "the project shop of ada is made; fail-on=high require=sast,sca\n");
    let members = project(&["members", "shop", "ci=submitter", "eve=viewer"]);
    assert_eq!(members.out, "ACCOUNT  ROLE\nada      owner\nci       submitter\neve      viewer\n", "{}", members.err);
    assert!(!project(&["members", "shop", "eve=none"]).out.contains("eve"));
    let changed = project(&["set", "shop", "fail-on=none", "own-pipelines=no", "--owner", "bob"]);
    assert_eq!(changed.err, "the project shop of bob is changed; require=sast,sca own-pipelines=no\n");
    let list = project(&["list"]);
    assert!(list.out.contains("shop     bob    ci       require=sast,sca own-pipelines=no"), "{}", list.out);
    let document: Value = serde_json::from_str(&project(&["list", "--json"]).out).unwrap();
    assert_eq!(document["projects"][0]["members"], json!({"ci": "submitter"}));
    for (args, said) in [
        (&["create", "shop", "--owner", "eve"][..], "already"),
        (&["create", "other"], "--owner"),
        (&["create", "other", "gate=high"], "no setting of a project"),
        (&["members", "shop", "x=admin"], "viewer, submitter, operator"),
        (&["set", "shop"], "SETTING"),
        (&["set", "nothing", "fail-on=low"], "nobody made a project nothing"),
    ] {
        let refused = project(args);
        assert!(refused.code == 64 && refused.err.contains(said), "{args:?}: {}", refused.err);
    }
    assert_eq!(project(&["rm", "shop"]).err, "the project shop of bob is forgotten; its jobs stay\n");
    assert_eq!(project(&["rm", "shop"]).code, 64);

    let server = Fake::start(|asked| {
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/api/projects/acme%2Fshop"));
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(body, json!({"members": {"ci": "viewer", "eve": null}}));
        Reply::json(200, &json!({"name": "acme/shop", "owner": "ada", "members": {"ci": "viewer"}, "settings": {}}))
    });
    let told = run(&["project", "members", "acme/shop", "ci=viewer", "eve=none", "--server", &server.url()]);
    assert_eq!((told.code, told.out.lines().count()), (0, 3), "{}", told.err);
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn without_accounts_a_server_listens_on_the_loopback_alone() {
    let dir = tempfile::tempdir().unwrap();
    let workspaces = dir.path().to_str().unwrap();
    let told = run(&["backend", "--workspaces", workspaces, "--listen", "0.0.0.0:0"]);
    assert_eq!(told.code, 64, "{}", told.err);
    assert!(told.err.contains("--auth token") && told.err.contains("--open-to-network"), "{}", told.err);
    for args in [&["--open-to-network"][..], &["--auth", "token"]] {
        let mut command = pipelinex(&["backend", "--workspaces", workspaces, "--listen", "0.0.0.0:0"]);
        let mut server = command.args(args).stderr(Stdio::piped()).spawn().unwrap();
        let heard = std::io::BufReader::new(server.stderr.take().unwrap());
        let listens = std::io::BufRead::lines(heard).map_while(Result::ok).any(|line| line.contains("listening on"));
        end(server);
        assert!(listens, "{args:?}");
    }
}

fn end(mut server: Child) {
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_job_is_made_once_more_and_one_that_is_not_there_is_no_fault_of_ours() {
    let server = Fake::start(|asked| match (asked.method.as_str(), asked.target.as_str()) {
        ("POST", target) if target == format!("/api/jobs/{}/retry", crate::ID) => {
            Reply::json(201, &json!({"job_id": "0190a1b2-c3d4-7e5f-8a9b-000000000001"}))
        }
        _ => Reply::json(404, &json!({"code": "not-found", "detail": "there is no such job"})),
    });
    let at = |args: &[&str]| run(&[args, &["--server", &server.url()]].concat());
    let made = at(&["retry", crate::ID]);
    assert_eq!((made.code, made.out.as_str()), (0, "0190a1b2-c3d4-7e5f-8a9b-000000000001\n"), "{}", made.err);
    assert_eq!(at(&["status", crate::ID]).code, 64);
}
