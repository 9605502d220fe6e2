//! The installed Docker: the command, buildx, the daemon and its image store, queried once.
//!
//! A single `docker info` answers everything, plugins included; buildx is then called directly, which saves a process
//! per build.

use std::io;
use std::path::PathBuf;

use serde::Deserialize;

use crate::backend::Availability;
use crate::backend::platform::Platform;

/// The oldest engine whose `BuildKit` supports the generated Dockerfiles.
const OLDEST: Version = Version(20, 10);

/// The first version of the `docker` command that needs buildx for `BuildKit` builds.
const WITHOUT_BUILDKIT: Version = Version(23, 0);

/// The first engine whose `BuildKit` is accessed directly: with older ones only Docker's own commands were tested.
const DIRECT: Version = Version(23, 0);

/// The first buildx with JSON progress.
const RAW_PROGRESS: Version = Version(0, 13);

/// Major and minor version numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32, pub(super) u32);

impl Version {
    /// Parses versions such as `v0.29.1+ds1`; unreadable text counts as the oldest version.
    pub(super) fn read(text: &str) -> Self {
        let mut numbers = text
            .trim_start_matches(|each: char| !each.is_ascii_digit())
            .split(|each: char| !each.is_ascii_digit())
            .map(|number| number.parse().unwrap_or(0));
        Self(numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

/// What `docker info` reports about the daemon and its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EngineInfo {
    pub(super) server: String,
    /// The client's version; old clients do not report it.
    pub(super) client: Option<String>,
    pub(super) buildx: Option<Buildx>,
    /// The docker context, which is also the name of the buildx builder for the daemon itself.
    pub(super) context: String,
    /// Whether images are stored by containerd rather than by a graph driver.
    pub(super) containerd_store: bool,
    pub(super) driver: String,
    /// The platform the daemon runs on; `None` if it is an uncommon one.
    pub(super) platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Buildx {
    /// The plugin, or the `docker` command that calls it.
    pub(super) path: PathBuf,
    /// The first arguments: what makes `docker` call it.
    pub(super) head: &'static [&'static str],
    pub(super) version: String,
}

impl Buildx {
    pub(super) fn has_raw_progress(&self) -> bool {
        Version::read(&self.version) >= RAW_PROGRESS
    }

    /// Whether it has an option to disable provenance, which it adds by default since that version.
    pub(super) fn has_attestations(&self) -> bool {
        Version::read(&self.version) >= Version(0, 10)
    }
}

impl EngineInfo {
    /// Checks that there is a `BuildKit` client: buildx, or a `docker` command that still includes one.
    pub(super) fn can_build(&self) -> Result<(), NoEngine> {
        let client = self.client.as_deref().unwrap_or_default();
        let version = Version::read(client);
        if self.buildx.is_some() || (version >= OLDEST && version < WITHOUT_BUILDKIT) {
            return Ok(());
        }
        Err(NoEngine::no_buildx(&format!(
            "`docker` {client} has no buildx"
        )))
    }

    pub(super) fn can_be_direct(&self) -> bool {
        Version::read(&self.server) >= DIRECT
    }

    pub(super) fn availability(&self, is_direct: bool) -> Availability {
        let buildx = self.buildx.as_ref().map(|buildx| &buildx.version);
        let versions = [
            ("engine", Some(&self.server)),
            ("client", self.client.as_ref()),
            ("buildx", buildx),
        ];
        let versions = versions
            .into_iter()
            .filter_map(|(name, version)| Some((name.to_owned(), version?.clone())));
        let versions = versions.collect();
        let store = if self.containerd_store {
            "containerd"
        } else {
            "classic"
        };
        let driver = &self.driver;
        let mut remarks = vec![format!("the image store is {store} ({driver})")];
        if self.context != "default" {
            remarks.push(format!("the docker context is `{}`", self.context));
        }
        if is_direct {
            remarks.push("builds use its BuildKit directly".to_owned());
        } else if self.buildx.is_none() {
            remarks.push(
                "buildx is missing, so builds use `docker build`, which reports less".to_owned(),
            );
        }
        Availability::Ready { versions, remarks }
    }
}

/// Why the daemon cannot be used, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct NoEngine {
    pub(in crate::backend) why: String,
    pub(in crate::backend) mend: String,
    /// Whether the problem may be transient: the daemon may be restarting.
    pub(super) passing: bool,
}

impl NoEngine {
    pub(super) fn lasting(why: String, mend: &str) -> Self {
        Self {
            why,
            mend: mend.to_owned(),
            passing: false,
        }
    }

