//! Python files, executed by the machine's Python with the fake flytekit next to this file.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use super::{refused, said};
use crate::sandbox::{Sandbox, is_there};

const FLYTEKIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/import/site");

const FLOW: &str = r#"
import os
from flytekit import ImageSpec, task, workflow
from flytekit.constants import CopyFileDetection

print("words that are no result")
base = ImageSpec(name="base", registry="ghcr.io/acme", python_version="3.12", apt_packages=["git"])
GPU_IMAGE = ImageSpec(
    name="gpu",
    base_image=base,
    registry="ghcr.io/acme",
    requirements=os.path.join(os.path.dirname(__file__), "requirements.txt"),
    source_root="src",
    source_copy_mode=CopyFileDetection.NO_COPY,
    env={"A": 1, "B": "b", "C": None, "D": True},
    pip_secret_mounts=[("netrc", "/root/.netrc")],
    python_version=3.1,
)
again = base
more = {"slim": base.with_packages(["six"]).force_push(), "same": ImageSpec(name="gpu", packages=[]), "none": [1, None]}

@task(container_image=GPU_IMAGE)
def train(): ...

@task(container_image=ImageSpec(name="inline", base_image=ImageSpec(name="deep", copy=["src"])))
def score(): ...

@workflow
def all_of_it(): ...
"#;

/// A sandbox whose Python has the fake flytekit.
fn with_flytekit(flow: &str) -> Sandbox {
    let files = [
        ("flow.py", flow),
        ("requirements.txt", "six\n"),
        ("src/a.py", ""),
    ];
    Sandbox::with(&files).env("PYTHONPATH", FLYTEKIT)
}

#[test]
fn a_python_file_becomes_a_manifest() {
    let sandbox = with_flytekit(FLOW);
    assert_snapshot!(said(&sandbox.run(&["import", "flow.py"]).success()), @r#"
    // From flow.py, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "base" {
        registry "ghcr.io/acme"
        name "base"
        apt-packages "git"
        python-version "3.12"
    }

    // Used by flow.train.
    image "gpu-image" {
        registry "ghcr.io/acme"
        name "gpu"
        base-image image="base"
        python-version "3.1"
        requirements "requirements.txt"
        pip-secret-mounts "netrc" to="/root/.netrc"
        env A="1" B="b" D="True"
        source-root "src"
        source-copy-mode "none"
    }

    image "more-slim" {
        registry "ghcr.io/acme"
        name "base"
        apt-packages "git"
        python-version "3.12"
        packages "six"
    }

    image "more-same" {
        name "gpu"
    }

    image "score-base" {
        name "deep"
        copy "src"
    }

    // Used by flow.score.
    image "score" {
        name "inline"
        base-image image="score-base"
    }

    running flow.py with PYTHON to find the ImageSpecs it creates
    note: gpu-image: `env.A` is a number: taken as the string `1`, so the tag differs from flytekit's; quote it in the source
      --> flow.py:8
    note: gpu-image: `env.C` is left out: it has no value, which flytekit sets to `None`
      --> flow.py:8
    note: gpu-image: `env.D` is a boolean: taken as `True`, which flytekit sets too, but the tag differs from flytekit's
      --> flow.py:8
    note: gpu-image: `python_version` is a number (which `3.10` without quotes is too): taken as the string `3.1`, so the tag differs from flytekit's; quote it in the source
      --> flow.py:8
    note: more-slim: `force_push` is left out: use `imgspec graph build --force` to build what exists already
    note: more-same: `packages` is left out: it is an empty list, so the tag differs from flytekit's
    note: more-same, score-base, score: `python_version` is not set: flytekit takes the version of the Python that runs it; add `python-version` if the base has no Python
    6 images, 9 notes; `-o imgspec.kdl` writes it to a file
    "#);
    assert!(!is_there(&sandbox.path("__pycache__")));
}

#[test]
fn the_profile_is_that_of_the_flytekit_that_is_found_or_named() {
    let sandbox = with_flytekit(
        "from flytekit import ImageSpec\nimport flytekit\nflytekit.__version__ = '0.0.0+develop'\na = ImageSpec()\n",
    );
    sandbox
        .run(&["import", "flow.py"])
        .success()
        .says("flytekit \"1.16.31\"")
        .says("whose tags are unknown");
    let ran = sandbox
        .run(&["import", "flow.py", "--flytekit", "1.16.0"])
        .success();
    assert!(!ran.stderr.contains("whose tags"));
    ran.says("flytekit \"1.16.0\"");
}

