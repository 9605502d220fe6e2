//! Resolves requirements with uv for the Python and the platform of an image, without running anything of either.
//!
//! uv rather than a resolver of our own: its answers are those that the other builders give, and those that people know. It
//! writes `pylock.toml`, which is read like anybody's. It sees no configuration and no credentials of the machine, since a
//! build elsewhere would not either.

mod front;
mod program;

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::environment::{Environment, full_version};
use super::given::{Given, INDEXES};
use super::indexes::Indexes;
use super::locks::{Locked, pylock};
use super::sources::Describe;
use super::tags::machine;
use super::{Libc, Target, arguments};
use crate::asking::Asker;
use crate::backend::BuildError;
use crate::backend::buildkit::passing::{fetch_is_passing, is_passing};
use crate::backend::context::unwritten;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::failed;
use crate::backend::oci::store::Scratch;
use crate::disk::dir::Dir;
use crate::limits::Limit;
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

/// The file with logins.
const NETRC: &str = "netrc";

/// The versions of glibc that uv knows as platforms, all 2.X; it has others for the rest.
const GLIBC: [u32; 12] = [17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40];

/// What is to be resolved.
pub(super) struct Request<'a> {
    pub(super) target: &'a Target,
    pub(super) given: &'a Given,
    pub(super) indexes: &'a Indexes,
    /// Options of uv.
    pub(super) arguments: &'a [String],
    /// The index that the files name in place of the default one, and their additional ones.
    pub(super) named: arguments::Named,
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

/// How uv gets at packages.
#[derive(Clone, Copy)]
struct Way<'a> {
    /// Its options for indexes and everything else.
    options: &'a [String],
    /// Whether it asks them itself, rather than the index in front of them.
    is_direct: bool,
    limit: Limit,
}

/// Resolves requirements with wheels alone, or else with sources if they are wanted, too.
pub(super) fn resolve(
    request: &Request<'_>,
    sources: Option<&dyn Describe>,
    source: &Source<'_>,
) -> Result<Vec<Locked>, BuildError> {
    let uv = program::find(request.given, request.indexes, source)?;
    source.notes.log("uv resolves the packages");
    let options = [request.indexes.options(), request.arguments].concat();
    let way = Way {
        options: &options,
        is_direct: true,
        limit: source.access.limits.idle(),
    };
    match (compile(request, &uv, way, source), sources) {
        (Err(BuildError::Failed(why)), Some(sources)) if why.contains("wheel") => {
            with_sources(request, &uv, sources, source)
        }
        (compiled, _) => request.read(&compiled?),
    }
}

/// Resolves requirements as if every version had a wheel.
fn with_sources(
    request: &Request<'_>,
    uv: &Path,
    sources: &dyn Describe,
    source: &Source<'_>,
) -> Result<Vec<Locked>, BuildError> {
    source
        .notes
        .log("some packages have only sources: uv resolves again, with them");
    let (rest, (default, more)) = arguments::without_indexes(request.arguments).map_err(failed)?;
    let (of_files, more_of_files) = &request.named;
    let default = default.or_else(|| of_files.clone());
    let indexes = request
        .indexes
        .with(default.as_deref(), &[more, more_of_files.clone()].concat());
    let indexes = indexes.map_err(failed)?;
    let with = (request.given, source);
    front::serve(request.target, &indexes.all, sources, with, |front| {
        let options = [front.options(), rest].concat();
        let way = Way {
            options: &options,
            is_direct: false,
            // What it waits for is built meanwhile; requests to others have limits of their own.
            limit: Limit::from(Duration::from_hours(24)),
        };
        let compiled = compile(request, uv, way, source)?;
        let locked = request.read(&compiled)?.into_iter();
        Ok(locked.map(|one| front.behind(one)).collect())
    })
}