    pub(super) fn no_program() -> Self {
        Self::lasting(
            "there is no `docker` in PATH".into(),
            "install Docker Engine 20.10 or later (https://docs.docker.com/engine/install/)",
        )
    }

    pub(super) fn no_buildx(why: &str) -> Self {
        let mend = "install the buildx plugin (package docker-buildx-plugin or docker-buildx)";
        Self::lasting(why.to_owned(), mend)
    }

    /// The daemon does not answer; `whom` is its name in messages.
    pub(super) fn no_daemon(whom: &str, why: &str) -> Self {
        // Replaces docker's own message, which repeats the daemon's address.
        let why = if why.starts_with("Cannot connect to the Docker daemon") {
            "nothing is listening there"
        } else {
            why.trim()
        };
        Self {
            why: format!("{whom} does not answer: {why}"),
            mend: "start it, or point `DOCKER_HOST` or `docker context use` at a running one"
                .into(),
            passing: true,
        }
    }

    pub(super) fn unreached(whom: &str, error: &io::Error) -> Self {
        let none = Self::no_daemon(whom, &error.to_string());
        if error.kind() == io::ErrorKind::PermissionDenied {
            let mend = "join the group that owns its socket (`docker`), or point `DOCKER_HOST` at another daemon";
            return Self::lasting(none.why, mend);
        }
        none
    }

    pub(super) fn nowhere(why: &str) -> Self {
        Self::lasting(
            format!("the Docker daemon's address cannot be determined: {why}"),
            "fix it, or set `DOCKER_HOST` to the daemon's address",
        )
    }

    pub(in crate::backend) fn sentence(&self) -> String {
        format!("{} ({})", self.why, self.mend)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    server_version: String,
    server_errors: Option<Vec<String>>,
    #[serde(default)]
    driver: String,
    driver_status: Option<Vec<Vec<String>>>,
    #[serde(default, rename = "OSType")]
    os_type: String,
    #[serde(default)]
    architecture: String,
    #[serde(default, rename = "ClientInfo")]
    client: ClientInfo,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct ClientInfo {
    version: Option<String>,
    context: Option<String>,
    plugins: Option<Vec<Plugin>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Plugin {
    #[serde(default)]
    name: String,
    path: Option<PathBuf>,
    version: Option<String>,
    /// Why the plugin cannot be used.
    err: Option<serde_json::Value>,
}

/// Parses the output of `docker info --format '{{json .}}'` about the daemon `whom`.
pub(super) fn read(whom: &str, out: &str, err: &str) -> Result<EngineInfo, NoEngine> {
    let Ok(info) = serde_json::from_str::<Info>(out.trim()) else {
        return Err(NoEngine::no_daemon(
            whom,
            last_line(err, "`docker info` failed"),
        ));
    };
    if info.server_version.is_empty() {
        let said = info.server_errors.unwrap_or_default().join(", ");
        let said = if said.is_empty() { err } else { &said };
        return Err(NoEngine::no_daemon(whom, last_line(said, "no version")));
    }
    if Version::read(&info.server_version) < OLDEST {
        return Err(NoEngine::lasting(
            format!("Docker {} is too old", info.server_version),
            &format!("install Docker Engine {}.{} or later", OLDEST.0, OLDEST.1),
        ));
    }
    if info.os_type == "windows" {
        return Err(NoEngine::lasting(
            "the Docker daemon builds Windows images".into(),
            "switch it to Linux containers",
        ));
    }
    let plugins = info.client.plugins.unwrap_or_default();
    let status = info.driver_status.unwrap_or_default();
    let architecture = architecture(&info.architecture);
    Ok(EngineInfo {
        server: info.server_version,
        client: info.client.version,
        buildx: plugins.into_iter().find_map(buildx),
        context: info.client.context.unwrap_or_else(|| "default".into()),
        containerd_store: status
            .iter()
            .flatten()
            .any(|said| said.contains("io.containerd.snapshotter")),
        driver: info.driver,
        platform: architecture.map(|architecture| Platform {
            os: info.os_type,
            architecture: architecture.to_owned(),
            variant: String::new(),
        }),
    })
}

/// Translates the kernel's name of an architecture to that of images.
fn architecture(machine: &str) -> Option<&'static str> {
    Some(match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv6l" => "arm",
        "ppc64le" => "ppc64le",
        "s390x" => "s390x",
        "riscv64" => "riscv64",
        _ => return None,
    })
}

fn buildx(plugin: Plugin) -> Option<Buildx> {
    if plugin.name != "buildx" || plugin.err.is_some_and(|err| !err.is_null()) {
        return None;
    }
    Some(Buildx {
        path: plugin.path?,
        head: &[],
        version: plugin.version.unwrap_or_default(),
    })
}

pub(super) fn last_line<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    let mut lines = text.lines().rev();
    lines
        .find(|line| !line.trim().is_empty())
        .unwrap_or(otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(out: &str, err: &str) -> Result<EngineInfo, NoEngine> {
        super::read("the Docker daemon", out, err)
    }

    const WITH_BUILDX: &str = r#"{"ServerVersion":"26.1.5+dfsg1","Driver":"overlayfs","OSType":"linux",
        "DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],"ClientInfo":{"Version":"28.2.2","Context":"work",
        "Plugins":[{"Name":"buildx","Path":"/lib/docker-buildx","Version":"v0.29.1+ds1"}],"Warnings":null}}"#;

