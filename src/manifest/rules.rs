//! What values may be: one small question a field.
//!
//! Pure text. The choice made: a value is refused when Docker, apt, pip or a file system would refuse it, or would take it
//! for something else (an option, an instruction, a removal); everything else passes.

use crate::reference::Refused;
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

pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::because(why))
}

fn mend(why: impl Into<String>, mend: impl Into<String>) -> Result<(), Refused> {
    Err(Refused {
        why: why.into(),
        mend: Some(mend.into()),
    })
}

/// Anything that a process can be given.
pub(super) fn any(value: &str) -> Result<(), Refused> {
    if value.contains('\0') {
        return refuse("no program can be given a NUL character");
    }
    Ok(())
}

/// Text of one line that is not empty.
pub(super) fn line(value: &str) -> Result<(), Refused> {
    any(value)?;
    if value.trim().is_empty() {
        return refuse("it cannot be empty");
    }
    if value.contains(['\n', '\r']) {
        return refuse("it cannot have a line break in it");
    }
    Ok(())
}

/// Ids name files and stand in selections.
pub(super) fn id(id: &str) -> Result<(), Refused> {
    if id.is_empty() {
        return refuse("an id cannot be empty");
    }
    if id.len() > 128 {
        return refuse("an id has at most 128 characters");
    }
    let word = |c: char| c.is_ascii_alphanumeric();
    if let Some(c) = id
        .chars()
        .find(|c| !word(*c) && !matches!(c, '.' | '_' | '-'))
    {
        return refuse(format!(
            "an id has no `{}` in it: only letters, digits, `.`, `_`, `-`",
            c.escape_debug()
        ));
    }
    if !id.starts_with(word) || !id.ends_with(word) {
        return refuse("an id begins and ends with a letter or digit");
    }
    if id.contains("..") {
        return refuse("an id has no `..` in it: selections use it");
    }
    Ok(())
}

pub(super) fn builder(value: &str) -> Result<(), Refused> {
    if BUILDERS.contains(&value) {
        return Ok(());
    }
    if let Some((_, version)) = COMING_BUILDERS.iter().find(|(name, _)| *name == value) {
        return refuse(format!("version {version} will have this builder"));
    }
    if value == "default" {
        return mend(
            "flytekit's default builder is called `docker` here",
            "docker",
        );
    }
    match closest(value, BUILDERS.iter().copied()) {
        Some(meant) => mend(format!("did you mean `{meant}`?"), meant),
        None => refuse(format!("the builders are {}", ticked(BUILDERS))),
    }
}

pub(super) fn platform(value: &str) -> Result<(), Refused> {
    if PLATFORMS.contains(&value) {
        return Ok(());
    }
    let lower = value.to_lowercase();
    let other = OTHER_NAMES
        .iter()
        .find(|(name, _)| *name == lower)
        .map(|(_, meant)| *meant);
    match other.or_else(|| closest(value, PLATFORMS.iter().copied())) {
        Some(meant) => mend(format!("did you mean `{meant}`?"), meant),
        None => refuse(format!("known are {}", ticked(&PLATFORMS[..5]))),
    }
}

fn ticked(words: &[&str]) -> String {
    let ticked: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    ticked.join(", ")
}

/// A path inside an image.
pub(super) fn absolute(value: &str) -> Result<(), Refused> {
    line(value)?;
    if !value.starts_with('/') {
        return mend("it must be absolute", format!("/{value}"));
    }
    Ok(())
}

/// A program inside an image.
pub(super) fn program(value: &str) -> Result<(), Refused> {
    line(value)?;
    if !value.starts_with('/') {
        return refuse("it must be an absolute path, such as `/usr/bin/python3`");
    }
    Ok(())
}

/// Where a copy goes.
pub(super) fn destination(value: &str) -> Result<(), Refused> {
    line(value)
}

/// `user` or `user:group`, by name or number.
pub(super) fn user(value: &str) -> Result<(), Refused> {
    let name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    let (user, group) = value
        .split_once(':')
        .map_or((value, None), |(user, group)| (user, Some(group)));
    if name(user) && group.is_none_or(name) {
        return Ok(());
    }
    refuse("it is a name or number, and after a `:` a group, such as `app` or `1000:1000`")
}

pub(super) fn command(value: &str) -> Result<(), Refused> {
    any(value)?;
    if value.trim().is_empty() {
        return refuse("an empty command does nothing");
    }
    Ok(())
}

