//! Resolves requirements with uv for the Python and the platform of an image, without running anything of either.
//!
//! uv rather than a resolver of our own: its answers are those that the other builders give, and those that people know. It
//! writes `pylock.toml`, which is read like anybody's. It sees no configuration and no credentials of the machine, since a
//! build elsewhere would not either.

mod program;

use std::io::ErrorKind;
use std::process::Command;

use super::environment::full_version;
use super::given::Given;
use super::indexes::Indexes;
use super::tags::machine;
use super::{Libc, Target};
use crate::asking::Asker;
use crate::backend::BuildError;
use crate::backend::buildkit::passing::{fetch_is_passing, is_passing};
use crate::backend::context::unwritten;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::failed;
use crate::disk::dir::Dir;
use crate::process::{self, Output};

/// Variables of this process that uv gets: how to reach the network, and where to find Python.
const PASSED: [&str; 22] = [
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "XDG_DATA_HOME",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSL_CLIENT_CERT",
    "UV_PYTHON_INSTALL_DIR",
    "UV_PYTHON_INSTALL_MIRROR",
    "UV_PYTHON_DOWNLOADS_JSON_URL",
    "UV_HTTP_TIMEOUT",
];

/// The file that uv writes its answer to if it is to prefer what is in it.
const BEFORE: &str = "pylock.toml";

/// The versions of glibc that uv knows as platforms, all 2.X; it has others for the rest.
const GLIBC: [u32; 12] = [17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40];

/// What is to be resolved.
pub(super) struct Request<'a> {
    pub(super) target: &'a Target,
    pub(super) given: &'a Given,
    pub(super) indexes: &'a Indexes,
    /// Options of uv.
    pub(super) arguments: &'a [String],
    /// Names and versions of packages that uv is to prefer.
    pub(super) preferred: &'a [(&'a str, &'a str)],
    /// Files with requirements, relative to the directory.
    pub(super) files: &'a [String],
    /// Where these are, and where uv may write.
    pub(super) folder: &'a Dir,
}

/// What uv calls the platform of a target: the newest that is not newer than the target.
pub(super) fn platform(target: &Target) -> Result<String, BuildError> {
    let machine = machine(target);
    let platform = match (target.libc, machine) {
        (Libc::Glibc(2, minor), "x86_64" | "aarch64") => {
            let fits = GLIBC.iter().rev().find(|known| **known <= minor);
            fits.map(|known| format!("{machine}-manylinux_2_{known}"))
        }
        (Libc::Musl(1, 2..), "x86_64" | "aarch64") => Some(format!("{machine}-unknown-linux-musl")),
        (Libc::Glibc(2, 31..), "riscv64") => Some("riscv64-unknown-linux".to_owned()),
        _ => None,
    };
    platform.ok_or_else(|| {
        let libc = target.libc;
        failed(format!(
            "uv cannot resolve packages for {} with {libc}; use a lock file: `uv.lock`, `poetry.lock`, `pylock.toml` or a requirements file with hashes",
            target.platform
        ))
    })
}

/// Resolves requirements; returns a `pylock.toml`.
pub(super) fn resolve(request: &Request<'_>, source: &Source<'_>) -> Result<String, BuildError> {
    let uv = program::find(request.given, request.indexes, source)?;
    source.notes.log("uv resolves the packages");
    let output = run(request, source, &mut request.command(&uv, source, false)?)?;
    if output.success {
        return Ok(output.out);
    }
    if !output.err.contains("No interpreter found") {
        return Err(request.failure(&output.err));
    }
    // uv wants to ask some Python about itself, whatever the target is.
    source
        .notes
        .log("uv fetches a Python to run with: there is none here");
    let output = run(request, source, &mut request.command(&uv, source, true)?)?;
    if output.success {
        return Ok(output.out);
    }
    Err(failed(
        "uv needs some Python on this machine to resolve packages, and cannot fetch one: install `python3`, or use a lock file",
    ))
}

