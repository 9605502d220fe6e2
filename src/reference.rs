//! Docker's rules for what an image is called, and the reference of an image.
//!
//! Pure text. The choice made: what Docker would refuse after minutes of building is refused here at once, in words that say
//! which part is wrong; where only one mend is thinkable it comes along.

mod tag;
#[cfg(test)]
mod tests;

pub use tag::{check_tag, check_tag_format, format_tag};

use crate::fingerprint::Tag;
use crate::workspace::Image;

/// The tag format of images that say none: the key's tag.
pub const DEFAULT_TAG_FORMAT: &str = "{spec_hash}";

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// What is wrong with it, in words.
    pub why: String,
    /// What it should probably be.
    pub mend: Option<String>,
}

impl Refused {
    /// Refuses without a mend.
    pub fn because(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            mend: None,
        }
    }
}

/// Refuses with a mend that `check` takes; where the mend is refused too, that refusal says more.
///
/// # Errors
/// Always.
pub(crate) fn settled(
    why: &str,
    mend: impl Into<String>,
    check: fn(&str) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let mend = mend.into();
    let mend = match check(&mend) {
        Ok(()) => mend,
        Err(Refused {
            mend: Some(better), ..
        }) => better,
        Err(refused) => return Err(refused),
    };
    Err(Refused {
        why: why.to_owned(),
        mend: Some(mend),
    })
}

/// The reference of an image: `registry/name:tag`.
#[must_use]
pub fn of(image: &Image, tag: &Tag) -> String {
    let tag = match tag {
        Tag::Own(tag) => tag.clone(),
        Tag::Of(key) => {
            let format = image
                .spec
                .tag_format
                .as_deref()
                .unwrap_or(DEFAULT_TAG_FORMAT);
            // The manifest has checked the format; a key's tag always fits.
            format_tag(format, &key.tag()).unwrap_or_else(|_| key.tag())
        }
    };
    format!("{}:{tag}", repository(image))
}

/// The reference of an image without its tag.
#[must_use]
pub fn repository(image: &Image) -> String {
    // flytekit calls what has no name so.
    let unnamed = match image.spec.flytekit {
        Some(_) => "flytekit",
        None => &image.id,
    };
    let name = image.spec.name.as_deref().unwrap_or(unnamed);
    match image.spec.registry.as_deref() {
        None | Some("") => name.to_owned(),
        Some(registry) => format!("{registry}/{name}"),
    }
}

/// Checks a repository name: parts of lower-case letters and digits, `/` between them.
///
/// # Errors
/// When Docker would refuse it.
pub fn check_name(name: &str) -> Result<(), Refused> {
    if name.is_empty() {
        return Err(Refused::because("a name cannot be empty"));
    }
    if name.len() > 255 {
        return Err(Refused::because("Docker takes at most 255 characters"));
    }
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        return settled(
            "Docker takes lower-case letters only",
            name.to_ascii_lowercase(),
            check_name,
        );
    }
    if let Some((before, tag)) = name.rsplit_once(':') {
        return Err(Refused::because(
            if check_tag(tag).is_ok() && !before.is_empty() {
                "a name has no tag in it: that is made of the key, or of `tag-format`"
            } else {
                "a name cannot have a `:` in it"
            },
        ));
    }
    for part in name.split('/') {
        check_part(part)?;
    }
    Ok(())
}

/// One part of a repository name.
fn check_part(part: &str) -> Result<(), Refused> {
    if part.is_empty() {
        return Err(Refused::because(
            "there is an empty part before or after a `/`",
        ));
    }
    if let Some(c) = part
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-'))
    {
        return Err(Refused::because(format!(
            "Docker takes no `{}` in it: only lower-case letters, digits, `.`, `_`, `-`",
            c.escape_debug()
        )));
    }
    let separators = part.split(|c: char| c.is_ascii_alphanumeric());
    let outside = |c: char| !c.is_ascii_alphanumeric();
    if part.starts_with(outside) || part.ends_with(outside) {
        return Err(Refused::because(
            "each part must begin and end with a letter or digit",
        ));
    }
    for separator in separators {
        let fine =
            matches!(separator, "" | "." | "_" | "__") || separator.chars().all(|c| c == '-');
        if !fine {
            return Err(Refused::because(format!(
                "Docker takes no `{separator}` between letters: only one `.`, one or two `_`, or any number of `-`"
            )));
        }
    }
    Ok(())
}

