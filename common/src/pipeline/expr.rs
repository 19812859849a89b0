//! The expression language of `rules: if`: GitLab's, down to what is true of an empty variable. Read once, with a place for what
//! cannot be read; evaluated over variables as they are written, not expanded.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

/// More tokens than this are no condition: GitLab's limit.
const TOKENS_MAX: usize = 100;
/// What a regular expression may grow to once it is compiled, in bytes.
const REGEX_SIZE: usize = 1024 * 1024;

/// A condition that was read.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Variable(String),
    Text(String),
    Null,
    Pattern(Regex),
    Not(Box<Expr>),
    Two(Operator, Box<Expr>, Box<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Matches,
    MatchesNot,
    And,
    Or,
}

/// What cannot be read: at which character of the text, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub at: usize,
    pub message: String,
}

#[derive(Clone, Debug)]
enum Token {
    Value(Expr),
    Operator(Operator),
    Not,
    Open,
    Close,
}

/// What an expression comes to. As in Ruby, of all texts only the value that is not there is false to `&&` and `||`.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Null,
    Truth(bool),
    Text(String),
}

/// Reads a condition.
pub(crate) fn parse(text: &str) -> Result<Expr, Fault> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens, next: 0, end: text.chars().count() };
    let read = reader.or()?;
    match reader.tokens.get(reader.next) {
        None => Ok(read),
        Some((at, Token::Close)) => Err(Fault { at: *at, message: "this `)` closes nothing".to_owned() }),
        Some((at, _)) => Err(Fault { at: *at, message: "an operator is missing before this".to_owned() }),
    }
}

impl Expr {
    /// Whether the condition holds. An undefined variable and an empty one do not.
    pub fn holds(&self, variables: &BTreeMap<String, String>) -> bool {
        is_present(&self.evaluate(variables))
    }

    fn evaluate(&self, variables: &BTreeMap<String, String>) -> Outcome {
        match self {
            Self::Variable(name) => variables.get(name).map_or(Outcome::Null, |value| Outcome::Text(value.clone())),
            Self::Text(text) => Outcome::Text(text.clone()),
            Self::Null => Outcome::Null,
            Self::Pattern(pattern) => Outcome::Text(format!("/{}/", pattern.as_str())),
            Self::Not(inner) => Outcome::Truth(!is_present(&inner.evaluate(variables))),
            Self::Two(operator, left, right) => two(*operator, left, right, variables),
        }
    }
}

fn two(operator: Operator, left: &Expr, right: &Expr, variables: &BTreeMap<String, String>) -> Outcome {
    let first = left.evaluate(variables);
    match operator {
        Operator::And if is_false(&first) => first,
        Operator::Or if !is_false(&first) => first,
        Operator::And | Operator::Or => right.evaluate(variables),
        Operator::Equal => Outcome::Truth(first == right.evaluate(variables)),
        Operator::NotEqual => Outcome::Truth(first != right.evaluate(variables)),
        Operator::Matches => Outcome::Truth(matches(&first, right, variables)),
        Operator::MatchesNot => Outcome::Truth(!matches(&first, right, variables)),
    }
}

fn is_false(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Null | Outcome::Truth(false))
}

fn is_present(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Null => false,
        Outcome::Truth(truth) => *truth,
        Outcome::Text(text) => !text.trim().is_empty(),
    }
}

fn matches(left: &Outcome, right: &Expr, variables: &BTreeMap<String, String>) -> bool {
    let Outcome::Text(text) = left else { return false };
    if let Expr::Pattern(pattern) = right {
        return pattern.is_match(text);
    }
    let Outcome::Text(right) = right.evaluate(variables) else { return false };
    match variable_pattern(&right) {
        Some(pattern) => pattern.is_match(text),
        // What is no pattern is a text in which the left side is looked for.
        None => right.contains(text.as_str()),
    }
}

/// A pattern in the value of a variable: `/^a/i`.
fn variable_pattern(text: &str) -> Option<Regex> {
    let inner = text.strip_prefix('/')?;
    let (pattern, flags) = inner.rsplit_once('/')?;
    compiled(pattern, flags).ok()
}

