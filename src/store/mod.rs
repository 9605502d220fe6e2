//! What was built last: one record an image, in the workspace's state folder, shared by processes, safe at every moment.
//!
//! Knows no builder and no clock. The choices made: a record is one JSON file that is replaced whole, so whoever dies or
//! reads at any moment finds the old or the new; the inputs behind its key lie in a file of their own, named by image and
//! key and written first, so a record never points to others; what cannot be read counts as never built, and says why.
//!
//! ```text
//! .imgspec/.gitignore          *
//! .imgspec/state/IMAGE.json    the record
//! .imgspec/state/inputs/IMAGE.KEY.json
//! .imgspec/locks/IMAGE.lock    held while the image is built
//! .imgspec/store.lock          held while a record is written
//! .imgspec/logs/IMAGE.log      .imgspec/contexts/IMAGE~RUN/
//! ```

mod clean;
mod lock;
mod name;
mod record;

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::system_words;
use crate::fingerprint::{Input, Key};
use crate::workspace::STATE_FOLDER;
use name::file_name;

pub use clean::{Leftover, LeftoverKind};
pub use lock::ImageLock;
pub use record::{Record, RecordState, SCHEMA};

/// The records of one workspace.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    /// Tells this run's contexts from those of a killed one.
    run: u64,
}

/// The inputs behind one key of one image.
#[derive(Serialize, Deserialize)]
struct Listing {
    version: u32,
    image: String,
    key: Key,
    inputs: Vec<Input>,
}

impl Store {
    /// The store of the workspace at this root, made if there is none.
    ///
    /// # Errors
    /// When the state folder cannot be made; the error names it.
    pub fn open(root: &Path) -> io::Result<Self> {
        let store = Self::look(root);
        for folder in [store.state().join("inputs"), store.locks()] {
            std::fs::create_dir_all(&folder).map_err(|error| naming(&folder, &error))?;
        }
        let marker = store.folder.join(".gitignore");
        if !marker.exists() {
            replace(&marker, b"*\n")?;
        }
        Ok(store)
    }

    /// The store of the workspace at this root, for reading only: nothing is made, and no store is one without records.
    #[must_use]
    pub fn look(root: &Path) -> Self {
        Self {
            folder: root.join(STATE_FOLDER),
            run: RandomState::new().hash_one(std::process::id()),
        }
    }

    /// The record of an image.
    #[must_use]
    pub fn read(&self, image: &str) -> RecordState {
        match std::fs::read(self.record_file(image)) {
            Ok(bytes) => record::parse(image, &bytes),
            Err(error) if is_absent(&error) => RecordState::Missing,
            Err(error) => RecordState::Unreadable(system_words(&error)),
        }
    }

    /// Records what was built, with the inputs of its key; older inputs of the image are forgotten.
    ///
    /// # Errors
    /// When a file cannot be written; the record is then the old one.
    pub fn write(&self, record: &Record, inputs: &[Input]) -> io::Result<()> {
        let _writing = self.lock_writing()?;
        let listing = Listing {
            version: SCHEMA,
            image: record.image.clone(),
            key: record.key,
            inputs: inputs.to_vec(),
        };
        let listing_file = self.listing_file(&record.image, &record.key);
        replace(&listing_file, &json(&listing))?;
        replace(&self.record_file(&record.image), &json(record))?;
        // The record is written: what is left over may stay.
        for old in self.listing_files(&record.image) {
            if old != listing_file {
                let _ = std::fs::remove_file(old);
            }
        }
        Ok(())
    }

    /// The inputs of a record's key; none if they are not there or cannot be read.
    #[must_use]
    pub fn inputs(&self, record: &Record) -> Option<Vec<Input>> {
        let bytes = std::fs::read(self.listing_file(&record.image, &record.key)).ok()?;
        let listing: Listing = serde_json::from_slice(&bytes).ok()?;
        let ours =
            listing.version == SCHEMA && listing.image == record.image && listing.key == record.key;
        ours.then_some(listing.inputs)
    }

    /// The file for the log of an image's build.
    #[must_use]
    pub fn log_file(&self, image: &str) -> PathBuf {
        self.logs().join(file_name(image) + ".log")
    }

    /// The folder for the context of an image's build: another one in each run. The builder of a run that was killed lives
    /// on, and must not find the next run's files where its own were: it would give its name to a mixture.
    #[must_use]
    pub fn context_folder(&self, image: &str) -> PathBuf {
        let run = format!("{CONTEXT_OF}{:016x}", self.run);
        self.contexts().join(file_name(image) + &run)
    }

    /// Removes the contexts that killed runs left of an image. Its lock is held.
    fn drop_old_contexts(&self, image: &str) {
        let own = self.context_folder(image);
        let mut start = file_name(image);
        start.push(CONTEXT_OF);
        for (name, path) in entries(&self.contexts()) {
            if name.starts_with(&start) && path != own {
                // What cannot be removed is in nobody's way.
                let _ = std::fs::remove_dir_all(path);
            }
        }
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn locks(&self) -> PathBuf {
        self.folder.join("locks")
    }

    fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    fn contexts(&self) -> PathBuf {
        self.folder.join("contexts")
    }

    fn record_file(&self, image: &str) -> PathBuf {
        self.state().join(file_name(image) + ".json")
    }

    fn listing_file(&self, image: &str, key: &Key) -> PathBuf {
        let name = format!("{}.{}.json", file_name(image), key.tag());
        self.state().join("inputs").join(name)
    }

    /// All inputs that are kept of an image.
    fn listing_files(&self, image: &str) -> Vec<PathBuf> {
        let start = file_name(image) + ".";
        let is_key =
            |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        entries(&self.state().join("inputs"))
            .into_iter()
            .filter(|(name, _)| {
                name.strip_prefix(&start)
                    .and_then(|rest| rest.strip_suffix(".json"))
                    .is_some_and(is_key)
            })
            .map(|(_, path)| path)
            .collect()
    }
}

/// What is in a folder, by name; nothing if it cannot be read.
fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(read) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut entries: Vec<(String, PathBuf)> = read
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect();
    entries.sort();
    entries
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("names and plain values are JSON");
    bytes.push(b'\n');
    bytes
}

/// Replaces a file whole: its readers see the old bytes or the new, also after a power cut.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let write = || {
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut new = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempfile_in(folder)?;
        new.write_all(bytes)?;
        new.as_file().sync_data()?;
        new.persist(file)?;
        Ok(())
    };
    write().map_err(|error: io::Error| naming(file, &error))
}

/// Between image and run in the name of a context's folder: in no image's file name.
const CONTEXT_OF: char = '~';

/// The start of the names of files that are not yet whole; a killed process leaves them.
const TEMPORARY: &str = ".new-";

/// The error with the file that it is about.
fn naming(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!(
            "`{}` cannot be written: {}",
            file.display(),
            system_words(error)
        ),
    )
}

fn open_lock(file: &Path) -> io::Result<File> {
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(file)
        .map_err(|error| naming(file, &error))
}

#[cfg(test)]
mod tests;
