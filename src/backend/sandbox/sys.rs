//! The system calls for which there is no safe function: each behind one that is safe for how a sandbox uses it.
#![allow(
    unsafe_code,
    reason = "forking, namespaces, seccomp and attributes of mounts are system calls without a safe wrapper in any library used here"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::Pid;
use rustix::thread::UnshareFlags;
use seccompiler::sock_filter;

/// Which side of a fork this is.
pub(super) enum Forked {
    /// The new process.
    Child,
    /// The old process, and the new one's id.
    Parent(Pid),
}

/// Makes a second process. Refused in a process with several threads, where the second one could hang on a lock of a thread that
/// it does not have.
pub(super) fn fork() -> io::Result<Forked> {
    be_alone()?;
    // SAFETY: this is the only thread, so that the child's memory is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Pid::from_raw(pid)
            .map(Forked::Parent)
            .ok_or_else(|| io::Error::other("no process id")),
    }
}

/// Makes a second process, which is the first one of a new process namespace, and is in a new user namespace if that is asked for.
/// Returns to the old one the new one's id and a handle, and nothing to the new one. Refused in a process with several threads, too.
pub(super) fn fork_first(with_user: bool) -> io::Result<Option<(Pid, OwnedFd)>> {
    be_alone()?;
    let user = if with_user { libc::CLONE_NEWUSER } else { 0 };
    let flags = libc::CLONE_NEWPID | user | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut handle: libc::c_int = -1;
    // SAFETY: this is the only thread, so that the child's memory is consistent. The child goes on with its own copy of it, stack
    // included, as after `fork`. The kernel writes one number to `handle`.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            libc::c_long::from(flags),
            0_usize,
            &raw mut handle,
            0_usize,
            0_usize,
        )
    };
    done(pid)?;
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(None);
    };
    // SAFETY: the kernel has just opened this file for this process, and nothing else has it.
    let handle = unsafe { OwnedFd::from_raw_fd(handle) };
    Ok(Some((pid, handle)))
}

fn be_alone() -> io::Result<()> {
    if std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        return Err(io::Error::other("a process with threads cannot be forked"));
    }
    Ok(())
}

/// Ends this process at once. What would be done at the end of a program is for the process that it was forked from.
pub(super) fn end(code: i32) -> ! {
    // SAFETY: it only ends the process.
    unsafe { libc::_exit(code) }
}

/// Enters new namespaces.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: only the table of open files must not be unshared while other threads use it, and it is not in the flags of any caller.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags - UnshareFlags::FILES) }?)
}

/// Closes all files from this number on. Only for a process that has just started, or been forked and never returns: whatever is open
/// is not its own and must not reach the program.
pub(super) fn close_inherited(first: u32) -> io::Result<()> {
    // SAFETY: no value of this process that is used again owns one of these files.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0u32) };
    done(result)
}

/// Filters the system calls of this process and of all that it starts. Unlike the library's own function this does not take away the
/// effect of set-user-id programs, which packages install and use.
pub(super) fn filter(program: &[sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut().cast(),
    };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel reads `len` instructions at `filter`, whose layout is the kernel's own, and keeps a copy.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, mode, 0u32, &raw const program) };
    done(result)
}

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`.
const SYNCHRONOUS: u64 = 1;

/// The same for a filter whose calls wait for an answer; returns the file from which they are read.
pub(super) fn filter_with_listener(program: &[sock_filter]) -> io::Result<OwnedFd> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut().cast(),
    };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // Without it, which is for kernels before 5.19, a signal makes a program ask twice.
    let once = libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let mut result = -1;
    for flags in [listener | once, listener] {
        // SAFETY: the kernel reads `len` instructions at `filter`, whose layout is the kernel's own, and keeps a copy.
        result = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
        let error = io::Error::last_os_error().raw_os_error();
        if result >= 0 || error != Some(libc::EINVAL) {
            break;
        }
    }
    done(result)?;
    let number = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel has just opened this file for this process, and nothing else has it.
    let listener = unsafe { OwnedFd::from_raw_fd(number) };
    let request = libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS;
    // Who answers then runs on the processor of who asks, which waits anyway. Kernels before 6.6 do not know it, and are slower.
    // SAFETY: the argument is a number.
    let _ = unsafe { libc::ioctl(number, request, SYNCHRONOUS) };
    Ok(listener)
}

/// A system call that waits for an answer.
pub(super) struct Call {
    id: u64,
    /// The thread that makes it.
    pub(super) thread: u32,
    /// The number of the call.
    pub(super) number: i64,
    pub(super) arguments: [u64; 6],
}

/// The next call that waits; `None` if its thread is gone.
pub(super) fn next_call(listener: BorrowedFd<'_>) -> io::Result<Option<Call>> {
    // SAFETY: all of it are numbers, for which zeros are values; the kernel insists on zeros.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
    // SAFETY: the kernel writes one such structure.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw mut call) };
    match done(result.into()) {
        Ok(()) => Ok(Some(Call {
            id: call.id,
            thread: call.pid,
            number: call.data.nr.into(),
            arguments: call.data.args,
        })),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Answers a call: it is done, or failed with this number. One whose thread is gone needs no answer.
pub(super) fn answer(listener: BorrowedFd<'_>, call: &Call, error: i32) -> io::Result<()> {
    let answer = libc::seccomp_notif_resp {
        id: call.id,
        val: 0,
        error: -error,
        flags: 0,
    };
    let request = libc::SECCOMP_IOCTL_NOTIF_SEND;
    // SAFETY: the kernel reads one such structure.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw const answer) };
    match done(result.into()) {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

/// Adds attributes, `MOUNT_ATTR_…`, to a mount that is given by handle, and to all below it if `all`.
pub(super) fn set_attributes(mount: BorrowedFd<'_>, attributes: u64, all: bool) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | if all { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty string that ends with a zero, and the kernel reads as many bytes as it is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    done(result)
}

/// Kills all processes but this one: only for the first process of a namespace, where these are the others of the namespace.
pub(super) fn kill_others() -> io::Result<()> {
    if rustix::process::getpid() != Pid::INIT {
        return Err(io::Error::other(
            "this is not the first process of its namespace",
        ));
    }
    // SAFETY: a signal to other processes touches no memory of this one.
    done(unsafe { libc::kill(-1, libc::SIGKILL) }.into())
}

fn done(result: i64) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
