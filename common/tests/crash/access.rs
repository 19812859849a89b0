//! The same of who may do what: a token that is made and revoked, a project that is made, changed and removed, a secret of it that is
//! set, replaced and removed, and a power cut after each of the system calls that this takes.

use std::{convert::Infallible, fs, path::Path};

use pipelinex_common::{
    access::{Grant, Role},
    secrets::{Purpose, Secret, SecretKey},
    store::{NewSecret, NewToken, ProjectRecord, Store, StoreError},
};

use crate::{ROOT, disk, disk::Tree, recorded_of, replayed_by, scratch, tell, trace::Call};

/// No test: what the recorded process does.
#[test]
fn writing_who_may_do_what() {
    if let Ok(root) = std::env::var(ROOT) {
        write(Path::new(&root)).unwrap();
    }
}

fn write(root: &Path) -> Result<(), StoreError> {
    let store = Store::open(root)?;
    let grant = Grant { role: Role::Submitter, projects: vec!["shop".to_owned()] };
    store.create_token(NewToken { name: "ci".to_owned(), grant, expires_at: None })?.unwrap();
    tell(root, "token");
    assert!(store.create_project(&ProjectRecord::new("shop", "ada"))?);
    tell(root, "project");
    let add = |record: &mut ProjectRecord| -> Result<(), Infallible> {
        record.members.insert("ci".to_owned(), Role::Viewer);
        Ok(())
    };
    let Ok(_) = store.change_project("shop", add)?.unwrap();
    tell(root, "member");
    // Its key is nobody's matter here: it lies elsewhere, and is the same for whoever judges.
    let key = key(root);
    let secret = |value: &str| Secret::new("KEY", Purpose::Variable, true, false, value.into()).unwrap();
    for (value, told) in [("the first value", "secret"), ("the second value", "replaced")] {
        let secret = secret(value);
        store.set_secret(&key, &NewSecret { project: "shop", secret: &secret, by: "ada" }).unwrap();
        tell(root, told);
    }
    tell(root, "unsetting");
    assert!(store.remove_secret("shop", "KEY")?);
    tell(root, "unset");
    tell(root, "revoking");
    assert!(store.revoke_token("ci")?);
    tell(root, "revoked");
    tell(root, "removing");
    assert!(store.remove_project("shop")?);
    tell(root, "removed");
    Ok(())
}

/// A key that is the same in every process.
fn key(workspaces: &Path) -> SecretKey {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    fs::write(&path, format!("plxkey_{}", "0a".repeat(32))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    SecretKey::open(&path, workspaces).unwrap()
}

/// What a server makes of a tree; a sentence where it is not what was told.
fn judge(tree: &Tree, told: &[&str]) -> Result<(), String> {
    let dir = scratch();
    disk::lay_out(tree, dir.path());
    let text = |error: StoreError| error.to_string();
    let was = |what: &str| told.contains(&what);
    let must = |what: &str, is: bool| if is { Ok(()) } else { Err(format!("{what}, and was told {told:?}")) };
    let store = Store::open(dir.path()).map_err(text)?;
    let (tokens, projects) = (store.tokens().map_err(text)?, store.project_records().map_err(text)?);
    must("a token is half there", tokens.unreadable.is_empty())?;
    must("a project is half there", projects.unreadable.is_empty())?;
    must("the token is gone", !tokens.known.is_empty() || !was("token") || was("revoking"))?;
    must("the token is taken again", tokens.known.is_empty() || !was("revoked"))?;
    let project = projects.known.first();
    must("the project is gone", project.is_some() || !was("project") || was("removing"))?;
    must("the project is there again", project.is_none() || !was("removed"))?;
    let member = project.is_none_or(|project| project.role_of("ci") == Some(Role::Viewer));
    must("the member is gone", member || !was("member"))?;
    let secrets = store.secrets().map_err(text)?;
    must("a secret is half there", secrets.unreadable.is_empty())?;
    let opened = store.open_secrets(&key(dir.path()), &secrets.known).map_err(|error| error.to_string())?;
    let value = opened.first().map(|secret| secret.expose());
    must("the secret is gone", value.is_some() || !was("secret") || was("unsetting"))?;
    must("the secret is the old one", value != Some("the first value") || !was("replaced"))?;
    must("the secret is there again", value.is_none() || !was("unset"))?;
    // Whoever comes next can go on, whatever a death left.
    let next = store.create_project(&ProjectRecord::new("next", "ada")).map_err(text)?;
    let left = fs::read_dir(store.layout().project_records()).unwrap().flatten();
    let left = left.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b".")).count();
    must("what a death left stays", next && left == 0)
}

#[test]
fn a_power_cut_at_any_moment_gives_nobody_back_what_was_taken_and_takes_nothing_that_was_given() {
    let (succeeded, calls) = recorded_of("access::writing_who_may_do_what", None);
    assert!(succeeded);
    let told = calls.iter().filter(|call| matches!(call, Call::Told { .. })).count();
    assert_eq!(told, 11, "all was recorded: {calls:?}");
    let (states, wrong) = replayed_by(&calls, judge);
    println!("{states} states after {} calls", calls.len());
    assert_eq!(wrong, None);
    let without: Vec<Call> = calls.iter().filter(|call| !matches!(call, Call::SyncDir { .. })).cloned().collect();
    assert!(replayed_by(&without, judge).1.is_some(), "without the syncs of folders the same judge finds what is lost");
}
