//! `resolve`: names of images in files of deployments become what the registry has.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use serde_json::Value;

use crate::browser::provided;
use crate::memory::{PUSH, machine, pushed};
use crate::registry::{Fault, Registry, digest};
use crate::sandbox::{Ran, Sandbox};
use crate::yaml::documents;

const COMPOSE: &str = "# The app\nservices:\n  app:\n    image: imgspec:app   # built here\n    command: ['--port', \"80\"]\n  tools: { image: \"imgspec:tools\", restart: no }\n";

const PARTS: &str = "app:\n  repository: imgspec:app#repository\n  tag: 'imgspec:app#tag'\n  digest: imgspec:app#digest\n";

/// What the registry has of an image of this machine, as `name:tag@digest`.
fn published(machine: &Sandbox, registry: &Registry, image: &str) -> String {
    let reference = machine.run(&["tag", image]).success().stdout;
    let reference = reference.trim();
    let (_, tag) = reference.rsplit_once(':').unwrap();
    let manifest = registry.manifest(&format!("team/{image}"), tag);
    format!("{reference}@{}", digest(manifest.to_string().as_bytes()))
}

/// Like [`Sandbox::run`], with this standard input.
fn fed(sandbox: &Sandbox, words: &[&str], input: &str) -> Ran {
    let mut command = sandbox.command(words);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

#[test]
fn names_become_the_references_that_the_registry_has() {
    let registry = pushed(true);
    // A machine that has built nothing.
    let second = machine(&registry);
    second.write("compose.yaml", COMPOSE);
    let ran = second.run(&["resolve", "compose.yaml"]).success();
    let of = |image: &str| published(&second, &registry, image);
    let expected = COMPOSE
        .replace("imgspec:app", &of("app"))
        .replace("imgspec:tools", &of("tools"));
    assert_eq!(ran.stdout, expected);
    assert_eq!(ran.stderr, "");
    second.write("values.yaml", PARTS);
    let values = second.run(&["resolve", "values.yaml"]).success().stdout;
    let app = &documents(&values)[0]["app"];
    let text = |name: &str| app[name].as_str().unwrap_or_else(|| panic!("{values}"));
    let whole = format!("{}:{}@{}", text("repository"), text("tag"), text("digest"));
    assert_eq!(whole, of("app"));
    // Looking wrote nothing.
    assert!(!second.path(".imgspec").exists());
}

#[test]
fn images_that_the_registry_does_not_have_are_named_with_what_to_run() {
    let registry = pushed(true);
    let second = machine(&registry);
    second.write("data.txt", "other\n");
    second.write("a.yaml", "image: imgspec:app\n");
    second.write("b.yaml", "- imgspec:tools\n- 'imgspec:app#tag'\n");
    let ran = second.run(&["resolve", "a.yaml", "b.yaml"]).code(2);
    assert_eq!(ran.stdout, "");
    let told = ran
        .stderr
        .lines()
        .map(|line| line.split(" changed: ").next().unwrap());
    assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @"
    error[unpublished]: `app` is not in its registry as it is now: copy[0]:data.txt
     --> a.yaml:1:8
      |
    1 | image: imgspec:app
      |        ^^^^^^^^^^^
      |
      = help: `imgspec graph build --push app` builds what is missing; `--local` asks no registry

    1 error
    ");
    second.run(PUSH).success();
    second.run(&["resolve", "a.yaml", "b.yaml"]).success();
    // Nobody can say whether it is there.
    registry.faults(|_, _| Some(Fault::HangUp));
    second
        .run(&["resolve", "a.yaml"])
        .code(2)
        .says("`app` may be in its registry, which could not be asked");
    let homeless = Sandbox::with(&[
        (
            "imgspec.kdl",
            "image \"app\" { base-image \"scratch\"; env A=\"1\" }\n",
        ),
        ("a.yaml", "image: imgspec:app\n"),
    ]);
    homeless
        .run(&["resolve", "--builder", "fake", "a.yaml"])
        .code(2)
        .says("`app` has no `registry`");
}

#[test]
fn here_is_what_this_machine_builds_and_nobody_is_asked() {
    let registry = Registry::new();
    let machine = machine(&registry);
    machine.write("compose.yaml", COMPOSE);
    let local = machine
        .run(&["resolve", "--local", "compose.yaml"])
        .success();
    let tag = |image: &str| machine.run(&["tag", image]).success().stdout;
    let expected = COMPOSE
        .replace("imgspec:app", tag("app").trim())
        .replace("imgspec:tools", tag("tools").trim());
    assert_eq!(local.stdout, expected);
    assert_eq!(registry.asked(), [""; 0]);
    machine.write("values.yaml", PARTS);
    machine
        .run(&["resolve", "--local", "values.yaml"])
        .code(2)
        .says("--> values.yaml:4:11")
        .says("an image has no digest");
}

#[test]
fn mistakes_of_all_files_are_told_at_once_and_nobody_is_asked() {
    let registry = Registry::new();
    let machine = machine(&registry);
    let manifest = machine.read("imgspec.kdl");
    machine.write(
        "imgspec.kdl",
        &format!("{manifest}group \"all\" {{ images \"*\" }}\n"),
    );
    machine.write(
        "a.yaml",
        "x: imgspec:ap\n---\ny: { z: \"imgspec:tool\", é: imgspec:all }\n",
    );
    machine.write(
        "b.json",
        "{\"image\": \"imgspec:nothing\", \"tag\": \"imgspec:app#tga\"}\n",
    );
    machine.write("c.yaml", "a: [\n");
    machine.write("d.yaml", "image: imgspec:app\n");
    let ran = machine.run(&["resolve", "a.yaml", "b.json", "c.yaml", "d.yaml", "e.yaml"]);
    assert_snapshot!(ran.code(2).stderr, @r#"
    error[unknown-image]: unknown image `ap`
     --> a.yaml:1:4
      |
    1 | x: imgspec:ap
      |    ^^^^^^^^^^ did you mean `app`?

    error[unknown-image]: unknown image `tool`
     --> a.yaml:3:9
      |
    3 | y: { z: "imgspec:tool", é: imgspec:all }
      |         ^^^^^^^^^^^^^^ did you mean `tools`?

    error[unknown-image]: unknown image `all`
     --> a.yaml:3:28
      |
    3 | y: { z: "imgspec:tool", é: imgspec:all }
      |                            ^^^^^^^^^^^ a group
      |
      = help: name one image: a container runs only one

    error[unknown-image]: unknown image `nothing`
     --> b.json:1:11
      |
    1 | {"image": "imgspec:nothing", "tag": "imgspec:app#tga"}
      |           ^^^^^^^^^^^^^^^^^ no manifest declares it
      |
      = help: `imgspec tag '*'` lists the images

    error[unknown-part]: an image has no part `tga`
     --> b.json:1:37
      |
    1 | {"image": "imgspec:nothing", "tag": "imgspec:app#tga"}
      |                                     ^^^^^^^^^^^^^^^^^ did you mean `tag`?

    error[not-yaml]: invalid YAML
     --> c.yaml:2:1
      |
    2 |
      | ^ while parsing a node, did not find expected node content

    error[unreadable]: `e.yaml` cannot be read: no such file or directory
     |
     = help: is the name right?

    7 errors
    "#);
    assert_eq!(registry.asked(), [""; 0]);
}

#[test]
fn files_are_read_and_written_as_they_are_named() {
    let registry = pushed(true);
    let machine = machine(&registry);
    let app = published(&machine, &registry, "app");
    machine.write("a.yaml", "image: imgspec:app");
    machine.write("b.yaml", "---\n{\"image\": \"imgspec:app\"}\n");
    machine.write("sub/c.yaml", "# nothing here\nimage: busybox\n");
    let ran = fed(
        &machine,
        &["resolve", "a.yaml", "-", "b.yaml", "sub/c.yaml"],
        "- imgspec:app\n",
    );
    assert_eq!(
        ran.success().stdout,
        format!(
            "image: {app}\n---\n- {app}\n---\n{{\"image\": \"{app}\"}}\n---\n# nothing here\nimage: busybox\n"
        )
    );
    machine
        .run(&["-C", "sub", "resolve", "../a.yaml", "-o", "out.yaml"])
        .success();
    assert_eq!(machine.read("sub/out.yaml"), format!("image: {app}"));
    let nothing = machine.run(&["resolve", "sub/c.yaml"]).success();
    assert_eq!(nothing.stdout, "# nothing here\nimage: busybox\n");
    assert_eq!(
        nothing.stderr,
        "nothing to resolve: no value is `imgspec:` and the id of an image\n"
    );
    assert_eq!(
        machine
            .run(&["-q", "resolve", "sub/c.yaml"])
            .success()
            .stderr,
        ""
    );
    symlink("a.yaml", machine.path("link.yaml")).unwrap();
    machine
        .run(&["resolve", "link.yaml", "-o", "a.yaml"])
        .code(2)
        .says("the result would replace `link.yaml`, which it is made from");
    assert_eq!(machine.read("a.yaml"), "image: imgspec:app");
    machine
        .run(&["resolve", "a.yaml", "-o", "no/out.yaml"])
        .code(2)
        .says("there is no directory");
    let twice = fed(&machine, &["resolve", "-", "-"], "a: 1\n");
    twice.code(2).says("standard input is named twice");
}

#[test]
fn hostile_files_are_refused_at_once() {
    let registry = Registry::new();
    let machine = machine(&registry);
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, machine.path("pipe"), fifo, 0o600.into(), 0).unwrap();
    symlink("/dev/zero", machine.path("zero")).unwrap();
    machine.write("nul", "a: \0\n");
    std::fs::write(machine.path("bytes"), [0xff, 0xfe, b'a']).unwrap();
    let large = std::fs::File::create(machine.path("large")).unwrap();
    large.set_len(65 << 20).unwrap();
    for (file, why) in [
        ("pipe", "it is a named pipe, not a file"),
        ("zero", "it is a device, not a file"),
        (".", "it is a directory, not a file"),
        ("nul", "it is not UTF-8 text"),
        ("bytes", "it is not UTF-8 text"),
        ("large", "it is larger than 64 MiB"),
        ("none", "no such file or directory"),
    ] {
        machine
            .run_soon(&["resolve", file])
            .code(2)
            .says(&format!("`{file}` cannot be read: {why}"));
    }
    machine.run(&["resolve"]).code(2).says("<FILE>...");
    // All aliases of the world are no more than what is written.
    let line = |at: usize| format!("a{at}: &a{at} [*a{0}, *a{0}]\n", at - 1);
    let bomb: String = (1..30).map(line).collect();
    machine.write("bomb.yaml", &format!("a0: &a0 imgspec:app\n{bomb}"));
    let ran = machine
        .run_soon(&["resolve", "--local", "bomb.yaml"])
        .success();
    assert!(
        ran.stdout.ends_with("a29: &a29 [*a28, *a28]\n"),
        "{}",
        ran.stdout
    );
    let twice = "image: imgspec:app\nimage: imgspec:tools\n";
    machine.write("twice.yaml", twice);
    let ran = machine.run(&["resolve", "--local", "twice.yaml"]).success();
    assert!(!ran.stdout.contains("imgspec:"), "{}", ran.stdout);
}

#[test]
fn ids_of_a_matrix_and_references_that_look_like_numbers_are_texts() {
    let sandbox = Sandbox::with(&[
        (
            "imgspec.kdl",
            "image \"py{{ python }}\" { matrix { python \"3.11\" \"3.12\" }; name \"12\"; tag-format \"{spec_hash:.2}{{ python }}\"; base-image \"scratch\"; env P=\"{{ python }}\" }\n",
        ),
        (
            "a.yaml",
            "a: imgspec:py3.11\nb: imgspec:py3.12#repository\nc: {d: imgspec:py3.12#tag}\n",
        ),
    ]);
    let ran = sandbox
        .run(&["resolve", "--local", "--builder", "fake", "a.yaml"])
        .success();
    let values = &documents(&ran.stdout)[0];
    let texts = [&values["a"], &values["b"], &values["c"]["d"]].map(Value::is_string);
    assert_eq!(texts, [true; 3], "{}", ran.stdout);
}

/// The documents with every mention replaced, in all their values.
fn with_references(value: &mut Value, reference: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix("imgspec:") {
                *text = reference(name);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|it| with_references(it, reference)),
        Value::Object(all) => all
            .values_mut()
            .for_each(|it| with_references(it, reference)),
        _ => {}
    }
}

