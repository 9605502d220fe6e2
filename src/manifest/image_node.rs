//! An image as the manifest nodes that declare it: for programs' images, which are read back like any other, and to show a
//! spec after inheritance and variables.

use super::write::{self, NewNode, NodeWriter};
use crate::diagnostic::quoted;
use crate::spec::fields::{self, Field, FieldKind};
use crate::spec::{
    Base, Copy, CopyFrom, Debian, HealthTest, Healthcheck, ImageSpec, NamedContext, OwnDockerfile,
    OwnStep, PipSecretMount, Secret, SecretFile, SecretSource, Variant, WorkspacePath,
};
use crate::workspace::Image;

/// The node of an image, with paths from the workspace root.
pub(crate) fn image_node(image: &Image) -> NewNode {
    let fields = fields::all().flat_map(|field| field_nodes(field, &image.spec));
    NewNode {
        children: fields.collect(),
        ..NewNode::new("image", &image.id)
    }
}

/// The node of an image as text for people, in the order in which they write fields.
pub(crate) fn image_text(image: &Image) -> String {
    let mut node = image_node(image);
    node.children.sort_by_key(|field| write::rank(&field.name));
    let text = |text: &str, depth| write::text(text, depth).unwrap_or_else(|| quoted(text));
    let mut writer = NodeWriter::new(text);
    writer.node(&node, 0);
    writer.out
}

fn field_nodes(field: &Field, spec: &ImageSpec) -> Vec<NewNode> {
    let name = field.name;
    let one = match field.kind {
        FieldKind::Text(slot) => (slot.get)(spec).as_ref().map(|it| NewNode::new(name, it)),
        FieldKind::Flag(slot) => (slot.get)(spec).map(|it| NewNode::new(name, it.to_string())),
        FieldKind::CopyMode => spec
            .source_copy_mode
            .map(|it| NewNode::new(name, it.name())),
        FieldKind::Path(slot) => (slot.get)(spec)
            .as_ref()
            .map(|it| NewNode::new(name, at_root(&it.path, &it.given))),
        FieldKind::Words(slot) | FieldKind::Shell(slot) => {
            (slot.get)(spec).clone().map(|it| NewNode::words(name, it))
        }
        FieldKind::Healthcheck => spec.healthcheck.as_ref().map(|it| healthcheck(name, it)),
        FieldKind::Platforms => some(&spec.platform).map(|it| NewNode::words(name, it)),
        FieldKind::List(slot) | FieldKind::Ports(slot) => {
            some((slot.get)(spec)).map(|it| NewNode::list(name, it))
        }
        FieldKind::Map(slot, _) => some((slot.get)(spec)).map(|it| NewNode::map(name, it)),
        FieldKind::Base => spec.base_image.as_ref().map(|it| base(name, it)),
        FieldKind::Steps => some(&spec.steps).map(|steps| NewNode {
            children: steps.iter().map(step).collect(),
            ..NewNode::words(name, Vec::new())
        }),
        FieldKind::Dockerfile => spec.dockerfile.as_ref().map(|it| dockerfile(name, it)),
        FieldKind::Copies => return spec.copy.iter().map(copy).collect(),
        FieldKind::Mounts => return spec.pip_secret_mounts.iter().map(mount).collect(),
        FieldKind::Secrets => return spec.secrets.iter().map(secret).collect(),
    };
    one.into_iter().collect()
}

fn healthcheck(name: &str, check: &Healthcheck) -> NewNode {
    let node = match &check.test {
        HealthTest::Off => NewNode::new(name, "NONE"),
        HealthTest::CommandLine(line) if line == "NONE" => {
            NewNode::new(name, line).with("shell", "true")
        }
        HealthTest::CommandLine(line) => NewNode::new(name, line),
        HealthTest::Program(words) if words.len() == 1 => {
            NewNode::words(name, words.clone()).with("shell", "false")
        }
        HealthTest::Program(words) => NewNode::words(name, words.clone()),
    };
    let settings = check.settings();
    settings.fold(node, |node, (part, value)| node.with(part, value))
}

fn some<T: Clone>(values: &[T]) -> Option<Vec<T>> {
    (!values.is_empty()).then(|| values.to_vec())
}

