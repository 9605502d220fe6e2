//! envd's HOME and its contexts: what says which `BuildKit` envd builds with.
//!
//! envd keeps its state in files without locks, and one context is current for all who share them. The choices made: a HOME of
//! our own for each context, set up once under a lock and then only read; of the user's own HOME only a context's
//! description is read, and only when the user names one. See `docs/design/envd.md`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::Envd;
use crate::asking::Asker;
use crate::backend::{BuildError, context};
use crate::disk::system_words;
use crate::process;

/// What the only context of a HOME of ours is called.
const CONTEXT: &str = "imgspec";

/// The builder that is Docker's daemon itself.
const DAEMON: &str = "moby-worker";

/// Says that a HOME is set up, and by which rules.
const READY: &str = "imgspec-1";

/// Registries of this machine speak plain HTTP, whatever their port.
const REGISTRIES: &str = "\
# Written by imgspec.
[[registry]]
location = \"127.0.0.1\"
insecure = true

[[registry]]
location = \"localhost\"
insecure = true
";

/// What builds for envd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// What the user calls it; none is Docker's daemon.
    pub(super) name: Option<String>,
    /// The kind of builder.
    pub(super) builder: String,
    /// Where it is; none is envd's own choice.
    pub(super) address: Option<String>,
}

/// A line of `envd context ls -f json`.
#[derive(Deserialize)]
struct Listed {
    context: String,
    builder: String,
    builder_addr: String,
}

impl Context {
    /// Docker's daemon.
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

    /// In words for people.
    pub(super) fn words(&self) -> String {
        let builder = &self.builder;
        match &self.name {
            None => format!("builds are made by Docker's daemon ({builder})"),
            Some(name) => format!("the envd context is `{name}` ({builder})"),
        }
    }
}

/// Why there is no context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoContext {
    pub(super) why: String,
    pub(super) mend: String,
}

impl Envd {
    /// The context to build in.
    pub(super) fn context(&self, asker: Asker<'_>) -> Result<Context, NoContext> {
        let Some(wanted) = &self.wanted else {
            return Ok(Context::daemon());
        };
        let listed = self.contexts(asker).map_err(|why| NoContext {
            why: format!("envd's contexts cannot be read: {why}"),
            mend: "look at `envd context ls`".to_owned(),
        })?;
        let names: Vec<&str> = listed.iter().map(|each| each.context.as_str()).collect();
        let found = listed.iter().find(|each| each.context == *wanted);
        let Some(found) = found else {
            let there_are = if names.is_empty() {
                "there are none".to_owned()
            } else {
                format!("there are {}", names.join(", "))
            };
            return Err(NoContext {
                why: format!("envd has no context `{wanted}`: {there_are}"),
                mend: "make it with `envd context create`, or leave `--envd-context` and FLYTE_ENVD_CONTEXT out to build with \
                       Docker's daemon"
                    .to_owned(),
            });
        };
        // `unix:///run/x.sock` is listed for what was created as `/run/x.sock`.
        let address = found.builder_addr.split_once("://");
        let address = address.map_or(found.builder_addr.as_str(), |(_, rest)| rest);
        Ok(Context {
            name: Some(wanted.clone()),
            builder: found.builder.clone(),
            address: (found.builder != DAEMON).then(|| address.to_owned()),
        })
    }

    /// The contexts of the user's own HOME; nothing is made there.
    fn contexts(&self, asker: Asker<'_>) -> Result<Vec<Listed>, String> {
        let known = |folder: &PathBuf| folder.join(".config/envd/contexts").is_file();
        let Some(home) = self.user_home.as_ref().filter(|home| known(home)) else {
            return Ok(Vec::new());
        };
        let mut command = self.program().map_err(|error| error.to_string())?;
        command
            .env("HOME", home)
            .args(["context", "ls", "-f", "json"]);
        let question = asker.ask("`envd context ls`", self.docker.limits().answer());
        let said = process::ask(&mut command, &question).map_err(|error| error.to_string())?;
        if !said.success {
            return Err(super::progress::complaint(&said.err));
        }
        serde_json::from_str(said.out.trim()).map_err(|error| error.to_string())
    }

    /// The HOME for builds in a context, set up if it is not; `registries` is a file that says how registries are reached.
    pub(super) fn home(
        &self,
        context: &Context,
        registries: Option<&Path>,
        asker: Asker<'_>,
    ) -> Result<PathBuf, BuildError> {
        let told = match registries {
            Some(file) => fs::read(file).map_err(|error| {
                let why = system_words(&error);
                BuildError::Failed(format!("cannot read `{}`: {why}", file.display()))
            })?,
            None => Vec::new(),
        };
        let home = self.homes.join(self.home_name(context, &told));
        let troubled = |error: io::Error| context::unwritable(&home, &error);
        fs::create_dir_all(&self.homes).map_err(troubled)?;
        let lock = File::create(home.with_extension("lock")).map_err(troubled)?;
        lock.lock().map_err(troubled)?;
        if !home.join(READY).is_file() {
            context::empty(&home)?;
            self.set_up(&home, context, registries, asker)?;
            File::create(home.join(READY)).map_err(troubled)?;
        }
        Ok(home)
    }

    /// The same for the same builder, and for no other.
    fn home_name(&self, context: &Context, told: &[u8]) -> String {
        let daemon = self.docker.address().unwrap_or_default();
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
        home: &Path,
        context: &Context,
        registries: Option<&Path>,
        asker: Asker<'_>,
    ) -> Result<(), BuildError> {
        self.registries(home)
            .map_err(|error| context::unwritable(home, &error))?;
        let mut create = self.command(home)?;
        create.args(["context", "create", "--name", CONTEXT, "--use"]);
        create.args(["--builder", &context.builder]);
        if let Some(address) = &context.address {
            create.args(["--builder-address", address]);
        }
        self.told("cannot make its context", &mut create, asker)?;
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
        self.told("cannot take `registry-config`", &mut bootstrap, asker)
    }

    /// How the images' descriptions are fetched: as the user has it, and without TLS from this machine.
    fn registries(&self, home: &Path) -> io::Result<()> {
        let folder = home.join(".config/containers");
        fs::create_dir_all(folder.join("registries.conf.d"))?;
        fs::write(folder.join("registries.conf.d/imgspec.conf"), REGISTRIES)?;
        let own = self.user_home.as_ref();
        let own = own.map(|home| home.join(".config/containers/registries.conf"));
        match own.filter(|file| file.is_file()) {
            Some(file) => fs::copy(file, folder.join("registries.conf")).map(drop),
            None => Ok(()),
        }
    }

    /// A call of envd in a HOME of ours.
    pub(super) fn command(&self, home: &Path) -> Result<Command, BuildError> {
        let mut command = self.program().map_err(|_| super::no_program())?;
        command
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env_remove("ENVD_BUILD_OWNER");
        if let Some(folder) = self.docker.configuration_folder() {
            command.env("DOCKER_CONFIG", folder);
        }
        if let Some(address) = self.docker.address() {
            command.env("DOCKER_HOST", address);
        }
        Ok(command)
    }

    /// A short call, whose failure is said with what it could not do. The first one makes keys, which takes its time.
    fn told(&self, what: &str, command: &mut Command, asker: Asker<'_>) -> Result<(), BuildError> {
        let question = asker.ask("envd", self.docker.limits().idle());
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
        let why = if why.is_empty() {
            "it fails without a word"
        } else {
            &why
        };
        Err(BuildError::Failed(format!("envd {what}: {why}")))
    }
}
