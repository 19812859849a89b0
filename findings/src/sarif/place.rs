//! Where a result is (sections 3.4, 3.27.12, 3.29): URIs with their bases resolved, as paths of the project.

use serde_json::Value;

use super::{index, list};

/// How many bases may stand on each other.
const BASES_MAX: usize = 16;
/// The numbers that tell two regions of one line apart.
const REGION: [&str; 8] =
    ["startLine", "startColumn", "endLine", "endColumn", "charOffset", "charLength", "byteOffset", "byteLength"];

/// One place of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// File, relative to the project.
    pub path: Option<String>,
    /// First line, from 1.
    pub line: Option<u64>,
    /// All numbers of its region, so that two problems of one line stay two.
    region: [Option<u64>; REGION.len()],
}

/// The places of a result, each once and at most `most`; one that knows nothing where the result names none.
pub(super) fn of(run: &Value, result: &Value, app_dir: &str, most: usize) -> Vec<Place> {
    let physical = |location: &Value| {
        let place = &location["physicalLocation"];
        place.is_object().then(|| at(run, place, app_dir)).filter(|place| *place != Place::default())
    };
    let mut places: Vec<Place> = Vec::new();
    for place in list(&result["locations"]).iter().filter_map(physical) {
        if places.len() < most && !places.contains(&place) {
            places.push(place);
        }
    }
    if places.is_empty() {
        let path = uri_of(run, &result["analysisTarget"]).map(|uri| path_of(&uri, app_dir));
        places.push(Place { path, ..Place::default() });
    }
    places
}

fn at(run: &Value, place: &Value, app_dir: &str) -> Place {
    let region = REGION.map(|key| place["region"][key].as_u64());
    let path =
        uri_of(run, &place["artifactLocation"]).map(|uri| path_of(&uri, app_dir)).filter(|path| !path.is_empty());
    Place { path, line: region[0].filter(|line| *line > 0), region }
}

/// The URI of an artifact: its own or that of the list of artifacts, with its bases before it. What the last base stands on
/// nobody says where it is the project itself.
fn uri_of(run: &Value, artifact: &Value) -> Option<String> {
    let listed = || index(&artifact["index"]).and_then(|at| run["artifacts"].get(at)).map(|entry| &entry["location"]);
    let artifact = if artifact["uri"].is_string() { artifact } else { listed()? };
    let mut uri = artifact["uri"].as_str()?.to_owned();
    let mut base = &artifact["uriBaseId"];
    for _ in 0..BASES_MAX {
        let Some(id) = base.as_str().filter(|_| scheme(&uri).is_none()) else { break };
        let entry = &run["originalUriBaseIds"][id];
        if let Some(before) = entry["uri"].as_str() {
            uri = joined(before, &uri);
        }
        base = &entry["uriBaseId"];
    }
    Some(uri)
}

/// A base ends with a slash; where a tool forgets it, it is meant. A path from the root replaces the base's.
fn joined(base: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        let authority = scheme(base).map_or("", |scheme| {
            let rest = &base[scheme.len() + 1..];
            let host = rest.strip_prefix("//").map_or(0, |rest| 2 + rest.find('/').unwrap_or(rest.len()));
            &base[..scheme.len() + 1 + host]
        });
        return format!("{authority}{uri}");
    }
    format!("{}/{uri}", base.strip_suffix('/').unwrap_or(base))
}

/// The scheme of a URI. A single letter is a drive of Windows.
fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    (scheme.len() > 1 && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(plain))
        .then_some(scheme)
}

/// The path of a file, relative to the project where it lies below it; a URI of another kind as it is.
fn path_of(uri: &str, app_dir: &str) -> String {
    let path = match scheme(uri) {
        Some(scheme) if scheme.eq_ignore_ascii_case("file") => local(&uri[scheme.len() + 1..]),
        Some(_) => return uri.to_owned(),
        None => uri.to_owned(),
    };
    let path = tidied(&decoded(&path));
    let app = tidied(app_dir);
    match path.strip_prefix(app.as_str()) {
        Some("") => ".".to_owned(),
        // A name that only begins like the project's folder is another folder.
        Some(rest) if rest.starts_with('/') && !app.is_empty() => rest[1..].to_owned(),
        _ => path,
    }
}

/// What stands behind `file:`, without the name of this host, and without the slash before a drive of Windows.
fn local(rest: &str) -> String {
    let path = match rest.strip_prefix("//") {
        Some(named) => {
            let (host, path) = named.split_at(named.find('/').unwrap_or(named.len()));
            let here = host.is_empty() || host.eq_ignore_ascii_case("localhost");
            if here { path.to_owned() } else { rest.to_owned() }
        }
        None => rest.to_owned(),
    };
    let drive = |path: &str| path.as_bytes().get(1..3).is_some_and(|at| at[0].is_ascii_alphabetic() && at[1] == b':');
    match path.strip_prefix('/') {
        Some(inner) if drive(&path) => inner.to_owned(),
        _ => path,
    }
}

/// Percent-encoding undone. What is none, or gives no text, stays as it is written.
fn decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits =
            bytes.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        let code = digits.filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| path.to_owned())
}

/// A path without `.`, without doubled slashes, and without `..` as far as there is something before it.
fn tidied(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if rooted { format!("/{joined}") } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_becomes_a_path_of_the_project() {
        for (uri, path) in [
            ("src/a.java", "src/a.java"),
            ("./src//a.java", "src/a.java"),
            ("src/../b.java", "b.java"),
            ("../b.java", "../b.java"),
            ("/app/src/a.java", "src/a.java"),
            ("/app", "."),
            ("/apple/a.java", "/apple/a.java"),
            ("/app/../etc/passwd", "/etc/passwd"),
            ("file:///app/a%20b.java", "a b.java"),
            ("FILE:/app/a.java", "a.java"),
            ("file://localhost/app/a.java", "a.java"),
            ("file://host/share/a.java", "/host/share/a.java"),
            ("file:///C:/app/a.cs", "C:/app/a.cs"),
            ("C:/app/a.cs", "C:/app/a.cs"),
            ("%C3%BC%25.java", "ü%.java"),
            ("100%.java", "100%.java"),
            ("%zz%+1%ff", "%zz%+1%ff"),
            ("https://example.org/a%20b", "https://example.org/a%20b"),
            ("", ""),
        ] {
            assert_eq!(path_of(uri, "/app/"), path, "{uri}");
        }
        assert_eq!(path_of("/app/a", ""), "/app/a");
    }
}
