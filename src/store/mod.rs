//! The records of what was built last, in the workspace's state directory: shared by processes, and consistent even
//! after a crash.
//!
//! Independent of backends and clocks. There is one record per image, a JSON file that is replaced atomically, so that
//! a reader sees the old version or the new one. The inputs of its key are in a separate file, named by image and key
//! and written first, so a record never refers to the wrong inputs. A record that cannot be read counts as never built,
//! with the reason. All access is by handle and never follows symlinks, because a checkout may contain a `.imgspec` of
//! its own.
//!
//! ```text
//! .imgspec/.gitignore          *
//! .imgspec/state/IMAGE.json    the record
//! .imgspec/state/inputs/IMAGE.KEY.json
//! .imgspec/locks/IMAGE.lock    held while the image is built
//! .imgspec/store.lock          held while a record is written
//! .imgspec/index               the index of file times, which `fingerprint` keeps
//! .imgspec/logs/IMAGE.log      .imgspec/contexts/IMAGE~RUN/
//! ```

mod clean;
mod name;
mod record;
mod turns;

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::dir::{Dir, DirError, Rooted, Share, Terms};
use crate::disk::{FileKind, system_words};
use crate::fingerprint::{Input, Key};
use crate::workspace::STATE_FOLDER;
use name::file_name;
use turns::Turns;

pub use clean::{Leftover, LeftoverKind};
pub(crate) use record::LONGEST_NAME;
pub use record::{Record, RecordState, SCHEMA};

/// Subdirectories of the state directory.
const RECORDS: &str = "state";
const INPUTS: &str = "state/inputs";
const LOCKS: &str = "locks";
const LOGS: &str = "logs";
const CONTEXTS: &str = "contexts";

/// Size limit for records, which have a few lines plus one per base.
const LARGEST_RECORD: u64 = 1 << 20;

/// Size limit for inputs; those of an image with a million files are smaller.
const LARGEST_INPUTS: u64 = 1 << 28;

/// The records of one workspace. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    place: Rooted,
    /// Random number that distinguishes this run's contexts from those of a killed run.
    run: u64,
    turns: Arc<Turns>,
}

/// The exclusive right to build an image, until dropped.
#[derive(Debug)]
#[must_use = "dropped, it lets others build the image"]
pub struct ImageLock {
    _file: File,
    /// Whether another run held the lock first: the record may be new.
    pub waited: bool,
}

impl Store {
    /// Opens the store of the workspace at `root`, creating it if needed.
    pub fn open(root: &Path) -> io::Result<Self> {
        let store = Self::look(root);
        store.verify()?;
        let own = store.place.make()?;
        for folder in [INPUTS, LOCKS] {
            own.make_all(folder)?;
        }
        mark(&own)?;
        Ok(store)
    }

    /// Opens the store of the workspace at `root` without creating it; if it does not exist, it has no records.
    pub fn look(root: &Path) -> Self {
        let terms = Terms {
            keeps: "its state",
            hidden: Some(root.to_owned()),
            ..Terms::default()
        };
        Self {
            place: Rooted::new(root, STATE_FOLDER, terms),
            run: RandomState::new().hash_one(std::process::id()),
            turns: Arc::default(),
        }
    }

    /// Checks that the existing parts of the state directory have the right kind and are not symlinks. Creates nothing.
    /// Other errors are left to later operations.
    pub fn verify(&self) -> io::Result<()> {
        let verified = self.place.open().and_then(|own| {
            let Some(own) = own else { return Ok(()) };
            let mut folders = [INPUTS, LOCKS, LOGS, CONTEXTS].into_iter();
            folders.try_for_each(|folder| own.open_all(folder).map(drop))?;
            own.verify_file(turns::WRITING)
        });
        verified.or_else(|error| {
            if DirError::is_misplaced(&error) {
                Err(error)
            } else {
                Ok(())
            }
        })
    }

    /// Opens the records, for reading several of them.
    pub(crate) fn records(&self) -> Records {
        Records(self.place.join(RECORDS).open())
    }

    /// Reads the record of an image.
    pub fn read(&self, image: &str) -> RecordState {
        self.records().read(image)
    }

    /// Writes a record with the inputs of its key, and deletes older inputs of the image. While another run writes
    /// records, `waiting` is called repeatedly and may break off. On error the old record is unchanged.
    pub fn write(
        &self,
        record: &Record,
        inputs: &[Input],
        waiting: impl FnMut() -> ControlFlow<()>,
    ) -> io::Result<()> {
        let own = self.place.make()?;
        let _writing = self.turns.writing(&own, waiting)?;
        let (record_text, inputs_text) = record.texts(inputs);
        let (records, kept) = (own.make_all(RECORDS)?, own.make_all(INPUTS)?);
        let listing_file = listing_file(&record.image, &record.key);
        // It names its image and key, and a damaged one counts as missing.
        kept.replace_soon(&listing_file, &inputs_text)?;
        records.replace(&record_file(&record.image), &record_text)?;
        // The record is written, so leftovers do no harm.
        for old in listing_files(&kept, &record.image) {
            if old != listing_file {
                let _ = kept.remove_file(old);
            }
        }
        Ok(())
    }

    /// The inputs of a record's key; `None` if missing or unreadable.
    pub fn inputs(&self, record: &Record) -> Option<Vec<Input>> {
        let kept = self.place.join(INPUTS).open().ok()??;
        let name = listing_file(&record.image, &record.key);
        let bytes = kept.read(name, LARGEST_INPUTS).ok()??;
        record.read_inputs(&bytes)
    }

