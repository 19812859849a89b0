//! What a project says of itself in its own file, laid below the request: whoever submits has the last word.

use pipelinex_common::{
    pipeline::project::{self, Corrections},
    request::{JobRequest, Stack, Versions},
};

use super::{
    Refused,
    problem::{Problem, Rule},
};

/// The request with what the project's file says where the request itself says nothing; `written` is that file.
///
/// # Errors
/// [`Refused`] with everything in the file that cannot be understood.
pub fn corrected(request: &JobRequest, written: Option<&[u8]>) -> Result<JobRequest, Refused> {
    let Some(written) = written else { return Ok(request.clone()) };
    let Ok(text) = std::str::from_utf8(written.strip_prefix(b"\xef\xbb\xbf").unwrap_or(written)) else {
        let message = format!("{} is not in UTF-8", project::FILE);
        return Err(Refused::only(Problem::at(Rule::PROJECT_FILE, project::FILE, message, "save it in UTF-8")));
    };
    let corrections = project::read(text).map_err(|rejected| Refused {
        problems: rejected.diagnostics.iter().map(problem).collect(),
        candidates: Vec::new(),
    })?;
    Ok(laid_below(request, corrections))
}

fn problem(told: &pipelinex_common::pipeline::Diagnostic) -> Problem {
    let message = format!("{}:{}:{}: {}", project::FILE, told.line, told.column, told.message);
    let otherwise = "`.pipelinex` in it has `stack`, `folder` and `versions`; `pipelinex detect` prints such a file";
    let hint = told.help.clone().unwrap_or_else(|| otherwise.to_owned());
    Problem::at(Rule::PROJECT_FILE, project::FILE, message, hint)
}

fn laid_below(request: &JobRequest, corrections: Corrections) -> JobRequest {
    let Corrections { stack, folder, versions, .. } = corrections;
    let mut request = request.clone();
    // A folder is meant with the stack that it has: of a request that names one of the two, the other is not taken from here.
    if !request.stack.is_named() && request.folder.is_none() {
        if let Some(key) = stack {
            let requires_db = request.stack.requires_db.clone();
            request.stack =
                Stack { language: key.language, framework: key.framework, build_tool: key.build_tool, requires_db };
        }
        request.folder =
            folder.map(|folder| folder.map_or_else(|| pipelinex_common::folder::TOP.to_owned(), String::from));
        let asked = request.versions.iter().map(|(tool, version)| (tool.to_owned(), version.to_owned()));
        let asked: Versions = versions.into_iter().chain(asked.collect::<Vec<_>>()).collect();
        request.versions = asked;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(request: &str, written: &str) -> String {
        let request = serde_json::from_str(request).unwrap();
        match corrected(&request, Some(written.as_bytes())) {
            Ok(request) => serde_json::to_string(&request).unwrap(),
            Err(refused) => {
                let problems = refused.problems.iter().map(|p| format!("{} ({})", p.message, p.hint));
                problems.collect::<Vec<_>>().join("\n")
            }
        }
    }

    #[test]
    fn the_request_counts_more_than_the_file() {
        let written = ".pipelinex: {stack: a/b/c, folder: web, versions: {node: 20, npm: 11}}";
        insta::assert_snapshot!(told("{}", written), @r#"{"stack":{"language":"a","framework":"b","build_tool":"c","requires_db":false},"folder":"web","versions":{"node":"20","npm":"11"}}"#);
        insta::assert_snapshot!(told(r#"{"versions": {"node": "24"}}"#, written), @r#"{"stack":{"language":"a","framework":"b","build_tool":"c","requires_db":false},"folder":"web","versions":{"node":"24","npm":"11"}}"#);
        insta::assert_snapshot!(told(r#"{"folder": "api"}"#, written), @r#"{"folder":"api","versions":{}}"#);
    }

    #[test]
    fn what_cannot_be_understood_is_told_with_its_line() {
        insta::assert_snapshot!(told("{}", ".pipelinex:\n  stakc: a/b/c\n  build: make\n.x: {}\n"), @r"
.pipelinex.yml:2:3: unknown key `stakc` in `.pipelinex` (did you mean `stack`?)
.pipelinex.yml:3:3: `build` in `.pipelinex` is not supported yet (`.pipelinex` in it has `stack`, `folder` and `versions`; `pipelinex detect` prints such a file)
.pipelinex.yml:4:1: unknown key `.x` in this file (this file has: .pipelinex)
");
        assert!(corrected(&JobRequest::default(), Some(b"\xff")).unwrap_err().to_string().contains("not in UTF-8"));
    }
}
