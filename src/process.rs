//! Runs one program in a process group of its own, hands its lines over as they come, and stops it when asked.
//!
//! Knows no builder. The choices made: a group, so that what the program started ends with it (killing only the child
//! leaves a grandchild with the pipes open); one thread a pipe and one channel, so that the caller hears lines on its own
//! thread; a request to stop is polled, because it may come from any thread or from a signal.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::backend::Cancel;

/// How often a running program's caller looks whether it should stop.
const TICK: Duration = Duration::from_millis(50);

/// How long a program may take to end after the polite signal, and again after the firm one.
const GRACE: Duration = Duration::from_secs(10);

/// How long the pipes may stay open after the program itself ended.
const LINGER: Duration = Duration::from_secs(1);

/// A longer line is cut into pieces: output without line ends must not fill the memory.
const LONGEST_LINE: u64 = 1 << 20;

/// Which pipe a line came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// What the system says.
    pub status: ExitStatus,
    /// Whether it was asked to stop; it may still have succeeded.
    pub stopped: bool,
}

/// Runs a program to its end; every line of its output goes to `hear`, without its line end.
///
/// On a cancel the whole group gets an interrupt, after a grace the request to terminate, and after another it is killed;
/// on an urgent one it is killed at once.
///
/// # Errors
/// When it cannot be started.
pub fn run(
    command: &mut Command,
    cancel: &Cancel,
    mut hear: impl FnMut(Stream, &str),
) -> io::Result<Exit> {
    let mut child = start(command)?;
    let lines = listen(&mut child);
    let mut stop = Stop::new(&child);
    let mut ended: Option<(ExitStatus, Instant)> = None;
    let mut lingers = false;
    loop {
        match lines.recv_timeout(TICK) {
            Ok((stream, line)) => hear(stream, &line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        stop.follow(cancel);
        if ended.is_none() {
            ended = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        lingers = ended.is_some_and(|(_, at)| at.elapsed() > LINGER);
        if lingers {
            break;
        }
    }
    let status = match ended {
        Some((status, _)) => status,
        // The pipes are closed; the program may still be working, and may still have to be stopped.
        None => loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            stop.follow(cancel);
            thread::sleep(Duration::from_millis(2));
        },
    };
    let stopped = stop.asked.is_some();
    if stopped || lingers {
        // Whoever of the group still lives works for nobody.
        stop.kill();
    }
    Ok(Exit { status, stopped })
}

/// What a short program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whether it succeeded.
    pub success: bool,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs a short program to its end, at most for so long.
///
/// # Errors
/// When it cannot be started or takes longer.
pub fn ask(command: &mut Command, limit: Duration) -> io::Result<Said> {
    let mut child = start(command)?;
    let lines = listen(&mut child);
    let mut stop = Stop::new(&child);
    let until = Instant::now() + limit;
    let (mut out, mut err) = (String::new(), String::new());
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((stream, line)) => {
                let text = match stream {
                    Stream::Out => &mut out,
                    Stream::Err => &mut err,
                };
                text.push_str(&line);
                text.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                stop.kill();
                child.wait()?;
                let seconds = limit.as_secs();
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no answer within {seconds} s"),
                ));
            }
        }
    }
    let success = child.wait()?.success();
    Ok(Said { success, out, err })
}

fn start(command: &mut Command) -> io::Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

fn listen(child: &mut Child) -> Receiver<(Stream, String)> {
    let (lines, heard) = mpsc::sync_channel(1024);
    let out = child.stdout.take().map(|pipe| Box::new(pipe) as Pipe);
    let err = child.stderr.take().map(|pipe| Box::new(pipe) as Pipe);
    for (stream, pipe) in [(Stream::Out, out), (Stream::Err, err)] {
        let Some(pipe) = pipe else { continue };
        let lines = lines.clone();
        // Ends with the pipe, or when nobody listens any more.
        thread::spawn(move || read_lines(pipe, |line| lines.send((stream, line)).is_ok()));
    }
    heard
}

/// The reading end of a pipe.
pub(crate) type Pipe = Box<dyn Read + Send>;

