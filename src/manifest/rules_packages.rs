//! What packages, their sources and their Python may be.

use super::rules::{line, refuse};
use crate::reference::{self, Refused};

/// `name[:arch][=version]` by Debian's rules: nothing that apt-get could take for an option or a removal.
pub(super) fn apt_package(value: &str) -> Result<(), Refused> {
    line(value)?;
    let (rest, version) = value
        .split_once('=')
        .map_or((value, None), |(rest, version)| (rest, Some(version)));
    let (name, arch) = rest
        .split_once(':')
        .map_or((rest, None), |(name, arch)| (name, Some(arch)));
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        return reference::settled(
            "names of Debian packages are lower-case",
            value.to_lowercase(),
            apt_package,
        );
    }
    if value.starts_with('-') {
        return refuse("an option is no package");
    }
    if value.contains(char::is_whitespace) {
        return refuse("one package a value: `apt-packages \"git\" \"curl\"`");
    }
    if value.contains(['<', '>', '~']) && version.is_none() {
        return refuse("apt takes only whole versions: `name=version`");
    }
    let fine = |name: &str| {
        name.len() > 1
            && name.starts_with(lower)
            && name
                .chars()
                .all(|c| lower(c) || matches!(c, '+' | '-' | '.'))
    };
    if name.ends_with('-') {
        return refuse("a `-` at the end would make apt remove the package");
    }
    if !fine(name) {
        return refuse(
            "names of Debian packages have lower-case letters, digits, `+`, `-` and `.`, and begin with a letter or digit",
        );
    }
    if arch.is_some_and(|arch| !fine(arch)) {
        return refuse("an architecture such as `:arm64` may follow the name");
    }
    let version_char =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '~' | ':');
    if version.is_some_and(|version| version.is_empty() || !version.chars().all(version_char)) {
        return refuse("a version has letters, digits, `.`, `+`, `-`, `~` and `:`");
    }
    Ok(())
}

/// A requirement that no installer takes for an option.
pub(super) fn requirement(value: &str) -> Result<(), Refused> {
    line(value)?;
    if value.trim_start().starts_with('-') {
        return refuse("options go to `pip-extra-args`, further files to `requirements`");
    }
    if value.trim_start().starts_with('#') {
        return refuse("a comment installs nothing");
    }
    Ok(())
}

/// A file whose format is known by its name, or else a list of requirements.
pub(super) fn requirements_file(value: &str) -> Result<(), Refused> {
    const TAKEN: &str =
        "it is a list of requirements, `uv.lock`, `poetry.lock`, `pylock.toml` or `pyproject.toml`";
    let name = value.rsplit('/').next().unwrap_or_default();
    let is_known = matches!(name, "uv.lock" | "poetry.lock" | "pyproject.toml")
        || (name.starts_with("pylock.") && name.ends_with(".toml"));
    if is_known {
        return Ok(());
    }
    let endings = [".toml", ".lock", ".yml", ".yaml", ".json", ".cfg", ".py"];
    if matches!(name, "environment.yml" | "environment.yaml") {
        return refuse("conda's packages go to `conda-packages`, its channels to `conda-channels`");
    }
    if name == "Pipfile" || endings.iter().any(|ending| name.ends_with(ending)) {
        return refuse(TAKEN);
    }
    Ok(())
}

/// `[channel::]name[version]` as conda writes it: nothing that micromamba could take for an option or a file.
pub(super) fn conda_package(value: &str) -> Result<(), Refused> {
    line(value)?;
    if value.starts_with('-') {
        return refuse("an option is no package");
    }
    if value.contains("://") || value.starts_with(['/', '.', '@']) {
        return refuse("a package has a name: files and URLs are not taken");
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-=<>!~*,|: []'\"".contains(c);
    if !value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        || !value.chars().all(fine)
    {
        return refuse(
            "a package is such as `numpy`, `numpy=1.26`, `numpy>=1.26,<2` or `conda-forge::numpy`",
        );
    }
    Ok(())
}

/// A channel's name or URL.
pub(super) fn conda_channel(value: &str) -> Result<(), Refused> {
    line(value)?;
    if value.starts_with('-') || value.contains(char::is_whitespace) {
        return refuse("a channel is a name such as `pytorch`, or a URL");
    }
    Ok(())
}

/// Numbers with dots between them, such as `12` or `12.4.1`.
pub(super) fn number(value: &str) -> Result<(), Refused> {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if value.split('.').count() <= 4 && value.split('.').all(number) {
        return Ok(());
    }
    refuse("a version is such as `12`, `12.4` or `12.4.1`")
}

/// Which source files are copied.
pub(super) fn copy_mode(value: &str) -> Result<(), Refused> {
    match value.to_ascii_lowercase().replace('_', "-").as_str() {
        "all" | "none" if value == value.to_ascii_lowercase() => Ok(()),
        "all" => reference::settled("it is written in lower case", "all", copy_mode),
        "none" | "no-copy" => reference::settled("it is called `none`", "none", copy_mode),
        "loaded-modules" => refuse(
            "which modules are loaded only the Python process knows that runs the workflow: `all` copies every file of `source-root`, \
             `none` leaves them to fast registration",
        ),
        _ => refuse("it is `all` or `none`"),
    }
}

/// A release of flytekit whose images are understood: from 1.15.3 on their tags are computed as today.
pub(super) fn flytekit_version(value: &str) -> Result<(), Refused> {
    number(value)?;
    let mut parts = value
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(u32::MAX));
    let version: Vec<u32> = parts.by_ref().collect();
    match version.as_slice() {
        [1, minor, patch] if (*minor, *patch) >= (15, 3) => Ok(()),
        [1, _, _] => refuse(
            "flytekit computes tags as today since 1.15.3: earlier releases are not understood",
        ),
        [1] | [1, _] => {
            refuse("the whole version is needed, such as `1.16.31`: it is also what is installed")
        }
        _ => refuse("only flytekit 1 has ImageSpecs"),
    }
}

