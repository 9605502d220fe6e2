//! Which kind of file it is, by its name and, where that says nothing, by what is in it.
//!
//! Pure text.

use std::path::Path;

use super::Kind;

/// The kind of a file; none when nothing tells.
#[must_use]
pub fn guess(path: Option<&Path>, text: &str) -> Option<Kind> {
    let name = path
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().to_lowercase());
    let name = name.unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "py" => Some(Kind::Python),
        "hcl" | "json" => Some(Kind::Bake),
        "yml" | "yaml" if is_compose(&name, text) => Some(Kind::Bake),
        "yml" | "yaml" => Some(Kind::Yaml),
        _ if text.trim_start().starts_with('{') => Some(Kind::Bake),
        _ if has_key(text, &["target", "variable", "group"], |rest| {
            rest.trim_start().starts_with('"')
        }) =>
        {
            Some(Kind::Bake)
        }
        _ if text.contains("ImageSpec(") => Some(Kind::Python),
        _ if is_compose(&name, text) => Some(Kind::Bake),
        _ if has_key(text, super::flytekit::FIELDS, |rest| rest.starts_with(':')) => {
            Some(Kind::Yaml)
        }
        _ => None,
    }
}

/// Whether it is a Compose file, which bake reads too.
fn is_compose(name: &str, text: &str) -> bool {
    ["docker-bake", "docker-compose", "compose."]
        .iter()
        .any(|start| name.starts_with(start))
        || has_key(text, &["services"], |rest| rest.starts_with(':'))
}

/// Whether a line begins with one of these words, and goes on as it should.
fn has_key(text: &str, words: &[&str], goes_on: fn(&str) -> bool) -> bool {
    text.lines().any(|line| {
        words
            .iter()
            .any(|word| line.strip_prefix(word).is_some_and(goes_on))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_and_else_the_text() {
        for (name, text, kind) in [
            ("a.py", "", Some(Kind::Python)),
            ("docker-bake.hcl", "", Some(Kind::Bake)),
            ("x.JSON", "", Some(Kind::Bake)),
            ("gpu.yaml", "packages: []", Some(Kind::Yaml)),
            ("docker-bake.yml", "", Some(Kind::Bake)),
            ("stack.yml", "services:\n  a: {}", Some(Kind::Bake)),
            ("-", "{\"target\": {}}", Some(Kind::Bake)),
            ("-", "target \"a\" {}", Some(Kind::Bake)),
            ("-", "packages:\n- numpy\n", Some(Kind::Yaml)),
            ("x", "a = ImageSpec(name='x')", Some(Kind::Python)),
            ("x", "hello", None),
        ] {
            assert_eq!(guess(Some(Path::new(name)), text), kind, "{name} {text}");
        }
    }
}
