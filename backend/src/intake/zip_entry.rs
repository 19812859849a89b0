//! What one entry is, by its headers alone: a plain file, a folder, a link, or a reason to refuse.

use zip::{CompressionMethod, read::ZipFileEntry};

use super::{
    links::TARGET_BYTES,
    refusal::{Refusal, Rule},
    zip_directory::{Listed, fields, u16_at},
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

/// The attribute of DOS for a folder.
const DOS_FOLDER: u32 = 0x10;
/// The mode that some packers write for "I do not know".
const MODE_UNKNOWN: u32 = 0xffff;
/// A link's compressed target may be a little longer than the target.
const LINK_OVERHEAD: u64 = 64;

/// An entry that may be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File { executable: bool },
    Folder,
    Link,
}

/// Decides what an entry is; its name may already say that it is a folder.
pub(super) fn classify(entry: &ZipFileEntry<'_>, listed: &Listed, named_folder: bool) -> Result<Kind, Refusal> {
    let refuse = |rule, hint: &str| Err(Refusal::of_entry(rule, &listed.name, hint));
    if entry.flags().as_u16() & ENCRYPTED_FLAGS != 0 {
        return refuse(Rule::Encrypted, "pack the project without a password");
    }
    if entry.flags().as_u16() & PATCH_FLAG != 0
        || !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated)
    {
        return refuse(Rule::UnsupportedMethod, "pack the project with the methods store or deflate");
    }
    let kind = by_attributes(entry.external_attributes(), named_folder).or_else(|(rule, hint)| refuse(rule, hint))?;
    if kind == Kind::Folder {
        return match entry.size() == 0 && entry.compressed_size() <= FOLDER_DATA_BYTES {
            true => Ok(Kind::Folder),
            false => refuse(Rule::FolderWithData, "pack the project again"),
        };
    }
    if entry.compression() == CompressionMethod::Stored && entry.compressed_size() != entry.size() {
        return refuse(Rule::SizeMismatch, "its two sizes differ though it is not compressed; pack the project again");
    }
    if kind == Kind::Link && (entry.size() > TARGET_BYTES || entry.compressed_size() > TARGET_BYTES + LINK_OVERHEAD) {
        return refuse(Rule::Symlink, "its target is longer than a path can be; make the link again");
    }
    Ok(kind)
}

/// The mode of Unix counts whichever system is named as the maker: some reader would make the link all the same. A mode that
/// stands for nothing is that of a file: of a pipe whose output was packed, or one that the packer did not know.
fn by_attributes(attributes: u32, named_folder: bool) -> Result<Kind, (Rule, &'static str)> {
    let mode = attributes >> 16;
    let dos_folder = attributes & DOS_FOLDER != 0;
    let file = |executable| if named_folder { Kind::Folder } else { Kind::File { executable } };
    match mode & 0o170_000 {
        _ if mode == MODE_UNKNOWN => Ok(file(false)),
        0o120_000 if named_folder => Err((Rule::Symlink, "it is named as a folder; pack the project again")),
        0o120_000 => Ok(Kind::Link),
        0o040_000 if named_folder || dos_folder => Ok(Kind::Folder),
        0 if dos_folder => Ok(Kind::Folder),
        // It says folder in one place and file in the other.
        0o040_000 => Err((Rule::FileAndFolder, "pack the project again")),
        0o100_000 if dos_folder && !named_folder => Err((Rule::FileAndFolder, "pack the project again")),
        0o010_000 => Ok(file(false)),
        0 | 0o100_000 => Ok(file(mode & 0o111 != 0)),
        _ => Err((Rule::SpecialFile, "leave it out: a project consists of files and folders")),
    }
}

/// Refuses links that hide in the extra fields of Unix packers of old; everything else there is of no concern.
pub(super) fn check_extra(name: &[u8], extra: &[u8]) -> Result<(), Refusal> {
    let is_link = |(id, data): (u16, &[u8])| match id {
        EXTRA_PKWARE_UNIX => data.len() > 12,
        // The mode stands after the checksum of four bytes; its highest four bits are the file type.
        EXTRA_ASI_UNIX => data.len() > 14 || (data.len() >= 6 && !matches!(u16_at(data, 4) >> 12, 0 | 0o4 | 0o10)),
        _ => false,
    };
    match fields(extra).any(is_link) {
        true => Err(Refusal::of_entry(Rule::Hardlink, name, "pack the file itself instead of a link")),
        false => Ok(()),
    }
}
