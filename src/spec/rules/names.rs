//! Docker's rules for image names.
//!
//! What Docker would reject after minutes of building is rejected here right away, with a message that names the offending part and,
//! where there is only one way to fix it, the fix.

use super::refused::{Refused, halves, refuse, refuse_if, require, settled};
use crate::spec::OWN_CACHE;

/// Checks a repository name: components of lower-case letters and digits, separated by `/`.
pub(crate) fn check_name(name: &str) -> Result<(), Refused> {
    refuse_if(name.is_empty(), "a name cannot be empty")?;
    refuse_if(name.len() > 255, "Docker allows at most 255 characters")?;
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        return settled(
            "Docker allows only lower-case letters",
            name.to_ascii_lowercase(),
            check_name,
        );
    }
    if let Some((before, tag)) = name.rsplit_once(':') {
        return refuse(if check_tag(tag).is_ok() && !before.is_empty() {
            "a name cannot include a tag: the tag is made from the key, or from `tag-format`"
        } else {
            "a name cannot contain `:`"
        });
    }
    for part in name.split('/') {
        check_part(part)?;
    }
    Ok(())
}

fn check_part(part: &str) -> Result<(), Refused> {
    refuse_if(part.is_empty(), "a part before or after a `/` is empty")?;
    if let Some(c) = part
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-'))
    {
        return refuse(format!(
            "Docker does not allow `{}` here: only lower-case letters, digits, `.`, `_`, `-`",
            c.escape_debug()
        ));
    }
    let separators = part.split(|c: char| c.is_ascii_alphanumeric());
    let outside = |c: char| !c.is_ascii_alphanumeric();
    refuse_if(
        part.starts_with(outside) || part.ends_with(outside),
        "each part must begin and end with a letter or digit",
    )?;
    for separator in separators {
        let fine =
            matches!(separator, "" | "." | "_" | "__") || separator.chars().all(|c| c == '-');
        if !fine {
            return refuse(format!(
                "Docker does not allow `{separator}` between letters: only one `.`, one or two `_`, or any number of `-`"
            ));
        }
    }
    Ok(())
}

/// Checks a registry with an optional path, such as `ghcr.io/acme` or `localhost:5000`.
pub(crate) fn check_registry(registry: &str) -> Result<(), Refused> {
    refuse_if(registry.is_empty(), "a registry cannot be empty")?;
    if let Some(rest) = without_schemes(registry) {
        return settled(
            "a registry cannot have a scheme",
            rest.trim_end_matches('/'),
            check_registry,
        );
    }
    if registry.len() > 1 && registry.ends_with('/') {
        return settled(
            "a registry cannot end in `/`",
            registry.trim_end_matches('/'),
            check_registry,
        );
    }
    if registry.chars().any(|c| c.is_ascii_uppercase()) {
        return settled(
            "Docker allows only lower-case letters",
            registry.to_ascii_lowercase(),
            check_registry,
        );
    }
    let (first, path) = halves(registry, '/');
    if is_host(first) {
        check_host(first)?;
    } else {
        check_name(first)?;
    }
    path.map_or(Ok(()), |path| {
        path.split('/').try_for_each(check_part_of_registry)
    })
}

/// Strips leading schemes; `None` if there are none. Iterates rather than recursing, because a text may have thousands of them.
fn without_schemes(text: &str) -> Option<&str> {
    const SCHEMES: [&str; 5] = [
        "https://",
        "http://",
        "docker://",
        "docker-image://",
        "oci://",
    ];
    let without = |text| move |scheme: &&str| str::strip_prefix(text, *scheme);
    let one = |text| SCHEMES.iter().find_map(without(text));
    std::iter::successors(one(text), |rest| one(rest)).last()
}

fn check_part_of_registry(part: &str) -> Result<(), Refused> {
    refuse_if(
        part.contains(':'),
        "a registry cannot include a tag: the tag is made from the key, or from `tag-format`",
    )?;
    check_part(part)
}

/// Whether a reference names a registry, rather than an image of a local store.
pub(crate) fn has_registry(reference: &str) -> bool {
    let first = reference.split_once('/').map(|(first, _)| first);
    first.is_some_and(is_host)
}

/// Docker's heuristic for telling `ghcr.io/x` from `acme/x`.
fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn check_host(host: &str) -> Result<(), Refused> {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return refuse(format!("`{address}` is not an IPv6 address"));
            }
            // Only a port may follow: a line break here would end up in a Dockerfile.
            match rest.split_once(':') {
                Some(("", port)) => ("ipv6", Some(port)),
                None if rest.is_empty() => ("ipv6", None),
                _ => return refuse(format!("`{}` is not a port", rest.escape_debug())),
            }
        }
        None => halves(host, ':'),
    };
    if let Some(port) = port
        && (port.parse::<u16>().is_err() || port.starts_with('+'))
    {
        return refuse(format!("`{port}` is not a port"));
    }
    let fine = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let why = format!("`{name}` is not a host name");
    require(name.split('.').all(fine), &why)
}

/// Checks a complete image reference: `[registry/]name[:tag][@digest]`.
pub(crate) fn check_reference(reference: &str) -> Result<(), Refused> {
    refuse_if(reference.is_empty(), "a base image cannot be empty")?;
    if let Some(rest) = without_schemes(reference) {
        return settled("a reference cannot have a scheme", rest, check_reference);
    }
    let (rest, digest) = halves(reference, '@');
    digest.map_or(Ok(()), check_digest)?;
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    tag.map_or(Ok(()), check_tag)?;
    check_repository(name).map_err(|refused| Refused {
        fix: refused
            .fix
            .map(|fix| format!("{fix}{}", &reference[name.len()..])),
        ..refused
    })
}

