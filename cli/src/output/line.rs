//! A line of text made of pieces, escaped and coloured only when it is written: no foreign text reaches a terminal
//! unescaped, because there is no other way to write one.

use super::escape;

/// How a piece looks where colours are wanted. Colour is never the only mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// Stands out.
    Bold,
    /// Stands back.
    Dim,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// Worth a look.
    Warn,
    /// A name, such as that of a stage.
    Name,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "1;32",
            Self::Bad => "1;31",
            Self::Warn => "1;33",
            Self::Name => "36",
        }
    }
}

/// One line, without its end.
#[derive(Clone, Debug, Default)]
pub struct Line(Vec<(Style, String)>);

impl Line {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece.
    pub fn add(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, text.into()));
        self
    }

    /// Adds a piece as it is.
    pub fn text(self, text: impl Into<String>) -> Self {
        self.add(Style::Plain, text)
    }

    /// Adds a piece, filled with spaces to a width.
    pub fn column(self, style: Style, text: &str, width: usize) -> Self {
        let fill = width.saturating_sub(text.chars().count());
        self.add(style, text).text(" ".repeat(fill))
    }

    /// Adds all pieces of another line.
    pub fn append(mut self, other: Line) -> Self {
        self.0.extend(other.0);
        self
    }

    /// How it is written: `terminal` escapes, `color` adds codes. Spaces at the end are left out.
    pub fn render(&self, terminal: bool, color: bool) -> String {
        let mut rendered = String::new();
        for (style, text) in &self.0 {
            let text = if terminal { escape::line(text) } else { text.replace('\n', " ") };
            match style.code() {
                code if color && !code.is_empty() && !text.is_empty() => {
                    rendered.push_str(&format!("\x1b[{code}m{text}\x1b[0m"));
                }
                _ => rendered.push_str(&text),
            }
        }
        rendered.truncate(rendered.trim_end().len());
        rendered
    }
}

impl<T: Into<String>> From<T> for Line {
    fn from(text: T) -> Self {
        Self::new().text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_plain_without_a_terminal_and_safe_on_one() {
        let line = Line::new().add(Style::Bad, "FAIL").text(" ").column(Style::Plain, "\x1b[2J", 8);
        assert_eq!(line.render(false, false), "FAIL \x1b[2J");
        assert_eq!(line.render(true, false), "FAIL ^[[2J");
        assert_eq!(line.render(true, true), "\x1b[1;31mFAIL\x1b[0m ^[[2J");
    }
}
