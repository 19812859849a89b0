//! What the process that clones may take of the machine.

use pipelinex_common::limits::{IntakeLimits, MIB};
use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, setpriority_process, setrlimit, umask},
};

use crate::intake::git::fault::CloneError;

/// Addresses for the program, its threads and its libraries, in bytes, most of them never touched.
const PROGRAM_BYTES: u64 = 1024 * MIB;
/// Open files: the packs, a connection, the files being written.
const OPEN_FILES: u64 = 256;
/// How far it gives way to the API, as a nice value.
const GIVE_WAY: i32 = 10;

/// Confines this process.
///
/// An object may be as large as all unpacked files together, and a delta needs its base, its result and a copy. A pack is
/// read through a mapping. What needs more ends with an error, or is ended by a signal that the server understands.
pub(super) fn confine(limits: &IntakeLimits) -> Result<(), CloneError> {
    let objects = limits.unpacked_bytes.saturating_mul(3);
    let addresses = PROGRAM_BYTES.saturating_add(objects).saturating_add(limits.clone_bytes);
    // A pack, its index, or one file of the project.
    let file = limits.clone_bytes.max(limits.unpacked_bytes).saturating_add(16 * MIB);
    for (resource, most) in
        [(Resource::Core, 0), (Resource::As, addresses), (Resource::Fsize, file), (Resource::Nofile, OPEN_FILES)]
    {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(|error| CloneError::internal("set a limit", error))?;
    }
    // Containers read the files as somebody else.
    umask(Mode::from_raw_mode(0o022));
    // Without the right to, it only gives way less.
    let _ = setpriority_process(None, GIVE_WAY);
    Ok(())
}
