//! From the text of the `metadata` part, or the body of a submission by URL, to a request: strict about types, kind about
//! keys it does not know.

use std::collections::BTreeMap;

use pipelinex_common::{
    request::{GitRequest, JobRequest},
    stage::{BUILT_IN, Switch},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, error::Category};

use crate::{
    did_you_mean::{hides, unknown_key},
    error::{ApiError, Problem},
};

/// Keys of the request.
const REQUEST: &[&str] = &["stack", "folder", "versions", "pipeline", "application", "project", "branch", "commit"];
/// Keys that a submission by URL has besides.
const GIT_REQUEST: &[&str] = &["github_url", "ref", "token"];
/// Keys that a list of files has besides.
const FILE_LIST: &[&str] = &["files", "heads"];
/// Keys of `stack`.
const STACK: &[&str] = &["language", "framework", "build_tool", "requires_db"];
/// The most versions that one request names.
const VERSIONS_MAX: usize = 32;
/// Keys of `pipeline` beside the switches, of which each stage has one.
const PIPELINE: &[&str] = &[
    "secret_scan_mode",
    "secret_custom",
    "sast_mode",
    "sast_custom",
    "only",
    "skip",
    "own",
    "file",
    "inline",
    "variables",
    "steps",
    "with_needs",
];
/// Keys of `secret_custom` and `sast_custom`.
const CUSTOM: &[&str] = &["install_cmd", "tool_cmd", "log_ext"];
/// At most this many unknown keys are named.
const MOST_NAMED: usize = 10;
/// The longest name of a stack, version, project, branch or commit, in bytes.
const NAME_BYTES: usize = 200;

/// Where the text of a request stands.
const PART: &str = "the part `metadata`";
const BODY: &str = "the body";

/// Reads the body of a submission by URL. Returns its two halves with a warning for each key that nothing here knows.
///
/// # Errors
/// 400 for what is no JSON, 422 for JSON that is no request.
pub fn parse_git(text: &[u8]) -> Result<(GitRequest, JobRequest, Vec<String>), ApiError> {
    let text = without_bom(text);
    let (request, warnings) = read(text, BODY, &[REQUEST, GIT_REQUEST].concat())?;
    let git = serde_json::from_slice(text).map_err(|error| explain(&error, BODY))?;
    Ok((git, request, warnings))
}

/// Reads the text of a request. Returns it with a warning for each key that nothing here knows.
///
/// # Errors
/// 400 for what is no JSON, 422 for JSON that is no request.
pub fn parse(text: &[u8]) -> Result<(JobRequest, Vec<String>), ApiError> {
    read(without_bom(text), PART, REQUEST)
}

/// Reads a list of files, with what is asked for beside it.
///
/// # Errors
/// 400 for what is no JSON, 422 for JSON that is no such list.
pub fn parse_list(text: &[u8]) -> Result<(FileList, JobRequest), ApiError> {
    let text = without_bom(text);
    let (request, _) = read(text, BODY, &[REQUEST, FILE_LIST].concat())?;
    Ok((serde_json::from_slice(text).map_err(|error| explain(&error, BODY))?, request))
}

/// The names of a project's files, and the beginnings of some.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct FileList {
    /// Paths as seen from the top, with `/` between names.
    pub files: Vec<String>,
    /// Content by path.
    #[serde(default)]
    pub heads: BTreeMap<String, String>,
}

/// Whether a media type, in lower case and without parameters, is that of JSON.
pub fn is_json(essence: &str) -> bool {
    matches!(essence, "application/json" | "text/json")
        || essence.strip_prefix("application/").is_some_and(|subtype| subtype.ends_with("+json"))
}

/// The text without the mark that some editors and shells of Windows put before UTF-8.
pub fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}

fn read(text: &[u8], place: &str, keys: &[&str]) -> Result<(JobRequest, Vec<String>), ApiError> {
    // First as any JSON: what is no JSON is told apart from what is no request, and a list is no request though serde
    // would read one. Then from the text again: a key that comes twice is only seen there.
    let written: Value = serde_json::from_slice(text).map_err(|error| explain(&error, place))?;
    if !written.is_object() {
        return Err(no_request("it is not an object", place));
    }
    let request: JobRequest = serde_json::from_slice(text).map_err(|error| explain(&error, place))?;
    let problems = check_texts(&request);
    if !problems.is_empty() {
        return Err(ApiError::Refused { code: "metadata-invalid", problems, candidates: Vec::new() });
    }
    Ok((request, unknown_keys(&written, keys)))
}

