//! The workflows and pipelines of examples/ci: made of keys that their services know, and their shell parts are run.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

use crate::affected::repository::{commit, git, repository};
use crate::sandbox::{Ran, Sandbox};
use crate::yaml::document;

const WORKFLOW: &[&str] = &["name", "on", "permissions", "concurrency", "env", "jobs"];
const JOB: &[&str] = &[
    "name",
    "needs",
    "if",
    "permissions",
    "runs-on",
    "timeout-minutes",
    "outputs",
    "strategy",
    "steps",
];
const STEP: &[&str] = &["name", "id", "if", "uses", "with", "run", "env"];
const PERMISSIONS: &[&str] = &["contents", "packages"];
const GITLAB_JOB: &[&str] = &[
    "extends",
    "image",
    "services",
    "variables",
    "before_script",
    "script",
    "rules",
    "artifacts",
];

/// The contexts that an expression may use.
const CONTEXTS: &[&str] = &["github", "secrets", "steps", "needs", "matrix"];

fn example(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/ci")
        .join(path);
    document(&std::fs::read_to_string(path).unwrap())
}

#[track_caller]
fn map(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{value}"))
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}"))
}

#[track_caller]
fn has_only(value: &Value, known: &[&str]) {
    for key in map(value).keys() {
        assert!(known.contains(&key.as_str()), "`{key}` in {value}");
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(all) => all.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// What is between `${{` and `}}`.
fn expressions(text: &str) -> Vec<&str> {
    let after = text.split("${{").skip(1);
    after
        .map(|rest| rest.split_once("}}").expect("an end").0.trim())
        .collect()
}

/// What an expression has in a run of this test.
#[track_caller]
fn evaluated(text: &str, outputs: &BTreeMap<String, String>) -> String {
    let mut out = text.to_owned();
    for expression in expressions(text) {
        let value = match expression {
            "github.repository" => "acme/shop".to_owned(),
            "secrets.GITHUB_TOKEN" => "token".to_owned(),
            "matrix.image" => outputs["matrix.image"].clone(),
            other => outputs
                .get(other)
                .unwrap_or_else(|| panic!("`{other}` has no value"))
                .clone(),
        };
        out = out.replacen(&format!("${{{{ {expression} }}}}"), &value, 1);
    }
    assert!(!out.contains("${{"), "{out}");
    out
}

/// What was called, and what `docker` was given. Beside the checkout, as all that a runner brings.
const CALLS: &str = "../calls";
const STDIN: &str = "../calls.stdin";

const SHOP: &str = r#"
variable "registry" env="REGISTRY"
defaults { builder "fake"; registry "{{ registry }}" }
image "base" { base-image "scratch"; env A="1" }
image "train" { base-image image="base"; env A="2" }
image "serve" { base-image image="base"; env A="3" }
"#;

/// A checkout of a shop whose images the fake builder builds, and the programs that its jobs call.
fn shop() -> Sandbox {
    let sandbox = repository(&[
        ("imgspec.kdl", SHOP),
        (
            "deploy/k8s.yaml",
            include_str!("../../examples/shop/deploy/k8s.yaml"),
        ),
    ]);
    let imgspec = format!(
        "#!/bin/sh\necho \"imgspec $*\" >> \"$CALLS\"\nexec '{}' \"$@\"\n",
        env!("CARGO_BIN_EXE_imgspec")
    );
    let called = "#!/bin/sh\necho \"${0##*/} $*\" >> \"$CALLS\"\n";
    let docker = format!("{called}cat > \"$CALLS.stdin\"\n");
    for (name, script) in [
        ("imgspec", imgspec.as_str()),
        ("pipx", called),
        ("apk", called),
        ("docker", docker.as_str()),
    ] {
        let path = format!("../bin/{name}");
        sandbox.write(&path, script);
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(sandbox.path(&path), executable).unwrap();
    }
    sandbox.write(CALLS, "");
    sandbox
}

/// Makes the checkout one of a request to merge a change of `train` into `main`, as the services leave it: a detached commit, and
/// the branch of the origin. Returns the commit that the request began at.
fn requested(sandbox: &Sandbox) -> String {
    let root = sandbox.root();
    let began = git(&root, &["rev-parse", "HEAD"]);
    git(&root, &["checkout", "--quiet", "-b", "feature"]);
    sandbox.write("imgspec.kdl", &SHOP.replace("A=\"2\"", "A=\"two\""));
    commit(&root);
    git(&root, &["checkout", "--quiet", "main"]);
    sandbox.write("README.md", "Meanwhile, on main\n");
    let main = commit(&root);
    let merge = ["merge", "--quiet", "--no-ff", "-m", "merge", "feature"];
    git(&root, &["checkout", "--quiet", "--detach"]);
    git(&root, &merge);
    git(&root, &["update-ref", "refs/remotes/origin/main", &main]);
    git(&root, &["branch", "--quiet", "-D", "main", "feature"]);
    began
}

/// Runs a script as the services do, and returns what it printed.
#[track_caller]
fn shell(sandbox: &Sandbox, script: &str, env: &BTreeMap<String, String>) -> Ran {
    sandbox.write("script.sh", script);
    Ran::of(
        Command::new("bash")
            .arg("-n")
            .arg(sandbox.path("script.sh")),
    )
    .success();
    let own = sandbox.command(&[]);
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-eo", "pipefail"]);
    command.arg(sandbox.path("script.sh"));
    command.current_dir(sandbox.root()).env_clear();
    let own = own.get_envs();
    command.envs(own.filter_map(|(name, value)| Some((name, value?))));
    command.envs(env);
    let path = std::env::var("PATH").unwrap();
    command.env(
        "PATH",
        format!("{}:{path}", sandbox.path("../bin").display()),
    );
    command.env("CALLS", sandbox.path(CALLS));
    Ran::of(&mut command).success()
}

/// The values that steps have written to `$GITHUB_OUTPUT`, by name.
fn outputs(sandbox: &Sandbox, file: &str) -> BTreeMap<String, String> {
    let written = std::fs::read_to_string(sandbox.path(file)).unwrap_or_default();
    let (mut lines, mut found) = (written.lines(), BTreeMap::new());
    while let Some(line) = lines.next() {
        if let Some((name, value)) = line
            .split_once('=')
            .filter(|(name, _)| !name.contains("<<"))
        {
            found.insert(name.to_owned(), value.to_owned());
        } else if let Some((name, end)) = line.split_once("<<") {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            found.insert(name.to_owned(), value.join("\n"));
        } else {
            assert_eq!(line, "");
        }
    }
    found
}

#[track_caller]
fn check_job(workflow: &Value, job: &Value) {
    has_only(job, JOB);
    assert_eq!(job["runs-on"], "ubuntu-latest");
    if let Some(permissions) = job.get("permissions") {
        has_only(permissions, PERMISSIONS);
    }
    if let Some(needs) = job.get("needs") {
        assert!(map(&workflow["jobs"]).contains_key(text(needs)), "{needs}");
    }
    let steps = job["steps"].as_array().unwrap();
    let ids: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["id"].as_str())
        .collect();
    for step in steps {
        has_only(step, STEP);
        assert_ne!(
            step.get("uses").is_some(),
            step.get("run").is_some(),
            "{step}"
        );
        if let Some(uses) = step.get("uses") {
            assert!(text(uses).contains("@v"), "{uses}");
        }
        // Values reach a script through variables, never through its text.
        assert_eq!(
            expressions(step["run"].as_str().unwrap_or("")),
            [""; 0],
            "{step}"
        );
    }
    for expression in texts(job).into_iter().flat_map(expressions) {
        let context = expression.split(['.', ' ']).next().unwrap();
        let context = context.strip_prefix("fromJSON(").unwrap_or(context);
        assert!(CONTEXTS.contains(&context), "{expression}");
        if let Some(step) = expression.strip_prefix("steps.") {
            assert!(
                ids.contains(&step.split('.').next().unwrap()),
                "{expression}"
            );
        }
    }
}

/// Runs the steps of a job; returns all outputs of its steps.
#[track_caller]
fn run_job(
    sandbox: &Sandbox,
    workflow: &Value,
    name: &str,
    known: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let job = &workflow["jobs"][name];
    check_job(workflow, job);
    let mut known = known.clone();
    for step in job["steps"].as_array().unwrap() {
        let Some(script) = step["run"].as_str() else {
            continue;
        };
        let mut env = BTreeMap::from([
            ("GITHUB_ACTIONS".to_owned(), "true".to_owned()),
            ("GITHUB_ACTOR".to_owned(), "ana".to_owned()),
        ]);
        let base = known.get("github.base_ref").cloned();
        env.insert("GITHUB_BASE_REF".to_owned(), base.unwrap_or_default());
        for file in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
            sandbox.write(file, "");
            env.insert(file.to_owned(), sandbox.path(file).display().to_string());
        }
        for own in [workflow.get("env"), step.get("env")].into_iter().flatten() {
            let own = map(own).iter();
            env.extend(own.map(|(name, value)| (name.clone(), evaluated(text(value), &known))));
        }
        shell(sandbox, script, &env);
        let id = step["id"].as_str().unwrap_or("-");
        for (name, value) in outputs(sandbox, "GITHUB_OUTPUT") {
            known.insert(format!("steps.{id}.outputs.{name}"), value);
        }
    }
    known
}

