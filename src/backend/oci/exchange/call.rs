//! A request, and the state it is answered from: the store, the names in it, and the uploads in progress.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::answer::{Code, ErrorResponse};
use crate::backend::oci::name::Repository;
use crate::backend::oci::store::{Links, Store, Writer};
use crate::loopback::random_word;

/// Maximum number of concurrent uploads: more than `docker push` makes for twenty images with five layers at a time.
pub(super) const UPLOADS: usize = 128;

/// How long an upload must be idle before it may be dropped in favor of a new one.
const RESTING: Duration = Duration::from_mins(2);

/// How many bytes of a body are read from, or written to, a file at once.
pub(super) const PIECE: usize = 256 << 10;

/// How many bytes of a rejected body are read, so that the client sees the error instead of a broken connection.
const DRAINED: u64 = 64 << 20;

/// How long a rejected client may pause meanwhile.
const PAUSE: Duration = Duration::from_secs(2);

/// The state that the registry answers from.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) store: Store,
    pub(super) links: Links,
    /// The address, `127.0.0.1:PORT`.
    pub(super) host: String,
    /// The random first component of every repository name.
    pub(super) word: String,
    pub(super) uploads: Uploads,
    /// How long a client may neither send nor receive anything.
    pub(super) idle: Duration,
}

/// The uploads in progress, by id.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<BTreeMap<String, Upload>>);

/// A blob being written; `None` once it cannot be continued.
pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Writer>>>;

#[derive(Debug)]
struct Upload {
    to: Repository,
    touched: Instant,
    writer: Slot,
}

/// A request that is being answered.
pub(super) struct Call<'a> {
    pub(super) served: &'a Arc<Served>,
    pub(super) head: &'a Parts,
    /// The request body, until it is taken.
    pub(super) body: Option<Incoming>,
}

impl Uploads {
    pub(super) fn add(&self, to: &Repository, writer: Writer) -> Result<String, ErrorResponse> {
        let no_id = |error: io::Error| ErrorResponse::new(Code::INTERNAL, error.to_string());
        let id = random_word().map_err(no_id)?;
        let mut all = self.0.lock();
        if all.len() >= UPLOADS {
            // Ongoing writes hold a reference to the writer.
            let is_used = |one: &Upload| Arc::strong_count(&one.writer) > 1;
            all.retain(|_, one| one.touched.elapsed() < RESTING || is_used(one));
        }
        if all.len() >= UPLOADS {
            let words = format!("{UPLOADS} uploads are in progress already");
            return Err(ErrorResponse::new(Code::TOO_MANY, words).with("Retry-After", "1"));
        }
        let upload = Upload {
            to: to.clone(),
            touched: Instant::now(),
            writer: Arc::new(tokio::sync::Mutex::new(Some(writer))),
        };
        all.insert(id.clone(), upload);
        Ok(id)
    }

    pub(super) fn find(&self, to: &Repository, id: &str) -> Result<Slot, ErrorResponse> {
        let mut all = self.0.lock();
        let found = all.get_mut(id).filter(|upload| upload.to == *to);
        let upload = found.ok_or_else(|| unknown(id))?;
        upload.touched = Instant::now();
        Ok(Arc::clone(&upload.writer))
    }

    pub(super) fn remove(&self, id: &str) {
        self.0.lock().remove(id);
    }
}

pub(super) fn unknown(id: &str) -> ErrorResponse {
    ErrorResponse::new(Code::UPLOAD_UNKNOWN, format!("there is no upload `{id}`"))
}

impl Call<'_> {
    /// The value of a header; `None` if it is missing or not text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        parameter(self.head.uri.query(), name)
    }

    /// Reads the rest of the body, within limits; otherwise the client would see a broken connection instead of the
    /// error.
    pub(super) async fn drain(self) {
        let Some(mut body) = self.body else { return };
        let mut drained = 0;
        while drained < DRAINED
            && let Ok(Some(Ok(frame))) = timeout(PAUSE, body.frame()).await
        {
            drained += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
    }
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

/// Runs file access on a thread that may block.
pub(super) async fn on_files<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, ErrorResponse>
where
    T: Send + 'static,
    E: Send + 'static,
    ErrorResponse: From<E>,
{
    Ok(tokio::task::spawn_blocking(work).await??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Some("a=1&digest=sha256%3Aab%zz%&b&a=2");
        assert_eq!(parameter(query, "digest").as_deref(), Some("sha256:ab%zz%"));
        assert_eq!(parameter(query, "a").as_deref(), Some("1"));
        assert_eq!(parameter(query, "b").as_deref(), Some(""));
        assert_eq!(parameter(query, "c"), None);
        assert_eq!(parameter(None, "a"), None);
    }
}
