//! The daemon's address, and the proxies in Docker's configuration, determined as the `docker` command does.
//!
//! Only Unix sockets are accessed directly; TLS, SSH and named pipes are left to Docker's own commands. If the
//! configuration cannot be read, no daemon other than the user's is contacted.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::disk::limits;
use crate::disk::read::{self, Links};

const USUAL: &str = "unix:///var/run/docker.sock";

/// Docker's names for proxies, and the corresponding build arguments.
const PROXIES: &[(&str, &str)] = &[
    ("httpProxy", "HTTP_PROXY"),
    ("httpsProxy", "HTTPS_PROXY"),
    ("ftpProxy", "FTP_PROXY"),
    ("noProxy", "NO_PROXY"),
    ("allProxy", "ALL_PROXY"),
];

/// The address of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) host: String,
}

impl Endpoint {
    /// The daemon that `docker` would use, given `DOCKER_HOST`, `DOCKER_CONTEXT` and the directory of Docker's
    /// configuration.
    pub(super) fn find(
        host: Option<String>,
        context: Option<String>,
        configuration: Option<&Path>,
    ) -> Result<Self, String> {
        if let Some(host) = said(host) {
            return Ok(Self::at(&host));
        }
        match (context_in_use(context, configuration)?, configuration) {
            (Some(context), Some(folder)) => host_of(&context, folder),
            _ => Ok(Self::at(USUAL)),
        }
    }

    /// The daemon at this address, with Docker's interpretation of abbreviations.
    pub(super) fn at(host: &str) -> Self {
        let host = match host.trim() {
            "unix://" => USUAL,
            host => host,
        };
        let host = host.to_owned();
        Self { host }
    }

    pub(super) fn socket(&self) -> Option<PathBuf> {
        self.host.strip_prefix("unix://").map(PathBuf::from)
    }

    pub(super) fn words(&self) -> String {
        format!("the Docker daemon at {}", self.host)
    }

    /// The build arguments for the proxies in Docker's configuration, as set by `docker build`.
    pub(super) fn proxies(&self, configuration: Option<&Path>) -> Vec<(String, String)> {
        let read = configuration.map(|folder| read(&folder.join("config.json")));
        match read {
            Some(Ok(Some(read))) => proxies(&read["proxies"], &self.host),
            _ => Vec::new(),
        }
    }
}

/// The context that `docker` would use where `DOCKER_HOST` is not set; `None` for the one without a name.
pub(super) fn context_in_use(
    said_context: Option<String>,
    configuration: Option<&Path>,
) -> Result<Option<String>, String> {
    let context = match (said(said_context), configuration) {
        (Some(context), _) => Some(context),
        (None, Some(folder)) => said(current_context(folder)?),
        (None, None) => None,
    };
    Ok(context.filter(|context| context != "default"))
}

/// The value, unless it is blank.
pub(super) fn said(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.trim().is_empty())
}

/// Reads a JSON file of Docker's configuration; `None` if it does not exist.
pub(super) fn read(file: &Path) -> Result<Option<Value>, String> {
    let refused =
        |why: &dyn std::fmt::Display| format!("`{}` cannot be read: {why}", file.display());
    match read::bytes(file, Links::Follow, limits::CONFIGURATION) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| refused(&error)),
        Err(refusal) if refusal.is_absent() => Ok(None),
        Err(refusal) => Err(refused(&refusal)),
    }
}

fn current_context(configuration: &Path) -> Result<Option<String>, String> {
    let read = read(&configuration.join("config.json"))?;
    let context = read.and_then(|read| read["currentContext"].as_str().map(str::to_owned));
    Ok(context)
}

/// The daemon of a named context. The directories of contexts are named by digests; their files contain the names.
fn host_of(context: &str, configuration: &Path) -> Result<Endpoint, String> {
    let folder = configuration.join("contexts/meta");
    let mut known = contexts(configuration);
    let none = || {
        format!(
            "there is no docker context `{context}` in `{}`",
            folder.display()
        )
    };
    let found = known
        .find(|read| read["Name"] == context)
        .ok_or_else(none)?;
    let host = found["Endpoints"]["docker"]["Host"].as_str();
    let host = host.ok_or_else(|| format!("the docker context `{context}` names no daemon"))?;
    Ok(Endpoint::at(host))
}

