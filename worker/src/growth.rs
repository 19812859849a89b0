//! How much a step writes, looked at while it runs: no engine caps a folder of the host. What happens between two looks is not
//! seen; whoever fills a disk faster than that fills it.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use pipelinex_common::{
    foreign::{ForeignError, measure_up_to},
    limits::MIB,
    state::Reason,
};

use crate::step::Stop;

/// The shortest pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// A look takes at most this part of the time: a tree of a million files is counted for seconds.
const SHARE: u32 = 20;

/// Returns once these folders hold more than `most` bytes together, with how the step ends then.
pub async fn outgrown(folders: Vec<PathBuf>, most: u64) -> Stop {
    loop {
        let (began, folders) = (Instant::now(), folders.clone());
        let looked = tokio::task::spawn_blocking(move || sum(&folders, most)).await;
        match looked {
            Ok(Ok(bytes)) if bytes > most => return too_much(most),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "what a step writes cannot be counted"),
            Err(panic) => tracing::error!(%panic, "what a step writes cannot be counted"),
        }
        tokio::time::sleep((began.elapsed() * SHARE).max(PAUSE)).await;
    }
}

fn sum(folders: &[PathBuf], most: u64) -> Result<u64, ForeignError> {
    let mut bytes = 0;
    for folder in folders {
        bytes += match measure_up_to(folder, most) {
            Err(ForeignError::Missing(_)) => 0,
            counted => counted?,
        };
    }
    Ok(bytes)
}

fn too_much(most: u64) -> Stop {
    let mib = most / MIB;
    Stop::new(Reason::DiskLimit, format!("it wrote more than the {mib} MiB that it may (--step-disk)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn full_and_many_files_are_both_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let (full, many, missing) = (dir.path().join("full"), dir.path().join("many"), dir.path().join("missing"));
        std::fs::create_dir_all(&full).unwrap();
        std::fs::create_dir_all(many.join("in/it")).unwrap();
        std::fs::write(full.join("file"), vec![1; 300_000]).unwrap();
        for number in 0..300 {
            std::fs::write(many.join(format!("in/it/{number}")), "").unwrap();
        }
        // A sparse file is as large as what was written to it.
        std::fs::File::create(dir.path().join("sparse")).unwrap().set_len(1 << 40).unwrap();
        for folder in [full, many] {
            let stop = outgrown(vec![missing.clone(), folder], 256 * 1024).await;
            assert_eq!(stop.reason, Reason::DiskLimit);
        }
        assert!(sum(&[dir.path().to_owned()], MIB).unwrap() < MIB, "not the terabyte that it claims");
    }
}
