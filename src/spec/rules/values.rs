//! Rules for names, ids, paths inside images, builders and platforms.

use super::refused::{Refused, refuse, refuse_for, refuse_if, require};
use crate::suggest::closest;

/// Backends available in this version.
pub(crate) const BUILDERS: &[&str] = &["docker", "envd", "oci", "fake"];

/// Platforms that images can be built for.
pub(crate) const PLATFORMS: &[&str] = &[
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/arm/v5",
    "linux/386",
    "linux/ppc64le",
    "linux/s390x",
    "linux/riscv64",
    "linux/loong64",
    "linux/mips64",
    "linux/mips64le",
    "linux/amd64/v2",
    "linux/amd64/v3",
    "linux/amd64/v4",
    "linux/arm64/v8",
];

/// Common other names for platforms.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("amd64", "linux/amd64"),
    ("x86_64", "linux/amd64"),
    ("x86-64", "linux/amd64"),
    ("linux/x86_64", "linux/amd64"),
    ("arm64", "linux/arm64"),
    ("aarch64", "linux/arm64"),
    ("linux/aarch64", "linux/arm64"),
    ("linux/arm", "linux/arm/v7"),
];

/// Whether a name consists of ASCII letters, digits and characters of `more`, and starts with a letter, a digit or a character
/// of `first`.
fn is_made_of(name: &str, first: &str, more: &str) -> bool {
    let word = |c: char, more: &str| c.is_ascii_alphanumeric() || more.contains(c);
    name.starts_with(|c| word(c, first)) && name.chars().all(|c| word(c, more))
}

