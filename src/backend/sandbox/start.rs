//! Starts sandboxes, which then wait to be told what they are for; where several commands run, the next one's ahead: loading this
//! program is a fifth of what a command costs that does nothing, and can be done while another command runs.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::asked::ARGUMENT;
use crate::process::{self, Started};

/// How many sandboxes a process has begun when the next is started ahead: the first only finds out whether there can be any, and
/// a process that runs one command may have no other.
const MANY: u32 = 3;

/// The one that waits ends at the latest when its socket closes, with this process.
static AHEAD: Mutex<Ahead> = Mutex::new(Ahead {
    begun: 0,
    waiting: None,
});

struct Ahead {
    begun: u32,
    waiting: Option<(Started, UnixStream)>,
}

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

/// A sandbox for a command: the one that waits, or a new one.
pub(super) fn take() -> io::Result<(Started, UnixStream)> {
    let waiting = {
        let mut ahead = AHEAD.lock();
        ahead.begun = ahead.begun.saturating_add(1);
        ahead.waiting.take()
    };
    if let Some((mut started, wire)) = waiting {
        // Somebody may have ended it meanwhile.
        if matches!(started.try_wait(), Ok(None)) {
            return Ok((started, wire));
        }
    }
    spawn()
}

/// Starts one for the next command, where there is likely to be one.
pub(super) fn prepare() {
    let mut ahead = AHEAD.lock();
    if ahead.begun >= MANY && ahead.waiting.is_none() {
        // If it cannot be started now, the command that needs it says why.
        ahead.waiting = spawn().ok();
    }
}

/// Ends the one that waits: nothing more runs for now.
pub(super) fn dismiss() {
    if let Some((started, wire)) = AHEAD.lock().waiting.take() {
        drop(wire);
        // It ends by itself, which nobody has to wait for.
        std::thread::spawn(move || drop(started));
    }
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
