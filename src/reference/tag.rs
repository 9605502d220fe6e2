//! Tags, and the formats that make them.

use super::Refused;

/// Checks a tag.
///
/// # Errors
/// When Docker would refuse it.
pub fn check_tag(tag: &str) -> Result<(), Refused> {
    if tag.is_empty() {
        return Err(Refused::because("a tag cannot be empty"));
    }
    if tag.len() > 128 {
        return Err(Refused::because(format!(
            "the tag would have {} characters, and Docker takes at most 128",
            tag.len()
        )));
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(c) = tag.chars().find(|c| !word(*c) && !matches!(c, '.' | '-')) {
        return Err(Refused::because(format!(
            "Docker takes no `{}` in a tag: only letters, digits, `_`, `.`, `-`",
            c.escape_debug()
        )));
    }
    if !tag.starts_with(word) {
        return Err(Refused::because("a tag cannot begin with `.` or `-`"));
    }
    Ok(())
}

/// Checks a tag format by making a tag of it.
///
/// # Errors
/// When the format is wrong, or Docker would refuse the tag.
pub fn check_tag_format(format: &str) -> Result<(), Refused> {
    check_tag(&format_tag(format, &"0123456789abcdef".repeat(2))?)
}

/// Fills a tag format as Python's `str.format` would: `{spec_hash}`, `{spec_hash:.8}`, `{{` and `}}`.
///
/// # Errors
/// When it holds anything else in braces.
pub fn format_tag(format: &str, spec_hash: &str) -> Result<String, Refused> {
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
            return Err(Refused::because(format!("a `{brace}` stands alone")));
        };
        out.push_str(fill_field(field, spec_hash)?);
        rest = after;
    }
    Ok(out + rest)
}

fn fill_field<'a>(field: &str, spec_hash: &'a str) -> Result<&'a str, Refused> {
    let (name, spec) = field
        .split_once(':')
        .map_or((field, None), |(name, spec)| (name, Some(spec)));
    if name != "spec_hash" {
        return Err(Refused::because(format!(
            "`{{{name}}}` is unknown: the one field is `{{spec_hash}}`"
        )));
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
        None => Err(Refused::because(format!(
            "`:{spec}` is unknown: only a length can be given, as in `{{spec_hash:.8}}`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_formats_are_python_s_and_make_tags() {
        let hash = "0123456789abcdef";
        let tag = |format| format_tag(format, hash).unwrap();
        assert_eq!(tag("{spec_hash}-cpu"), "0123456789abcdef-cpu");
        assert_eq!(tag("v1-{spec_hash:.4}"), "v1-0123");
        assert_eq!(tag("{spec_hash:}"), hash);
        assert_eq!(tag("{spec_hash:.99}"), hash);
        assert_eq!(tag("a{{b}}c"), "a{b}c");
        for format in [
            "{}",
            "{x}",
            "{spec_hash:8}",
            "{spec_hash!r}",
            "{spec_hash",
            "x}",
            "{spec_hash:.+8}",
            "",
            "-{spec_hash}",
            "a b",
            "{{x}}",
        ] {
            assert!(check_tag_format(format).is_err(), "{format}");
        }
        assert!(check_tag_format(&format!("{}{{spec_hash}}", "a".repeat(97))).is_err());
        assert!(check_tag_format(&format!("{}{{spec_hash}}", "a".repeat(96))).is_ok());
    }
}
