//! flytekit's own results, through a manifest: each entry of the golden file that KDL can express has the same tag and
//! name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Map, Value};

use crate::sandbox::Sandbox;

/// Entries that no manifest can express, with the reason.
const INEXPRESSIBLE: &[(&str, &str)] = &[
    ("builder-config-both", "all values are texts"),
    ("builder-default", "the builder is called `docker`"),
    ("builder-options-tuple", "there are no tuples"),
    ("commands-empty", "what is empty is not said"),
    (
        "copy-dir-two-subdirs",
        "the tag follows the order in which the file system lists directories; here they were sorted",
    ),
    ("copy-dot", "the manifest itself is among the files"),
    ("copy-empty", "what is empty is not said"),
    ("copy-string-not-validated", "lists are lists"),
    ("env-empty", "what is empty is not said"),
    ("from-env", "what is empty is not said"),
    (
        "from-env-python-version",
        "a manifest has no environment to take versions from",
    ),
    ("invalid-apt_packages-string", "lists are lists"),
    ("invalid-builder-options-list", "maps are maps"),
    ("invalid-builder-options-string", "maps are maps"),
    ("invalid-commands-string", "lists are lists"),
    ("invalid-conda_channels-ints", "all values are texts"),
    ("invalid-entrypoint-string", "lists are lists"),
    ("invalid-packages-ints", "all values are texts"),
    ("invalid-packages-tuple", "there are no tuples"),
    ("invalid-pip_extra_index_url-string", "lists are lists"),
    ("invalid-runtime_packages-ints", "all values are texts"),
    (
        "invalid-secret-mounts-triple",
        "a mount has a file and a place",
    ),
    ("invalid-unknown-field", "there is no such field"),
    ("name-empty", "Docker refuses an empty name"),
    (
        "nested-secret-in-base",
        "envd cannot provide secrets to steps",
    ),
    (
        "noop-no-base",
        "an image that is not built is no image: its user names it as a base",
    ),
    ("packages-empty-list", "what is empty is not said"),
    ("pip-extra-index-empty", "what is empty is not said"),
    ("pip-secret-mounts", "a mount's place is absolute"),
    ("platform-empty-string", "an empty platform is none"),
    (
        "requirements",
        "it names a file that is not there, which flytekit does not follow",
    ),
    (
        "requirements-abs-path",
        "it names a file that is not there, which flytekit does not follow",
    ),
    (
        "requirements-whitespace-variant",
        "it names a file that is not there, which flytekit does not follow",
    ),
    (
        "source-no-copy",
        "an absolute path is hashed: no two machines agree",
    ),
    ("tag-format-braces", "Docker refuses a tag with braces"),
    ("yaml-310", "all values are texts"),
    ("yaml-basic", "all values are texts"),
    (
        "yaml-copy-mode-none",
        "in YAML the mode is a text, which flytekit takes for `ALL`",
    ),
    ("yaml-env-types", "all values are texts"),
    (
        "yaml-secret-mounts",
        "YAML has no tuples: flytekit refuses it",
    ),
    ("yaml-unknown-key", "flytekit refuses it"),
];

/// Fields with a single string, by their names in both.
const TEXTS: &[&str] = &[
    "name",
    "python_version",
    "registry",
    "pip_index",
    "pip_extra_args",
    "cuda",
    "cudnn",
    "python_exec",
    "tag_format",
    "builder",
    "platform",
];

/// Fields with a list of strings.
const LISTS: &[&str] = &[
    "packages",
    "conda_packages",
    "conda_channels",
    "apt_packages",
    "pip_extra_index_url",
    "commands",
    "runtime_packages",
    "entrypoint",
];

fn golden() -> Value {
    let text = include_str!("../data/imagespec-golden.json");
    serde_json::from_str(text).expect("the golden file")
}

