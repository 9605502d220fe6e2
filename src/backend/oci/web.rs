//! HTTP requests that move blobs, to registries and package indexes: which failures pass, how long to wait before the next
//! attempt, and answers that are streamed into the store.

use std::fmt::Display;
use std::io::{self, Read};
use std::path::Path;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use ureq::config::ConfigBuilder;
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::typestate::AgentScope;
use ureq::{Agent, Body};

use super::name::Digest;
use super::reference::DOCKER_HUB;
use super::store::{Store, StoreError};
use crate::backend::BuildError;
use crate::cancel::Cancel;
use crate::disk::system_words;
use crate::limits::Limits;

/// Delays before retries of transient failures, unless the server specifies one.
pub(in crate::backend) const WAITS: [Duration; 2] =
    [Duration::from_millis(250), Duration::from_secs(1)];

/// Maximum number of redirects.
const REDIRECTS: u32 = 5;

/// How much of an answer is read at once.
const PIECE: usize = 256 << 10;

/// Why a transfer did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::backend) enum TransferError {
    /// The server does not have it.
    #[error("the registry does not have it")]
    Absent,
    /// It may succeed later.
    #[error("{0}")]
    Passing(String),
    /// It will not.
    #[error("{0}")]
    Final(String),
    /// The store does not have it, or no longer because it was damaged.
    #[error("{0}")]
    Lost(String),
    /// The store cannot be used.
    #[error("{0}")]
    Store(String),
    #[error("interrupted")]
    Cancelled,
}

impl TransferError {
    /// A failed transfer of an image in words.
    pub(in crate::backend) fn of_image(self, reference: &str) -> BuildError {
        match self {
            Self::Absent => BuildError::Failed(format!("the registry does not have `{reference}`")),
            Self::Passing(why) => BuildError::Transient(format!("`{reference}`: {why}")),
            Self::Final(why) => BuildError::Failed(format!("`{reference}`: {why}")),
            Self::Lost(why) | Self::Store(why) => BuildError::Failed(why),
            Self::Cancelled => BuildError::Cancelled,
        }
    }
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        let why = error.to_string();
        match error {
            StoreError::Unknown(_) | StoreError::Damaged(_) => Self::Lost(why),
            _ => Self::Store(why),
        }
    }
}

type Result<T> = std::result::Result<T, TransferError>;

/// A configuration for agents, which trust the certificates that this machine trusts.
pub(in crate::backend) fn config(limits: &Limits) -> ConfigBuilder<AgentScope> {
    let trusted = TlsConfig::builder().root_certs(roots());
    Agent::config_builder()
        .tls_config(trusted.build())
        .timeout_connect(Some(limits.connect))
        .max_redirects(REDIRECTS)
        .http_status_as_error(false)
        .user_agent(concat!("imgspec/", env!("CARGO_PKG_VERSION")))
}

/// The certificates of this machine, or the usual ones where it has none.
fn roots() -> RootCerts {
    const USUAL: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    static HAS_OWN: LazyLock<bool> = LazyLock::new(|| {
        let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(std::env::var_os);
        let is_linux = cfg!(target_os = "linux");
        !is_linux
            || named.iter().any(Option::is_some)
            || USUAL.iter().any(|at| Path::new(at).exists())
    });
    if *HAS_OWN {
        RootCerts::PlatformVerifier
    } else {
        RootCerts::WebPki
    }
}

/// A configuration for agents that move blobs: as long as something moves, it may take any time.
pub(in crate::backend) fn carrying(limits: &Limits) -> ConfigBuilder<AgentScope> {
    config(limits)
        .timeout_per_read(Some(limits.idle))
        .timeout_per_write(Some(limits.idle))
}

/// How often and how long something is tried.
#[derive(Clone, Copy)]
pub(in crate::backend) struct Trial<'a> {
    pub(in crate::backend) cancel: &'a Cancel,
    pub(in crate::backend) limits: &'a Limits,
    /// The pauses between attempts.
    pub(in crate::backend) waits: &'static [Duration],
}

