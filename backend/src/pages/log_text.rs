//! Lines of a log as HTML: colours as classes, numbers beside the text, lines that tell of an error marked. Page and stream draw
//! them with this, so that what is there first and what comes later look the same.

use std::sync::LazyLock;

use pipelinex_common::findings::terminal::{self, Style};
use regex::Regex;

/// How lines begin, or what they say, where a program tells of an error.
static ERROR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?x) ^\s*\[?(?:ERROR|FATAL|FAIL(?:URE|ED)?)\b | \bBUILD\ FAILURE\b | ^\s*(?:error(?:\[\w+\])?:|fatal:|panic:)
          | ^\S*:\d+(?::\d+)?:\s*(?:fatal\s)?error | ^Traceback\ \( | \b[A-Z]\w*(?:Error|Exception):\s | ^\s*not\ ok\b | ^--- \ FAIL | ^FAILED\b",
    )
    .ok()
});

/// Draws lines one after the other.
#[derive(Debug, Default)]
pub struct Drawing {
    /// How the line before ended.
    style: Style,
}

impl Drawing {
    /// The lines of a text as HTML. `first` is the number of the first of them; `slug` names the log in the address of a line.
    pub fn lines(&mut self, text: &str, first: u64, slug: &str) -> String {
        let mut html = String::with_capacity(text.len() * 2);
        let text = text.strip_suffix('\n').unwrap_or(text);
        for (number, line) in (first..).zip(text.split('\n')) {
            let spans = terminal::line(line, &mut self.style);
            let plain: String = spans.iter().map(|span| span.text.as_str()).collect();
            let bad = if tells_of_an_error(&plain) { " bad" } else { "" };
            html.push_str(&format!(r#"<span class="l{bad}" id="{slug}-L{number}" data-n="{number}">"#));
            for span in spans {
                match span.style.is_plain() {
                    true => escape(&span.text, &mut html),
                    false => {
                        html.push_str(&format!(r#"<span class="{}">"#, classes(span.style)));
                        escape(&span.text, &mut html);
                        html.push_str("</span>");
                    }
                }
            }
            html.push_str("\n</span>");
        }
        html
    }
}

/// Whether a line tells of an error.
pub fn tells_of_an_error(line: &str) -> bool {
    ERROR.as_ref().is_some_and(|pattern| pattern.is_match(line))
}

/// `a1 a31`: the digits of the sequence that asks for the same.
fn classes(style: Style) -> String {
    style.codes().split(';').map(|code| format!("a{code}")).collect::<Vec<_>>().join(" ")
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_drawn_with_their_colours_and_nothing_of_them_is_html() {
        let mut drawing = Drawing::default();
        let html = drawing.lines("\u{1b}[1;31m<b>&\u{1b}[0m\nplain\n", 7, "build");
        assert_eq!(
            html,
            "<span class=\"l\" id=\"build-L7\" data-n=\"7\"><span class=\"a1 a31\">&lt;b&gt;&amp;</span>\n</span>\
             <span class=\"l\" id=\"build-L8\" data-n=\"8\">plain\n</span>"
        );
    }

    #[test]
    fn lines_that_tell_of_an_error_are_known() {
        for bad in [
            "[ERROR] COMPILATION ERROR :",
            "error[E0433]: cannot find",
            "src/a.c:3:1: error: x",
            "java.lang.IllegalStateException: no",
            "not ok 1 - total",
            "--- FAIL: TestTotal (0.00s)",
            "FAILED tests/test_a.py::test_total",
        ] {
            assert!(tells_of_an_error(bad), "{bad}");
        }
        for good in ["[INFO] 0 errors", "Tests run: 3, Failures: 0, Errors: 0", "no error here", "ErrorHandler loaded"]
        {
            assert!(!tells_of_an_error(good), "{good}");
        }
    }
}
