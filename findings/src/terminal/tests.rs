use proptest::prelude::*;

use super::*;

fn seen(text: &str) -> Vec<(String, String)> {
    line(text, &mut Style::default()).into_iter().map(|span| (span.style.codes(), span.text)).collect()
}

#[test]
fn text_obeys_nothing() {
    for (raw, shown) in [
        ("\u{1b}[31mred\u{1b}[0m\n", "red\n"),
        ("a\r\nb\rc", "a\nc"),
        ("10 %\r\u{1b}[K100 %\r", "100 %"),
        ("\u{1b}]8;;http://evil.test\u{7}link", "link"),
        ("\u{1b}]0;title\u{1b}\\x", "x"),
        ("\u{1b}(Bx\u{1b}[2Jy\u{1b}[?25lz", "xyz"),
        ("bell\u{7}", "bell\u{fffd}"),
        ("a\u{202e}b\u{9b}2Jc\u{2028}d", "a\u{fffd}bc\u{fffd}d"),
        ("ab\u{8}c", "ac"),
        ("\u{1b}[", ""),
        ("\u{1b}[3\u{1b}[1mx", "x"),
        ("\tgrün 日本 🦀", "\tgrün 日本 🦀"),
    ] {
        assert_eq!(plain(raw), shown, "{raw:?}");
    }
}

#[test]
fn colours_are_kept_beside_the_text_and_over_lines() {
    let span = |codes: &str, text: &str| (codes.to_owned(), text.to_owned());
    assert_eq!(
        seen("a\u{1b}[1;31mb\u{1b}[22mc\u{1b}[39md"),
        [span("", "a"), span("1;31", "b"), span("31", "c"), span("", "d")]
    );
    assert_eq!(seen("\u{1b}[38;5;196mx\u{1b}[38;2;20;200;30my"), [span("31", "x"), span("32", "y")]);
    assert_eq!(seen("\u{1b}[37;40mx\u{1b}[8my\u{1b}[92mz"), [span("", "xy"), span("32", "z")], "nothing hides");
    let mut style = Style::default();
    line("\u{1b}[33mwarning:", &mut style);
    assert_eq!(line("goes on", &mut style)[0].style.colour, Some(Colour::Yellow));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_in_only_harmless_characters_come_out(text in "(\\PC|\u{1b}|\\[|\\]|m|\r|\u{8}|;|[0-9]|\u{9b}){0,60}") {
        prop_assert!(plain(&text).chars().all(|c| c == '\n' || is_harmless(c)), "{text:?}");
    }
}
