//! Builds by a builder of buildx that is not the daemon, through buildx itself.
//!
//! Such a builder has no images of this machine. With a push, its results go from there to their registries and the daemon
//! is not needed at all. Otherwise they are loaded into it, and images to build on are sent along as OCI layouts, which
//! every driver takes, wherever its `BuildKit` runs.

use std::collections::BTreeMap;

use super::engine::{Buildx, NoEngine, last_line};
use super::instances::Instance;
use super::programs::Wish;
use super::{Daemon, locked_digests};
use crate::asking::Asker;
use crate::backend::buildkit::request::Request;
use crate::backend::dockerfile::Called;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry;
use crate::backend::{
    Artifact, Availability, BuildError, Existence, Job, StoreKind, Wanted, context,
};
use crate::cancel::Cancel;
use crate::disk::dir::Dir;
use crate::process;
use crate::workspace::LockedImage;

/// The driver of builders that run by themselves.
const REMOTE: &str = "remote";

/// A node of a builder, as `docker buildx inspect` describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    name: String,
    endpoint: String,
    status: String,
    platforms: String,
    version: String,
    error: String,
}

impl Daemon {
    /// Builds an image and pushes it from where it is built; returns the digest under which buildx says it is there.
    pub(in crate::backend) fn push_by_instance(
        &self,
        instance: &Instance,
        job: &Job<'_>,
        called: &Called,
        asker: Asker<'_>,
    ) -> Result<String, BuildError> {
        let buildx = self.plugin(asker)?;
        let access = self.registries();
        let of = Reference::read(job.reference);
        let is_plain = of.is_some_and(|of| registry::is_plain(&of.host, &access));
        let output = if is_plain {
            "--output=type=image,push=true,oci-mediatypes=true,registry.insecure=true"
        } else {
            "--output=type=image,push=true,oci-mediatypes=true"
        };
        self.requested(job, called, asker, |request| {
            let wish = Wish {
                builder: &instance.name,
                output: &[output],
                layouts: &[],
            };
            let scratch = context::scratch(job)?;
            self.by_instance(&buildx, instance, wish, (&request, &scratch))
        })
    }

    /// Builds an image and loads it into the daemon; returns its digest there, and its size if the daemon says it.
    pub(in crate::backend) fn load_by_instance(
        &self,
        instance: &Instance,
        job: &Job<'_>,
        asker: Asker<'_>,
    ) -> Result<(String, Option<u64>), BuildError> {
        let engine = self.engine(asker)?;
        if job.recipe.platforms.len() > 1 && !engine.info.containerd_store {
            return Err(super::build::one_platform(job));
        }
        let buildx = self.plugin(asker)?;
        let scratch = context::scratch(job)?;
        let mut layouts = Vec::new();
        let mut layout = |image: &Artifact| {
            let name = format!("imgspec-base-{}", layouts.len());
            let to = context::empty(&scratch, &name)?;
            let digest = self.laid_out(image, &to, asker)?;
            layouts.push((name.clone(), digest));
            Ok::<_, BuildError>(name)
        };
        let mut called = Called {
            parents: BTreeMap::new(),
            locked: locked_digests(job).collect(),
        };
        for id in job.recipe.images() {
            if !called.parents.contains_key(id) {
                called.parents.insert(id.to_owned(), layout(job.base(id)?)?);
            }
        }
        for (image, locked) in job.outside.locks() {
            if let LockedImage::Id(id) = &locked.image {
                // Its name in the store could be another image's by now.
                self.by_id(&image.name, id, asker)?;
                let local = Artifact {
                    backend: String::new(),
                    reference: image.name.clone(),
                    digest: id.clone(),
                    size: None,
                };
                called.locked.insert(image.name.clone(), layout(&local)?);
            }
        }
        self.requested(job, &called, asker, |request| {
            let wish = Wish {
                builder: &instance.name,
                output: &["--load"],
                layouts: &layouts,
            };
            self.by_instance(&buildx, instance, wish, (&request, &scratch))
        })?;
        self.loaded(job, asker)
    }

    /// The image of this job as the daemon has it, after it was loaded.
    fn loaded(&self, job: &Job<'_>, asker: Asker<'_>) -> Result<(String, Option<u64>), BuildError> {
        let wanted = Wanted {
            reference: job.reference,
            place: StoreKind::Local,
            platforms: &job.recipe.platforms,
        };
        let found = self.exists(&[wanted], asker).into_iter().next();
        match &found {
            Some(image @ Existence::Present { digest, size, .. }) if image.has(job.key) => {
                Ok((digest.clone(), *size))
            }
            Some(Existence::Incomplete { missing }) => {
                self.forget(job.reference);
                Err(super::not_for(missing))
            }
            Some(Existence::Unknown { why }) => Err(BuildError::Transient(why.clone())),
            _ => Err(BuildError::Failed(
                "buildx says it has loaded the image, but the Docker daemon does not have it: buildx and imgspec must use the \
                 same daemon"
                    .to_owned(),
            )),
        }
    }

