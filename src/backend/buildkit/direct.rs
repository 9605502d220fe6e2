//! Converts a request to gRPC messages: the arguments of the Dockerfile frontend, and the file trees that it may read.
//! Pure.

use std::collections::HashMap;
use std::sync::Arc;

use bollard_buildkit_proto::moby::buildkit::v1::{Exporter, SolveRequest};

use super::attest;
use super::caches::Caches;
use super::connection::random;
use super::options;
use super::request::Request;
use super::tree::Tree;
use crate::backend::Job;
use crate::backend::dockerfile::{quote, stage, stand_in};
use crate::backend::oci::reference::Reference;
use crate::recipe::repository;

/// The frontends' name for the build context.
const CONTEXT: &str = "context";

/// The frontends' name for the directory that contains the Dockerfile.
const DOCKERFILE: &str = "dockerfile";

/// The file trees that the frontend may read, by the names it uses for them.
pub(super) type Trees = Vec<(String, Arc<Tree>)>;

/// Where a result goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Export {
    /// To the store of the daemon, of whichever type, under the names of the request.
    Store,
    /// To the registry in the reference of the job.
    Registry {
        /// Whether that is spoken to without encryption.
        is_insecure: bool,
    },
}

pub(super) fn solve(
    request: &Request<'_>,
    session: &str,
    proxies: &[(String, String)],
    export: Export,
) -> SolveRequest {
    let (exporter, attributes) = exporter(request, export);
    // Without a frontend, the client itself defines the result.
    let asked = match request.touch {
        None => frontend(request, proxies),
        Some(_) => SolveRequest::default(),
    };
    SolveRequest {
        r#ref: random(),
        session: session.to_owned(),
        // Daemons before 25 read the older fields, later ones the newer.
        exporter_deprecated: exporter.into(),
        exporter_attrs_deprecated: attributes.clone(),
        exporters: vec![Exporter {
            r#type: exporter.into(),
            attrs: attributes,
        }],
        ..asked
    }
}

/// The name of an exporter, and its attributes.
fn exporter(request: &Request<'_>, export: Export) -> (&'static str, HashMap<String, String>) {
    let mut attributes = HashMap::new();
    let mut set = |name: &str, value: String| attributes.insert(name.to_owned(), value);
    match export {
        Export::Store => {
            let called: Vec<String> = request.names().map(normal).collect();
            set("name", called.join(","));
            ("moby", attributes)
        }
        Export::Registry { is_insecure } => {
            let name = normal(request.job.reference);
            if request.is_nameless {
                set("name", repository(&name).to_owned());
                set("push-by-digest", true.to_string());
            } else {
                set("name", name);
            }
            set("push", true.to_string());
            // Otherwise it would also fetch the layers of the base that the build itself does not need.
            set("store", false.to_string());
            set("oci-mediatypes", true.to_string());
            if is_insecure {
                set("registry.insecure", true.to_string());
            }
            ("image", attributes)
        }
    }
}

fn frontend(request: &Request<'_>, proxies: &[(String, String)]) -> SolveRequest {
    let mut attributes = attributes(request, proxies);
    attributes.insert("filename".into(), stage::DOCKERFILE.into());
    let caches = Caches::of(request.job);
    if let Some((name, list)) = caches.imports() {
        attributes.insert(name.to_owned(), list);
    }
    let network = attributes.get("force-network-mode");
    let is_host = network.is_some_and(|mode| mode == "host");
    SolveRequest {
        frontend: "dockerfile.v0".into(),
        frontend_attrs: attributes,
        cache: caches.options(),
        entitlements: is_host
            .then(|| "network.host".to_owned())
            .into_iter()
            .collect(),
        ..SolveRequest::default()
    }
}

fn attributes(request: &Request<'_>, proxies: &[(String, String)]) -> HashMap<String, String> {
    let (recipe, dockerfile) = (request.job.recipe, &request.dockerfile);
    let mut attributes = HashMap::from([("platform".to_owned(), recipe.platforms.join(","))]);
    if request.job.no_cache {
        attributes.insert("no-cache".into(), String::new());
    }
    if dockerfile.newline {
        attributes.insert(format!("build-arg:{}", quote::NEWLINE), "\n".into());
    }
    let mut add = |kind: &str, name: &str, value: &str| {
        attributes.insert(format!("{kind}:{name}"), value.to_owned());
    };
    for (name, value) in proxies {
        add("build-arg", name, value);
    }
    if let Some(own) = &dockerfile.own {
        for (name, value) in &own.args {
            add("build-arg", name, value);
        }
        for (name, value) in &own.labels {
            add("label", name, value);
        }
        for (name, image) in &own.images {
            add("context", name, &format!("docker-image://{image}"));
        }
        for (name, _) in &own.folders {
            add("context", name, &format!("local:{name}"));
        }
        if let Some(target) = &own.target {
            attributes.insert("target".into(), target.clone());
        }
    }
    for (name, value) in &recipe.wishes.options {
        if let Ok(Some((name, value))) = options::attribute(name, value) {
            attributes.insert(name.to_owned(), value);
        }
    }
    attributes.extend(attest::attributes(&recipe.wishes));
    attributes
}

pub(super) fn trees(request: &Request<'_>) -> Trees {
    let files = request.job.files;
    let whole = |set: usize| {
        let mut tree = Tree::default();
        tree.root(&files[set]);
        Arc::new(tree)
    };
    let mut trees = Vec::new();
    if let Some(own) = &request.dockerfile.own {
        trees.push((CONTEXT.to_owned(), whole(1)));
        let named = own.folders.iter();
        trees.extend(named.map(|(name, set)| (name.clone(), whole(*set))));
    } else {
        let mut context = Tree::default();
        for (at, files) in files.iter().enumerate() {
            context.set(&at.to_string(), files, stand_in(files));
        }
        trees.push((CONTEXT.to_owned(), Arc::new(context)));
    }
    let mut dockerfile = Tree::default();
    dockerfile.text(stage::DOCKERFILE, &request.dockerfile.text);
    dockerfile.text(stage::IGNORE, stage::NO_RULES);
    trees.push((DOCKERFILE.to_owned(), Arc::new(dockerfile)));
    trees
}

/// A reference with its registry, as the daemon stores it.
pub(super) fn normal(reference: &str) -> String {
    Reference::read(reference).map_or_else(
        || reference.to_owned(),
        |read| format!("{}/{}:{}", read.host, read.path, read.tag),
    )
}

/// The shared key of the files of a job's image: the same in later runs of this workspace, and different in any other.
pub(super) fn files_key(job: &Job<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(job.root.as_os_str().as_encoded_bytes());
    hasher.update(b"\0").update(job.image.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}
