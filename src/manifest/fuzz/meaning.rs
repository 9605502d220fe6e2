//! A second implementation of the semantics of manifests: names, templates, defaults, matrices and flags.
//!
//! Follows docs/manifest.md with a different method than the loader: fields are lists of canonical lines, so that inheritance
//! consists of appending, replacing and dropping lines. The spec that the loader returns is converted to nodes and then to
//! lines too.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{GenNode, Part, Value, World};
use super::written;
use crate::spec::WorkspacePath;
use crate::spec::fields::{self, Field, FieldKind};
use crate::workspace;

/// The canonical lines of each field. Where later lines replace earlier ones, lines have a key that identifies them.
pub(super) type Fields = BTreeMap<String, Vec<(Option<String>, String)>>;

/// The values of names at one place.
type Names = BTreeMap<String, String>;

/// The images of a world: ids and fields.
pub(super) fn images(world: &World) -> Vec<(String, Fields)> {
    let names = names(world);
    let defaults = |nodes: &[GenNode]| {
        nodes
            .iter()
            .filter(|node| node.name == "defaults")
            .cloned()
            .collect::<Vec<_>>()
    };
    let templates = world.root.iter().chain(&world.sub).enumerate();
    let templates = templates.filter(|(_, node)| node.name == "template");
    let templates: BTreeMap<String, (GenNode, bool)> = templates
        .filter_map(|(at, node)| {
            Some((
                text(node.args.first()?, &names)?,
                (node.clone(), at >= world.root.len()),
            ))
        })
        .collect();
    let mut all = Vec::new();
    for (nodes, is_sub) in [(&world.root, false), (&world.sub, true)] {
        let mut below: Vec<(GenNode, bool)> = defaults(&world.root)
            .into_iter()
            .map(|node| (node, false))
            .collect();
        if is_sub {
            below.extend(defaults(&world.sub).into_iter().map(|node| (node, true)));
        }
        for node in nodes.iter().filter(|node| node.name == "image") {
            for names in combinations(node, &names) {
                let id = node
                    .args
                    .first()
                    .and_then(|id| text(id, &names))
                    .unwrap_or_default();
                let mut layers = below.clone();
                extended(node, &templates, &names, &mut BTreeSet::new(), &mut layers);
                layers.push((node.clone(), is_sub));
                let mut fields = Fields::new();
                for (layer, is_sub) in layers {
                    add(&mut fields, &layer.children, &folder(is_sub), &names);
                }
                set(&mut fields, world, &id, is_sub);
                all.push((id, fields));
            }
        }
    }
    all
}

/// The fields of a loaded image, in the same form.
pub(super) fn of(image: &workspace::Image) -> Fields {
    let mut fields = Fields::new();
    let nodes = written::nodes(&image.spec);
    add(&mut fields, &nodes, &folder(false), &Names::new());
    fields
}

fn folder(is_sub: bool) -> WorkspacePath {
    let name = if is_sub { "sub" } else { "" };
    WorkspacePath::resolve(&WorkspacePath::ROOT, name).unwrap()
}

fn text(value: &Value, names: &Names) -> Option<String> {
    value.filled(&|name| names.get(name).cloned())
}

fn names(world: &World) -> Names {
    let mut names = Names::new();
    for node in world.root.iter().filter(|node| node.name == "variable") {
        let name = text(&node.args[0], &names).unwrap();
        let flag = world.vars.iter().find(|(known, _)| *known == name);
        let variable = node.value("env").and_then(|value| text(value, &names));
        let env = world
            .env
            .iter()
            .find(|(known, _)| Some(known) == variable.as_ref());
        let default = node.value("default").and_then(|value| text(value, &names));
        let value = flag.or(env).map(|(_, value)| value.clone()).or(default);
        names.insert(name, value.unwrap_or_default());
    }
    names
}

