//! Secrets that a program printed or asserted upon, taken out of what is shown: what has the form of a credential is replaced,
//! whoever printed it. Reports are quoted on pages, in terminals and in messages, where no secret belongs.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// Forms that nothing else has. The first group, where a form has one, stays.
const FORMS: &str = concat!(
    r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"|\bgh[pousr]_[0-9A-Za-z]{36,}|\bgithub_pat_[0-9A-Za-z_]{40,}",
    r"|\bglpat-[0-9A-Za-z_-]{20,}",
    r"|\bxox[abprs]-[0-9A-Za-z-]{10,}",
    r"|\b[rs]k_live_[0-9A-Za-z]{16,}",
    r"|\bnpm_[0-9A-Za-z]{36}\b",
    r"|\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}",
    r"|((?i)\bauthorization\b\W{1,4}(?:bearer|basic|token)\s+)[0-9A-Za-z+/=._~-]{6,}",
    r"|(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?:@)",
);

static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(FORMS).ok());

/// The text without what has the form of a secret.
pub fn redact(text: &str) -> Cow<'_, str> {
    let Some(secret) = SECRET.as_ref() else { return Cow::Borrowed(REDACTED) };
    secret.replace_all(text, |found: &regex::Captures<'_>| {
        let kept = found.get(1).or(found.get(2)).map_or("", |kept| kept.as_str());
        let at = if found.get(2).is_some() { "@" } else { "" };
        format!("{kept}{REDACTED}{at}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_form_of_a_secret_is_not_shown_and_all_else_is() {
        let key = format!("AKIA{}", "Z".repeat(16));
        let token = format!("ghp_{}", "a1".repeat(18));
        for (text, shown) in [
            (format!("key {key}."), "key [redacted].".to_owned()),
            (format!("<{token}>"), "<[redacted]>".to_owned()),
            (
                "git clone https://me:s3cret@git.test/a".to_owned(),
                "git clone https://me:[redacted]@git.test/a".to_owned(),
            ),
            ("Authorization: Bearer abcdef123".to_owned(), "Authorization: Bearer [redacted]".to_owned()),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nx".to_owned(),
                "[redacted]\nx".to_owned(),
            ),
            ("-----BEGIN PRIVATE KEY-----\ncut off".to_owned(), "[redacted]".to_owned()),
        ] {
            assert_eq!(redact(&text), shown);
        }
        for plain in ["expected: <token> but was: <password>", "http://localhost:8080/a@b", "a:b@c", "AKIA and ghp_"] {
            assert_eq!(redact(plain), plain);
        }
    }
}
