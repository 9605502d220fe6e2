//! What a registry wants to see before it answers: basic credentials or a token, got from Docker's configuration.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde::Deserialize;
use ureq::Agent;

use crate::backend::oci::reference::{DOCKER_HUB, Reference};

/// What Docker's configuration calls Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// Where Docker Hub's registry answers.
const HUB_HOST: &str = "registry-1.docker.io";

/// The authorizations that registries took, by host and repository.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<(String, String), String>>);

/// `Bearer realm="…",service="…",scope="…"`.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    values: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

impl Tokens {
    /// What the registry took for this repository before.
    pub(super) fn known(&self, of: &Reference) -> Option<String> {
        self.lock().get(&place(of)).cloned()
    }

    /// The authorization that meets a challenge; none when there is nothing to show.
    pub(super) fn fetch(
        &self,
        agent: &Agent,
        of: &Reference,
        challenge: &str,
    ) -> Result<Option<String>, String> {
        let challenge = Challenge::read(challenge);
        let credential = credential(&of.host)?;
        let authorization = match (challenge.scheme.as_str(), credential) {
            ("basic", Some(DockerCredential::UsernamePassword(user, password))) => {
                Some(basic(&user, &password))
            }
            ("bearer", credential) => Some(token(agent, of, &challenge, credential)?),
            _ => None,
        };
        if let Some(authorization) = &authorization {
            self.lock().insert(place(of), authorization.clone());
        }
        Ok(authorization)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(of: &Reference) -> (String, String) {
    (of.host.clone(), of.path.clone())
}

impl Challenge {
    fn read(text: &str) -> Self {
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut values = BTreeMap::new();
        let mut rest = rest.trim_start();
        while let Some((name, tail)) = rest.split_once('=') {
            let (value, tail) = match tail.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => tail.split_at(tail.find(',').unwrap_or(tail.len())),
            };
            let name = name.trim().to_ascii_lowercase();
            values.insert(name, value.to_owned());
            rest = tail.trim_start_matches([',', ' ']);
        }
        Self {
            scheme: scheme.to_ascii_lowercase(),
            values,
        }
    }

    fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }
}

/// User and password for a registry's host, or an empty user and a token; none if Docker knows none.
///
/// # Errors
/// In words, when Docker's configuration or its helper cannot be asked.
pub(in crate::backend) fn login(host: &str) -> Result<Option<(String, String)>, String> {
    let credential = credential(host)?;
    Ok(credential.map(|credential| match credential {
        DockerCredential::UsernamePassword(user, password) => (user, password),
        DockerCredential::IdentityToken(token) => (String::new(), token),
    }))
}

fn credential(host: &str) -> Result<Option<DockerCredential>, String> {
    let key = if [DOCKER_HUB, HUB_HOST].contains(&host) {
        HUB_KEY
    } else {
        host
    };
    match docker_credential::get_credential(key) {
        Ok(credential) => Ok(Some(credential)),
        Err(
            CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::NoCredentialConfigured
            | CredentialRetrievalError::ConfigReadError,
        ) => Ok(None),
        // The helper's own words may hold what they should not.
        Err(CredentialRetrievalError::HelperFailure { .. }) => {
            Err("docker's credential helper failed".to_owned())
        }
        Err(error) => Err(format!("docker's credentials cannot be read: {error}")),
    }
}

fn token(
    agent: &Agent,
    of: &Reference,
    challenge: &Challenge,
    credential: Option<DockerCredential>,
) -> Result<String, String> {
    let realm = challenge.value("realm");
    let scope = match challenge.value("scope") {
        "" => format!("repository:{}:pull", of.path),
        scope => scope.to_owned(),
    };
    let service = challenge.value("service");
    let answer = match credential {
        Some(DockerCredential::IdentityToken(token)) => agent.post(realm).send_form([
            ("grant_type", "refresh_token"),
            ("refresh_token", token.as_str()),
            ("client_id", "imgspec"),
            ("service", service),
            ("scope", scope.as_str()),
        ]),
        credential => {
            let mut request = agent.get(realm).query("scope", &scope);
            if !service.is_empty() {
                request = request.query("service", service);
            }
            if let Some(DockerCredential::UsernamePassword(user, password)) = credential {
                request = request.header("Authorization", basic(&user, &password));
            }
            request.call()
        }
    };
    let mut answer = answer.map_err(|error| format!("no token: {error}"))?;
    if !answer.status().is_success() {
        return Err(format!("no token: the server answers {}", answer.status()));
    }
    let token = answer.body_mut().read_json::<Token>();
    let token = token.map_err(|error| format!("no token: {error}"))?;
    Ok(format!("Bearer {}", token.token))
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_with_and_without_quotes() {
        let read = Challenge::read(
            r#"Bearer realm="https://a/token?x=1",service=reg.io, scope="repository:a/b:pull,push""#,
        );
        assert_eq!(read.scheme, "bearer");
        assert_eq!(read.value("realm"), "https://a/token?x=1");
        assert_eq!(read.value("service"), "reg.io");
        assert_eq!(read.value("scope"), "repository:a/b:pull,push");
        assert_eq!(Challenge::read("Basic realm=\"x\"").scheme, "basic");
        assert_eq!(Challenge::read("").value("realm"), "");
    }
}
