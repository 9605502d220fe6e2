//! Logins for registries, from Docker's configuration and the credential helpers that it names.
//!
//! Read by our own code, because a helper may never answer and the file may contain anything. Source:
//! <https://docs.docker.com/reference/cli/docker/login/> (`auths`, `credHelpers`, `credsStore`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::connections::Connections;
use crate::asking::Asker;
use crate::backend::oci::reference::DOCKER_HUB;
use crate::disk::limits;
use crate::disk::read::{self, Links};
use crate::limits::Limits;
use crate::process;

/// The key of Docker Hub in Docker's configuration.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The host names of Docker Hub.
const HUB: &[&str] = &[DOCKER_HUB, "registry-1.docker.io", "index.docker.io"];

/// The user name that helpers return for a bare token.
const TOKEN: &str = "<token>";

/// How to access registries: time limits, the directory of Docker's configuration, where containers' one may be, and what is shared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    pub(crate) limits: Limits,
    pub(crate) configuration: Option<PathBuf>,
    /// The places of `registries.conf`, in order.
    pub(crate) registries: Vec<PathBuf>,
    pub(crate) connections: Connections,
}

/// Credentials for a registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Login {
    Password(String, String),
    /// An identity token, which replaces user name and password.
    Token(String),
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    auths: BTreeMap<String, Known>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

/// An entry of `auths` in Docker's configuration.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Known {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl Access {
    /// The login for a registry's host; `None` if Docker has none. Errors never contain values.
    pub(crate) fn login(&self, host: &str) -> Result<Option<Login>, String> {
        let Some(folder) = &self.configuration else {
            return Ok(None);
        };
        let file = folder.join("config.json");
        let bytes = match read::bytes(&file, Links::Follow, limits::CONFIGURATION) {
            Err(refusal) if refusal.is_absent() => return Ok(None),
            read => read.map_err(|why| format!("`{}` cannot be read: {why}", file.display()))?,
        };
        // The parser's error message might quote secrets.
        let known: Configuration = serde_json::from_slice(&bytes).map_err(|error| {
            let (file, line) = (file.display(), error.line());
            format!("`{file}` cannot be read: line {line} is not valid Docker configuration")
        })?;
        let key = if HUB.contains(&host) { HUB_KEY } else { host };
        let helper = known.cred_helpers.get(key).filter(|name| !name.is_empty());
        if let Some(helper) = helper {
            return self.ask(helper, key);
        }
        if let Some(login) = known.found(host, key)? {
            return Ok(Some(login));
        }
        match known.creds_store.as_str() {
            "" => Ok(None),
            helper => self.ask(helper, key),
        }
    }

    fn ask(&self, helper: &str, key: &str) -> Result<Option<Login>, String> {
        let name = format!("docker-credential-{helper}");
        let mut command = Command::new(&name);
        process::keep_all(command.arg("get"));
        // The user may have to type something.
        let question = Asker::silent().ask(&name, self.limits.idle());
        let said = process::ask_with(&mut command, key, &question).map_err(|error| {
            format!("docker's credential helper `{name}` does not answer: {error}")
        })?;
        if !said.success {
            // Other output of a failing helper might contain secrets.
            return if said.out.contains("credentials not found") {
                Ok(None)
            } else {
                Err(format!("docker's credential helper `{name}` failed"))
            };
        }
        let told: HelperAnswer = serde_json::from_str(&said.out).map_err(|_| {
            format!("the answer of docker's credential helper `{name}` cannot be parsed")
        })?;
        Ok(login(told.username, told.secret))
    }
}

impl Configuration {
    fn found(&self, host: &str, key: &str) -> Result<Option<Login>, String> {
        let is_hub = HUB.contains(&host);
        let mut all = self.auths.iter();
        let found = self.auths.get(key).or_else(|| {
            let (_, found) = all.find(|(name, _)| {
                let name = bare(name);
                name == host || (is_hub && HUB.contains(&name))
            })?;
            Some(found)
        });
        let Some(known) = found else { return Ok(None) };
        if !known.identitytoken.is_empty() {
            return Ok(Some(Login::Token(known.identitytoken.clone())));
        }
        if known.auth.is_empty() {
            return Ok(login(known.username.clone(), known.password.clone()));
        }
        let text = decode(&known.auth)
            .ok_or_else(|| format!("docker's configuration has no readable login for `{host}`; `docker login {host}` may help"))?;
        let (user, password) = text.split_once(':').unwrap_or((&text, ""));
        // Docker itself pads passwords with NULs.
        Ok(login(
            user.to_owned(),
            password.trim_matches('\0').to_owned(),
        ))
    }
}

fn login(user: String, password: String) -> Option<Login> {
    match user.as_str() {
        TOKEN => Some(Login::Token(password)),
        "" if password.is_empty() => None,
        _ => Some(Login::Password(user, password)),
    }
}

/// The host of a key as written by older clients: `https://quay.io/v1/`.
fn bare(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split_once('/').map_or(rest, |(host, _)| host)
}

fn decode(text: &str) -> Option<String> {
    let rules =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&alphabet::STANDARD, rules)
        .decode(text)
        .ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn access(folder: &Path, configuration: &str) -> Access {
        std::fs::write(folder.join("config.json"), configuration).unwrap();
        Access {
            limits: Limits::default(),
            configuration: Some(folder.to_owned()),
            ..Access::default()
        }
    }

    /// Formats a login as `user:password`; tokens have no user.
    fn said(access: &Access, host: &str) -> Result<Option<String>, String> {
        let login = access.login(host)?;
        Ok(login.map(|login| match login {
            Login::Password(user, password) => format!("{user}:{password}"),
            Login::Token(token) => format!(":{token}"),
        }))
    }

    #[test]
    fn logins_are_read_as_docker_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let access = access(
            folder.path(),
            r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"},"ghcr.io":{"auth":"dTpwOnA="},
                "https://quay.io/v1/":{"username":"u","password":"q"},"reg.io:5000":{"identitytoken":"t"},
                "empty.io":{},"bad.io":{"auth":"%"}}}"#,
        );
        let said = |host: &str| said(&access, host);
        assert_eq!(said("docker.io").unwrap().as_deref(), Some("u:p"));
        assert_eq!(
            said("registry-1.docker.io").unwrap().as_deref(),
            Some("u:p")
        );
        assert_eq!(said("ghcr.io").unwrap().as_deref(), Some("u:p:p"));
        assert_eq!(said("quay.io").unwrap().as_deref(), Some("u:q"));
        assert_eq!(said("reg.io:5000").unwrap().as_deref(), Some(":t"));
        assert_eq!(said("empty.io"), Ok(None));
        assert_eq!(said("other.io"), Ok(None));
        assert!(said("bad.io").unwrap_err().contains("`bad.io`"));
    }

    #[test]
    fn a_configuration_that_is_none_is_refused_without_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = access(folder.path(), r#"{"auths": {"a": "c2VjcmV0"}}"#);
        let why = said(&wrong, "a").unwrap_err();
        assert!(
            why.ends_with("line 1 is not valid Docker configuration"),
            "{why}"
        );
        let none = Access {
            configuration: Some(folder.path().join("none")),
            ..wrong
        };
        assert_eq!(said(&none, "a"), Ok(None));
    }

    #[test]
    fn a_helper_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let access = access(folder.path(), r#"{"credHelpers":{"a.io":"imgspec-none"}}"#);
        let why = said(&access, "a.io").unwrap_err();
        let name = "docker-credential-imgspec-none";
        assert!(why.contains(&format!("`{name}` does not answer")), "{why}");
    }
}
