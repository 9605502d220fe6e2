//! Tags, and the formats that make them.

use super::refused::{Refused, halves, refuse, refuse_if, require};

/// Checks a tag.
pub(crate) fn check_tag(tag: &str) -> Result<(), Refused> {
    refuse_if(tag.is_empty(), "a tag cannot be empty")?;
    if tag.len() > 128 {
        return refuse(format!(
            "the tag would have {} characters, and Docker takes at most 128",
            tag.len()
        ));
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(c) = tag.chars().find(|c| !word(*c) && !matches!(c, '.' | '-')) {
        return refuse(format!(
            "Docker takes no `{}` in a tag: only letters, digits, `_`, `.`, `-`",
            c.escape_debug()
        ));
    }
    require(tag.starts_with(word), "a tag cannot begin with `.` or `-`")
}

/// Checks a tag format by making a tag of it.
pub(crate) fn check_tag_format(format: &str) -> Result<(), Refused> {
    check_tag(&format_tag(format, &"0123456789abcdef".repeat(2))?)
}

/// Fills a tag format as Python's `str.format` would: `{spec_hash}`, `{spec_hash:.8}`, `{{` and `}}`.
pub(crate) fn format_tag(format: &str, spec_hash: &str) -> Result<String, Refused> {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
            continue;
        }
        let Some((field, after)) = rest.split_once('}').filter(|_| brace == "{") else {
            return refuse(format!("a `{brace}` has no counterpart"));
        };
        out.push_str(fill_field(field, spec_hash)?);
        rest = after;
    }
    Ok(out + rest)
}

fn fill_field<'a>(field: &str, spec_hash: &'a str) -> Result<&'a str, Refused> {
    let (name, spec) = halves(field, ':');
    if name != "spec_hash" {
        return refuse(format!(
            "`{{{name}}}` is unknown: the one field is `{{spec_hash}}`"
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
            "`:{spec}` is unknown: only a length can be given, as in `{{spec_hash:.8}}`"
        )),
    }
}