fn calls(sandbox: &Sandbox) -> Vec<String> {
    let calls = sandbox.read(CALLS).lines().map(str::to_owned).collect();
    sandbox.write(CALLS, "");
    calls
}

#[test]
fn the_workflow_builds_what_is_affected_and_pushes_on_main() {
    let workflow = example(".github/workflows/images.yml");
    has_only(&workflow, WORKFLOW);
    has_only(&workflow["on"], &["pull_request", "push"]);
    assert_eq!(
        workflow["permissions"],
        serde_json::json!({ "contents": "read" })
    );
    let sandbox = shop();
    requested(&sandbox);
    let known = BTreeMap::from([("github.base_ref".to_owned(), "main".to_owned())]);
    run_job(&sandbox, &workflow, "affected", &known);
    assert_eq!(
        calls(&sandbox),
        [
            "pipx install imgspec",
            "imgspec check --deny warnings",
            "imgspec graph build --affected"
        ]
    );
    // What the request changes, and its base.
    assert_eq!(sandbox.built(), ["base", "train"]);
    let untouched = shop();
    let main = ["update-ref", "refs/remotes/origin/main", "HEAD"];
    git(&untouched.root(), &main);
    run_job(&untouched, &workflow, "affected", &known);
    assert!(untouched.built().is_empty());
    let fresh = shop();
    let known = run_job(&fresh, &workflow, "push", &BTreeMap::new());
    let calls = calls(&fresh);
    assert!(
        calls.contains(&"docker login ghcr.io --username ana --password-stdin".to_owned()),
        "{calls:?}"
    );
    assert_eq!(fresh.read(STDIN), "token\n");
    assert_eq!(
        known["steps.images.outputs.built"],
        r#"["base","train","serve"]"#
    );
    let images: Value = serde_json::from_str(&known["steps.images.outputs.images"]).unwrap();
    let serve = text(&images["serve"]["pushed"]);
    let (name, digest) = serve.split_once('@').unwrap();
    assert_eq!(name, "ghcr.io/acme/shop/serve");
    let deployed = fresh.read("deployment.yaml");
    assert!(
        deployed.contains(digest) && !deployed.contains("imgspec:"),
        "{deployed}"
    );
}