fn run(
    request: &Request<'_>,
    source: &Source<'_>,
    command: &mut Command,
) -> Result<Output, BuildError> {
    let question = Asker::build(source.notes, source.cancel).ask("uv", source.access.limits.idle());
    process::ask(command, &question).map_err(|error| match error.kind() {
        ErrorKind::Interrupted => BuildError::Cancelled,
        ErrorKind::TimedOut => BuildError::Transient(format!("uv: {error}")),
        _ => failed(format!(
            "uv cannot be run: {}",
            request.given.hider.hide(&error.to_string())
        )),
    })
}

impl Request<'_> {
    fn command(
        &self,
        uv: &std::path::Path,
        source: &Source<'_>,
        fetches_python: bool,
    ) -> Result<Command, BuildError> {
        let folder = self.folder;
        let private = folder.make("private").map_err(unwritten)?;
        let netrc = self.given.netrc.as_deref().unwrap_or_default();
        private
            .write("netrc", netrc.as_bytes())
            .map_err(unwritten)?;
        let tools = source.tools.make().map_err(unwritten)?;
        let mut command = Command::new(uv);
        command.env_clear().current_dir(folder.path());
        for name in PASSED {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("NETRC", private.path().join("netrc"))
            .env("XDG_CONFIG_HOME", private.path())
            .env("UV_CREDENTIALS_DIR", private.path())
            .env("UV_CACHE_DIR", tools.path().join("cache"))
            .env("UV_NATIVE_TLS", "1")
            .env("UV_SYSTEM_CERTS", "1");
        if fetches_python {
            command.env("UV_PYTHON_INSTALL_DIR", tools.path().join("python"));
            command.env("UV_PYTHON_BIN_DIR", private.path());
        }
        for (name, value) in &self.given.variables {
            command.env(name, value);
        }
        command.args(["pip", "compile", "--format", "pylock.toml"]);
        command.args(["--python-version", &full_version(self.target)]);
        command.args(["--python-platform", &platform(self.target)?]);
        command.args(["--only-binary", ":all:", "--no-config", "--no-header"]);
        command.args(["--no-progress", "--color", "never"]);
        command.args(["--keyring-provider", "disabled"]);
        if !fetches_python {
            command.arg("--no-python-downloads");
        }
        if !self.preferred.is_empty() {
            // uv prefers what is in the file that it is to replace.
            let before = preferences(self.preferred);
            folder.write(BEFORE, before.as_bytes()).map_err(unwritten)?;
            command.args(["--output-file", BEFORE]);
        }
        command.args(self.indexes.options());
        command.args(self.arguments).arg("--").args(self.files);
        Ok(command)
    }

    /// uv's words, without those about its own Python.
    fn failure(&self, said: &str) -> BuildError {
        let said = self.given.hider.hide(said);
        let is_noise = |line: &&str| {
            line.trim().is_empty() || line.starts_with("warning:") || line.starts_with("Resolved ")
        };
        let lines = said.lines().filter(|line| !is_noise(line));
        let bare = |line: &str| {
            let line = line.trim_start();
            let line = line.trim_start_matches(['×', '╰', '├', '─', '▶', '│', ' ']);
            line.strip_prefix("error: ")
                .unwrap_or(line)
                .trim()
                .to_owned()
        };
        let words = lines.map(bare).collect::<Vec<_>>().join(" ");
        let words: String = words.chars().take(LONGEST).collect();
        BuildError::of(
            format!("uv: {words}"),
            is_passing(&said) || fetch_is_passing(&said),
        )
    }
}

/// A `pylock.toml` of an earlier answer, as far as uv looks at it.
fn preferences(packages: &[(&str, &str)]) -> String {
    let mut text = "lock-version = \"1.0\"\ncreated-by = \"imgspec\"\n".to_owned();
    for (name, version) in packages {
        text.push_str(&format!(
            "\n[[packages]]\nname = \"{name}\"\nversion = \"{version}\"\n"
        ));
    }
    text
}

/// The longest message, in characters.
const LONGEST: usize = 2000;
