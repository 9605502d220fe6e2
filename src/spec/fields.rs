//! The table of all fields: each one's name, the values it accepts, and where it is stored in an [`ImageSpec`].
//!
//! This is the only place that lists them. The manifest is decoded, inherited and overridden by this table, and specs from the library
//! are checked by it. A field of an existing kind needs one row here and its description in `docs/manifest.md`.

use super::ImageSpec;
use super::path::GivenPath;
use super::rules::{self, Refused, ValueRule};
use crate::suggest::closest;
use FieldKind::{List, Map, Path, Ports, Shell, Text, Words};
use rules::any;

pub(crate) struct Field {
    pub name: &'static str,
    pub kind: FieldKind,
    /// Checks each value; for maps, each name.
    pub rule: ValueRule,
    /// Names that other tools use for this field.
    aliases: &'static [&'static str],
}

/// The kind of value a field holds and where it is stored; this also determines how the field is inherited.
#[derive(Clone, Copy)]
pub(crate) enum FieldKind {
    /// A single string; replaces.
    Text(Slot<Option<String>>),
    /// A single workspace path; replaces.
    Path(Slot<Option<GivenPath>>),
    /// A list given as one value, possibly empty; replaces.
    Words(Slot<Option<Vec<String>>>),
    /// A list given as one value, not empty; replaces.
    Shell(Slot<Option<Vec<String>>>),
    /// How containers are checked; replaces.
    Healthcheck,
    /// A list of strings; appends.
    List(Slot<Vec<String>>),
    /// A list of ports, which may be written as numbers; appends.
    Ports(Slot<Vec<String>>),
    /// A map from names to strings, with the rule for its values; merges.
    Map(Slot<Vec<(String, String)>>, ValueRule),
    /// At least one platform; replaces.
    Platforms,
    /// `#true` or `#false`; replaces.
    Flag(Slot<Option<bool>>),
    /// The source copy mode; replaces.
    CopyMode,
    /// The base image; replaces.
    Base,
    /// Files to copy; appends.
    Copies,
    /// Local files mounted for one step; appends.
    Mounts,
    /// Secrets; merges by id.
    Secrets,
    /// User-defined steps; appends.
    Steps,
    /// A user-supplied Dockerfile; replaces.
    Dockerfile,
}

/// Accessors for one part of an [`ImageSpec`].
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

impl Field {
    /// The position in the table.
    pub(crate) fn position(&self) -> usize {
        FIELDS
            .element_offset(self)
            .expect("every field is in the table")
    }
}
impl FieldKind {
    /// Whether a layer may contain at most one node for this field.
    pub(crate) fn is_single(self) -> bool {
        !self.appends() && !matches!(self, Self::Map(..) | Self::Secrets)
    }

    /// Whether the field holds several values that are themselves structured.
    pub(crate) fn has_parts(self) -> bool {
        matches!(
            self,
            Self::Copies | Self::Mounts | Self::Secrets | Self::Steps
        )
    }

    /// Whether the values of several layers are concatenated.
    pub(crate) fn appends(self) -> bool {
        matches!(
            self,
            Self::List(_) | Self::Ports(_) | Self::Copies | Self::Mounts | Self::Steps
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
    field("python-bytecode", FieldKind::Flag(slot!(python_bytecode)), rules::flag, &["bytecode"]),
    field("env", Map(slot!(env), any), rules::env_name, &["environment"]),
    field("copy", FieldKind::Copies, any, &["add", "files"]),
    field("commands", List(slot!(commands)), rules::command, &["run", "command"]),
    field("entrypoint", Words(slot!(entrypoint)), any, &[]),
    field("cmd", Words(slot!(cmd)), any, &[]),
    field("user", Text(slot!(user)), rules::user, &[]),
    field("workdir", Text(slot!(workdir)), rules::absolute, &["working-dir", "workingdir"]),
    field("labels", Map(slot!(labels), any), rules::label_name, &["label"]),
    field("expose", Ports(slot!(expose)), rules::ports, &["ports", "port"]),
    field("volume", List(slot!(volume)), rules::volume, &["volumes"]),
    field("healthcheck", FieldKind::Healthcheck, rules::health_line, &["health", "health-check"]),
    field("stop-signal", Text(slot!(stop_signal)), rules::stop_signal, &["stopsignal"]),
    field("shell", Shell(slot!(shell)), rules::shell_word, &[]),
    field("tag-format", Text(slot!(tag_format)), rules::check_tag_format, &["tag"]),
    field("also-tag", List(slot!(also_tag)), rules::also_tag, &["tags", "also-tags"]),
    field("compression", Text(slot!(compression)), rules::compression, &[]),
    field("cache-from", List(slot!(cache_from)), rules::build_cache, &[]),
    field("cache-to", List(slot!(cache_to)), rules::build_cache, &["cache"]),
    field("attest", Map(slot!(attest), rules::attestation), rules::attestation_kind, &["attestations"]),
    field("conda-packages", List(slot!(conda_packages)), rules::conda_package, &["conda"]),
    field("conda-channels", List(slot!(conda_channels)), rules::conda_channel, &["channels"]),
    field("cuda", Text(slot!(cuda)), rules::number, &[]),
    field("cudnn", Text(slot!(cudnn)), rules::number, &[]),
    field("source-root", Path(slot!(source_root)), any, &["source"]),
    field("source-copy-mode", FieldKind::CopyMode, rules::copy_mode, &["copy-mode"]),
    field("source-files", List(slot!(source_files)), rules::file_below, &[]),
    field("pip-secret-mounts", FieldKind::Mounts, rules::line, &[]),
    field("secret", FieldKind::Secrets, rules::secret_id, &["secrets"]),
    field("steps", FieldKind::Steps, any, &[]),
    field("dockerfile", FieldKind::Dockerfile, rules::line, &["build"]),
    field("flytekit", Text(slot!(flytekit)), rules::flytekit_version, &[]),
    field("flytekit-id", Text(slot!(flytekit_id)), rules::flytekit_id, &[]),
    field("flytekit-python", Text(slot!(flytekit_python)), rules::python_version, &[]),
    field("runtime-packages", List(slot!(runtime_packages)), rules::requirement, &[]),
    field("registry-config", Path(slot!(registry_config)), any, &[]),
    field("builder-options", Map(slot!(builder_options), any), rules::option_name, &["options"]),
    field("builder-config", Map(slot!(builder_config), rules::check_reference), rules::helper, &[]),
];

/// All fields, in the order shown to users.
pub(crate) fn all() -> impl Iterator<Item = &'static Field> {
    FIELDS.iter()
}

pub(crate) fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|field| field.name)
}

/// The field that other tools call `name`.
pub(crate) fn alias(name: &str) -> Option<&'static str> {
    let is_alias = |field: &&Field| field.aliases.iter().any(|it| name.eq_ignore_ascii_case(it));
    FIELDS.iter().find(is_alias).map(|field| field.name)
}

/// The field, or the name in `more`, that an unknown name was probably meant to be.
pub(crate) fn meant(name: &str, more: &'static [&'static str]) -> Option<&'static str> {
    alias(name).or_else(|| closest(name, names().chain(more.iter().copied())))
}

/// Checks a value (for maps, a name) against the field's rule. Any value is accepted for unknown fields.
pub(crate) fn takes(field: &str, value: &str) -> Result<(), Refused> {
    any(value)?;
    find(field).map_or(Ok(()), |field| (field.rule)(value))
}