#[test]
fn the_jobs_of_the_matrix_build_each_image_once() {
    let workflow = example(".github/workflows/matrix.yml");
    has_only(&workflow, WORKFLOW);
    let sandbox = shop();
    let known = run_job(&sandbox, &workflow, "plan", &BTreeMap::new());
    let output = text(&workflow["jobs"]["plan"]["outputs"]["matrix"]);
    let matrix = evaluated(output, &known);
    let rows: Value = serde_json::from_str(&matrix).unwrap();
    let rows = rows["include"].as_array().unwrap().clone();
    let levels: Vec<_> = rows
        .iter()
        .map(|row| (text(&row["image"]), row["level"].as_u64()))
        .collect();
    assert_eq!(
        levels,
        [("base", Some(0)), ("train", Some(1)), ("serve", Some(1))]
    );
    let build = &workflow["jobs"]["build"];
    assert_eq!(
        build["strategy"]["matrix"],
        "${{ fromJSON(needs.plan.outputs.matrix) }}"
    );
    for row in &rows {
        let image = text(&row["image"]).to_owned();
        let known = BTreeMap::from([("matrix.image".to_owned(), image.clone())]);
        run_job(&sandbox, &workflow, "build", &known);
        assert_eq!(sandbox.built(), [image]);
    }
    // What nothing is to be done for has no row, and the condition of the job knows this text.
    let known = run_job(&sandbox, &workflow, "plan", &BTreeMap::new());
    let matrix = evaluated(output, &known);
    assert_eq!(
        text(&build["if"]),
        format!("needs.plan.outputs.matrix != '{matrix}'")
    );
}