/// Like [`is_made_of`], except that the first character cannot be a digit.
fn is_identifier(name: &str, first: &str, more: &str) -> bool {
    is_made_of(name, first, more) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The name of a builder of buildx, or of a context of Docker.
pub(crate) fn builder_instance(name: &str) -> Result<(), Refused> {
    let why = "it must start with a letter or a digit, and contain only letters, digits, `_`, `.`, `+` and `-`";
    require(is_made_of(name, "", "_.+-"), why)
}

/// Anything that can be passed to a process.
pub(crate) fn any(value: &str) -> Result<(), Refused> {
    let why = "it cannot contain a NUL character";
    require(!value.contains('\0'), why)
}

/// A single, non-empty line.
pub(crate) fn line(value: &str) -> Result<(), Refused> {
    any(value)?;
    require(!value.trim().is_empty(), "it cannot be empty")?;
    let why = "it cannot contain a line break";
    require(!value.contains(['\n', '\r']), why)
}

/// Names of variables, matrix axes and templates.
pub(crate) fn declared_name(name: &str) -> Result<(), Refused> {
    require(
        is_identifier(name, "_", "_-"),
        "a name consists of letters, digits, `_` and `-`, and begins with a letter",
    )
}

/// Image ids, which also serve as file names and in selections.
pub(crate) fn id(id: &str) -> Result<(), Refused> {
    require(!id.is_empty(), "an id cannot be empty")?;
    require(id.len() <= 128, "an id has at most 128 characters")?;
    let word = |c: char| c.is_ascii_alphanumeric();
    if let Some(c) = id.chars().find(|c| !word(*c) && !".-_".contains(*c)) {
        return refuse(format!(
            "an id cannot contain `{}`: only letters, digits, `.`, `_`, `-`",
            c.escape_debug()
        ));
    }
    let why = "an id begins and ends with a letter or digit";
    require(id.starts_with(word) && id.ends_with(word), why)?;
    require(
        !id.contains(".."),
        "an id cannot contain `..`: selections use it",
    )
}

pub(crate) fn builder(value: &str) -> Result<(), Refused> {
    if BUILDERS.contains(&value) {
        return Ok(());
    }
    if value == "default" {
        return refuse_for(
            "flytekit's default builder is called `docker` here",
            "docker",
        );
    }
    match closest(value, BUILDERS.iter().copied()) {
        Some(meant) => refuse_for(format!("did you mean `{meant}`?"), meant),
        None => refuse(format!("the builders are {}", ticked(BUILDERS))),
    }
}

pub(crate) fn platform(value: &str) -> Result<(), Refused> {
    if PLATFORMS.contains(&value) {
        return Ok(());
    }
    let lower = value.to_lowercase();
    let other = OTHER_NAMES
        .iter()
        .find(|(name, _)| *name == lower)
        .map(|(_, meant)| *meant);
    match other.or_else(|| closest(value, PLATFORMS.iter().copied())) {
        Some(meant) => refuse_for(format!("did you mean `{meant}`?"), meant),
        None => refuse(format!("known platforms are {}", ticked(&PLATFORMS[..5]))),
    }
}

fn ticked(words: &[&str]) -> String {
    let ticked: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    ticked.join(", ")
}

pub(crate) fn absolute(value: &str) -> Result<(), Refused> {
    line(value)?;
    if !value.starts_with('/') {
        return refuse_for("it must be absolute", format!("/{value}"));
    }
    Ok(())
}

pub(crate) fn program(value: &str) -> Result<(), Refused> {
    line(value)?;
    let why = "it must be an absolute path, such as `/usr/bin/python3`";
    require(value.starts_with('/'), why)
}

/// `user` or `user:group`, each a name or number.
pub(crate) fn user(value: &str) -> Result<(), Refused> {
    let mut parts = value.splitn(2, ':');
    require(
        parts.all(|part| is_made_of(part, "_", "_-.")),
        "it must be a name or number, optionally followed by `:` and a group, such as `app` or `1000:1000`",
    )
}

pub(crate) fn command(value: &str) -> Result<(), Refused> {
    any(value)?;
    let why = "an empty command does nothing";
    require(!value.trim().is_empty(), why)
}

pub(crate) fn env_name(name: &str) -> Result<(), Refused> {
    // A variable of this name would shadow the build argument that supplies line breaks to Dockerfiles.
    refuse_if(
        name == "IMGSPEC_NEWLINE",
        "this name is reserved: imgspec uses it for line breaks while it builds images",
    )?;
    require(
        is_identifier(name, "_", "_.-"),
        "names of environment variables consist of letters, digits and `_`, and cannot begin with a digit",
    )
}

/// Names of builder options, in command-line style.
pub(crate) fn option_name(name: &str) -> Result<(), Refused> {
    require(
        is_identifier(name, "", "_-"),
        "names of options consist of letters, digits, `-` and `_`, and begin with a letter",
    )
}

/// Secret ids, which appear in mounts and on command lines.
pub(crate) fn secret_id(id: &str) -> Result<(), Refused> {
    require(
        is_made_of(id, "", "._-") && id.len() <= 64,
        "an id consists of letters, digits, `.`, `_` and `-`, begins with a letter or digit, and has at most 64 characters",
    )?;
    let is_ours = id.starts_with("pip-secret-mounts-") || id.starts_with("UV_PYTHON_");
    require(!is_ours, "this id is reserved: imgspec uses it itself")
}

pub(crate) fn variable(name: &str) -> Result<(), Refused> {
    require(
        is_identifier(name, "_", "_"),
        "names of shell variables consist of letters, digits and `_`, and cannot begin with a digit",
    )
}

/// A mount point: a path that cannot be mistaken for further mount options.
pub(crate) fn mount_point(value: &str) -> Result<(), Refused> {
    absolute(value)?;
    let is_option = |c: char| c.is_whitespace() || ",\"$\\".contains(c);
    let why = "the path of a mount cannot contain spaces, commas, quotes, `$` or `\\`";
    require(!value.contains(is_option), why)
}

pub(crate) fn label_name(name: &str) -> Result<(), Refused> {
    let why = "labels that begin with `dev.imgspec.` are reserved for imgspec";
    require(!name.starts_with("dev.imgspec."), why)?;
    require(
        is_made_of(name, "", "._-/") && name.ends_with(|c: char| c.is_ascii_alphanumeric()),
        "names of labels consist of letters, digits, `.`, `_`, `-` and `/`, and begin and end with a letter or digit",
    )
}

/// Kinds of attestations, by Docker's names.
pub(crate) fn attestation_kind(kind: &str) -> Result<(), Refused> {
    const KINDS: [&str; 2] = ["provenance", "sbom"];
    if KINDS.contains(&kind) {
        return Ok(());
    }
    match closest(&kind.to_lowercase(), KINDS) {
        Some(meant) => refuse(format!("did you mean `{meant}`?")),
        None => refuse("the attestations are `provenance` and `sbom`"),
    }
}

/// The details of an attestation: words that remain one value where lists are separated by commas.
pub(crate) fn attestation(value: &str) -> Result<(), Refused> {
    line(value)?;
    let is_list = |c: char| c.is_whitespace() || ",\"=".contains(c);
    let why = "it is one word, without `=`, commas and quotes";
    require(!value.contains(is_list), why)
}

pub(crate) fn stage_name(name: &str) -> Result<(), Refused> {
    let why = "the name of a stage consists of letters, digits, `-`, `_` and `.`, or is a number";
    require(is_made_of(name, "", "_-."), why)
}

/// A context name, which must be usable in `FROM` and `COPY --from`.
pub(crate) fn context_name(name: &str) -> Result<(), Refused> {
    let is_other = |c: char| c.is_whitespace() || c.is_control() || "=,$\"\\".contains(c);
    let is_taken = matches!(name, "context" | "dockerfile");
    require(!is_taken, "BuildKit uses that name for something else")?;
    require(
        !name.is_empty() && !name.contains(is_other),
        "it must be usable after `FROM`: no spaces, `=`, `,`, `$` or quotes",
    )
}
