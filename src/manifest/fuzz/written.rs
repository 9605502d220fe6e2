//! Converts a spec to equivalent nodes for the root manifest, independent of the text it was read from.

use super::model::GenNode;
use crate::spec::fields::{self, Field, FieldKind};
use crate::spec::{
    Base, Copy, CopyFrom, GivenPath, HealthTest, Healthcheck, ImageSpec, NamedContext,
    OwnDockerfile, OwnStep, Secret, SecretFile, SecretSource, SourceCopyMode, WorkspacePath,
};

/// The nodes of a spec's fields.
pub(super) fn nodes(spec: &ImageSpec) -> Vec<GenNode> {
    fields::all()
        .flat_map(|field| nodes_of(field, spec))
        .collect()
}

fn nodes_of(field: &Field, spec: &ImageSpec) -> Vec<GenNode> {
    let node = GenNode::new(field.name);
    let one = |text: Option<&str>| {
        text.map(|text| node.clone().arg(text))
            .into_iter()
            .collect()
    };
    match field.kind {
        FieldKind::Text(slot) => one((slot.get)(spec).as_deref()),
        FieldKind::Flag(slot) => one((slot.get)(spec).map(|is| if is { "true" } else { "false" })),
        FieldKind::CopyMode => one(spec.source_copy_mode.map(SourceCopyMode::name)),
        FieldKind::Path(slot) => one((slot.get)(spec).as_ref().map(said).as_deref()),
        FieldKind::Words(slot) | FieldKind::Shell(slot) => {
            let words = (slot.get)(spec).iter();
            words.map(|words| args(&node, words)).collect()
        }
        FieldKind::Platforms => several(&node, &spec.platform),
        FieldKind::List(slot) | FieldKind::Ports(slot) => several(&node, (slot.get)(spec)),
        FieldKind::Healthcheck => spec
            .healthcheck
            .iter()
            .map(|check| healthcheck(&node, check))
            .collect(),
        FieldKind::Map(slot, _) => {
            let pairs = (slot.get)(spec).iter();
            pairs
                .map(|(name, value)| node.clone().prop(name, value.as_str()))
                .collect()
        }
        FieldKind::Base => {
            let base = spec.base_image.iter();
            base.map(|base| self::base(node.clone(), base)).collect()
        }
        FieldKind::Copies => spec.copy.iter().map(copy).collect(),
        FieldKind::Mounts => {
            let mounts = spec.pip_secret_mounts.iter();
            let mount = |source, target: &str| {
                node.clone()
                    .arg(secret_file(source).as_str())
                    .prop("to", target)
            };
            mounts.map(|it| mount(&it.source, &it.target)).collect()
        }
        FieldKind::Secrets => spec.secrets.iter().map(secret).collect(),
        FieldKind::Steps if spec.steps.is_empty() => Vec::new(),
        FieldKind::Steps => vec![spec.steps.iter().map(step).fold(node, GenNode::child)],
        FieldKind::Dockerfile => spec
            .dockerfile
            .as_deref()
            .map(dockerfile)
            .into_iter()
            .collect(),
    }
}

fn healthcheck(node: &GenNode, check: &Healthcheck) -> GenNode {
    let node = match &check.test {
        HealthTest::Off => node.clone().arg("NONE"),
        HealthTest::CommandLine(line) => node.clone().arg(line.as_str()),
        HealthTest::Program(words) => args(node, words),
    };
    let settings = check.settings();
    settings.fold(node, |node, (name, value)| node.prop(name, value.as_str()))
}

fn several(node: &GenNode, texts: &[String]) -> Vec<GenNode> {
    if texts.is_empty() {
        return Vec::new();
    }
    vec![args(node, texts)]
}

fn args(node: &GenNode, texts: &[String]) -> GenNode {
    let texts = texts.iter().map(String::as_str);
    texts.fold(node.clone(), GenNode::arg)
}

fn pairs(name: &str, pairs: &[(String, String)]) -> GenNode {
    let add = |node: GenNode, (name, value): &(String, String)| node.prop(name, value.as_str());
    pairs.iter().fold(GenNode::new(name), add)
}

fn optional(node: GenNode, name: &str, text: Option<&String>) -> GenNode {
    match text {
        Some(text) => node.prop(name, text.as_str()),
        None => node,
    }
}