fn explain(error: &serde_json::Error, place: &str) -> ApiError {
    match error.classify() {
        Category::Io | Category::Syntax | Category::Eof => {
            ApiError::Malformed { code: "metadata-not-json", detail: format!("{place} is not JSON: {error}") }
        }
        Category::Data => no_request(&error.to_string(), place),
    }
}

fn no_request(why: &str, place: &str) -> ApiError {
    let message = format!("{place} is not a request: {why}");
    let hint =
        "it is an object; {\"stack\": {\"language\": .., \"framework\": .., \"build_tool\": ..}} names the stack";
    let (rule, hint) = ("metadata-invalid".to_owned(), hint.to_owned());
    ApiError::refused("metadata-invalid", Problem { rule, path: None, message, hint, place: None })
}

/// What goes into files, listings and environments must be short and hold nothing that steers a terminal.
fn check_texts(request: &JobRequest) -> Vec<Problem> {
    let stack = &request.stack;
    let mut names = Vec::new();
    if stack.is_named() {
        names.push(("stack.language", &stack.language));
        names.push(("stack.framework", &stack.framework));
        names.push(("stack.build_tool", &stack.build_tool));
    }
    let optional = [
        ("application", &request.application),
        ("project", &request.project),
        ("branch", &request.branch),
        ("commit", &request.commit),
    ];
    names.extend(optional.into_iter().filter_map(|(path, text)| Some((path, text.as_ref()?))));
    let mut problems: Vec<Problem> = names.into_iter().filter_map(|(path, text)| check_name(path, text)).collect();
    let versions = request.versions.iter().take(VERSIONS_MAX);
    problems.extend(versions.filter_map(|(tool, version)| {
        check_name("versions", tool).or_else(|| check_name(&format!("versions.{tool}"), version))
    }));
    if request.versions.iter().count() > VERSIONS_MAX {
        let message = format!("`versions` names more than {VERSIONS_MAX} tools");
        problems.push(text_problem("versions", message, "name those that the stack has versions of"));
    }
    problems
}

fn check_name(path: &str, text: &str) -> Option<Problem> {
    let message = if text.is_empty() {
        format!("`{path}` is empty")
    } else if text.len() > NAME_BYTES {
        format!("`{path}` has more than {NAME_BYTES} bytes")
    } else if text.chars().any(hides) {
        format!("`{path}` has a character that cannot be shown")
    } else {
        return None;
    };
    Some(text_problem(path, message, "use a short name of letters, digits and punctuation"))
}

fn text_problem(path: &str, message: String, hint: &str) -> Problem {
    Problem {
        rule: "metadata-text".to_owned(),
        path: Some(path.to_owned()),
        message,
        hint: hint.to_owned(),
        place: None,
    }
}