/// A raw KDL string.
fn raw(text: &str) -> String {
    if text.contains(['\n', '\\']) {
        return serde_json::Value::from(text)
            .to_string()
            .replace("\\/", "/");
    }
    format!("#\"{text}\"#")
}

/// Converts a path of the golden file to one for a manifest.
fn relative(path: &str) -> String {
    let path = path
        .trim_start_matches("${WORKDIR}")
        .trim_start_matches('/');
    raw(if path.is_empty() { "." } else { path })
}

/// The nodes of a spec, or the field that cannot be expressed.
fn nodes(
    spec: &Map<String, Value>,
    hashed: &str,
    bases: &mut Vec<String>,
) -> Result<String, String> {
    let mut out = String::new();
    for (field, value) in spec {
        if value.is_null() {
            continue;
        }
        let node = field.replace('_', "-");
        let text = |value: &Value| {
            value
                .as_str()
                .map(raw)
                .ok_or(format!("`{field}` is not text"))
        };
        match field.as_str() {
            "base_image" if value.is_object() => {
                let inner = value.get("spec").unwrap_or(value);
                let inner = inner.as_object().ok_or("`base_image` is odd")?;
                let base = nodes(inner, hashed, bases)?;
                let id = format!("base-{}", bases.len());
                bases.push(format!("image \"{id}\" {{\n{base}}}\n"));
                let _ = writeln!(out, "base-image image=\"{id}\"");
            }
            "base_image" => {
                let _ = writeln!(out, "base-image {}", text(value)?);
            }
            "platform" => {
                let all = value.as_str().ok_or("`platform` is not text")?;
                let all: Vec<String> = all.split(',').map(raw).collect();
                let _ = writeln!(out, "platform {}", all.join(" "));
            }
            "requirements" | "source_root" | "registry_config" => {
                let path = value.as_str().ok_or(format!("`{field}` is not text"))?;
                let _ = writeln!(out, "{node} {}", relative(path));
            }
            "source_copy_mode" => {
                let mode = match value.as_str() {
                    Some("ALL") => "all",
                    Some("NO_COPY") => "none",
                    _ => return Err("the copy mode is none of a manifest's".into()),
                };
                let _ = writeln!(out, "source-copy-mode \"{mode}\"");
            }
            "copy" => {
                for path in value.as_array().ok_or("`copy` is not a list")? {
                    let path = path.as_str().ok_or("`copy` is not a list of strings")?;
                    let _ = writeln!(out, "copy {}", raw(path));
                }
                if value == &serde_json::json!([]) {
                    return Err("`copy` is an empty list".into());
                }
            }
            "env" | "builder_options" | "builder_config" => {
                let pairs = value
                    .as_object()
                    .ok_or(format!("`{field}` is not a mapping"))?;
                if pairs.is_empty() {
                    return Err(format!("`{field}` is empty"));
                }
                let mut pairs: Vec<(&String, &Value)> = pairs.iter().collect();
                // The golden file has the order of the text that flytekit hashes.
                pairs.sort_by_key(|(name, _)| hashed.find(&format!("'{name}': ")));
                for (name, value) in pairs {
                    let name = if field == "builder_config" {
                        name.replace('_', "-")
                    } else {
                        name.clone()
                    };
                    let _ = writeln!(out, "{node} {{ {} {} }}", raw(&name), text(value)?);
                }
            }
            "pip_secret_mounts" => {
                for pair in value.as_array().ok_or("no pairs")? {
                    let pair = pair.get("__tuple__").unwrap_or(pair);
                    let [from, to] = pair.as_array().ok_or("no pair")?.as_slice() else {
                        return Err("no pair".into());
                    };
                    let _ = writeln!(out, "{node} {} to={}", text(from)?, text(to)?);
                }
            }
            field if TEXTS.contains(&field) => {
                let _ = writeln!(out, "{node} {}", text(value)?);
            }
            field if LISTS.contains(&field) => {
                let list = value.as_array().ok_or(format!("`{field}` is not a list"))?;
                if list.is_empty() && field != "entrypoint" {
                    return Err(format!("`{field}` is an empty list"));
                }
                let list: Result<Vec<String>, String> = list.iter().map(text).collect();
                let _ = writeln!(out, "{node} {}", list?.join(" "));
            }
            other => return Err(format!("`{other}` is not a field")),
        }
    }
    Ok(out)
}

