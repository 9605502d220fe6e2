//! The system calls for which there is no safe function: each behind one that is safe for how a sandbox uses it.
#![allow(
    unsafe_code,
    reason = "forking, namespaces, seccomp and attributes of mounts are system calls without a safe wrapper in any library used here"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

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
    if std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        return Err(io::Error::other("a process with threads cannot be forked"));
    }
    // SAFETY: this is the only thread, so that the child's memory is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Pid::from_raw(pid)
            .map(Forked::Parent)
            .ok_or_else(|| io::Error::other("no process id")),
    }
}

/// Enters new namespaces.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: only the table of open files must not be unshared while other threads use it, and it is not in the flags of any caller.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags - UnshareFlags::FILES) }?)
}

/// Closes all files from this number on. Only for a process that has just started and has opened none itself: whatever is open
/// came from who started it and must not reach the program.
pub(super) fn close_inherited(first: u32) -> io::Result<()> {
    // SAFETY: no value of this process owns one of these files, as it has just started.
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