/// A regular expression as it is written between slashes, with its flags.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn regex(text: &str) -> Result<Regex, String> {
    let inner = text.strip_prefix('/').and_then(|inner| inner.rsplit_once('/'));
    let (pattern, flags) = inner.ok_or("it is written between two slashes")?;
    compiled(pattern, flags)
}

pub(crate) fn compiled(pattern: &str, flags: &str) -> Result<Regex, String> {
    if pattern.is_empty() {
        return Err("a regular expression has at least one character".to_owned());
    }
    let mut builder = RegexBuilder::new(&pattern.replace("\\/", "/"));
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            's' => builder.dot_matches_new_line(true),
            'm' => builder.multi_line(true),
            'U' => builder.swap_greed(true),
            other => return Err(format!("a regular expression has the flags i, s, m and U, and not `{other}`")),
        };
    }
    builder.size_limit(REGEX_SIZE).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
        other => {
            let text = other.to_string();
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    })
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Fault> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        if chars[at].is_whitespace() {
            at += 1;
            continue;
        }
        let (token, length) = token(&chars[at..]).map_err(|message| Fault { at, message })?;
        tokens.push((at, token));
        at += length;
        if tokens.len() >= TOKENS_MAX {
            return Err(Fault { at, message: format!("a condition has fewer than {TOKENS_MAX} parts") });
        }
    }
    Ok(tokens)
}

