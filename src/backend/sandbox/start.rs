//! Starts sandboxes, which then wait to be told what they are for.
//!
//! They are forked from a process of their own, the nursery, which is this program started once more when a sandbox is first needed. Not
//! from this one, which has threads; and the system would end them with the thread that started them.

use std::io::{self, PipeReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::asked::ARGUMENT;
use super::error::SandboxError;
use super::plan::{Mode, Trouble};
use crate::process::{self, Started};

/// Whether sandboxes are started from this very program.
static SERVES: AtomicBool = AtomicBool::new(false);

/// Where the sandboxes of this process come from, once one was needed.
static NURSERY: Mutex<Option<Arc<Nursery>>> = Mutex::new(None);

/// How often a sandbox is asked for, each time from another nursery, if the one before has died.
const ATTEMPTS: usize = 3;

/// How long a sandbox may take to be forked, a thousand times what it takes: then the nursery is taken for dead.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for the end of a sandbox that nobody needs any more.
const LINGER: Duration = Duration::from_secs(1);

/// Notes that this program becomes a nursery when it is started as one.
pub(super) fn this_program_serves() {
    SERVES.store(true, Ordering::Relaxed);
}

/// The program that sandboxes are started from: this one, or for other users of the library `imgspec` in `PATH`.
pub(super) fn program() -> Option<PathBuf> {
    if SERVES.load(Ordering::Relaxed) {
        // Also right when the file has been replaced meanwhile.
        return Some("/proc/self/exe".into());
    }
    // Set where this source is compiled once more, for its own tests and its bench.
    if let Some(program) = option_env!("CARGO_BIN_EXE_imgspec") {
        return Some(program.into());
    }
    which::which("imgspec").ok()
}

/// A sandbox that waits to be told what it is for.
pub(super) struct Sandbox {
    pub(super) wire: UnixStream,
    pub(super) out: PipeReader,
    pub(super) err: PipeReader,
    pub(super) process: Process,
}

/// The first process of a sandbox. When it has ended, so has all that it started, and nothing is mounted any more; it is
/// killed when this is dropped.
pub(super) struct Process {
    pub(super) pid: u32,
    handle: OwnedFd,
    /// The system ends it with this.
    _nursery: Arc<Nursery>,
}

impl Process {
    pub(super) fn kill(&self) {
        // One that has ended by itself is fine.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::pidfd_send_signal(&self.handle, rustix::process::Signal::KILL);
    }

    /// Waits for its end; `false` if that takes longer.
    pub(super) fn wait(&self, most: Option<Duration>) -> io::Result<bool> {
        is_ready(self.as_fd(), most)
    }
}

impl AsFd for Process {
    /// Can be read when it has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = self.wait(Some(LINGER));
    }
}

/// Waits until a file can be read; `false` if that takes longer.
fn is_ready(file: BorrowedFd<'_>, most: Option<Duration>) -> io::Result<bool> {
    let until = most.map(|most| Instant::now() + most);
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(Timespec::try_from).transpose();
        let mut file = [PollFd::from_borrowed_fd(file, PollFlags::IN)];
        match poll(&mut file, left.map_err(io::Error::other)?.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Starts a sandbox for a mode.
pub(super) fn spawn(mode: Mode) -> Result<Sandbox, SandboxError> {
    for _ in 0..ATTEMPTS {
        let nursery = Nursery::current()?;
        if let Some(sandbox) = nursery.fork(mode)? {
            return Ok(sandbox);
        }
        // It was killed, perhaps because memory ran out, or was stopped.
        nursery.retire();
    }
    let why = "the process that sandboxes are forked from does not answer";
    Err(io::Error::other(why).into())
}

/// Ends the nursery, if there is one; a sandbox that is needed later gets another one.
pub(super) fn end() {
    // Dropped after the lock is.
    let nursery = NURSERY.lock().take();
    drop(nursery);
}

/// The process that sandboxes are forked from; it is killed when this is dropped.
struct Nursery {
    control: OwnedFd,
    _process: Started,
}

impl Nursery {
    /// The one of this process, started if there is none.
    fn current() -> io::Result<Arc<Self>> {
        let mut current = NURSERY.lock();
        if let Some(nursery) = &*current {
            return Ok(Arc::clone(nursery));
        }
        let nursery = Arc::new(Self::start()?);
        *current = Some(Arc::clone(&nursery));
        Ok(nursery)
    }

    /// Lets the next sandbox be forked from another one. This one stays until the last of its own has ended.
    fn retire(self: &Arc<Self>) {
        let mut current = NURSERY.lock();
        let retired = current.take_if(|it| Arc::ptr_eq(it, self));
        drop(current);
        drop(retired);
    }
}

#[cfg(target_os = "linux")]
impl Nursery {
    fn start() -> io::Result<Self> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

        let program = program().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (control, theirs) = socketpair(family, kind, SocketFlags::CLOEXEC, None)?;
        let mut command = Command::new(program);
        command
            .arg(ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs));
        // The command goes, too: else this process keeps the nursery's end of the socket open.
        Ok(Self {
            control,
            _process: process::start(&mut command)?,
        })
    }

    /// Forks a sandbox; `None` if the nursery does not answer any more.
    fn fork(self: &Arc<Self>, mode: Mode) -> Result<Option<Sandbox>, SandboxError> {
        let (wire, theirs) = UnixStream::pair()?;
        let ((out, their_out), (err, their_err)) = (io::pipe()?, io::pipe()?);
        let files = [theirs.as_fd(), their_out.as_fd(), their_err.as_fd()];
        let request = [u8::from(mode != Mode::Root)];
        match super::passing::pass(&self.control, &request, &files) {
            Err(error) if is_gone(&error) => return Ok(None),
            passed => passed?,
        }
        drop((theirs, their_out, their_err));
        let Some((pid, handle)) = answer(&wire)? else {
            return Ok(None);
        };
        let process = Process {
            pid,
            handle,
            _nursery: Arc::clone(self),
        };
        Ok(Some(Sandbox {
            wire,
            out,
            err,
            process,
        }))
    }
}

#[cfg(not(target_os = "linux"))]
impl Nursery {
    fn start() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn fork(self: &Arc<Self>, _mode: Mode) -> Result<Option<Sandbox>, SandboxError> {
        Ok(None)
    }
}

/// What the nursery answers: the number of the new process and a handle; `None` if it does not.
#[cfg(target_os = "linux")]
fn answer(wire: &UnixStream) -> Result<Option<(u32, OwnedFd)>, SandboxError> {
    if !is_ready(wire.as_fd(), Some(PATIENCE))? {
        return Ok(None);
    }
    let mut number = [0; 4];
    let (length, mut files) = match super::passing::take(wire, &mut number) {
        Err(error) if is_gone(&error) => return Ok(None),
        taken => taken?,
    };
    if length < number.len() {
        return Ok(None);
    }
    let number = i32::from_le_bytes(number);
    match (u32::try_from(number), files.pop()) {
        (Ok(pid), Some(handle)) => Ok(Some((pid, handle))),
        // This process has no room for another open file; the sandbox ends with its socket.
        (Ok(_), None) => Err(io::Error::from(Errno::MFILE).into()),
        (Err(_), _) => {
            let error = io::Error::from_raw_os_error(number.saturating_neg());
            Err(SandboxError::Setup(Trouble::new(
                "enter namespaces",
                &error,
            )))
        }
    }
}

/// Whether the other end of a socket is not there any more.
#[cfg(target_os = "linux")]
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};

    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}
