//! A manifest on the disk: read once, and replaced whole if it is still what was read.
//!
//! A link within the workspace stays, and what it leads to is replaced; one that leads out of it is refused.

use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Gid, Uid, fchown, flock};
use rustix::io::Errno;

use crate::disk::read::{self, Links};
use crate::disk::system_words;
use crate::manifest::SIZE_LIMIT;
use crate::session::Refusal;

/// The mark that some editors put before a text; it is none of it.
const BOM: &str = "\u{feff}";

/// A manifest as it was read.
pub struct File {
    /// Where it really is.
    path: PathBuf,
    /// What it is called in words.
    shown: String,
    whole: String,
}

impl File {
    /// Reads a manifest, which must lie below `root`; `path` is relative to that.
    ///
    /// # Errors
    /// When it cannot be read, is no text, or lies somewhere else.
    pub fn read(root: &Path, path: &Path) -> Result<Self, Refusal> {
        let shown = path.display().to_string();
        let unreadable = |why: &str| Refusal::Other {
            message: format!("`{shown}` cannot be read: {why}"),
            help: None,
        };
        let real = |path: &Path| {
            path.canonicalize()
                .map_err(|error| unreadable(&system_words(&error)))
        };
        let (root, path) = (real(root)?, real(&root.join(path))?);
        if !path.starts_with(&root) {
            return Err(Refusal::Other {
                message: format!("`{shown}` is a link that leads out of the workspace"),
                help: Some(format!(
                    "change `{}` itself, in its own workspace",
                    path.display()
                )),
            });
        }
        let bytes = read::bytes(&path, Links::Refuse, SIZE_LIMIT as u64)
            .map_err(|why| unreadable(&why.to_string()))?;
        let whole = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8"))?;
        Ok(Self { path, shown, whole })
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.whole.strip_prefix(BOM).unwrap_or(&self.whole)
    }

    /// Puts another text in its place, at once or not at all; mode and owner stay.
    ///
    /// # Errors
    /// When it is no longer what was read, or cannot be written.
    pub fn replace(&self, text: &str) -> Result<(), Refusal> {
        let mark = if self.whole.starts_with(BOM) { BOM } else { "" };
        match self.put(&format!("{mark}{text}")) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.moved()),
            Err(error) => Err(Refusal::Other {
                message: format!(
                    "`{}` cannot be written: {}",
                    self.shown,
                    system_words(&error)
                ),
                help: Some("it is as it was; are it and its directory writable?".to_owned()),
            }),
        }
    }

    /// What is said when somebody else has changed it.
    pub(super) fn moved(&self) -> Refusal {
        Refusal::Other {
            message: format!("`{}` was changed by somebody else meanwhile", self.shown),
            help: Some("nothing was written: try again".to_owned()),
        }
    }

    /// Says whether it was still the same.
    fn put(&self, whole: &str) -> io::Result<bool> {
        // Also asks whether it may be written: a file that its owner protects is not replaced behind the protection.
        let old = std::fs::OpenOptions::new().write(true).open(&self.path)?;
        let meta = old.metadata()?;
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        let mut new = tempfile::Builder::new()
            .prefix(".imgspec-")
            .permissions(meta.permissions())
            .tempfile_in(parent)?;
        new.write_all(whole.as_bytes())?;
        let made = new.as_file().metadata()?;
        if (made.uid(), made.gid()) != (meta.uid(), meta.gid()) {
            let owner = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
            fchown(new.as_file(), Some(owner.0), Some(owner.1))?;
        }
        // The umask has taken its share, and a change of owner too.
        new.as_file().set_permissions(meta.permissions())?;
        new.as_file().sync_data()?;
        // Of two edits at once one has the lock, and the other finds another file. Not every file system has locks.
        let is_taken =
            flock(&old, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
        if is_taken || !self.is_same(meta.dev(), meta.ino()) {
            return Ok(false);
        }
        new.persist(&self.path).map_err(|error| error.error)?;
        Ok(true)
    }

    fn is_same(&self, dev: u64, ino: u64) -> bool {
        let now = read::open(&self.path, Links::Refuse);
        let bytes = read::bytes(&self.path, Links::Refuse, SIZE_LIMIT as u64);
        now.is_ok_and(|(_, meta)| (meta.dev(), meta.ino()) == (dev, ino))
            && bytes.is_ok_and(|bytes| bytes == self.whole.as_bytes())
    }
}
