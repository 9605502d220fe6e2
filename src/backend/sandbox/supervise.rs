//! The builder's side of a sandbox: starts it, gives it its plan, passes on output, and sees to its end.

use std::io::{self, PipeReader, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::asked::{Exit, Mount, Run};
use super::error::SandboxError;
use super::frames::{receive, send, send_bytes};
use super::plan::{Kind, Mode, Place, Plan, Report, Task, Trouble};
use super::start::{self, Process, Sandbox};
use crate::cancel::Cancel;
use crate::process::Stream;

/// How often to look whether to stop and whether the disk is filling up.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

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
    let Sandbox {
        mut wire,
        out,
        err,
        process,
    } = start::spawn(mode)?;
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
        pipes: vec![(Stream::Out, out), (Stream::Err, err)],
        process,
        report: None,
        is_silent: false,
        mode,
        stopped: None,
    };
    if let Err(error) = asked {
        // It may have told why it does not listen.
        watched.stop(Stop::Deaf(error));
    }
    watched.follow(run, cancel, output)?;
    watched.process.wait(None)?;
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

/// A running sandbox.
struct Watched {
    wire: UnixStream,
    pipes: Vec<(Stream, PipeReader)>,
    process: Process,
    report: Option<Report>,
    /// Whether the socket has nothing more to say.
    is_silent: bool,
    mode: Mode,
    stopped: Option<Stop>,
}

impl Watched {
    /// Follows it until nothing of it is left that holds its pipes. Somebody outside may hold them, too, to whom the program passed them.
    fn follow(
        &mut self,
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
            if ready.end && !ready.pipes.contains(&true) {
                break;
            }
            self.look(run, cancel);
        }
        // What was told last may still be in the socket.
        while !self.is_silent {
            self.hear();
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<Ready> {
        // First whether it has ended: then all that it printed is in the pipes when these are looked at.
        let mut waited = vec![PollFd::new(&self.process, PollFlags::IN)];
        let pipes = self.pipes.iter();
        waited.extend(pipes.map(|(_, pipe)| PollFd::new(pipe, PollFlags::IN)));
        if !self.is_silent {
            waited.push(PollFd::new(&self.wire, PollFlags::IN));
        }
        match poll(&mut waited, Some(&TICK)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = waited.iter().map(|it| !it.revents().is_empty());
        Ok(Ready {
            end: ready.next() == Some(true),
            pipes: ready.by_ref().take(self.pipes.len()).collect(),
            wire: ready.next() == Some(true),
        })
    }

    fn hear(&mut self) {
        match receive(&mut self.wire) {
            Ok(Report::Unshared) => {
                if let Err(error) = give_ids(&mut self.wire, self.mode, self.process.pid) {
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
    fn look(&mut self, run: &Run<'_>, cancel: &Cancel) {
        if self.stopped.is_some() {
            return;
        }
        if cancel.is_requested() {
            self.stop(Stop::Cancelled);
        } else if self.report.is_none() && room(run.upper) < run.bounds.reserve {
            self.stop(Stop::DiskFull(run.bounds.reserve));
        }
    }

    fn stop(&mut self, why: Stop) {
        self.stopped = Some(why);
        self.process.kill();
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
    end: bool,
    pipes: Vec<bool>,
    wire: bool,
}

/// How many bytes the file system of a directory has left; a great many if it does not say.
fn room(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory).map_or(u64::MAX, |it| it.f_bavail.saturating_mul(it.f_frsize))
}

fn end(report: Option<Report>, stopped: Option<Stop>) -> Result<Exit, SandboxError> {
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
        (_, Some(Stop::Cancelled)) => Err(SandboxError::Cancelled),
        (_, Some(Stop::DiskFull(reserve))) => Err(SandboxError::DiskFull(reserve)),
        (Some(Report::Failed(trouble)), _) => Err(SandboxError::Setup(trouble)),
        (Some(Report::NotStarted(trouble)), _) => Err(SandboxError::NotStarted(trouble)),
        (_, Some(Stop::Deaf(error))) => Err(error.into()),
        (Some(Report::Unshared | Report::Done(_)) | None, None) => Err(SandboxError::Lost),
    }
}