#[test]
fn the_pipeline_of_gitlab_does_the_same() {
    let pipeline = example(".gitlab-ci.yml");
    has_only(
        &pipeline,
        &["workflow", "variables", ".images", "affected", "push"],
    );
    for (job, expected, built) in [
        (
            "affected",
            "imgspec graph build --affected",
            &["base", "train"][..],
        ),
        (
            "push",
            "imgspec graph build --push --metadata-file images.json",
            &["base", "serve", "train"][..],
        ),
    ] {
        let (own, base) = (&pipeline[job], &pipeline[text(&pipeline[job]["extends"])]);
        has_only(own, GITLAB_JOB);
        has_only(base, GITLAB_JOB);
        for rule in own["rules"].as_array().unwrap() {
            has_only(rule, &["if"]);
        }
        let lines = [&base["before_script"], &own["script"]].map(|it| it.as_array().unwrap());
        let script: Vec<&str> = lines.into_iter().flatten().map(text).collect();
        let env = [
            ("GITLAB_CI", "true"),
            ("REGISTRY", "registry.test/shop"),
            ("CI_REGISTRY", "registry.test"),
            ("CI_REGISTRY_USER", "ana"),
            ("CI_REGISTRY_PASSWORD", "token"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut env = BTreeMap::from(env);
        let sandbox = shop();
        if job == "affected" {
            let base = "CI_MERGE_REQUEST_DIFF_BASE_SHA".to_owned();
            env.insert(base, requested(&sandbox));
        }
        let ran = shell(&sandbox, &script.join("\n"), &env);
        assert!(ran.stderr.contains("section_start:"), "{}", ran.stderr);
        let calls = calls(&sandbox);
        assert!(calls.contains(&expected.to_owned()), "{calls:?}");
        assert_eq!(sandbox.built(), built);
        if let Some(files) = own["artifacts"]["paths"].as_array() {
            assert!(files.iter().all(|file| sandbox.path(text(file)).is_file()));
            assert_eq!(sandbox.read(STDIN), "token\n");
            let deployed = sandbox.read("deployment.yaml");
            assert!(
                deployed.contains("image: registry.test/shop/serve:"),
                "{deployed}"
            );
        }
    }
}
