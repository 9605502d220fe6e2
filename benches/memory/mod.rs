//! How much memory a process uses.

use std::process::Command;
use std::time::Duration;

/// The most memory that a process has resident, in MiB: the last word of the system before it ends.
pub(crate) fn peak(command: &mut Command) -> u64 {
    let mut child = command.spawn().expect("it starts");
    let mut most = 0;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be asked") {
            break status;
        }
        most = most.max(high_water(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(status.success(), "{command:?}: {status}");
    most / 1024
}

fn high_water(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
