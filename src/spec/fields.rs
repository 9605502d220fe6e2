//! The table of all fields: what each is called, which values it takes, and where it is in an [`ImageSpec`].
//!
//! The one place that names them: the manifest decodes, inherits and overrides by this table, programs' specs are checked by
//! it. A field of a known kind is one row here, and its line in `docs/manifest.md`.

use super::ImageSpec;
use super::path::GivenPath;
use super::rules::{self, Refused, ValueRule};
use crate::suggest::closest;
use FieldKind::{List, Map, Path, Text, Words};
use rules::any;

pub(crate) struct Field {
    pub name: &'static str,
    pub kind: FieldKind,
    /// The rule on its values; of a map, on its names.
    pub rule: ValueRule,
    /// What other tools call it.
    aliases: &'static [&'static str],
}

/// What a field takes and where that is kept; and so how it is inherited.
#[derive(Clone, Copy)]
pub(crate) enum FieldKind {
    /// One text; replaces.
    Text(Slot<Option<String>>),
    /// One path of the workspace; replaces.
    Path(Slot<Option<GivenPath>>),
    /// One value of several words, or none; replaces.
    Words(Slot<Option<Vec<String>>>),
    /// Several texts; appends.
    List(Slot<Vec<String>>),
    /// Names with texts, and the rule on those; merges.
    Map(Slot<Vec<(String, String)>>, ValueRule),
    /// Platforms, at least one; replaces.
    Platforms,
    /// Which source files are copied; replaces.
    CopyMode,
    /// What an image is built on; replaces.
    Base,
    /// Files to copy; appends.
    Copies,
    /// Files of this machine for one step; appends.
    Mounts,
    /// A secret; merges by id.
    Secrets,
    /// Steps in the user's order; appends.
    Steps,
    /// A Dockerfile of the user's own; replaces.
    Dockerfile,
}

/// One part of an [`ImageSpec`], to read and to write.
pub(crate) struct Slot<T> {
    pub get: fn(&ImageSpec) -> &T,
    pub get_mut: fn(&mut ImageSpec) -> &mut T,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slot<T> {}

impl FieldKind {
    /// Whether a layer says it with one node at most.
    pub(crate) fn is_single(self) -> bool {
        !self.appends() && !matches!(self, Self::Map(..) | Self::Secrets)
    }

    /// Whether its values have parts of their own, and there may be several.
    pub(crate) fn has_parts(self) -> bool {
        matches!(
            self,
            Self::Copies | Self::Mounts | Self::Secrets | Self::Steps
        )
    }

    /// Whether several values are said one after the other.
    pub(crate) fn appends(self) -> bool {
        matches!(
            self,
            Self::List(_) | Self::Copies | Self::Mounts | Self::Steps
        )
    }
}

macro_rules! slot {
    ($part:ident) => {
        Slot {
            get: |spec| &spec.$part,
            get_mut: |spec| &mut spec.$part,
        }
    };
}

const fn field(
    name: &'static str,
    kind: FieldKind,
    rule: ValueRule,
    aliases: &'static [&'static str],
) -> Field {
    Field {
        name,
        kind,
        rule,
        aliases,
    }
}

#[rustfmt::skip]
static FIELDS: &[Field] = &[
    field("name", Text(slot!(name)), rules::check_name, &[]),
    field("registry", Text(slot!(registry)), rules::check_registry, &[]),
    field("builder", Text(slot!(builder)), rules::builder, &[]),
    field("platform", FieldKind::Platforms, rules::platform, &["platforms", "arch"]),
    field("base-image", FieldKind::Base, rules::check_reference, &["from", "base", "image"]),
    field("apt-packages", List(slot!(apt_packages)), rules::apt_package, &["apt"]),
    field("python-version", Text(slot!(python_version)), rules::python_version, &["python"]),
    field("python-exec", Text(slot!(python_exec)), rules::program, &[]),
    field("packages", List(slot!(packages)), rules::requirement, &["pip", "pip-packages"]),
    field("requirements", Path(slot!(requirements)), rules::requirements_file, &[]),
    field("pip-index", Text(slot!(pip_index)), rules::url, &["index-url"]),
    field("pip-extra-index-url", List(slot!(pip_extra_index_url)), rules::url, &[]),
    field("pip-extra-args", Text(slot!(pip_extra_args)), rules::shell_words, &[]),
    field("env", Map(slot!(env), any), rules::env_name, &["environment"]),
    field("copy", FieldKind::Copies, any, &["add", "files"]),
    field("commands", List(slot!(commands)), rules::command, &["run", "command"]),
    field("entrypoint", Words(slot!(entrypoint)), any, &[]),
    field("cmd", Words(slot!(cmd)), any, &[]),
    field("user", Text(slot!(user)), rules::user, &[]),
    field("workdir", Text(slot!(workdir)), rules::absolute, &["working-dir", "workingdir"]),
    field("labels", Map(slot!(labels), any), rules::label_name, &["label"]),
    field("tag-format", Text(slot!(tag_format)), rules::check_tag_format, &["tag"]),
    field("conda-packages", List(slot!(conda_packages)), rules::conda_package, &["conda"]),
    field("conda-channels", List(slot!(conda_channels)), rules::conda_channel, &["channels"]),
    field("cuda", Text(slot!(cuda)), rules::number, &[]),
    field("cudnn", Text(slot!(cudnn)), rules::number, &[]),
    field("source-root", Path(slot!(source_root)), any, &["source"]),
    field("source-copy-mode", FieldKind::CopyMode, rules::copy_mode, &["copy-mode"]),
    field("pip-secret-mounts", FieldKind::Mounts, rules::line, &[]),
    field("secret", FieldKind::Secrets, rules::secret_id, &["secrets"]),
    field("steps", FieldKind::Steps, any, &[]),
    field("dockerfile", FieldKind::Dockerfile, rules::line, &["build"]),
    field("flytekit", Text(slot!(flytekit)), rules::flytekit_version, &[]),
    field("runtime-packages", List(slot!(runtime_packages)), rules::requirement, &[]),
    field("registry-config", Path(slot!(registry_config)), any, &[]),
    field("builder-options", Map(slot!(builder_options), any), rules::option_name, &["options"]),
    field("builder-config", Map(slot!(builder_config), rules::check_reference), rules::helper, &[]),
];

/// All fields, in the order in which they are listed to users.
pub(crate) fn all() -> impl Iterator<Item = &'static Field> {
    FIELDS.iter()
}

pub(crate) fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|field| field.name)
}

/// The field that another tool calls so.
pub(crate) fn alias(name: &str) -> Option<&'static str> {
    let is_alias = |field: &&Field| field.aliases.iter().any(|it| name.eq_ignore_ascii_case(it));
    FIELDS.iter().find(is_alias).map(|field| field.name)
}

/// The field that an unknown name means; `more` may be meant too.
pub(crate) fn meant(name: &str, more: &'static [&'static str]) -> Option<&'static str> {
    alias(name).or_else(|| closest(name, names().chain(more.iter().copied())))
}

/// Whether a field takes a value (of a map: a name); a field that is not known takes anything.
pub(crate) fn takes(field: &str, value: &str) -> Result<(), Refused> {
    any(value)?;
    find(field).map_or(Ok(()), |field| (field.rule)(value))
}
