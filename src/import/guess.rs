//! The kind of a source, by its name or, where that says nothing, by its content.

use std::path::Path;

use super::flytekit;
use super::input::InputKind;

/// The kind of a source; none when nothing tells.
#[must_use]
pub fn guess(path: Option<&Path>, text: &str) -> Option<InputKind> {
    let name = path.and_then(Path::file_name).unwrap_or_default();
    let name = name.to_string_lossy().to_lowercase();
    let is_key = |rest: &str| rest.starts_with(':');
    let is_block = |rest: &str| rest.trim_start().starts_with('"');
    let is_compose = ["docker-bake", "docker-compose", "compose."]
        .iter()
        .any(|start| name.starts_with(start))
        || has_key(text, ["services"], is_key);
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "py" => Some(InputKind::Python),
        "hcl" | "json" => Some(InputKind::Bake),
        // Bake reads Compose files too.
        "yml" | "yaml" if is_compose => Some(InputKind::Bake),
        "yml" | "yaml" => Some(InputKind::Yaml),
        _ if text.trim_start().starts_with('{') => Some(InputKind::Bake),
        _ if has_key(text, ["target", "variable", "group"], is_block) => Some(InputKind::Bake),
        _ if text.contains("ImageSpec(") => Some(InputKind::Python),
        _ if is_compose => Some(InputKind::Bake),
        _ if has_key(text, flytekit::field_names(), is_key) => Some(InputKind::Yaml),
        _ => None,
    }
}

/// Whether a line begins with one of these words and continues as it should.
fn has_key<'a>(
    text: &str,
    words: impl IntoIterator<Item = &'a str>,
    continues: fn(&str) -> bool,
) -> bool {
    let mut words = words.into_iter();
    words.any(|word| {
        text.lines()
            .any(|line| line.strip_prefix(word).is_some_and(continues))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_and_else_the_text() {
        for (name, text, kind) in [
            ("a.py", "", Some(InputKind::Python)),
            ("docker-bake.hcl", "", Some(InputKind::Bake)),
            ("x.JSON", "", Some(InputKind::Bake)),
            ("gpu.yaml", "packages: []", Some(InputKind::Yaml)),
            ("docker-bake.yml", "", Some(InputKind::Bake)),
            ("stack.yml", "services:\n  a: {}", Some(InputKind::Bake)),
            ("-", "{\"target\": {}}", Some(InputKind::Bake)),
            ("-", "target \"a\" {}", Some(InputKind::Bake)),
            ("-", "packages:\n- numpy\n", Some(InputKind::Yaml)),
            ("x", "a = ImageSpec(name='x')", Some(InputKind::Python)),
            ("x", "hello", None),
        ] {
            assert_eq!(guess(Some(Path::new(name)), text), kind, "{name} {text}");
        }
    }
}
