//! Where the engine sees our workspaces folder. It mounts paths of its own host: when the worker itself runs in a
//! container, the folder has another name there.

use std::path::{Path, PathBuf};

use super::{Engine, EngineError};

/// Why the folder's place on the engine's host could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum HostPathError {
    /// The engine did not say.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The folder is inside the container and not on a mount.
    #[error(
        "{} is not on a volume of this container, so the engine cannot mount it into runner containers: \
         mount a named volume or a host folder there (or set PIPELINEX_ENGINE_WORKSPACES)", .0.display()
    )]
    NotMounted(PathBuf),
}

impl Engine {
    /// The folder `inside` as the engine's host sees it.
    ///
    /// # Errors
    /// [`HostPathError`].
    pub async fn host_path(&self, inside: &Path) -> Result<PathBuf, HostPathError> {
        let Some(me) = own_container() else { return Ok(inside.to_owned()) };
        let container = match self.docker.inspect_container(&me, None).await {
            Ok(container) => container,
            // In a container, but not in one of this engine's: its folders are then the engine's host's.
            Err(error) => return EngineError::from(error).or_absent().map(|()| inside.to_owned()).map_err(Into::into),
        };
        let mounts = container.mounts.unwrap_or_default().into_iter();
        let pairs = mounts.filter_map(|mount| Some((PathBuf::from(mount.destination?), PathBuf::from(mount.source?))));
        translate(inside, pairs).ok_or_else(|| HostPathError::NotMounted(inside.to_owned()))
    }
}

fn translate(inside: &Path, mounts: impl Iterator<Item = (PathBuf, PathBuf)>) -> Option<PathBuf> {
    let fitting = mounts.filter_map(|(to, from)| Some((to.components().count(), from, inside.strip_prefix(&to).ok()?)));
    let (_, from, rest) = fitting.max_by_key(|(depth, _, _)| *depth)?;
    Some(if rest.as_os_str().is_empty() { from } else { from.join(rest) })
}

/// The id of the container this process is in: the last 64 hexadecimal digits in the source of a mount that engines make
/// in every container (`/etc/hostname`), whatever the cgroup version or host name.
fn own_container() -> Option<String> {
    container_in(&std::fs::read_to_string("/proc/self/mountinfo").ok()?)
}

fn container_in(mountinfo: &str) -> Option<String> {
    let line = mountinfo.lines().find(|line| line.split(' ').nth(4) == Some("/etc/hostname"))?;
    let source = line.split(' ').nth(3)?;
    let id = source.split('/').rev().find(|part| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_decides() {
        let mounts = || {
            [("/", "/r"), ("/workspaces", "/var/lib/docker/volumes/w/_data"), ("/work", "/x")]
                .into_iter()
                .map(|(to, from)| (PathBuf::from(to), PathBuf::from(from)))
        };
        assert_eq!(
            translate(Path::new("/workspaces"), mounts()).unwrap(),
            Path::new("/var/lib/docker/volumes/w/_data")
        );
        assert_eq!(
            translate(Path::new("/workspaces/a"), mounts().skip(1)).unwrap(),
            Path::new("/var/lib/docker/volumes/w/_data/a")
        );
        assert_eq!(translate(Path::new("/elsewhere"), mounts().skip(1)), None);
    }

    #[test]
    fn the_container_is_read_from_the_mount_of_its_host_name() {
        let id = "a".repeat(64);
        let info = format!(
            "1 2 0:1 / / rw - overlay overlay rw\n3 1 8:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/vda rw\n"
        );
        assert_eq!(container_in(&info), Some(id));
        assert_eq!(container_in("1 2 0:1 / / rw - ext4 /dev/vda rw\n"), None);
    }
}
