//! `db`: the operator's database of advisories, without which SCA has nothing to go by.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};
use pipelinex_common::{
    advisories::{self, AdvisoryDb, Ecosystem, EcosystemInfo, Import},
    layout::Layout,
    limits::MIB,
};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::settings;
use crate::{
    advisories::{Archive, PUBLIC_ARCHIVE, Source, Written, refused, write},
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
};

/// A database in which nothing newer is than this many days is told to be old: a month of advisories is missing.
pub const OLD_DAYS: u64 = 30;
/// The ecosystem that is fetched where nothing else is asked for.
const FIRST: &str = "Maven";

/// What to type where there is no database.
pub fn how_to_get_one() -> String {
    format!(
        "type `pipelinex db update`; without a network here, download {PUBLIC_ARCHIVE}/{FIRST}/all.zip elsewhere, and type \
         `pipelinex db import all.zip`"
    )
}

/// Takes advisories from files.
pub async fn import(out: &Output, workspaces: Option<&Path>, path: &Path) -> Result<Exit, Failure> {
    if !path.exists() {
        return Err(Failure::usage(format!("{} is not there", path.display())));
    }
    let (import, layout) = begin(workspaces)?;
    let path = path.to_owned();
    let work = move || {
        let source = Source::open(&path, &import.folder()).map_err(|reason| refused(&reason))?;
        let passed_over = source.passed_over.clone();
        let named = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        put_in_force(import, vec![source], &named).map(|(db, written)| (db, written, passed_over))
    };
    let (db, written, passed_over) = blocking(work).await?;
    for path in passed_over {
        out.say(format!("passed over: {path} is a link or no file"));
    }
    report(out, &layout, &db, &written)
}

/// Fetches advisories.
pub async fn update(
    out: &Output,
    workspaces: Option<&Path>,
    ecosystems: Vec<Ecosystem>,
    from: &Url,
    ca_certs: Option<&Path>,
) -> Result<Exit, Failure> {
    let (import, layout) = begin(workspaces)?;
    let wanted = wanted(ecosystems, &layout)?;
    let mut archives = Vec::new();
    for ecosystem in &wanted {
        out.say(format!("fetching the advisories of {ecosystem}"));
        let archive = Archive::fetch(from, ecosystem, ca_certs, &import.folder()).await?;
        let Archive { url, sha256, bytes, .. } = &archive;
        out.say(format!("{url}: {}, sha256 {sha256}", size(*bytes)));
        archives.push((ecosystem.clone(), archive));
    }
    let from = from.to_string();
    let work = move || {
        let opened = archives.into_iter().map(|(ecosystem, archive)| {
            Source::of_archive(archive.file, archive.url.as_str(), ecosystem.as_str())
                .map_err(|reason| refused(&reason))
        });
        let sources = opened.collect::<Result<Vec<_>, _>>()?;
        put_in_force_of(import, sources, from.trim_end_matches('/'), Some(&wanted))
    };
    let (db, written) = blocking(work).await?;
    report(out, &layout, &db, &written)
}

/// Shows what is there.
pub fn info(out: &Output, workspaces: Option<&Path>) -> Result<Exit, Failure> {
    let workspaces = settings::workspaces(workspaces)?;
    let layout = Layout::new(&workspaces);
    match advisories::current(&layout).map_err(|error| Failure::errored(error.to_string()))? {
        Some((folder, db)) => show_db(out, &folder, &db),
        None => {
            if out.json() {
                out.document(&json!({"ecosystems": {}}))?;
            }
            let message =
                format!("there is no database of advisories in {}: {}", workspaces.display(), how_to_get_one());
            Err(Failure::Said { exit: Exit::Failed, message })
        }
    }
}

fn begin(workspaces: Option<&Path>) -> Result<(Import, Layout), Failure> {
    let store = settings::open_store(&settings::workspaces(workspaces)?)?;
    let import = Import::begin(store.layout()).map_err(|error| Failure::errored(error.to_string()))?;
    Ok((import, store.layout().clone()))
}

fn wanted(asked: Vec<Ecosystem>, layout: &Layout) -> Result<BTreeSet<Ecosystem>, Failure> {
    if !asked.is_empty() {
        return Ok(asked.into_iter().collect());
    }
    // What is torn is about to be replaced.
    let there = advisories::current(layout).ok().flatten().map(|(_, db)| db.ecosystems).unwrap_or_default();
    Ok(there.keys().map(String::as_str).chain([FIRST]).filter_map(|name| name.parse().ok()).collect())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    spawn_blocking(work).await.map_err(|error| Failure::errored(format!("the import failed: {error}")))?
}

