//! A real flytekit finds the built images: it computes their names itself and looks them up in the registry.
//!
//! Needs a Python with flytekit (`IMGSPEC_TEST_FLYTEKIT`), which `tests/run` sets up.

use std::collections::BTreeMap;
use std::process::Command;

use crate::sandbox::{Ran, Sandbox};
use crate::{docker, engines, nonce, on, printed, references, remove, told};

const MANIFEST: &str = r#"
defaults { flytekit "1.16.31"; registry "REGISTRY/NONCE"; python-exec "/usr/bin/python3" }
image "base" {
    name "base"
    packages "iniconfig==2.0.0"
    pip-extra-args "--no-deps"
    env GREETING="hello \"you\""
}
image "child" {
    name "child"
    base-image image="base"
    requirements "requirements.txt"
    pip-extra-args "--no-deps"
    copy "data"
    commands "echo built > /root/said"
}
image "sources" {
    source-root "src"
    source-copy-mode "all"
    packages "flytekit==1.16.31"
    pip-extra-args "--no-deps"
    tag-format "{spec_hash}-cpu"
    builder-options x="y"
    runtime-packages "six" "attrs"
}
"#;

/// The same three, in Python.
const SPECS: &str = r#"
import os
from flytekit import ImageSpec
from flytekit.constants import CopyFileDetection

common = dict(registry="REGISTRY/NONCE", python_exec="/usr/bin/python3", pip_extra_args="--no-deps")
base = ImageSpec(name="base", packages=["iniconfig==2.0.0"], env={"GREETING": 'hello "you"'}, **common)
child = ImageSpec(name="child", base_image=base, requirements="requirements.txt", copy=["data"], commands=["echo built > /root/said"], **common)
sources = ImageSpec(
    source_root=os.path.abspath("src"), source_copy_mode=CopyFileDetection.ALL, packages=["flytekit==1.16.31"],
    tag_format="{spec_hash}-cpu", builder_options={"x": "y"}, runtime_packages=["six", "attrs"], **common,
)
"#;

/// flytekit's output about them.
const ASK: &str = "from specs import base, child, sources
for spec in (base, child, sources):
    print(spec.image_name(), spec.exist(), spec.id)
";

#[test]
fn flytekit_itself_finds_what_was_pushed() {
    let python = std::env::var("IMGSPEC_TEST_FLYTEKIT")
        .expect("tests/run says where a Python with flytekit is");
    if python == "none" {
        // `tests/run` could not set one up, and reports at its end that this was skipped.
        return;
    }
    let registry =
        std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where a registry is");
    for (store, engine) in engines() {
        let nonce = format!("flyte-{}", nonce());
        let sandbox = on(&engine);
        let own = |text: &str| text.replace("REGISTRY", &registry).replace("NONCE", &nonce);
        let files = [
            ("imgspec.kdl", own(MANIFEST)),
            ("specs.py", own(SPECS)),
            ("ask.py", ASK.to_owned()),
            (
                "requirements.txt",
                "\n# what it needs\nflytekit==1.16.31\n\n".to_owned(),
            ),
            ("data/one.txt", "1".to_owned()),
            ("src/flow.py", "x = 1\n".to_owned()),
            ("src/pkg/__init__.py", String::new()),
            ("src/__pycache__/flow.pyc", "left out".to_owned()),
        ];
        for (path, text) in files {
            sandbox.write(path, &text);
        }
        let ask = || {
            let mut flytekit = Command::new(&python);
            let flytekit = flytekit.arg("ask.py").current_dir(sandbox.root());
            Ran::of(flytekit.env("DOCKER_HOST", &engine))
                .success()
                .stdout
        };
        let before = ask();
        assert_eq!(before.matches(" False ").count(), 3, "{store}: {before}");
        sandbox.run(&["graph", "build", "--push"]).success();
        let references = references(&sandbox);
        let after = ask();
        for (line, id) in after.lines().zip(["base", "child", "sources"]) {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[0], references[id], "{store}: {id}");
            assert_eq!(words[1], "True", "{store}: {id}");
            let container = "id -un; pwd; echo $PYTHONPATH; echo $_F_IMG_ID";
            // The id contains the source directory as written: absolute in Python, relative in a manifest.
            let flytekits = if id == "sources" {
                told(&engine, words[0], "{{index .Config.Env}}")
                    .split("_F_IMG_ID=")
                    .nth(1)
                    .and_then(|rest| rest.split([' ', ']']).next())
                    .unwrap()
                    .to_owned()
            } else {
                words[2].to_owned()
            };
            let expected = format!("flytekit\n/root\n/root\n{flytekits}");
            assert_eq!(
                printed(&engine, words[0], container),
                expected,
                "{store}: {id}"
            );
        }
        holds_what_it_should(&engine, &references);
        let again = sandbox.run(&["graph", "build", "--push"]).success();
        assert!(
            again.stderr.contains("fresh 3 in"),
            "{store}: {}",
            again.stderr
        );
        // An input that flytekit's tag ignores: the image changes, its name does not.
        let changed = MANIFEST.replace("copy \"data\"", "copy \"data\" to=\"/elsewhere\"");
        sandbox.write("imgspec.kdl", &own(&changed));
        let plan = sandbox
            .run(&["graph", "plan", "--format", "json"])
            .success()
            .json();
        let builds: Vec<&serde_json::Value> = plan["images"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|image| image["action"] == "build")
            .collect();
        assert_eq!(builds.len(), 1, "{store}: {plan}");
        assert_eq!(builds[0]["image"], "child", "{store}");
        assert_eq!(
            crate::references(&sandbox)["child"],
            references["child"],
            "{store}"
        );
        remove(&engine, &references);
        let _ = docker(&engine, &["image", "prune", "--force"]);
    }
}

