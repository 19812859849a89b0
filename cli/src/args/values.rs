//! Values of flags that need more than their type says: sizes, times, cores, secrets, stacks.

use std::{path::PathBuf, time::Duration};

use jiff::SignedDuration;
use pipelinex_backend::{
    client::{InvalidNetwork, Network},
    intake::git::{Host, InvalidHost},
};
use pipelinex_common::{
    access::{self, InvalidName, InvalidProject, Role},
    database::{Databases, UnknownDatabase},
    policy::{self, AllowUnread, FailOn, UnknownWord},
    request::Stack,
    rules::ProjectRules,
    secrets::{self, InvalidSecret, Purpose},
    stack_files,
    stage::Switch,
};
use secrecy::SecretString;

/// A size that may be 0.
pub fn bytes_or_none(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { bytes(text) }
}

/// `50MiB`, `4G`, `1048576`: binary multiples, because that is what engines count in.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err("a size is a whole number with KiB, MiB or GiB behind it, such as 50MiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "a size begins with a whole number, such as 50MiB".to_owned())?;
    match number.checked_mul(1 << shift) {
        Some(0) => Err("a size is at least one byte".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("that is more bytes than can be counted".to_owned()),
    }
}

/// `15m`, `90s`, `1h30m`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let hint = || "a time looks like 15m, 90s or 1h30m".to_owned();
    let seconds = text.parse::<u32>().map(|seconds| Duration::from_secs(u64::from(seconds)));
    let parsed = match seconds {
        Ok(seconds) => seconds,
        Err(_) => text.parse::<SignedDuration>().map_err(|_| hint())?.try_into().map_err(|_| hint())?,
    };
    if parsed.as_secs() == 0 { Err("a time is at least one second".to_owned()) } else { Ok(parsed) }
}

/// `2`, `0.5`: cores, kept in thousandths.
pub fn milli_cpus(text: &str) -> Result<u64, String> {
    let cores: f64 = text.parse().map_err(|_| "cores are a number such as 2 or 0.5".to_owned())?;
    if (0.01..=1024.0).contains(&cores) {
        Ok((cores * 1000.0).round() as u64)
    } else {
        Err("cores lie between 0.01 and 1024".to_owned())
    }
}

/// `90d`, or a time.
pub fn lifetime(text: &str) -> Result<Duration, String> {
    let Some(days) = text.strip_suffix('d') else { return duration(text) };
    match days.parse::<u16>() {
        Ok(days @ 1..) => Ok(Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
        _ => Err("a number of days looks like 90d".to_owned()),
    }
}

/// The name of an account.
pub fn account(text: &str) -> Result<String, InvalidName> {
    access::check_name(text).map(|()| text.to_owned())
}

/// The name of a project, as a request may have it.
pub fn project(text: &str) -> Result<String, InvalidProject> {
    access::check_project(text).map(|()| text.to_owned())
}

/// Where a server is found, without a slash at its end; empty, as compose files write it: nobody says.
pub fn public_url(text: &str) -> Result<String, String> {
    if !text.is_empty() {
        let (url, _) = pipelinex_backend::events::address::check_url(text)
            .map_err(|_| "it is the address of this server, such as https://ci.example".to_owned())?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it has nothing behind `?` or `#`".to_owned());
        }
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// `fail-on=high`.
pub fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is written NAME=VALUE, such as fail-on=high")?;
    ProjectRules::default().set(name, value).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `ada=submitter`; `ada=none` for somebody who is to be no member any more.
pub fn member(text: &str) -> Result<(String, Option<Role>), String> {
    let (name, role) = text.split_once('=').ok_or("a member is written ACCOUNT=ROLE, such as ada=submitter")?;
    let role = match role {
        "none" => None,
        "viewer" | "submitter" | "operator" => role.parse().ok(),
        _ => return Err("a member is viewer, submitter, operator, or none".to_owned()),
    };
    Ok((account(name).map_err(|error| error.to_string())?, role))
}

/// The name of a secret.
pub fn secret_name(text: &str) -> Result<String, InvalidSecret> {
    secrets::check_name(text).map(|()| text.to_owned())
}

/// What a secret is for.
pub fn purpose(text: &str) -> Result<Purpose, InvalidSecret> {
    text.parse()
}

/// Takes anything, so that no error ever repeats it.
pub fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

/// A variable with its value.
pub fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if pipelinex_common::pipeline::vars::is_name(name) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("a variable is written NAME=VALUE".to_owned()),
    }
}

/// `node=24`; an empty text is none, as compose files write it.
pub fn version(text: &str) -> Result<Option<(String, String)>, String> {
    match text.trim().split_once('=') {
        None if text.trim().is_empty() => Ok(None),
        Some((tool, version)) if !tool.is_empty() && !version.is_empty() => {
            Ok(Some((tool.to_owned(), version.to_owned())))
        }
        _ => Err("a version is TOOL=VERSION, such as node=24".to_owned()),
    }
}

/// `python/fastapi/uv`.
pub fn stack(text: &str) -> Result<Stack, String> {
    match text.split('/').collect::<Vec<_>>()[..] {
        [language, framework, build_tool] if ![language, framework, build_tool].contains(&"") => Ok(Stack {
            language: language.to_owned(),
            framework: framework.to_owned(),
            build_tool: build_tool.to_owned(),
            requires_db: false.into(),
        }),
        _ => Err("a stack is language/framework/build tool, such as python/fastapi/uv".to_owned()),
    }
}

