//! What is built for use has none of the places where a test can end it.

use std::fs;

use crate::projects::repository;

/// What a program that has them contains.
const MARK: &[u8] = b"PIPELINEX_FAULTS";

#[test]
fn nothing_that_is_used_is_built_with_the_feature() {
    // The text that `make test` looks for in a program without the feature is really in one that has it.
    let program = fs::read(env!("CARGO_BIN_EXE_pipelinex")).unwrap();
    assert!(program.windows(MARK.len()).any(|window| window == MARK));
    for name in ["Dockerfile", "docker-compose.yml", "dev/up.sh", "dev/demo.sh", "dev/bench.sh", ".ci/run"] {
        let text = fs::read_to_string(repository().join(name)).unwrap();
        assert!(!text.contains("--all-features") && !text.contains("--features"), "{name}");
    }
    for part in ["common", "backend", "worker", "cli"] {
        let manifest = fs::read_to_string(repository().join(part).join("Cargo.toml")).unwrap();
        assert!(!manifest.contains("default = ["), "{part} switches features on by itself");
        let wishes = manifest.lines().filter(|line| line.contains("\"faults\""));
        let wishes: Vec<&str> =
            wishes.filter(|line| line.contains("features = [") && !line.starts_with("required-")).collect();
        assert!(wishes.is_empty(), "{part} switches it on for another: {wishes:?}");
    }
}
