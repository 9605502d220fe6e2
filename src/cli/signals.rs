//! Signals that want an end: every command ends within the grace, whatever it waits for, and leaves no process behind.
//!
//! One thread hears them. As long as nothing of ours would be left half-done, the first one ends the program at once; later
//! it is passed on to whoever ends the work cleanly, and a clock runs beside it, because what waits in the system hears of
//! nothing. A second signal, and `SIGQUIT`, leave no time for tidying up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure::Failure;
use crate::{process, watch};

/// How long those who were asked twice may take.
const HASTE: Duration = Duration::from_secs(2);

/// Hears signals; as long as the program lives.
#[derive(Clone)]
pub(super) struct Listening(Arc<Mutex<State>>);

struct State {
    grace: Duration,
    /// The first signal that wanted an end.
    first: Option<i32>,
    /// How many did.
    count: usize,
    /// Who ends the work, where there is work to end: asked once politely, then at once.
    end: Option<Act>,
    /// Who is told that the program was stopped and goes on.
    again: Option<Act>,
}

type Act = Arc<dyn Fn() + Send + Sync>;

/// Hears signals from now on: the first one ends the program.
pub(super) fn hear(grace: Duration) -> Result<Listening, Failure> {
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCONT]);
    let mut signals = signals.map_err(|error| {
        Failure::usage(
            format!("signals cannot be heard: {error}"),
            "this is a fault of the system",
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
    /// From now on there is work to end: `end` asks for that, the first time politely.
    pub(super) fn ask_first(&self, end: impl Fn() + Send + Sync + 'static) {
        self.state().end = Some(Arc::new(end));
    }

    /// Tells of the program's going on after it was stopped.
    pub(super) fn on_continued(&self, again: impl Fn() + Send + Sync + 'static) {
        self.state().again = Some(Arc::new(again));
    }

    /// The exit code of a program that a signal ended, as shells have it; that of an interrupt if none did.
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
        // Before anyone is asked: whoever is may not come back from it.
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

/// Does something so many times where it may wait: the next signal is heard nevertheless.
fn act(what: Option<Act>, times: usize) {
    if let Some(what) = what {
        thread::spawn(move || (0..times).for_each(|_| what()));
    }
}

/// Ends the program and all that it started.
fn end(signal: i32) -> ! {
    process::end_all();
    watch::restore_terminal();
    std::process::exit(i32::from(code(signal)));
}

fn code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}