fn manifest(entry: &Value) -> Result<String, String> {
    let spec = entry.get("resolved_spec").or(entry.get("spec"));
    let spec = spec.and_then(Value::as_object).ok_or("it has no spec")?;
    let mut spec = spec.clone();
    if entry.get("machine").is_some() && !spec.contains_key("platform") {
        // What flytekit reads from the machine is set in the manifest.
        let platform = entry["expect"]["normalized"]["platform"].clone();
        spec.insert("platform".into(), platform);
    }
    let mut bases = Vec::new();
    let hashed = entry["expect"]["id_input"].as_str().unwrap_or_default();
    let nodes = nodes(&spec, hashed, &mut bases)?;
    Ok(format!(
        "defaults {{ flytekit \"1.16.31\" }}\n{}image \"it\" {{\n{nodes}}}\n",
        bases.concat()
    ))
}

fn lay_out(sandbox: &Sandbox, entry: &Value) {
    for (path, text) in entry
        .get("files")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if let Some(text) = text.as_str() {
            sandbox.write(path, text);
            continue;
        }
        let at = sandbox.path(path);
        std::fs::create_dir_all(at.parent().expect("a parent")).expect("a directory");
        if let Some(target) = text.get("symlink").and_then(Value::as_str) {
            std::os::unix::fs::symlink(target, at).expect("a link");
        } else {
            std::fs::create_dir_all(at).expect("a directory");
        }
    }
    if entry.get("git_init").is_some() {
        let folder = entry["git_init"].as_str().unwrap_or(".").to_owned();
        let folder = folder
            .trim_start_matches("${WORKDIR}")
            .trim_start_matches('/')
            .to_owned();
        let done = Command::new("git")
            .args(["init", "-q"])
            .current_dir(sandbox.path(&folder))
            .status();
        assert!(done.expect("git").success());
    }
}

fn is_refused(expect: &Value) -> bool {
    expect["error"].is_object() || expect["docker_error"].is_object()
}

