//! The file systems of the system inside a sandbox: `/proc`, `/sys` and `/dev`, with what Docker hides of them hidden.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

use super::mounts::{PLAIN, READ_ONLY, attach, fresh, place};
use super::plan::{At, Mode, Plan, Trouble};
use super::sys;

/// Devices that hold nothing of the machine.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links in `/dev`.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// What tells of the machine or changes it, and is not there inside: the list of Docker and runc.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// What can only be read inside.
const READ_ONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

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
            let node = clone(
                &Path::new("/dev").join(name),
                false,
                libc::MOUNT_ATTR_NOSUID,
            );
            Ok((*name, node.at(format!("open /dev/{name}"))?))
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
    pub(super) fn attach(&self, made: &mut Vec<PathBuf>) -> Result<(), Trouble> {
        for (target, mount) in [
            ("/proc", &self.proc),
            ("/sys", &self.sys),
            ("/dev", &self.dev),
        ] {
            attach_at(target, true, mount, made).at(format!("mount {target}"))?;
        }
        // Below `/dev` nothing that is made lasts.
        let mut passing = Vec::new();
        for (target, mount) in [
            ("/dev/pts", &self.pts),
            ("/dev/shm", &self.shm),
            ("/dev/mqueue", &self.queues),
        ] {
            attach_at(target, true, mount, &mut passing).at(format!("mount {target}"))?;
        }
        for (name, node) in &self.nodes {
            let target = format!("/dev/{name}");
            attach_at(&target, false, node, &mut passing).at(format!("mount {target}"))?;
        }
        for (leads, link) in LINKS {
            symlink(leads, link).at(format!("make {link}"))?;
        }
        if self.mode == Mode::Single {
            fs::write(APT.0, APT.1).at(format!("write {}", APT.0))?;
        }
        Ok(())
    }
}

fn attach_at(
    target: &str,
    is_directory: bool,
    mount: &OwnedFd,
    made: &mut Vec<PathBuf>,
) -> Result<(), Errno> {
    let at = place(Path::new(target), is_directory, made)?;
    attach(mount.as_fd(), at.as_fd())
}

/// The kernel's own tree. A user namespace that shares the network may not make a new one and gets the machine's.
fn system_tree(attributes: u64) -> std::io::Result<OwnedFd> {
    match fresh("sysfs", &[], attributes) {
        Err(Errno::PERM) => clone(Path::new("/sys"), true, attributes),
        made => Ok(made?),
    }
}

fn clone(path: &Path, all: bool, attributes: u64) -> std::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if all {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let mount = open_tree(CWD, path, flags)?;
    sys::set_attributes(mount.as_fd(), attributes, all)?;
    Ok(mount)
}

/// Hides what must not be seen and protects what must not be changed.
pub(super) fn mask() -> Result<(), Trouble> {
    let mut none = Vec::new();
    for path in READ_ONLY_PATHS.map(Path::new) {
        if path.exists() {
            let step = || format!("protect {}", path.display());
            let mount = clone(path, true, PLAIN | NOEXEC | READ_ONLY).at(step())?;
            let at = place(path, false, &mut none).at(step())?;
            attach(mount.as_fd(), at.as_fd()).at(step())?;
        }
    }
    for path in MASKED.map(Path::new) {
        let step = || format!("hide {}", path.display());
        let Ok(kind) = fs::metadata(path) else {
            continue;
        };
        let mount = if kind.is_dir() {
            fresh("tmpfs", &[("mode", "0555")], PLAIN | NOEXEC | READ_ONLY).at(step())?
        } else {
            clone(Path::new("/dev/null"), false, 0).at(step())?
        };
        let at = place(path, false, &mut none).at(step())?;
        attach(mount.as_fd(), at.as_fd()).at(step())?;
    }
    Ok(())
}
