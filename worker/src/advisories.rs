//! The operator's database of advisories, as a step's container mounts it.

use std::path::{Component, Path, PathBuf};

use pipelinex_common::{advisories, layout::Layout};

/// What a person is told where there is none.
pub const MISSING: &str = "there is no advisory database: pipelinex db update, or pipelinex db import FILE";

/// The folder of the import in force as the engine's host sees it; `None` where nothing was imported.
///
/// # Errors
/// Why it cannot be used, as a sentence.
pub fn in_force(layout: &Layout, on_engine: &Path) -> Result<Option<PathBuf>, String> {
    let unusable = |reason: String| format!("the advisory database cannot be used: {reason}");
    let Some((folder, _)) = advisories::current(layout).map_err(|error| unusable(error.to_string()))? else {
        return Ok(None);
    };
    // Whoever may write below the workspaces folder must not choose what else of the host a scanner sees.
    let inside = folder.strip_prefix(layout.advisories()).ok();
    let name = inside.and_then(|rest| match rest.components().collect::<Vec<_>>()[..] {
        [Component::Normal(name)] => Some(name.to_owned()),
        _ => None,
    });
    let is_folder = std::fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir());
    match name.filter(|_| is_folder) {
        Some(name) => Ok(Some(Layout::new(on_engine).advisories().join(name))),
        None => Err(unusable(format!("{} is no folder of its own", folder.display()))),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn an_import_is_one_folder_beneath_and_nothing_else_is_mounted() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let on_engine = Path::new("/volumes/w/_data");
        let look = || in_force(&layout, on_engine);
        assert_eq!(look(), Ok(None));
        let root = layout.advisories();
        let import = |name: &str| {
            fs::create_dir_all(root.join(name)).unwrap();
            let info = r#"{"schema": 1, "imported_at": "2026-01-01T00:00:00Z", "source": "x", "ecosystems": {}}"#;
            fs::write(root.join(name).join("info.json"), info).unwrap();
        };
        let choose = |name: &str| {
            fs::write(root.join("current.json"), format!(r#"{{"schema": 1, "folder": "{name}"}}"#)).unwrap();
        };
        let [one, two, link] = [1, 2, 3].map(|number| format!("00000000-0000-4000-8000-00000000000{number}"));
        import(&one);
        choose(&one);
        assert_eq!(look(), Ok(Some(on_engine.join(".advisories").join(&one))));
        choose(&two);
        assert!(look().unwrap_err().contains("cannot be used"), "an import that is gone is not the same as none");
        import("../elsewhere");
        symlink(dir.path().join("elsewhere"), root.join(&link)).unwrap();
        for bad in ["../elsewhere".to_owned(), format!("{one}/../../elsewhere"), link] {
            choose(&bad);
            assert!(
                look().unwrap_err().contains("cannot be used") || look().unwrap_err().contains("no folder"),
                "{bad}"
            );
        }
        choose(&one);
        fs::write(root.join(&one).join("info.json"), "{").unwrap();
        assert!(look().unwrap_err().contains("info.json"), "torn");
    }
}
