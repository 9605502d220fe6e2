//! Bugs that affected other tools, each with its source: imgspec must not have them.
//!
//! One test per bug; those that need a real engine are in `tests/docker_traps.rs`, pure ones next to the code.

mod hashing;
mod state;

use crate::sandbox::Sandbox;

const COPIES: &str = "image \"app\" { base-image \"scratch\"; copy \"src\" to=\"/src\" }\n";

fn copies(files: &[&str]) -> Sandbox {
    let sandbox = Sandbox::with(&[("imgspec.kdl", COPIES)]);
    for file in files {
        sandbox.write(file, "");
    }
    sandbox
}

/// The key of an image.
#[track_caller]
fn key(sandbox: &Sandbox, image: &str) -> String {
    let tags = sandbox.run(&["tag", "--format", "json", image]).success();
    tags.json()[0]["key"].as_str().expect("a key").to_owned()
}
