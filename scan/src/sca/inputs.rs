//! What a bill of materials is made of: the jars that PACKAGE made, else those of BUILD, else the source.
//!
//! All jars of the step, not the one that looks like the application: a build could make another look more like it.

use std::{
    fs,
    io::BufReader,
    path::{Path, PathBuf},
};

use crate::{project, stage::Stage};

/// What is scanned.
pub(super) enum Input {
    /// The jars below one step's artifacts.
    Jars {
        /// Where the artifacts are.
        folder: PathBuf,
        /// The jars, relative to that.
        jars: Vec<PathBuf>,
    },
    /// The submitted source.
    Source(PathBuf),
}

impl Input {
    /// The folder that is scanned.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Jars { folder, .. } | Self::Source(folder) => folder,
        }
    }

    /// In words.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Jars { jars, .. } => jars.iter().map(|jar| jar.display().to_string()).collect::<Vec<_>>().join(", "),
            Self::Source(_) => "the source".to_owned(),
        }
    }
}

/// Chooses among the artifacts that the worker mounted.
pub(super) fn choose(stage: &Stage) -> Input {
    let steps = stage.variable("INPUTS_DIR").map(|inputs| steps(Path::new(inputs))).unwrap_or_default();
    for folder in steps {
        let files = project::files(&folder);
        let relative = files.iter().filter_map(|file| file.strip_prefix(&folder).ok());
        let jars: Vec<PathBuf> = relative.filter(|file| is_archive(file)).map(Path::to_path_buf).collect();
        if !jars.is_empty() {
            return Input::Jars { folder, jars };
        }
    }
    Input::Source(stage.app.clone())
}

/// The folders of the producing steps, PACKAGE's first, then BUILD's.
fn steps(inputs: &Path) -> Vec<PathBuf> {
    let mut steps: Vec<PathBuf> = fs::read_dir(inputs)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    steps.sort_by_key(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let rank = ["package", "build"].iter().position(|known| name == *known).unwrap_or(2);
        (rank, name)
    });
    steps
}

fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jar" || extension == "war")
}

/// The libraries inside a jar, as paths in it.
///
/// # Errors
/// It is no ZIP archive that can be read.
pub(super) fn libraries(jar: &Path) -> Result<Vec<String>, String> {
    let file = fs::File::open(jar).map_err(|error| error.to_string())?;
    let archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    let names = (0..archive.len()).filter_map(|index| archive.name_for_index(index));
    let names: Result<Vec<String>, _> = names.map(|name| name.map(std::borrow::Cow::into_owned)).collect();
    let names = names.map_err(|error| error.to_string())?;
    Ok(names.into_iter().filter(|name| is_archive(Path::new(name))).collect())
}

/// Where a component is, as people look for it: the place inside the jar, else the file.
pub(super) fn place(location: &str) -> String {
    location.rsplit_once(':').map_or(location, |(_, inside)| inside).trim_start_matches('/').to_owned()
}
