//! HOME directories for envd, which determine the `BuildKit` that envd builds with.
//!
//! envd keeps its state in files without locks, and one context is current for everyone who shares them. Therefore each
//! context has a private HOME, set up once under a lock and only read afterwards. In the user's HOME only the
//! description of a context is read, and only if the user names one. See `docs/design/envd.md`. The directories are
//! opened by handle; envd itself receives a path.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::program::{Envd, no_program};
use crate::asking::Asker;
use crate::backend::{BuildError, context};
use crate::disk::dir::{Dir, Share};
use crate::disk::read::{self, Links, Refusal};
use crate::disk::{FileKind, limits};
use crate::process;

/// The name of the only context in a private HOME.
const CONTEXT: &str = "imgspec";

/// The builder type that is Docker's daemon itself.
const DAEMON: &str = "moby-worker";

/// How long another run may take to set up a HOME: envd's first call generates keys, which takes a second or more.
const SET_UP: Duration = Duration::from_mins(1);

/// Marker file of a HOME that is set up; the name includes the layout version.
const READY: &str = "imgspec-1";

/// Registries on this machine use plain HTTP, whatever their port.
const REGISTRIES: &str = "\
# Written by imgspec.
[[registry]]
location = \"127.0.0.1\"
insecure = true

[[registry]]
location = \"localhost\"
insecure = true
";

/// An envd context: the `BuildKit` that envd builds with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// The user's name for it; `None` for Docker's daemon.
    pub(super) name: Option<String>,
    pub(super) builder: String,
    /// Its address; `None` if envd chooses one.
    pub(super) address: Option<String>,
}

impl Context {
    pub(super) fn daemon() -> Self {
        Self {
            name: None,
            builder: DAEMON.to_owned(),
            address: None,
        }
    }

    /// Whether envd starts the builder itself.
    pub(super) fn is_started(&self) -> bool {
        matches!(
            self.builder.as_str(),
            "docker-container" | "nerdctl-container"
        )
    }

    pub(super) fn words(&self) -> String {
        let builder = &self.builder;
        match &self.name {
            None => format!("builds run in Docker's daemon ({builder})"),
            Some(name) => format!("the envd context is `{name}` ({builder})"),
        }
    }
}

/// A private HOME directory for envd.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) dir: Dir,
    /// The parent directory, and the name of this one in it.
    pub(super) above: Dir,
    pub(super) name: String,
}

/// An entry of `envd context ls -f json`.
#[derive(Deserialize)]
struct ContextEntry {
    context: String,
    builder: String,
    builder_addr: String,
}

impl Envd {
    /// The context to build in. The error is the reason and how to fix it.
    pub(super) fn context(&self, asker: Asker<'_>) -> Result<Context, (String, String)> {
        let Some(wanted) = &self.wanted else {
            return Ok(Context::daemon());
        };
        let listed = self.contexts(asker).map_err(|why| {
            let why = format!("envd's contexts cannot be read: {why}");
            (why, "look at `envd context ls`".to_owned())
        })?;
        let Some(found) = listed.iter().find(|each| each.context == *wanted) else {
            let names: Vec<&str> = listed.iter().map(|each| each.context.as_str()).collect();
            let there_are = if names.is_empty() {
                "there are none".to_owned()
            } else {
                format!("there are {}", names.join(", "))
            };
            let mend = "create it with `envd context create`, or omit `--envd-context` and FLYTE_ENVD_CONTEXT to build with \
                        Docker's daemon";
            let why = format!("envd has no context `{wanted}`: {there_are}");
            return Err((why, mend.to_owned()));
        };
        // A context created with `/run/x.sock` is listed as `unix:///run/x.sock`.
        let address = found.builder_addr.split_once("://");
        let address = address.map_or(found.builder_addr.as_str(), |(_, rest)| rest);
        Ok(Context {
            name: Some(wanted.clone()),
            builder: found.builder.clone(),
            address: (found.builder != DAEMON).then(|| address.to_owned()),
        })
    }

    /// The contexts in the user's own HOME, in which nothing is created.
    fn contexts(&self, asker: Asker<'_>) -> Result<Vec<ContextEntry>, String> {
        let known = |folder: &PathBuf| folder.join(".config/envd/contexts").is_file();
        let Some(home) = self.user_home.as_ref().filter(|home| known(home)) else {
            return Ok(Vec::new());
        };
        let mut command = self.program().map_err(|error| error.to_string())?;
        command
            .env("HOME", home)
            .args(["context", "ls", "-f", "json"]);
        let question = asker.ask("`envd context ls`", self.daemon.limits.answer());
        let said = process::ask(&mut command, &question).map_err(|error| error.to_string())?;
        if !said.success {
            return Err(super::progress::complaint(&said.err));
        }
        serde_json::from_str(said.out.trim()).map_err(|error| error.to_string())
    }