#[test]
fn a_file_of_a_package_is_imported_as_part_of_it() {
    let sandbox = Sandbox::with(&[
        ("app/__init__.py", ""),
        ("app/flows/__init__.py", ""),
        ("app/flows/train.py", "from ..images import base\nfrom . import other\nspec = base\n"),
        ("app/flows/other.py", ""),
        ("app/images.py", "from flytekit import ImageSpec\nbase = ImageSpec(name='base')\n"),
        ("beside/flow.py", "import helper\n"),
        ("beside/helper.py", "from flytekit import ImageSpec, task\n@task(container_image=ImageSpec(name='used'))\ndef f(): ...\n"),
    ])
    .env("PYTHONPATH", FLYTEKIT);
    sandbox
        .run(&["import", "app/flows/train.py"])
        .success()
        .says("image \"base\"");
    sandbox
        .run(&["import", "beside/flow.py"])
        .success()
        .says("// Used by helper.f.")
        .says("name \"used\"");
}

#[test]
fn images_of_pod_templates_are_found() {
    let flow = r#"
from types import SimpleNamespace as N
from flytekit import ImageSpec, task
pod = N(pod_spec=N(containers=[N(image=ImageSpec(name="side")), N(image="debian")], init_containers=None))
@task(pod_template=pod)
def train(): ...
"#;
    with_flytekit(flow)
        .run(&["import", "flow.py"])
        .success()
        .says("image \"train\"")
        .says("name \"side\"");
}

