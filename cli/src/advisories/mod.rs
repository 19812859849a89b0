//! Makes a database of advisories of what the operator has: looks at everything first, then writes, so that one bad entry
//! changes nothing.

mod fetch;
mod osv;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufWriter, Write},
};

use jiff::Timestamp;
use pipelinex_common::advisories::{Counted, Ecosystem, Import};
use zip::{DateTime, ZipWriter, write::SimpleFileOptions};

pub use self::{
    fetch::{Archive, PUBLIC_ARCHIVE},
    source::Source,
};
use crate::{exit::Exit, failure::Failure};

/// An advisory in its place.
struct Placed {
    source: usize,
    unit: usize,
    entry: usize,
    changed: Option<Timestamp>,
    unknown_fields: bool,
}

/// What will be written: by ecosystem, and in it by id, so that the same advisories always make the same file.
type Sorted = BTreeMap<Ecosystem, BTreeMap<String, Placed>>;

/// What was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// By ecosystem.
    pub ecosystems: BTreeMap<Ecosystem, Counted>,
    /// Advisories of which fields were left out that the scanner does not know.
    pub pruned: u64,
}

/// Writes the advisories of all sources into an import.
///
/// # Errors
/// [`Failure`] with the file that is at fault, and why; nothing of the import counts then.
pub fn write(import: &Import, sources: &mut [Source]) -> Result<Written, Failure> {
    let mut sorted = Sorted::new();
    for (index, source) in sources.iter_mut().enumerate() {
        survey(index, source, &mut sorted)?;
        source.rewind();
    }
    if sorted.is_empty() {
        return Err(refused(
            "there is no advisory in it: JSON files in the OSV format are looked for, and ZIP files of them",
        ));
    }
    let mut written = Written::default();
    for (ecosystem, advisories) in &sorted {
        let counted = fill(import, ecosystem, advisories, sources)?;
        written.ecosystems.insert(ecosystem.clone(), counted);
        written.pruned += advisories.values().filter(|placed| placed.unknown_fields).count() as u64;
    }
    Ok(written)
}

fn survey(index: usize, source: &mut Source, sorted: &mut Sorted) -> Result<(), Failure> {
    for unit in 0..source.units.len() {
        let mut found = Vec::new();
        for entry in 0..source.units[unit].entries.len() {
            let read = source.read(unit, entry).and_then(|content| osv::read(&content));
            found.push(
                read.map_err(|reason| refused(&format!("{}: {reason}", source.units[unit].entries[entry].shown)))?,
            );
        }
        let here = &source.units[unit];
        let belongs = ecosystems_of(here.named.as_deref(), &found);
        for (entry, advisory) in found.into_iter().enumerate() {
            let place = &here.entries[entry].shown;
            let missing = belongs.iter().flatten().find(|ecosystem| !advisory.ecosystems.contains(ecosystem));
            if let Some(ecosystem) = missing {
                return Err(refused(&format!("{place}: {} lies in {ecosystem} and does not affect it", advisory.id)));
            }
            for ecosystem in belongs.as_ref().unwrap_or(&advisory.ecosystems) {
                let (changed, unknown_fields) = (advisory.changed, advisory.unknown_fields);
                let placed = Placed { source: index, unit, entry, changed, unknown_fields };
                let before = sorted.entry(ecosystem.clone()).or_default().insert(advisory.id.clone(), placed);
                if before.is_some() {
                    return Err(refused(&format!("{place}: {} is there twice for {ecosystem}", advisory.id)));
                }
            }
        }
    }
    Ok(())
}

/// The ecosystems that advisories which lie together belong to; `None`: each to all that it affects.
///
/// An advisory of Maven's archive may affect a package of npm, too. It must not make a database of npm that has hardly
/// anything in it: nothing would be found with that, and it would replace a whole one.
fn ecosystems_of(named: Option<&str>, found: &[osv::Advisory]) -> Option<BTreeSet<Ecosystem>> {
    let named = named.and_then(|name| name.parse::<Ecosystem>().ok());
    if let Some(named) = named.filter(|named| found.iter().any(|advisory| advisory.ecosystems.contains(named))) {
        return Some([named].into());
    }
    let sets = found.iter().map(|advisory| advisory.ecosystems.clone());
    let common = sets.reduce(|common, next| common.intersection(&next).cloned().collect()).unwrap_or_default();
    (!common.is_empty()).then_some(common)
}

fn fill(
    import: &Import,
    ecosystem: &Ecosystem,
    advisories: &BTreeMap<String, Placed>,
    sources: &mut [Source],
) -> Result<Counted, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::errored(format!("cannot write the advisories of {ecosystem}: {error}"))
    };
    let file = import.create(ecosystem).map_err(|error| failed(&error))?;
    let mut zip = ZipWriter::new(BufWriter::new(file));
    let options = SimpleFileOptions::default().last_modified_time(DateTime::DEFAULT).unix_permissions(0o644);
    for (id, placed) in advisories {
        let content = content(placed, &mut sources[placed.source]).map_err(|error| failed(&error))?;
        zip.start_file(format!("{id}.json"), options).map_err(|error| failed(&error))?;
        zip.write_all(&content).map_err(|error| failed(&error))?;
    }
    zip.finish().map_err(|error| failed(&error))?.flush().map_err(|error| failed(&error))?;
    let newest = advisories.values().filter_map(|placed| placed.changed).max();
    Ok(Counted { advisories: advisories.len() as u64, newest })
}

fn content(placed: &Placed, source: &mut Source) -> Result<Vec<u8>, String> {
    let content = source.read(placed.unit, placed.entry)?;
    if placed.unknown_fields { osv::without_unknown_fields(&content) } else { Ok(content) }
}

/// Nothing of an import counts, because of what is in it.
pub fn refused(reason: &str) -> Failure {
    Failure::Said { exit: Exit::Refused, message: format!("nothing was imported: {reason}") }
}

#[cfg(test)]
mod tests;