/// Where the cache of a build is: a reference in a registry, or the word for the image's own.
pub(crate) fn build_cache(cache: &str) -> Result<(), Refused> {
    if cache == OWN_CACHE {
        return Ok(());
    }
    if let Some((_, place)) = cache.split_once("ref=") {
        let place = place.split(',').next().unwrap_or(place);
        let why = "a cache in a registry is just its reference";
        return settled(why, place, build_cache);
    }
    let why =
        "it is not a reference: other kinds of caches than those in registries are not supported";
    refuse_if(cache.contains('='), why)?;
    let why = "a cache has a tag, not a digest: it changes with every build";
    refuse_if(cache.contains('@'), why)?;
    refuse_if(cache.is_empty(), "the reference of a cache cannot be empty")?;
    check_reference(cache)
}

/// A further name of an image: a tag of its own repository, or a whole reference with a tag.
pub(crate) fn also_tag(name: &str) -> Result<(), Refused> {
    if !name.contains(['/', ':', '@']) {
        return check_tag(name);
    }
    let why = "a further name has a tag, not a digest";
    refuse_if(name.contains('@'), why)?;
    if let Some(tag) = name.strip_prefix(':') {
        return settled("a tag has no colon before it", tag, check_tag);
    }
    check_reference(name)?;
    let has_tag = |(_, tag): (&str, &str)| !tag.contains('/');
    if name.rsplit_once(':').is_some_and(has_tag) {
        return Ok(());
    }
    settled(
        "a whole reference needs a tag",
        format!("{name}:latest"),
        also_tag,
    )
}

fn check_repository(name: &str) -> Result<(), Refused> {
    if let Some((first, path)) = name.split_once('/')
        && is_host(first)
    {
        check_host(first)?;
        return check_name(path).map_err(|refused| Refused {
            fix: refused.fix.map(|fix| format!("{first}/{fix}")),
            ..refused
        });
    }
    refuse_if(
        name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "Docker reads 64 hexadecimal digits as an image id, not as a name",
    )?;
    check_name(name)
}

fn check_digest(digest: &str) -> Result<(), Refused> {
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_of = |algorithm, length| {
        let hex = digest.strip_prefix(algorithm);
        hex.is_some_and(|hex: &str| hex.len() == length && hex.bytes().all(is_hex))
    };
    let why = "a digest is `sha256:` and 64 lower-case hexadecimal digits";
    require(is_of("sha256:", 64) || is_of("sha512:", 128), why)
}

pub(crate) fn check_tag(tag: &str) -> Result<(), Refused> {
    refuse_if(tag.is_empty(), "a tag cannot be empty")?;
    if tag.len() > 128 {
        return refuse(format!(
            "the tag would have {} characters, and Docker allows at most 128",
            tag.len()
        ));
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(c) = tag.chars().find(|c| !word(*c) && !matches!(c, '.' | '-')) {
        return refuse(format!(
            "Docker does not allow `{}` in a tag: only letters, digits, `_`, `.`, `-`",
            c.escape_debug()
        ));
    }
    require(tag.starts_with(word), "a tag cannot begin with `.` or `-`")
}

pub(crate) fn check_tag_format(format: &str) -> Result<(), Refused> {
    check_tag(&format_tag(format, &"0123456789abcdef".repeat(2))?)
}

/// Expands a tag format as Python's `str.format` would: `{spec_hash}`, `{spec_hash:.8}`, `{{` and `}}`.
pub(crate) fn format_tag(format: &str, spec_hash: &str) -> Result<String, Refused> {
    let lone = |brace: &str| Refused::new(format!("unmatched `{brace}`"));
    fill_braces(format, lone, |field| fill_field(field, spec_hash))
}

/// Expands the placeholders of a format: `fill` maps the text between braces to its value, `lone` makes the error for an
/// unmatched brace.
pub(crate) fn fill_braces<T: AsRef<str>, E>(
    format: &str,
    lone: impl Fn(&str) -> E,
    mut fill: impl FnMut(&str) -> Result<T, E>,
) -> Result<String, E> {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
        } else {
            let end = end_of_field(rest).filter(|_| brace == "{");
            let end = end.ok_or_else(|| lone(brace))?;
            out.push_str(fill(&rest[..end])?.as_ref());
            rest = &rest[end + 1..];
        }
    }
    Ok(out + rest)
}

/// The position of the brace that closes a placeholder, allowing for nested braces.
fn end_of_field(text: &str) -> Option<usize> {
    let mut open = 1;
    text.find(|c| {
        open += i32::from(c == '{') - i32::from(c == '}');
        open == 0
    })
}

fn fill_field<'a>(field: &str, spec_hash: &'a str) -> Result<&'a str, Refused> {
    let (name, spec) = halves(field, ':');
    if name != "spec_hash" {
        return refuse(format!(
            "`{{{name}}}` is unknown: the only field is `{{spec_hash}}`"
        ));
    }
    let Some(spec) = spec.filter(|spec| !spec.is_empty()) else {
        return Ok(spec_hash);
    };
    let digits = spec
        .strip_prefix('.')
        .and_then(|digits| digits.parse::<usize>().ok())
        .filter(|_| !spec.contains('+'));
    match digits {
        Some(digits) => Ok(&spec_hash[..digits.min(spec_hash.len())]),
        None => refuse(format!(
            "`:{spec}` is not supported: only a length can be given, as in `{{spec_hash:.8}}`"
        )),
    }
}
