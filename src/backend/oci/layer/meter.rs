//! Limits what the tars of strangers say about their entries, and ends reading them when nobody waits any more.
//!
//! The library for tars holds names, link targets and attributes of any length in memory, and few compressed bytes can be
//! gigabytes of a name. It also skips contents without asking anybody.

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Read, Seek, SeekFrom};

use tar::{Archive, Entry};

/// What may be read for the head of an entry: more than a file system lets it have of names and attributes.
const HEAD: u64 = 1 << 20;

/// The longest path or target of a link: Linux has none that is longer.
const LONGEST: usize = 4096;

/// All names of a tar together: some are kept as long as it is read, or longer.
const NAMES: usize = 512 << 20;

/// What is left to be read of a tar.
pub(in crate::backend) struct Meter<'c> {
    is_cancelled: &'c dyn Fn() -> bool,
    left: Cell<u64>,
    /// How much names have been so far.
    names: Cell<usize>,
    is_at_end: Cell<bool>,
}

/// A tar that is read within the limits of its meter.
pub(in crate::backend) struct Metered<'m, R> {
    from: R,
    meter: &'m Meter<'m>,
}

/// Nobody waits for it any more.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

/// Whether reading ended because nobody waits for it any more.
pub(in crate::backend) fn is_interruption(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(<dyn Error + Send + Sync>::is::<Interrupted>)
}

impl<'c> Meter<'c> {
    /// For a tar whose reading ends with an error when `is_cancelled` says so.
    pub(in crate::backend) fn new(is_cancelled: &'c dyn Fn() -> bool) -> Self {
        Self {
            is_cancelled,
            left: Cell::new(HEAD),
            names: Cell::default(),
            is_at_end: Cell::default(),
        }
    }

    pub(in crate::backend) fn archive<R: Read>(&self, from: R) -> Archive<Metered<'_, R>> {
        Archive::new(Metered { from, meter: self })
    }

    /// Checks the names of the next entry, and lets its content be read, and the head after it.
    pub(in crate::backend) fn entry<'e, R: Read>(
        &self,
        entry: Entry<'e, R>,
    ) -> io::Result<Entry<'e, R>> {
        // Sparse files say how large they will be; what comes is less.
        let size = if entry.header().entry_type().is_gnu_sparse() {
            entry.header().entry_size()?
        } else {
            entry.size()
        };
        self.left.set(size.saturating_add(HEAD));
        let target = entry.link_name_bytes().map_or(0, |target| target.len());
        let path = entry.path_bytes().len();
        if path.max(target) > LONGEST {
            return Err(io::Error::other(format!(
                "the path or target of an entry is longer than {LONGEST} bytes"
            )));
        }
        self.names.set(self.names.get() + path + target);
        if self.names.get() > NAMES {
            return Err(io::Error::other("there is no end of its names"));
        }
        Ok(entry)
    }

    /// Reads what comes after the last entry, at most this much.
    pub(in crate::backend) fn rest(
        &self,
        archive: Archive<Metered<'_, impl Read>>,
        most: u64,
    ) -> io::Result<()> {
        self.left.set(most);
        self.is_at_end.set(true);
        io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop)
    }

    /// How many of so many bytes may be read now.
    fn room(&self, wanted: usize) -> io::Result<usize> {
        if (self.is_cancelled)() {
            // Another kind would be tried again.
            return Err(io::Error::other(Interrupted));
        }
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX);
        match wanted.min(most) {
            0 if wanted > 0 && self.is_at_end.get() => {
                Err(io::Error::other("too much follows its last entry"))
            }
            0 if wanted > 0 => Err(io::Error::other(format!(
                "the name and the attributes of an entry are larger than {} KiB",
                HEAD >> 10
            ))),
            room => Ok(room),
        }
    }

    fn took(&self, count: u64) {
        self.left.set(self.left.get().saturating_sub(count));
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.meter.room(buffer.len())?;
        let count = self.from.read(&mut buffer[..room])?;
        self.meter.took(count as u64);
        Ok(count)
    }
}