/// A workspace whose images are built and pushed, in which the files of the shop's deployment are resolved; and what was built.
fn deployed() -> (Sandbox, Value) {
    let sandbox = Sandbox::with(&[(
        "imgspec.kdl",
        "defaults { builder \"fake\"; registry \"localhost:5000/shop\" }\n\
         image \"serve\" { base-image \"scratch\"; env A=\"1\" }\n\
         image \"train\" { base-image \"scratch\"; env A=\"2\" }\n",
    )]);
    sandbox
        .run(&["graph", "build", "--push", "--metadata-file", "built.json"])
        .success();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop/deploy");
    for file in ["compose.yaml", "k8s.yaml", "values.yaml"] {
        std::fs::copy(deploy.join(file), sandbox.path(file)).unwrap();
        let out = format!("out-{file}");
        sandbox.run(&["resolve", file, "-o", &out]).success();
    }
    let built = serde_json::from_str(&sandbox.read("built.json")).unwrap();
    (sandbox, built)
}

/// What stands in the place of a name, such as `serve` or `serve#tag`.
fn reference(built: &Value, name: &str) -> String {
    let (image, part) = name.split_once('#').unwrap_or((name, ""));
    let text = |key: &str| built[image][key].as_str().unwrap().to_owned();
    let reference = text("reference");
    let (name, tag) = reference.rsplit_once(':').unwrap();
    match part {
        "repository" => name.to_owned(),
        "tag" => tag.to_owned(),
        "digest" => text("digest"),
        _ => format!("{reference}@{}", text("digest")),
    }
}

