//! Starts sandboxes, which then wait to be told what they are for.
//!
//! By the thread that needs one and not ahead of time: the system ends a sandbox with the thread that started it, not with the process.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use super::asked::ARGUMENT;
use crate::process::{self, Started};

/// Whether sandboxes are started from this very program.
static SERVES: AtomicBool = AtomicBool::new(false);

/// Notes that this program becomes a sandbox when it is started as one.
pub(super) fn this_program_serves() {
    SERVES.store(true, Ordering::Relaxed);
}

/// The program that sandboxes are started from: this one, or for other users of the library `imgspec` in `PATH`.
pub(super) fn program() -> Option<PathBuf> {
    if SERVES.load(Ordering::Relaxed) {
        // Also right when the file has been replaced meanwhile.
        return Some("/proc/self/exe".into());
    }
    // Set where this source is compiled once more, for its own tests and its bench.
    if let Some(program) = option_env!("CARGO_BIN_EXE_imgspec") {
        return Some(program.into());
    }
    which::which("imgspec").ok()
}

/// Starts a sandbox, which waits to be told what it is for.
pub(super) fn spawn() -> io::Result<(Started, UnixStream)> {
    let program = program().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let (wire, theirs) = UnixStream::pair()?;
    let mut command = Command::new(program);
    command
        .arg(ARGUMENT)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)));
    // The command goes, too: else this process keeps the sandbox's end of the socket open.
    Ok((process::start(&mut command)?, wire))
}