/// Runs uv; returns a `pylock.toml`.
fn compile(
    request: &Request<'_>,
    uv: &Path,
    way: Way<'_>,
    source: &Source<'_>,
) -> Result<String, BuildError> {
    let limit = way.limit;
    let private = request.private(source)?;
    let mut command = request.command(uv, way, source, (private.dir(), false))?;
    let output = run(request, source, limit, &mut command)?;
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
    let mut command = request.command(uv, way, source, (private.dir(), true))?;
    let output = run(request, source, limit, &mut command)?;
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
    limit: Limit,
    command: &mut Command,
) -> Result<Output, BuildError> {
    let question = Asker::build(source.notes, source.cancel).ask("uv", limit);
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
    /// The packages of an answer.
    fn read(&self, text: &str) -> Result<Vec<Locked>, BuildError> {
        let environment = Environment::of(self.target).map_err(failed)?;
        let told = |why: String| failed(format!("uv's answer: {why}"));
        pylock::read(text, &environment).map_err(told)
    }

    /// A directory with what nobody else may read, until it is dropped; what a killed process leaves is removed by the next one.
    fn private(&self, source: &Source<'_>) -> Result<Scratch, BuildError> {
        let private = source.store.scratch().map_err(failed)?;
        let netrc = self.given.netrc.as_deref().unwrap_or_default();
        let written = private
            .dir()
            .set_mode(0o700)
            .and_then(|()| private.dir().replace_soon(NETRC, netrc.as_bytes()));
        written.map_err(unwritten)?;
        Ok(private)
    }

    fn command(
        &self,
        uv: &Path,
        way: Way<'_>,
        source: &Source<'_>,
        (private, fetches_python): (&Dir, bool),
    ) -> Result<Command, BuildError> {
        let folder = self.folder;
        let tool = |name: &str| source.store.tool(name).map_err(failed);
        let mut command = Command::new(uv);
        command.env_clear().current_dir(folder.path());
        for name in PASSED {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("NETRC", private.path().join(NETRC))
            .env("XDG_CONFIG_HOME", private.path())
            .env("UV_CREDENTIALS_DIR", private.path())
            .env("UV_CACHE_DIR", tool("cache")?.path())
            .env("UV_NATIVE_TLS", "1")
            .env("UV_SYSTEM_CERTS", "1");
        if fetches_python {
            command.env("UV_PYTHON_INSTALL_DIR", tool("python")?.path());
            command.env("UV_PYTHON_BIN_DIR", private.path());
        }
        for (name, value) in &self.given.variables {
            command.env(name, value);
        }
        if !way.is_direct {
            to_front(&mut command, private);
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
        // uv takes only one of `--only-binary` and `--no-build`.
        let options = way.options.iter();
        command.args(options.filter(|option| *option != "--no-build"));
        command.arg("--").args(self.files);
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
        let help = if words.contains("Building source distributions") {
            NOT_BUILT
        } else {
            ""
        };
        BuildError::of(
            format!("uv: {words}{help}"),
            is_passing(&said) || fetch_is_passing(&said),
        )
    }
}

/// Has uv ask the index in front of the others, which it must not take for one that it knows from elsewhere.
fn to_front(command: &mut Command, private: &Dir) {
    for name in INDEXES {
        command.env_remove(name);
    }
    command.env("UV_CACHE_DIR", private.path().join("cache"));
    command.env("UV_HTTP_TIMEOUT", "86400");
    for name in ["NO_PROXY", "no_proxy"] {
        let others = std::env::var(name).unwrap_or_default();
        let own = "127.0.0.1";
        let all = match others.as_str() {
            "" => own.to_owned(),
            "*" => others,
            others => format!("{others},{own}"),
        };
        command.env(name, all);
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

/// What follows uv's words about sources that no index has.
const NOT_BUILT: &str = "; the embedded builder builds sources that an index has, or those at a URL with their hash \
     (`NAME @ URL --hash=sha256:...` in a requirements file that pins everything), not those in a repository or a directory";

/// The longest message, in characters.
const LONGEST: usize = 2000;
