//! The first process of a sandbox: builds its root, starts the program, takes in orphans, and tells how the program ended. When it
//! exits, the system kills whatever the program left behind. It keeps its rights, since the program may neither trace it nor see its
//! files.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::Mode as FileMode;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, umask, wait};

use super::asker::path_of;
use super::frames::send;
use super::mounts::Sources;
use super::plan::{At, Ids, Kind, Mode, Network, Plan, Report, Status, Trouble};
use super::witness::Witness;
use super::{devices, mounts, network, overlay, owners, restrict, sys};

/// Runs the program of a plan.
pub(super) fn run(
    wire: &mut UnixStream,
    plan: &Plan,
    secrets: &[Vec<u8>],
) -> Result<Report, Trouble> {
    umask(FileMode::WGRP | FileMode::WOTH);
    // Before it is hidden by the overlay. These stay open while the program runs: nothing is above them.
    let upper = mounts::alone(&plan.upper).at("open the upper directory")?;
    let caches = open_caches(plan)?;
    // What a killed sandbox left belongs to whomever its program gave it.
    take_back(&caches)?;
    let made = build_root(plan, secrets)?;
    if plan.argv.is_empty() {
        let status = Status::Code(0);
        return Ok(ended(status, made));
    }
    let (ours, theirs) = UnixStream::pair().at("make a socket")?;
    let (status, answering) = match sys::fork().at("start a process")? {
        sys::Forked::Child => {
            drop(ours);
            start(wire, plan, &theirs)
        }
        sys::Forked::Parent(program) => {
            drop(theirs);
            let answering = witness(plan, ours, &upper).at("answer for the system")?;
            (reap(program).at("wait for the program")?, answering)
        }
    };
    take_back(&caches)?;
    let wishes = answering.map(Witness::end).transpose();
    let wishes = wishes.at("answer for the system")?.unwrap_or_default();
    let told = owners::tell(&upper, plan.mode, &wishes).at("hand over what the program made")?;
    Ok(Report::Ended {
        status,
        made,
        owners: told.owners,
        devices: told.devices,
    })
}

/// The caches whose files cannot tell their owners outside.
fn open_caches(plan: &Plan) -> Result<Vec<OwnedFd>, Trouble> {
    let mut caches = Vec::new();
    for place in &plan.mounts {
        if let (Mode::Subordinate { .. }, Kind::Cache { source }) = (plan.mode, &place.kind) {
            let step = || format!("open {} for {}", source.display(), place.target);
            caches.push(mounts::alone(source).at(step())?);
        }
    }
    Ok(caches)
}

/// Gives what is in caches to the user who runs the sandbox, who could not remove it otherwise.
fn take_back(caches: &[OwnedFd]) -> Result<(), Trouble> {
    let mut caches = caches.iter();
    caches
        .try_for_each(owners::take_back)
        .at("hand over what is in a cache")
}

/// Root needs nobody to answer for it.
fn witness(plan: &Plan, wire: UnixStream, upper: &OwnedFd) -> io::Result<Option<Witness>> {
    if plan.mode == Mode::Root {
        return Ok(None);
    }
    // With subordinate ids a file that belongs to the root inside stays so.
    let own = match plan.mode {
        Mode::Single => plan.user.clone(),
        Mode::Root | Mode::Subordinate { .. } => Ids::default(),
    };
    Witness::start(wire, upper.try_clone()?, &own).map(Some)
}

fn ended(status: Status, made: Vec<PathBuf>) -> Report {
    Report::Ended {
        status,
        made,
        owners: Vec::new(),
        devices: Vec::new(),
    }
}

/// Returns the mount points that had to be made in `upper`.
fn build_root(plan: &Plan, secrets: &[Vec<u8>]) -> Result<Vec<PathBuf>, Trouble> {
    mounts::make_private()?;
    let root = overlay::mount(plan)?;
    let sources = Sources::open(plan, secrets)?;
    let system = devices::System::open(plan)?;
    overlay::enter(&root)?;
    let mut made = Vec::new();
    system.attach(&mut made)?;
    sources.attach(&mut made)?;
    restrict::limit_processes(plan)?;
    system.mask()?;
    rustix::system::sethostname(plan.hostname.as_bytes()).at("set the host name")?;
    if plan.network == Network::None {
        network::start_loopback().at("start the loopback interface")?;
    }
    let made = made
        .iter()
        .map(|made| Ok(Path::new("/").join(path_of(made)?)));
    let made: Result<_, Errno> = made.collect();
    made.at("find what it made to mount something")
}

/// The rest of the program's process until it is the program.
fn start(wire: &mut UnixStream, plan: &Plan, answers: &UnixStream) -> ! {
    let trouble = match restrict::start(plan, answers) {
        Ok(never) => match never {},
        Err(trouble) => trouble,
    };
    let _ = send(wire, &Report::NotStarted(trouble));
    sys::end(127)
}

/// Waits for the program, and on the way for whatever lost its parent. Then ends what the program left behind, which could go on
/// changing files.
fn reap(program: Pid) -> io::Result<Status> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => {
                ended = Some(told(status));
                // To all but this one itself; none left is fine.
                let _ = sys::kill_others();
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return ended.ok_or_else(|| Errno::CHILD.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn told(status: WaitStatus) -> Status {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Status::Code(code),
        (None, signal) => Status::Signal(signal.unwrap_or_default()),
    }
}
