//! Moves images between registries and the store: only what is missing, and verified on the way.
//!
//! Protocol: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::request::Builder;
use ureq::http::{Method, Request, Response, StatusCode, Uri};
use ureq::{Body, SendBody};

use super::auth::NoLogin;
use super::client::Client;
use super::connections::Described;
use super::login::Access;
use super::refusal::Refusal;
use crate::backend::oci::manifest::ANY;
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::store::{Store, StoreError};
use crate::backend::oci::web::{TransferError, Trial, WAITS, is_passing, words};
use crate::cancel::Cancel;

/// The largest manifest or config, in bytes.
const LARGEST: u64 = 16 << 20;

/// The size of blobs that are sent at least as fast as it is asked whether they are there, in bytes.
pub(in crate::backend) const SMALL: u64 = 32 << 10;

/// Transfers from and to one repository.
pub(in crate::backend) struct Transfer<'a> {
    client: Arc<Client>,
    of: Reference,
    cancel: &'a Cancel,
    /// The pauses between attempts.
    waits: &'static [Duration],
}

type Result<T> = std::result::Result<T, TransferError>;

/// What a request carries.
enum Load<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// A blob of this size in the store.
    Blob(&'a Store, Digest, u64),
}

impl<'a> Transfer<'a> {
    pub(in crate::backend) fn new(of: &Reference, access: &Access, cancel: &'a Cancel) -> Self {
        Self::by(Arc::new(Client::carrier(access)), of, cancel)
    }

    /// Transfers by this client, whose connections and tokens others use too.
    pub(super) fn by(client: Arc<Client>, of: &Reference, cancel: &'a Cancel) -> Self {
        Self {
            client,
            of: of.clone(),
            cancel,
            waits: &WAITS,
        }
    }

    /// The same for a mirror: there are other places to ask, so it is not asked again.
    pub(super) fn asked_once(self) -> Self {
        Self { waits: &[], ..self }
    }

    /// A manifest that the repository has got in this run.
    pub(super) fn was_put(&self, manifest: Digest) -> Option<Described> {
        self.client.connections.was_put(&self.of, manifest)
    }

    pub(super) fn host(&self) -> &str {
        &self.of.host
    }

    /// Where to pull the image from, in order.
    pub(super) fn sources(&self, is_pinned: bool) -> Result<Vec<Reference>> {
        let sources = self.client.sources(&self.of, is_pinned);
        sources.map_err(TransferError::Final)
    }

    /// A manifest or an index, by tag or digest, with its digest.
    pub(in crate::backend) fn manifest(&self, name: &str) -> Result<(Digest, Vec<u8>)> {
        let accept = ANY.join(", ");
        let path = format!("manifests/{name}");
        let request = || self.request(Method::GET, &path).header("Accept", &accept);
        let mut answer = self.found(self.send(request, &Load::Nothing)?)?;
        let told = answer.headers().get("docker-content-digest");
        let told = told.and_then(|digest| Digest::read(digest.to_str().ok()?));
        let bytes = answer.body_mut().with_config().limit(LARGEST).read_to_vec();
        let bytes = bytes.map_err(|error| self.broken(&error))?;
        let digest = Digest::of(&bytes);
        match Digest::read(name).or(told) {
            Some(wanted) if wanted != digest => {
                Err(self.passing(&format!("it sent `{digest}` instead of `{wanted}`")))
            }
            _ => Ok((digest, bytes)),
        }
    }

    /// A small blob, such as a config.
    pub(in crate::backend) fn small(&self, digest: Digest) -> Result<Vec<u8>> {
        let path = format!("blobs/{digest}");
        let request = || self.request(Method::GET, &path);
        let mut answer = self.found(self.send(request, &Load::Nothing)?)?;
        let bytes = answer.body_mut().with_config().limit(LARGEST).read_to_vec();
        let bytes = bytes.map_err(|error| self.broken(&error))?;
        match Digest::of(&bytes) {
            found if found == digest => Ok(bytes),
            found => Err(self.passing(&format!("it sent `{found}` instead of `{digest}`"))),
        }
    }

    /// Fetches a blob of this size, if that is known, into the store; a connection that breaks is continued where it broke.
    pub(in crate::backend) fn fetch(&self, blob: (Digest, Option<u64>), to: &Store) -> Result<()> {
        let path = format!("blobs/{}", blob.0);
        let ask = |have| {
            let request = || {
                let request = self.request(Method::GET, &path);
                match have {
                    0 => request,
                    have => request.header("Range", format!("bytes={have}-")),
                }
            };
            let answer = self.send(request, &Load::Nothing)?;
            match answer.status() {
                StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => Ok(answer),
                _ => self.found(answer),
            }
        };
        let trial = self.trial();
        trial.receive(blob, to, ask, |why| self.passing(why))
    }

    /// Whether the repository has a blob.
    pub(in crate::backend) fn has(&self, digest: Digest) -> Result<bool> {
        self.is_there(&format!("blobs/{digest}"))
    }

    /// Whether the repository has a manifest.
    pub(in crate::backend) fn has_manifest(&self, digest: Digest) -> Result<bool> {
        self.is_there(&format!("manifests/{digest}"))
    }

