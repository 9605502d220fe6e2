//! Requests to package indexes and file servers: credentials only where they belong, retries, limits, cancellation.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::{Request, Response, StatusCode};
use ureq::{Agent, Body, ResponseExt};

use super::address::Address;
use super::logins::Logins;
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::oci::hosts;
use crate::backend::oci::name::Digest;
use crate::backend::oci::web::{
    TransferError, Trial, WAITS, carrying, is_loopback, is_passing, words,
};

/// The largest page of an index, in bytes: those of the projects with most files have a few MiB.
const LARGEST: u64 = 64 << 20;

/// A client for package indexes. Connections are reused.
pub(super) struct Web<'a> {
    strict: Agent,
    plain: Agent,
    /// For this machine, without a proxy.
    direct: Agent,
    logins: &'a Logins,
    source: &'a Source<'a>,
    /// What to do if access is refused.
    advice: &'static str,
}

/// How a step that installs Python packages gets a login.
const PYTHON: &str =
    "; give the step a login, as a `secret` with `packages mount=\"/root/.netrc\"`";

type Result<T> = std::result::Result<T, TransferError>;

impl<'a> Web<'a> {
    pub(super) fn new(logins: &'a Logins, source: &'a Source<'a>) -> Self {
        let limits = &source.access.limits;
        let config = || carrying(limits);
        Self {
            // Never redirected to an unencrypted connection.
            strict: hosts::agent(config().https_only(true)),
            plain: hosts::agent(config()),
            direct: hosts::agent(config().proxy(None)),
            logins,
            source,
            advice: PYTHON,
        }
    }

    /// The same for archives of other packages.
    pub(super) fn of_archives(logins: &'a Logins, source: &'a Source<'a>) -> Self {
        let advice = "";
        Self {
            advice,
            ..Self::new(logins, source)
        }
    }

    fn trial(&self) -> Trial<'_> {
        Trial {
            cancel: self.source.cancel,
            limits: &self.source.access.limits,
            waits: &WAITS,
        }
    }

    fn agent(&self, of: &Address) -> &Agent {
        match of {
            _ if is_loopback(of.host()) => &self.direct,
            _ if of.is_encrypted() => &self.strict,
            _ => &self.plain,
        }
    }

    /// A page: where it is after redirects, its type and its text.
    pub(super) fn page(&self, at: &Address, accept: &str) -> Result<(Address, String, Vec<u8>)> {
        let mut answer = self.get(at, &[("Accept", accept)])?;
        let kind = answer.headers().get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.to_ascii_lowercase();
        let moved = at.join(&answer.get_uri().to_string());
        let body = answer.body_mut().with_config().limit(LARGEST).read_to_vec();
        let body = body.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => {
                let why = format!("its page is longer than {} MiB", LARGEST >> 20);
                TransferError::Final(told(at, &why))
            }
            error => self.broken(at, &error),
        })?;
        Ok((moved.unwrap_or_else(|_| at.clone()), kind, body))
    }

    /// Fetches a file into the store, unless that has it.
    pub(super) fn fetch(&self, at: &Address, digest: Digest, size: Option<u64>) -> Result<()> {
        let ask = |have: u64| match have {
            0 => self.get(at, &[]),
            have => self.get(at, &[("Range", &format!("bytes={have}-"))]),
        };
        let failed = |why: &dyn std::fmt::Display| TransferError::Passing(told(at, &why));
        let trial = self.trial();
        trial.receive((digest, size), self.source.store, ask, failed)
    }

    fn get(&self, at: &Address, headers: &[(&str, &str)]) -> Result<Response<Body>> {
        let answer = self.trial().send(|| {
            let mut request = Request::get(at.as_str());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some((user, password)) = self.logins.of(at) {
                let login = STANDARD.encode(format!("{user}:{password}"));
                request = request.header("Authorization", format!("Basic {login}"));
            }
            let request = request.body(());
            let request = request.map_err(|error| TransferError::Final(told(at, &error)))?;
            let answer = self.agent(at).run(request);
            answer.map_err(|error| self.broken(at, &error))
        })?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::RANGE_NOT_SATISFIABLE => Ok(answer),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(TransferError::Absent),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let why = format!("it refuses access ({status}){}", self.advice);
                Err(TransferError::Final(told(at, &why)))
            }
            status if is_passing(status) => {
                let why = format!("it answers {status}");
                Err(TransferError::Passing(told(at, &why)))
            }
            status => Err(TransferError::Final(told(
                at,
                &format!("it answers {status}"),
            ))),
        }
    }

    fn broken(&self, at: &Address, error: &ureq::Error) -> TransferError {
        if self.source.cancel.is_requested() {
            return TransferError::Cancelled;
        }
        TransferError::Passing(told(at, &words(error)))
    }
}

fn told(at: &Address, why: &dyn std::fmt::Display) -> String {
    format!("`{}`: {why}", at.origin())
}

/// A failed request for `what`, in words.
pub(super) fn failure(what: &str, error: TransferError) -> BuildError {
    match error {
        TransferError::Absent => BuildError::Failed(format!("{what} is not found")),
        TransferError::Passing(why) => BuildError::Transient(format!("{what}: {why}")),
        TransferError::Final(why) | TransferError::Lost(why) | TransferError::Store(why) => {
            BuildError::Failed(format!("{what}: {why}"))
        }
        TransferError::Cancelled => BuildError::Cancelled,
    }
}
