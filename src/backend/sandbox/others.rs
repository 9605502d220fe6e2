//! Files of subordinate ids: gives files to them, and removes what belongs to them, which the user who runs this cannot do outside of a
//! user namespace. The builder's half.

use std::io::{self, BufWriter, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::error::SandboxError;
use super::frames::{receive, send, send_bytes};
use super::plan::{Errand, Mode, Report, Task};
use super::start::{self, Sandbox};
use super::supervise;

/// An entry of a directory that belongs to others than 0:0, or has capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Owned {
    /// The path in the directory, without a leading slash.
    pub(in crate::backend) path: Vec<u8>,
    pub(in crate::backend) uid: u32,
    pub(in crate::backend) gid: u32,
    pub(in crate::backend) mode: u32,
    /// The value of `security.capability`; empty for none.
    pub(in crate::backend) capability: Vec<u8>,
}

/// Gives entries of a directory to owners, who are ids of a user namespace with subordinate ids. Returns the first path whose owner
/// is not among these ids; it stays root's.
///
/// # Errors
///
/// Fails if the mode has no such ids, if the machine does not map them, or if an entry cannot be changed.
pub(in crate::backend) fn give(
    mode: Mode,
    directory: &Path,
    owned: &[Owned],
) -> Result<Option<String>, SandboxError> {
    errand(mode, directory, Errand::Give, &|wire| {
        let mut wire = BufWriter::new(wire);
        for entry in owned {
            let numbers = [entry.uid, entry.gid, entry.mode];
            let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
            let bytes: Vec<u8> = numbers.chain(entry.path.iter().copied()).collect();
            send_bytes(&mut wire, &bytes)?;
            send_bytes(&mut wire, &entry.capability)?;
        }
        send_bytes(&mut wire, &[])?;
        wire.flush()
    })
}

/// Removes everything in a directory, to whichever subordinate id it belongs. `false` if this user has no such ids.
///
/// # Errors
///
/// Fails if the machine does not map them, or if something cannot be removed.
pub(in crate::backend) fn empty(directory: &Path) -> Result<bool, SandboxError> {
    let Some(mode) = mode() else {
        return Ok(false);
    };
    errand(mode, directory, Errand::Empty, &|_| Ok(()))?;
    Ok(true)
}

#[cfg(target_os = "linux")]
fn mode() -> Option<Mode> {
    (!super::restrict::is_root())
        .then(super::ranges::subordinate)
        .flatten()
}

#[cfg(not(target_os = "linux"))]
fn mode() -> Option<Mode> {
    None
}

fn errand(
    mode: Mode,
    directory: &Path,
    errand: Errand,
    then: &dyn Fn(&UnixStream) -> io::Result<()>,
) -> Result<Option<String>, SandboxError> {
    let Sandbox {
        mut wire, process, ..
    } = start::spawn(mode)?;
    let task = Task::Errand {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mode,
        directory: directory.to_owned(),
        errand,
    };
    send(&mut wire, &task)?;
    let told = loop {
        match receive(&mut wire)? {
            Report::Unshared => {
                supervise::give_ids(&mut wire, mode, process.pid)?;
                // It may have ended, and then says why.
                let _ = then(&wire);
            }
            Report::Done(left) => break Ok(left),
            Report::Failed(trouble) => break Err(SandboxError::Setup(trouble)),
            Report::NotStarted(_) | Report::Ended { .. } => break Err(SandboxError::Lost),
        }
    };
    drop(wire);
    process.wait(None)?;
    told
}
