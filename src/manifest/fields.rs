//! The table of all fields: what they are called, what they take, which version has them.

use super::{rules, rules_packages as packages};
use crate::reference::{self, Refused};
use crate::suggest::closest;

/// One field of images, templates and defaults.
pub(crate) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    /// What its values may be; of a map, what its names may be.
    pub rule: fn(&str) -> Result<(), Refused>,
}

/// What a field takes, and so how it is inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One text; replaces.
    Text,
    /// One path of the workspace; replaces.
    Path,
    /// One value of several words; replaces.
    Words,
    /// Several texts; appends.
    List,
    /// Names with texts; merges.
    Map,
    /// What an image is built on; replaces.
    Base,
    /// Files to copy; appends.
    Copy,
    /// Files of this machine for one step; appends.
    Mounts,
    /// A secret by its id; merges, id by id.
    Secret,
    /// Steps in the user's order; appends.
    Steps,
    /// A Dockerfile of the user's own; replaces.
    Dockerfile,
}

impl Kind {
    /// Whether one node of a layer is all that can say it.
    pub(super) fn is_single(self) -> bool {
        matches!(
            self,
            Kind::Text | Kind::Path | Kind::Words | Kind::Base | Kind::Dockerfile
        )
    }
}

const fn field(name: &'static str, kind: Kind, rule: fn(&str) -> Result<(), Refused>) -> Field {
    Field { name, kind, rule }
}

static FIELDS: &[Field] = &[
    field("name", Kind::Text, reference::check_name),
    field("registry", Kind::Text, reference::check_registry),
    field("builder", Kind::Text, rules::builder),
    field("platform", Kind::Words, rules::platform),
    field("base-image", Kind::Base, reference::check_reference),
    field("apt-packages", Kind::List, packages::apt_package),
    field("python-version", Kind::Text, packages::python_version),
    field("python-exec", Kind::Text, rules::program),
    field("packages", Kind::List, packages::requirement),
    field("requirements", Kind::Path, packages::requirements_file),
    field("pip-index", Kind::Text, packages::url),
    field("pip-extra-index-url", Kind::List, packages::url),
    field("pip-extra-args", Kind::Text, packages::shell_words),
    field("env", Kind::Map, rules::env_name),
    field("copy", Kind::Copy, rules::any),
    field("commands", Kind::List, rules::command),
    field("entrypoint", Kind::Words, rules::any),
    field("cmd", Kind::Words, rules::any),
    field("user", Kind::Text, rules::user),
    field("workdir", Kind::Text, rules::absolute),
    field("labels", Kind::Map, rules::label_name),
    field("tag-format", Kind::Text, reference::check_tag_format),
    field("conda-packages", Kind::List, packages::conda_package),
    field("conda-channels", Kind::List, packages::conda_channel),
    field("cuda", Kind::Text, packages::number),
    field("cudnn", Kind::Text, packages::number),
    field("source-root", Kind::Path, rules::any),
    field("source-copy-mode", Kind::Text, packages::copy_mode),
    field("pip-secret-mounts", Kind::Mounts, rules::any),
    field("secret", Kind::Secret, rules::secret_id),
    field("steps", Kind::Steps, rules::any),
    field("dockerfile", Kind::Dockerfile, rules::any),
    field("flytekit", Kind::Text, packages::flytekit_version),
    field("runtime-packages", Kind::List, packages::requirement),
    field("registry-config", Kind::Path, rules::any),
    field("builder-options", Kind::Map, rules::option_name),
    field("builder-config", Kind::Map, packages::helper),
];

/// What other tools call our fields.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("from", "base-image"),
    ("base", "base-image"),
    ("run", "commands"),
    ("command", "commands"),
    ("apt", "apt-packages"),
    ("pip", "packages"),
    ("pip-packages", "packages"),
    ("python", "python-version"),
    ("environment", "env"),
    ("label", "labels"),
    ("working-dir", "workdir"),
    ("workingdir", "workdir"),
    ("tag", "tag-format"),
    ("platforms", "platform"),
    ("arch", "platform"),
    ("add", "copy"),
    ("files", "copy"),
    ("index-url", "pip-index"),
    ("secrets", "secret"),
    ("conda", "conda-packages"),
    ("channels", "conda-channels"),
    ("source", "source-root"),
    ("copy-mode", "source-copy-mode"),
    ("build", "dockerfile"),
    ("options", "builder-options"),
];

/// The field of this name.
pub(crate) fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// The names of all fields.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|field| field.name)
}

/// The field that an unknown name means; `more` may be meant too.
pub(crate) fn meant(name: &str, more: &'static [&'static str]) -> Option<&'static str> {
    let other = OTHER_NAMES
        .iter()
        .find(|(other, _)| name.eq_ignore_ascii_case(other))
        .map(|(_, meant)| *meant);
    other.or_else(|| closest(name, names().chain(more.iter().copied())))
}
