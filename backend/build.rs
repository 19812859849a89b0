//! Embeds the stacks anew when a file of them comes or goes; the compiler itself only notices those that change.

fn main() {
    // Cargo is spoken to on standard output.
    #![allow(clippy::print_stdout)]
    println!("cargo::rerun-if-changed=../pipelines");
}
