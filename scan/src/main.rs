//! `pipelinex-scan STAGE`: runs one scanner inside its container and says what its end means.
fn main() {}
