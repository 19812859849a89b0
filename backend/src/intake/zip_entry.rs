//! What one entry is, by its headers alone: a plain file, a folder, or a reason to refuse.

use pipelinex_common::limits::{IntakeLimits, MIB};
use zip::{CompressionMethod, read::ZipFileEntry};

use super::{
    refusal::{Refusal, Rule},
    zip_directory::u16_at,
};

/// Bit 0: encrypted; bit 6: strong encryption; bit 13: the central directory is encrypted.
const ENCRYPTED_FLAGS: u16 = 1 | 1 << 6 | 1 << 13;
/// Bit 5: the data is a patch to some older file.
const PATCH_FLAG: u16 = 1 << 5;
/// A folder that a Java program writes is "compressed": two bytes that say nothing, five from some others.
const FOLDER_DATA_BYTES: u64 = 16;
/// Extra field of PKWARE for Unix: after 12 bytes of times and owners, the target of a link.
const EXTRA_PKWARE_UNIX: u16 = 0x000d;
/// Extra field of ASi for Unix: after 14 bytes of checksum, mode, size and owners, the target of a link.
const EXTRA_ASI_UNIX: u16 = 0x756e;

/// An entry that may be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File { executable: bool },
    Folder,
}

/// Decides what an entry is.
pub(super) fn classify(entry: &ZipFileEntry<'_>, limits: &IntakeLimits) -> Result<Kind, Refusal> {
    let refuse = |rule, hint: &str| Err(Refusal::of_entry(rule, entry.name_raw(), hint));
    let mode = entry.external_attributes() >> 16;
    let named_folder = entry.name_raw().ends_with(b"/");
    match mode & 0o170_000 {
        // Also where a DOS system is named as the maker: some reader would make the link all the same.
        0o120_000 => return refuse(Rule::Symlink, "pack the file itself instead of a link (zip does so without -y)"),
        0o040_000 if !named_folder => return refuse(Rule::FileAndFolder, "pack the project again"),
        0 | 0o040_000 | 0o100_000 => {}
        _ => return refuse(Rule::SpecialFile, "leave it out: a project consists of files and folders"),
    }
    if entry.flags().as_u16() & ENCRYPTED_FLAGS != 0 {
        return refuse(Rule::Encrypted, "pack the project without a password");
    }
    if entry.flags().as_u16() & PATCH_FLAG != 0
        || !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated)
    {
        return refuse(Rule::UnsupportedMethod, "pack the project with the methods store or deflate");
    }
    if named_folder {
        return match entry.size() == 0 && entry.compressed_size() <= FOLDER_DATA_BYTES {
            true => Ok(Kind::Folder),
            false => refuse(Rule::FolderWithData, "pack the project again"),
        };
    }
    if entry.compression() == CompressionMethod::Stored && entry.compressed_size() != entry.size() {
        return refuse(Rule::SizeMismatch, "its two sizes differ though it is not compressed; pack the project again");
    }
    if entry.size() > MIB && entry.size() > entry.compressed_size().saturating_mul(limits.entry_ratio) {
        let hint = format!(
            "it would grow more than {} times; leave it out, or pack it without compression",
            limits.entry_ratio
        );
        return refuse(Rule::Ratio, &hint);
    }
    Ok(Kind::File { executable: mode & 0o111 != 0 })
}

/// Refuses links that hide in the extra fields of Unix packers of old; everything else there is of no concern.
pub(super) fn check_extra(name: &[u8], mut extra: &[u8]) -> Result<(), Refusal> {
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let Some(data) = extra.get(4..4 + length) else { break };
        let link = match id {
            EXTRA_PKWARE_UNIX => length > 12,
            // The mode stands after the checksum of four bytes; its highest four bits are the file type.
            EXTRA_ASI_UNIX => length > 14 || (length >= 6 && !matches!(u16_at(data, 4) >> 12, 0 | 0o4 | 0o10)),
            _ => false,
        };
        if link {
            return Err(Refusal::of_entry(Rule::Hardlink, name, "pack the file itself instead of a link"));
        }
        extra = &extra[4 + length..];
    }
    Ok(())
}