/// A misspelled switch must not be silently off.
fn unknown_keys(written: &Value, keys: &[&str]) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut look = |path: &str, at: Option<&Value>, known: &[&str]| {
        let empty = Map::new();
        for key in at.and_then(Value::as_object).unwrap_or(&empty).keys() {
            if !known.contains(&key.as_str()) {
                warnings.push(unknown_key(path, key, known.iter().copied()));
            }
        }
    };
    // What has the shape of a switch is a stage's: admission knows of which stages there are.
    let stages = BUILT_IN.iter().map(|stage| stage.switch.as_str());
    let mut switches: Vec<&str> = PIPELINE.iter().copied().chain(stages).collect();
    let pipeline = written.get("pipeline");
    let keys_of_pipeline = pipeline.and_then(Value::as_object).into_iter().flat_map(Map::keys);
    switches.extend(keys_of_pipeline.map(String::as_str).filter(|key| key.parse::<Switch>().is_ok()));
    look("", Some(written), keys);
    look("stack.", written.get("stack"), STACK);
    look("pipeline.", pipeline, &switches);
    for tool in ["secret_custom", "sast_custom"] {
        look(&format!("pipeline.{tool}."), pipeline.and_then(|pipeline| pipeline.get(tool)), CUSTOM);
    }
    let more = warnings.len().saturating_sub(MOST_NAMED);
    warnings.truncate(MOST_NAMED);
    if more > 0 {
        warnings.push(format!("{more} more unknown keys in the request were ignored"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK_JSON: &str = r#""stack": {"language": "java", "framework": "spring-boot", "build_tool": "maven"}"#;

    fn refusal(text: &str) -> String {
        match parse(text.as_bytes()) {
            Err(ApiError::Malformed { code, detail }) => format!("400 {code}: {detail}"),
            Err(ApiError::Refused { problems, .. }) => {
                let said: Vec<_> = problems.iter().map(|p| format!("422 {}: {}", p.rule, p.message)).collect();
                said.join("; ")
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_misspelled_key_is_named_with_what_was_probably_meant() {
        let text = format!(
            r#"{{{STACK_JSON}, "Pipeline": {{}}, "pipeline": {{"sast_mdoe": "custom", "run_lint": true, "run-lint": true, "x": 1}}}}"#
        );
        let (_, warnings) = parse(text.as_bytes()).unwrap();
        let expected = [
            "the key `Pipeline` of the request is not known and was ignored; did you mean `pipeline`?",
            "the key `pipeline.sast_mdoe` of the request is not known and was ignored; did you mean `pipeline.sast_mode`?",
            "the key `pipeline.run-lint` of the request is not known and was ignored; did you mean `pipeline.run_lint`?",
            "the key `pipeline.x` of the request is not known and was ignored",
        ];
        assert_eq!(warnings, expected);
    }

    #[test]
    fn a_flood_of_unknown_keys_is_counted_and_not_repeated() {
        let keys: Vec<_> = (0..1000).map(|n| format!(r#""k{n}": 1"#)).collect();
        let (_, warnings) = parse(format!(r#"{{{STACK_JSON}, {}}}"#, keys.join(",")).as_bytes()).unwrap();
        assert_eq!(warnings.len(), MOST_NAMED + 1);
        assert_eq!(warnings[MOST_NAMED], "990 more unknown keys in the request were ignored");
    }

    #[test]
    fn what_is_no_json_and_what_is_no_request_are_told_apart() {
        let deep = "[".repeat(100_000);
        let twice = format!("{{{STACK_JSON}}} {{}}");
        let boms = format!("\u{feff}\u{feff}{{{STACK_JSON}}}");
        for text in ["", "{", "nope", "{\"stack\": }", "// {}", &deep, &twice, &boms] {
            assert!(refusal(text).starts_with("400 metadata-not-json"), "{}", refusal(text));
        }
        assert!(refusal("\u{0}").starts_with("400"));
        let duplicate = format!("{{{STACK_JSON}, {STACK_JSON}}}");
        let near = format!(r#"{{{STACK_JSON}, "pipeline": {{"secret_scan_mode": "Custom"}}}}"#);
        for text in ["[]", "null", "7", r#"{"stack": "java"}"#, &duplicate, &near] {
            assert!(refusal(text).starts_with("422 metadata-invalid"), "{}", refusal(text));
        }
        assert!(parse(b"\xff\xfe{").is_err());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_json() {
        let text = format!("\u{feff}{{{STACK_JSON}, \"github_url\": \"https://github.com/a/b\"}}");
        assert!(parse(text.as_bytes()).is_ok() && parse_git(text.as_bytes()).is_ok());
    }

    #[test]
    fn json_goes_by_several_names() {
        for name in ["application/json", "text/json", "application/problem+json", "application/vnd.x.y+json"] {
            assert!(is_json(name), "{name}");
        }
        for name in ["", "text/plain", "application/jsonx", "application/x-json", "text/x+json", "application/xml"] {
            assert!(!is_json(name), "{name}");
        }
    }

    #[test]
    fn texts_that_would_lie_in_a_listing_are_refused() {
        let request = |field: &str| refusal(&format!("{{{STACK_JSON}, {field}}}"));
        for field in [r#""project": """#, r#""branch": "a\u001b[31m""#, r#""commit": "a\u202eb""#] {
            assert!(request(field).starts_with("422 metadata-text"), "{}", request(field));
        }
        let long = format!(r#""project": "{}""#, "x".repeat(NAME_BYTES + 1));
        assert!(request(&long).starts_with("422 metadata-text"));
    }
}
