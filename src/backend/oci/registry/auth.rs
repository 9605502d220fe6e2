//! Authentication with registries: basic credentials or a token, based on Docker's configuration.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::connections::Tokens;
use super::login::{Access, Login};
use super::refusal::Refusal;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::web::words;

/// Maximum size of a token response, in bytes.
const LARGEST: u64 = 1 << 20;

/// A parsed `www-authenticate` header, such as `Bearer realm="…",service="…",scope="…"`.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    values: BTreeMap<String, String>,
}

/// Why there is no authorization.
#[derive(Debug)]
pub(super) enum NoLogin {
    /// The login is refused, or cannot be read: asking again would change nothing, and a password that is wrong too often may be
    /// locked.
    Refused(String),
    /// It may work another time.
    Failed(String),
}

/// What a token server sends: the token under either name, or under both.
#[derive(Deserialize)]
struct Sent {
    token: Option<String>,
    access_token: Option<String>,
}

impl Sent {
    fn token(self) -> Option<String> {
        let both = [self.token, self.access_token];
        both.into_iter().flatten().find(|token| !token.is_empty())
    }
}

impl Tokens {
    /// The authorization that the registry accepted for this repository before, if any.
    pub(super) fn known(&self, of: &Reference) -> Option<String> {
        self.0.lock().get(&place(of)).cloned()
    }

    /// Obtains the authorization that an answer asks for; `None` if there are no suitable credentials.
    pub(super) fn fetch(
        &self,
        (agent, left): (&Agent, Duration),
        access: &Access,
        of: &Reference,
        answer: &Response<Body>,
    ) -> Result<Option<String>, NoLogin> {
        let challenge = answer.headers().get("www-authenticate");
        let challenge = challenge.and_then(|value| value.to_str().ok());
        let challenge = Challenge::read(challenge.unwrap_or_default());
        let login = access.login(&of.host).map_err(NoLogin::Refused)?;
        let authorization = match (challenge.scheme.as_str(), login) {
            ("basic", Some(Login::Password(user, password))) => Some(basic(&user, &password)),
            ("bearer", login) => Some(token((agent, left), of, &challenge, login)?),
            _ => None,
        };
        if let Some(authorization) = &authorization {
            self.0.lock().insert(place(of), authorization.clone());
        }
        Ok(authorization)
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

fn token(
    (agent, left): (&Agent, Duration),
    of: &Reference,
    challenge: &Challenge,
    login: Option<Login>,
) -> Result<String, NoLogin> {
    let realm = challenge.value("realm");
    let no_token = |why: &dyn Display| format!("no token from `{realm}`: {why}");
    let failed = |error: &ureq::Error| NoLogin::Failed(no_token(&words(error)));
    let answer = ask((agent, left), of, challenge, login);
    let mut answer = answer.map_err(|error| failed(&error))?;
    if !answer.status().is_success() {
        let refusal = Refusal::read(answer, &of.host);
        let why = no_token(&refusal.words);
        return Err(if refusal.is_passing {
            NoLogin::Failed(why)
        } else {
            NoLogin::Refused(why)
        });
    }
    let body = answer.body_mut().with_config().limit(LARGEST);
    let sent = body.read_json::<Sent>().map_err(|error| failed(&error))?;
    let none = || NoLogin::Refused(no_token(&"it sent none"));
    let token = sent.token().ok_or_else(none)?;
    Ok(format!("Bearer {token}"))
}

/// Asks the token server that a challenge names.
fn ask(
    (agent, left): (&Agent, Duration),
    of: &Reference,
    challenge: &Challenge,
    login: Option<Login>,
) -> Result<Response<Body>, ureq::Error> {
    let realm = challenge.value("realm");
    let scope = match challenge.value("scope") {
        "" => format!("repository:{}:pull", of.path),
        scope => scope.to_owned(),
    };
    let service = challenge.value("service");
    match login {
        Some(Login::Token(token)) => {
            let request = agent
                .post(realm)
                .config()
                .timeout_global(Some(left))
                .build();
            request.send_form([
                ("grant_type", "refresh_token"),
                ("refresh_token", token.as_str()),
                ("client_id", "imgspec"),
                ("service", service),
                ("scope", scope.as_str()),
            ])
        }
        login => {
            let request = agent.get(realm).config().timeout_global(Some(left)).build();
            let mut request = request.query("scope", &scope);
            if !service.is_empty() {
                request = request.query("service", service);
            }
            if let Some(Login::Password(user, password)) = login {
                request = request.header("Authorization", basic(&user, &password));
            }
            request.call()
        }
    }
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