fn holds_what_it_should(engine: &str, references: &BTreeMap<String, String>) {
    let versions =
        "cd /; python3 -c 'import importlib.metadata as m; print(m.version(\"flytekit\"))'";
    for reference in references.values() {
        assert_eq!(
            printed(engine, reference, versions),
            "1.16.31",
            "{reference}"
        );
    }
    let child = "cat /root/said /root/data/one.txt; stat -c %U /root/data/one.txt; echo $GREETING";
    assert_eq!(
        printed(engine, &references["child"], child),
        "built\n1flytekit\nhello \"you\""
    );
    let sources = "cd /root; ls -A flow.py pkg; ls __pycache__ 2>/dev/null; touch flow.py && echo mine; echo $_F_RUNTIME_PACKAGES";
    assert_eq!(
        printed(engine, &references["sources"], sources),
        "flow.py\n\npkg:\n__init__.py\nmine\nsix attrs"
    );
}

#[test]
fn a_python_file_becomes_a_manifest_whose_images_have_the_same_names() {
    let python = std::env::var("IMGSPEC_TEST_FLYTEKIT")
        .expect("tests/run says where a Python with flytekit is");
    if python == "none" {
        return;
    }
    let sandbox = Sandbox::new();
    for (path, text) in [
        (
            "specs.py",
            SPECS
                .replace("REGISTRY", "localhost:5000")
                .replace("NONCE", "team"),
        ),
        ("names.py", ASK.replace(", spec.exist(), spec.id", "")),
        ("requirements.txt", "flytekit==1.16.31\n".to_owned()),
        ("data/one.txt", "1".to_owned()),
        ("src/flow.py", "x = 1\n".to_owned()),
    ] {
        sandbox.write(path, &text);
    }
    let mut flytekit = Command::new(&python);
    let flytekit = flytekit.arg("names.py").current_dir(sandbox.root());
    let names = Ran::of(flytekit).success().stdout;
    let import = [
        "import",
        "specs.py",
        "--python",
        &python,
        "--flytekit",
        "1.16.31",
        "-o",
        "imgspec.kdl",
    ];
    sandbox.run(&import).success();
    sandbox.run(&["check"]).success();
    let references = references(&sandbox);
    let expected: Vec<&str> = names.lines().collect();
    let found: Vec<&str> = ["base", "child", "sources"]
        .map(|id| references[id].as_str())
        .to_vec();
    assert_eq!(found, expected, "{}", sandbox.read("imgspec.kdl"));
}
