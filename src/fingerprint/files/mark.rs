//! The metadata of a file that shows whether the file changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;

use crate::disk::read::Root;

/// In seconds: the coarsest resolution of file times. A file that was written just before it was read may be written again
/// without a change of its times.
const COARSEST_CLOCK: i64 = 2;

/// The metadata that changes when a file's content or mode does. Replacing a file changes the inode; no program can set the
/// ctime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// The first field, so that marks are ordered by inode.
    inode: u64,
    device: u64,
    mode: u32,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Mark {
    pub(super) fn new(meta: &Metadata) -> Self {
        Self {
            inode: meta.ino(),
            device: meta.dev(),
            mode: meta.mode(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    pub(super) fn inode(&self) -> u64 {
        self.inode
    }

    pub(super) fn device(&self) -> u64 {
        self.device
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether any execute bit is set.
    pub(super) fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }

    /// Whether the file at this path still has this mark, that is, is the same file and unchanged.
    pub(super) fn is_still(&self, root: &Root, at: &Path) -> bool {
        root.stat(at).is_some_and(|now| Self::new(&now) == *self)
    }

    /// The later of mtime and ctime, in seconds since 1970.
    pub(super) fn newest(&self) -> i64 {
        self.modified.0.max(self.changed.0)
    }

    /// Whether an equal mark proves nothing, because the file was written so shortly before it was read (in seconds
    /// since 1970) that the clock may not distinguish the two.
    pub(super) fn is_racy(&self, read: i64) -> bool {
        self.newest() + COARSEST_CLOCK >= read
    }

    /// All fields except the inode; equal bytes mean equal fields.
    pub(super) fn bytes(&self) -> [u8; 52] {
        let mut bytes = [0; 52];
        let times = [
            self.modified.0,
            self.modified.1,
            self.changed.0,
            self.changed.1,
        ];
        let numbers = [self.device, self.size]
            .into_iter()
            .chain(times.map(i64::cast_unsigned));
        let (head, tail) = bytes.split_at_mut(48);
        for (place, number) in head.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        tail.copy_from_slice(&self.mode.to_le_bytes());
        bytes
    }
}

impl From<&Stat> for Mark {
    // The field types depend on the platform.
    #[allow(
        clippy::useless_conversion,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        reason = "not everywhere"
    )]
    fn from(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino.into(),
            device: stat.st_dev as u64,
            mode: stat.st_mode.into(),
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

pub(super) fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rustix::fs::{AtFlags, CWD, statat};

    use super::*;

    #[test]
    fn an_open_file_and_its_name_have_one_mark() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mark = Mark::new(&file.as_file().metadata().unwrap());
        let named = statat(CWD, file.path(), AtFlags::SYMLINK_NOFOLLOW).unwrap();
        assert_eq!(Mark::from(&named), mark);
        let other = tempfile::NamedTempFile::new().unwrap();
        let other = Mark::new(&other.as_file().metadata().unwrap());
        assert_ne!(other, mark);
    }

    #[test]
    fn marks_that_differ_differ_in_their_bytes() {
        let mark = Mark {
            inode: 1,
            device: 2,
            mode: 3,
            size: 4,
            modified: (5, 6),
            changed: (7, 8),
        };
        let others = [
            Mark { device: 9, ..mark },
            Mark { mode: 9, ..mark },
            Mark { size: 9, ..mark },
            Mark {
                modified: (9, 6),
                ..mark
            },
            Mark {
                modified: (5, 9),
                ..mark
            },
            Mark {
                changed: (9, 8),
                ..mark
            },
            Mark {
                changed: (7, 9),
                ..mark
            },
        ];
        for other in others {
            assert_ne!(other.bytes(), mark.bytes(), "{other:?}");
        }
    }
}
