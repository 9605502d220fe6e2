//! Process groups and the lines their processes print. Each command leads its own group; all running groups are
//! registered so that none outlives this process.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};

use super::lines::Lines;
use crate::cancel::Cancel;

/// Polling interval for a process that is about to end.
pub(super) const LAST_TICK: Duration = Duration::from_millis(2);

/// How long the pipes may stay open after the process itself ended.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// How often to try again while a program is busy, 10 ms apart.
const BUSY: usize = 50;

/// The running process groups, and whether no more may be started.
struct Running {
    groups: BTreeSet<i32>,
    is_over: bool,
}

static RUNNING: Mutex<Running> = Mutex::new(Running {
    groups: BTreeSet::new(),
    is_over: false,
});

/// Kills every running group and prevents new ones from starting: this process is about to exit.
pub(crate) fn end_all() {
    // A thread starting a process may hold the lock while the system blocks it: do not wait forever.
    let Some(mut running) = RUNNING.try_lock_for(LINGER) else {
        return;
    };
    running.is_over = true;
    for group in &running.groups {
        Group(Pid::from_raw(*group)).send(Signal::KILL);
    }
}

/// A running process that leads its group; the group is killed if this is dropped before the process ends.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) group: Group,
    is_ended: bool,
}

/// Environment variables that hold secrets: withheld from every command that does not need them.
static WITHHELD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Withholds variables from all commands started from now on.
pub(crate) fn withhold(names: impl IntoIterator<Item = String>) {
    WITHHELD.lock().extend(names);
}

/// Passes the withheld variables to a command after all: it authenticates to registries with whatever the user's
/// credential helpers need.
pub(crate) fn keep_all(command: &mut Command) -> &mut Command {
    for name in WITHHELD.lock().iter() {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

pub(crate) fn start(command: &mut Command) -> io::Result<Started> {
    // Held until the group is registered; otherwise a process could start after `end_all`.
    let mut running = RUNNING.lock();
    if running.is_over {
        return Err(io::ErrorKind::Interrupted.into());
    }
    for name in WITHHELD.lock().iter() {
        // A variable set explicitly on the command is meant for it.
        if !command.get_envs().any(|(given, _)| given == name.as_str()) {
            command.env_remove(name);
        }
    }
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = spawn(command)?;
    let group = Group::of(&child);
    running
        .groups
        .extend(group.0.map(Pid::as_raw_nonzero).map(std::num::NonZero::get));
    Ok(Started {
        child,
        group,
        is_ended: false,
    })
}

/// Starts a program. One that has just been written may be busy for a moment: a child of another thread has the file open for
/// writing, until it starts its own program.
fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 0..BUSY {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            started => return started,
        }
    }
    command.spawn()
}

impl Started {
    pub(super) fn listen(&mut self) -> Receiver<(Stream, String)> {
        let (lines, heard) = mpsc::sync_channel(1024);
        let out = self.child.stdout.take().map(|pipe| Box::new(pipe) as Pipe);
        let err = self.child.stderr.take().map(|pipe| Box::new(pipe) as Pipe);
        for (stream, pipe) in [(Stream::Out, out), (Stream::Err, err)] {
            let Some(pipe) = pipe else { continue };
            let lines = lines.clone();
            // Ends with the pipe, or when the receiver is dropped.
            thread::spawn(move || read_lines(pipe, |line| lines.send((stream, line)).is_ok()));
        }
        heard
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.is_ended |= status.is_some();
        Ok(status)
    }

    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.is_ended = true;
        Ok(status)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.is_ended {
            self.group.send(Signal::KILL);
            let until = Instant::now() + LINGER;
            // A process that does not die even then is left to the system.
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
                thread::sleep(LAST_TICK);
            }
        }
        if let Some(group) = self.group.0 {
            RUNNING.lock().groups.remove(&group.as_raw_nonzero().get());
        }
    }
}

/// The process group led by a child process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(i32::try_from(child.id()).ok().and_then(Pid::from_raw))
    }

    pub(crate) fn send(self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group that is already gone is fine.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// The escalation of signals to a group that must stop.
pub(super) struct Stop {
    group: Group,
    grace: Duration,
    pub(super) asked: Option<Instant>,
    sent: u8,
}

impl Stop {
    pub(super) fn new(group: Group, grace: Duration) -> Self {
        Self {
            group,
            grace,
            asked: None,
            sent: 0,
        }
    }

    /// Sends the signal that is due by now.
    pub(super) fn follow(&mut self, cancel: &Cancel) {
        if !cancel.is_requested() {
            return;
        }
        let asked = *self.asked.get_or_insert_with(Instant::now);
        let due = if cancel.is_urgent() {
            3
        } else if asked.elapsed() < self.grace / 2 {
            1
        } else if asked.elapsed() < self.grace * 4 / 5 {
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

    pub(super) fn kill(&mut self) {
        self.sent = 3;
        self.group.send(Signal::KILL);
    }
}

/// The pipe through which a line came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

pub(crate) type Pipe = Box<dyn Read + Send>;

/// Passes the lines of a pipe, without their endings, to `hand_over` until the pipe closes or `hand_over` returns
/// `false`.
pub(crate) fn read_lines(mut pipe: Pipe, mut hand_over: impl FnMut(String) -> bool) {
    let mut piece = vec![0; 64 * 1024];
    let mut lines = Lines::default();
    loop {
        match pipe.read(&mut piece) {
            Ok(count) if count > 0 => {
                if !lines.add(&piece[..count], &mut hand_over) {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => {
                lines.end(&mut hand_over);
                return;
            }
        }
    }
}
