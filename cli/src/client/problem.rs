//! What a server says when it says no: `application/problem+json`, turned into sentences that a person can act on.

use std::fmt;

use pipelinex_common::{folder::TOP, request::Stack, state::JobState};
use serde::Deserialize;
use serde_json::Value;

/// The longest text of a foreign answer (a proxy's page) that is repeated, in characters.
const FOREIGN_TEXT_MAX: usize = 300;

/// An answer that is not the one that was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What happened, in one sentence.
    pub detail: String,
    /// Everything that stands in the way of a project, at once.
    pub points: Vec<Point>,
    /// What the project could be taken for instead.
    pub choices: Vec<Choice>,
    /// Seconds after which it is worth trying again.
    pub retry_after: Option<String>,
    /// The document as it came, for `--json`.
    pub document: Option<Value>,
}

/// A folder of a project, and what it could be taken for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Choice {
    /// The folder as --folder names it.
    pub folder: String,
    /// The stack.
    pub stack: Stack,
    /// The files that speak for it.
    #[serde(default)]
    pub decided_by: Vec<String>,
}

/// One thing that is wrong with a project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// The rule that it breaks.
    pub rule: String,
    /// Where.
    pub path: Option<String>,
    /// What is wrong, where rule and path do not say it all.
    pub message: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    /// Reads the body of an answer; one that is no problem document gives its beginning as the sentence.
    pub fn parse(status: u16, body: &[u8], retry_after: Option<String>) -> Self {
        let document: Option<Value> = serde_json::from_slice(body).ok().filter(Value::is_object);
        let detail = match &document {
            Some(document) => text_of(document, &["detail", "title", "message", "error"]),
            None => Some(String::from_utf8_lossy(body).trim().chars().take(FOREIGN_TEXT_MAX).collect::<String>()),
        };
        let detail = detail.filter(|text| !text.is_empty()).unwrap_or_else(|| "the server gives no reason".to_owned());
        let points = document.as_ref().map(points_of).unwrap_or_default();
        let choices = document.as_ref().map(choices_of).unwrap_or_default();
        Self { status, detail, points, choices, retry_after, document }
    }

    /// Whether it is what was sent that is at fault: refused at admission, too large, or not to be understood.
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, 400 | 413 | 415 | 422)
    }

    /// Whether it is who asks that is at fault.
    pub fn is_about_who_asks(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    /// Whether there is no such job, or nothing of that name in it.
    pub fn is_unknown(&self) -> bool {
        self.status == 404 && self.document.as_ref().is_some_and(|document| document["code"] == "not-found")
    }

    /// What a job is in that had ended before it could be changed.
    pub fn ended_as(&self) -> Option<JobState> {
        let document = self.document.as_ref().filter(|document| document["code"] == "already-ended")?;
        serde_json::from_value(document["state"].clone()).ok()
    }

    /// Whether the same request may well succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 429 | 502 | 503 | 504)
    }
}

/// The points of a document; a precheck's answer lists them in the same way.
pub fn points_of(document: &Value) -> Vec<Point> {
    let lists = ["problems", "errors"].iter().filter_map(|key| document.get(key).and_then(Value::as_array));
    lists.flatten().map(Point::read).collect()
}

/// What a document names to choose from. One that cannot be read is left out: the points say what is wrong.
pub fn choices_of(document: &Value) -> Vec<Choice> {
    let list = document["candidates"].as_array().into_iter().flatten();
    list.filter_map(|choice| Choice::deserialize(choice).ok()).collect()
}

/// The choices, each with the flags that choose it.
pub fn choice_lines(choices: &[Choice]) -> Vec<String> {
    let flags: Vec<String> = choices.iter().map(Choice::flags).collect();
    let width = flags.iter().map(|flags| flags.chars().count()).max().unwrap_or_default();
    let line = |(choice, flags): (&Choice, &String)| {
        let Stack { language, framework, build_tool, .. } = &choice.stack;
        let by = if choice.decided_by.is_empty() {
            String::new()
        } else {
            format!(" (by {})", choice.decided_by.join(", "))
        };
        // Names come from a foreign archive: one choice stays one line.
        format!("  {flags:width$}  {language}/{framework}/{build_tool}{by}").replace('\n', " ")
    };
    let head = (!choices.is_empty()).then(|| "choose what is meant, with one of".to_owned());
    head.into_iter().chain(choices.iter().zip(&flags).map(line)).collect()
}

