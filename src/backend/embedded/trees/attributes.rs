//! What entries of a layer have besides their contents: modes, owners, times and attributes, and how owners are kept.

use std::io::Read;

use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid};

use crate::backend::oci::layer::{LayerError, XATTR, Xattr};
use crate::backend::sandbox;

/// The attribute by which overlayfs, mounted with `userxattr`, knows a directory that hides those below it.
pub(in crate::backend::embedded) const OPAQUE: &str = "user.overlay.opaque";

/// The attribute that tells the owner of a file that belongs to the user that builds: it goes where the file goes.
pub(in crate::backend::embedded) const OWNER: &str = "user.imgspec.owner";

/// How the owners of files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend::embedded) enum Owners {
    /// As in the layer; only root can do that.
    Kept,
    /// All files belong to the user that builds.
    Own,
    /// As in the layer, by the user's subordinate ids, which the files are given to afterwards.
    Given {
        /// The mode that has these ids.
        mode: sandbox::Mode,
        /// The first user and group of them.
        first: (u32, u32),
    },
}

impl Owners {
    /// Those of a command's sandbox.
    pub(in crate::backend::embedded) fn of(mode: sandbox::Mode) -> Self {
        match mode {
            sandbox::Mode::Root => Self::Kept,
            sandbox::Mode::Single => Self::Own,
            sandbox::Mode::Subordinate { uids, gids } => Self::Given {
                mode,
                first: (uids.0, gids.0),
            },
        }
    }

    /// The name of trees whose owners are kept like this.
    pub(in crate::backend::embedded) fn kind(self) -> String {
        match self {
            Self::Kept => "root".to_owned(),
            Self::Own => "user".to_owned(),
            Self::Given { first, .. } => format!("ids-{}-{}", first.0, first.1),
        }
    }
}

/// The attributes of an entry.
#[derive(Debug, Clone)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    owner: (u64, u64),
    time: i64,
    pub(super) xattrs: Vec<Xattr>,
}

impl Default for Attributes {
    /// Those of a directory that the layer does not mention.
    fn default() -> Self {
        Self {
            mode: 0o755,
            owner: (0, 0),
            time: 0,
            xattrs: Vec::new(),
        }
    }
}

pub(super) fn attributes(entry: &mut tar::Entry<'_, impl Read>) -> Result<Attributes, LayerError> {
    let mut xattrs = Vec::new();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        let name = extension.key().ok().and_then(|key| key.strip_prefix(XATTR));
        if let Some(name) = name.filter(|name| is_carried(name)) {
            xattrs.push((name.to_owned(), extension.value_bytes().to_vec()));
        }
    }
    let header = entry.header();
    Ok(Attributes {
        mode: header.mode()? & 0o7777,
        owner: (header.uid()?, header.gid()?),
        time: i64::try_from(header.mtime()?).unwrap_or_default(),
        xattrs,
    })
}

/// Whether an attribute belongs to a file wherever it is. Others are those of a machine, or of its overlayfs.
pub(in crate::backend::embedded) fn is_carried(name: &str) -> bool {
    let is_users = name.starts_with("user.") && !name.starts_with("user.overlay.") && name != OWNER;
    is_users || name == "security.capability"
}

pub(super) fn owner(attributes: &Attributes) -> (Uid, Gid) {
    // Larger numbers than the system has do not occur in images that can be run.
    let number = |number: u64| {
        u32::try_from(number)
            .ok()
            .filter(|number| *number < u32::MAX)
    };
    let (user, group) = attributes.owner;
    (
        Uid::from_raw(number(user).unwrap_or_default()),
        Gid::from_raw(number(group).unwrap_or_default()),
    )
}

pub(super) fn mode_of(attributes: &Attributes) -> Mode {
    Mode::from_raw_mode(attributes.mode)
}

pub(super) fn times(attributes: &Attributes) -> Timestamps {
    let time = Timespec {
        tv_sec: attributes.time,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