/// Checks that a reader finds the same values in a file and in what became of it, but for the images.
#[track_caller]
fn differ_only_in_images(
    (sandbox, built): &(Sandbox, Value),
    file: &str,
    read: impl Fn(&Path) -> Vec<Value>,
) {
    let mut expected = read(&sandbox.path(file));
    for document in &mut expected {
        with_references(document, &|name| reference(built, name));
    }
    let out = format!("out-{file}");
    assert!(!expected.is_empty());
    assert_eq!(
        read(&sandbox.path(&out)),
        expected,
        "{}",
        sandbox.read(&out)
    );
}

#[test]
fn what_others_read_differs_only_in_the_images() {
    let shop = deployed();
    let dump =
        "import json,sys,yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    for file in ["compose.yaml", "k8s.yaml", "values.yaml"] {
        differ_only_in_images(&shop, file, |path| {
            documents(&std::fs::read_to_string(path).unwrap())
        });
        if let Some(modules) = provided("IMGSPEC_TEST_YAML") {
            differ_only_in_images(&shop, file, |path| {
                let mut python = Command::new("python3");
                python.env("PYTHONPATH", &modules);
                let ran = Ran::of(python.args(["-c", dump]).arg(path)).success();
                serde_json::from_str(&ran.stdout).unwrap()
            });
        }
    }
    if let Some(kubectl) = provided("IMGSPEC_TEST_KUBECTL") {
        let (sandbox, built) = &shop;
        let local = ["label", "--local", "--output", "json", "x=y", "--filename"];
        let mut kubectl = Command::new(kubectl);
        kubectl.args(local).arg(sandbox.path("out-k8s.yaml"));
        let read = Ran::of(&mut kubectl).success().stdout;
        for image in ["serve", "train"] {
            let line = format!("\"image\": \"{}\"", reference(built, image));
            assert!(read.contains(&line), "{line}\n{read}");
        }
    }
}

#[test]
fn compose_reads_the_images_by_their_digests() {
    // `docker-compose`, or `docker compose`.
    let Some(compose) = provided("IMGSPEC_TEST_COMPOSE") else {
        return;
    };
    let mut words = compose.split_whitespace();
    let program = words.next().unwrap();
    let words: Vec<&str> = words.collect();
    let shop = deployed();
    let config = |path: &Path| {
        let mut compose = Command::new(program);
        compose.args(&words).arg("--file").arg(path);
        compose.args(["--profile", "train", "config"]);
        documents(&Ran::of(&mut compose).success().stdout)
    };
    differ_only_in_images(&shop, "compose.yaml", config);
    let read = config(&shop.0.path("out-compose.yaml"));
    for image in ["serve", "train"] {
        let service = &read[0]["services"][image];
        assert_eq!(service["image"], reference(&shop.1, image), "{service}");
    }
}
