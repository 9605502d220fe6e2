//! Where the daemon listens, and what Docker's configuration says of proxies: what the `docker` programs find out for
//! themselves, for builds that do without them.
//!
//! The choice made: only Unix sockets are spoken to directly; TLS, SSH and named pipes are left to Docker's own programs.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where a daemon listens if nothing says otherwise.
const USUAL: &str = "unix:///var/run/docker.sock";

/// Docker's names for proxies, and the build arguments that they become.
const PROXIES: &[(&str, &str)] = &[
    ("httpProxy", "HTTP_PROXY"),
    ("httpsProxy", "HTTPS_PROXY"),
    ("ftpProxy", "FTP_PROXY"),
    ("noProxy", "NO_PROXY"),
    ("allProxy", "ALL_PROXY"),
];

/// A daemon on a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    host: String,
    pub(super) socket: PathBuf,
}

impl Endpoint {
    /// The daemon of a context, as `docker` would find it: `DOCKER_HOST`, else what the context says. None where it is on no
    /// Unix socket.
    pub(super) fn find(
        variable: Option<String>,
        context: &str,
        host_of: impl FnOnce(&str) -> Option<String>,
    ) -> Option<Self> {
        let host = match variable.filter(|host| !host.is_empty()) {
            Some(host) => host,
            None if context == "default" => USUAL.to_owned(),
            None => host_of(context)?,
        };
        let socket = PathBuf::from(host.strip_prefix("unix://")?);
        Some(Self { host, socket })
    }

    /// The build arguments that Docker's configuration asks for, as `docker build` gives them.
    pub(super) fn proxies(&self, configuration: Option<&Path>) -> Vec<(String, String)> {
        let text = configuration.and_then(|path| std::fs::read_to_string(path).ok());
        let read = text.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        read.map(|read| proxies(&read["proxies"], &self.host))
            .unwrap_or_default()
    }
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
        let find = |variable: Option<&str>, context: &str| {
            let of = |name: &str| (name == "work").then(|| "unix:///run/work.sock".to_owned());
            let found = Endpoint::find(variable.map(str::to_owned), context, of);
            found.map(|found| found.socket.display().to_string())
        };
        let some = |path: &str| Some(path.to_owned());
        assert_eq!(find(None, "default"), some("/var/run/docker.sock"));
        assert_eq!(find(Some(""), "default"), some("/var/run/docker.sock"));
        assert_eq!(find(Some("unix:///a"), "work"), some("/a"));
        assert_eq!(find(None, "work"), some("/run/work.sock"));
        assert_eq!(find(None, "lost"), None);
        for host in ["tcp://a:2375", "ssh://a", "npipe:////./pipe/docker"] {
            assert_eq!(find(Some(host), "default"), None);
        }
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
