//! A bake file, as JSON: every image a target, its bases targets too, and the groups of the manifest.
//!
//! JSON rather than HCL, because it needs no writer of its own; bake reads its strings as HCL templates nevertheless.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::names::names;
use super::node::{Build, Node};
use crate::backend::docker::Described;

/// The bake file for these images, with the groups' members as positions of images, and the images that are built by default: those
/// that were asked for, whatever the group `default` of the manifest has.
/// It is to be used in the directory that contains the directories of the images.
///
/// Source: <https://docs.docker.com/build/bake/reference/>
pub fn bake(
    nodes: &[Node],
    builds: &[Build],
    groups: &BTreeMap<String, Vec<usize>>,
    asked: &[usize],
) -> String {
    let mut taken: BTreeSet<String> = nodes.iter().map(|node| node.name.clone()).collect();
    let others: Vec<&str> = groups
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "default")
        .collect();
    taken.insert("default".to_owned());
    let names = names(&others, &mut taken);
    let members = |positions: &[usize]| {
        let targets: Vec<&str> = positions
            .iter()
            .map(|at| nodes[*at].name.as_str())
            .collect();
        json!({ "targets": targets })
    };
    let mut written = Map::from_iter([("default".to_owned(), members(asked))]);
    for (group, name) in others.iter().zip(names) {
        written.insert(name, members(&groups[*group]));
    }
    let targets: Map<String, Value> = nodes
        .iter()
        .zip(builds)
        .map(|(node, build)| (node.name.clone(), target(node, build, nodes, builds)))
        .collect();
    let mut file = json!({ "group": written });
    // bake refuses an object without targets, and builds nothing of a group that has none.
    if !targets.is_empty() {
        file["target"] = targets.into();
    }
    if builds
        .iter()
        .any(|build| build.secret_files.iter().any(|(_, path)| is_home(path)))
    {
        file["variable"] = json!({ "HOME": {} });
    }
    format!("{file:#}\n")
}

fn target(node: &Node, build: &Build, nodes: &[Node], builds: &[Build]) -> Value {
    let described = &build.described;
    let bases = node
        .needs
        .iter()
        .map(|at| (builds[*at].reference.as_str(), nodes[*at].name.as_str()));
    let bases: BTreeMap<&str, &str> = bases.collect();
    let image = |reference: &str| match bases.get(reference) {
        Some(target) => format!("target:{target}"),
        None => literal(&format!("docker-image://{reference}")),
    };
    let mut contexts: Map<String, Value> = bases
        .iter()
        .map(|(reference, target)| (literal(reference), format!("target:{target}").into()))
        .collect();
    for (name, reference) in &described.images {
        contexts.insert(literal(name), image(reference).into());
    }
    for (name, below) in &described.directories {
        contexts.insert(literal(name), format!("{}/{below}", node.name).into());
    }
    let pairs = |pairs: &[(String, String)]| -> Value {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (literal(name), literal(value).into()));
        pairs.collect::<Map<String, Value>>().into()
    };
    let tags = std::iter::once(&build.reference).chain(&build.names);
    let mut target = json!({
        "context": format!("{}/{}", node.name, Described::CONTEXT),
        // Relative to the context.
        "dockerfile": format!("../{}", Described::DOCKERFILE),
        "tags": tags.map(|name| literal(name)).collect::<Vec<_>>(),
        "platforms": described.platforms,
        "contexts": contexts,
        "args": pairs(&described.args),
        "labels": pairs(&described.labels),
        "cache-from": literals(&described.cache_from),
        "cache-to": literals(&described.cache_to),
        "attest": literals(&described.attest),
        "secret": secrets(build),
    });
    if let Some(stage) = &described.target {
        target["target"] = literal(stage).into();
    }
    for (name, value) in &described.options {
        let (name, value) = option(name, value);
        target[name] = value;
    }
    if let Some(fields) = target.as_object_mut() {
        let is_empty = |value: &Value| {
            value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty)
        };
        fields.retain(|_, value| !is_empty(value));
    }
    target
}

/// A build option as bake calls it.
fn option<'a>(name: &'a str, value: &str) -> (&'a str, Value) {
    if name != "add-host" {
        return (name, literal(value).into());
    }
    let hosts = value
        .split(',')
        .filter_map(|host| host.trim().split_once(['=', ':']));
    let hosts = hosts.map(|(host, address)| (literal(host), literal(address).into()));
    ("extra-hosts", hosts.collect::<Map<String, Value>>().into())
}

fn secrets(build: &Build) -> Vec<String> {
    let variables = build.secret_variables.iter();
    let variables = variables.map(|(id, name)| format!("id={},env={}", literal(id), literal(name)));
    let files = build.secret_files.iter().map(|(id, path)| {
        let path = match path.strip_prefix("~") {
            Ok(below) => format!("${{HOME}}/{}", literal(&below.to_string_lossy())),
            Err(_) => literal(&path.to_string_lossy()),
        };
        // A list of values separated by commas, quoted as in CSV files.
        let source = format!("src={path}").replace('"', "\"\"");
        format!("id={},\"{source}\"", literal(id))
    });
    variables.chain(files).collect()
}

fn literals(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| literal(text)).collect()
}

fn is_home(path: &Path) -> bool {
    path.starts_with("~")
}

/// A text that bake does not take for a template.
fn literal(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}
