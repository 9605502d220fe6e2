//! Queries a single registry for manifests and configs, with retries where they may help and time permits.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::auth::NoLogin;
use super::connections::Connections;
use super::login::Access;
use super::mirrors::Registries;
use super::refusal::Refusal;
use crate::asking::GivenUp;
use crate::backend::label_names::PLATFORM;
use crate::backend::oci::manifest::{self, Descriptor, Sent};
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::web::{WAITS, is_loopback, is_passing, origin, retry_after, words};
use crate::backend::platform::Platform;
use crate::limits::{Limit, Span};

/// Maximum size of a manifest or config, in bytes.
const LARGEST: u64 = 16 << 20;

/// Why a query to a registry has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LookupError {
    /// The registry reports that it does not exist.
    Absent,
    /// There was no usable answer, for the given reason.
    Unknown(String),
}

/// A client for registries.
pub(super) struct Client {
    pub(super) access: Access,
    /// Total time limit for queries about one image.
    pub(super) limit: Limit,
    waits: &'static [Duration],
    pub(super) connections: Connections,
    /// The user's configuration of registries, or why it cannot be read.
    registries: Result<Registries, String>,
    /// The registries that may be spoken to without encryption, beside those on this machine.
    insecure: BTreeSet<String>,
}

/// The queries about one reference, which share a time limit.
pub(super) struct Inquiry<'a> {
    client: &'a Client,
    of: &'a Reference,
    until: Instant,
    /// Whether a registry of this machine where nothing listens has nothing, rather than giving no answer.
    believes_refusal: bool,
}

/// An image in a registry.
pub(super) struct RemoteImage {
    /// The manifest's digest.
    pub(super) digest: String,
    pub(super) label: Option<String>,
    pub(super) platforms: Vec<Platform>,
}

/// The manifests of an image, per platform.
pub(super) struct Manifests {
    /// The digest of the index, or of the single manifest.
    pub(super) digest: String,
    /// The platforms, each with the digest of its manifest.
    pub(super) each: Vec<(Platform, String)>,
}

impl Client {
    /// A client that retries transient failures.
    pub(super) fn patient(access: &Access) -> Self {
        Self::new(access, access.limits.answer(), &WAITS, &access.connections)
    }

    /// A client that moves layers: as long as something moves, it may take any time.
    pub(super) fn carrier(access: &Access) -> Self {
        Self::new(access, access.limits.idle(), &WAITS, &access.connections)
    }

    /// A client that makes a single attempt, with nobody's connections.
    pub(super) fn hasty(access: &Access, limit: Limit) -> Self {
        Self::new(access, limit, &[], &Connections::default())
    }

    fn new(
        access: &Access,
        limit: Limit,
        waits: &'static [Duration],
        connections: &Connections,
    ) -> Self {
        let registries = Registries::read(&access.registries);
        Self {
            access: access.clone(),
            limit,
            waits,
            connections: connections.clone(),
            insecure: registries
                .as_ref()
                .map_or_else(|_| BTreeSet::new(), Registries::insecure),
            registries,
        }
    }

    /// Where to pull an image from, in order: mirrors, then its registry.
    pub(super) fn sources(
        &self,
        of: &Reference,
        is_pinned: bool,
    ) -> Result<Vec<Reference>, String> {
        self.registries.as_ref()?.sources(of, is_pinned)
    }

    /// The base URL of a registry.
    pub(super) fn origin(&self, host: &str) -> String {
        if self.insecure.contains(host) {
            format!("http://{host}")
        } else {
            origin(host)
        }
    }

    /// Whether a registry accepts a connection and then sends nothing.
    pub(super) fn is_silent(&self, host: &str) -> bool {
        let asked = self
            .agent(host)
            .get(format!("{}/v2/", self.origin(host)))
            .config()
            .timeout_global(Some(self.limit.time))
            .build()
            .call();
        let late = |why| !matches!(why, ureq::Timeout::Connect | ureq::Timeout::Resolve);
        matches!(asked, Err(ureq::Error::Timeout(why)) if late(why))
    }

    pub(super) fn inquiry<'a>(&'a self, of: &'a Reference) -> Inquiry<'a> {
        self.inquiry_within(of, self.limit.time)
    }

    pub(super) fn inquiry_within<'a>(&'a self, of: &'a Reference, time: Duration) -> Inquiry<'a> {
        Inquiry {
            client: self,
            of,
            until: Instant::now() + time,
            believes_refusal: false,
        }
    }

    pub(super) fn agent(&self, host: &str) -> &Agent {
        let agents = self.connections.agents(&self.access.limits);
        if is_loopback(host) || self.insecure.contains(host) {
            &agents.near
        } else {
            &agents.far
        }
    }
}

