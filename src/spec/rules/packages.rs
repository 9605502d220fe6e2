//! Rules for packages, package sources and Python versions.

use super::refused::{Refused, halves, refuse, refuse_for, refuse_if, require, settled};
use super::values::line;
use crate::spec::RequirementsKind;
use crate::suggest::closest;

/// `name[:arch][=version]` by Debian's rules: nothing that apt-get could take for an option or a removal.
pub(crate) fn apt_package(value: &str) -> Result<(), Refused> {
    line(value)?;
    let (rest, version) = halves(value, '=');
    let (name, arch) = halves(rest, ':');
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        return settled(
            "names of Debian packages are lower-case",
            value.to_lowercase(),
            apt_package,
        );
    }
    refuse_if(value.starts_with('-'), "an option is not a package")?;
    refuse_if(
        value.contains(char::is_whitespace),
        "one package per value: `apt-packages \"git\" \"curl\"`",
    )?;
    refuse_if(
        value.contains(['<', '>', '~']) && version.is_none(),
        "apt accepts only exact versions: `name=version`",
    )?;
    let fine = |name: &str| {
        name.len() > 1
            && name.starts_with(lower)
            && name
                .chars()
                .all(|c| lower(c) || matches!(c, '+' | '-' | '.'))
    };
    refuse_if(
        name.ends_with('-'),
        "a `-` at the end would make apt remove the package",
    )?;
    require(
        fine(name),
        "names of Debian packages consist of lower-case letters, digits, `+`, `-` and `.`, and begin with a letter or digit",
    )?;
    refuse_if(
        arch.is_some_and(|arch| !fine(arch)),
        "an architecture such as `:arm64` may follow the name",
    )?;
    let version_char =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '~' | ':');
    refuse_if(
        version.is_some_and(|version| version.is_empty() || !version.chars().all(version_char)),
        "a version consists of letters, digits, `.`, `+`, `-`, `~` and `:`",
    )
}

/// A requirement that no installer could take for an option.
pub(crate) fn requirement(value: &str) -> Result<(), Refused> {
    line(value)?;
    refuse_if(
        value.trim_start().starts_with('-'),
        "options belong in `pip-extra-args`, requirements files in `requirements`",
    )?;
    refuse_if(
        value.trim_start().starts_with('#'),
        "a comment installs nothing",
    )
}

/// A file whose format is recognized by name; anything else must look like a pip requirements file.
pub(crate) fn requirements_file(value: &str) -> Result<(), Refused> {
    const TAKEN: &str = "it must be a list of requirements, `uv.lock`, `poetry.lock`, `pylock.toml` or `pyproject.toml`";
    let name = value.rsplit('/').next().unwrap_or_default();
    if RequirementsKind::of(name) != RequirementsKind::List {
        return Ok(());
    }
    let endings = [".toml", ".lock", ".yml", ".yaml", ".json", ".cfg", ".py"];
    refuse_if(
        matches!(name, "environment.yml" | "environment.yaml"),
        "conda packages belong in `conda-packages`, channels in `conda-channels`",
    )?;
    let is_other = name == "Pipfile" || endings.iter().any(|ending| name.ends_with(ending));
    require(!is_other, TAKEN)
}

/// `[channel::]name[version]` in conda's syntax: nothing that micromamba could take for an option or a file.
pub(crate) fn conda_package(value: &str) -> Result<(), Refused> {
    line(value)?;
    refuse_if(value.starts_with('-'), "an option is not a package")?;
    refuse_if(
        value.contains("://") || value.starts_with(['/', '.', '@']),
        "a package is given by name: files and URLs are not supported",
    )?;
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-=<>!~*,|: []'\"".contains(c);
    let begins = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    require(
        begins && value.chars().all(fine),
        "a package looks like `numpy`, `numpy=1.26`, `numpy>=1.26,<2` or `conda-forge::numpy`",
    )
}

pub(crate) fn conda_channel(value: &str) -> Result<(), Refused> {
    line(value)?;
    refuse_if(
        value.starts_with('-') || value.contains(char::is_whitespace),
        "a channel is a name such as `pytorch`, or a URL",
    )
}

/// Numbers separated by dots, such as `12` or `12.4.1`.
pub(crate) fn number(value: &str) -> Result<(), Refused> {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    require(
        value.split('.').count() <= 4 && value.split('.').all(number),
        "a version looks like `12`, `12.4` or `12.4.1`",
    )
}

/// A boolean as text, which a variable or `--set` may supply.
pub(crate) fn flag(value: &str) -> Result<(), Refused> {
    match value {
        "true" | "false" => Ok(()),
        _ => refuse("it must be `#true` or `#false`"),
    }
}

/// The modes of copying sources.
pub(crate) const COPY_MODES: &[&str] = &["all", "none"];

pub(crate) fn copy_mode(value: &str) -> Result<(), Refused> {
    match value.to_ascii_lowercase().replace('_', "-").as_str() {
        "all" | "none" if value == value.to_ascii_lowercase() => Ok(()),
        "all" => settled("it must be lower case", "all", copy_mode),
        "none" | "no-copy" => settled("it is called `none`", "none", copy_mode),
        "loaded-modules" => refuse(
            "only the Python process that runs the workflow knows which modules are loaded: `all` copies every file of `source-root`, \
             `none` leaves them to fast registration, `source-files` names files",
        ),
        _ => refuse("it must be `all` or `none`"),
    }
}

/// The ways of compressing layers.
pub(crate) const COMPRESSIONS: &[&str] = &["gzip", "gzip-single", "zstd"];

