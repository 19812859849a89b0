//! Marks that say that a worker is handling a job's own data inside its own process. A process that dies there leaves its mark,
//! and so shows which data it died over: a kill from outside while a container is only followed finds no mark.
//!
//! A mark is an empty file whose name says all: the number of the claim, and the place. It is not synced: what is counted is the
//! death of a process, which takes nothing away that was written; after a power cut there is nobody to blame.

use std::{
    fmt,
    fs::{self, File},
    path::PathBuf,
};

use super::Job;
use crate::slug::Slug;

/// Where a worker handles a job's own data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Reading its definition and its past, and planning by them.
    Plan,
    /// Gathering, parsing and publishing what a step left.
    Collect(Slug),
    /// Making its end.
    Finish,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("plan"),
            Self::Collect(step) => write!(f, "collect-{step}"),
            Self::Finish => f.write_str("finish"),
        }
    }
}

impl Place {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "plan" => Some(Self::Plan),
            "finish" => Some(Self::Finish),
            other => Some(Self::Collect(other.strip_prefix("collect-")?.parse().ok()?)),
        }
    }
}

/// As long as this lives, its process is in that place. A panic leaves the mark, as a death does.
#[derive(Debug)]
pub struct Handling {
    folder: PathBuf,
    claim: u64,
    place: Place,
}

impl Drop for Handling {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // Whoever gets through has shown that the data kills nobody: what died here before died of something else.
        for (claim, place) in marks(&self.folder) {
            if place == self.place && claim <= self.claim {
                let _ = fs::remove_file(self.folder.join(name(claim, &place)));
            }
        }
    }
}

/// A place where processes died over a job's data, and the claims that they held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deaths {
    /// Where.
    pub place: Place,
    /// Their claims, oldest first.
    pub claims: Vec<u64>,
}

impl Job {
    /// Marks that the holder of a claim handles the job's data in a place, until this is dropped. A mark that cannot be made stops
    /// nobody: on a full disk a job must still come to its end.
    pub fn handling(&self, claim: u64, place: Place) -> Handling {
        let folder = self.paths().handling();
        if let Err(error) = File::create(folder.join(name(claim, &place))) {
            tracing::debug!(job = %self.id(), %place, %error, "a mark could not be made");
        }
        crate::fault_point!(&format!("handling.{place}"));
        Handling { folder, claim, place }
    }

    /// The places where processes died over this job's data. To be asked by who holds the job, and has not begun: a mark of the
    /// living looks the same.
    pub fn deaths(&self) -> Vec<Deaths> {
        let mut marks = marks(&self.paths().handling());
        marks.sort();
        let mut places: Vec<Deaths> = Vec::new();
        for (claim, place) in marks {
            match places.iter_mut().find(|deaths| deaths.place == place) {
                Some(deaths) => deaths.claims.push(claim),
                None => places.push(Deaths { place, claims: vec![claim] }),
            }
        }
        places
    }
}

fn name(claim: u64, place: &Place) -> String {
    format!("{claim}.{place}")
}

fn marks(folder: &std::path::Path) -> Vec<(u64, Place)> {
    let names =
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mark = |name: String| {
        let (claim, place) = name.split_once('.')?;
        Some((claim.parse().ok()?, Place::parse(place)?))
    };
    names.filter_map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::JobId, layout::JobPaths};

    #[test]
    fn deaths_are_counted_by_place_and_forgotten_once_somebody_got_through() {
        let dir = tempfile::tempdir().unwrap();
        let job = Job::new(JobId::generate(), JobPaths::at(dir.path()));
        let deaths = || job.deaths().into_iter().map(|d| (d.place.to_string(), d.claims)).collect::<Vec<_>>();
        let died = |place: &str, claims: &[u64]| (place.to_owned(), claims.to_vec());
        assert_eq!(deaths(), [], "nobody has held it yet");
        fs::create_dir(job.paths().handling()).unwrap();
        let collect = Place::Collect(Slug::of("BUILD"));
        drop(job.handling(1, Place::Plan));
        assert_eq!(deaths(), [], "whoever leaves in order leaves nothing");
        // A process that dies runs no destructor.
        std::mem::forget(job.handling(1, collect.clone()));
        std::mem::forget(job.handling(2, Place::Plan));
        let panicked = std::panic::catch_unwind(|| {
            let _handling = job.handling(3, collect.clone());
            panic!("as over data that was not expected");
        });
        assert!(panicked.is_err());
        assert_eq!(deaths(), [died("collect-build", &[1, 3]), died("plan", &[2])]);
        drop(job.handling(2, collect.clone()));
        assert_eq!(deaths()[1], died("collect-build", &[3]), "an older holder says nothing of later ones");
        drop(job.handling(4, collect));
        assert_eq!(deaths(), [died("plan", &[2])]);
        drop(job.handling(5, Place::Plan));
        assert_eq!(deaths(), []);
    }
}