/// Checks a registry with the path below it, such as `ghcr.io/acme` or `localhost:5000`.
///
/// # Errors
/// When Docker would refuse it.
pub fn check_registry(registry: &str) -> Result<(), Refused> {
    if registry.is_empty() {
        return Err(Refused::because("a registry cannot be empty"));
    }
    if let Some(rest) = without_schemes(registry) {
        return settled(
            "a registry has no scheme",
            rest.trim_end_matches('/'),
            check_registry,
        );
    }
    if registry.len() > 1 && registry.ends_with('/') {
        return settled(
            "a registry does not end in `/`",
            registry.trim_end_matches('/'),
            check_registry,
        );
    }
    if registry.chars().any(|c| c.is_ascii_uppercase()) {
        return settled(
            "Docker takes lower-case letters only",
            registry.to_ascii_lowercase(),
            check_registry,
        );
    }
    let (first, path) = registry
        .split_once('/')
        .map_or((registry, None), |(first, path)| (first, Some(path)));
    if is_host(first) {
        check_host(first)?;
    } else {
        check_name(first)?;
    }
    path.map_or(Ok(()), |path| {
        path.split('/').try_for_each(check_part_of_registry)
    })
}

/// What stands behind a scheme, or behind several: all are taken off at once, because a text may have thousands of them.
fn without_schemes(text: &str) -> Option<&str> {
    const SCHEMES: [&str; 5] = [
        "https://",
        "http://",
        "docker://",
        "docker-image://",
        "oci://",
    ];
    let one = |text| {
        SCHEMES
            .iter()
            .find_map(|scheme| str::strip_prefix(text, *scheme))
    };
    std::iter::successors(one(text), |rest| one(rest)).last()
}

fn check_part_of_registry(part: &str) -> Result<(), Refused> {
    if part.contains(':') {
        return Err(Refused::because(
            "a registry has no tag in it: that is made of the key, or of `tag-format`",
        ));
    }
    check_part(part)
}

/// Docker's way to tell `ghcr.io/x` from `acme/x`.
fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn check_host(host: &str) -> Result<(), Refused> {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(Refused::because(format!("`{address}` is no IPv6 address")));
            }
            // What follows must be a port: a line end here would be one in a Dockerfile.
            match rest.split_once(':') {
                Some(("", port)) => ("ipv6", Some(port)),
                None if rest.is_empty() => ("ipv6", None),
                _ => {
                    return Err(Refused::because(format!(
                        "`{}` is no port",
                        rest.escape_debug()
                    )));
                }
            }
        }
        None => host
            .split_once(':')
            .map_or((host, None), |(name, port)| (name, Some(port))),
    };
    if let Some(port) = port
        && (port.parse::<u16>().is_err() || port.starts_with('+'))
    {
        return Err(Refused::because(format!("`{port}` is no port")));
    }
    let fine = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.split('.').all(fine) {
        Ok(())
    } else {
        Err(Refused::because(format!("`{name}` is no host name")))
    }
}

/// Checks a whole reference to an image of a registry: `[registry/]name[:tag][@digest]`.
///
/// # Errors
/// When Docker would refuse it.
pub fn check_reference(reference: &str) -> Result<(), Refused> {
    if reference.is_empty() {
        return Err(Refused::because("a base image cannot be empty"));
    }
    if let Some(rest) = without_schemes(reference) {
        return settled("a reference has no scheme", rest, check_reference);
    }
    let (rest, digest) = reference
        .split_once('@')
        .map_or((reference, None), |(rest, digest)| (rest, Some(digest)));
    digest.map_or(Ok(()), check_digest)?;
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    tag.map_or(Ok(()), check_tag)?;
    check_repository(name).map_err(|refused| Refused {
        mend: refused
            .mend
            .map(|mend| format!("{mend}{}", &reference[name.len()..])),
        ..refused
    })
}

fn check_repository(name: &str) -> Result<(), Refused> {
    if let Some((first, path)) = name.split_once('/')
        && is_host(first)
    {
        check_host(first)?;
        return check_name(path).map_err(|refused| Refused {
            mend: refused.mend.map(|mend| format!("{first}/{mend}")),
            ..refused
        });
    }
    if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refused::because(
            "Docker takes 64 hexadecimal digits for an image id, not for a name",
        ));
    }
    check_name(name)
}

fn check_digest(digest: &str) -> Result<(), Refused> {
    let hex = |text: &str, len| {
        text.len() == len
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let fine = digest
        .strip_prefix("sha256:")
        .is_some_and(|rest| hex(rest, 64))
        || digest
            .strip_prefix("sha512:")
            .is_some_and(|rest| hex(rest, 128));
    if fine {
        return Ok(());
    }
    Err(Refused::because(
        "a digest is `sha256:` and 64 lower-case hexadecimal digits",
    ))
}
