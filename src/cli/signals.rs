//! Termination signals: every command ends within the grace period, whatever it waits for, and leaves no process
//! behind.
//!
//! One thread receives them. While nothing could be left half-done, the first one ends the process at once; later it is
//! passed on to whatever ends the work cleanly, with a timer beside it, because code blocked in a system call notices
//! nothing. A second signal, or `SIGQUIT`, leaves no time for cleanup.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure::Failure;
use crate::cancel::Cancel;
use crate::{process, watch};

/// Time allowed for the work to end after a second request.
const HASTE: Duration = Duration::from_secs(2);

/// Handle of the thread that receives signals, for the life of the process.
#[derive(Clone)]
pub(super) struct Listening(Arc<Mutex<State>>);

struct State {
    grace: Duration,
    /// The first termination signal received.
    first: Option<i32>,
    /// The number of termination signals received.
    count: usize,
    /// Ends the work, if there is any: the first call asks politely, the second demands it at once.
    end: Option<Act>,
    /// Called when the process continues after having been stopped.
    again: Option<Act>,
}

type Act = Arc<dyn Fn() + Send + Sync>;

/// Starts receiving signals; until [`Listening::ask_first`] is called, the first one ends the process.
pub(super) fn hear(grace: Duration) -> Result<Listening, Failure> {
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCONT]);
    let mut signals = signals.map_err(|error| {
        Failure::usage(
            format!("cannot handle signals: {error}"),
            "this is a problem of the operating system",
        )
    })?;
    let heard = Listening(Arc::new(Mutex::new(State {
        grace,
        first: None,
        count: 0,
        end: None,
        again: None,
    })));
    let own = heard.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            own.take(signal);
        }
    });
    Ok(heard)
}

impl Listening {
    /// Registers `end` to be called on signals from now on, because there is work to end: once politely, then urgently.
    pub(super) fn ask_first(&self, end: impl Fn() + Send + Sync + 'static) {
        self.state().end = Some(Arc::new(end));
    }

    /// Returns a cancel that signals request from now on, because there is work to end. It is requested already if one came before.
    pub(super) fn cancel(&self) -> Cancel {
        let cancel = Cancel::default();
        let own = cancel.clone();
        let mut state = self.state();
        if state.first.is_some() {
            cancel.request();
        }
        state.end = Some(Arc::new(move || own.request()));
        cancel
    }

    /// Fails if a signal has requested this cancel.
    pub(super) fn verify(&self, cancel: &Cancel) -> Result<(), Failure> {
        if cancel.is_requested() {
            return Err(Failure::Interrupted(self.code()));
        }
        Ok(())
    }

    /// Reverts [`Self::ask_first`]: the next signal ends the process, because nothing is left to end.
    pub(super) fn end_at_once(&self) {
        self.state().end = None;
    }

    /// Registers `again` to be called when the process continues after having been stopped.
    pub(super) fn on_continued(&self, again: impl Fn() + Send + Sync + 'static) {
        self.state().again = Some(Arc::new(again));
    }

    /// The exit code for a process ended by a signal, as shells use it; that of SIGINT if none was received.
    pub(super) fn code(&self) -> u8 {
        code(self.state().first.unwrap_or(SIGINT))
    }

    fn take(&self, signal: i32) {
        let mut state = self.state();
        if signal == SIGCONT {
            return act(state.again.clone(), 1);
        }
        let first = *state.first.get_or_insert(signal);
        state.count += 1;
        if state.end.is_none() {
            end(first);
        }
        let is_urgent = signal == SIGQUIT || state.count > 1;
        let wait = if is_urgent {
            HASTE.min(state.grace)
        } else {
            state.grace
        };
        // Started before `end` is called, which may never return.
        thread::spawn(move || {
            thread::sleep(wait);
            end(first);
        });
        act(state.end.clone(), if signal == SIGQUIT { 2 } else { 1 });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `what` several times on a thread where it may block, so that further signals are still received.
fn act(what: Option<Act>, times: usize) {
    if let Some(what) = what {
        thread::spawn(move || (0..times).for_each(|_| what()));
    }
}

/// Ends the process and everything it started.
fn end(signal: i32) -> ! {
    process::end_all();
    watch::restore_terminal();
    std::process::exit(i32::from(code(signal)));
}

fn code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}
