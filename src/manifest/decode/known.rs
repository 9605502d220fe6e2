//! What may be written where: the nodes and properties inside of each node. Decoders accept exactly these, and editors
//! complete them.

use crate::spec::SecretStep;
use crate::spec::fields::{self, FieldKind};

/// Nodes at the top level of a file.
pub(in crate::manifest) const TOP_NODES: &[&str] = &[
    "workspace",
    "variable",
    "defaults",
    "template",
    "image",
    "group",
    "builder-instance",
    "allow",
];

/// Nodes other than fields in an image, and in a template.
pub(in crate::manifest) const OF_IMAGE: &[&str] = &["extends", "matrix", "allow"];
pub(in crate::manifest) const OF_TEMPLATE: &[&str] = &["extends"];

pub(in crate::manifest) const EXTENDING: &[&str] = &["extends"];
pub(in crate::manifest) const OF_VARIABLE: &[&str] = &["env", "default"];
pub(super) const OF_FIELD: &[&str] = &["reset"];
pub(super) const OF_BASE: &[&str] = &[
    "image", "debian", "mirror", "snapshot", "variant", "file", "ref", "reset",
];
pub(super) const OF_COPY: &[&str] = &["to", "owner", "image", "reset"];
pub(super) const OF_MOUNT: &[&str] = &["to", "reset"];
pub(super) const OF_SECRET: &[&str] = &["env", "file", "reset"];
pub(super) const OF_SECRET_USE: &[&str] = &["env", "mount"];
pub(super) const OF_DOCKERFILE: &[&str] = &["context", "target", "reset"];
pub(super) const IN_DOCKERFILE: &[&str] = &["args", "contexts"];
pub(super) const OF_CONTEXT: &[&str] = &["image", "path"];
pub(super) const OF_PIP: &[&str] = &["requirements"];
pub(super) const STEPS: &[&str] = &[
    "apt", "conda", "pip", "copy", "run", "env", "user", "workdir",
];

/// The nodes that may be in the block of a node, and its properties.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inside {
    pub(crate) nodes: Vec<&'static str>,
    pub(crate) props: &'static [&'static str],
}

/// What may be inside of a node. `way` has its name last, after those of the nodes around it; it is empty for a whole file.
pub(crate) fn inside(way: &[&str]) -> Inside {
    let fields_and = |more: &[&'static str]| fields::names().chain(more.iter().copied()).collect();
    let (nodes, props): (Vec<&'static str>, &'static [&'static str]) = match way {
        [] => (TOP_NODES.to_vec(), &[]),
        ["workspace"] => (vec!["include"], &[]),
        ["variable"] => (Vec::new(), OF_VARIABLE),
        ["defaults"] => (fields_and(&[]), &[]),
        ["template"] => (fields_and(OF_TEMPLATE), EXTENDING),
        ["image"] => (fields_and(OF_IMAGE), EXTENDING),
        ["group"] => (vec!["images"], &[]),
        ["image" | "template" | "defaults", field, rest @ ..] => in_field(field, rest),
        _ => (Vec::new(), &[]),
    };
    Inside { nodes, props }
}

/// The same for a field, or for a node inside of it.
fn in_field(field: &str, rest: &[&str]) -> (Vec<&'static str>, &'static [&'static str]) {
    let Some(field) = fields::find(field) else {
        return (Vec::new(), &[]);
    };
    match (field.kind, rest) {
        (FieldKind::Base, []) => (Vec::new(), OF_BASE),
        (FieldKind::Copies, []) | (FieldKind::Steps, ["copy"]) => (Vec::new(), OF_COPY),
        (FieldKind::Mounts, []) => (Vec::new(), OF_MOUNT),
        (FieldKind::Secrets, []) => (SecretStep::ALL.map(SecretStep::field).to_vec(), OF_SECRET),
        (FieldKind::Secrets, [_]) => (Vec::new(), OF_SECRET_USE),
        (FieldKind::Steps, []) => (STEPS.to_vec(), OF_FIELD),
        (FieldKind::Steps, ["pip"]) => (Vec::new(), OF_PIP),
        (FieldKind::Dockerfile, []) => (IN_DOCKERFILE.to_vec(), OF_DOCKERFILE),
        (FieldKind::Dockerfile, ["contexts", _]) => (Vec::new(), OF_CONTEXT),
        (_, []) => (Vec::new(), OF_FIELD),
        _ => (Vec::new(), &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_inside_depends_on_the_way() {
        assert_eq!(inside(&[]).nodes, TOP_NODES);
        let image = inside(&["image"]);
        assert!(image.nodes.contains(&"base-image") && image.nodes.contains(&"matrix"));
        assert!(!inside(&["template"]).nodes.contains(&"matrix"));
        assert_eq!(inside(&["defaults", "base-image"]).props, OF_BASE);
        assert_eq!(inside(&["image", "steps"]).nodes, STEPS);
        assert_eq!(inside(&["image", "steps", "copy"]).props, OF_COPY);
        let context = inside(&["image", "dockerfile", "contexts", "base"]);
        assert_eq!(context.props, OF_CONTEXT);
        assert_eq!(inside(&["image", "nothing", "like it"]), Inside::default());
    }
}
