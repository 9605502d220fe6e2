//! Time-limited queries to anything outside this process: a daemon, a registry, another command. Each has a limit,
//! reports when its answer is slow, and ends when it is cancelled.
//!
//! Independent of any transport. Callers poll their query, because a thread blocked in a system call cannot notice a
//! cancellation.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::cancel::Cancel;
use crate::limits::{Limit, Span};
use crate::notes::Notes;

/// How often a pending query is polled.
const TICK: Duration = Duration::from_millis(20);

/// A wait longer than this is reported to the user.
const SILENT: Duration = Duration::from_secs(1);

/// A wait worth reporting: whose answer is pending, and for how long at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Whose answer is awaited, such as `the Docker daemon at unix:///run/docker.sock`.
    pub whom: String,
    /// The longest time to wait.
    pub limit: Duration,
}

impl fmt::Display for Waiting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whom, limit } = self;
        write!(out, "waiting for {whom} ({} at most)", Span(*limit))
    }
}

/// The party on whose behalf a query is made: it receives the reports of slow answers and may cancel.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    cancel: Option<&'a Cancel>,
    audience: Audience<'a>,
}

/// Who receives the reports of slow answers.
#[derive(Clone, Copy)]
enum Audience<'a> {
    Nobody,
    Screen(&'a (dyn Fn(&Waiting) + Sync)),
    Build(&'a dyn Notes),
}

impl<'a> Asker<'a> {
    /// An asker that receives no reports and cannot cancel: it waits for the answer or the limit.
    pub fn silent() -> Self {
        Self {
            cancel: None,
            audience: Audience::Nobody,
        }
    }

    /// An asker that passes every slow wait to `tell`.
    pub fn new(tell: &'a (dyn Fn(&Waiting) + Sync), cancel: &'a Cancel) -> Self {
        Self {
            cancel: Some(cancel),
            audience: Audience::Screen(tell),
        }
    }

    /// A build: waits are reported as steps of it.
    pub fn build(notes: &'a dyn Notes, cancel: &'a Cancel) -> Self {
        Self {
            cancel: Some(cancel),
            audience: Audience::Build(notes),
        }
    }

    /// The same asker with `cancel` in place of its own.
    pub(crate) fn or(self, cancel: &'a Cancel) -> Self {
        Self {
            cancel: Some(cancel),
            ..self
        }
    }

    /// The cancellation of this asker; one that never fires if it has none.
    pub(crate) fn cancel(&self) -> &'a Cancel {
        static NEVER: std::sync::LazyLock<Cancel> = std::sync::LazyLock::new(Cancel::default);
        self.cancel.unwrap_or(&NEVER)
    }

    /// Whether the answer is no longer wanted.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(Cancel::is_requested)
    }

    pub(crate) fn ask(self, whom: impl Into<String>, limit: impl Into<Limit>) -> Question<'a> {
        let limit = limit.into();
        Question {
            asker: self,
            waiting: Waiting {
                whom: whom.into(),
                limit: limit.time,
            },
            limit,
            heard: LastSign::default(),
            is_told: Mutex::new(false),
        }
    }

    pub(crate) fn notes(&self) -> &'a dyn Notes {
        match self.audience {
            Audience::Build(notes) => notes,
            Audience::Nobody | Audience::Screen(_) => &Discarded,
        }
    }

    /// Reports an activity of a build that is not one of its steps.
    pub(crate) fn step(&self, what: &str) {
        self.notes().step(0, 0, what);
    }

    /// Returns a poll function that breaks on a cancel and reports `what` once if the wait is long.
    pub(crate) fn waiting(self, what: &str) -> impl FnMut() -> ControlFlow<()> {
        waiting(self.cancel(), move || self.step(what))
    }

    fn tell(self, waiting: &Waiting) {
        match self.audience {
            Audience::Nobody => {}
            Audience::Screen(tell) => tell(waiting),
            Audience::Build(notes) => notes.step(0, 0, &waiting.to_string()),
        }
    }
}

impl fmt::Debug for Asker<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Asker")
    }
}

struct Discarded;

impl Notes for Discarded {}

/// Returns a poll function that breaks on a cancel and calls `say` once if the wait is long.
pub(crate) fn waiting<S: FnMut()>(
    cancel: &Cancel,
    mut say: S,
) -> impl FnMut() -> ControlFlow<()> + use<S> {
    let cancel = cancel.clone();
    let begun = Instant::now();
    let mut is_told = false;
    move || {
        if cancel.is_requested() {
            return ControlFlow::Break(());
        }
        if begun.elapsed() > SILENT && !std::mem::replace(&mut is_told, true) {
            say();
        }
        ControlFlow::Continue(())
    }
}