/// Skipping counts as reading.
impl<R: Seek> Seek for Metered<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let SeekFrom::Current(count) = to {
            self.meter.took(u64::try_from(count).unwrap_or_default());
        }
        self.from.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use tar::{Builder, EntryType, Header};

    use super::*;

    /// How many bytes were read of it.
    struct Counted<'a, R>(R, &'a Cell<usize>);

    impl<R: Read> Read for Counted<'_, R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            self.1.set(self.1.get() + count);
            Ok(count)
        }
    }

    fn head(kind: EntryType, size: u64) -> Vec<u8> {
        let mut head = Header::new_gnu();
        head.set_entry_type(kind);
        head.set_size(size);
        head.set_path("a").unwrap();
        head.set_cksum();
        head.as_bytes().to_vec()
    }

    fn paths(tar: impl Read, is_cancelled: &dyn Fn() -> bool) -> io::Result<Vec<Vec<u8>>> {
        let meter = Meter::new(is_cancelled);
        let mut archive = meter.archive(tar);
        let entries = archive.entries()?;
        let paths = entries.map(|entry| Ok(meter.entry(entry?)?.path_bytes().into_owned()));
        paths.collect()
    }

    #[test]
    fn a_head_without_end_is_refused_before_it_is_in_memory() {
        for kind in [
            EntryType::GNULongName,
            EntryType::GNULongLink,
            EntryType::XHeader,
        ] {
            for before in [0, 3 << 20] {
                let content = vec![7; before];
                let mut tar = head(EntryType::Regular, content.len() as u64);
                tar.extend(content);
                tar.extend(head(kind, 1 << 40));
                let read = Cell::new(0);
                let endless = Counted(tar.as_slice().chain(io::repeat(b'a')), &read);
                let why = paths(endless, &|| false).unwrap_err().to_string();
                assert!(why.contains("larger than 1024 KiB"), "{why}");
                assert!(read.get() < tar.len() + (2 << 20), "{}", read.get());
            }
        }
    }

    #[test]
    fn what_an_entry_has_does_not_count_for_the_next_head() {
        let mut sparse = Header::new_gnu();
        sparse.set_entry_type(EntryType::GNUSparse);
        sparse.set_path("a").unwrap();
        sparse.set_size(0);
        let gnu = sparse.as_gnu_mut().unwrap();
        gnu.set_real_size(1 << 32);
        gnu.sparse[0].set_offset(1 << 32);
        gnu.sparse[0].set_length(0);
        sparse.set_cksum();
        let mut tar = sparse.as_bytes().to_vec();
        tar.extend(head(EntryType::GNULongName, 1 << 30));
        let read = Cell::new(0);
        let endless = Counted(tar.as_slice().chain(io::repeat(b'a')), &read);
        paths(endless, &|| false).unwrap_err();
        assert!(read.get() < 2 << 20, "{}", read.get());
    }

    #[test]
    fn paths_and_targets_have_the_length_of_a_path() {
        let named = |path: &str, target: &str| {
            let mut tar = Builder::new(Vec::new());
            let mut head = Header::new_gnu();
            head.set_entry_type(EntryType::Symlink);
            head.set_size(0);
            tar.append_link(&mut head, path, target).unwrap();
            let tar = tar.into_inner().unwrap();
            paths(tar.as_slice(), &|| false)
        };
        let (longest, longer) = ("a".repeat(LONGEST), "a".repeat(LONGEST + 1));
        assert_eq!(named(&longest, &longest).unwrap(), [longest.as_bytes()]);
        for (path, target) in [("a", &*longer), (&*longer, "a")] {
            let why = named(path, target).unwrap_err().to_string();
            assert!(why.contains("longer than 4096 bytes"), "{why}");
        }
    }

    #[test]
    fn skipping_and_reading_to_the_end_are_given_up_when_asked() {
        let tar = head(EntryType::Regular, 1 << 40);
        let read = Cell::new(0);
        let endless = Counted(tar.as_slice().chain(io::repeat(b'a')), &read);
        let error = paths(endless, &|| read.get() > 1 << 20).unwrap_err();
        assert!(is_interruption(&error), "{error}");

        let is_cancelled = || read.get() > 4 << 20;
        let meter = Meter::new(&is_cancelled);
        let endless = Counted(io::repeat(b'a'), &read);
        let error = meter.rest(meter.archive(endless), u64::MAX).unwrap_err();
        assert!(is_interruption(&error), "{error}");
        let meter = Meter::new(&|| false);
        let error = meter.rest(meter.archive(io::repeat(b'a')), 9).unwrap_err();
        assert_eq!(error.to_string(), "too much follows its last entry");
    }
}
