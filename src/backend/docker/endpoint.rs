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
    pub(super) host: String,
    pub(super) socket: PathBuf,
}

impl Endpoint {
    /// The daemon that `docker` would ask, by `DOCKER_HOST`, `DOCKER_CONTEXT` and the folder of Docker's configuration.
    /// None where it is on no Unix socket.
    pub(super) fn find(
        host: Option<String>,
        context: Option<String>,
        configuration: Option<&Path>,
    ) -> Option<Self> {
        let host = match said(host) {
            Some(host) => host,
            None => match said(context).or_else(|| said(current_context(configuration?))) {
                Some(context) if context != "default" => host_of(&context, configuration?)?,
                _ => USUAL.to_owned(),
            },
        };
        let socket = PathBuf::from(host.strip_prefix("unix://")?);
        Some(Self { host, socket })
    }

    /// The build arguments that Docker's configuration asks for, as `docker build` gives them.
    pub(super) fn proxies(&self, configuration: Option<&Path>) -> Vec<(String, String)> {
        let read = configuration.and_then(|folder| read(&folder.join("config.json")));
        read.map(|read| proxies(&read["proxies"], &self.host))
            .unwrap_or_default()
    }
}

/// What is not empty.
fn said(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

fn read(file: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(file).ok()?;
    serde_json::from_str(&text).ok()
}

fn current_context(configuration: &Path) -> Option<String> {
    let read = read(&configuration.join("config.json"))?;
    read["currentContext"].as_str().map(str::to_owned)
}

/// The daemon of a named context. Their folders are named by digests; what is in them is said by the files.
fn host_of(context: &str, configuration: &Path) -> Option<String> {
    let mut known = std::fs::read_dir(configuration.join("contexts/meta")).ok()?;
    known.find_map(|entry| {
        let read = read(&entry.ok()?.path().join("meta.json"))?;
        let host = &read["Endpoints"]["docker"]["Host"];
        (read["Name"] == context).then(|| host.as_str().map(str::to_owned))?
    })
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
            let found = Endpoint::find(owned(host), owned(context), Some(folder.path()));
            found.map(|found| found.socket.display().to_string())
        };
        let some = |path: &str| Some(path.to_owned());
        assert_eq!(find(None, None), some("/var/run/docker.sock"));
        assert_eq!(find(Some(""), Some("")), some("/var/run/docker.sock"));
        assert_eq!(find(None, Some("work")), None);
        write("contexts/meta/0/meta.json", "not JSON");
        write(
            "contexts/meta/1/meta.json",
            r#"{"Name":"work","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///run/work.sock","SkipTLSVerify":false}}}"#,
        );
        write(
            "contexts/meta/2/meta.json",
            r#"{"Name":"far","Endpoints":{"docker":{"Host":"ssh://a"}}}"#,
        );
        assert_eq!(find(None, Some("work")), some("/run/work.sock"));
        write("config.json", r#"{"currentContext":"work"}"#);
        assert_eq!(find(None, None), some("/run/work.sock"));
        assert_eq!(find(None, Some("default")), some("/var/run/docker.sock"));
        assert_eq!(find(None, Some("far")), None);
        assert_eq!(find(None, Some("lost")), None);
        assert_eq!(find(Some("unix:///a"), Some("far")), some("/a"));
        for host in ["tcp://a:2375", "ssh://a", "npipe:////./pipe/docker"] {
            assert_eq!(find(Some(host), None), None);
        }
        let without = Endpoint::find(None, None, None).unwrap();
        assert_eq!(without.socket, Path::new("/var/run/docker.sock"));
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