/// Why a query ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GivenUp {
    #[error("no answer within {0}")]
    Late(Limit),
    #[error("interrupted")]
    Cancelled,
}

impl From<GivenUp> for io::Error {
    fn from(why: GivenUp) -> Self {
        let kind = match why {
            GivenUp::Late(_) => io::ErrorKind::TimedOut,
            GivenUp::Cancelled => io::ErrorKind::Interrupted,
        };
        Self::new(kind, why.to_string())
    }
}

/// Time of the last sign of life, shared with whoever observes them.
#[derive(Debug, Clone)]
pub(crate) struct LastSign(Arc<Mutex<Instant>>);

impl Default for LastSign {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl LastSign {
    pub(crate) fn now(&self) {
        *self.0.lock() = Instant::now();
    }

    pub(crate) fn silence(&self) -> Duration {
        self.0.lock().elapsed()
    }
}

/// A pending query: its time limit, its cancellation, and its report if it is slow.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    asker: Asker<'a>,
    waiting: Waiting,
    limit: Limit,
    heard: LastSign,
    is_told: Mutex<bool>,
}

impl Question<'_> {
    /// A handle for readers of partial answers: each part restarts the time limit.
    pub(crate) fn heard(&self) -> LastSign {
        self.heard.clone()
    }

    /// Checks for a cancel and for the limit, and reports a long wait once.
    pub(crate) fn look(&self) -> Result<(), GivenUp> {
        if self.asker.is_cancelled() {
            return Err(GivenUp::Cancelled);
        }
        let silence = self.heard.silence();
        if silence >= self.limit.time {
            return Err(GivenUp::Late(self.limit));
        }
        if silence >= SILENT {
            let mut is_told = self.is_told.lock();
            if !std::mem::replace(&mut *is_told, true) {
                self.asker.tell(&self.waiting);
            }
        }
        Ok(())
    }

    /// Waits for an answer from a channel. `None` if all senders are gone.
    pub(crate) fn receive<T>(&self, answers: &Receiver<T>) -> Result<Option<T>, GivenUp> {
        loop {
            match answers.recv_timeout(TICK.min(self.limit.time)) {
                Ok(answer) => return Ok(Some(answer)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => self.look()?,
            }
        }
    }

    pub(crate) async fn wait<T>(&self, answer: impl Future<Output = T>) -> Result<T, GivenUp> {
        let mut answer = std::pin::pin!(answer);
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return Ok(answer),
                _ = tick.tick() => self.look()?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn late(limit_ms: u64) -> GivenUp {
        GivenUp::Late(Duration::from_millis(limit_ms).into())
    }

    #[test]
    fn a_question_without_an_answer_is_told_once_and_given_up() {
        let (_open, answers) = mpsc::channel::<()>();
        let told = Mutex::new(Vec::new());
        let tell = |waiting: &Waiting| told.lock().push(waiting.to_string());
        let cancel = Cancel::default();
        let question = Asker::new(&tell, &cancel).ask("the moon", Duration::from_millis(1500));
        assert_eq!(question.receive(&answers), Err(late(1500)));
        assert_eq!(*told.lock(), ["waiting for the moon (1.5 s at most)"]);
    }

    #[test]
    fn a_cancel_ends_a_question_and_a_sign_of_life_gives_it_more_time() {
        let (_open, answers) = mpsc::channel::<()>();
        let cancel = Cancel::default();
        let question = Asker::new(&|_| {}, &cancel).ask("the moon", Duration::from_millis(200));
        let heard = question.heard();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..4 {
                    std::thread::sleep(Duration::from_millis(100));
                    heard.now();
                }
                cancel.request();
            });
            assert_eq!(question.receive(&answers), Err(GivenUp::Cancelled));
        });
    }

    #[tokio::test]
    async fn a_future_is_waited_for_no_longer_than_the_limit() {
        let question = Asker::silent().ask("the moon", Duration::from_millis(50));
        assert_eq!(
            question.wait(std::future::pending::<()>()).await,
            Err(late(50))
        );
        assert_eq!(question.wait(async { 7 }).await, Ok(7));
    }
}