pub(super) fn env_name(name: &str) -> Result<(), Refused> {
    // A variable of that name would go before the build argument by which Dockerfiles are given line ends.
    if name == "IMGSPEC_NEWLINE" {
        return refuse("this one is imgspec's own: it stands for line ends while images are built");
    }
    let fine = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if fine {
        return Ok(());
    }
    refuse("names of environment variables have letters, digits and `_`, and begin with no digit")
}

/// Names of the builder's options: words, as command lines have them.
pub(super) fn option_name(name: &str) -> Result<(), Refused> {
    let fine = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if fine {
        return Ok(());
    }
    refuse("names of options have letters, digits, `-` and `_`, and begin with a letter")
}

/// Secrets are named in mounts and on command lines.
pub(super) fn secret_id(id: &str) -> Result<(), Refused> {
    let word = |c: char| c.is_ascii_alphanumeric();
    let fine = id.starts_with(word)
        && id.chars().all(|c| word(c) || matches!(c, '.' | '_' | '-'))
        && id.len() <= 64;
    if fine && (id.starts_with("pip-secret-mounts-") || id.starts_with("UV_PYTHON_")) {
        return refuse("secrets of imgspec's own are called so");
    }
    if fine {
        return Ok(());
    }
    refuse(
        "an id has letters, digits, `.`, `_` and `-`, begins with a letter or digit, and has at most 64 characters",
    )
}

/// Variables that a shell can set.
pub(super) fn variable(name: &str) -> Result<(), Refused> {
    let fine = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fine {
        return Ok(());
    }
    refuse("a shell's variables have letters, digits and `_`, and begin with no digit")
}

/// Where something is mounted: a path that cannot be taken for more of the mount's options.
pub(super) fn mount_point(value: &str) -> Result<(), Refused> {
    absolute(value)?;
    if value.contains([',', '"', '$', '\\']) || value.contains(char::is_whitespace) {
        return refuse("a mount's path has no spaces, commas, quotes, `$` or `\\` in it");
    }
    Ok(())
}

pub(super) fn label_name(name: &str) -> Result<(), Refused> {
    if name.starts_with("dev.imgspec.") {
        return refuse("labels below `dev.imgspec.` are imgspec's own");
    }
    let word = |c: char| c.is_ascii_alphanumeric();
    let fine = name.starts_with(word)
        && name.ends_with(word)
        && name
            .chars()
            .all(|c| word(c) || matches!(c, '.' | '_' | '-' | '/'));
    if fine {
        return Ok(());
    }
    refuse(
        "names of labels have letters, digits, `.`, `_`, `-` and `/`, and begin and end with a letter or digit",
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::manifest) type Rule = fn(&str) -> Result<(), Refused>;

    #[track_caller]
    pub(in crate::manifest) fn takes(rule: Rule, good: &[&str], bad: &[&str]) {
        for value in good {
            assert_eq!(rule(value), Ok(()), "{value}");
        }
        for value in bad {
            assert!(rule(value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn ids_can_name_files_and_stand_in_selections() {
        takes(
            id,
            &["a", "ml-base", "py3.12", "A_b"],
            &[
                "", "a/b", ".a", "a.", "-a", "..", "a..b", "a b", "é", "!a", "a*",
            ],
        );
        assert!(id(&"a".repeat(129)).is_err());
    }

    #[test]
    fn the_other_rules_take_what_docker_takes() {
        takes(
            platform,
            &["linux/amd64", "linux/arm/v7"],
            &["", "amd64", "linux", "windows/amd64"],
        );
        takes(
            user,
            &["app", "1000", "app:staff", "1000:1000", "_x"],
            &["", ":", "app:", "a b", "-x", "a:b:c", "root\nRUN x"],
        );
        takes(absolute, &["/", "/app"], &["", "app", "/a\nb"]);
        takes(
            env_name,
            &["A", "_a1", "a.b-c"],
            &["", "1A", "A B", "A=B", "é", "A\n", "IMGSPEC_NEWLINE"],
        );
        takes(
            label_name,
            &["a", "org.opencontainers.image.source", "x/y"],
            &["", ".a", "a b", "dev.imgspec.key", "a\""],
        );
        takes(builder, &["docker", "fake"], &["", "oci", "dokcer"]);
        takes(command, &["true", "a\nb"], &["", " \n", "a\0"]);
    }
}
