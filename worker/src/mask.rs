//! Takes secrets out of what a step prints and reports, before it is on our disk: as they are, in base64 wherever they stand in what was
//! encoded, and escaped for addresses and for JSON. No form spans a line end, so that lines stay what they are.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

use aho_corasick::AhoCorasick;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use pipelinex_common::{
    disk::DiskError,
    secrets::{MASKED_MIN, Secret},
};

/// What stands in place of a secret.
pub const MASKED: &[u8] = b"[MASKED]";
/// `base64` breaks its lines after so many characters.
const BASE64_LINE: usize = 76;

/// What is taken out. Cheap to clone; without secrets nothing is looked at.
#[derive(Clone, Debug, Default)]
pub struct Mask(Option<Arc<Forms>>);

#[derive(Debug)]
struct Forms {
    search: AhoCorasick,
    all: Vec<Vec<u8>>,
    longest: usize,
}

impl Mask {
    /// A mask for those of the secrets that are masked.
    pub fn of(secrets: &[Secret]) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets.iter().filter(|secret| secret.masked) {
            texts_of(secret).iter().for_each(|text| add_forms(text, &mut forms));
        }
        let all: Vec<Vec<u8>> = forms.into_iter().map(String::into_bytes).collect();
        let longest = all.iter().map(Vec::len).max().unwrap_or_default();
        let search = if all.is_empty() { None } else { AhoCorasick::new(&all).ok() };
        Self(search.map(|search| Arc::new(Forms { search, all, longest })))
    }

    /// Masks what comes in pieces.
    pub fn stream(&self) -> Masking {
        Masking { mask: self.clone(), held: Vec::new(), covered: 0 }
    }

    /// Masks what is whole.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut masking = self.stream();
        let mut masked = masking.take(bytes).into_owned();
        masked.extend(masking.rest());
        masked
    }

    /// Masks a file of ours in place.
    ///
    /// # Errors
    /// [`DiskError`]; the file is then what it was.
    pub fn file(&self, path: &Path) -> Result<(), DiskError> {
        if self.0.is_none() {
            return Ok(());
        }
        let mut aside = path.as_os_str().to_owned();
        aside.push(".masked");
        let aside = Path::new(&aside);
        let copy = || {
            let (mut from, mut to) = (File::open(path)?, File::create_new(aside)?);
            to.set_permissions(from.metadata()?.permissions())?;
            let (mut masking, mut piece) = (self.stream(), vec![0; 64 * 1024]);
            loop {
                match from.read(&mut piece)? {
                    0 => break,
                    read => to.write_all(&masking.take(&piece[..read]))?,
                }
            }
            to.write_all(&masking.rest())?;
            fs::rename(aside, path)
        };
        copy().map_err(|error: io::Error| {
            let _ = fs::remove_file(aside);
            DiskError::io("mask", path)(error)
        })
    }
}

/// The texts of a secret that nobody may read: its value, and each line of it.
fn texts_of(secret: &Secret) -> Vec<&str> {
    let value = secret.expose();
    let mut texts: Vec<&str> = value.lines().map(str::trim).chain([value]).collect();
    texts.retain(|text| text.chars().count() >= MASKED_MIN);
    texts
}

fn add_forms(text: &str, forms: &mut BTreeSet<String>) {
    let mut add = |form: &str| {
        if form.len() >= MASKED_MIN && !form.contains('\n') {
            forms.insert(form.to_owned());
        }
    };
    add(text);
    for (space, upper) in [("%20", true), ("%20", false), ("+", true), ("+", false)] {
        add(&percent(text, space, upper));
    }
    let json = serde_json::to_string(text).unwrap_or_default();
    add(json.trim_matches('"'));
    for offset in 0..3 {
        let padded = [&b"\0\0"[..offset], text.as_bytes()].concat();
        // What stands before and after it has a part in the characters at both ends.
        let (begin, end) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            add(&encoded[begin..end]);
            if offset == 0 && encoded.len() > BASE64_LINE {
                encoded
                    .as_bytes()
                    .chunks(BASE64_LINE)
                    .filter_map(|line| std::str::from_utf8(line).ok())
                    .for_each(&mut add);
            }
        }
    }
}

fn percent(text: &str, space: &str, upper: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            b' ' => encoded.push_str(space),
            other if upper => _ = write!(encoded, "%{other:02X}"),
            other => _ = write!(encoded, "%{other:02x}"),
        }
    }
    encoded
}

/// A text that comes in pieces. What could be the beginning of a secret is held back until more is known.
#[derive(Debug)]
pub struct Masking {
    mask: Mask,
    held: Vec<u8>,
    /// So many of the bytes that are held are part of what was masked already.
    covered: usize,
}

