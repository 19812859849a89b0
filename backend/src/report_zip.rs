//! What the stages of an ended job reported, as one ZIP. The same job gives the same bytes each time: the order of entries is
//! that of stages and names, and their time is that at which the job ended.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
};

use jiff::{Timestamp, tz::TimeZone};
use pipelinex_common::{
    execution::{Execution, StageRecord},
    foreign::{Beneath, ForeignError},
    slug::Slug,
    state::StepState,
    store::Job,
};
use serde_json::{Map, Value, json};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::error::ApiError;

/// The most files of one stage; a worker collects fewer.
const FILES_MAX: usize = 20_000;
/// The largest result.json that is looked into, in bytes.
const RESULT_BYTES: u64 = 64 * 1024;
/// The mode of a file that cannot be executed.
const PLAIN: u32 = 0o644;
/// The mode of one that can.
const EXECUTABLE: u32 = 0o755;
/// Names that Windows keeps for itself.
const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Writes the ZIP into an empty file.
///
/// # Errors
/// 507 when the disk is full; an error of ours where something cannot be read.
pub fn write(job: &Job, execution: &Execution, file: File) -> Result<File, ApiError> {
    let mut archive = Archive::new(file, execution.finished_at.unwrap_or(execution.updated_at));
    for (name, stage) in &execution.stages {
        archive.stage(job, name, stage)?;
    }
    archive.zip.finish().map_err(zip_failed)
}

struct Archive {
    zip: ZipWriter<File>,
    options: SimpleFileOptions,
    /// Names that are taken, in lower case.
    taken: HashSet<String>,
}

impl Archive {
    fn new(file: File, at: Timestamp) -> Self {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(dos_time(at));
        Self { zip: ZipWriter::new(file), options, taken: HashSet::new() }
    }

    /// The log, the result and the tools' files of one stage.
    fn stage(&mut self, job: &Job, name: &str, stage: &StageRecord) -> Result<(), ApiError> {
        let slug = Slug::of(name);
        let reports = open_or_nothing(Beneath::open(&job.paths().reports_of(&slug)))?;
        if reports.is_none() && stage.status == StepState::Skipped {
            return Ok(());
        }
        self.result(name, stage, reports.as_ref(), &slug)?;
        self.log(job, stage, &slug)?;
        let Some(reports) = reports else { return Ok(()) };
        for found in reports.walk(FILES_MAX)?.files {
            if found.path != "result.json" {
                let content = reports.file(&found.path)?;
                let mode = content.metadata().map_err(ApiError::io)?.permissions().mode();
                self.add(&slug, &found.path, mode, content)?;
            }
        }
        Ok(())
    }

    /// result.json as the engine's exit code has it: what the stage itself wrote can add to it and not change it.
    fn result(
        &mut self,
        name: &str,
        stage: &StageRecord,
        reports: Option<&Beneath>,
        slug: &Slug,
    ) -> Result<(), ApiError> {
        let written = reports.and_then(|reports| reports.read("result.json", RESULT_BYTES).ok()).unwrap_or_default();
        let mut result = Map::new();
        result.insert("stage".to_owned(), json!(name));
        result.insert("status".to_owned(), json!(stage.status));
        result.insert("duration_ms".to_owned(), json!(stage.duration_ms.unwrap_or(0)));
        result.insert("message".to_owned(), json!(stage.message));
        if let Some(reason) = stage.reason {
            result.insert("reason".to_owned(), json!(reason));
        }
        for (key, value) in serde_json::from_slice::<Map<String, Value>>(&written).unwrap_or_default() {
            result.entry(key).or_insert(value);
        }
        let text = serde_json::to_vec_pretty(&result).map_err(ApiError::internal)?;
        self.add(slug, "result.json", PLAIN, text.as_slice())
    }

    /// The logs of the steps, one after another.
    fn log(&mut self, job: &Job, stage: &StageRecord, slug: &Slug) -> Result<(), ApiError> {
        let Some(logs) = open_or_nothing(Beneath::open(&job.paths().logs()))? else { return Ok(()) };
        let steps: Vec<_> = if stage.steps.is_empty() { vec![slug] } else { stage.steps.keys().collect() };
        let mut content: Box<dyn Read> = Box::new(io::empty());
        let mut any = false;
        for name in steps.iter().flat_map(|step| [format!("{step}.log"), format!("{step}.tail")]) {
            if let Some(file) = open_or_nothing(logs.file(&name))? {
                content = Box::new(content.chain(file));
                any = true;
            }
        }
        if any { self.add(slug, &format!("{slug}.log"), PLAIN, content) } else { Ok(()) }
    }

    /// What could be executed still can.
    fn add(&mut self, slug: &Slug, path: &str, mode: u32, mut content: impl Read) -> Result<(), ApiError> {
        let name = self.free_name(&format!("{slug}/{}", portable(path)));
        let mode = if mode & 0o111 == 0 { PLAIN } else { EXECUTABLE };
        self.zip.start_file(name, self.options.unix_permissions(mode)).map_err(zip_failed)?;
        io::copy(&mut content, &mut self.zip).map_err(ApiError::io)?;
        Ok(())
    }

    /// Names that differ in case only are one name elsewhere.
    fn free_name(&mut self, name: &str) -> String {
        let mut free = name.to_owned();
        let mut number = 1;
        while !self.taken.insert(free.to_lowercase()) {
            number += 1;
            free = format!("{name}-{number}");
        }
        free
    }
}

/// What cannot be opened because it is not there, or is a link or a device, is nothing of ours.
pub fn open_or_nothing<T>(opened: Result<T, ForeignError>) -> Result<Option<T>, ApiError> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(ForeignError::Missing(_) | ForeignError::Refused { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A path that every system can unpack, and that hides nothing.
fn portable(path: &str) -> String {
    let parts: Vec<_> = path.split('/').map(portable_name).collect();
    parts.join("/")
}

fn portable_name(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " !#$%&'()+,-.;=@[]^_`{}~".contains(c);
    let mut out: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if out.ends_with(['.', ' ']) || out.is_empty() {
        out.push('_');
    }
    let stem = out.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt"));
    if RESERVED.contains(&stem.as_str()) || numbered { format!("_{out}") } else { out }
}

fn dos_time(at: Timestamp) -> DateTime {
    let at = at.to_zoned(TimeZone::UTC);
    let part = |value: i8| u8::try_from(value).unwrap_or(0);
    let year = u16::try_from(at.year()).unwrap_or(0);
    let (month, day) = (part(at.month()), part(at.day()));
    DateTime::from_date_and_time(year, month, day, part(at.hour()), part(at.minute()), part(at.second()))
        .unwrap_or_default()
}

fn zip_failed(error: zip::result::ZipError) -> ApiError {
    match error {
        zip::result::ZipError::Io(error) => ApiError::io(error),
        other => ApiError::internal(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_archive_can_be_unpacked_everywhere() {
        for (path, expected) in [
            ("gitleaks.sarif", "gitleaks.sarif"),
            ("a/b-1.xml", "a/b-1.xml"),
            (r"..\..\x", ".._.._x"),
            ("c:/x", "c_/x"),
            ("../x", ".._/x"),
            ("nul.txt/COM1", "_nul.txt/_COM1"),
            ("a\u{202e}b\u{200b}", "a_b_"),
            ("dot. ", "dot. _"),
            ("日本", "日本"),
        ] {
            assert_eq!(portable(path), expected, "{path}");
        }
    }
}
