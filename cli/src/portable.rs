//! Names that every system can hold: what is saved here may be carried to Windows or macOS.
//!
//! The archive of reports is written by the same rules, at the server.

use std::collections::{HashMap, HashSet};

/// Names that Windows reserves, with any extension, besides COM1 to COM9 and LPT1 to LPT9.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Paths as they are saved; no two of them are one where case does not count.
#[derive(Default)]
pub struct PortableNames {
    /// By the path as it is: the path as it is saved, of folders too.
    saved: HashMap<String, String>,
    /// Saved paths, in lower case.
    taken: HashSet<String>,
}

impl PortableNames {
    /// How a path of plain parts is saved; the same path always in the same way.
    pub fn of(&mut self, path: &str) -> String {
        let (mut own, mut saved) = (String::new(), String::new());
        for part in path.split('/') {
            let slash = if own.is_empty() { "" } else { "/" };
            own = format!("{own}{slash}{part}");
            saved = match self.saved.get(&own) {
                Some(known) => known.clone(),
                None => self.free(&format!("{saved}{slash}{}", portable(part))),
            };
            self.saved.insert(own.clone(), saved.clone());
        }
        saved
    }

    fn free(&mut self, path: &str) -> String {
        let (mut free, mut number) = (path.to_owned(), 1);
        while !self.taken.insert(free.to_lowercase()) {
            number += 1;
            free = format!("{path}-{number}");
        }
        free
    }
}

/// A name without what Windows cannot have, or what hides.
fn portable(name: &str) -> String {
    let hides =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let odd = |c: char| c.is_control() || hides(c) || "<>:\"|?*\\/".contains(c);
    let mut out: String = name.chars().map(|c| if odd(c) { '_' } else { c }).collect();
    if out.ends_with(['.', ' ']) || out.is_empty() {
        out.push('_');
    }
    let stem = out.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let numbered = |port: &str| {
        let mut number = stem.strip_prefix(port).unwrap_or_default().chars();
        matches!((number.next(), number.next()), (Some('1'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'), None))
    };
    let reserved = RESERVED.contains(&stem.as_str()) || numbered("com") || numbered("lpt");
    if reserved { format!("_{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_cannot_have_are_changed() {
        for (name, expected) in [
            ("app-1.0.jar", "app-1.0.jar"),
            ("größe 日本", "größe 日本"),
            ("aux.sql", "_aux.sql"),
            ("CON", "_CON"),
            ("com1.x", "_com1.x"),
            ("com10", "com10"),
            ("a:b", "a_b"),
            ("a\\b", "a_b"),
            ("dot.", "dot._"),
            ("space ", "space _"),
            ("a\u{202e}b\x1b", "a_b_"),
        ] {
            assert_eq!(PortableNames::default().of(name), expected, "{name}");
        }
    }

    #[test]
    fn twins_are_told_apart_and_stay_so() {
        let mut names = PortableNames::default();
        let saved = ["A/x", "a/x", "A/y", "a/X", "a/x", "b:", "b_"].map(|path| names.of(path));
        assert_eq!(saved, ["A/x", "a-2/x", "A/y", "a-2/X-2", "a-2/x", "b_", "b_-2"]);
    }
}
