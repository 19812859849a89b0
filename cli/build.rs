//! Gives the binary its version with the commit it was built from, where that can be known.
//!
//! A build from a source archive or inside an image has no `.git`: there `PIPELINEX_BUILD_COMMIT` may name the commit, and
//! without it the version stands alone.

// Cargo reads the standard output of a build script.
#![allow(clippy::print_stdout)]

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-env-changed=PIPELINEX_BUILD_COMMIT");
    for name in ["HEAD", "logs/HEAD"] {
        // An absent file would make every build run this script again.
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let named = env::var("PIPELINEX_BUILD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let version = match named.or_else(|| git(&["rev-parse", "--short=12", "HEAD"])) {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo:rustc-env=PIPELINEX_VERSION={version}");
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