    fn by_instance(
        &self,
        buildx: &Buildx,
        instance: &Instance,
        wish: Wish<'_>,
        (request, scratch): (&Request<'_>, &Dir),
    ) -> Result<String, BuildError> {
        let command = self.buildx(buildx, wish, request.job);
        let cancel = request.cancel;
        let lives = |registries: &[String]| {
            self.instance_lives(instance, cancel)?;
            self.check_registries(registries)
        };
        self.carry_out(command, wish, request, (scratch, &lives))
            .map_err(|error| instance.explained(error))
    }

    /// buildx as the `docker` command calls it, asked for its version once. The daemon is not asked.
    fn plugin(&self, asker: Asker<'_>) -> Result<Buildx, NoEngine> {
        if let Some(known) = self.buildx.get() {
            return Ok(known.clone());
        }
        let Some(path) = self.program.clone() else {
            return Err(NoEngine::no_program());
        };
        let question = asker.ask("`docker buildx version`", self.limits.answer());
        let said = self
            .docker()
            .and_then(|mut docker| process::ask(docker.args(["buildx", "version"]), &question));
        let found = match said {
            Ok(said) if said.success => Buildx {
                path,
                head: &["buildx"],
                version: said.out.trim().to_owned(),
            },
            Ok(_) => return Err(NoEngine::no_buildx("`docker` has no buildx")),
            Err(error) => {
                let why = format!("`docker buildx version` does not answer: {error}");
                return Err(NoEngine::no_buildx(&why));
            }
        };
        Ok(self.buildx.get_or_init(|| found).clone())
    }

    /// What buildx knows of a builder now. Nothing is started that does not run.
    fn nodes(&self, instance: &Instance, asker: Asker<'_>) -> Result<Vec<Node>, NoEngine> {
        let question = asker.ask(instance.words(), self.limits.answer());
        let said = self.docker().and_then(|mut docker| {
            process::ask(
                docker.args(["buildx", "inspect", &instance.name]),
                &question,
            )
        });
        match said {
            Ok(said) if said.success => {
                let nodes = read(&said.out).map_err(|why| instance.silent(&why))?;
                Ok(nodes
                    .into_iter()
                    .map(|node| instance.judged(node))
                    .collect())
            }
            Ok(said) => Err(instance.silent(last_line(&said.err, "it reports nothing"))),
            Err(error) => Err(instance.silent(&error.to_string())),
        }
    }

    /// Checks on behalf of a silent build that some node of the builder answers.
    fn instance_lives(&self, instance: &Instance, cancel: &Cancel) -> Result<(), String> {
        let nodes = self.nodes(instance, Asker::silent().or(cancel));
        let nodes = nodes.map_err(|none| none.why)?;
        instance.answers(&nodes).map_err(|none| none.why)
    }

    /// Whether a builder can build now, and what it consists of; `pushes` is whether images leave through their registries.
    pub(in crate::backend) fn instance_availability(
        &self,
        instance: &Instance,
        pushes: bool,
        asker: Asker<'_>,
    ) -> Availability {
        let found = self.plugin(asker).and_then(|buildx| {
            let nodes = self.nodes(instance, asker)?;
            instance.answers(&nodes)?;
            Ok((buildx, nodes))
        });
        let (buildx, nodes) = match found {
            Ok(found) => found,
            Err(NoEngine { why, mend, .. }) => return Availability::Missing { why, mend },
        };
        if !pushes && let Err(none) = self.engine(asker) {
            return Availability::Missing {
                why: format!("its images are loaded into Docker, and {}", none.why),
                mend: format!("{}; or add `--push`, which needs no Docker here", none.mend),
            };
        }
        let mut remarks = vec![format!(
            "builds run in {}, which {} names",
            instance.words(),
            instance.by
        )];
        remarks.extend(nodes.iter().map(Node::words));
        // After the name of its repository.
        let version = buildx.version.split_whitespace().nth(1);
        Availability::Ready {
            versions: vec![(
                "buildx".to_owned(),
                version.unwrap_or(&buildx.version).to_owned(),
            )],
            remarks,
        }
    }
}

impl Instance {
    fn words(&self) -> String {
        format!("buildx's builder `{}` ({})", self.name, self.driver)
    }

    fn silent(&self, why: &str) -> NoEngine {
        let mend = format!(
            "look at `docker buildx inspect {}`, or name another builder; `default` is the Docker daemon itself",
            self.name
        );
        let mut none = NoEngine::lasting(
            format!("{} does not answer: {}", self.words(), why.trim()),
            &mend,
        );
        none.passing = true;
        none
    }

    /// A node of the driver `remote`, which starts nothing, is not just idle if it does not run.
    fn judged(&self, node: Node) -> Node {
        if self.driver != REMOTE || node.status == "running" || !node.error.is_empty() {
            return node;
        }
        let error = "nothing there answers as a BuildKit does, or the certificates of one of the two do not fit";
        Node {
            error: error.to_owned(),
            ..node
        }
    }