/// `mysql,redis`; `true` and `false` as for a flag, and an empty text is none, as compose files write it.
pub fn databases(text: &str) -> Result<Databases, UnknownDatabase> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true.into()),
        "false" | "no" | "off" | "0" => Ok(false.into()),
        words => words.parse(),
    }
}

/// `10.0.0.0/8`; an empty one is none, as compose files write it.
pub fn network(text: &str) -> Result<Option<Network>, InvalidNetwork> {
    if text.is_empty() { Ok(None) } else { text.trim().parse().map(Some) }
}

/// A host from which may be cloned; none, where a list was left empty.
#[derive(Clone, Debug)]
pub struct GitHost(pub Option<Host>);

/// `github.com`, `git.example.org:8443`.
pub fn git_host(text: &str) -> Result<GitHost, InvalidHost> {
    if text.is_empty() { Ok(GitHost(None)) } else { text.parse().map(|host| GitHost(Some(host))) }
}

/// `scan=registry.example/scan:2`.
pub fn image(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, reference)) if !name.is_empty() && !reference.is_empty() => {
            Ok((name.to_owned(), reference.to_owned()))
        }
        _ => Err("an image is NAME=REFERENCE, such as scan=registry.example/scan:2".to_owned()),
    }
}

/// `TOOL/FILE=PATH`, of a file that a tool reads.
pub fn stack_file(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or_else(|| {
        let names: Vec<&str> = stack_files::all().iter().map(|row| row.name.as_str()).collect();
        format!("a file is NAME=PATH, and NAME one of {}", names.join(", "))
    })?;
    stack_files::named(name).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), PathBuf::from(path)))
}

/// `http://host:8000`, kept without a slash at its end.
pub fn server(text: &str) -> Result<String, String> {
    let hint = || "a server is an address such as http://127.0.0.1:8000".to_owned();
    let url = reqwest::Url::parse(text).map_err(|_| hint())?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user name or password does not belong in the server's address".to_owned());
    }
    if plain { Ok(url.as_str().trim_end_matches('/').to_owned()) } else { Err(hint()) }
}

/// `none`, `high`; an empty text is none, as compose files write it.
pub fn fail_on(text: &str) -> Result<FailOn, UnknownWord> {
    if text.is_empty() { Ok(FailOn::default()) } else { text.parse() }
}

/// `sast`; an empty text is no stage, as compose files write it.
pub fn stage(text: &str) -> Result<Option<Switch>, UnknownWord> {
    if text.trim().is_empty() { Ok(None) } else { policy::stage(text).map(Some) }
}

/// `legacy/**`; an empty text is no pattern, as compose files write it.
pub fn allow_unread(text: &str) -> Result<AllowUnread, String> {
    let pattern = Some(text.trim().to_owned()).filter(|pattern| !pattern.is_empty());
    AllowUnread::new(pattern).map_err(|error| error.to_string())
}

/// The address of an archive of advisories.
pub fn archive(text: &str) -> Result<reqwest::Url, String> {
    server(text)?.parse().map_err(|_| "an archive is an address such as https://mirror.example/osv".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_times_and_cores_have_units() {
        assert_eq!(bytes("50MiB"), Ok(50 << 20));
        assert_eq!(bytes("4g"), Ok(4 << 30));
        assert_eq!(bytes("12"), Ok(12));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(milli_cpus("0.5"), Ok(500));
        for bad in ["", "MiB", "-1", "1.5GiB", "0", "99999999999999999999", "17179869184GiB", "1TB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        for bad in ["", "0", "-5m", "soon", "10ms"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "0", "NaN", "-1", "inf"] {
            assert!(milli_cpus(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_rule_is_none() {
        assert_eq!((fail_on(""), fail_on("none")), (Ok(FailOn::default()), Ok(FailOn::default())));
        assert_eq!((stage(""), stage("SCA")), (Ok(None), Ok(Some(Switch::SCA))));
        assert!(fail_on("hihg").is_err() && stage("a stage").is_err());
        assert!(allow_unread("") == Ok(AllowUnread::default()) && allow_unread("a[").is_err());
    }

    #[test]
    fn a_version_names_its_tool() {
        assert_eq!(version("node=24"), Ok(Some(("node".to_owned(), "24".to_owned()))));
        assert_eq!(version(""), Ok(None));
        assert!(version("24").is_err() && version("=24").is_err() && version("node=").is_err());
    }

    #[test]
    fn stacks_and_servers_are_checked() {
        assert_eq!(stack("java/spring-boot/maven").map(|s| s.framework), Ok("spring-boot".to_owned()));
        assert!(stack("java").is_err() && stack("a//b").is_err() && stack("a/b/c/d").is_err());
        assert_eq!(server("http://127.0.0.1:8000/"), Ok("http://127.0.0.1:8000".to_owned()));
        assert_eq!(server("https://ci.example/px/"), Ok("https://ci.example/px".to_owned()));
        assert!(server("127.0.0.1:8000").is_err() && server("ftp://x").is_err() && server("http://u:p@x").is_err());
    }
}
