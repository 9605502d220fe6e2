//! What another backend that builds with Docker's daemon asks of this one: names, what images are, a last touch.
//!
//! Knows no other backend. The choice made: whoever builds with the daemon otherwise shares the connection, the private names
//! and the words for failures with this backend, so that an image is the same thing to both.

use serde_json::Value;

use super::build::unavailable;
use super::dockerfile::StepName;
use super::{Docker, NoEngine, Trouble, failure};
use crate::asking::Asker;
use crate::backend::BuildError;
use crate::backend::oci::registry::Access;
use crate::limits::Limits;
use crate::process::{Said, Stream};

/// An image of the local store.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::backend) struct Found {
    /// Its id.
    pub(in crate::backend) id: String,
    /// What it says of itself: Docker's `Config`.
    pub(in crate::backend) config: Value,
    /// The digests of its manifests, as registries know them.
    pub(in crate::backend) digests: Vec<String>,
    /// `os/architecture` and, where there is one, the variant.
    pub(in crate::backend) platform: String,
}

impl Docker {
    /// Looks for the daemon.
    ///
    /// # Errors
    /// When there is none that can build.
    pub(in crate::backend) fn ready(&self, asker: Asker<'_>) -> Result<(), BuildError> {
        self.found(asker)
            .map(drop)
            .map_err(|none| unavailable(&none))
    }

    /// Whether the daemon is spoken to without Docker's programs.
    pub(in crate::backend) fn is_direct(&self) -> bool {
        let found = self.found(Asker::silent());
        found.is_ok_and(|found| found.direct.is_some())
    }

    /// A name that nothing has, to be given to an image; it is taken back at the end of the run.
    pub(in crate::backend) fn private_name(&self) -> String {
        self.pins.next()
    }

    /// An image of the local store, by a name or an id; none when there is no such image.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub(in crate::backend) fn image(
        &self,
        name: &str,
        asker: Asker<'_>,
    ) -> Result<Option<Found>, BuildError> {
        let head = ["image", "inspect", "--format", "{{json .}}", "--", name];
        let said = self.told(&head, asker)?;
        if said.success {
            return read(&said.out).map(Some).ok_or_else(|| {
                BuildError::Failed(format!("docker's answer for `{name}` cannot be read"))
            });
        }
        let why = said.err.trim();
        if why.to_lowercase().contains("no such image") {
            return Ok(None);
        }
        Err(BuildError::Transient(why.to_owned()))
    }

    /// Lets a private name be the one by which others are built on the image that has it.
    pub(in crate::backend) fn pin(&self, image: &Found, name: &str) {
        self.pins.note(&image.id, name);
    }

    /// Gives an image of the local store one more name.
    ///
    /// # Errors
    /// When the daemon does not.
    pub(in crate::backend) fn name(
        &self,
        image: &str,
        name: &str,
        asker: Asker<'_>,
    ) -> Result<(), BuildError> {
        let said = self.told(&["image", "tag", image, name], asker)?;
        if said.success {
            return Ok(());
        }
        let why = said.err.trim().to_owned();
        Err(if failure::is_passing(&why) {
            BuildError::Transient(why)
        } else {
            BuildError::Failed(why)
        })
    }

    /// Takes a name back; the image stays if it has another.
    pub(in crate::backend) fn forget(&self, name: &str) {
        self.remove_names(&[name]);
    }

    /// Takes back all names in the local store that were left behind, and says how many.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub(in crate::backend) fn clean_names(
        &self,
        is_left: impl Fn(&str) -> bool,
        asker: Asker<'_>,
    ) -> Result<usize, String> {
        if self.program.is_none() {
            return Ok(0);
        }
        // A list of thousands of images takes long: is there anyone to wait for?
        self.lives(asker)?;
        let list = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"];
        let (mut left, mut complaint) = (Vec::new(), String::new());
        let exit = self.listen(&list, asker.cancel(), |stream, line| match stream {
            Stream::Out if is_left(line) => left.push(line.to_owned()),
            Stream::Out => {}
            Stream::Err => line.clone_into(&mut complaint),
        });
        if !exit.map_err(|error| error.to_string())?.status.success() {
            return Err(complaint);
        }
        let left: Vec<&str> = left.iter().map(String::as_str).collect();
        self.remove_names(&left);
        Ok(left.len())
    }

    /// Where the daemon listens, as `DOCKER_HOST` says it; none where Docker's own context has to say it.
    pub(in crate::backend) fn address(&self) -> Option<String> {
        let is_said = self
            .variable("DOCKER_HOST")
            .is_some_and(|host| !host.is_empty());
        let found = self.endpoint().ok();
        let found = found.filter(|found| is_said || found.socket().is_some());
        found.map(|found| found.host)
    }

    /// How long is waited.
    pub(in crate::backend) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How registries are asked.
    pub(in crate::backend) fn registries(&self) -> Access {
        Access {
            limits: self.limits,
            configuration: self.configuration(),
        }
    }

    /// The folder of Docker's configuration.
    pub(in crate::backend) fn configuration_folder(&self) -> Option<std::path::PathBuf> {
        self.configuration()
    }

    /// Asks the `docker` program something short in a build.
    pub(super) fn told(&self, arguments: &[&str], asker: Asker<'_>) -> Result<Said, BuildError> {
        if self.program.is_none() {
            return Err(unavailable(&NoEngine::no_program()));
        }
        self.ask(arguments, asker).map_err(|error| {
            if asker.is_cancelled() {
                return BuildError::Cancelled;
            }
            unavailable(&NoEngine::unreached(&self.whom(), &error))
        })
    }
}

/// The error of a build that failed, by what was heard of it.
pub(in crate::backend) fn failed(trouble: &Trouble, steps: &[StepName]) -> BuildError {
    failure::build(trouble, steps)
}

fn read(text: &str) -> Option<Found> {
    let told: Value = serde_json::from_str(text.trim()).ok()?;
    let word = |name: &str| told[name].as_str().filter(|word| !word.is_empty());
    let parts = [word("Os")?, word("Architecture")?];
    let parts: Vec<&str> = parts.into_iter().chain(word("Variant")).collect();
    let digests = told["RepoDigests"].as_array();
    let digests = digests.into_iter().flatten().filter_map(Value::as_str);
    Some(Found {
        digests: digests
            .filter_map(|name| Some(name.split_once('@')?.1.to_owned()))
            .collect(),
        id: word("Id")?.to_owned(),
        config: told["Config"].clone(),
        platform: parts.join("/"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_as_docker_tells_it() {
        let found = read(
            r#"{"Id":"sha256:1","Os":"linux","Architecture":"arm","Variant":"v7","Config":{"Cmd":["sh"]}}"#,
        );
        let found = found.unwrap();
        assert_eq!(found.platform, "linux/arm/v7");
        assert_eq!(found.config["Cmd"][0], "sh");
        assert_eq!(read("{}"), None);
        assert_eq!(read("not JSON"), None);
    }
}