/// A path as given, unless it was given in the manifest of another directory.
fn at_root(path: &WorkspacePath, given: &str) -> String {
    let here = WorkspacePath::resolve(&WorkspacePath::ROOT, given);
    // An invalid path is passed on as given, to be reported.
    if here.unwrap_or_default() == *path {
        given.to_owned()
    } else {
        path.to_string()
    }
}

fn file_at_root(file: &SecretFile) -> String {
    let is_of_machine = file.given.starts_with('/') || file.given.starts_with("~/");
    if is_of_machine || file.folder == WorkspacePath::ROOT {
        file.given.clone()
    } else {
        format!("{}/{}", file.folder, file.given)
    }
}

fn base(name: &str, base: &Base) -> NewNode {
    match base {
        Base::Image(id) => NewNode::words(name, Vec::new()).with("image", id),
        Base::Registry(reference) => NewNode::new(name, reference),
        Base::File { file, name: own } => NewNode::words(name, Vec::new())
            .with("file", at_root(&file.path, &file.given))
            .with_some("ref", own.as_ref()),
        Base::Debian(Debian {
            suite,
            mirror,
            snapshot,
            variant,
        }) => {
            let named = (*variant != Variant::default()).then(|| variant.name().to_owned());
            NewNode::words(name, Vec::new())
                .with("debian", suite)
                .with_some("mirror", mirror.as_ref())
                .with_some("snapshot", snapshot.as_ref())
                .with_some("variant", named.as_ref())
        }
        Base::Scratch => NewNode::new(name, "scratch"),
    }
}

fn copy(copy: &Copy) -> NewNode {
    let node = match &copy.from {
        CopyFrom::Workspace { path, given } => NewNode::new("copy", at_root(path, given)),
        CopyFrom::Image { image, path } => NewNode::new("copy", path).with("image", image),
    };
    node.with_some("to", copy.to.as_ref())
        .with_some("owner", copy.owner.as_ref())
}

fn mount(mount: &PipSecretMount) -> NewNode {
    NewNode::new("pip-secret-mounts", file_at_root(&mount.source)).with("to", &mount.target)
}

fn secret(secret: &Secret) -> NewNode {
    let node = NewNode::new("secret", &secret.id);
    let mut node = match &secret.source {
        SecretSource::Env(variable) => node.with("env", variable),
        SecretSource::File(file) => node.with("file", file_at_root(file)),
    };
    node.children.extend(secret.uses.iter().map(|given| {
        NewNode::words(given.step.field(), Vec::new())
            .with_some("env", given.env.as_ref())
            .with_some("mount", given.mount.as_ref())
    }));
    node
}

fn step(step: &OwnStep) -> NewNode {
    match step {
        OwnStep::Apt(packages) => NewNode::words("apt", packages.clone()),
        OwnStep::Conda(packages) => NewNode::words("conda", packages.clone()),
        OwnStep::Pip {
            packages,
            requirements,
        } => {
            let file = requirements.as_ref().map(|it| at_root(&it.path, &it.given));
            NewNode::words("pip", packages.clone()).with_some("requirements", file.as_ref())
        }
        OwnStep::Copy(files) => copy(files),
        OwnStep::Run(command) => NewNode::new("run", command),
        OwnStep::Env(pairs) => NewNode::map("env", pairs.clone()),
        OwnStep::User(user) => NewNode::new("user", user),
        OwnStep::Workdir(path) => NewNode::new("workdir", path),
    }
}

fn dockerfile(name: &str, own: &OwnDockerfile) -> NewNode {
    let mut node = NewNode::new(name, own.path.to_string())
        .with("context", own.context.to_string())
        .with_some("target", own.target.as_ref());
    let args = some(&own.args).map(|args| NewNode::map("args", args));
    let contexts = own.contexts.iter().map(|(name, context)| match context {
        NamedContext::Image(id) => NewNode::words(name, Vec::new()).with("image", id),
        NamedContext::Registry(reference) => NewNode::new(name, reference),
        NamedContext::Folder(path) => {
            NewNode::words(name, Vec::new()).with("path", path.to_string())
        }
    });
    let contexts = some(&contexts.collect::<Vec<_>>()).map(|children| NewNode {
        children,
        ..NewNode::words("contexts", Vec::new())
    });
    node.children.extend(args.into_iter().chain(contexts));
    node
}
