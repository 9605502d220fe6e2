//! Runs one program in a process group of its own, hands its lines over as they come, and stops it when asked.
//!
//! Knows no builder. A group, so that what the program started ends with it (killing only the child would leave a grandchild with
//! the pipes open); one thread per pipe and one channel, so that the caller gets lines on its own thread; a request to stop is
//! polled, because it may come from any thread or a signal. All running groups are known, so none outlives us.

mod group;

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

/// How often a running program's caller looks whether it should stop.
const TICK: Duration = Duration::from_millis(50);

/// More is no answer of a short program.
const LONGEST_ANSWER: usize = 64 << 20;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// What the system says.
    pub status: ExitStatus,
    /// Whether it was asked to stop; it may still have succeeded.
    pub stopped: bool,
}

/// How long a program may go on.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// How long it may be silent, and how long it may take to stop.
    pub limits: &'a Limits,
    /// Asks it to stop.
    pub cancel: &'a Cancel,
    /// Asked whenever it has been silent for long: why there is no hope of an end. Without it silence is no reason.
    pub hope: Option<&'a dyn Fn() -> Result<(), String>>,
}

/// Runs a program to its end; every line of its output goes to `hear`, without its line end.
///
/// On a cancel the whole group gets an interrupt, within the grace the request to terminate, and before its end it is killed;
/// on an urgent one it is killed at once.
/// An error of the kind `TimedOut` means that there is no hope of its end.
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
            last_line = patience.hope(last_line)?;
        }
        Ok(())
    })?;
    let stopped = stop.asked.is_some();
    if stopped || lingers {
        // Whoever of the group still lives works for nobody.
        stop.kill();
    }
    Ok(Exit { status, stopped })
}

impl Patience<'_> {
    /// Asks whether there is hope, when it is time; gives when the program was last known to be worth waiting for.
    fn hope(self, last: Instant) -> io::Result<Instant> {
        match self.hope {
            Some(hope) if last.elapsed() >= self.limits.idle => hope()
                .map(|()| Instant::now())
                .map_err(|why| io::Error::new(io::ErrorKind::TimedOut, why)),
            _ => Ok(last),
        }
    }
}

/// What a short program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Whether it succeeded.
    pub success: bool,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs a short program to its end, which is the answer to a question.
/// On an error its group is killed.
pub(crate) fn ask(command: &mut Command, question: &Question<'_>) -> io::Result<Output> {
    answer(start(command.stdin(Stdio::null()))?, question)
}

/// The same, with a few words on its standard input.
pub(crate) fn ask_with(
    command: &mut Command,
    words: &str,
    question: &Question<'_>,
) -> io::Result<Output> {
    let mut started = start(command.stdin(Stdio::piped()))?;
    if let Some(mut pipe) = started.child.stdin.take() {
        // Less than a pipe holds, so nobody waits; one that does not want to hear it may still answer.
        let _ = pipe.write_all(words.as_bytes());
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
                return Err(io::Error::other(format!("it says more than {limit} MiB")));
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

/// Follows a program to its end, and says whether its pipes are still open then. `hear` is called with every line, and every
/// tick without one; it also learns whether the program itself has ended.
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
            // The program may still be working, and may still have to be stopped.
            _ if is_closed => thread::sleep(LAST_TICK),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