#[test]
fn what_a_manifest_can_say_has_flytekits_tag_and_name() {
    let golden = golden();
    let mut different: BTreeMap<String, String> = BTreeMap::new();
    let mut same = 0;
    for entry in golden["entries"].as_array().expect("entries") {
        let name = entry["name"].as_str().expect("a name");
        let is_listed = INEXPRESSIBLE.iter().any(|(known, _)| *known == name);
        let said = manifest(entry).and_then(|manifest| {
            let sandbox = Sandbox::new();
            lay_out(&sandbox, entry);
            sandbox.write("imgspec.kdl", &manifest);
            let ran = sandbox.run(&["tag", "--format", "json", "it"]);
            if ran.code != Some(0) {
                let first = ran.stderr.lines().next().unwrap_or_default().to_owned();
                return Err(format!("refused: {first}"));
            }
            let reference = ran.json()[0]["reference"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            Ok(reference)
        });
        let expected = entry["expect"]["image_name"].as_str();
        let problem = match (said, expected) {
            (Ok(reference), Some(expected)) if reference == expected => {
                same += 1;
                None
            }
            (Ok(reference), Some(expected)) => Some(format!("{reference} is not {expected}")),
            (Ok(reference), None) => Some(format!("{reference}, where flytekit gives none")),
            // flytekit rejects this too, but only when building.
            (Err(why), _) if why.starts_with("refused") && is_refused(&entry["expect"]) => {
                same += 1;
                None
            }
            (Err(why), _) => Some(why),
        };
        match (problem, is_listed) {
            (Some(problem), false) => {
                different.insert(name.to_owned(), problem);
            }
            // Some file systems do sort.
            (None, true) if name != "copy-dir-two-subdirs" => {
                different.insert(name.to_owned(), "it can be said after all".to_owned());
            }
            _ => {}
        }
    }
    let told: Vec<String> = different
        .iter()
        .map(|(name, problem)| format!("{name}: {problem}"))
        .collect();
    assert!(
        told.is_empty(),
        "{same} are the same; not so:\n{}",
        told.join("\n")
    );
}

/// flytekit's decision to build depending on whether it knows that an image exists: `should_build` in the golden file.
#[test]
fn what_is_built_is_decided_as_by_flytekit_but_for_what_nobody_knows() {
    for row in golden()["tables"]["should_build"].as_array().expect("rows") {
        let (force, fast) = (row["force_push"] == true, row["fast_fail"] == true);
        let mut sandbox = Sandbox::with(&[(
            "imgspec.kdl",
            "image \"it\" { flytekit \"1.16.31\"; python-exec \"/usr/bin/python3\" }\n",
        )]);
        sandbox.build(&[]).success();
        let stored = sandbox.path(".imgspec/fake/local");
        let stored = walk(&stored).pop().expect("the fake's image");
        match row["exist"].as_bool() {
            Some(true) => {}
            Some(false) => std::fs::remove_file(&stored).expect("it is removed"),
            // What cannot be read decides nothing.
            None => std::fs::write(&stored, "not JSON").expect("it is written"),
        }
        sandbox.built();
        if force {
            sandbox = sandbox.env("FLYTE_FORCE_PUSH_IMAGE_SPEC", "");
        }
        if fast {
            sandbox = sandbox.env("FLYTE_IMG_FAST_FAIL", "1");
        }
        let ran = sandbox.build(&[]);
        let is_built = sandbox.built() == ["it"];
        let expected = match (row["exist"].as_bool(), row["should_build"].as_bool()) {
            // Existence is unknown: flytekit assumes that it exists, and may run a task on a missing image; here it is
            // built.
            (None, Some(false)) => true,
            (None, None) => {
                assert_eq!(ran.code, Some(2), "{row}: {}", ran.stderr);
                false
            }
            (_, should_build) => should_build.expect("an answer"),
        };
        assert_eq!(is_built, expected, "{row}: {}", ran.stderr);
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a directory").flatten() {
        if entry.path().is_dir() {
            files.extend(walk(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

#[test]
fn our_flags_go_before_flytekits_variables() {
    let sandbox = Sandbox::with(&[(
        "imgspec.kdl",
        "image \"it\" { flytekit \"1.16.31\"; registry \"localhost:1/x\"; python-exec \"/usr/bin/python3\" }\n\
         image \"other\" { registry \"localhost:1/x\"; base-image \"scratch\" }\n",
    )])
    .env("FLYTE_PUSH_IMAGE_SPEC", "True")
    .env("FLYTE_IMG_FAST_FAIL", "1");
    let pushed = |ran: &crate::sandbox::Ran| -> Vec<String> {
        let events = ran
            .stderr
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let pushed = events.filter(|event| event["event"] == "image-pushed");
        pushed
            .map(|event| event["image"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let ran = sandbox.build(&["--progress", "json"]).success();
    assert_eq!(pushed(&ran), ["it"], "only what flytekit names");
    let ran = sandbox.build(&["--progress", "json", "--push"]).success();
    assert_eq!(pushed(&ran), ["other"]);
    for stored in walk(&sandbox.path(".imgspec/fake")) {
        if stored.extension().is_none_or(|end| end != "log") {
            std::fs::write(stored, "not JSON").expect("it is written");
        }
    }
    assert_eq!(sandbox.build(&["it"]).code, Some(2));
    sandbox.build(&["it", "--when-unknown", "build"]).success();
}