/// Hands over the lines of a pipe, without their ends, until it is closed or nobody wants more.
pub(crate) fn read_lines(pipe: Pipe, mut hand_over: impl FnMut(String) -> bool) {
    let mut pipe = BufReader::with_capacity(64 * 1024, pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match pipe
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        while line.last().is_some_and(|last| b"\r\n".contains(last)) {
            line.pop();
        }
        if !hand_over(String::from_utf8_lossy(&line).into_owned()) {
            return;
        }
    }
}

/// The process group that a child leads, started as one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group(Option<Pid>);

impl Group {
    pub(crate) fn of(child: &Child) -> Self {
        Self(i32::try_from(child.id()).ok().and_then(Pid::from_raw))
    }

    /// Sends a signal to all in it.
    pub(crate) fn send(self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group that is gone is what was asked for.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// How far the stopping of a process group has come.
struct Stop {
    group: Group,
    asked: Option<Instant>,
    sent: u8,
}

impl Stop {
    fn new(child: &Child) -> Self {
        Self {
            group: Group::of(child),
            asked: None,
            sent: 0,
        }
    }

    /// Sends what is due by now.
    fn follow(&mut self, cancel: &Cancel) {
        if !cancel.is_requested() {
            return;
        }
        let asked = *self.asked.get_or_insert_with(Instant::now);
        let due = if cancel.is_urgent() {
            3
        } else if asked.elapsed() < GRACE {
            1
        } else if asked.elapsed() < 2 * GRACE {
            2
        } else {
            3
        };
        if self.sent < due {
            self.sent = due;
            self.group.send(match due {
                1 => Signal::INT,
                2 => Signal::TERM,
                _ => Signal::KILL,
            });
        }
    }

    fn kill(&mut self) {
        self.sent = 3;
        self.group.send(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the program does while it builds. Else a test run that was itself started in the background of a script, where
    /// interrupts are ignored, would hand that on to the children.
    fn hears_interrupts() {
        let heard = std::sync::Arc::default();
        signal_hook::flag::register(signal_hook::consts::SIGINT, heard).unwrap();
    }

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_of_both_pipes_are_heard_whole() {
        let mut heard = Vec::new();
        let exit = run(
            &mut sh("echo one; echo two >&2; printf three"),
            &Cancel::default(),
            |stream, line| heard.push((stream, line.to_owned())),
        )
        .unwrap();
        heard.sort_by_key(|(stream, _)| *stream == Stream::Err);
        let expected = [
            (Stream::Out, "one"),
            (Stream::Out, "three"),
            (Stream::Err, "two"),
        ];
        assert_eq!(heard, expected.map(|(at, line)| (at, line.to_owned())));
        assert!(exit.status.success() && !exit.stopped);
    }

    #[test]
    fn a_program_gets_no_input() {
        let said = ask(&mut sh("cat; echo end"), Duration::from_secs(10)).unwrap();
        assert_eq!(said.out, "end\n");
    }

    #[test]
    fn a_cancel_ends_the_whole_group() {
        // buildx#556, moby/buildkit#2855: who stops only the client leaves the rest running.
        hears_interrupts();
        let cancel = Cancel::default();
        let begun = Instant::now();
        let exit = run(
            &mut sh("sleep 30 & echo started; wait"),
            &cancel,
            |_, line| {
                assert_eq!(line, "started");
                cancel.request();
            },
        )
        .unwrap();
        assert!(exit.stopped && !exit.status.success());
        assert!(begun.elapsed() < Duration::from_secs(8));
    }

    #[test]
    fn an_urgent_cancel_kills_who_ignores_signals() {
        let cancel = Cancel::default();
        let begun = Instant::now();
        let exit = run(
            &mut sh("trap '' INT TERM; echo started; while :; do sleep 1; done"),
            &cancel,
            |_, _| {
                cancel.request();
                cancel.request();
            },
        )
        .unwrap();
        assert!(exit.stopped);
        assert!(begun.elapsed() < Duration::from_secs(8));
    }

    #[test]
    fn a_grandchild_that_keeps_the_pipe_does_not_keep_us() {
        let begun = Instant::now();
        let exit = run(&mut sh("sleep 30 & exit 3"), &Cancel::default(), |_, _| {}).unwrap();
        assert_eq!(exit.status.code(), Some(3));
        assert!(begun.elapsed() < Duration::from_secs(8));
    }

    #[test]
    fn a_program_that_does_not_answer_is_given_up() {
        let error = ask(&mut sh("sleep 30"), Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
