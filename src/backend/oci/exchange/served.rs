//! What the registry answers from: the store, and the uploads that go on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::answer::{Code, Refusal};
use super::limits::{IDLE, UPLOADS};
use crate::backend::oci::name::Repository;
use crate::backend::oci::store::{Run, Store, Writer};

/// What the registry answers from.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) store: Store,
    pub(super) run: Run,
    /// `127.0.0.1:PORT`
    pub(super) host: String,
    /// The first part of the name of every repository.
    pub(super) word: String,
    pub(super) uploads: Uploads,
    /// How long a client may neither send nor take anything of what goes on.
    pub(super) idle: Duration,
}

/// The uploads that go on, by id.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<BTreeMap<String, Upload>>);

/// A blob that is being written; none once it cannot go on.
pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Writer>>>;

#[derive(Debug)]
struct Upload {
    to: Repository,
    touched: Instant,
    writer: Slot,
}

impl Uploads {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, to: &Repository, writer: Writer) -> Result<String, Refusal> {
        let no_id = |error: io::Error| Refusal::new(Code::Unknown, error.to_string());
        let id = random_word().map_err(no_id)?;
        let mut all = self.lock();
        if all.len() >= UPLOADS {
            // Whoever still writes to one has a share in it.
            all.retain(|_, one| one.touched.elapsed() < IDLE || Arc::strong_count(&one.writer) > 1);
        }
        if all.len() >= UPLOADS {
            let words = format!("{UPLOADS} uploads go on already");
            return Err(Refusal::new(Code::TooManyRequests, words).with("Retry-After", "1"));
        }
        let upload = Upload {
            to: to.clone(),
            touched: Instant::now(),
            writer: Arc::new(tokio::sync::Mutex::new(Some(writer))),
        };
        all.insert(id.clone(), upload);
        Ok(id)
    }

    pub(super) fn find(&self, to: &Repository, id: &str) -> Result<Slot, Refusal> {
        let mut all = self.lock();
        let found = all.get_mut(id).filter(|upload| upload.to == *to);
        let upload = found.ok_or_else(|| unknown(id))?;
        upload.touched = Instant::now();
        Ok(Arc::clone(&upload.writer))
    }

    pub(super) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }
}

pub(super) fn unknown(id: &str) -> Refusal {
    Refusal::new(Code::BlobUploadUnknown, format!("no upload `{id}` goes on"))
}

/// A word that nobody can guess.
pub(super) fn random_word() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}