impl Trial<'_> {
    /// Sends a request, again after passing failures.
    pub(in crate::backend) fn send(
        self,
        send: impl Fn() -> Result<Response<Body>>,
    ) -> Result<Response<Body>> {
        let Self {
            cancel,
            limits,
            waits,
        } = self;
        let mut waits = waits.iter();
        loop {
            if cancel.is_requested() {
                return Err(TransferError::Cancelled);
            }
            let answer = send();
            let (is_passing, asked) = match &answer {
                Ok(answer) => (is_passing(answer.status()), retry_after(answer)),
                Err(TransferError::Passing(_)) => (true, None),
                Err(_) => (false, None),
            };
            match waits.next().filter(|_| is_passing) {
                Some(wait) => {
                    let wait = asked.unwrap_or(*wait).max(*wait);
                    pause(wait.min(limits.answer), cancel)?;
                }
                None => return answer,
            }
        }
    }

    /// Fetches a blob into the store; a connection that breaks is continued where it broke. `most` is its size, if that is
    /// known; `ask` requests the blob from a byte on; `failed` words a failure that may pass.
    pub(in crate::backend) fn receive(
        self,
        (wanted, most): (Digest, Option<u64>),
        to: &Store,
        ask: impl Fn(u64) -> Result<Response<Body>>,
        failed: impl Fn(&dyn Display) -> TransferError,
    ) -> Result<()> {
        let Self { cancel, waits, .. } = self;
        let mut writer = to.writer()?;
        let mut piece = vec![0; PIECE];
        let mut broken = 0;
        loop {
            let have = writer.size();
            let mut answer = ask(have)?;
            if have > 0 && answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
                // It broke after the last byte.
                break;
            }
            if have > 0 && answer.status() != StatusCode::PARTIAL_CONTENT {
                writer = to.writer()?;
            }
            let mut body = answer.body_mut().as_reader();
            let error = loop {
                if cancel.is_requested() {
                    return Err(TransferError::Cancelled);
                }
                match body.read(&mut piece) {
                    Ok(0) => break None,
                    Ok(_) if most.is_some_and(|most| writer.size() >= most) => {
                        return Err(failed(&format!(
                            "it sent more than {} bytes",
                            most.unwrap_or(0)
                        )));
                    }
                    Ok(count) => writer.add(&piece[..count])?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => break Some(error),
                }
            };
            let Some(error) = error else { break };
            broken += 1;
            match waits.get(broken - 1) {
                Some(wait) => pause(*wait, cancel)?,
                None => return Err(failed(&error)),
            }
        }
        match writer.finish(Some(wanted)) {
            Ok(_) => Ok(()),
            Err(error @ StoreError::Mismatch { .. }) => Err(failed(&error)),
            Err(error) => Err(error.into()),
        }
    }
}

fn pause(time: Duration, cancel: &Cancel) -> Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if cancel.is_requested() {
            return Err(TransferError::Cancelled);
        }
        thread::sleep(Duration::from_millis(20).min(time));
    }
    Ok(())
}

pub(in crate::backend) fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// The delay that a server asks for, in seconds or as a date.
pub(in crate::backend) fn retry_after(answer: &Response<Body>) -> Option<Duration> {
    let text = answer.headers().get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::parse(text).ok()?.timestamp();
    let left: SignedDuration = until.duration_since(Timestamp::now());
    Some(left.try_into().unwrap_or_default())
}

/// Whether a host, with or without a port, is this machine.
pub(in crate::backend) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    let address: std::result::Result<std::net::IpAddr, _> = name.parse();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A failed request in words.
pub(in crate::backend) fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "its answer ends prematurely".to_owned()
        }
        ureq::Error::Io(error) => system_words(error),
        ureq::Error::TooManyRedirects => "too many redirects".to_owned(),
        ureq::Error::RequireHttpsOnly(url) => {
            format!("it redirects to `{url}`, which is not encrypted")
        }
        error => error.to_string(),
    }
}

/// The base URL of a registry. As with Docker, plain HTTP is used only on this machine.
pub(in crate::backend) fn origin(host: &str) -> String {
    match host {
        DOCKER_HUB => "https://registry-1.docker.io".to_owned(),
        host if is_loopback(host) => format!("http://{host}"),
        host => format!("https://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        assert_eq!(origin("127.0.0.1:5000"), "http://127.0.0.1:5000");
        assert_eq!(origin("127.1.2.3"), "http://127.1.2.3");
        assert_eq!(origin("localhost:5000"), "http://localhost:5000");
        assert_eq!(origin("[::1]:5000"), "http://[::1]:5000");
        assert_eq!(
            origin("127.0.0.1.example.com"),
            "https://127.0.0.1.example.com"
        );
        assert_eq!(origin("10.0.0.1:5000"), "https://10.0.0.1:5000");
        assert_eq!(origin("docker.io"), "https://registry-1.docker.io");
    }
}
