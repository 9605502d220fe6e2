//! An index for uv in front of the real ones, which offers a wheel for every version that has only sources.
//!
//! uv itself would run the code of sources on this machine to find out what they need. So it is never allowed to build: it is
//! told of a wheel, asks for its metadata, and only then the sources are looked at, or built where building is isolated. What uv
//! asks of the real indexes comes through here too, with the limits and logins of every other request.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::TcpListener;
use std::str::FromStr;
use std::sync::mpsc;
use std::thread;

use http_body_util::{BodyExt, Full};
use hyper::Response;
use parking_lot::Mutex;
use pep440_rs::Version;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::failed;
use crate::backend::embedded::python::address::Address;
use crate::backend::embedded::python::given::Given;
use crate::backend::embedded::python::locks::{Locked, Offer};
use crate::backend::embedded::python::simple::{self, Listed};
use crate::backend::embedded::python::sources::{Describe, is_wheel, version_of};
use crate::backend::embedded::python::tags::{Tags, WheelName};
use crate::backend::embedded::python::web::{Web, failure};
use crate::backend::embedded::python::{Target, Wheel};
use crate::backend::oci::web::TransferError;
use crate::loopback::{Answer, Loopback, random_word};

/// What follows the URL of a wheel in that of its metadata.
const METADATA: &str = ".metadata";

/// The type of our pages.
const JSON: &str = "application/vnd.pypi.simple.v1+json";

/// What is behind a wheel of our pages.
enum Behind {
    Wheel(Address),
    Sources(Wheel),
}

/// The index.
pub(super) struct Front<'a> {
    indexes: &'a [Address],
    web: Web<'a>,
    tags: Tags,
    sources: &'a dyn Describe,
    /// Where it is, with a word that nobody else on this machine knows.
    base: String,
    wheels: Mutex<BTreeMap<String, Behind>>,
    /// What went wrong first.
    trouble: Mutex<Option<BuildError>>,
}

/// A request, and where its answer goes.
type Asked = (String, oneshot::Sender<Reply>);

