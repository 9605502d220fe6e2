//! A table from [`Mark`]s to digests: a file whose mark is in it need not be read.
//!
//! Used both in memory, by a reader that reads again, and on disk, by the index. The table is a flat array that needs no
//! parsing: first the sorted inodes, then for each inode the rest of the mark and the digest. Keys are inodes rather than
//! paths, so renamed files stay known.

use super::mark::Mark;
use super::set::{EntryKind, Files};

const INODE: usize = 8;
const MARK: usize = 52;
const REST: usize = MARK + 32;

/// Bytes per file.
pub(super) const ROW: usize = INODE + REST;

/// Digests of files by their marks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// All inodes, then all remaining fields.
    bytes: Vec<u8>,
    /// If set, files that changed at this second or later count as unknown.
    until: Option<i64>,
}

impl Known {
    /// Reads a table; `None` if the length is wrong.
    pub(super) fn new(bytes: Vec<u8>, until: Option<i64>) -> Option<Self> {
        let is_whole = bytes.len().is_multiple_of(ROW);
        is_whole.then_some(Self { bytes, until })
    }

    /// The digests of these files, without racy marks and those that are not `is_sound`.
    pub(super) fn of<'a>(
        files: impl Iterator<Item = &'a Files>,
        mut is_sound: impl FnMut(&Files, usize, &Mark) -> bool,
    ) -> Self {
        let mut all: Vec<(Mark, [u8; 32])> = Vec::new();
        for files in files {
            let marks = files
                .seen
                .iter()
                .flat_map(|seen| seen.marks.iter().map(|mark| (mark, seen.read)));
            for (at, (entry, (mark, read))) in files.entries.iter().zip(marks).enumerate() {
                if let (EntryKind::File { digest, .. }, Some(mark)) = (&entry.kind, mark)
                    && !mark.is_racy(read)
                    && is_sound(files, at, mark)
                {
                    all.push((*mark, *digest));
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        // A mark with two digests proves nothing.
        let same = all.chunk_by(|one, other| one.0 == other.0);
        let sure: Vec<_> = same.filter(|same| same.len() == 1).flatten().collect();
        let mut bytes = Vec::with_capacity(sure.len() * ROW);
        for (mark, _) in &sure {
            bytes.extend(mark.inode().to_le_bytes());
        }
        for (mark, digest) in &sure {
            bytes.extend(mark.bytes());
            bytes.extend(digest);
        }
        Self { bytes, until: None }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() / ROW
    }

    /// The digest of the file with this mark.
    pub(super) fn digest(&self, mark: &Mark) -> Option<[u8; 32]> {
        if self.until.is_some_and(|until| mark.newest() >= until) {
            return None;
        }
        let (inodes, rest) = self.bytes.split_at(self.len() * INODE);
        let (inodes, _) = inodes.as_chunks::<INODE>();
        let (rest, _) = rest.as_chunks::<REST>();
        let first = inodes.partition_point(|inode| u64::from_le_bytes(*inode) < mark.inode());
        let (inode, wanted) = (mark.inode().to_le_bytes(), mark.bytes());
        let same = inodes[first..].iter().take_while(|at| **at == inode);
        let found = same
            .zip(&rest[first..])
            .find(|(_, rest)| rest[..MARK] == wanted);
        let (_, digest) = found?.1.split_last_chunk::<32>()?;
        Some(*digest)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::fingerprint::files::content::Stop;
    use crate::fingerprint::files::set::{Entry, Seen, Work};
    use crate::recipe::FileSet;
    use crate::spec::WorkspacePath;

    /// Files with these marks and digests, read at this second.
    fn files(held: &[(Mark, [u8; 32])], read: i64) -> Files {
        let entry = |(mark, digest): &(Mark, [u8; 32])| Entry {
            path: String::new(),
            kind: EntryKind::file(mark, *digest),
        };
        Files {
            entries: held.iter().map(entry).collect(),
            seen: Some(Arc::new(Seen {
                root: "/".into(),
                stop: Stop::default(),
                set: FileSet::File {
                    path: WorkspacePath::ROOT,
                },
                read,
                marks: held.iter().map(|(mark, _)| Some(*mark)).collect(),
                work: Work::default(),
            })),
            ..Files::default()
        }
    }

    /// The marks of this many new files.
    fn marks(count: usize) -> Vec<Mark> {
        let folder = tempfile::tempdir().unwrap();
        let path = |at: usize| folder.path().join(at.to_string());
        let make = |at: usize| fs::write(path(at), "x".repeat(at)).unwrap();
        (0..count).for_each(make);
        let meta = |at: usize| path(at).metadata().unwrap();
        (0..count).map(|at| Mark::new(&meta(at))).collect()
    }

    #[test]
    fn every_mark_has_its_own_digest_and_no_other_mark_has_any() {
        let all = marks(300);
        let digest = |at: usize| [u8::try_from(at % 256).unwrap(); 32];
        let held: Vec<_> = (0..200).map(|at| (all[at], digest(at))).collect();
        let later = all[0].newest() + 100;
        let parts = [files(&held[..150], later), files(&held[50..], later)];
        let known = Known::of(parts.iter(), |_, _, _| true);
        assert_eq!(known.len(), 200);
        let again = Known::new(known.bytes().to_vec(), None).unwrap();
        for (at, mark) in all.iter().enumerate() {
            assert_eq!(again.digest(mark), (at < 200).then(|| digest(at)));
        }
        assert_eq!(Known::new(vec![0; ROW - 1], None), None);
    }

    #[test]
    fn what_proves_nothing_is_not_put_in() {
        let all = marks(3);
        let read = all[0].newest() + 100;
        let held = [(all[0], [0; 32]), (all[1], [1; 32]), (all[2], [2; 32])];
        let other = [(all[1], [9; 32])];
        let both = [files(&held, read), files(&other, read)];
        let known = Known::of(both.iter(), |_, at, _| at != 2);
        assert_eq!(known.digest(&all[0]), Some([0; 32]));
        assert_eq!(known.digest(&all[1]), None, "two contents");
        assert_eq!(known.digest(&all[2]), None, "not to be trusted");
        let racy = files(&held, all[0].newest() + 1);
        assert_eq!(Known::of([&racy].into_iter(), |_, _, _| true).len(), 0);
    }

    #[test]
    fn what_had_not_settled_does_not_count() {
        let mark = marks(1)[0];
        let held = files(&[(mark, [7; 32])], mark.newest() + 100);
        let known = Known::of([&held].into_iter(), |_, _, _| true);
        let until = |until| Known::new(known.bytes().to_vec(), Some(until)).unwrap();
        assert_eq!(until(mark.newest()).digest(&mark), None);
        assert_eq!(until(mark.newest() + 1).digest(&mark), Some([7; 32]));
    }
}
