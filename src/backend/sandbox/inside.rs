//! The outer process of a sandbox: enters namespaces, starts the first process of the new process namespace, and ends it when the
//! builder goes away or asks for it by closing the socket. It stays outside of the process namespace, so it can wait for its end: when
//! the first process of a namespace is gone, the system has killed all others.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::exit;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getgid, getuid, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal, waitpid,
};
use rustix::thread::UnshareFlags;

use super::frames::{receive, receive_bytes, send};
use super::plan::{At, Ids, Kind, Mode, Network, Plan, Report, Task, Trouble};
use super::{errands, ids, init, sys};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Does what the plan on standard input says, and ends the process.
pub(super) fn enter() -> ! {
    let code = match serve() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: a sandbox cannot be started by hand: {error}");
            2
        }
    };
    exit(code)
}

fn serve() -> io::Result<()> {
    sys::close_inherited(3)?;
    let mut wire = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    match receive(&mut wire)? {
        Task::Run(plan) if plan.version == VERSION => run(&mut wire, &plan),
        Task::Errand {
            version,
            mode,
            directory,
            errand,
        } if version == VERSION => {
            let done = enter_user(&mut wire, mode, &Ids::default())
                .and_then(|()| errands::run(&mut wire, &directory, errand));
            match done {
                Ok(left) => send(&mut wire, &Report::Done(left)),
                Err(trouble) => send(&mut wire, &Report::Failed(trouble)),
            }
        }
        Task::Run(_) | Task::Errand { .. } => {
            let other = io::Error::other(format!("it is version {VERSION}"));
            send(&mut wire, &Report::Failed(Trouble::new("start", &other)))
        }
    }
}

fn run(wire: &mut UnixStream, plan: &Plan) -> io::Result<()> {
    let mut secrets = Vec::new();
    for place in &plan.mounts {
        if matches!(place.kind, Kind::Secret { .. }) {
            secrets.push(receive_bytes(wire)?);
        }
    }
    match isolate(wire, plan, &secrets) {
        Ok(()) => Ok(()),
        Err(trouble) => send(wire, &Report::Failed(trouble)),
    }
}

fn isolate(wire: &mut UnixStream, plan: &Plan, secrets: &[Vec<u8>]) -> Result<(), Trouble> {
    enter_namespaces(wire, plan)?;
    set_parent_process_death_signal(Some(Signal::KILL)).at("tie it to its builder")?;
    // Closed when this process ends, however that happens.
    let (alive, held) = pipe_with(PipeFlags::CLOEXEC).at("make a pipe")?;
    match sys::fork().at("start a process")? {
        sys::Forked::Child => {
            drop(held);
            become_init(wire, plan, secrets, &alive);
        }
        sys::Forked::Parent(init) => watch(wire, init).at("wait for its end"),
    }
}

fn enter_namespaces(wire: &mut UnixStream, plan: &Plan) -> Result<(), Trouble> {
    let mut flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    if plan.network == Network::None {
        flags |= UnshareFlags::NEWNET;
    }
    if let Some(group) = &plan.cgroup {
        std::fs::write(group.join("cgroup.procs"), "0").at("enter a control group")?;
    }
    enter_user(wire, plan.mode, &plan.user)?;
    sys::unshare(flags).at("enter namespaces")
}

/// Enters the user namespace of a mode and becomes its root, or its user where there is only one.
fn enter_user(wire: &mut UnixStream, mode: Mode, user: &Ids) -> Result<(), Trouble> {
    let own = (getuid().as_raw(), getgid().as_raw());
    if mode != Mode::Root {
        sys::unshare(UnshareFlags::NEWUSER).at("enter a user namespace")?;
    }
    match mode {
        Mode::Root => Ok(()),
        Mode::Single => ids::map_own(own, user).at("map its own id"),
        Mode::Subordinate { .. } => {
            send(wire, &Report::Unshared).at("ask for ids")?;
            receive_bytes(wire).at("wait for ids")?;
            ids::become_root().at("become the root of the user namespace")
        }
    }
}

/// The rest of the first process of the namespace.
fn become_init(wire: &mut UnixStream, plan: &Plan, secrets: &[Vec<u8>], alive: &OwnedFd) -> ! {
    let report = match init::run(wire, plan, secrets, alive) {
        Ok(report) => report,
        Err(trouble) => Report::Failed(trouble),
    };
    // Who would hear that it cannot be told is gone.
    let _ = send(wire, &report);
    exit(0)
}

/// Waits until the sandbox has ended, and ends it when the builder's end of the socket closes.
fn watch(wire: &UnixStream, init: Pid) -> io::Result<()> {
    let handle = pidfd_open(init, PidfdFlags::empty())?;
    loop {
        let mut both = [
            PollFd::from_borrowed_fd(wire.as_fd(), PollFlags::empty()),
            PollFd::new(&handle, PollFlags::IN),
        ];
        match poll(&mut both, None) {
            Err(rustix::io::Errno::INTR) => continue,
            polled => polled?,
        };
        let is_gone = !both[0].revents().is_empty();
        if is_gone {
            // It may have ended by itself.
            let _ = pidfd_send_signal(&handle, Signal::KILL);
        }
        if is_gone || !both[1].revents().is_empty() {
            waitpid(Some(init), WaitOptions::empty())?;
            return Ok(());
        }
    }
}