/// The descriptions of all contexts that can be read.
fn contexts(configuration: &Path) -> impl Iterator<Item = Value> + use<> {
    let known = std::fs::read_dir(configuration.join("contexts/meta"));
    let known = known.into_iter().flatten().flatten();
    known.filter_map(|entry| read(&entry.path().join("meta.json")).ok()?)
}

/// The names of all contexts but the one without a name.
pub(super) fn context_names(configuration: &Path) -> Vec<String> {
    let names = contexts(configuration).filter_map(|read| Some(read["Name"].as_str()?.to_owned()));
    names.collect()
}

fn proxies(known: &Value, host: &str) -> Vec<(String, String)> {
    let of = known.get(host).unwrap_or(&known["default"]);
    let set = PROXIES
        .iter()
        .filter_map(|(name, argument)| Some((*argument, of[name].as_str()?)));
    set.filter(|(_, value)| !value.is_empty())
        .flat_map(|(argument, value)| {
            [argument.to_owned(), argument.to_lowercase()].map(|name| (name, value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_is_found_as_docker_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let find = |host: Option<&str>, context: Option<&str>| {
            let owned = |value: Option<&str>| value.map(str::to_owned);
            let found = Endpoint::find(owned(host), owned(context), Some(folder.path()))?;
            let socket = found.socket().map(|socket| socket.display().to_string());
            Ok::<_, String>(socket.unwrap_or(found.host))
        };
        let some = |path: &str| Ok(path.to_owned());
        let why = |context: &str| find(None, Some(context)).unwrap_err();
        assert_eq!(find(None, None), some("/var/run/docker.sock"));
        assert_eq!(find(Some(""), Some("")), some("/var/run/docker.sock"));
        assert_eq!(find(Some("unix://"), None), some("/var/run/docker.sock"));
        assert!(why("work").starts_with("there is no docker context `work` in `"));
        write("contexts/meta/0/meta.json", "not JSON");
        write(
            "contexts/meta/1/meta.json",
            r#"{"Name":"work","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///run/work.sock","SkipTLSVerify":false}}}"#,
        );
        write(
            "contexts/meta/2/meta.json",
            r#"{"Name":"far","Endpoints":{"docker":{"Host":"ssh://a"}}}"#,
        );
        write("contexts/meta/3/meta.json", r#"{"Name":"empty"}"#);
        assert_eq!(find(None, Some("work")), some("/run/work.sock"));
        write("config.json", r#"{"currentContext":"work"}"#);
        assert_eq!(find(None, None), some("/run/work.sock"));
        assert_eq!(find(None, Some("default")), some("/var/run/docker.sock"));
        assert_eq!(find(None, Some("far")), some("ssh://a"));
        assert_eq!(why("empty"), "the docker context `empty` names no daemon");
        assert!(why("lost").starts_with("there is no docker context `lost` in `"));
        assert_eq!(find(Some(" unix:///a "), Some("far")), some("/a"));
        for host in ["tcp://a:2375", "ssh://a", "npipe:////./pipe/docker"] {
            assert_eq!(find(Some(host), None), some(host));
        }
        write("config.json", "{");
        assert!(find(None, None).unwrap_err().contains("cannot be read"));
        assert_eq!(find(Some("unix:///a"), None), some("/a"));
        let without = Endpoint::find(None, None, None).unwrap();
        assert_eq!(without.host, "unix:///var/run/docker.sock");
    }

    #[test]
    fn proxies_of_the_configuration_become_build_arguments() {
        let known = serde_json::json!({
            "default": { "httpProxy": "http://p:1", "noProxy": "" },
            "unix:///a": { "allProxy": "http://q:2" },
        });
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            proxies(&known, "unix:///b"),
            [
                pair("HTTP_PROXY", "http://p:1"),
                pair("http_proxy", "http://p:1")
            ]
        );
        assert_eq!(
            proxies(&known, "unix:///a"),
            [
                pair("ALL_PROXY", "http://q:2"),
                pair("all_proxy", "http://q:2")
            ]
        );
        assert_eq!(proxies(&Value::Null, "unix:///a"), []);
    }
}
