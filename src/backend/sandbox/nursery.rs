//! The process that all sandboxes of a builder are forked from, so that loading the program and compiling its filters is paid once.
//!
//! It has one thread, never learns what a sandbox is for, and ends when its socket closes, so also when the builder is killed. The
//! system ends its sandboxes with it. It takes in those that have ended, and leaves it to the builder to wait for them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SocketType, sockopt::socket_type};
use rustix::process::{Pid, WaitOptions, setpgid, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout, stdin};

use super::inside::{self, Parent};
use super::passing::{pass, take};
use super::{filter, sys};

/// The first file that is not one of the three of every program.
const FIRST: u32 = 3;

/// Forks sandboxes until the socket on standard input closes, and ends the process.
pub(super) fn serve() -> ! {
    let code = match nurse() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: sandboxes cannot be started by hand: {error}");
            2
        }
    };
    sys::end(code)
}

/// A sandbox that has not ended.
struct Child {
    pid: Pid,
    handle: OwnedFd,
}

fn nurse() -> io::Result<()> {
    if socket_type(stdin()) != Ok(SocketType::SEQPACKET) {
        return Err(io::Error::other("it is told what to do by a socket"));
    }
    sys::close_inherited(FIRST)?;
    // Opened before all others, so that a sandbox can close those.
    let parent = Parent::of_this_process()?;
    filter::compile()?;
    let mut children: Vec<Child> = Vec::new();
    loop {
        let handles = children
            .iter()
            .map(|it| PollFd::new(&it.handle, PollFlags::IN));
        let socket = PollFd::from_borrowed_fd(stdin(), PollFlags::IN);
        let mut waited: Vec<PollFd<'_>> = handles.chain([socket]).collect();
        match poll(&mut waited, None) {
            Err(Errno::INTR) => continue,
            polled => polled?,
        };
        let mut ready = waited.iter().map(|it| !it.revents().is_empty());
        let ended: Vec<bool> = ready.by_ref().take(children.len()).collect();
        let is_asked = ready.next() == Some(true);
        let mut ended = ended.into_iter();
        children.retain(|child| {
            let has_ended = ended.next() == Some(true);
            if has_ended {
                let _ = waitpid(Some(child.pid), WaitOptions::NOHANG);
            }
            !has_ended
        });
        if is_asked {
            let mut request = [0];
            let (length, files) = take(stdin(), &mut request)?;
            if length == 0 {
                return Ok(());
            }
            children.extend(fork(&files, request != [0], &parent));
        }
    }
}

/// Forks a sandbox, and answers with its number and a handle, or with the number of an error.
fn fork(files: &[OwnedFd], with_user: bool, parent: &Parent) -> Option<Child> {
    // Of a message that did not arrive whole, the builder sees that the files are closed.
    let [wire, out, err] = files else {
        return None;
    };
    match sys::fork_first(with_user) {
        Ok(None) => {
            let placed = dup2_stdin(wire)
                .and_then(|()| dup2_stdout(out))
                .and_then(|()| dup2_stderr(err));
            become_sandbox(placed, parent)
        }
        Ok(Some((pid, handle))) => {
            let number = pid.as_raw_nonzero().get();
            // Whoever cannot be told is gone, and the sandbox notices that, too.
            let _ = pass(wire, &number.to_le_bytes(), &[handle.as_fd()]);
            Some(Child { pid, handle })
        }
        Err(error) => {
            // As the system says it of a process that has threads.
            let number = error.raw_os_error().unwrap_or(libc::EINVAL);
            let _ = pass(wire, &(-number).to_le_bytes(), &[]);
            None
        }
    }
}

/// The rest of the first process of a sandbox.
fn become_sandbox(placed: Result<(), Errno>, parent: &Parent) -> ! {
    let rest = u32::try_from(parent.number() + 1).unwrap_or(FIRST);
    let is_ready = placed.is_ok() && sys::close_inherited(rest).is_ok();
    // A group of its own: signals for the builder's terminal are not for the sandbox.
    if is_ready && setpgid(None, None).is_ok() {
        inside::enter(parent)
    }
    sys::end(2)
}
