//! The builder's side of a sandbox: starts it, gives it its plan, passes on output, and sees to its end. The sandbox ends when the socket
//! closes, so also when the builder is killed.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;

use super::asked::{Exit, Mount, Run};
use super::error::SandboxError;
use super::frames::{receive, send, send_bytes};
use super::plan::{Kind, Mode, Place, Plan, Report, Task, Trouble};
use super::start;
use crate::cancel::Cancel;
use crate::process::{Started, Stream};

/// How often to look whether to stop and whether the disk is filling up.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// How long a sandbox may take to end when it was told to.
const GRACE: Duration = Duration::from_secs(5);

/// How much output is passed on at once, in bytes.
const CHUNK: usize = 64 << 10;

/// The directories that a sandbox makes in `work`.
const OWN: [&str; 3] = ["names", "overlay", "secrets"];

/// Runs a program in a sandbox.
pub(super) fn supervise(
    run: &Run<'_>,
    mode: Mode,
    cancel: &Cancel,
    output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Exit, SandboxError> {
    let (mut started, mut wire) = start::spawn()?;
    // Removed when this function ends, and with it the sandbox.
    #[cfg(target_os = "linux")]
    let group = group(run, mode);
    #[cfg(target_os = "linux")]
    let path = group.as_ref().map(super::group::Group::path);
    #[cfg(not(target_os = "linux"))]
    let path = None;
    let asked = ask(&mut wire, run, mode, path);
    let mut watched = Watched {
        wire,
        pipes: pipes(&mut started),
        report: None,
        is_silent: false,
        mode,
        pid: started.child.id(),
        stopped: None,
    };
    if let Err(error) = asked {
        // It may have told why it does not listen.
        watched.stop(Stop::Deaf(error));
    }
    watched.follow(&mut started, run, cancel, output)?;
    drop(watched.wire);
    started.wait()?;
    clear(run.work);
    end(watched.report, watched.stopped)
}

/// A control group that limits the number of processes, where nothing else does.
#[cfg(target_os = "linux")]
fn group(run: &Run<'_>, mode: Mode) -> Option<super::group::Group> {
    if mode != Mode::Root || super::restrict::counts_by_namespace() {
        return None;
    }
    super::group::Group::make(run.bounds.processes)
}

/// Removes what the sandbox left in `work`. The kernel's part of it has no rights for anybody; what cannot be removed is the caller's
/// to remove, as after a crash.
fn clear(work: &Path) {
    for name in [
        "overlay/work",
        "overlay/work/incompat",
        "overlay/work/incompat/volatile",
    ] {
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let _ = std::fs::set_permissions(work.join(name), own);
    }
    for name in OWN {
        let _ = std::fs::remove_dir_all(work.join(name));
    }
}

fn ask(wire: &mut UnixStream, run: &Run<'_>, mode: Mode, group: Option<&Path>) -> io::Result<()> {
    send(wire, &Task::Run(Box::new(plan(run, mode, group))))?;
    for mount in run.mounts {
        if let Mount::Secret { content, .. } = mount {
            send_bytes(wire, content)?;
        }
    }
    Ok(())
}

fn plan(run: &Run<'_>, mode: Mode, group: Option<&Path>) -> Plan {
    Plan {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mode,
        lower: run.lower.to_vec(),
        upper: run.upper.to_owned(),
        work: run.work.to_owned(),
        argv: run.argv.to_vec(),
        env: run.env.to_vec(),
        cwd: run.cwd.to_owned(),
        user: run.user.clone(),
        network: run.network,
        mounts: run.mounts.iter().map(place).collect(),
        hostname: run.hostname.to_owned(),
        bounds: run.bounds,
        cgroup: group.map(Path::to_owned),
    }
}

fn place(mount: &Mount) -> Place {
    let (target, kind) = match mount {
        Mount::Secret { target, uid, .. } => (target, Kind::Secret { uid: *uid }),
        Mount::Cache { directory, target } => {
            let source = directory.clone();
            (target, Kind::Cache { source })
        }
        Mount::ReadOnly { source, target } => {
            let source = source.clone();
            let kind = if source.is_dir() {
                Kind::Directory { source }
            } else {
                Kind::File { source }
            };
            (target, kind)
        }
    };
    Place {
        target: target.clone(),
        kind,
    }
}

/// Why a sandbox was told to end.
enum Stop {
    Cancelled,
    DiskFull(u64),
    Deaf(io::Error),
}

type Pipe = (Stream, Box<dyn ReadPipe>);

/// A pipe that can be waited for.
trait ReadPipe: Read + AsFd {}
impl<T: Read + AsFd> ReadPipe for T {}

fn pipes(started: &mut Started) -> Vec<Pipe> {
    let mut pipes: Vec<Pipe> = Vec::new();
    if let Some(pipe) = started.child.stdout.take() {
        pipes.push((Stream::Out, Box::new(pipe)));
    }
    if let Some(pipe) = started.child.stderr.take() {
        pipes.push((Stream::Err, Box::new(pipe)));
    }
    pipes
}

/// A running sandbox.
struct Watched {
    wire: UnixStream,
    pipes: Vec<Pipe>,
    report: Option<Report>,
    /// Whether the socket has nothing more to say.
    is_silent: bool,
    mode: Mode,
    pid: u32,
    stopped: Option<(Stop, Instant)>,
}

impl Watched {
    /// Follows it until nothing of it is left that holds its pipes.
    fn follow(
        &mut self,
        started: &mut Started,
        run: &Run<'_>,
        cancel: &Cancel,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<(), SandboxError> {
        let mut buffer = vec![0; CHUNK];
        while !self.pipes.is_empty() {
            let ready = self.wait()?;
            for (index, is_ready) in ready.pipes.iter().enumerate().rev() {
                if !is_ready {
                    continue;
                }
                let (stream, pipe) = &mut self.pipes[index];
                match pipe.read(&mut buffer) {
                    Ok(0) => drop(self.pipes.remove(index)),
                    Ok(length) => output(*stream, &buffer[..length]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if ready.wire {
                self.hear();
            }
            self.look(started, run, cancel);
        }
        // What was told last may still be in the socket.
        while !self.is_silent {
            self.hear();
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<Ready> {
        let mut waited: Vec<PollFd<'_>> = self
            .pipes
            .iter()
            .map(|(_, pipe)| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN))
            .collect();
        if !self.is_silent {
            waited.push(PollFd::new(&self.wire, PollFlags::IN));
        }
        match poll(&mut waited, Some(&TICK)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready: Vec<bool> = waited.iter().map(|it| !it.revents().is_empty()).collect();
        let wire = ready.split_off(self.pipes.len());
        Ok(Ready {
            pipes: ready,
            wire: wire == [true],
        })
    }

    fn hear(&mut self) {
        match receive(&mut self.wire) {
            Ok(Report::Unshared) => {
                if let Err(error) = give_ids(&mut self.wire, self.mode, self.pid) {
                    self.report = Some(Report::Failed(Trouble::new("map subordinate ids", &error)));
                    self.stop(Stop::Deaf(error));
                }
            }
            Ok(report) => {
                // The first trouble is what caused the others.
                self.report.get_or_insert(report);
                self.is_silent = true;
            }
            // One that says nothing any more is lost, and its end is seen by its pipes.
            Err(_) => self.is_silent = true,
        }
    }

    /// Ends it if that was asked for, or if it uses up the disk.
    fn look(&mut self, started: &Started, run: &Run<'_>, cancel: &Cancel) {
        if let Some((_, since)) = &self.stopped {
            if since.elapsed() > GRACE {
                started.group.send(Signal::KILL);
            }
            return;
        }
        if cancel.is_requested() {
            self.stop(Stop::Cancelled);
        } else if self.report.is_none() && room(run.upper) < run.bounds.reserve {
            self.stop(Stop::DiskFull(run.bounds.reserve));
        }
    }

    fn stop(&mut self, why: Stop) {
        self.stopped = Some((why, Instant::now()));
        let _ = self.wire.shutdown(Shutdown::Both);
    }
}

/// Maps the ids of a sandbox that waits for them.
pub(super) fn give_ids(wire: &mut UnixStream, mode: Mode, pid: u32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if let Mode::Subordinate { uids, gids } = mode {
        super::ranges::map(pid, uids, gids)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (mode, pid);
    send_bytes(wire, &[])
}

struct Ready {
    pipes: Vec<bool>,
    wire: bool,
}

/// How many bytes the file system of a directory has left; a great many if it does not say.
fn room(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory).map_or(u64::MAX, |it| it.f_bavail.saturating_mul(it.f_frsize))
}

fn end(report: Option<Report>, stopped: Option<(Stop, Instant)>) -> Result<Exit, SandboxError> {
    match (report, stopped) {
        (
            Some(Report::Ended {
                status,
                made,
                owners,
                devices,
            }),
            _,
        ) => Ok(Exit {
            status,
            made,
            owners,
            devices,
        }),
        (_, Some((Stop::Cancelled, _))) => Err(SandboxError::Cancelled),
        (_, Some((Stop::DiskFull(reserve), _))) => Err(SandboxError::DiskFull(reserve)),
        (Some(Report::Failed(trouble)), _) => Err(SandboxError::Setup(trouble)),
        (Some(Report::NotStarted(trouble)), _) => Err(SandboxError::NotStarted(trouble)),
        (_, Some((Stop::Deaf(error), _))) => Err(error.into()),
        (Some(Report::Unshared | Report::Done(_)) | None, None) => Err(SandboxError::Lost),
    }
}
