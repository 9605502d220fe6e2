//! Times whole processes from outside.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) fn imgspec(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgspec"));
    command.current_dir(root);
    command
}

/// Runs a command that must succeed, and returns how long it took.
pub(crate) fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .expect("it starts");
    let elapsed = start.elapsed();
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    elapsed
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