    #[test]
    fn one_answer_tells_the_store_the_context_and_buildx() {
        let engine = read(WITH_BUILDX, "").unwrap();
        assert!(engine.containerd_store);
        assert_eq!(engine.context, "work");
        let buildx = engine.buildx.unwrap();
        assert!(buildx.has_raw_progress() && buildx.has_attestations());
        assert_eq!(buildx.path, PathBuf::from("/lib/docker-buildx"));
    }

    #[test]
    fn an_old_client_tells_less() {
        let engine = read(
            r#"{"ServerVersion":"20.10.24","Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"]],
                "OSType":"linux","ClientInfo":{"Debug":false,"Plugins":[],"Warnings":null}}"#,
            "",
        )
        .unwrap();
        assert!(!engine.containerd_store && engine.buildx.is_none() && engine.client.is_none());
        assert_eq!(engine.context, "default");
    }

    #[test]
    fn a_plugin_that_does_not_work_is_none() {
        let broken = WITH_BUILDX.replace(r#""Name":"#, r#""Err":"exec format error","Name":"#);
        assert!(read(&broken, "").unwrap().buildx.is_none());
    }

    #[test]
    fn a_daemon_that_does_not_answer_is_said_in_its_own_words() {
        let said =
            "Cannot connect to the Docker daemon at unix:///nope. Is the docker daemon running?";
        let none = read(r#"{"ServerVersion":"","ClientInfo":{}}"#, said).unwrap_err();
        assert!(none.why.ends_with("nothing is listening there") && none.passing);
        let errors = format!(r#"{{"ServerErrors":["{said}"],"ClientInfo":{{}}}}"#);
        let none = read(&errors, "").unwrap_err();
        assert!(
            none.why.ends_with("nothing is listening there"),
            "{}",
            none.why
        );
        assert!(
            read("", "permission denied\n")
                .unwrap_err()
                .why
                .ends_with("permission denied")
        );
    }

    #[test]
    fn what_is_too_old_is_said() {
        let none = read(r#"{"ServerVersion":"19.03.15","OSType":"linux"}"#, "").unwrap_err();
        assert_eq!(none.why, "Docker 19.03.15 is too old");
    }

    #[test]
    fn versions_are_numbers() {
        assert!(Version::read("v0.9.1") < Version::read("0.13.0"));
        assert_eq!(
            Version::read("github.com/docker/buildx 0.29.1"),
            Version(0, 29)
        );
        assert_eq!(Version::read("unknown"), Version(0, 0));
    }
}