    /// Creates the log file of an image's build. Also returns its path relative to the workspace root.
    pub fn open_log(&self, image: &str) -> io::Result<(File, PathBuf)> {
        let name = file_name(image) + ".log";
        let path = [STATE_FOLDER, LOGS, &name].iter().collect();
        Ok((self.place.join(LOGS).make()?.anew(&name)?, path))
    }

    /// The end of the output of an image's last build: at most this many bytes, from the start of a line. `None` if it wrote
    /// none here.
    pub(crate) fn log_end(&self, image: &str, limit: u64) -> Option<String> {
        let logs = self.place.join(LOGS).open().ok()??;
        let (mut file, meta) = logs.file(file_name(image) + ".log").ok()??;
        let start = meta.len().saturating_sub(limit);
        file.seek(SeekFrom::Start(start)).ok()?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let whole = match text.split_once('\n') {
            Some((_, rest)) if start > 0 => rest,
            _ => &text,
        };
        Some(whole.to_owned())
    }

    /// The context directory for an image's build, different in each run. The builder of a killed run may still be
    /// running and must not find the next run's files in its context: it would tag a mixture.
    pub fn context_folder(&self, image: &str) -> PathBuf {
        let run = format!("{CONTEXT_OF}{:016x}", self.run);
        let name = file_name(image) + &run;
        self.place.path().join(CONTEXTS).join(name)
    }

    /// Locks an image, waiting while another run builds it. `waiting` is called before each retry; returns `None` if it
    /// breaks. After waiting, read the record again: the other run may have built exactly this.
    pub fn lock_image(
        &self,
        image: &str,
        mut waiting: impl FnMut() -> ControlFlow<()>,
    ) -> io::Result<Option<ImageLock>> {
        let mut waited = false;
        let mut again = || {
            waited = true;
            waiting()
        };
        let locks = self.place.join(LOCKS).make()?;
        let Some(file) = locks.lock(&lock_name(image), Share::Nobody, &mut again)? else {
            return Ok(None);
        };
        self.drop_old_contexts(image);
        Ok(Some(ImageLock {
            _file: file,
            waited,
        }))
    }

    fn try_lock(&self, image: &str) -> io::Result<Option<File>> {
        let locks = self.place.join(LOCKS).make()?;
        locks.try_lock(&lock_name(image), Share::Nobody)
    }

    /// Removes the contexts that killed runs left behind for an image, whose lock must be held.
    fn drop_old_contexts(&self, image: &str) {
        let own = self.context_folder(image);
        let mut start = file_name(image);
        start.push(CONTEXT_OF);
        let Ok(Some(contexts)) = self.place.join(CONTEXTS).open() else {
            return;
        };
        for name in names(&contexts).unwrap_or_default() {
            if name.starts_with(&start) && !own.ends_with(&name) {
                // A context that cannot be removed does no harm.
                let _ = contexts.remove(name);
            }
        }
    }
}

pub(crate) struct Records(io::Result<Option<Dir>>);

impl Records {
    /// Reads the record of an image.
    pub(crate) fn read(&self, image: &str) -> RecordState {
        let folder = match &self.0 {
            Ok(Some(folder)) => folder,
            Ok(None) => return RecordState::Missing,
            Err(error) => return RecordState::Unreadable(system_words(error)),
        };
        match folder.read(record_file(image), LARGEST_RECORD) {
            Ok(Some(bytes)) => record::parse(image, &bytes),
            Ok(None) => RecordState::Missing,
            Err(error) => RecordState::Unreadable(match DirError::of(&error) {
                Some(trouble) => trouble.reason(),
                None => system_words(&error),
            }),
        }
    }
}

fn lock_name(image: &str) -> String {
    file_name(image) + ".lock"
}

fn record_file(image: &str) -> String {
    file_name(image) + ".json"
}

fn listing_file(image: &str, key: &Key) -> String {
    format!("{}.{}.json", file_name(image), key.tag())
}

/// The names of all stored inputs of an image.
fn listing_files(kept: &Dir, image: &str) -> Vec<String> {
    let start = file_name(image) + ".";
    let is_key = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut files = names(kept).unwrap_or_default();
    files.retain(|name| {
        name.strip_prefix(&start)
            .and_then(|rest| rest.strip_suffix(".json"))
            .is_some_and(is_key)
    });
    files
}

/// Writes a `.gitignore` that excludes the state directory, if there is none.
fn mark(own: &Dir) -> io::Result<()> {
    const MARKER: &str = ".gitignore";
    let mut tries = 0;
    while own.kind(MARKER)? != Some(FileKind::File) {
        tries += 1;
        match own.replace(MARKER, b"*\n") {
            // A concurrent `clean` took the temporary file for one left by a killed run.
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 100 => {}
            done => return done,
        }
    }
    Ok(())
}

/// The names of a directory's entries. Skips names that are not UTF-8, which imgspec never creates.
fn names(folder: &Dir) -> io::Result<Vec<String>> {
    let entries = folder.entries()?.into_iter();
    let names = entries.map(|entry| entry.name.into_string());
    Ok(names.filter_map(Result::ok).collect())
}

/// Separates image and run in the name of a context directory; does not occur in file names of images.
const CONTEXT_OF: char = '~';

#[cfg(test)]
mod tests;
