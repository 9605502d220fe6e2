//! Reads single keys from the terminal, without Return.
//!
//! The only module that changes the terminal's mode. It switches off line editing and echo only: Ctrl-C stays a signal,
//! and output is unaffected. The previous mode is restored on drop. A background process changes nothing.

use std::io::{IsTerminal, Stdin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// The terminal's original mode while keys are read, for exits that skip destructors.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// A terminal in single-key mode.
pub(super) struct Keys {
    before: Termios,
}

/// Restores the terminal's mode if this process changed it.
pub(crate) fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let stdin = std::io::stdin();
    if let Some(before) = before
        && is_in_front(&stdin)
    {
        let _ = tcsetattr(&stdin, OptionalActions::Now, &before);
    }
}

impl Keys {
    /// Starts reading keys if standard input is a terminal and this process is in the foreground.
    pub(super) fn hear(send: Arc<dyn Fn(char) + Send + Sync>) -> Option<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() || !is_in_front(&stdin) {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before.clone());
        let keys = Self { before };
        keys.switch(&stdin)?;
        // Nothing can wake this thread; it ends with the process.
        std::thread::spawn(move || {
            while let Some(key) = next() {
                send(key);
            }
        });
        Some(keys)
    }

    /// Switches the mode on again, after the process was stopped and resumed.
    pub(super) fn again(&self) {
        let stdin = std::io::stdin();
        if is_in_front(&stdin) {
            let _ = self.switch(&stdin);
        }
    }

    fn switch(&self, stdin: &Stdin) -> Option<()> {
        let mut mode = self.before.clone();
        mode.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        tcsetattr(stdin, OptionalActions::Now, &mode).ok()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        restore();
    }
}

/// The next key; `None` at the end of input. In the background, keys belong to another process, and reading one would
/// stop this process.
fn next() -> Option<char> {
    let stdin = std::io::stdin();
    loop {
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return None,
        }
        if is_in_front(&stdin) {
            break;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    let mut one = [0_u8];
    // Bypasses the buffer of standard input, which `poll` does not see.
    let read = rustix::io::read(&stdin, &mut one);
    matches!(read, Ok(1)).then(|| char::from(one[0]))
}

/// Whether this process is in the foreground; a background process that changes the terminal is stopped.
fn is_in_front(stdin: &Stdin) -> bool {
    tcgetpgrp(stdin).is_ok_and(|front| front == rustix::process::getpgrp())
}