/// An answer: a type and a text, or a status.
type Reply = Result<(&'static str, Vec<u8>), u16>;

/// Offers the indexes while `work` runs.
pub(super) fn serve<T: Send>(
    target: &Target,
    indexes: &[Address],
    sources: &dyn Describe,
    (given, source): (&Given, &Source<'_>),
    work: impl FnOnce(&Front<'_>) -> Result<T, BuildError>,
) -> Result<T, BuildError> {
    let unstarted = |error: io::Error| failed(format!("uv cannot be served: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").map_err(unstarted)?;
    let at = listener.local_addr().map_err(unstarted)?;
    let secret = random_word().map_err(unstarted)?;
    let front = Front {
        indexes,
        web: Web::new(&given.logins, source),
        tags: Tags::of(target),
        sources,
        base: format!("http://{at}/{secret}"),
        wheels: Mutex::default(),
        trouble: Mutex::default(),
    };
    let (ask, asked) = mpsc::channel::<Asked>();
    let idle = source.access.limits.idle;
    let server = Loopback::start("packages", listener, idle, move |request| {
        let path = request.uri().path().to_owned();
        let ask = ask.clone();
        async move {
            let (give, take) = oneshot::channel();
            let reply = match ask.send((path, give)) {
                Ok(()) => take.await.unwrap_or(Err(500)),
                Err(_) => Err(500),
            };
            answer(reply)
        }
    });
    let server = server.map_err(unstarted)?;
    let done = thread::scope(|scope| {
        let front = &front;
        scope.spawn(move || {
            while let Ok((path, give)) = asked.recv() {
                // Whoever asked may have gone.
                scope.spawn(move || drop(give.send(front.reply(&path))));
            }
        });
        let done = work(front);
        drop(server);
        done
    });
    match front.trouble.into_inner() {
        Some(trouble) if done.is_err() => Err(trouble),
        _ => done,
    }
}

fn answer(reply: Reply) -> Answer {
    let (status, kind, body) = match reply {
        Ok((kind, body)) => (200, kind, body),
        Err(status) => (status, "text/plain", Vec::new()),
    };
    let body = Full::new(body.into()).map_err(|never| match never {});
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(body.boxed())
        .expect("a status and a type make a response")
}

impl Front<'_> {
    /// uv's options for the indexes.
    pub(super) fn options(&self) -> Vec<String> {
        let last = self.indexes.len().saturating_sub(1);
        let each = (0..self.indexes.len()).map(|at| {
            let name = if at == last { "default-index" } else { "index" };
            format!("--{name}={}/{at}/", self.base)
        });
        each.collect()
    }

    /// What uv chose, with what is really behind it.
    pub(super) fn behind(&self, mut locked: Locked) -> Locked {
        let wheels = self.wheels.lock();
        let mut kept = Vec::new();
        for mut offer in std::mem::take(&mut locked.wheels) {
            match offer.url.as_deref().and_then(|url| wheels.get(url)) {
                Some(Behind::Wheel(at)) => {
                    offer.url = Some(at.to_string());
                    kept.push(offer);
                }
                Some(Behind::Sources(sources)) => {
                    locked.sdist = Some(Offer {
                        file: sources.file.clone(),
                        url: Some(sources.url.clone()),
                        sha256: Some(sources.sha256),
                        size: sources.size,
                    });
                }
                None => kept.push(offer),
            }
        }
        locked.wheels = kept;
        locked
    }

    fn reply(&self, path: &str) -> Reply {
        let made = match path.strip_suffix(METADATA) {
            Some(wheel) => self.metadata(wheel),
            None => self.page(path),
        };
        made.unwrap_or_else(|trouble| {
            self.trouble.lock().get_or_insert(trouble);
            // One that uv does not ask for again.
            Err(400)
        })
    }

    fn metadata(&self, path: &str) -> Result<Reply, BuildError> {
        let (at, sources) = match self.wheels.lock().get(&self.whole(path)) {
            None => return Ok(Err(404)),
            Some(Behind::Wheel(at)) => (Some(at.clone()), None),
            Some(Behind::Sources(sources)) => (None, Some(sources.clone())),
        };
        if let Some(sources) = sources {
            let text = self.sources.metadata(&sources)?;
            return Ok(Ok(("text/plain", text.into_bytes())));
        }
        let Some(at) = at else { return Ok(Err(404)) };
        let beside = at.join(&format!("{at}{METADATA}")).map_err(failed)?;
        match self.web.page(&beside, "*/*") {
            Ok((_, _, text)) => Ok(Ok(("text/plain", text))),
            Err(TransferError::Absent) => Ok(Err(404)),
            Err(error) => Err(failure(&beside.origin(), error)),
        }
    }

    /// The page of a project: `/WORD/INDEX/NAME/`.
    fn page(&self, path: &str) -> Result<Reply, BuildError> {
        let whole = self.whole(path);
        let rest = whole.strip_prefix(&self.base).unwrap_or_default();
        let parts: Vec<&str> = rest.trim_matches('/').split('/').collect();
        let index = match parts.as_slice() {
            [at, _] => at.parse().ok().and_then(|at: usize| self.indexes.get(at)),
            _ => None,
        };
        let (Some(index), Some(project)) = (index, parts.last()) else {
            return Ok(Err(404));
        };
        let page = index.page(project).map_err(failed)?;
        let listed = match self.web.page(&page, simple::ACCEPT) {
            Ok((at, kind, text)) => {
                simple::read(&kind, &text, &at).map_err(|why| failed(format!("{page}: {why}")))?
            }
            Err(TransferError::Absent) => return Ok(Err(404)),
            Err(error) => return Err(failure(project, error)),
        };
        let own = whole.trim_end_matches('/');
        let files = self.files(project, own, listed);
        let page = json!({ "meta": { "api-version": "1.1" }, "name": project, "files": files });
        let text = serde_json::to_vec(&page).expect("JSON is JSON");
        Ok(Ok((JSON, text)))
    }

    /// The files of a page: the wheels that it has, and one for each version that has none for the target.
    fn files(&self, project: &str, own: &str, listed: Vec<Listed>) -> Vec<Value> {
        let (wheels, rest): (Vec<Listed>, Vec<Listed>) =
            listed.into_iter().partition(|one| is_wheel(&one.file));
        let mut known = self.wheels.lock();
        let mut with_wheel = BTreeSet::new();
        let mut files = Vec::new();
        for one in wheels {
            let name = WheelName::read(&one.file);
            let usable = name.filter(|name| self.tags.rank(name).is_some());
            let usable = usable.and_then(|name| Version::from_str(&name.version).ok());
            with_wheel.extend(usable.filter(|_| !one.is_yanked));
            let mut url = one.at.to_string();
            if one.has_metadata {
                url = format!("{own}/{}", one.file);
                known.insert(url.clone(), Behind::Wheel(one.at.clone()));
            }
            files.push(told(&one, &one.file, &url, one.has_metadata));
        }
        for one in rest {
            let version = version_of(&one.file, project);
            let version = version.and_then(|text| Version::from_str(&text).ok());
            let (Some(version), Some(sha256)) = (version, one.sha256) else {
                continue;
            };
            if !with_wheel.insert(version.clone()) {
                continue;
            }
            let file = format!("{}-{version}-py3-none-any.whl", project.replace('-', "_"));
            let url = format!("{own}/{file}");
            files.push(told(&one, &file, &url, true));
            let sources = Wheel {
                name: project.to_owned(),
                version: version.to_string(),
                url: one.at.to_string(),
                sha256,
                size: one.size,
                is_requested: false,
                file: one.file,
            };
            known.insert(url, Behind::Sources(sources));
        }
        files
    }

    fn whole(&self, path: &str) -> String {
        let host = self.base.rsplit_once('/').map_or("", |(host, _)| host);
        format!("{host}{path}")
    }
}

/// A file of a page.
fn told(one: &Listed, file: &str, url: &str, has_metadata: bool) -> Value {
    let hashes: BTreeMap<&str, String> = one
        .sha256
        .iter()
        .map(|sha256| ("sha256", sha256.hex()))
        .collect();
    let mut told = json!({
        "filename": file,
        "url": url,
        "hashes": hashes,
        "requires-python": one.requires_python,
        "size": one.size,
        "yanked": one.is_yanked,
        "upload-time": one.upload_time,
        "core-metadata": has_metadata,
    });
    if let Some(told) = told.as_object_mut() {
        // What is not known is not there: uv takes no null for a number.
        told.retain(|_, value| !value.is_null());
    }
    told
}
