//! What containers of the product are made of in stories: programs of this machine with their libraries, so that whatever they
//! were built on, they run.

use std::{path::Path, process::Command};

use crate::world::{World, docker, said};

/// An image of the libraries of these programs, and of the programs that are the system's.
pub async fn base(world: &World, programs: &[&Path]) -> String {
    let libraries = said(Command::new("ldd").args(programs).output().unwrap()).out;
    let mut paths: Vec<&str> = libraries.split_whitespace().filter_map(|word| word.strip_prefix('/')).collect();
    paths.retain(|path| !path.ends_with(':'));
    let own =
        programs.iter().filter(|path| path.starts_with("/usr")).filter_map(|path| path.to_str()?.strip_prefix('/'));
    paths.extend(own);
    paths.sort_unstable();
    paths.dedup();
    let name = programs[0].file_name().unwrap().to_str().unwrap();
    let tar = world.path(&format!("{name}.tar"));
    let mut archive = Command::new("tar");
    let packed = archive.args(["-C", "/", "-chf"]).arg(&tar).args(paths).output().unwrap();
    assert!(packed.status.success(), "{}", said(packed).err);
    let image = format!("{}-base-{name}", world.name());
    let label = format!("LABEL {}", world.label());
    let path = "ENV PATH=/usr/local/bin:/usr/bin:/bin";
    docker(&["import", "--change", &label, "--change", path, tar.to_str().unwrap(), &image]).await;
    image
}

/// The engine's socket on this machine.
pub fn socket() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned()
}