/// The helper images that can be named.
pub(super) const HELPERS: [&str; 2] = ["uv-image", "micromamba-image"];

pub(super) fn helper(name: &str) -> Result<(), Refused> {
    if HELPERS.contains(&name) {
        return Ok(());
    }
    match crate::suggest::closest(&name.replace('_', "-"), HELPERS) {
        Some(meant) => refuse(format!("did you mean `{meant}`?")),
        None => refuse("it knows `uv-image` and `micromamba-image`"),
    }
}

pub(super) fn url(value: &str) -> Result<(), Refused> {
    line(value)?;
    if value.contains(char::is_whitespace) {
        return refuse("a URL has no space in it");
    }
    let known = ["https://", "http://", "file://"];
    if !known.iter().any(|scheme| value.starts_with(scheme)) {
        return refuse("a URL begins with `https://`, `http://` or `file://`");
    }
    Ok(())
}

pub(super) fn shell_words(value: &str) -> Result<(), Refused> {
    line(value)?;
    if shlex::split(value).is_none() {
        return refuse(
            "it does not split into words as a shell would: a quote or a `\\` is left open",
        );
    }
    Ok(())
}

pub(super) fn python_version(value: &str) -> Result<(), Refused> {
    let parts: Vec<&str> = value.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (last, first) = parts.split_last().expect("split gives one part");
    let digits = last.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let tail = last[digits.len()..].is_empty() || matches!(&last[digits.len()..], "t");
    let release = digits
        .find(|c: char| c.is_ascii_lowercase())
        .is_some_and(|at| {
            let (number_before, rest) = digits.split_at(at);
            let after = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
            number(&number_before)
                && number(&after)
                && matches!(&rest[..rest.len() - after.len()], "a" | "b" | "rc")
        });
    if parts.len() <= 3 && first.iter().all(number) && tail && (number(&digits) || release) {
        return Ok(());
    }
    refuse("a version is such as `3.12`, `3.12.4`, `3.14rc1` or `3.13t`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::rules::tests::takes;

    #[test]
    fn no_apt_package_can_be_an_option_or_a_removal() {
        takes(
            apt_package,
            &[
                "git",
                "g++",
                "libstdc++6",
                "libc6:amd64",
                "git=1:2.39.2-1.1",
                "0ad",
            ],
            &[
                "",
                "-y",
                "git-",
                "a",
                "git curl",
                "git\ncurl",
                "git;",
                "git=",
                "git=a b",
                "git=$(x)",
                "python3.*",
                "git/stable",
                "git>=2",
                "git:-",
            ],
        );
        assert_eq!(apt_package("Git").unwrap_err().mend.as_deref(), Some("git"));
    }

    #[test]
    fn no_requirement_can_be_an_option() {
        takes(
            requirement,
            &[
                "numpy",
                "torch==2.5.1",
                "x @ https://example.org/x.whl",
                "a[b]>=1; python_version<'3.12'",
            ],
            &["", " ", "-r x", " --pre", "a\nb", "# x", "a\0"],
        );
    }

    #[test]
    fn versions_urls_and_arguments_are_whole() {
        takes(
            python_version,
            &["3", "3.12", "3.12.4", "3.14rc1", "3.13t", "3.14.0a2"],
            &[
                "",
                "3.",
                "x",
                ">=3.9",
                "3.12.4.5",
                "3.12-slim",
                "3..1",
                "t",
                "3.12 ",
            ],
        );
        takes(
            url,
            &["https://example.org/simple", "file:///x"],
            &["", "example.org", "https://a b", "-x"],
        );
        takes(shell_words, &["--no-deps", "--x 'a b'"], &["", "'", "a\\"]);
    }
}
