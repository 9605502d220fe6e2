//! The file systems of the system inside a sandbox: `/proc`, `/sys` and `/dev`, with what Docker hides of them hidden.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode as FileMode, mkdirat, mknodat, statat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::mounts::{PLAIN, READ_ONLY, attach, fresh, place};
use super::plan::{At, Mode, Plan, Trouble};
use super::sys;

/// Devices that hold nothing of the machine.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links in `/dev`.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// What tells of the machine or changes it, and is not there inside: the list of Docker and runc. In `/proc`, and in `/sys`.
const HIDDEN: [&str; 10] = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];
const HIDDEN_IN_SYS: [&str; 2] = ["firmware", "devices/virtual/powercap"];

/// What of `/proc` can only be read inside.
const PROTECTED: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// apt switches to a user of its own for its downloads, and looks whether that worked; with a single id it cannot.
const APT: (&str, &str) = ("/dev/apt.conf", "APT::Sandbox::User \"root\";\n");

/// The variable that makes apt read [`APT`].
pub(super) const APT_VARIABLE: (&str, &str) = ("APT_CONFIG", APT.0);

const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// Detached file systems. They are made while those of the machine can still be seen: in a user namespace the kernel asks for that.
pub(super) struct System {
    proc: OwnedFd,
    sys: OwnedFd,
    dev: OwnedFd,
    pts: OwnedFd,
    shm: OwnedFd,
    queues: OwnedFd,
    nodes: Vec<(&'static str, OwnedFd)>,
    mode: Mode,
}

impl System {
    pub(super) fn open(plan: &Plan) -> Result<Self, Trouble> {
        let mut pts = vec![("ptmxmode", "0666"), ("mode", "0620")];
        if plan.mode != Mode::Single {
            // The group `tty` of every distribution.
            pts.push(("gid", "5"));
        }
        let all = PLAIN | NOEXEC;
        let nodes = NODES.iter().map(|name| {
            let path = format!("/dev/{name}");
            let node = clone(CWD, &path, false, libc::MOUNT_ATTR_NOSUID);
            Ok((*name, node.at(format!("open {path}"))?))
        });
        let shm = [("mode", "1777"), ("size", "64m")];
        let dev = [("mode", "0755"), ("size", "1m")];
        Ok(Self {
            proc: fresh("proc", &[], all).at("mount /proc")?,
            sys: system_tree(all | READ_ONLY).at("mount /sys")?,
            dev: fresh("tmpfs", &dev, all).at("mount /dev")?,
            pts: fresh("devpts", &pts, libc::MOUNT_ATTR_NOSUID | NOEXEC).at("mount /dev/pts")?,
            shm: fresh("tmpfs", &shm, all).at("mount /dev/shm")?,
            queues: fresh("mqueue", &[], all).at("mount /dev/mqueue")?,
            nodes: nodes.collect::<Result<_, Trouble>>()?,
            mode: plan.mode,
        })
    }

    /// Attaches them; what has to be made for that in `upper` is noted.
    pub(super) fn attach(&self, made: &mut Vec<OwnedFd>) -> Result<(), Trouble> {
        for (target, mount) in [
            ("/proc", &self.proc),
            ("/sys", &self.sys),
            ("/dev", &self.dev),
        ] {
            let step = || format!("mount {target}");
            let at = place(Path::new(target), true, made).at(step())?;
            attach(mount.as_fd(), at.as_fd()).at(step())?;
        }
        self.fill().at("fill /dev")?;
        if self.mode == Mode::Single {
            fs::write(APT.0, APT.1).at(format!("write {}", APT.0))?;
        }
        Ok(())
    }

    /// Puts into `/dev` what belongs there. Nobody else has been in these trees, so names lead nowhere else.
    fn fill(&self) -> Result<(), Errno> {
        let trees = [
            ("pts", &self.pts),
            ("shm", &self.shm),
            ("mqueue", &self.queues),
        ];
        for (name, tree) in trees {
            mkdirat(&self.dev, name, FileMode::from_raw_mode(0o755))?;
            attach_below(tree, &self.dev, name)?;
        }
        for (name, node) in &self.nodes {
            let mode = FileMode::from_raw_mode(0o644);
            mknodat(&self.dev, *name, FileType::RegularFile, mode, 0)?;
            attach_below(node, &self.dev, name)?;
        }
        for (leads, name) in LINKS {
            symlinkat(leads, &self.dev, name)?;
        }
        Ok(())
    }

    /// Hides what must not be seen and protects what must not be changed.
    pub(super) fn mask(&self) -> Result<(), Trouble> {
        for name in PROTECTED {
            let step = || format!("protect /proc/{name}");
            match clone(&self.proc, name, true, PLAIN | NOEXEC | READ_ONLY) {
                // Not every kernel has all of them.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                cloned => attach_below(&cloned.at(step())?, &self.proc, name).at(step())?,
            }
        }
        let hidden = HIDDEN.map(|name| ("/proc", &self.proc, name));
        let hidden_in_sys = HIDDEN_IN_SYS.map(|name| ("/sys", &self.sys, name));
        for (place, tree, name) in hidden.into_iter().chain(hidden_in_sys) {
            let step = || format!("hide {place}/{name}");
            let Ok(found) = statat(tree, name, AtFlags::empty()) else {
                continue;
            };
            let mount = if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                fresh("tmpfs", &[("mode", "0555")], PLAIN | NOEXEC | READ_ONLY).at(step())?
            } else {
                clone(&self.dev, "null", false, 0).at(step())?
            };
            attach_below(&mount, tree, name).at(step())?;
        }
        Ok(())
    }
}

/// Attaches a detached mount to a name in a tree.
fn attach_below(mount: &OwnedFd, tree: &OwnedFd, name: &str) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mount, "", tree, name, flags)
}

/// The kernel's own tree. A user namespace that shares the network may not make a new one and gets the machine's.
fn system_tree(attributes: u64) -> io::Result<OwnedFd> {
    match fresh("sysfs", &[], attributes) {
        Err(Errno::PERM) => clone(CWD, "/sys", true, attributes),
        made => Ok(made?),
    }
}

/// A copy of the mount of a path, attached nowhere, with all below it if `all`.
fn clone(from: impl AsFd, path: &str, all: bool, attributes: u64) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if all {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let mount = open_tree(from, path, flags)?;
    if attributes != 0 {
        sys::set_attributes(mount.as_fd(), attributes, all)?;
    }
    Ok(mount)
}