    fn is_there(&self, path: &str) -> Result<bool> {
        let accept = ANY.join(", ");
        let request = || self.request(Method::HEAD, path).header("Accept", &accept);
        let answer = self.send(request, &Load::Nothing)?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(false),
            _ => self.found(answer).map(|_| true),
        }
    }

    /// Brings a blob to the repository: by a mount from another repository of the same registry if that has it, otherwise
    /// from the store, after `obtain` has put it there.
    pub(in crate::backend) fn bring(
        &self,
        (digest, size): (Digest, u64),
        from: &Store,
        mount: Option<&str>,
        obtain: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        if self.has(digest)? {
            return Ok(());
        }
        let Some(place) = self.begin(digest, mount)? else {
            return Ok(());
        };
        obtain()?;
        self.upload(place, (digest, size), &Load::Blob(from, digest, size))
    }

    /// Mounts a blob of another repository of the same registry. Returns whether the repository has it now.
    pub(super) fn mount(&self, digest: Digest, from: &str) -> Result<bool> {
        Ok(self.has(digest)? || self.begin(digest, Some(from))?.is_none())
    }

    /// Brings a small blob that the repository hardly has: sending it again costs as much as the question whether it is there.
    pub(in crate::backend) fn bring_new(&self, blob: (Digest, u64), from: &Store) -> Result<()> {
        self.send_blob(blob, &Load::Blob(from, blob.0, blob.1))
    }

    /// Brings a blob that is at hand to the repository; `is_new` if it hardly has it.
    pub(super) fn bring_small(&self, bytes: &[u8], is_new: bool) -> Result<()> {
        let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
        if !(is_new && size <= SMALL) && self.has(digest)? {
            return Ok(());
        }
        self.send_blob((digest, size), &Load::Bytes(bytes))
    }

    fn send_blob(&self, blob: (Digest, u64), load: &Load<'_>) -> Result<()> {
        match self.begin(blob.0, None)? {
            None => Ok(()),
            Some(place) => self.upload(place, blob, load),
        }
    }

    /// Where to upload a blob; `None` if it could be mounted.
    fn begin(&self, digest: Digest, mount: Option<&str>) -> Result<Option<String>> {
        let answer = self.trial().send(|| self.open(digest, mount))?;
        let answer = self.taken(answer)?;
        if answer.status() == StatusCode::CREATED {
            return Ok(None);
        }
        self.place(&answer).map(Some)
    }

    /// Asks once for a place to upload a blob to, or for a mount.
    fn open(&self, digest: Digest, mount: Option<&str>) -> Result<Response<Body>> {
        let path = match mount {
            Some(other) => format!("blobs/uploads/?mount={digest}&from={other}"),
            None => "blobs/uploads/".to_owned(),
        };
        let request = || {
            self.request(Method::POST, &path)
                .header("Content-Length", "0")
        };
        self.send_authorized(&request, &Load::Bytes(b""))
    }

    /// The URL of the place for an upload that an answer names, which may be relative.
    fn place(&self, answer: &Response<Body>) -> Result<String> {
        let place = answer.headers().get("location");
        let place = place.and_then(|it| it.to_str().ok());
        let place = place.ok_or_else(|| self.passing(&"it opened no upload"))?;
        Ok(match place.strip_prefix('/') {
            Some(_) => format!("{}{place}", self.client.origin(&self.of.host)),
            None => place.to_owned(),
        })
    }

    /// Sends a blob to this place, or to new ones after failures that may pass: a place keeps the bytes of an upload that broke
    /// off, and would append those of another one.
    fn upload(&self, place: String, blob: (Digest, u64), load: &Load<'_>) -> Result<()> {
        let first = Cell::new(Some(place));
        let answer = self.trial().send(|| {
            let place = match first.take() {
                Some(place) => place,
                None => self.place(&self.found(self.open(blob.0, None)?)?)?,
            };
            self.put(&place, blob, load)
        })?;
        self.taken(answer).map(drop)
    }

    /// Sends a blob to a place once.
    fn put(&self, place: &str, blob: (Digest, u64), load: &Load<'_>) -> Result<Response<Body>> {
        let (digest, size) = blob;
        let sign = if place.contains('?') { '&' } else { '?' };
        let url = format!("{place}{sign}digest={digest}");
        let request = || {
            let request = Request::builder().method(Method::PUT).uri(&url);
            let request = request.header("Content-Type", "application/octet-stream");
            request.header("Content-Length", size.to_string())
        };
        let answer = self.send_authorized(&request, load)?;
        match answer.status() {
            StatusCode::NOT_FOUND => Err(self.passing(&"it no longer knows the upload")),
            _ => Ok(answer),
        }
    }

    /// Names a manifest whose parts the repository has. Returns whether the registry says that it lists the manifest under the
    /// image that it refers to.
    pub(in crate::backend) fn put_manifest(
        &self,
        name: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<bool> {
        let path = format!("manifests/{name}");
        let request = || {
            let request = self.request(Method::PUT, &path);
            request.header("Content-Type", media_type)
        };
        // A part that the registry does not see yet is waited for here: all others may be there.
        let answer = self.trial().send(|| {
            let answer = self.send_authorized(&request, &Load::Bytes(bytes))?;
            match answer.status() {
                status if is_passing(status) => Ok(answer),
                _ => self.taken(answer),
            }
        })?;
        let answer = self.taken(answer)?;
        let described = (media_type.to_owned(), bytes.len());
        self.client
            .connections
            .note_put(&self.of, Digest::of(bytes), described);
        Ok(answer.headers().contains_key("oci-subject"))
    }

    /// Removes a manifest, and with it the tags that point to it.
    pub(super) fn delete(&self, manifest: Digest) -> Result<()> {
        let path = format!("manifests/{manifest}");
        let request = || self.request(Method::DELETE, &path);
        match self.found(self.send(request, &Load::Nothing)?) {
            Err(TransferError::Absent) => Ok(()),
            answer => answer.map(drop),
        }
    }

    fn request(&self, method: Method, what: &str) -> Builder {
        let url = format!(
            "{}/v2/{}/{what}",
            self.client.origin(&self.of.host),
            self.of.path
        );
        Request::builder().method(method).uri(url)
    }

    /// Sends a request, again after passing failures, and once more with a token if one is required.
    fn send(&self, request: impl Fn() -> Builder, load: &Load<'_>) -> Result<Response<Body>> {
        self.trial().send(|| self.send_authorized(&request, load))
    }

    fn trial(&self) -> Trial<'_> {
        Trial {
            cancel: self.cancel,
            limits: &self.client.access.limits,
            waits: self.waits,
        }
    }

    fn send_authorized(
        &self,
        request: &impl Fn() -> Builder,
        load: &Load<'_>,
    ) -> Result<Response<Body>> {
        if !self.is_own(&request()) {
            return self.send_once(request(), None, load);
        }
        let tokens = self.client.connections.tokens();
        let known = tokens.known(&self.of);
        let answer = self.send_once(request(), known.as_deref(), load)?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let agent = self.client.agent(&self.of.host);
        let limit = self.client.access.limits.answer;
        match tokens.fetch((agent, limit), &self.client.access, &self.of, &answer) {
            Ok(Some(authorization)) => self.send_once(request(), Some(&authorization), load),
            Ok(None) => Ok(answer),
            Err(NoLogin::Failed(why)) => Err(self.passing(&why)),
            Err(NoLogin::Refused(why)) => Err(self.refused(&why)),
        }
    }

    /// Whether a request is to the registry itself, whose credentials others must not see: it may name any place for an upload.
    fn is_own(&self, request: &Builder) -> bool {
        let own = self.client.origin(&self.of.host).parse::<Uri>().ok();
        let own = own.as_ref().and_then(server);
        own.is_some() && own == request.uri_ref().and_then(server)
    }

    fn send_once(
        &self,
        mut request: Builder,
        authorization: Option<&str>,
        load: &Load<'_>,
    ) -> Result<Response<Body>> {
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        let agent = self.client.agent(&self.of.host);
        let broken = |error: ureq::http::Error| TransferError::Final(error.to_string());
        let answer = match load {
            Load::Nothing => agent.run(request.body(()).map_err(broken)?),
            Load::Bytes(bytes) => agent.run(request.body(*bytes).map_err(broken)?),
            Load::Blob(store, digest, size) => {
                let (file, there) = store.send(*digest)?;
                if there != *size {
                    return Err(StoreError::Unknown(*digest).into());
                }
                let body = SendBody::from_owned_reader(file.until(self.cancel));
                agent.run(request.body(body).map_err(broken)?)
            }
        };
        answer.map_err(|error| self.broken(&error))
    }

    fn found(&self, answer: Response<Body>) -> Result<Response<Body>> {
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(TransferError::Absent),
            _ => self.taken(answer),
        }
    }

    /// An answer to something that was sent: nothing can be missing but what the registry names.
    fn taken(&self, answer: Response<Body>) -> Result<Response<Body>> {
        if answer.status().is_success() {
            return Ok(answer);
        }
        match Refusal::read(answer, &self.of.host) {
            Refusal { words, is_passing } if is_passing => Err(self.passing(&words)),
            Refusal { words, .. } => Err(self.refused(&words)),
        }
    }

    fn broken(&self, error: &ureq::Error) -> TransferError {
        if self.cancel.is_requested() {
            return TransferError::Cancelled;
        }
        self.passing(&words(error))
    }

    fn refused(&self, why: &str) -> TransferError {
        TransferError::Final(format!("registry `{}`: {why}", self.of.host))
    }

    pub(super) fn passing(&self, why: &dyn std::fmt::Display) -> TransferError {
        TransferError::Passing(format!("registry `{}`: {why}", self.of.host))
    }
}

/// The scheme, host and port of a URL.
fn server(url: &Uri) -> Option<(String, String, u16)> {
    let (scheme, host) = (url.scheme_str()?, url.host()?);
    let usual = if scheme == "http" { 80 } else { 443 };
    Some((
        scheme.to_owned(),
        host.to_ascii_lowercase(),
        url.port_u16().unwrap_or(usual),
    ))
}
