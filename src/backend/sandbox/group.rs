//! A control group that limits how many processes a sandbox of root has, on kernels whose process namespaces have no limit of their own:
//! limits of a user do not hold for root. Where no control group can be made, as in most containers, there is none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How groups are named, before the number of the process that made them.
const NAME: &str = "imgspec-";

/// A group for one sandbox, removed with this value.
pub(super) struct Group(PathBuf);

impl Group {
    /// Makes a group that can have this many processes.
    pub(super) fn make(processes: u32) -> Option<Self> {
        let hierarchy = hierarchy(Path::new("/sys/fs/cgroup"))?;
        Self::make_in(&hierarchy, processes).ok()
    }

    fn make_in(hierarchy: &Path, processes: u32) -> io::Result<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        remove_left(hierarchy)?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{NAME}{}-{number}", process::id());
        let group = Self(hierarchy.join(name));
        fs::create_dir(&group.0)?;
        fs::write(group.0.join("pids.max"), processes.to_string())?;
        Ok(group)
    }

    /// Its directory.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that cannot be removed is removed by the next run.
        let _ = fs::remove_dir(&self.0);
    }
}

/// Where groups with a number of processes are made: version 2, if its root hands that controller down, else version 1.
fn hierarchy(root: &Path) -> Option<PathBuf> {
    let handed = fs::read_to_string(root.join("cgroup.subtree_control")).unwrap_or_default();
    if handed.split_whitespace().any(|it| it == "pids") {
        return Some(root.to_owned());
    }
    let first = root.join("pids");
    first.is_dir().then_some(first)
}

/// Removes groups of processes that were killed before they could do it.
fn remove_left(hierarchy: &Path) -> io::Result<()> {
    for entry in fs::read_dir(hierarchy)? {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|it| it.strip_prefix(NAME)?.split('-').next());
        let owner = owner.filter(|it| it.parse::<u32>().is_ok());
        if owner.is_some_and(|it| !Path::new("/proc").join(it).exists()) {
            // The kernel refuses it as long as a process is in it.
            let _ = fs::remove_dir(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Group, hierarchy};

    #[test]
    fn a_group_is_made_where_processes_are_counted_and_what_was_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(hierarchy(root), None);
        fs::create_dir(root.join("pids")).unwrap();
        assert_eq!(hierarchy(root), Some(root.join("pids")));
        fs::write(root.join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        assert_eq!(hierarchy(root), Some(root.to_owned()));
        // No process has such a number.
        let left = root.join("imgspec-4294967295-0");
        let others = root.join("imgspec-of-somebody");
        fs::create_dir(&left).unwrap();
        fs::create_dir(&others).unwrap();
        let group = Group::make_in(root, 77).unwrap();
        let limit = fs::read_to_string(group.path().join("pids.max")).unwrap();
        assert_eq!(
            (limit.as_str(), left.exists(), others.exists()),
            ("77", false, true)
        );
        // Files of a control group go with it; these are the test's.
        fs::remove_file(group.path().join("pids.max")).unwrap();
        let path = group.path().to_owned();
        drop(group);
        assert!(!path.exists());
    }
}
