//! Files as nobody writes them: whatever is done to a good one, it is read or refused, with places that exist.

use proptest::prelude::*;

use super::{BUILT_IN, read};

const PIECES: [&str; 16] = [
    "",
    "\t",
    "\n",
    "[",
    "}",
    ": ",
    "- ",
    "&a ",
    "*a",
    "<<: *a",
    "\"",
    "'",
    "#",
    "!reference ",
    "é\u{1b}",
    ".pipelinex:",
];

/// Cuts pieces out and puts others in.
fn mutated(cuts: &[(usize, usize, usize)]) -> String {
    let mut text: Vec<char> = BUILT_IN.chars().collect();
    for (from, length, piece) in cuts {
        let from = from % text.len();
        let to = (from + length).min(text.len());
        text.splice(from..to, PIECES[*piece].chars());
    }
    text.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_is_too_strange(cuts in prop::collection::vec((0..5000_usize, 0..12_usize, 0..PIECES.len()), 1..5)) {
        let text = mutated(&cuts);
        if let Err(rejected) = read("p.yml", &text) {
            prop_assert!(!rejected.diagnostics.is_empty());
            let lines = text.lines().count().max(1) + 1;
            for diagnostic in &rejected.diagnostics {
                prop_assert!(diagnostic.line >= 1 && diagnostic.line as usize <= lines, "{}", diagnostic);
            }
            let escapes = rejected.to_string().contains('\u{1b}');
            prop_assert!(!escapes, "an escape is shown");
        }
    }
}
