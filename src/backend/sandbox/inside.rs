//! The first process of a sandbox, from its fork on: hears what it is for, and enters namespaces. It is the first one of its process
//! namespace from the start: when it is gone, the system has killed all others.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    DumpableBehavior, PidfdFlags, Signal, getgid, getpid, getuid, pidfd_open,
    set_dumpable_behavior, set_parent_process_death_signal,
};
use rustix::thread::UnshareFlags;

use super::frames::{receive, receive_bytes, send};
use super::plan::{At, Ids, Kind, Mode, Network, Plan, Report, Task, Trouble};
use super::{errands, ids, init, sys};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a sandbox has of the nursery.
pub(super) struct Parent {
    /// Can be read when it has ended.
    handle: OwnedFd,
    /// Its user and group, which a process in a new user namespace does not see any more.
    ids: (u32, u32),
}

impl Parent {
    /// What the sandboxes have that are forked from this process.
    pub(super) fn of_this_process() -> io::Result<Self> {
        Ok(Self {
            handle: pidfd_open(getpid(), PidfdFlags::empty())?,
            ids: (getuid().as_raw(), getgid().as_raw()),
        })
    }

    /// The number of its open file.
    pub(super) fn number(&self) -> RawFd {
        self.handle.as_raw_fd()
    }
}

/// Does what the task on standard input says, and ends the process.
pub(super) fn enter(parent: &Parent) -> ! {
    // Whoever does not say what to do, or cannot be told, is gone.
    sys::end(if serve(parent).is_ok() { 0 } else { 2 })
}

fn serve(parent: &Parent) -> io::Result<()> {
    let mut wire = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let told = match receive(&mut wire)? {
        Task::Run(plan) if plan.version == VERSION => {
            let secrets = secrets(&mut wire, &plan)?;
            enter_namespaces(&mut wire, &plan, parent)
                .and_then(|()| tie(parent))
                .and_then(|()| init::run(&mut wire, &plan, &secrets))
        }
        Task::Errand {
            version,
            mode,
            directory,
            errand,
        } if version == VERSION => enter_user(&mut wire, mode, &Ids::default(), parent)
            .and_then(|()| tie(parent))
            .and_then(|()| errands::run(&mut wire, &directory, errand))
            .map(Report::Done),
        Task::Run(_) | Task::Errand { .. } => {
            let other = io::Error::other(format!("it is version {VERSION}"));
            Err(Trouble::new("start", &other))
        }
    };
    send(&mut wire, &told.unwrap_or_else(Report::Failed))
}

fn secrets(wire: &mut UnixStream, plan: &Plan) -> io::Result<Vec<Vec<u8>>> {
    let places = plan.mounts.iter();
    let secret = places.filter(|place| matches!(place.kind, Kind::Secret { .. }));
    secret.map(|_| receive_bytes(wire)).collect()
}

fn enter_namespaces(wire: &mut UnixStream, plan: &Plan, parent: &Parent) -> Result<(), Trouble> {
    let mut flags =
        UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWCGROUP;
    if plan.network == Network::None {
        flags |= UnshareFlags::NEWNET;
    }
    if let Some(group) = &plan.cgroup {
        std::fs::write(group.join("cgroup.procs"), "0").at("enter a control group")?;
    }
    enter_user(wire, plan.mode, &plan.user, parent)?;
    sys::unshare(flags).at("enter namespaces")
}

/// Becomes the root of the user namespace that it was forked into for a mode, or its user where there is only one.
fn enter_user(
    wire: &mut UnixStream,
    mode: Mode,
    user: &Ids,
    parent: &Parent,
) -> Result<(), Trouble> {
    match mode {
        Mode::Root => Ok(()),
        Mode::Single => ids::map_own(parent.ids, user).at("map its own id"),
        Mode::Subordinate { .. } => {
            send(wire, &Report::Unshared).at("ask for ids")?;
            receive_bytes(wire).at("wait for ids")?;
            ids::become_root().at("become the root of the user namespace")
        }
    }
}

/// Ends this process with the nursery, also if that is gone already. Not before it has become who it stays: a change of ids unties it.
fn tie(parent: &Parent) -> Result<(), Trouble> {
    let step = "tie it to the process that it was forked from";
    set_parent_process_death_signal(Some(Signal::KILL)).at(step)?;
    let mut end = [PollFd::new(&parent.handle, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    if poll(&mut end, Some(&now)).at(step)? > 0 {
        sys::end(1);
    }
    // Neither its memory, which holds secrets, nor its root and files are for the program, though it may have the same user.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).at("hide its memory")
}