impl Choice {
    fn flags(&self) -> String {
        let plain = |c: char| c.is_alphanumeric() || "-_./+@".contains(c);
        let folder = match self.folder.as_str() {
            folder if folder.chars().all(plain) => folder.to_owned(),
            folder => format!("'{}'", folder.replace('\'', r"'\''")),
        };
        let Stack { language, framework, build_tool, .. } = &self.stack;
        match self.folder.as_str() {
            TOP => format!("--stack {language}/{framework}/{build_tool}"),
            _ => format!("--folder {folder}"),
        }
    }
}

impl Point {
    fn read(value: &Value) -> Self {
        Self {
            rule: text_of(value, &["rule", "code"]).or_else(|| value.as_str().map(str::to_owned)).unwrap_or_default(),
            path: text_of(value, &["path", "entry"]).filter(|path| !path.is_empty()),
            message: text_of(value, &["message", "detail", "problem"]),
            hint: text_of(value, &["hint"]),
        }
    }
}

fn text_of(value: &Value, keys: &[&str]) -> Option<String> {
    let found = keys.iter().find_map(|key| value.get(key).filter(|found| !found.is_null()))?;
    Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            // The points say it all, the sentence only the first of them.
            _ if self.is_refusal() && !self.points.is_empty() => f.write_str("the server refused it:")?,
            400 | 413 | 415 | 422 => write!(f, "the server refused it: {}", self.detail)?,
            429 | 503 => write!(f, "the server cannot take it now: {}", self.detail)?,
            401 => write!(
                f,
                "{}\n`pipelinex login` keeps a token for a server; PIPELINEX_TOKEN may have one",
                self.detail
            )?,
            status => write!(f, "the server answered {status}: {}", self.detail)?,
        }
        if let (429 | 503, Some(seconds)) = (self.status, &self.retry_after) {
            write!(f, " (try again in {seconds} s)")?;
        }
        for point in &self.points {
            write!(f, "\n{point}")?;
        }
        choice_lines(&self.choices).iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = self.rule.clone();
        for part in [&self.path, &self.message].into_iter().flatten() {
            if !head.is_empty() {
                head.push_str(": ");
            }
            head.push_str(part);
        }
        // Names come from a foreign archive: one point stays one line.
        write!(f, "  - {}", head.replace('\n', " "))?;
        match &self.hint {
            Some(hint) => write!(f, "\n    hint: {}", hint.replace('\n', " ")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_said_with_its_hint() {
        let body = br#"{"type":"about:blank","title":"refused","status":422,"detail":"2 problems",
            "problems":[{"rule":"required_path","path":"pom.xml","message":"is missing","hint":"put it at the top"},
                        {"rule":"java_version"}]}"#;
        let problem = Problem::parse(422, body, None);
        assert!(problem.is_refusal() && !problem.is_transient());
        assert_eq!(
            problem.to_string().lines().collect::<Vec<_>>(),
            [
                "the server refused it:",
                "  - required_path: pom.xml: is missing",
                "    hint: put it at the top",
                "  - java_version",
            ]
        );
    }

    #[test]
    fn what_there_is_to_choose_from_comes_with_the_flags_that_choose_it() {
        let body = r#"{"detail": "several", "problems": [{"rule": "several-projects"}], "candidates": [
            {"folder": "complete", "stack": {"language": "a", "framework": "b", "build_tool": "c"}, "decided_by": ["complete/x"]},
            {"folder": "a b", "stack": {"language": "a", "framework": "b", "build_tool": "c"}},
            {"folder": ".", "stack": {"language": "d", "framework": "e", "build_tool": "f"}}, {"odd": 1}]}"#;
        let told = Problem::parse(422, body.as_bytes(), None).to_string();
        assert_eq!(
            told.lines().skip(2).collect::<Vec<_>>(),
            [
                "choose what is meant, with one of",
                "  --folder complete  a/b/c (by complete/x)",
                "  --folder 'a b'     a/b/c",
                "  --stack d/e/f      d/e/f",
            ]
        );
    }

    #[test]
    fn an_answer_of_something_else_is_cut_short() {
        let problem = Problem::parse(502, "<html>".repeat(1000).as_bytes(), None);
        assert!(problem.is_transient() && problem.detail.len() == FOREIGN_TEXT_MAX && problem.document.is_none());
        assert_eq!(Problem::parse(500, b"", None).to_string(), "the server answered 500: the server gives no reason");
        let busy = Problem::parse(429, br#"{"detail":"50 jobs wait"}"#, Some("7".to_owned()));
        assert_eq!(busy.to_string(), "the server cannot take it now: 50 jobs wait (try again in 7 s)");
    }
}
