//! Random names, for what is planted where no project can name it.

use std::{fs::File, io::Read};

use crate::stage::Failure;

/// So many random bytes.
///
/// # Errors
/// The kernel gives none.
pub(crate) fn bytes<const COUNT: usize>() -> Result<[u8; COUNT], Failure> {
    let mut bytes = [0; COUNT];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| Failure::tool(format!("/dev/urandom: {error}")))?;
    Ok(bytes)
}

/// A name of twenty lower-case letters.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn name() -> Result<String, Failure> {
    Ok(bytes::<20>()?.iter().map(|byte| char::from(b'a' + byte % 26)).collect())
}
