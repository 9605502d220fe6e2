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
