//! Builders of buildx: which of them builds, found as buildx finds it, in the files that it keeps.
//!
//! No process is started for that, so a run that has nothing to do costs nothing. A builder with the driver `docker` is a
//! daemon itself, and the one in use is spoken to as ever. Sources: the packages `store` and `builder` of
//! <https://github.com/docker/buildx>.

use std::path::PathBuf;

use serde_json::Value;

use super::Daemon;
use super::endpoint::{context_in_use, context_names, read, said};
use super::engine::NoEngine;
use crate::backend::oci::name::Digest;
use crate::disk::limits;
use crate::disk::read::{self as files, Links};
use crate::spec::rules::builder_instance;
use crate::suggest::closest;

/// The driver of builders that are daemons.
const DAEMONS: &str = "docker";

/// Docker's name for the context without a name.
const DEFAULT: &str = "default";

/// A builder of buildx that is not the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) driver: String,
    /// Who names it, for messages.
    pub(crate) by: String,
}

/// Where buildx keeps its files, and which daemon is in use.
struct Known {
    folder: PathBuf,
    /// The directory of Docker's configuration.
    configuration: Option<PathBuf>,
    /// The context in use.
    context: Option<String>,
    /// What a current builder is noted for: the context in use, or the daemon's address.
    key: String,
}

impl Daemon {
    /// The builder that is named, with who names it, or else the current one; `None` if that is the daemon.
    pub(in crate::backend) fn instance(
        &self,
        named: Option<(&str, &str)>,
    ) -> Result<Option<Instance>, NoEngine> {
        let variable = said(self.variable("BUILDX_BUILDER"));
        match (named, variable) {
            (Some((name, by)), _) => self.known()?.find(name, by),
            (None, Some(name)) => self.known()?.find(name.trim(), "`BUILDX_BUILDER`"),
            // Who has no such directory has no other builders, and may have no readable address of a daemon.
            (None, None) if self.buildx_files().is_none_or(|folder| !folder.is_dir()) => Ok(None),
            (None, None) => self.known()?.current(),
        }
    }

    fn buildx_files(&self) -> Option<PathBuf> {
        let own = self
            .raw("BUILDX_CONFIG")
            .filter(|folder| !folder.is_empty());
        own.map(PathBuf::from)
            .or_else(|| Some(self.configuration()?.join("buildx")))
    }

    fn known(&self) -> Result<Known, NoEngine> {
        let host = said(self.variable("DOCKER_HOST"));
        let configuration = self.configuration();
        let context = match host {
            Some(_) => None,
            None => context_in_use(self.variable("DOCKER_CONTEXT"), configuration.as_deref())
                .map_err(|why| NoEngine::nowhere(&why))?,
        };
        let key = match &context {
            Some(context) => context.clone(),
            None => self.endpoint()?.host,
        };
        Ok(Known {
            folder: self.buildx_files().unwrap_or_default(),
            configuration,
            context,
            key,
        })
    }
}

impl Known {
    /// A builder by its name. Those of `docker buildx create` come before contexts of Docker.
    fn find(&self, name: &str, by: &str) -> Result<Option<Instance>, NoEngine> {
        if let Some(description) = self.read(name)? {
            return self.described(name, by, &description);
        }
        if name == self.context.as_deref().unwrap_or(DEFAULT) {
            return Ok(None);
        }
        if name == DEFAULT || self.contexts().iter().any(|context| context == name) {
            return Err(other_daemon(name, by, name));
        }
        let all = self.names();
        let why = format!("buildx has no builder `{name}`, which {by} names");
        let mend = match closest(name, all.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "there are {}; `docker buildx create` makes others",
                all.join(", ")
            ),
        };
        Err(NoEngine::lasting(why, &mend))
    }

    /// The current builder. One that has been removed since is not, as with buildx.
    fn current(&self) -> Result<Option<Instance>, NoEngine> {
        let file = self.folder.join("current");
        let current = read(&file).map_err(|why| unreadable(&why))?;
        let current = current.unwrap_or(Value::Null);
        let name = current["Name"].as_str().filter(|name| !name.is_empty());
        let name =
            name.filter(|_| current["Global"] == true || current["Key"] == self.key.as_str());
        let name = name.map_or_else(|| self.default_name(), |name| Ok(Some(name.to_owned())))?;
        let Some(name) = name else {
            return Ok(None);
        };
        match self.read(&name)? {
            Some(description) => self.described(&name, "`docker buildx use`", &description),
            None => Ok(None),
        }
    }

    /// The builder that was made the default of the daemon in use.
    fn default_name(&self) -> Result<Option<String>, NoEngine> {
        let digest = Digest::of(self.key.as_bytes()).hex();
        let file = self.folder.join("defaults").join(&digest[..20]);
        match files::bytes(&file, Links::Follow, limits::CONFIGURATION) {
            Ok(bytes) => Ok(said(String::from_utf8(bytes).ok())),
            Err(refusal) if refusal.is_absent() => Ok(None),
            Err(refusal) => Err(unreadable(&format!("`{}`: {refusal}", file.display()))),
        }
    }

    /// What buildx's file says of a builder; `None` if there is none.
    fn read(&self, name: &str) -> Result<Option<Value>, NoEngine> {
        // A name that cannot be one must not become a path.
        if builder_instance(name).is_err() {
            return Ok(None);
        }
        let file = self.folder.join("instances").join(name.to_lowercase());
        read(&file).map_err(|why| unreadable(&why))
    }

    fn described(
        &self,
        name: &str,
        by: &str,
        description: &Value,
    ) -> Result<Option<Instance>, NoEngine> {
        let driver = description["Driver"].as_str().unwrap_or_default();
        if driver.is_empty() || driver == DAEMONS {
            let endpoint = description["Nodes"][0]["Endpoint"]
                .as_str()
                .unwrap_or_default();
            let is_in_use = endpoint == self.key || (endpoint == DEFAULT && self.context.is_none());
            return if is_in_use {
                Ok(None)
            } else {
                Err(other_daemon(name, by, endpoint))
            };
        }
        Ok(Some(Instance {
            name: name.to_owned(),
            driver: driver.to_owned(),
            by: by.to_owned(),
        }))
    }

    /// The names of Docker's contexts.
    fn contexts(&self) -> Vec<String> {
        let configuration = self.configuration.as_deref();
        configuration.map(context_names).unwrap_or_default()
    }

    /// All builders, by name.
    fn names(&self) -> Vec<String> {
        let own = std::fs::read_dir(self.folder.join("instances"));
        let own = own.into_iter().flatten().flatten();
        let own = own.filter_map(|entry| entry.file_name().into_string().ok());
        let all = own.chain([DEFAULT.to_owned()]).chain(self.contexts());
        let mut all: Vec<String> = all.filter(|name| builder_instance(name).is_ok()).collect();
        all.sort();
        all.dedup();
        all
    }
}

fn other_daemon(name: &str, by: &str, context: &str) -> NoEngine {
    NoEngine::lasting(
        format!(
            "the builder `{name}`, which {by} names, is the daemon of another context of Docker, whose images are not here"
        ),
        &format!(
            "use that daemon for everything: `DOCKER_CONTEXT={context}`, or `docker context use {context}`"
        ),
    )
}

fn unreadable(why: &str) -> NoEngine {
    NoEngine::lasting(
        format!("it is not known which builder of buildx is in use: {why}"),
        "look at `docker buildx ls`",
    )
}