pub(crate) fn compression(value: &str) -> Result<(), Refused> {
    let is_known = COMPRESSIONS.contains(&value);
    require(is_known, "it must be `gzip`, `gzip-single` or `zstd`")
}

/// A supported release of flytekit: since 1.15.3, tags have been computed in the same way.
pub(crate) fn flytekit_version(value: &str) -> Result<(), Refused> {
    number(value)?;
    let parts = value
        .split('.')
        .map(|part| part.parse().unwrap_or(u32::MAX));
    match parts.collect::<Vec<u32>>().as_slice() {
        [1, minor, patch] if (*minor, *patch) >= (15, 3) => Ok(()),
        [1, _, _] => refuse(
            "only releases from 1.15.3 on are supported: earlier ones compute tags differently",
        ),
        [1] | [1, _] => refuse(
            "a full version is required, such as `1.16.31`: it is also the version that is installed",
        ),
        _ => refuse("only flytekit 1 has ImageSpecs"),
    }
}

/// An id as flytekit computes it: an md5 digest in base64.
pub(crate) fn flytekit_id(value: &str) -> Result<(), Refused> {
    require(
        value.len() == 22
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
        "it must be an id of flytekit's: 22 letters, digits, `-` and `_`",
    )
}

/// A file below a directory, by its path from there.
pub(crate) fn file_below(value: &str) -> Result<(), Refused> {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    require(
        value.split('/').all(is_plain) && !value.contains('\0'),
        "it must be a file below `source-root`, such as `workflows/train.py`",
    )
}

pub(crate) const HELPERS: [&str; 2] = ["uv-image", "micromamba-image"];

pub(crate) fn helper(name: &str) -> Result<(), Refused> {
    if HELPERS.contains(&name) {
        return Ok(());
    }
    match closest(&name.replace('_', "-"), HELPERS) {
        Some(meant) => refuse(format!("did you mean `{meant}`?")),
        None => refuse("the helper images are `uv-image` and `micromamba-image`"),
    }
}

pub(crate) fn url(value: &str) -> Result<(), Refused> {
    line(value)?;
    refuse_if(
        value.contains(char::is_whitespace),
        "a URL cannot contain spaces",
    )?;
    let known = ["https://", "http://", "file://"];
    require(
        known.iter().any(|scheme| value.starts_with(scheme)),
        "a URL begins with `https://`, `http://` or `file://`",
    )
}

/// The name of a suite, as it is in an archive's `dists`.
pub(crate) fn suite(value: &str) -> Result<(), Refused> {
    line(value)?;
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.+~_".contains(c);
    if value.starts_with(|c: char| c.is_ascii_lowercase()) && value.chars().all(is_fine) {
        return Ok(());
    }
    let why = "a suite is a name such as `bookworm`, in lower case";
    match value.to_ascii_lowercase() {
        lower if lower != value && suite(&lower).is_ok() => refuse_for(why, lower),
        _ => refuse(why),
    }
}

/// The address of a package archive. It gets into the image, so it has no login.
pub(crate) fn mirror(value: &str) -> Result<(), Refused> {
    line(value)?;
    refuse_if(
        value.contains(|c: char| c.is_whitespace() || "[]\"#?".contains(c)),
        "an archive's address has no spaces, brackets, quotes, `?` and `#`",
    )?;
    let rest = value.strip_prefix("https://");
    let Some(rest) = rest.or_else(|| value.strip_prefix("http://")) else {
        return refuse("an archive's address begins with `https://` or `http://`");
    };
    let host = rest.split('/').next().unwrap_or_default();
    refuse_if(
        host.contains('@'),
        "an archive's address cannot have a login: it is written into the image",
    )?;
    require(!host.is_empty(), "it names no host")
}

/// The time of a snapshot of Debian's archive, as its address has it.
pub(crate) fn snapshot(value: &str) -> Result<(), Refused> {
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let parts = value.strip_suffix('Z').and_then(|it| it.split_once('T'));
    let is_time = parts.is_some_and(|(day, time)| digits(day, 8) && digits(time, 6));
    if is_time && jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", value).is_ok() {
        return Ok(());
    }
    let why = "the time of a snapshot is written like `20250520T000000Z`";
    let day = value.replace('-', "");
    let whole = format!("{day}T000000Z");
    if digits(&day, 8) && snapshot(&whole).is_ok() {
        return refuse_for(why.to_owned(), &whole);
    }
    refuse(why)
}

/// The sets of packages that a Debian base can have.
pub(crate) const VARIANTS: &[&str] = &["minbase", "apt", "essential", "important"];

/// Which packages a Debian base has.
pub(crate) fn variant(value: &str) -> Result<(), Refused> {
    if VARIANTS.contains(&value) {
        return Ok(());
    }
    match closest(value, VARIANTS.iter().copied()) {
        Some(meant) => refuse_for(format!("did you mean `{meant}`?"), meant),
        None => refuse("the variants are `minbase`, `apt`, `essential` and `important`"),
    }
}

pub(crate) fn shell_words(value: &str) -> Result<(), Refused> {
    line(value)?;
    refuse_if(
        shlex::split(value).is_none(),
        "a shell could not split this into words: a quote or a `\\` is left open",
    )
}

pub(crate) fn python_version(value: &str) -> Result<(), Refused> {
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
    require(
        parts.len() <= 3 && first.iter().all(number) && tail && (number(&digits) || release),
        "a version looks like `3.12`, `3.12.4`, `3.14rc1` or `3.13t`",
    )
}
