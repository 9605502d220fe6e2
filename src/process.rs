//! Runs a command in its own process group, passes its output on line by line, and stops it on request.
//!
//! Independent of any builder. It uses a group so that whatever the command started ends with it (killing only the
//! child would leave grandchildren holding the pipes), and one thread per pipe feeding one channel, so that the caller
//! receives lines on its own thread. A stop is polled for, because it may come from any thread or a signal. All running
//! groups are registered, so that none outlives this process.

mod group;
mod lines;
mod reading;

use std::io::{self, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use crate::asking::Question;
use crate::cancel::Cancel;
use crate::limits::Limits;
pub use group::Stream;
pub(crate) use group::{Group, Started, end_all, keep_all, start, withhold};
use group::{LAST_TICK, LINGER, Stop};
pub(crate) use group::{Pipe, read_lines};
pub(crate) use lines::Lines;
pub(crate) use reading::Reading;

/// How often the caller of a running command checks whether to stop it.
const TICK: Duration = Duration::from_millis(50);

/// Maximum output of a command run as a query, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The exit status that the system reported.
    pub status: ExitStatus,
    /// Whether a stop was requested; the command may still have succeeded.
    pub stopped: bool,
}

/// How long to wait for a command.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// Limits on its silence (`idle`) and on the time it takes to stop (`grace`).
    pub limits: &'a Limits,
    /// Stops the command when requested.
    pub cancel: &'a Cancel,
    /// Called whenever the command has been silent for the idle limit; an error, with its reason, ends the wait. `None`
    /// if silence is acceptable.
    pub hope: Option<&'a dyn Fn() -> Result<(), String>>,
}

/// Runs a command to its end and passes every line of its output, without the line ending, to `hear`.
///
/// On a cancel the whole group receives SIGINT, halfway through the grace period SIGTERM, and before its end SIGKILL;
/// an urgent cancel sends SIGKILL at once.
///
/// # Errors
///
/// Fails if the command cannot be started, or with kind `TimedOut` if [`Patience::hope`] gives up on it.
pub fn run(
    command: &mut Command,
    patience: Patience<'_>,
    mut hear: impl FnMut(Stream, &str),
) -> io::Result<Exit> {
    let mut started = start(command.stdin(Stdio::null()))?;
    let mut stop = Stop::new(started.group, patience.limits.grace);
    let mut last_line = Instant::now();
    let (status, lingers) = follow(&mut started, |line, is_ended| {
        if let Some((stream, line)) = line {
            last_line = Instant::now();
            hear(stream, line);
        }
        stop.follow(patience.cancel);
        if !is_ended {
            last_line = patience.check_silence(last_line)?;
        }
        Ok(())
    })?;
    let stopped = stop.asked.is_some();
    if stopped || lingers {
        // Any surviving member of the group no longer serves a purpose.
        stop.kill();
    }
    Ok(Exit { status, stopped })
}

impl Patience<'_> {
    /// Consults `hope` after a long silence; returns the time at which the command was last known to be alive.
    fn check_silence(self, last: Instant) -> io::Result<Instant> {
        match self.hope {
            Some(hope) if last.elapsed() >= self.limits.idle => hope()
                .map(|()| Instant::now())
                .map_err(|why| io::Error::new(io::ErrorKind::TimedOut, why)),
            _ => Ok(last),
        }
    }
}

/// The result of a command run as a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Whether it exited successfully.
    pub success: bool,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs a short command whose output is the answer to a query. On an error its process group is killed.
pub(crate) fn ask(command: &mut Command, question: &Question<'_>) -> io::Result<Output> {
    answer(start(command.stdin(Stdio::null()))?, question)
}

/// Like [`ask`], with `input` on standard input.
pub(crate) fn ask_with(
    command: &mut Command,
    input: &str,
    question: &Question<'_>,
) -> io::Result<Output> {
    let mut started = start(command.stdin(Stdio::piped()))?;
    if let Some(mut pipe) = started.child.stdin.take() {
        // Less than a pipe holds, so this never blocks; a command that does not read its input may still answer.
        let _ = pipe.write_all(input.as_bytes());
    }
    answer(started, question)
}

fn answer(mut started: Started, question: &Question<'_>) -> io::Result<Output> {
    let (mut out, mut err) = (String::new(), String::new());
    let (status, _) = follow(&mut started, |line, is_ended| {
        if let Some((stream, line)) = line {
            let text = match stream {
                Stream::Out => &mut out,
                Stream::Err => &mut err,
            };
            text.push_str(line);
            text.push('\n');
            if out.len() + err.len() > LONGEST_ANSWER {
                let limit = LONGEST_ANSWER >> 20;
                return Err(io::Error::other(format!("its output exceeds {limit} MiB")));
            }
        }
        if !is_ended {
            question.look()?;
        }
        Ok(())
    })?;
    let success = status.success();
    Ok(Output { success, out, err })
}

/// Follows a command to its end; also returns whether its pipes are still open at that point. `hear` is called for
/// every line, or with `None` on each tick without one; its second argument is whether the process itself has ended.
fn follow(
    started: &mut Started,
    mut hear: impl FnMut(Option<(Stream, &str)>, bool) -> io::Result<()>,
) -> io::Result<(ExitStatus, bool)> {
    let lines = started.listen();
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        let line = lines.recv_timeout(TICK);
        let is_closed = line == Err(RecvTimeoutError::Disconnected);
        if ended.is_none() {
            ended = started.try_wait()?.map(|status| (status, Instant::now()));
        }
        let line = line.as_ref().ok();
        hear(
            line.map(|(stream, line)| (*stream, line.as_str())),
            ended.is_some(),
        )?;
        match ended {
            Some((status, at)) if is_closed || at.elapsed() > LINGER => {
                return Ok((status, !is_closed));
            }
            // All pipes are closed, but the process may still be working and may still have to be stopped.
            _ if is_closed => thread::sleep(LAST_TICK),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
