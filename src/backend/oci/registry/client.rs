//! One registry's answers: manifests and configs, with tries again where that may help.

use std::time::Duration;

use serde::Deserialize;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::auth::Tokens;
use crate::backend::oci::reference::{DOCKER_HUB, Reference};
use crate::backend::platform::Platform;

/// What a manifest can be.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits before further tries of what may be passing.
const WAITS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// More than any manifest or config has.
const LARGEST: u64 = 16 << 20;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is not there: the registry says so.
    Absent,
    /// Nobody could say; why, in words.
    Unknown(String),
}

/// How long an answer may take that is of use only if it comes soon.
const HASTE: Duration = Duration::from_secs(3);

/// Asks registries. Connections and tokens are kept and used again.
pub(super) struct Client {
    /// Waits before further tries.
    waits: &'static [Duration],
    agent: Agent,
    /// For this machine: a proxy's own `localhost` is another.
    direct: Agent,
    tokens: Tokens,
}

#[derive(Deserialize)]
struct Manifest {
    config: Option<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<Platform>,
}

/// An image that a registry has.
pub(super) struct Found {
    /// The manifest's digest.
    pub(super) digest: String,
    /// The value of the label that was asked for.
    pub(super) label: Option<String>,
    /// What it is for.
    pub(super) platforms: Vec<Platform>,
}

impl Client {
    /// One that waits for answers and asks again.
    pub(super) fn patient() -> Self {
        Self::new(PATIENCE, &WAITS)
    }

    /// One that would rather have no answer than wait.
    pub(super) fn hasty() -> Self {
        Self::new(HASTE, &[])
    }

    fn new(patience: Duration, waits: &'static [Duration]) -> Self {
        let config = || {
            Agent::config_builder()
                .timeout_global(Some(patience))
                .http_status_as_error(false)
                .user_agent(concat!("imgspec/", env!("CARGO_PKG_VERSION")))
        };
        Self {
            waits,
            agent: config().build().into(),
            direct: config().proxy(None).build().into(),
            tokens: Tokens::default(),
        }
    }

    /// An image: its manifest's digest, the value of one of its labels, its platforms.
    pub(super) fn image(&self, reference: &Reference, label: &str) -> Result<Found, Trouble> {
        let (digest, mut manifest) = self.manifest(reference, &reference.tag)?;
        let mut platforms = Vec::new();
        if manifest.config.is_none() {
            // Attestations are of no platform.
            let is_image = |one: &Descriptor| {
                let platform = one.platform.as_ref();
                platform.is_none_or(|platform| platform.os != "unknown")
            };
            manifest.manifests.retain(is_image);
            let own = manifest.manifests.iter();
            platforms = own
                .map(|one| one.platform.clone().unwrap_or_default())
                .collect();
            // All platforms of an image have the same key.
            if let Some(one) = manifest.manifests.first() {
                manifest = self.manifest(reference, &one.digest)?.1;
            }
        }
        let (label, own) = match manifest.config {
            Some(config) => self.config(reference, &config.digest, label)?,
            None => (None, Platform::default()),
        };
        if platforms.is_empty() {
            platforms.push(own);
        }
        Ok(Found {
            digest,
            label,
            platforms,
        })
    }

    /// The digest of an image's manifest.
    pub(super) fn digest(&self, reference: &Reference) -> Result<String, Trouble> {
        let (digest, _) = self.manifest(reference, &reference.tag)?;
        Ok(digest)
    }

    fn manifest(&self, of: &Reference, name: &str) -> Result<(String, Manifest), Trouble> {
        let mut answer = self.get(of, &format!("manifests/{name}"), MANIFESTS)?;
        let told = answer.headers().get("docker-content-digest");
        let told = told
            .and_then(|digest| digest.to_str().ok())
            .map(str::to_owned);
        let text = read(of, &mut answer)?;
        let digest = told
            .or_else(|| name.contains(':').then(|| name.to_owned()))
            .ok_or_else(|| unknown(of, "it tells no digest"))?;
        let manifest = serde_json::from_str(&text);
        Ok((
            digest,
            manifest.map_err(|error| unknown(of, &error.to_string()))?,
        ))
    }

