//! Starts the process that clones, and ends it: with its report, at its deadline, when it fills the disk, or when nobody
//! waits for it any more. When this returns, nothing of it runs.

use std::{fs, io, os::unix::process::ExitStatusExt, path::Path, process::ExitStatus, process::Stdio, time::Duration};

use pipelinex_common::limits::MIB;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    task::spawn_blocking,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    child::COMMAND,
    fault::CloneError,
    order::{Cloned, Order, Report},
};

/// The longest report, in bytes: a few warnings.
const REPORT_BYTES: u64 = 256 * 1024;
/// How often the folders are measured.
const MEASURE_EVERY: Duration = Duration::from_millis(200);
/// What an index has for each object, in bytes, rounded up.
const INDEX_BYTES: u64 = 64;

/// Clones as the order says, by `program git-clone`.
///
/// # Errors
/// [`CloneError`]; what was written until then lies in the order's folders.
pub async fn clone(program: &Path, order: &Order, gone: &CancellationToken) -> Result<Cloned, CloneError> {
    let mut line = serde_json::to_vec(order).map_err(|error| CloneError::internal("write the order", error))?;
    line.push(b'\n');
    let mut child = Command::new(program)
        .arg(COMMAND)
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| CloneError::internal("start the process that clones", error))?;
    let seconds = order.limits.clone_seconds;
    let ended = tokio::select! {
        report = converse(&mut child, &line) => report,
        () = sleep(Duration::from_secs(seconds)) => Err(CloneError::TooSlow { seconds }),
        () = gone.cancelled() => Err(CloneError::Gone),
        () = fills_the_disk(order) => Err(CloneError::too_many_unpacked_bytes(&order.limits)),
    };
    put_down(&mut child).await;
    ended
}

/// Tells the process what to do, and hears what came of it. Its standard input stays open for as long as it shall live.
async fn converse(child: &mut Child, line: &[u8]) -> Result<Cloned, CloneError> {
    let pipes = child.stdin.as_mut().zip(child.stdout.as_mut());
    let (stdin, stdout) = pipes.ok_or_else(|| CloneError::Ours("the process that clones has no pipes".to_owned()))?;
    // One that ends before it has read everything says more by the way it ended.
    let _ = stdin.write_all(line).await;
    let mut report = Vec::new();
    let heard = stdout.take(REPORT_BYTES).read_to_end(&mut report).await;
    heard.map_err(|error| CloneError::internal("hear the process that clones", error))?;
    let status = child.wait().await.map_err(|error| CloneError::internal("wait for the process that clones", error))?;
    match serde_json::from_slice::<Report>(&report) {
        Ok(report) if status.success() => report,
        _ => Err(died(status)),
    }
}

/// What the end of a process says that did not report: its limits end it by signals.
fn died(status: ExitStatus) -> CloneError {
    let signal = status.signal().and_then(Signal::from_named_raw);
    match signal {
        // Rust ends itself where there is no memory, and the kernel whatever takes the memory of others.
        Some(Signal::ABORT | Signal::KILL) => CloneError::too_much_memory(),
        Some(Signal::XFSZ) => {
            CloneError::TooLarge("the repository has a file that is larger than what is taken".to_owned())
        }
        // libgit2 writes packs through a mapping, and the kernel has no other word for a page that found no space.
        Some(Signal::BUS) => CloneError::Full,
        _ => CloneError::Ours(format!("the process that clones ended without a report: {status}")),
    }
}

/// Ends the process and everything it may have started, and waits until it is gone.
async fn put_down(child: &mut Child) {
    // Without an id it has been waited for, and the number may be somebody else's by now.
    let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else { return };
    let _ = kill_process_group(pid, Signal::KILL);
    if let Err(error) = child.wait().await {
        tracing::warn!(%error, "a process that cloned could not be waited for");
    }
}

/// Ends when the folders hold more than all limits together allow: the process counts for itself, this believes nobody.
async fn fills_the_disk(order: &Order) {
    let limits = &order.limits;
    let index = limits.clone_objects.saturating_mul(INDEX_BYTES);
    let most =
        [limits.unpacked_bytes, index, MIB].iter().fold(limits.clone_bytes, |sum, more| sum.saturating_add(*more));
    loop {
        sleep(MEASURE_EVERY).await;
        let folders = [order.source.clone(), order.scratch.clone()];
        let measured =
            spawn_blocking(move || folders.iter().map(|folder| measure(folder)).sum::<io::Result<u64>>()).await;
        match measured {
            Ok(Ok(bytes)) if bytes > most => return,
            // What vanishes while it is looked at is no reason to stop.
            _ => {}
        }
    }
}

fn measure(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Of the entry itself, not of what a link leads to.
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { measure(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}