/// The names for each image of a matrix; the first axis changes slowest.
fn combinations(image: &GenNode, names: &Names) -> Vec<Names> {
    let mut all = vec![names.clone()];
    let matrix = image.children.iter().filter(|node| node.name == "matrix");
    for axis in matrix.flat_map(|matrix| &matrix.children) {
        let values: Vec<String> = axis
            .args
            .iter()
            .filter_map(|value| text(value, names))
            .collect();
        let with = |names: &Names, value: &String| {
            let mut names = names.clone();
            names.insert(axis.name.clone(), value.clone());
            names
        };
        all = all
            .iter()
            .flat_map(|names| {
                values
                    .iter()
                    .map(|value| with(names, value))
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    all
}

/// Adds the templates that a node extends, preceded by those that they extend, each once.
fn extended(
    node: &GenNode,
    templates: &BTreeMap<String, (GenNode, bool)>,
    names: &Names,
    seen: &mut BTreeSet<String>,
    to: &mut Vec<(GenNode, bool)>,
) {
    let nodes = node.children.iter().filter(|node| node.name == "extends");
    let wanted = node
        .value("extends")
        .into_iter()
        .chain(nodes.flat_map(|node| &node.args));
    for name in wanted.filter_map(|value| text(value, names)) {
        if let Some((template, is_sub)) = templates.get(&name)
            && seen.insert(name)
        {
            extended(template, templates, names, seen, to);
            to.push((template.clone(), *is_sub));
        }
    }
}

/// Applies the `--set` flags.
fn set(fields: &mut Fields, world: &World, id: &str, is_sub: bool) {
    let mut lists = BTreeSet::new();
    for (image, name, value) in &world.sets {
        let stem = image.strip_suffix('*');
        if image != id && !stem.is_some_and(|stem| id.starts_with(stem)) {
            continue;
        }
        let mut node = GenNode::new(name).arg(value.as_str());
        let is_list = fields::find(name)
            .is_some_and(|field| matches!(field.kind, FieldKind::List(_) | FieldKind::Ports(_)));
        node.reset = is_list && lists.insert(name.clone());
        add(fields, &[node], &folder(is_sub), &Names::new());
    }
}

/// Applies one layer.
fn add(fields: &mut Fields, nodes: &[GenNode], folder: &WorkspacePath, names: &Names) {
    for node in nodes.iter().filter(|node| node.reset) {
        fields.remove(&node.name);
    }
    for node in nodes {
        let Some(field) = fields::find(&node.name) else {
            continue;
        };
        let is_bare = node.args.is_empty() && node.props.is_empty() && node.children.is_empty();
        if node.reset && is_bare {
            continue;
        }
        let known = fields.entry(node.name.clone()).or_default();
        let lines = lines(field, node, folder, names);
        if field.kind.is_single() {
            *known = lines;
            continue;
        }
        for (key, line) in lines {
            match known
                .iter_mut()
                .find(|(known, _)| key.is_some() && *known == key)
            {
                Some(old) => old.1 = line,
                None => known.push((key, line)),
            }
        }
    }
}

/// The canonical lines of one node.
fn lines(
    field: &Field,
    node: &GenNode,
    folder: &WorkspacePath,
    names: &Names,
) -> Vec<(Option<String>, String)> {
    let read = Reading { folder, names };
    let plain = |line: String| (None, line);
    match field.kind {
        FieldKind::Text(_)
        | FieldKind::Flag(_)
        | FieldKind::CopyMode
        | FieldKind::Words(_)
        | FieldKind::Shell(_)
        | FieldKind::Platforms
        | FieldKind::Ports(_)
        | FieldKind::List(_) => node.args.iter().map(|arg| plain(read.text(arg))).collect(),
        FieldKind::Path(_) => node.args.iter().map(|arg| plain(read.path(arg))).collect(),
        FieldKind::Map(..) => read
            .pairs(node)
            .into_iter()
            .map(|(name, value)| (Some(name.clone()), format!("{name}={value}")))
            .collect(),
        FieldKind::Base => vec![plain(read.base(node))],
        FieldKind::Healthcheck => vec![plain(read.whole(node))],
        FieldKind::Copies => read.copies(node).into_iter().map(plain).collect(),
        FieldKind::Mounts => {
            let file = read.secret_file(&node.args[0]);
            vec![plain(format!(
                "{file} to {:?}",
                node.value("to").map(|to| read.text(to))
            ))]
        }
        FieldKind::Secrets => {
            let file = node.value("file").map(|file| read.secret_file(file));
            let mut said = node.clone();
            said.props.retain(|(name, _)| name != "file");
            vec![(
                Some(read.text(&node.args[0])),
                format!("{file:?} {}", read.whole(&said)),
            )]
        }
        FieldKind::Steps => node
            .children
            .iter()
            .flat_map(|step| read.step(step))
            .map(plain)
            .collect(),
        FieldKind::Dockerfile => vec![plain(read.dockerfile(node))],
    }
}

struct Reading<'a> {
    folder: &'a WorkspacePath,
    names: &'a Names,
}

impl Reading<'_> {
    fn text(&self, value: &Value) -> String {
        text(value, self.names).unwrap_or_else(|| format!("unknown {:?}", value.0))
    }

    fn path(&self, value: &Value) -> String {
        let given = self.text(value);
        WorkspacePath::resolve(self.folder, &given).map_or(given, |path| path.as_str().to_owned())
    }

    fn secret_file(&self, value: &Value) -> String {
        let given = self.text(value);
        let is_of_machine = given.starts_with('/') || given.starts_with("~/");
        if is_of_machine || *self.folder == WorkspacePath::ROOT {
            return given;
        }
        format!("{}/{given}", self.folder)
    }

    /// Names and values, whether written as properties or in a block.
    fn pairs(&self, node: &GenNode) -> Vec<(String, String)> {
        let props = node
            .props
            .iter()
            .map(|(name, value)| (name.clone(), self.text(value)));
        let children = node.children.iter();
        props
            .chain(children.map(|child| (child.name.clone(), self.text(&child.args[0]))))
            .collect()
    }

    /// A node on one line, with properties sorted by name.
    fn whole(&self, node: &GenNode) -> String {
        let args: Vec<String> = node.args.iter().map(|arg| self.text(arg)).collect();
        let props: BTreeMap<&str, String> = node
            .props
            .iter()
            .map(|(name, value)| (name.as_str(), self.text(value)))
            .collect();
        let children: Vec<String> = node
            .children
            .iter()
            .map(|child| format!("{} {}", child.name, self.whole(child)))
            .collect();
        format!("{args:?} {props:?} {children:?}")
    }

    fn base(&self, node: &GenNode) -> String {
        let name = node.value("ref").map(|name| self.text(name));
        match node.value("file") {
            Some(file) => format!("file {:?} {name:?}", self.path(file)),
            None => self.whole(node),
        }
    }

    fn copies(&self, node: &GenNode) -> Vec<String> {
        let of_image = node.value("image").is_some();
        let mut props = GenNode {
            args: Vec::new(),
            children: Vec::new(),
            ..node.clone()
        };
        props.reset = false;
        let args = node.args.iter();
        args.map(|arg| {
            let path = if of_image {
                self.text(arg)
            } else {
                self.path(arg)
            };
            format!("copy {path} {}", self.whole(&props))
        })
        .collect()
    }

    fn step(&self, step: &GenNode) -> Vec<String> {
        match step.name.as_str() {
            "copy" => self.copies(step),
            "env" => vec![format!("env {:?}", self.pairs(step))],
            "run" => step
                .args
                .iter()
                .map(|arg| format!("run {}", self.text(arg)))
                .collect(),
            "pip" => {
                let file = step.value("requirements").map(|file| self.path(file));
                let args: Vec<String> = step.args.iter().map(|arg| self.text(arg)).collect();
                vec![format!("pip {args:?} {file:?}")]
            }
            name => vec![format!("{name} {}", self.whole(step))],
        }
    }

    fn dockerfile(&self, node: &GenNode) -> String {
        let here = Value(vec![Part::Text(".".to_owned())]);
        let (file, context) = (
            self.path(&node.args[0]),
            self.path(node.value("context").unwrap_or(&here)),
        );
        let target = node.value("target").map(|target| self.text(target));
        let mut parts = Vec::new();
        for part in &node.children {
            parts.push(match part.name.as_str() {
                "args" => format!("{:?}", self.pairs(part)),
                _ => part
                    .children
                    .iter()
                    .map(|child| self.context(child))
                    .collect(),
            });
        }
        parts.retain(|part| !part.is_empty() && part != "[]");
        format!("{file} {context} {target:?} {parts:?}")
    }

    fn context(&self, node: &GenNode) -> String {
        match node.value("path") {
            Some(path) => format!("{} path {}", node.name, self.path(path)),
            None => format!("{} {}", node.name, self.whole(node)),
        }
    }
}