fn put_in_force(import: Import, sources: Vec<Source>, named: &str) -> Result<(AdvisoryDb, Written), Failure> {
    put_in_force_of(import, sources, named, None)
}

/// With `wanted`, only where exactly these ecosystems came.
fn put_in_force_of(
    import: Import,
    mut sources: Vec<Source>,
    named: &str,
    wanted: Option<&BTreeSet<Ecosystem>>,
) -> Result<(AdvisoryDb, Written), Failure> {
    let written = write(&import, &mut sources)?;
    let missing = wanted.iter().copied().flatten().find(|wanted| !written.ecosystems.contains_key(wanted));
    if let Some(ecosystem) = missing {
        return Err(refused(&format!("what {named} has for {ecosystem} are no advisories of {ecosystem}")));
    }
    let db = import.publish(named, &written.ecosystems).map_err(|error| Failure::errored(error.to_string()))?;
    Ok((db, written))
}

fn report(out: &Output, layout: &Layout, db: &AdvisoryDb, written: &Written) -> Result<Exit, Failure> {
    for (ecosystem, counted) in &written.ecosystems {
        out.say(format!("{ecosystem}: {} advisories", counted.advisories));
    }
    if written.pruned > 0 {
        out.say(format!(
            "{} of them had something that osv-scanner does not know, and it passes over such an advisory: that was left \
             out, the advisory is kept",
            written.pruned
        ));
    }
    let folder = advisories::current(layout).map_err(|error| Failure::errored(error.to_string()))?;
    show_db(out, &folder.map(|(folder, _)| folder).unwrap_or_else(PathBuf::new), db)
}

fn show_db(out: &Output, folder: &Path, db: &AdvisoryDb) -> Result<Exit, Failure> {
    let now = Timestamp::now();
    if out.json() {
        out.document(&document(folder, db, now))?;
        return Ok(Exit::Passed);
    }
    for line in show::table(&rows(db, now)) {
        out.data(line)?;
    }
    for (name, info) in db.ecosystems.iter().filter(|(_, info)| info.age_days(now).is_some_and(|age| age > OLD_DAYS)) {
        let age = info.age_days(now).unwrap_or_default();
        out.say(show::warning(&format!(
            "nothing in {name} is newer than {age} days; `pipelinex db update` fetches what came since"
        )));
    }
    Ok(Exit::Passed)
}

fn document(folder: &Path, db: &AdvisoryDb, now: Timestamp) -> Value {
    let ecosystem = |info: &EcosystemInfo| {
        json!({
            "advisories": info.advisories, "newest": info.newest, "age_days": info.age_days(now), "sha256": info.sha256,
            "bytes": info.bytes, "imported_at": info.imported_at.unwrap_or(db.imported_at),
            "source": info.source.as_ref().unwrap_or(&db.source),
        })
    };
    let ecosystems: serde_json::Map<_, _> =
        db.ecosystems.iter().map(|(name, info)| (name.clone(), ecosystem(info))).collect();
    json!({"folder": folder, "imported_at": db.imported_at, "source": db.source, "ecosystems": ecosystems})
}

fn rows(db: &AdvisoryDb, now: Timestamp) -> Vec<Vec<String>> {
    let day = |at: Timestamp| at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d").to_string();
    let head = ["ECOSYSTEM", "ADVISORIES", "NEWEST", "AGE", "SIZE", "SHA-256", "IMPORTED", "FROM"];
    let row = |(name, info): (&String, &EcosystemInfo)| {
        vec![
            name.clone(),
            info.advisories.to_string(),
            info.newest.map(day).unwrap_or_else(|| "?".to_owned()),
            info.age_days(now).map(|days| format!("{days} d")).unwrap_or_else(|| "?".to_owned()),
            size(info.bytes),
            info.sha256.chars().take(12).collect(),
            day(info.imported_at.unwrap_or(db.imported_at)),
            info.source.clone().unwrap_or_else(|| db.source.clone()),
        ]
    };
    std::iter::once(head.map(str::to_owned).to_vec()).chain(db.ecosystems.iter().map(row)).collect()
}

fn size(bytes: u64) -> String {
    if bytes < MIB { format!("{} KiB", bytes.div_ceil(1024)) } else { format!("{:.1} MiB", bytes as f64 / MIB as f64) }
}