impl Inquiry<'_> {
    /// The same, for what other machines may have left there.
    pub(super) fn left_by_others(mut self) -> Self {
        self.believes_refusal = true;
        self
    }

    /// The digest of the manifest.
    pub(super) fn digest(&self) -> Result<String, LookupError> {
        Ok(self.manifest(&self.of.tag)?.0)
    }

    pub(super) fn image(&self, label: &str) -> Result<RemoteImage, LookupError> {
        let (digest, mut manifest) = self.manifest(self.version())?;
        if let Some((label, platforms)) = annotated(&manifest, label) {
            return Ok(RemoteImage {
                digest,
                label: Some(label),
                platforms,
            });
        }
        let mut platforms = Vec::new();
        if manifest.config.is_none() {
            let mut images = manifest.manifests.take().unwrap_or_default();
            images.retain(Descriptor::is_image);
            let own = images.iter();
            platforms = own
                .map(|one| one.platform.clone().unwrap_or_default())
                .collect();
            // All platforms of an image have the same key, so the first one is enough.
            if let Some(one) = images.first() {
                manifest = self.manifest(&one.digest.to_string())?.1;
            }
        }
        let (label, own) = match manifest.config {
            Some(config) => self.config(&config.digest.to_string(), label)?,
            None => (None, Platform::default()),
        };
        if platforms.is_empty() {
            platforms.push(own);
        }
        Ok(RemoteImage {
            digest,
            label,
            platforms,
        })
    }

    pub(super) fn manifests(&self) -> Result<Manifests, LookupError> {
        let (digest, manifest) = self.manifest(self.version())?;
        let each = if let Some(config) = manifest.config {
            let (_, platform) = self.config(&config.digest.to_string(), "")?;
            vec![(platform, digest.clone())]
        } else {
            let images = manifest.manifests.unwrap_or_default().into_iter();
            let images = images.filter(Descriptor::is_image);
            images
                .map(|one| (one.platform.unwrap_or_default(), one.digest.to_string()))
                .collect()
        };
        Ok(Manifests { digest, each })
    }

    /// The digest in the reference, which is exact, or else its tag.
    fn version(&self) -> &str {
        self.of.digest.as_ref().unwrap_or(&self.of.tag)
    }

    fn manifest(&self, name: &str) -> Result<(String, Sent), LookupError> {
        let (digest, text) = self.text(name, LARGEST)?;
        let sent = serde_json::from_slice(&text);
        Ok((digest, sent.map_err(|error| self.unknown(&error))?))
    }

    /// A manifest by tag or digest, of at most this size, and its digest.
    pub(super) fn text(&self, name: &str, most: u64) -> Result<(String, Vec<u8>), LookupError> {
        let mut answer = self.get(&format!("manifests/{name}"), &manifest::ANY.join(", "))?;
        let told = answer.headers().get("docker-content-digest");
        let told = told.and_then(|digest| digest.to_str().ok());
        // What was asked for by digest must be that, whatever the registry calls it.
        let told = name.contains(':').then_some(name).or(told);
        let told = told.map(str::to_owned);
        let text = self.read(&mut answer, most)?;
        let digest = self.checked(&text, told.as_deref())?;
        Ok((digest, text))
    }

    /// A blob of at most this size.
    pub(super) fn blob(&self, digest: &str, most: u64) -> Result<Vec<u8>, LookupError> {
        let mut answer = self.get(&format!("blobs/{digest}"), "*/*")?;
        let text = self.read(&mut answer, most)?;
        self.checked(&text, Some(digest))?;
        Ok(text)
    }

    fn config(&self, config: &str, label: &str) -> Result<(Option<String>, Platform), LookupError> {
        let text = self.blob(config, LARGEST)?;
        let config: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| self.unknown(&error))?;
        let label = config["config"]["Labels"][label]
            .as_str()
            .map(str::to_owned);
        let platform = serde_json::from_value(config).unwrap_or_default();
        Ok((label, platform))
    }

    /// Returns the digest of the received content, which must be equal to `told` if given.
    fn checked(&self, text: &[u8], told: Option<&str>) -> Result<String, LookupError> {
        let digest = Digest::of(text).to_string();
        match told {
            Some(told) if told != digest => {
                Err(self.unknown(&format!("it sent `{digest}` instead of `{told}`")))
            }
            _ => Ok(digest),
        }
    }

    /// Requests a resource of the repository; retries transient failures while time permits, and once more with a token
    /// if the registry requires one.
    pub(super) fn get(&self, what: &str, accept: &str) -> Result<Response<Body>, LookupError> {
        let mut waits = self.client.waits.iter();
        loop {
            let answer = self.get_once(what, accept)?;
            let (is_passing, asked) = match &answer {
                Ok(answer) => (is_passing(answer.status()), retry_after(answer)),
                Err(error) => (*error != LookupError::Absent, None),
            };
            let wait = waits.next().filter(|_| is_passing);
            match wait.map(|wait| asked.unwrap_or(*wait).max(*wait)) {
                Some(wait) if wait < self.left() => std::thread::sleep(wait),
                _ => return self.judge(answer?, asked),
            }
        }
    }

    /// The outer error is one that asking again does not change.
    fn get_once(
        &self,
        what: &str,
        accept: &str,
    ) -> Result<Result<Response<Body>, LookupError>, LookupError> {
        let tokens = self.client.connections.tokens();
        let known = tokens.known(self.of);
        let answer = match self.send(what, accept, known.as_deref()) {
            Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => answer,
            other => return Ok(other),
        };
        let agent = (self.client.agent(&self.of.host), self.left());
        match tokens.fetch(agent, &self.client.access, self.of, &answer) {
            Ok(Some(authorization)) => Ok(self.send(what, accept, Some(&authorization))),
            Ok(None) => Ok(Ok(answer)),
            Err(NoLogin::Failed(why)) => Ok(Err(self.unknown(&why))),
            Err(NoLogin::Refused(why)) => Err(self.unknown(&why)),
        }
    }

    fn send(
        &self,
        what: &str,
        accept: &str,
        authorization: Option<&str>,
    ) -> Result<Response<Body>, LookupError> {
        let url = format!(
            "{}/v2/{}/{what}",
            self.client.origin(&self.of.host),
            self.of.path
        );
        let request = self.client.agent(&self.of.host).get(&url);
        let config = request.config().timeout_global(Some(self.left()));
        let request = config.timeout_per_read(None).timeout_per_write(None);
        let request = request.build();
        let mut request = request.header("Accept", accept);
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        request.call().map_err(|error| self.broken(&error))
    }

    pub(super) fn read(
        &self,
        answer: &mut Response<Body>,
        most: u64,
    ) -> Result<Vec<u8>, LookupError> {
        let body = answer.body_mut().with_config().limit(most);
        body.read_to_vec().map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => {
                self.unknown(&format!("its answer is longer than {} MiB", most >> 20))
            }
            error => self.broken(&error),
        })
    }

    fn judge(
        &self,
        answer: Response<Body>,
        asked: Option<Duration>,
    ) -> Result<Response<Body>, LookupError> {
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(LookupError::Absent),
            _ => {
                let Refusal { words, .. } = Refusal::read(answer, &self.of.host);
                Err(self.unknown(&match asked {
                    Some(wait) => format!("{words} and asks to retry in {}", Span(wait)),
                    None => words,
                }))
            }
        }
    }

    /// The remaining time; never zero, which would mean no limit.
    fn left(&self) -> Duration {
        let left = self.until.saturating_duration_since(Instant::now());
        left.max(Duration::from_millis(1))
    }

    pub(super) fn unknown(&self, why: &dyn Display) -> LookupError {
        LookupError::Unknown(format!("registry `{}`: {why}", self.of.host))
    }

    fn broken(&self, error: &ureq::Error) -> LookupError {
        match error {
            // Report the whole limit, not just what was left of it.
            ureq::Error::Timeout(why) if *why != ureq::Timeout::Connect => {
                self.unknown(&GivenUp::Late(self.client.limit))
            }
            ureq::Error::Timeout(_) => {
                let limit = self.client.access.limits.connect();
                self.unknown(&format!("no connection within {limit}"))
            }
            ureq::Error::Io(error)
                if self.believes_refusal
                    && error.kind() == ErrorKind::ConnectionRefused
                    && is_loopback(&self.of.host) =>
            {
                LookupError::Absent
            }
            error => self.unknown(&words(error)),
        }
    }
}

/// What the annotations of a manifest or index say: the value of the label, and the platforms.
fn annotated(sent: &Sent, label: &str) -> Option<(String, Vec<Platform>)> {
    let label = sent.annotation(label)?.to_owned();
    let platforms = match &sent.manifests {
        None => vec![Platform::read(sent.annotation(PLATFORM)?)],
        Some(all) => {
            let images = all.iter().filter(|one| one.is_image());
            images
                .map(|one| one.platform.clone())
                .collect::<Option<_>>()?
        }
    };
    Some((label, platforms))
}
