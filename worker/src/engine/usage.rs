//! What a running container uses, as the engine counts it.

use bollard::query_parameters as q;
use futures::StreamExt;

use super::{Engine, EngineError};

/// What a container uses at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory, caches of files among them: the most until now where the kernel tells it (cgroup 1), else those of now.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Bytes written to disks since it began, as far as the kernel says whose they are (cgroup 2).
    pub written_bytes: u64,
}

impl Engine {
    /// What a container uses; `None` where it does not run, or the engine cannot tell.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn usage(&self, name: &str) -> Result<Option<Usage>, EngineError> {
        let options = q::StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let Some(answer) = self.docker.stats(name, Some(options)).next().await else { return Ok(None) };
        let stats = match answer {
            Ok(stats) => stats,
            Err(error) => return EngineError::from(error).or_absent().map(|()| None),
        };
        let memory = stats.memory_stats.unwrap_or_default();
        let memory_bytes = memory.max_usage.unwrap_or(0).max(memory.usage.unwrap_or(0));
        let pids = stats.pids_stats.and_then(|pids| pids.current).unwrap_or(0);
        let written = stats.blkio_stats.and_then(|io| io.io_service_bytes_recursive).unwrap_or_default();
        let written =
            written.iter().filter(|entry| entry.op.as_deref().is_some_and(|op| op.eq_ignore_ascii_case("write")));
        let written_bytes = written.filter_map(|entry| entry.value).sum();
        Ok((memory_bytes > 0).then_some(Usage { memory_bytes, pids, written_bytes }))
    }
}
