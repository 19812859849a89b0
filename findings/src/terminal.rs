//! What programs print for a terminal, made harmless: the one place that knows escape sequences. Pages, terminals, reports and
//! messages all show foreign text through it, so they never disagree about what a line says.
//!
//! Colours and weights are understood and kept apart from the text. Everything else that a terminal would obey (cursor moves,
//! titles, links, bells, hidden or reversed text) is left out or shown as a mark. A carriage return begins the line anew, as a
//! progress bar does: the last state of the line is what is seen.

mod style;
#[cfg(test)]
mod tests;

use std::{iter::Peekable, str::Chars};

pub use style::{Colour, Style};

/// What stands for a character that must not be shown.
const MARK: char = '\u{fffd}';

/// A part of a line that looks the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// How it looks.
    pub style: Style,
    /// What it says: no control characters but tabs.
    pub text: String,
}

/// A line without its end, as it is seen last. `style` is how the line before ended, and then how this one ends: programs
/// colour over several lines.
pub fn line(text: &str, style: &mut Style) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut begins_anew = false;
    let mut rest = text.trim_end_matches('\r').chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => escape(&mut rest, style),
            '\u{9b}' => sequence(&mut rest, style),
            // What follows writes over what was there.
            '\r' => begins_anew = true,
            '\u{8}' => backspace(&mut spans),
            '\n' => {}
            c => {
                if std::mem::take(&mut begins_anew) {
                    spans.clear();
                }
                put(&mut spans, *style, if is_harmless(c) { c } else { MARK });
            }
        }
    }
    spans
}

/// A text of any number of lines without colours.
pub fn plain(text: &str) -> String {
    let mut style = Style::default();
    let mut out = String::with_capacity(text.len());
    for (number, part) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        line(part, &mut style).iter().for_each(|span| out.push_str(&span.text));
    }
    out
}

/// Whether a character shows itself and nothing else: no control, nothing invisible, nothing that reverses the order of text.
pub fn is_harmless(c: char) -> bool {
    c == '\t' || !c.is_control() && !hides_or_reverses(c)
}

/// Zero-width and bidirectional marks, line separators, tags.
fn hides_or_reverses(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

fn put(spans: &mut Vec<Span>, style: Style, c: char) {
    match spans.last_mut() {
        Some(last) if last.style == style => last.text.push(c),
        _ => spans.push(Span { style, text: c.into() }),
    }
}

fn backspace(spans: &mut Vec<Span>) {
    if let Some(last) = spans.last_mut() {
        last.text.pop();
        if last.text.is_empty() {
            spans.pop();
        }
    }
}

/// What follows ESC. ECMA-48: a control sequence ends at its first letter, a string (title, link) at BEL or ESC.
fn escape(rest: &mut Peekable<Chars<'_>>, style: &mut Style) {
    match rest.next() {
        Some('[') => sequence(rest, style),
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(c) = rest.next() {
                match c {
                    '\u{7}' | '\u{9c}' => break,
                    '\u{1b}' => {
                        rest.next();
                        break;
                    }
                    _ => {}
                }
            }
        }
        // A charset or the like: one letter follows.
        Some(' '..='/') => {
            rest.next();
        }
        _ => {}
    }
}

/// The rest of a control sequence; one that ends in `m` says how text looks from here on.
fn sequence(rest: &mut Peekable<Chars<'_>>, style: &mut Style) {
    let mut parameters = String::new();
    while let Some(c) = rest.peek().copied() {
        match c {
            '\u{40}'..='\u{7e}' => {
                rest.next();
                if c == 'm' {
                    style.apply(&parameters);
                }
                return;
            }
            '\u{20}'..='\u{3f}' => {
                rest.next();
                if parameters.len() < 64 {
                    parameters.push(c);
                }
            }
            // It is broken off: what comes next is text.
            _ => return,
        }
    }
}
