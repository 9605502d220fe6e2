//! What the system reports about changes: which file systems report none, and which limits to raise.
//!
//! Silent file systems are recognized by type, because a probe would have to write into the user's directories.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// File systems that other machines can change without this kernel noticing, by magic number.
const SILENT: [(u64, &str); 12] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9p"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x786f_4256, "a VirtualBox share"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x6b41_4653, "AFS"),
];

#[derive(Debug, Default)]
pub(super) struct FileSystems(BTreeSet<u64>);

impl FileSystems {
    /// The file system of a directory if it does not report all changes; `None` also if its device was checked before.
    pub(super) fn silent(&mut self, folder: &Path) -> Option<&'static str> {
        let device = std::fs::metadata(folder).ok()?.dev();
        if !self.0.insert(device) {
            return None;
        }
        silent(kind(folder)?)
    }
}

#[cfg(target_os = "linux")]
fn kind(folder: &Path) -> Option<u64> {
    let kind = rustix::fs::statfs(folder).ok()?.f_type;
    // The magic numbers have 32 bits; where the field is narrow and signed they come out negative.
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the field's type differs between machines"
    )]
    Some(kind as u64 & 0xffff_ffff)
}

#[cfg(not(target_os = "linux"))]
fn kind(_: &Path) -> Option<u64> {
    None
}

fn silent(kind: u64) -> Option<&'static str> {
    SILENT
        .iter()
        .find(|(magic, _)| *magic == kind)
        .map(|(_, name)| *name)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Watches,
    /// Too many inotify instances, or too many open files.
    Instances,
}

impl Limit {
    /// The limit behind a system error, if it is one.
    pub(super) fn behind(code: i32) -> Option<Self> {
        use rustix::io::Errno;
        if code == Errno::NOSPC.raw_os_error() {
            Some(Self::Watches)
        } else if code == Errno::MFILE.raw_os_error() || code == Errno::NFILE.raw_os_error() {
            Some(Self::Instances)
        } else {
            None
        }
    }

    /// What happened, and which limit to raise.
    pub(super) fn words(self, folders: usize) -> String {
        match self {
            Self::Watches => format!(
                "the limit on inotify watches is too low for {folders} directories; raise it with `sudo sysctl fs.inotify.max_user_watches=524288`"
            ),
            Self::Instances => "the limit on inotify instances is reached; raise it with `sudo sysctl fs.inotify.max_user_instances=1024`, or the limit of open files with `ulimit -n`".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen in notify#254 and tilt#1012.
    #[test]
    fn file_systems_without_events_are_known_by_type() {
        assert_eq!(silent(0x6969), Some("NFS"));
        assert_eq!(silent(0x0102_1997), Some("9p"));
        assert_eq!(silent(0x6573_5546), Some("FUSE"));
        // ext4, btrfs, tmpfs, overlayfs, xfs
        for local in [0xef53, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x5846_5342] {
            assert_eq!(silent(local), None);
        }
    }

    #[test]
    fn each_file_system_is_asked_once() {
        let mut systems = FileSystems::default();
        let folder = tempfile::tempdir().unwrap();
        // Depends on the machine.
        let _ = systems.silent(folder.path());
        assert_eq!(systems.silent(folder.path()), None);
        assert_eq!(systems.0.len(), 1);
    }

    /// Seen with compose's `max_user_instances` hint.
    #[test]
    fn limits_are_known_and_say_what_to_raise() {
        assert_eq!(Limit::behind(28), Some(Limit::Watches));
        assert_eq!(Limit::behind(24), Some(Limit::Instances));
        assert_eq!(Limit::behind(2), None);
        assert!(
            Limit::Watches
                .words(9)
                .contains("fs.inotify.max_user_watches")
        );
        assert!(
            Limit::Instances
                .words(9)
                .contains("fs.inotify.max_user_instances")
        );
    }
}
