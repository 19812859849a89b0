//! What an entry is called: its bytes become a path once, here, and every rule about paths looks at the result.
//!
//! Names without the UTF-8 flag are in whatever code page the packer's system had. Three readings are taken, in this order:
//! the Unicode Path extra field, if its checksum is that of the name; UTF-8, which packers on Linux and macOS write without
//! the flag; and CP437, which the format names. Safe is each of them because the two headers must have the same bytes, no
//! byte is a control character, and no reading is compared with another: what comes out is looked at, and shown.

use pipelinex_common::limits::IntakeLimits;

use super::{
    project_path::ProjectPath,
    refusal::{Refusal, Rule},
    zip_directory::{Listed, fields, u32_at},
};

/// Flag bit 11: the name is UTF-8.
const UTF8_FLAG: u16 = 1 << 11;
/// Extra field of Info-ZIP: a version, the checksum of the name as it stands in the header, and the name in UTF-8.
const EXTRA_UNICODE_PATH: u16 = 0x7075;
/// Systems whose programs separate folders by a backslash: DOS, OS/2, NTFS and VFAT.
const BACKSLASH_SYSTEMS: [u8; 4] = [0, 6, 10, 14];
/// What CP437 has from 0x80 on.
const CP437: &str = "\
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// How a name was read that does not say what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// By its Unicode Path extra field.
    UnicodePath,
    /// As CP437.
    Cp437,
}

/// The name of an entry.
pub(super) struct Named {
    /// The path; `None` for `./`, the project's own folder.
    pub path: Option<ProjectPath>,
    /// Whether the name says that it is a folder.
    pub is_folder: bool,
    /// How it was read, if it does not say what it is.
    pub reading: Option<Reading>,
}

/// Reads the name of an entry.
pub(super) fn read_name(listed: &Listed, limits: &IntakeLimits) -> Result<Named, Refusal> {
    if listed.name.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
        let hint = "rename it without control characters such as line breaks";
        return Err(Refusal::of_entry(Rule::NameControl, &listed.name, hint));
    }
    let (text, reading) = decode(listed)?;
    let windows = BACKSLASH_SYSTEMS.contains(&listed.system);
    let text = match windows && reading.is_none() && !text.contains('/') {
        true => text.replace('\\', "/"),
        false => text,
    };
    // `tar` of Windows and macOS puts it before every name.
    let text = text.strip_prefix("./").unwrap_or(&text);
    if windows && text.as_bytes().get(1) == Some(&b':') {
        let hint = "pack the project with paths relative to its folder";
        return Err(Refusal::of_entry(Rule::DrivePath, &listed.name, hint));
    }
    let path = match text.is_empty() && !listed.name.is_empty() {
        true => None,
        false => Some(parse(text, &listed.name, limits)?),
    };
    Ok(Named { path, is_folder: text.is_empty() || text.ends_with('/'), reading })
}

fn parse(text: &str, raw: &[u8], limits: &IntakeLimits) -> Result<ProjectPath, Refusal> {
    // A decoded name has up to three bytes for one; what it may have in the end is checked when the top folder is known.
    if text.len() > 3 * (limits.path_bytes + limits.name_bytes + 2) {
        let hint = format!("a path may have {} bytes", limits.path_bytes);
        return Err(Refusal::of_entry(Rule::PathTooLong, raw, hint));
    }
    ProjectPath::parse(text.as_bytes())
}

fn decode(listed: &Listed) -> Result<(String, Option<Reading>), Refusal> {
    let refuse = |rule, hint: &str| Refusal::of_entry(rule, &listed.name, hint);
    let unicode = unicode_path(&listed.name, &listed.extra);
    let plain = std::str::from_utf8(&listed.name).ok();
    if listed.flags & UTF8_FLAG != 0 && plain.is_none() {
        return Err(refuse(Rule::NameNotUtf8, "it is marked as UTF-8 and is not; pack the project again"));
    }
    let says = plain.filter(|text| listed.flags & UTF8_FLAG != 0 || text.is_ascii());
    match (says, unicode) {
        (Some(text), Some(unicode)) if text != unicode => {
            Err(refuse(Rule::NameMismatch, "its extra field names another path; pack the project again"))
        }
        (Some(text), _) => Ok((text.to_owned(), None)),
        (None, Some(unicode)) => Ok((unicode, Some(Reading::UnicodePath))),
        (None, None) => match plain {
            Some(text) => Ok((text.to_owned(), None)),
            None => Ok((cp437(&listed.name), Some(Reading::Cp437))),
        },
    }
}

/// The name in a Unicode Path extra field, if it belongs to this name.
pub(super) fn unicode_path(name: &[u8], extra: &[u8]) -> Option<String> {
    let mut crc = flate2::Crc::new();
    crc.update(name);
    let (_, data) = fields(extra).find(|(id, data)| {
        *id == EXTRA_UNICODE_PATH && data.len() > 5 && data[0] == 1 && u32_at(data, 1) == crc.sum()
    })?;
    String::from_utf8(data[5..].to_vec()).ok()
}

/// Whether there is a Unicode Path extra field, of this name or of another.
pub(super) fn has_unicode_path(extra: &[u8]) -> bool {
    fields(extra).any(|(id, _)| id == EXTRA_UNICODE_PATH)
}

fn cp437(name: &[u8]) -> String {
    let high: Vec<char> = CP437.chars().collect();
    let decode = |byte: &u8| match byte.checked_sub(0x80) {
        Some(at) => high.get(usize::from(at)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
        None => char::from(*byte),
    };
    name.iter().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_page_is_whole() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(cp437(b"gr\x94\xe1e \x80\xff"), "größe Ç\u{a0}");
        assert_eq!(cp437(&[0xb0, 0xc4, 0xdb, 0xe0, 0xfe]), "░─█α■");
    }
}
