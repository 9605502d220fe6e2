//! User namespaces: which ids of the machine the ids inside are, and how files of several owners are handed over to one.

use std::fs;
use std::io;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::plan::Ids;

/// Makes the user who runs this the program's user.
pub(super) fn map_own(own: (u32, u32), user: &Ids) -> io::Result<()> {
    // The kernel asks for this, since leaving a group can give rights.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{} {} 1", user.uid, own.0))?;
    fs::write("/proc/self/gid_map", format!("{} {} 1", user.gid, own.1))
}

/// Becomes root inside, once ids are mapped.
pub(super) fn become_root() -> io::Result<()> {
    set_thread_groups(&[])?;
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    Ok(())
}
