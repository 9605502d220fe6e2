//! Rules on names, ids, paths inside images, builders and platforms.

use super::refused::{Refused, refuse, refuse_for, refuse_if, require};
use crate::suggest::closest;

/// Backends of this version.
const BUILDERS: &[&str] = &["docker", "envd", "fake"];

/// Backends of coming versions.
const COMING_BUILDERS: &[(&str, &str)] = &[("oci", "0.3")];

/// Platforms that images can be built for.
const PLATFORMS: &[&str] = &[
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

/// What people call platforms otherwise.
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

/// Whether a name begins with a letter or digit (or one of `first`), and goes on with those and the characters of `more`.
fn is_made_of(name: &str, first: &str, more: &str) -> bool {
    let word = |c: char, more: &str| c.is_ascii_alphanumeric() || more.contains(c);
    name.starts_with(|c| word(c, first)) && name.chars().all(|c| word(c, more))
}

/// The same, but the first character is no digit.
fn is_identifier(name: &str, first: &str, more: &str) -> bool {
    is_made_of(name, first, more) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Anything that a process can be given.
pub(crate) fn any(value: &str) -> Result<(), Refused> {
    let why = "no program can be given a NUL character";
    require(!value.contains('\0'), why)
}

/// Text of one line that is not empty.
pub(crate) fn line(value: &str) -> Result<(), Refused> {
    any(value)?;
    require(!value.trim().is_empty(), "it cannot be empty")?;
    let why = "it cannot have a line break in it";
    require(!value.contains(['\n', '\r']), why)
}

/// Names of variables, axes and templates.
pub(crate) fn declared_name(name: &str) -> Result<(), Refused> {
    require(
        is_identifier(name, "_", "_-"),
        "a name has letters, digits, `_` and `-`, and begins with a letter",
    )
}

/// Ids name files and stand in selections.
pub(crate) fn id(id: &str) -> Result<(), Refused> {
    require(!id.is_empty(), "an id cannot be empty")?;
    require(id.len() <= 128, "an id has at most 128 characters")?;
    let word = |c: char| c.is_ascii_alphanumeric();
    if let Some(c) = id.chars().find(|c| !word(*c) && !".-_".contains(*c)) {
        return refuse(format!(
            "an id has no `{}` in it: only letters, digits, `.`, `_`, `-`",
            c.escape_debug()
        ));
    }
    let why = "an id begins and ends with a letter or digit";
    require(id.starts_with(word) && id.ends_with(word), why)?;
    require(
        !id.contains(".."),
        "an id has no `..` in it: selections use it",
    )
}

pub(crate) fn builder(value: &str) -> Result<(), Refused> {
    if BUILDERS.contains(&value) {
        return Ok(());
    }
    if let Some((_, version)) = COMING_BUILDERS.iter().find(|(name, _)| *name == value) {
        return refuse(format!("version {version} will have this builder"));
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

/// `user` or `user:group`, by name or number.
pub(crate) fn user(value: &str) -> Result<(), Refused> {
    let mut parts = value.splitn(2, ':');
    require(
        parts.all(|part| is_made_of(part, "_", "_-.")),
        "it is a name or number, and after a `:` a group, such as `app` or `1000:1000`",
    )
}

pub(crate) fn command(value: &str) -> Result<(), Refused> {
    any(value)?;
    let why = "an empty command does nothing";
    require(!value.trim().is_empty(), why)
}

pub(crate) fn env_name(name: &str) -> Result<(), Refused> {
    // A variable of that name would go before the build argument by which Dockerfiles are given line ends.
    refuse_if(
        name == "IMGSPEC_NEWLINE",
        "this one is imgspec's own: it stands for line ends while images are built",
    )?;
    require(
        is_identifier(name, "_", "_.-"),
        "names of environment variables have letters, digits and `_`, and begin with no digit",
    )
}

/// Names of the builder's options: words, as command lines have them.
pub(crate) fn option_name(name: &str) -> Result<(), Refused> {
    require(
        is_identifier(name, "", "_-"),
        "names of options have letters, digits, `-` and `_`, and begin with a letter",
    )
}

/// Secrets are named in mounts and on command lines.
pub(crate) fn secret_id(id: &str) -> Result<(), Refused> {
    require(
        is_made_of(id, "", "._-") && id.len() <= 64,
        "an id has letters, digits, `.`, `_` and `-`, begins with a letter or digit, and has at most 64 characters",
    )?;
    let is_ours = id.starts_with("pip-secret-mounts-") || id.starts_with("UV_PYTHON_");
    require(!is_ours, "imgspec uses such ids itself")
}

pub(crate) fn variable(name: &str) -> Result<(), Refused> {
    require(
        is_identifier(name, "_", "_"),
        "a shell's variables have letters, digits and `_`, and begin with no digit",
    )
}

/// Where something is mounted: a path that cannot be taken for more of the mount's options.
pub(crate) fn mount_point(value: &str) -> Result<(), Refused> {
    absolute(value)?;
    let is_option = |c: char| c.is_whitespace() || ",\"$\\".contains(c);
    let why = "a mount's path has no spaces, commas, quotes, `$` or `\\` in it";
    require(!value.contains(is_option), why)
}

pub(crate) fn label_name(name: &str) -> Result<(), Refused> {
    let why = "labels below `dev.imgspec.` are imgspec's own";
    require(!name.starts_with("dev.imgspec."), why)?;
    require(
        is_made_of(name, "", "._-/") && name.ends_with(|c: char| c.is_ascii_alphanumeric()),
        "names of labels have letters, digits, `.`, `_`, `-` and `/`, and begin and end with a letter or digit",
    )
}

pub(crate) fn stage_name(name: &str) -> Result<(), Refused> {
    let why = "stages have names of letters, digits, `-`, `_` and `.`, or a number";
    require(is_made_of(name, "", "_-."), why)
}

/// What a Dockerfile can name in `FROM` and `COPY --from`.
pub(crate) fn context_name(name: &str) -> Result<(), Refused> {
    let is_other = |c: char| c.is_whitespace() || c.is_control() || "=,$\"\\".contains(c);
    let is_taken = matches!(name, "context" | "dockerfile");
    require(!is_taken, "BuildKit has that name for something else")?;
    require(
        !name.is_empty() && !name.contains(is_other),
        "it is what follows `FROM`: no spaces, `=`, `,`, `$` or quotes",
    )
}
