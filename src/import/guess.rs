//! Guesses the kind of a source from its name or, failing that, its content.

use std::path::Path;

use super::flytekit;
use super::input::InputKind;

/// The kind of a source; `None` if neither name nor content identifies it.
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

/// What a file that cannot be imported is, and what to do instead.
type Look = (&'static str, &'static str);

const MANIFEST: Look = (
    "an imgspec manifest",
    "use it directly: `imgspec check -f FILE`, or name it in `workspace { include … }`",
);
const DOCKERFILE: Look = (
    "a Dockerfile",
    "an image can be built from it directly: `image \"name\" { dockerfile \"Dockerfile\" }`",
);
const REQUIREMENTS: Look = (
    "pip requirements",
    "name it in an image: `requirements \"requirements.txt\"`",
);
const PROJECT: Look = (
    "a Python project",
    "`imgspec init` writes a manifest for it",
);
const ENVD: Look = (
    "an envd script",
    "write an image with `builder \"envd\"` by hand",
);
const CONDA: Look = (
    "a conda environment",
    "name its packages in an image: `conda-packages \"…\"`, `conda-channels \"…\"`",
);
const OTHERS: &str =
    "import the file that defines its images: a bake file, or flytekit's ImageSpecs";
const KUBERNETES: Look = ("a Kubernetes object", OTHERS);
const WORKFLOW: Look = ("a CI workflow", OTHERS);

/// What a file that cannot be imported looks like, and what to do instead.
#[must_use]
pub fn looks_like(path: Option<&Path>, text: &str) -> Option<(&'static str, &'static str)> {
    let name = path.and_then(Path::file_name).unwrap_or_default();
    named(&name.to_string_lossy().to_lowercase()).or_else(|| written(text))
}

fn named(name: &str) -> Option<Look> {
    Some(match name {
        "uv.lock" | "poetry.lock" | "pyproject.toml" => PROJECT,
        _ if name.contains("dockerfile") => DOCKERFILE,
        _ if name.starts_with("requirements") => REQUIREMENTS,
        _ => match name.rsplit_once('.')?.1 {
            "kdl" => MANIFEST,
            "envd" => ENVD,
            _ => return None,
        },
    })
}

fn written(text: &str) -> Option<Look> {
    let is_key = |rest: &str| rest.starts_with(':');
    let keys = [
        (KUBERNETES, ["apiVersion", "kind"]),
        (CONDA, ["dependencies", "channels"]),
        (WORKFLOW, ["jobs", "on"]),
    ];
    if let Some((look, _)) = keys
        .into_iter()
        .find(|(_, keys)| has_key(text, *keys, is_key))
    {
        return Some(look);
    }
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(['#', '/']))?;
    let word = first.split([' ', '=', '{', '"', '(']).next()?;
    Some(match word.to_lowercase().as_str() {
        "image" | "workspace" | "defaults" | "template" => MANIFEST,
        "from" | "arg" => DOCKERFILE,
        "def" if first.starts_with("def build(") => ENVD,
        "-r" => REQUIREMENTS,
        _ if first.contains("==") => REQUIREMENTS,
        _ => return None,
    })
}

/// Whether a line starts with one of the words and `continues` accepts the rest of it.
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

    #[test]
    fn what_cannot_be_imported_is_told_by_what_it_looks_like() {
        for (name, text, what) in [
            ("imgspec.kdl", "", Some("an imgspec manifest")),
            (
                "x",
                "// mine\nimage \"a\" {\n}\n",
                Some("an imgspec manifest"),
            ),
            ("x", "image \"a\" {\n}\n", Some("an imgspec manifest")),
            ("Dockerfile.gpu", "", Some("a Dockerfile")),
            (
                "x",
                "# syntax=docker/dockerfile:1\n\nfrom debian\n",
                Some("a Dockerfile"),
            ),
            ("pyproject.toml", "[project]\n", Some("a Python project")),
            (
                "k.yaml",
                "apiVersion: v1\nkind: Pod\n",
                Some("a Kubernetes object"),
            ),
            (
                "env.yml",
                "name: x\ndependencies:\n- numpy\n",
                Some("a conda environment"),
            ),
            ("ci.yml", "on: push\njobs: {}\n", Some("a CI workflow")),
            ("build.envd", "def build():\n", Some("an envd script")),
            ("requirements-dev.txt", "", Some("pip requirements")),
            ("x", "# pins\nnumpy==1.0\n", Some("pip requirements")),
            ("x", "hello\n", None),
            ("-", "", None),
        ] {
            let told = looks_like(Some(Path::new(name)), text).map(|(what, _)| what);
            assert_eq!(told, what, "{name} {text}");
        }
    }
}
