//! Single keys from a terminal, without Return.
//!
//! The only module that changes the terminal's mode. Only line editing and echo are switched off — Ctrl-C stays a signal and output stays as
//! it is — and the mode that was found is restored when this is dropped; a program in the background touches nothing.

use std::io::{IsTerminal, Stdin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// How the terminal was, while its keys are heard: for an end of the program that drops nothing.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// A terminal whose keys are heard.
pub(super) struct Keys {
    before: Termios,
}

/// Makes the terminal what it was, if this program changed it.
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
    /// Hears keys, if standard input is a terminal and this program is in its foreground.
    pub(super) fn hear(tell: Arc<dyn Fn(char) + Send + Sync>) -> Option<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() || !is_in_front(&stdin) {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before.clone());
        let keys = Self { before };
        keys.switch(&stdin)?;
        // Ends with the program: nothing wakes it.
        std::thread::spawn(move || {
            while let Some(key) = next() {
                tell(key);
            }
        });
        Some(keys)
    }

    /// Switches the mode on, again after the program was stopped and went on.
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

/// The next key; none when there will be no more. In the background the keys are someone else's, and reading one would stop
/// the program.
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
    // Not through the buffer of standard input: what lies there no poll would tell of.
    let read = rustix::io::read(&stdin, &mut one);
    matches!(read, Ok(1)).then(|| char::from(one[0]))
}

/// A program in the background that changed the terminal would be stopped.
fn is_in_front(stdin: &Stdin) -> bool {
    tcgetpgrp(stdin).is_ok_and(|front| front == rustix::process::getpgrp())
}
