//! The extended attributes of what a command left in the upper directory of an overlay.

use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;

use super::owner::Owner;
use super::trees::{OPAQUE, OWNER, is_carried};
use crate::backend::oci::layer::Xattr;
use crate::disk::dir::Dir;

/// The largest attribute that Linux knows, in bytes.
const LARGEST: usize = 64 << 10;

/// Why attributes do not belong into a layer.
pub(super) enum Unfit {
    /// They cannot be read.
    Unread(Errno),
    /// This one says that the entry is not whole.
    Overlay(String),
}

/// What the attributes of an entry say.
pub(super) struct Read {
    /// Those that belong into a layer.
    pub(super) xattrs: Vec<Xattr>,
    /// Whether it is a directory that hides what is below it.
    pub(super) is_opaque: bool,
    /// The owner that it had in a layer.
    pub(super) owner: Option<Owner>,
}

/// Reads the attributes of an entry.
pub(super) fn read(above: &Dir, name: &OsStr) -> Result<Read, Unfit> {
    // Links are not followed, and nothing has to be opened.
    let at = Path::new("/proc/self/fd")
        .join(above.handle().as_raw_fd().to_string())
        .join(name);
    let mut names = vec![0; LARGEST];
    let length = match llistxattr(&at, &mut names) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(Unfit::Unread(error)),
    };
    let mut found = Vec::new();
    let mut is_opaque = false;
    let mut owner = None;
    for name in names[..length].split(|byte| *byte == 0) {
        let name = String::from_utf8_lossy(name);
        let own = name.strip_prefix("user.overlay.");
        if let Some(own) = own.or(name.strip_prefix("trusted.overlay.")) {
            if matches!(own, "redirect" | "metacopy") {
                return Err(Unfit::Overlay(name.into_owned()));
            }
            if own != "opaque" {
                continue;
            }
        } else if name != OWNER && !is_carried(&name) {
            continue;
        }
        let mut value = vec![0; LARGEST];
        let length = lgetxattr(&at, name.as_ref(), &mut value).map_err(Unfit::Unread)?;
        value.truncate(length);
        match name.as_ref() {
            OPAQUE | "trusted.overlay.opaque" => is_opaque |= value == b"y",
            OWNER => owner = read_owner(&value),
            "security.capability" => found.push((name.into_owned(), without_root(value))),
            _ => found.push((name.into_owned(), value)),
        }
    }
    found.sort();
    Ok(Read {
        xattrs: found,
        is_opaque,
        owner,
    })
}

fn read_owner(value: &[u8]) -> Option<Owner> {
    let (user, group) = std::str::from_utf8(value).ok()?.split_once(':')?;
    let number = |text: &str| text.parse::<u32>().ok().map(u64::from);
    Some(Owner {
        user: number(user)?,
        group: number(group)?,
    })
}

/// Capabilities in the form that any root understands: those of a file in a user namespace name the namespace's root.
fn without_root(mut value: Vec<u8>) -> Vec<u8> {
    const REVISION: usize = 3;
    if value.len() == 24 && value[REVISION] == 3 {
        value[REVISION] = 2;
        value.truncate(20);
    }
    value
}