#[test]
fn a_python_file_that_fails_is_shown_where_it_does() {
    let mut told = String::new();
    for flow in [
        "from flytekit import ImageSpec\n\nspec = ImageSpec(nmae='x')\n",
        "import not_installed_anywhere\n",
        "def f(:\n",
        "import sys\nsys.exit('bye')\n",
        "import os\nprint('last words')\nos._exit(3)\n",
        "x = 1\n",
        "import sys\nsys.modules['flyte'] = sys\n",
    ] {
        told += &refused(&with_flytekit(flow), &["flow.py"]);
    }
    // Python's message for an error differs between versions.
    let told: Vec<&str> = told
        .lines()
        .filter(|line| !line.contains("invalid syntax") && !line.contains("unexpected keyword"))
        .collect();
    assert_snapshot!(told.join("\n"), @"
     --> flow.py:3:1
      |
    3 | spec = ImageSpec(nmae='x')
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: it was run by `python3`; `--python` names another

    1 error
    error[python]: `flow.py` cannot be imported: ModuleNotFoundError: No module named 'not_installed_anywhere'
     --> flow.py:1:1
      |
    1 | import not_installed_anywhere
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: it was run by `python3`; `--python` names another

    1 error
     --> flow.py:1:1
      |
    1 | def f(:
      | ^^^^^^^
      |
      = help: it was run by `python3`; `--python` names another

    1 error
    error[python]: `flow.py` cannot be imported: SystemExit: bye
     --> flow.py:2:1
      |
    2 | sys.exit('bye')
      | ^^^^^^^^^^^^^^^
      |
      = help: it was run by `python3`; `--python` names another

    1 error
    error[python]: `python3` exited before it had imported `flow.py`
     |
     = help: its last output:
             last words

    1 error
    error[no-image]: `flow.py` defines no ImageSpec
     |
     = help: only variables of the file and the images of its tasks and workflows are searched

    1 error
    error[no-image]: `flow.py` defines no ImageSpec
     |
     = help: it uses flyte 2, whose `flyte.Image` is not supported

    1 error
    ");
}

#[test]
fn a_python_without_flytekit_is_told_what_to_do() {
    let sandbox = Sandbox::with(&[("flow.py", FLOW)]);
    sandbox.write(
        "none/flytekit.py",
        "raise ImportError('no', name='flytekit')\n",
    );
    let none = sandbox.path("none").to_string_lossy().into_owned();
    let sandbox = sandbox.env("PYTHONPATH", &none);
    assert_snapshot!(refused(&sandbox, &["flow.py"]), @"
    error[no-flytekit]: `python3` has no flytekit, which the file imports
     |
     = help: select the Python that your workflows use, such as `--python .venv/bin/python`
     = help: or install it there: `python3 -m pip install flytekit`

    1 error
    ");
    sandbox
        .run(&["import", "flow.py", "--python", "./none"])
        .code(2)
        .says("cannot start");
    sandbox
        .run(&["import", "flow.py", "--python", "no-such-python"])
        .code(2)
        .says("not found");
}

#[test]
fn the_python_of_the_virtual_environment_is_taken() {
    let sandbox = with_flytekit(FLOW);
    sandbox.write(
        "venv/bin/python",
        "#!/bin/sh\necho \"ran $0\" > ran\nexec python3 \"$@\"\n",
    );
    std::fs::set_permissions(
        sandbox.path("venv/bin/python"),
        PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let venv = sandbox.path("venv").to_string_lossy().into_owned();
    let sandbox = sandbox.env("VIRTUAL_ENV", &venv);
    sandbox
        .run(&["import", "flow.py"])
        .success()
        .says("venv/bin/python to find");
    assert!(sandbox.read("ran").contains("venv/bin/python"));
}

#[test]
fn a_python_file_that_does_not_end_is_given_up() {
    let sandbox =
        with_flytekit("import time\nwhile True:\n    print('x' * 1000)\n    time.sleep(0.01)\n");
    let begun = Instant::now();
    sandbox
        .run(&["import", "flow.py", "--timeout", "1"])
        .code(2)
        .says("took longer than 1 s")
        .says("__main__");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_interrupt_ends_the_import() {
    let sandbox = with_flytekit("import time\nopen('begun', 'w').close()\ntime.sleep(60)\n");
    let mut child = sandbox.spawn(&["import", "flow.py"]);
    let begun = Instant::now();
    while !is_there(&sandbox.path("begun")) && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// What `imgspec.flytekit` writes of two specs, the second on the first.
fn handed_over(directory: &str) -> String {
    serde_json::json!({
        "flytekit": "1.16.31",
        "directory": directory,
        "specs": [
            {
                "names": ["base"], "used_by": [], "base": null, "line": null, "force": false,
                "id": "3kQmFH5d_tZ0aR5b0wF-2A", "python": "3.12", "files": [],
                "fields": {"name": "base", "builder": "imgspec", "requirements": "../requirements.txt", "env": {"map": [["A", "{{ b }} \"#c\" $D"]]}},
            },
            {
                "names": ["child"], "used_by": ["flow.child"], "base": 0, "line": null, "force": false,
                "id": "4kQmFH5d_tZ0aR5b0wF-2A", "python": "3.12", "files": ["lib/a.py"],
                "fields": {
                    "name": "child", "python_version": "3.11", "source_root": directory, "base_image": {"spec": 0},
                    "source_copy_mode": "CopyFileDetection.LOADED_MODULES",
                },
            },
        ],
    })
    .to_string()
}

#[test]
fn specs_of_a_running_python_keep_what_only_it_knows() {
    let sandbox = Sandbox::with(&[("requirements.txt", "six\n"), ("flows/lib/a.py", "x = 1\n")]);
    let given = handed_over(&sandbox.path("flows").to_string_lossy());
    let import = ["import", "--from", "specs", "-", "--format", "json"];
    let json = sandbox.fed(&given, &import).success().json();
    assert_eq!(json["images"], serde_json::json!(["base", "child"]));
    assert_eq!(json["notes"], serde_json::json!([]));
    let manifest = json["manifest"].as_str().unwrap();
    assert_snapshot!(manifest, @r###"
    // From standard input, by `imgspec import`.

    defaults {
        flytekit "1.16.31"
    }

    image "base" {
        flytekit-id "3kQmFH5d_tZ0aR5b0wF-2A"
        flytekit-python "3.12"
        name "base"
        requirements "requirements.txt"
        env A=##"{{ b }} "#c" $D"##
    }

    // Used by flow.child.
    image "child" {
        flytekit-id "4kQmFH5d_tZ0aR5b0wF-2A"
        name "child"
        base-image image="base"
        python-version "3.11"
        source-root "flows"
        source-files "lib/a.py"
    }
    "###);
    sandbox.fed(manifest, &["-f", "-", "check"]).success();
    let explained = sandbox.fed(manifest, &["-f", "-", "explain", "base"]);
    explained
        .success()
        .says("3kQmFH5d_tZ0aR5b0wF-2A")
        .says("python-version");
}

#[test]
fn what_is_no_json_of_specs_is_said() {
    let sandbox = Sandbox::new();
    for (text, words) in [
        ("{", "has no ImageSpecs as JSON"),
        ("{\"specs\": 1}", "has no ImageSpecs as JSON"),
        ("{\"specs\": []}", "has no ImageSpec"),
        ("", "is empty"),
    ] {
        sandbox
            .fed(text, &["import", "--from", "specs", "-"])
            .code(2)
            .says(words);
    }
    // A base that there is none of is none.
    let odd = handed_over("/nowhere").replace("\"base\":0", "\"base\":7");
    let ran = sandbox
        .fed(&odd, &["import", "--from", "specs", "-"])
        .success();
    assert!(ran.stdout.contains("image \"child\""), "{}", ran.stdout);
}