    /// The HOME for builds in a context, set up if necessary; `registries` is the `registry-config` file.
    pub(super) fn home(
        &self,
        context: &Context,
        registries: Option<&Path>,
        asker: Asker<'_>,
    ) -> Result<Home, BuildError> {
        let told = match registries {
            Some(file) => {
                let read = read::bytes(file, Links::Follow, limits::CONFIGURATION);
                let refused = |why: Refusal| format!("`{}` cannot be read: {why}", file.display());
                read.map_err(|why| BuildError::Failed(refused(why)))?
            }
            None => Vec::new(),
        };
        let name = self.home_name(context, &told);
        let above = self.homes.make().map_err(context::unwritten)?;
        let question = asker.ask("another run that is setting up envd", SET_UP);
        let mut waiting = || {
            question
                .look()
                .map_or(ControlFlow::Break(()), ControlFlow::Continue)
        };
        let lock = above.lock(&format!("{name}.lock"), Share::Nobody, &mut waiting);
        let _alone = lock.map_err(context::unwritten)?.ok_or_else(|| {
            if asker.is_cancelled() {
                BuildError::Cancelled
            } else {
                BuildError::Failed("another run is still setting up envd".to_owned())
            }
        })?;
        let made = above.make(&name).map_err(context::unwritten)?;
        let ready = made.kind(READY).map_err(context::unwritten)?;
        let dir = if ready == Some(FileKind::File) {
            made
        } else {
            let dir = context::empty(&above, &name)?;
            self.set_up(&dir, context, registries, asker)?;
            dir.write(READY, b"").map_err(context::unwritten)?;
            dir
        };
        Ok(Home { dir, above, name })
    }

    /// The HOME's directory name, unique per daemon, builder and registry configuration.
    fn home_name(&self, context: &Context, told: &[u8]) -> String {
        let daemon = self.daemon.address().unwrap_or_default();
        let address = context.address.as_deref().unwrap_or_default();
        let mut hasher = blake3::Hasher::new();
        for part in [
            daemon.as_bytes(),
            context.builder.as_bytes(),
            address.as_bytes(),
            told,
        ] {
            hasher
                .update(&(part.len() as u64).to_le_bytes())
                .update(part);
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    fn set_up(
        &self,
        home: &Dir,
        context: &Context,
        registries: Option<&Path>,
        asker: Asker<'_>,
    ) -> Result<(), BuildError> {
        self.registries(home).map_err(context::unwritten)?;
        let home = home.path();
        let mut create = self.command(home)?;
        create.args(["context", "create", "--name", CONTEXT, "--use"]);
        create.args(["--builder", &context.builder]);
        if let Some(address) = &context.address {
            create.args(["--builder-address", address]);
        }
        self.run_short("cannot create its context", &mut create, asker)?;
        let Some(file) = registries else {
            return Ok(());
        };
        let mut bootstrap = self.command(home)?;
        bootstrap
            .args([
                "bootstrap",
                "--with-autocomplete=false",
                "--registry-config",
            ])
            .arg(file);
        self.run_short("cannot apply `registry-config`", &mut bootstrap, asker)
    }

    /// Writes the registry configuration with which envd fetches image descriptions: the user's own, plus plain HTTP on
    /// this machine.
    fn registries(&self, home: &Dir) -> io::Result<()> {
        let folder = home.make_all(".config/containers")?;
        let ours = folder.make("registries.conf.d")?;
        ours.write("imgspec.conf", REGISTRIES.as_bytes())?;
        let Some(user) = &self.user_home else {
            return Ok(());
        };
        let own = user.join(".config/containers/registries.conf");
        match read::bytes(&own, Links::Follow, limits::CONFIGURATION) {
            Ok(text) => folder.write("registries.conf", &text),
            Err(refusal) if refusal.is_absent() => Ok(()),
            Err(refusal) => Err(io::Error::other(format!(
                "`{}` cannot be read: {refusal}",
                own.display()
            ))),
        }
    }

    pub(super) fn command(&self, home: &Path) -> Result<Command, BuildError> {
        let mut command = self.program().map_err(|_| no_program())?;
        command
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env_remove("ENVD_BUILD_OWNER");
        if let Some(folder) = self.daemon.configuration() {
            command.env("DOCKER_CONFIG", folder);
        }
        if let Some(address) = self.daemon.address() {
            command.env("DOCKER_HOST", address);
        }
        Ok(command)
    }

    /// Runs a short envd command; `what` describes the failed action in errors. The first command generates keys, which
    /// takes a while.
    fn run_short(
        &self,
        what: &str,
        command: &mut Command,
        asker: Asker<'_>,
    ) -> Result<(), BuildError> {
        let question = asker.ask("envd", self.daemon.limits.idle());
        let said = process::ask(command, &question).map_err(|error| {
            if asker.is_cancelled() {
                return BuildError::Cancelled;
            }
            BuildError::Failed(format!("envd {what}: {error}"))
        })?;
        if said.success {
            return Ok(());
        }
        let why = super::progress::complaint(&said.err);
        let why = Some(why.as_str()).filter(|why| !why.is_empty());
        let why = why.unwrap_or("it failed without an error message");
        Err(BuildError::Failed(format!("envd {what}: {why}")))
    }
}