impl Masking {
    /// What can be passed on of all that came so far.
    pub fn take<'a>(&mut self, bytes: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        let Some(forms) = self.mask.0.clone() else { return bytes.into() };
        self.held.extend_from_slice(bytes);
        let keep_from = self.held.len() - forms.beginning_at_the_end(&self.held);
        self.pass(&forms, keep_from).into()
    }

    /// What was held back, once nothing more comes.
    pub fn rest(&mut self) -> Vec<u8> {
        let Some(forms) = self.mask.0.clone() else { return Vec::new() };
        let all = self.held.len();
        self.pass(&forms, all)
    }

    fn pass(&mut self, forms: &Forms, keep_from: usize) -> Vec<u8> {
        let found = forms.search.find_overlapping_iter(&self.held).map(|found| (found.start(), found.end()));
        let mut hidden: Vec<(usize, usize)> = found.collect();
        hidden.sort_unstable();
        let (mut passed, mut at) = (Vec::with_capacity(keep_from), self.covered);
        for (begin, end) in hidden.into_iter().take_while(|(begin, _)| *begin < keep_from) {
            // What overlaps is hidden under one mark; that of what is covered was passed on before.
            if begin >= at {
                passed.extend_from_slice(&self.held[at..begin]);
                passed.extend_from_slice(MASKED);
            }
            at = at.max(end);
        }
        if at < keep_from {
            passed.extend_from_slice(&self.held[at..keep_from]);
        }
        self.held.drain(..keep_from);
        self.covered = at.saturating_sub(keep_from);
        passed
    }
}

impl Forms {
    /// How many bytes at the end of a text could be the beginning of a secret.
    fn beginning_at_the_end(&self, text: &[u8]) -> usize {
        // No form spans a line end.
        let line = text.iter().rposition(|byte| *byte == b'\n').map_or(text, |end| &text[end + 1..]);
        let most = line.len().min(self.longest.saturating_sub(1));
        let begins = |length: &usize| {
            let end = &line[line.len() - length..];
            self.all.iter().any(|form| form.len() > end.len() && form.starts_with(end))
        };
        (1..=most).rev().find(begins).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use pipelinex_common::secrets::Purpose;

    use super::*;

    const VALUE: &str = "correct horse/battery+1";

    fn secret(purpose: Purpose, value: &str) -> Secret {
        Secret::new("KEY", purpose, true, false, value.into()).unwrap()
    }

    fn masked(mask: &Mask, pieces: &[&[u8]]) -> String {
        let mut masking = mask.stream();
        let mut text: Vec<u8> = pieces.iter().flat_map(|piece| masking.take(piece).into_owned()).collect();
        text.extend(masking.rest());
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_value_is_taken_out_in_every_form_wherever_the_pieces_end() {
        let mask = Mask::of(&[secret(Purpose::Variable, VALUE)]);
        let mut forms = vec![
            (VALUE.to_owned(), ""),
            ("correct%20horse%2Fbattery%2B1".to_owned(), ""),
            ("correct+horse%2fbattery%2b1".to_owned(), ""),
        ];
        for before in ["", "a", "ab", "abc"] {
            forms.push((STANDARD_NO_PAD.encode(format!("{before}{VALUE}|after")), "base64"));
            forms.push((URL_SAFE_NO_PAD.encode(format!("{before}{VALUE}")), "base64"));
        }
        for (form, kind) in forms {
            let text = format!("line\n<{form}> and <{form}>\nlast");
            let whole = masked(&mask, &[text.as_bytes()]);
            assert_eq!(whole.matches("[MASKED]").count(), 2, "{form} {whole}");
            assert!(kind == "base64" || whole == "line\n<[MASKED]> and <[MASKED]>\nlast", "{whole}");
            for at in 0..text.len() {
                let (a, b) = text.as_bytes().split_at(at);
                assert_eq!(masked(&mask, &[a, b]), whole, "cut at {at}");
            }
            let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(masked(&mask, &single), whole);
        }
    }

    #[test]
    fn a_file_is_taken_out_line_by_line_and_line_ends_stay() {
        let file = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nshort\n-----END KEY-----\n";
        let mask = Mask::of(&[secret(Purpose::File, file)]);
        assert_eq!(masked(&mask, &[file.as_bytes()]), "[MASKED]\n[MASKED]\nshort\n[MASKED]\n");
        let encoded = STANDARD_NO_PAD.encode(file);
        let wrapped: Vec<&str> =
            encoded.as_bytes().chunks(BASE64_LINE).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let whole = masked(&mask, &[wrapped.join("\n").as_bytes()]);
        assert!(wrapped.iter().all(|line| line.len() < MASKED_MIN || !whole.contains(line)), "{whole}");
    }

    #[test]
    fn secrets_that_overlap_are_hidden_together_and_half_of_one_is_shown() {
        let mask = Mask::of(&[
            secret(Purpose::Variable, "abcdefgh"),
            secret(Purpose::Variable, "efghijkl"),
            secret(Purpose::Variable, "00abcdefgh00"),
        ]);
        for (text, expected) in [
            ("<abcdefghijkl>", "<[MASKED]>"),
            ("<00abcdefgh00>", "<[MASKED]>"),
            ("abcdefghabcdefgh", "[MASKED][MASKED]"),
            ("abcdefg", "abcdefg"),
            ("efgh\nijkl 00abcd", "efgh\nijkl 00abcd"),
        ] {
            assert_eq!(masked(&mask, &[text.as_bytes()]), expected);
            let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(masked(&mask, &single), expected, "by bytes: {text}");
        }
        let unmasked = Secret { masked: false, ..secret(Purpose::Variable, "abcdefgh") };
        assert_eq!(masked(&Mask::of(&[unmasked]), &[b"abcdefgh"]), "abcdefgh");
    }

    #[test]
    fn a_report_is_masked_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.xml");
        fs::write(&path, format!("{}{VALUE}</x>", "x".repeat(64 * 1024 - 5))).unwrap();
        Mask::of(&[secret(Purpose::Variable, VALUE)]).file(&path).unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with("x[MASKED]</x>"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