fn base(node: GenNode, base: &Base) -> GenNode {
    match base {
        Base::Image(id) => node.prop("image", id.as_str()),
        Base::Registry(reference) => node.arg(reference.as_str()),
        Base::File { file, name } => {
            let node = node.prop("file", at_root(&file.path, &file.given).as_str());
            optional(node, "ref", name.as_ref())
        }
        Base::Debian(debian) => {
            let node = node.prop("debian", debian.suite.as_str());
            let node = optional(node, "mirror", debian.mirror.as_ref());
            let node = optional(node, "snapshot", debian.snapshot.as_ref());
            node.prop("variant", debian.variant.name())
        }
        Base::Scratch => node.arg("scratch"),
    }
}

fn copy(copy: &Copy) -> GenNode {
    let node = GenNode::new("copy");
    let node = match &copy.from {
        CopyFrom::Workspace { path, given } => node.arg(at_root(path, given).as_str()),
        CopyFrom::Image { image, path } => node.arg(path.as_str()).prop("image", image.as_str()),
    };
    let node = optional(node, "to", copy.to.as_ref());
    optional(node, "owner", copy.owner.as_ref())
}

fn secret(secret: &Secret) -> GenNode {
    let node = GenNode::new("secret").arg(secret.id.as_str());
    let node = match &secret.source {
        SecretSource::Env(variable) => node.prop("env", variable.as_str()),
        SecretSource::File(file) => node.prop("file", secret_file(file).as_str()),
    };
    secret.uses.iter().fold(node, |node, one| {
        let given = optional(GenNode::new(one.step.field()), "env", one.env.as_ref());
        node.child(optional(given, "mount", one.mount.as_ref()))
    })
}

fn step(step: &OwnStep) -> GenNode {
    match step {
        OwnStep::Apt(packages) => args(&GenNode::new("apt"), packages),
        OwnStep::Conda(packages) => args(&GenNode::new("conda"), packages),
        OwnStep::Pip {
            packages,
            requirements,
        } => {
            let file = requirements.as_ref().map(said);
            let node = args(&GenNode::new("pip"), packages);
            optional(node, "requirements", file.as_ref())
        }
        OwnStep::Copy(it) => copy(it),
        OwnStep::Run(command) => GenNode::new("run").arg(command.as_str()),
        OwnStep::Env(variables) => pairs("env", variables),
        OwnStep::User(user) => GenNode::new("user").arg(user.as_str()),
        OwnStep::Workdir(path) => GenNode::new("workdir").arg(path.as_str()),
    }
}

fn dockerfile(own: &OwnDockerfile) -> GenNode {
    let node = GenNode::new("dockerfile")
        .arg(own.path.as_str())
        .prop("context", own.context.to_string().as_str());
    let mut node = optional(node, "target", own.target.as_ref());
    if !own.args.is_empty() {
        node = node.child(pairs("args", &own.args));
    }
    if !own.contexts.is_empty() {
        let contexts = own.contexts.iter().map(|(name, it)| context(name, it));
        node = node.child(contexts.fold(GenNode::new("contexts"), GenNode::child));
    }
    node
}

fn context(name: &str, context: &NamedContext) -> GenNode {
    let node = GenNode::new(name);
    match context {
        NamedContext::Image(id) => node.prop("image", id.as_str()),
        NamedContext::Registry(reference) => node.arg(reference.as_str()),
        NamedContext::Folder(path) => node.prop("path", path.to_string().as_str()),
    }
}

fn said(path: &GivenPath) -> String {
    at_root(&path.path, &path.given)
}

/// A path as written in the root manifest: as given, unless it was given in the manifest of another directory.
fn at_root(path: &WorkspacePath, given: &str) -> String {
    let here = WorkspacePath::resolve(&WorkspacePath::ROOT, given);
    if here.as_ref() == Some(path) {
        given.to_owned()
    } else {
        path.to_string()
    }
}

fn secret_file(file: &SecretFile) -> String {
    let given = &file.given;
    let is_of_machine = given.starts_with('/') || given.starts_with("~/");
    if is_of_machine || file.folder == WorkspacePath::ROOT {
        given.clone()
    } else {
        format!("{}/{given}", file.folder)
    }
}