fn token(chars: &[char]) -> Result<(Token, usize), String> {
    let pair: String = chars.iter().take(2).collect();
    let operator = match pair.as_str() {
        "==" => Some(Operator::Equal),
        "!=" => Some(Operator::NotEqual),
        "=~" => Some(Operator::Matches),
        "!~" => Some(Operator::MatchesNot),
        "&&" => Some(Operator::And),
        "||" => Some(Operator::Or),
        _ => None,
    };
    if let Some(operator) = operator {
        return Ok((Token::Operator(operator), 2));
    }
    let word = |from: usize| chars[from..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count();
    match chars[0] {
        '(' => Ok((Token::Open, 1)),
        ')' => Ok((Token::Close, 1)),
        '!' => Ok((Token::Not, 1)),
        '$' if chars.get(1) == Some(&'{') => Err("a variable is written `$NAME` here, without braces".to_owned()),
        '$' => match word(1) {
            0 => Err("the name of a variable is missing behind `$`".to_owned()),
            length => Ok((Token::Value(Expr::Variable(chars[1..=length].iter().collect())), length + 1)),
        },
        quote @ ('"' | '\'') => match chars[1..].iter().position(|c| *c == quote) {
            Some(end) => Ok((Token::Value(Expr::Text(chars[1..=end].iter().collect())), end + 2)),
            None => Err(format!("this {quote} is not closed")),
        },
        '/' => pattern(chars),
        _ => match word(0) {
            4 if chars[..4].iter().collect::<String>() == "null" => Ok((Token::Value(Expr::Null), 4)),
            0 => Err(format!("`{}` means nothing here", chars[0])),
            length => {
                let word: String = chars[..length].iter().collect();
                Err(format!("`{word}` is no value: write `\"{word}\"`, or `${word}` for a variable"))
            }
        },
    }
}

fn pattern(chars: &[char]) -> Result<(Token, usize), String> {
    let mut end = 1;
    while end < chars.len() && chars[end] != '/' {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    if end >= chars.len() {
        return Err("this regular expression has no `/` at its end".to_owned());
    }
    let flags: String = chars[end + 1..].iter().take_while(|c| c.is_ascii_alphabetic()).collect();
    let pattern: String = chars[1..end].iter().collect();
    Ok((Token::Value(Expr::Pattern(compiled(&pattern, &flags)?)), end + 1 + flags.len()))
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
}

impl Reader {
    fn or(&mut self) -> Result<Expr, Fault> {
        self.chain(&[Operator::Or], Self::and)
    }

    fn and(&mut self) -> Result<Expr, Fault> {
        self.chain(&[Operator::And], Self::comparison)
    }

    fn comparison(&mut self) -> Result<Expr, Fault> {
        let comparisons = [Operator::Equal, Operator::NotEqual, Operator::Matches, Operator::MatchesNot];
        self.chain(&comparisons, Self::single)
    }

    fn chain(&mut self, known: &[Operator], inner: fn(&mut Self) -> Result<Expr, Fault>) -> Result<Expr, Fault> {
        let mut left = inner(self)?;
        while let Some((_, Token::Operator(operator))) = self.tokens.get(self.next)
            && known.contains(operator)
        {
            let operator = *operator;
            self.next += 1;
            left = Expr::Two(operator, Box::new(left), Box::new(inner(self)?));
        }
        Ok(left)
    }

    fn single(&mut self) -> Result<Expr, Fault> {
        let Some((at, token)) = self.tokens.get(self.next).cloned() else {
            return Err(Fault { at: self.end, message: "a value is missing here".to_owned() });
        };
        self.next += 1;
        match token {
            Token::Value(value) => Ok(value),
            Token::Not => Ok(Expr::Not(Box::new(self.single()?))),
            Token::Open => {
                let inner = self.or()?;
                match self.tokens.get(self.next) {
                    Some((_, Token::Close)) => self.next += 1,
                    _ => return Err(Fault { at, message: "this `(` is not closed".to_owned() }),
                }
                Ok(inner)
            }
            Token::Close | Token::Operator(_) => {
                Err(Fault { at, message: "a value is missing before this".to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> bool {
        let set = [
            ("X", "main"),
            ("Y", "main"),
            ("EMPTY", ""),
            ("P", "/^MA/i"),
            ("BAD", "/(/"),
            ("N", "1"),
            ("T", "a main b"),
        ];
        let variables = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}")).holds(&variables)
    }

    /// The page's table, row by row.
    #[test]
    fn conditions_mean_what_they_mean_to_gitlab() {
        for (text, expected) in [
            ("$UNDEF", false),
            ("$EMPTY", false),
            ("$X", true),
            ("$UNDEF == null", true),
            ("$EMPTY == null", false),
            ("$EMPTY == \"\"", true),
            ("$UNDEF == \"\"", false),
            ("$EMPTY && \"x\"", true),
            ("$EMPTY || \"x\"", false),
            ("$UNDEF || \"x\"", true),
            ("$UNDEF =~ /x/", false),
            ("$UNDEF !~ /x/", true),
            ("$X =~ $UNDEF", false),
            ("$X !~ $UNDEF", true),
            ("$X =~ $P", true),
            ("$X =~ \"abc\"", false),
            ("$X =~ $T", true),
            ("$X =~ $BAD", false),
            ("\"main\" == $X", true),
            ("$X == $Y", true),
            ("$X != 'main'", false),
            ("$X =~ /^m.*n$/", true),
            ("$X =~ /AI/", false),
            ("$X =~ /AI/i", true),
            ("$X =~ /a\\/b/", false),
            ("$UNDEF && $UNDEF || $X", true),
            ("$X || $UNDEF && $UNDEF", true),
            ("($X || $UNDEF) && $UNDEF", false),
            ("!$UNDEF", true),
            ("!($X == 'main') || $N == '1'", true),
            ("$X == 'main' && !$EMPTY", true),
        ] {
            assert_eq!(holds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_condition_that_cannot_be_read_is_told_with_its_place() {
        for (text, at, word) in [
            ("", 0, "missing"),
            ("$X == 1", 6, "`\"1\"`"),
            ("$X = 'a'", 3, "`=` means nothing"),
            ("${X} == 'a'", 0, "without braces"),
            ("$X == 'a", 6, "not closed"),
            ("($X", 0, "not closed"),
            ("$X)", 2, "closes nothing"),
            ("$X $Y", 3, "operator is missing"),
            ("$X =~ /(/", 6, "unclosed group"),
            ("$X =~ /a/x", 6, "flags i, s, m and U"),
            ("$X =~ //", 6, "at least one"),
            ("$X =~ /a", 6, "no `/`"),
            ("$X &&", 5, "missing here"),
            ("&& $X", 0, "missing before"),
            ("$", 0, "behind `$`"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.at == at && fault.message.contains(word), "{text}: {fault:?}");
        }
        assert!(parse(&"!".repeat(200)).unwrap_err().message.contains("fewer than 100"));
    }
}
