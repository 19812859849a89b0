//! What foreign code printed must not steer a terminal: no cursor moves, no titles, no hidden or reversed text.
//!
//! Works on bytes that come in pieces: a character split between two pieces stays whole. Where the output is no
//! terminal nothing passes through here, and bytes stay what they are.

/// Escapes a stream of bytes for a terminal.
#[derive(Debug, Default)]
pub struct Escaper {
    /// The beginning of a character, or a carriage return, whose continuation is not known yet.
    held: Vec<u8>,
}

impl Escaper {
    /// The next piece, as text that is safe to show.
    pub fn push(&mut self, piece: &[u8]) -> String {
        self.held.extend_from_slice(piece);
        let bytes = std::mem::take(&mut self.held);
        let mut whole = bytes.len() - incomplete_tail(&bytes);
        if whole > 0 && bytes[whole - 1] == b'\r' {
            // Is it half a line end?
            whole -= 1;
        }
        self.held = bytes[whole..].to_vec();
        text(&bytes[..whole])
    }

    /// What was held back, when no more will come.
    pub fn finish(&mut self) -> String {
        text(&std::mem::take(&mut self.held))
    }
}

/// Escapes a whole text that may have several lines.
pub fn text(bytes: &[u8]) -> String {
    let mut safe = String::with_capacity(bytes.len());
    let decoded = String::from_utf8_lossy(bytes);
    let mut characters = decoded.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\n' | '\t' => safe.push(c),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\0'..='\x1f' => safe.extend(['^', char::from(c as u8 + b'@')]),
            '\x7f' => safe.push_str("^?"),
            c if hides_or_reverses(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// Escapes what must stay one line.
pub fn line(foreign: &str) -> String {
    text(foreign.as_bytes()).replace('\n', "^J")
}

/// C1 controls, zero-width and bidirectional marks, line separators.
fn hides_or_reverses(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// How many bytes at the end begin a character that may still become whole.
fn incomplete_tail(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let needed = match bytes[bytes.len() - back] {
            0b1100_0000..=0b1101_1111 => 2,
            0b1110_0000..=0b1110_1111 => 3,
            0b1111_0000..=0b1111_0111 => 4,
            0b1000_0000..=0b1011_1111 => continue,
            _ => 1,
        };
        return if needed > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_shown_and_not_obeyed() {
        assert_eq!(text(b"\x1b[31mred\x1b]0;title\x07\r\nnext\tok"), "^[[31mred^[]0;title^G\nnext\tok");
        assert_eq!(text("a\u{202e}b\u{9b}c\u{7f}\0".as_bytes()), "a\\u{202e}b\\u{9b}c^?^@");
        assert_eq!(text("grün 日本 🦀".as_bytes()), "grün 日本 🦀");
        assert_eq!(line("a\nb"), "a^Jb");
    }

    #[test]
    fn pieces_give_the_same_text_as_the_whole() {
        let whole = "grün 日本 🦀\r\n\x1b[2J progress\rover".as_bytes();
        for size in 1..whole.len() {
            let mut escaper = Escaper::default();
            let mut joined: String = whole.chunks(size).map(|piece| escaper.push(piece)).collect();
            joined += &escaper.finish();
            assert_eq!(joined, text(whole), "pieces of {size}");
        }
        let mut broken = Escaper::default();
        assert_eq!(broken.push(b"x\xf0\x9f"), "x");
        assert_eq!(broken.push(b"y"), "\u{fffd}y");
    }
}
