//! `login`, `logout`, `whoami`: the token by which a server knows us.

use std::io::{self, IsTerminal, Read};

use pipelinex_common::store::read_token;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::{
    client::{Client, Credentials, TOKEN_VARIABLE},
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
};

/// More than any token has, in bytes.
const TOKEN_MAX: u64 = 4096;

/// Tries a token, and keeps it.
pub async fn login(client: Client, out: &Output) -> Result<Exit, Failure> {
    if !client.is_private() {
        out.say(show::warning(&format!(
            "{} is not https: whoever is on the way there can read the token",
            client.url()
        )));
    }
    let token = read(out)?;
    if read_token(token.expose_secret()).is_none() {
        return Err(Failure::usage("that is no token: one begins with plx_, as `pipelinex token create` prints it"));
    }
    let answer = client.with_token(&token)?.whoami().await?;
    let file = Credentials::keep(client.url(), &token)?;
    if out.json() {
        out.document(&answer)?;
    }
    out.say(format!("{}; the token is kept in {}", sentence(&answer, client.url()), file.display()));
    if std::env::var_os(TOKEN_VARIABLE).is_some() {
        out.say(show::warning(&format!("{TOKEN_VARIABLE} is set, and counts more than what is kept")));
    }
    Ok(Exit::Passed)
}

/// Forgets a token. It stays good: whoever has it may use it until it is revoked.
pub fn logout(client: &Client, out: &Output) -> Result<Exit, Failure> {
    let known = Credentials::forget(client.url())?;
    out.say(match known {
        true => {
            format!("the token for {} is forgotten here; `pipelinex token revoke` makes it worthless", client.url())
        }
        false => format!("no token is kept for {}", client.url()),
    });
    Ok(Exit::Passed)
}

/// Shows who a server takes us for.
pub async fn whoami(client: &Client, out: &Output) -> Result<Exit, Failure> {
    let answer = client.whoami().await?;
    if out.json() {
        out.document(&answer)?;
    } else {
        out.data(sentence(&answer, client.url()))?;
    }
    Ok(Exit::Passed)
}

fn sentence(answer: &Value, url: &str) -> String {
    let word = |name: &str| answer[name].as_str().unwrap_or("?").to_owned();
    if answer["accounts"] == false {
        return format!("{url} has no accounts: whoever reaches it may do everything");
    }
    let projects = answer["projects"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
    let projects = if answer["role"] == "admin" { "all projects".to_owned() } else { projects.join(", ") };
    format!("{} at {url}: {} of {projects}", word("name"), word("role"))
}

/// The token, from standard input; a person types it unseen.
fn read(out: &Output) -> Result<SecretString, Failure> {
    let failed = |error: io::Error| Failure::errored(format!("the token cannot be read: {error}"));
    if io::stdin().is_terminal() {
        out.say("paste the token, and press Enter; it is not shown");
        return rpassword::read_password().map(|text| text.trim().into()).map_err(failed);
    }
    let mut text = String::new();
    io::stdin().take(TOKEN_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text.trim().into())
}