    /// One label of a config, and the platform.
    fn config(
        &self,
        of: &Reference,
        config: &str,
        label: &str,
    ) -> Result<(Option<String>, Platform), Trouble> {
        let mut answer = self.get(of, &format!("blobs/{config}"), "*/*")?;
        let text = read(of, &mut answer)?;
        let config: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| unknown(of, &error.to_string()))?;
        let label = config["config"]["Labels"][label]
            .as_str()
            .map(str::to_owned);
        let platform = serde_json::from_value(config).unwrap_or_default();
        Ok((label, platform))
    }

    /// Gets something of a repository; tries again what may be passing, once more with a token when one is wanted.
    fn get(&self, of: &Reference, what: &str, accept: &str) -> Result<Response<Body>, Trouble> {
        let mut waits = self.waits.iter();
        loop {
            let answer = self.get_once(of, what, accept);
            let passing = match &answer {
                Ok(answer) => is_passing(answer.status()),
                Err(Trouble::Absent) => false,
                Err(Trouble::Unknown(_)) => true,
            };
            match waits.next() {
                Some(wait) if passing => std::thread::sleep(*wait),
                _ => return judge(of, answer?),
            }
        }
    }

    fn get_once(
        &self,
        of: &Reference,
        what: &str,
        accept: &str,
    ) -> Result<Response<Body>, Trouble> {
        let known = self.tokens.known(of);
        let answer = self.send(of, what, accept, known.as_deref())?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let challenge = answer.headers().get("www-authenticate");
        let challenge = challenge
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        match self.tokens.fetch(self.agent(of), of, challenge) {
            Ok(Some(authorization)) => self.send(of, what, accept, Some(&authorization)),
            Ok(None) => Ok(answer),
            Err(why) => Err(unknown(of, &why)),
        }
    }

    fn send(
        &self,
        of: &Reference,
        what: &str,
        accept: &str,
        authorization: Option<&str>,
    ) -> Result<Response<Body>, Trouble> {
        let url = format!("{}/v2/{}/{what}", origin(&of.host), of.path);
        let mut request = self.agent(of).get(&url).header("Accept", accept);
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        request
            .call()
            .map_err(|error| unknown(of, &error.to_string()))
    }

    fn agent(&self, of: &Reference) -> &Agent {
        if is_loopback(&of.host) {
            &self.direct
        } else {
            &self.agent
        }
    }
}

fn judge(of: &Reference, answer: Response<Body>) -> Result<Response<Body>, Trouble> {
    match answer.status() {
        status if status.is_success() => Ok(answer),
        StatusCode::NOT_FOUND => Err(Trouble::Absent),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(unknown(
            of,
            &format!(
                "it refuses ({}); `docker login {}` may help",
                answer.status(),
                of.host
            ),
        )),
        status => Err(unknown(of, &format!("it answers {status}"))),
    }
}

fn read(of: &Reference, answer: &mut Response<Body>) -> Result<String, Trouble> {
    let body = answer.body_mut().with_config().limit(LARGEST);
    body.read_to_string()
        .map_err(|error| unknown(of, &error.to_string()))
}

fn unknown(of: &Reference, why: &str) -> Trouble {
    Trouble::Unknown(format!("registry `{}`: {why}", of.host))
}

fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Where a registry is. Docker's rule: plain HTTP on this machine only.
pub(super) fn origin(host: &str) -> String {
    match host {
        DOCKER_HUB => "https://registry-1.docker.io".to_owned(),
        host if is_loopback(host) => format!("http://{host}"),
        host => format!("https://{host}"),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    let address: Result<std::net::IpAddr, _> = name.parse();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
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
