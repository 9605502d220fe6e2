//! Programs that help a build, and what they keep: a directory each, which any number of runs use at once.

use std::io;
use std::time::SystemTime;

use super::blobs::Store;
use super::caches::CacheUsage;
use super::error::StoreError;
use super::left;
use crate::disk::FileKind;
use crate::disk::dir::{Dir, TEMPORARY};

impl Store {
    /// The directory of this name. Its time tells when it was last used.
    pub(in crate::backend) fn tool(&self, name: &str) -> Result<Dir, StoreError> {
        let own = self.0.tools.make(name)?;
        own.set_used()?;
        Ok(own)
    }
}

/// All of them in this directory.
pub(super) fn list(tools: &Dir) -> io::Result<Vec<CacheUsage>> {
    let mut found = Vec::new();
    for entry in tools.entries()? {
        let name = entry.name.to_str();
        let Some(name) = name.filter(|_| entry.kind == FileKind::Directory) else {
            continue;
        };
        let Some(own) = tools.open(name)? else {
            continue;
        };
        // Earlier versions had the directories of single questions here, and left them when they were killed.
        let is_left = name.starts_with(TEMPORARY);
        found.push(CacheUsage {
            name: name.to_owned(),
            size: tools.bytes(name),
            used: if is_left {
                SystemTime::UNIX_EPOCH
            } else {
                own.used()?
            },
            is_tool: true,
        });
    }
    Ok(found)
}

/// Removes one of a store that nobody is using.
pub(super) fn remove(tools: &Dir, name: &str) -> io::Result<()> {
    left::remove(tools, name)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use crate::backend::oci::store::{Store, Sweep};
    use crate::disk::cache::below;

    #[test]
    fn a_tool_is_listed_with_its_last_use_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("store");
        let store = Store::open(&place).unwrap();
        let path = store.tool("uv").unwrap().path().to_owned();
        fs::write(path.join("program"), "12345").unwrap();
        fs::create_dir(path.with_file_name(".new-1")).unwrap();
        let long_ago = SystemTime::now() - Duration::from_hours(1000);
        let listed = || {
            let sweep = Sweep::begin(&below(&place)).unwrap().unwrap();
            let mut found = sweep.caches().unwrap();
            found.sort_by(|one, other| one.name.cmp(&other.name));
            (sweep, found)
        };
        File::open(&path).unwrap().set_modified(long_ago).unwrap();
        drop(store);
        let (sweep, found) = listed();
        let [left, uv] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((left.used, uv.size), (SystemTime::UNIX_EPOCH, 5));
        assert!(uv.used <= long_ago, "{uv:?}");
        drop(sweep);
        // Whoever uses it again says so.
        Store::open(&place).unwrap().tool("uv").unwrap();
        let (sweep, found) = listed();
        assert!(found[1].used > long_ago, "{found:?}");
        for one in &found {
            sweep.remove_cache(one).unwrap();
        }
        assert!(!path.exists() && listed_none(&sweep));
    }

    fn listed_none(sweep: &Sweep) -> bool {
        sweep.caches().unwrap().is_empty()
    }
}