    /// Checks that not all nodes have failed. Those that do not run are started by a build.
    fn answers(&self, nodes: &[Node]) -> Result<(), NoEngine> {
        let why: Vec<String> = nodes.iter().filter_map(Node::failure).collect();
        if why.len() < nodes.len() {
            return Ok(());
        }
        let why = if why.is_empty() {
            "it has no nodes".to_owned()
        } else {
            why.join("; ")
        };
        Err(self.silent(&why))
    }

    /// Names the builder where a build failed because it could not be reached.
    fn explained(&self, error: BuildError) -> BuildError {
        if error.field().is_some() || !error.is_transient() {
            return error;
        }
        error.reworded(|why| format!("{}: {why}", self.words()))
    }
}

impl Node {
    /// Why it cannot build, if it cannot.
    fn failure(&self) -> Option<String> {
        (!self.error.is_empty())
            .then(|| format!("node `{}` at {}: {}", self.name, self.endpoint, self.error))
    }

    fn words(&self) -> String {
        let at = format!("node `{}` at {}", self.name, self.endpoint);
        if !self.error.is_empty() {
            return format!("{at} does not answer: {}", self.error);
        }
        let version = match self.version.as_str() {
            "" => String::new(),
            version => format!(", BuildKit {version}"),
        };
        let platforms = match self.platforms.as_str() {
            "" => String::new(),
            platforms => format!(", {platforms}"),
        };
        format!("{at}: {}{version}{platforms}", self.status)
    }
}

/// Reads the nodes from the output of `docker buildx inspect`; the error is what it says about all of them.
fn read(out: &str) -> Result<Vec<Node>, String> {
    let mut nodes: Option<Vec<Node>> = None;
    for line in out.lines() {
        // What a node has in detail is indented.
        let Some((name, value)) = line
            .split_once(':')
            .filter(|_| !line.starts_with(char::is_whitespace))
        else {
            continue;
        };
        let value = value.trim().to_owned();
        let Some(nodes) = &mut nodes else {
            match name {
                "Nodes" => nodes = Some(Vec::new()),
                "Error" => return Err(value),
                _ => {}
            }
            continue;
        };
        if name == "Name" {
            nodes.push(Node::default());
        }
        let Some(node) = nodes.last_mut() else {
            continue;
        };
        match name {
            "Name" => node.name = value,
            "Endpoint" => node.endpoint = value,
            "Status" => node.status = value,
            "Platforms" => node.platforms = value,
            "BuildKit version" | "Buildkit" => node.version = value,
            "Error" => node.error = value,
            _ => {}
        }
    }
    nodes.ok_or_else(|| "what it reports cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_read_as_buildx_describes_them() {
        let out = "Name:   far\nDriver: remote\n\nNodes:\nName:     far0\nEndpoint: tcp://10.0.0.1:1234\nStatus:   running\n\
                   Labels:\n a.b: Name: c\nGC Policy rule#0:\n All: false\n\nName:     far1\nEndpoint: tcp://10.0.0.2:1234\n\
                   Error:    connection error: desc = \"refused\"\n";
        let nodes = read(out).unwrap();
        let words: Vec<String> = nodes.iter().map(Node::words).collect();
        assert_eq!(
            words,
            [
                "node `far0` at tcp://10.0.0.1:1234: running",
                "node `far1` at tcp://10.0.0.2:1234 does not answer: connection error: desc = \"refused\"",
            ]
        );
        let instance = Instance {
            name: "far".to_owned(),
            driver: "remote".to_owned(),
            by: String::new(),
        };
        assert!(instance.answers(&nodes).is_ok());
        let idle = |driver: &str| {
            let driver = driver.to_owned();
            let instance = Instance {
                driver,
                ..instance.clone()
            };
            let node = Node {
                status: "inactive".to_owned(),
                ..nodes[0].clone()
            };
            instance.answers(&[instance.judged(node)])
        };
        assert!(idle("docker-container").is_ok());
        assert!(
            idle("remote")
                .unwrap_err()
                .why
                .contains("nothing there answers")
        );
        let none = instance.answers(&nodes[1..]).unwrap_err();
        assert!(
            none.why
                .starts_with("buildx's builder `far` (remote) does not answer: node `far1`")
        );
        assert!(
            instance
                .answers(&[])
                .unwrap_err()
                .why
                .ends_with("it has no nodes")
        );
    }

    #[test]
    fn what_cannot_be_read_is_no_builder() {
        assert_eq!(
            read("Name: a\nError: no such thing\n"),
            Err("no such thing".to_owned())
        );
        for junk in ["", "\n", "Nodes", "<html>", ":", "Error"] {
            assert!(read(junk).is_err(), "{junk}");
        }
        assert_eq!(read("Nodes:\nStatus: lost\n:\n"), Ok(Vec::new()));
    }
}
