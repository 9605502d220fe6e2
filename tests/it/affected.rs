//! `--affected`: images whose keys differ between a revision of git and now. Always with a real git.

mod hostile;
pub(crate) mod repository;
mod revisions;
mod submodules;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};

use crate::dice::Dice;
use crate::sandbox::Sandbox;
use repository::{affected, agrees, commit, forty, git, keys, names, reasons, repository};

const FOUR: &str = r#"
defaults { builder "fake"; }
image "base" { base-image "debian:bookworm-slim"; apt-packages "git"; }
image "train" { base-image image="base"; copy "src" to="/app"; }
image "serve" { base-image image="train"; env PORT="80"; }
image "docs" { base-image "debian:bookworm-slim"; copy "docs" to="/docs"; }
"#;

fn four() -> Sandbox {
    repository(&[
        ("imgspec.kdl", FOUR),
        ("src/main.py", "print('hello')\n"),
        ("docs/index.md", "# Hello\n"),
    ])
}

#[test]
fn the_plan_tells_what_is_affected_and_why() {
    let sandbox = four();
    let before = git(&sandbox.root(), &["rev-parse", "--short=12", "HEAD"]);
    sandbox.write("src/main.py", "print('bye')\n");
    sandbox.write(
        "imgspec.kdl",
        &FOUR.replace("image \"docs\"", "image \"pages\""),
    );
    let plan = ["graph", "plan", "--builder", "fake", "--affected=HEAD"];
    let ran = sandbox.run(&plan).success();
    assert_eq!(ran.stderr, "");
    assert_snapshot!(ran.stdout.replace(&before, "COMMIT"), @r"
    3 of 4 images affected since `HEAD` (COMMIT, the current commit); removed: docs
      train  copy[0]:src/main.py changed: 0644 blake3:aa5b89d0b7005cbd -> 0644 blake3:17666e29b29e0398
      serve  base `train` is affected
      pages  new

    base   build  never built
    train  build  never built
    serve  build  never built
    pages  build  never built
    4 to build, 0 fresh
    1 outside image floats; `imgspec lock` pins it
    ");
    let affected = affected(&sandbox, &["--affected=HEAD"]);
    assert!(affected["commit"].as_str().unwrap().starts_with(&before));
    assert_eq!(affected["since"], "`HEAD`");
    assert_eq!(affected["removed"], serde_json::json!(["docs"]));
    let expected = serde_json::json!([
        { "image": "train", "reasons": [{
            "kind": "input-changed",
            "input": "copy[0]:src/main.py",
            "from": "0644 blake3:aa5b89d0b7005cbd",
            "to": "0644 blake3:17666e29b29e0398",
        }] },
        { "image": "serve", "reasons": [{ "kind": "base-affected", "input": "train" }] },
        { "image": "pages", "reasons": [{ "kind": "new" }] },
    ]);
    assert_eq!(affected["images"], expected);
}

#[test]
fn nothing_that_is_not_in_an_image_affects_one() {
    let sandbox = four();
    sandbox.write("README.md", "new\n");
    sandbox.write("imgspec.kdl", &format!("// A comment.\n{FOUR}"));
    git(&sandbox.root(), &["mv", "docs", "papers"]);
    sandbox.write("docs/index.md", "# Hello\n");
    assert_eq!(
        affected(&sandbox, &["--affected=HEAD"])["images"],
        serde_json::json!([])
    );
    sandbox
        .run(&["graph", "plan", "--affected=HEAD"])
        .success()
        .says("0 of 4 images affected since `HEAD`")
        .says("0 to build, 0 fresh");
}

#[test]
fn a_build_builds_what_is_affected_and_not_fresh_with_the_bases_that_it_needs() {
    let sandbox = four();
    sandbox.write("docs/index.md", "# Bye\n");
    sandbox.write("src/main.py", "print('bye')\n");
    sandbox
        .build(&["--affected=HEAD", "!docs"])
        .success()
        .says("2 of 3 images affected since `HEAD`");
    assert_eq!(sandbox.built(), ["base", "serve", "train"]);
    sandbox.build(&["--affected=HEAD"]).success();
    assert_eq!(sandbox.built(), ["docs"]);
    commit(&sandbox.root());
    // No image is left, so a push needs no registry either.
    sandbox.build(&["--affected=HEAD", "--push"]).success();
    assert!(sandbox.built().is_empty());
    let dry = ["--affected=HEAD~1", "--dry-run", "serve"];
    sandbox
        .build(&dry)
        .success()
        .says("base `train` is affected");
    let quiet = sandbox.build(&["--affected=HEAD~1", "-q"]).success();
    assert_eq!(quiet.stderr, "");
}

#[test]
fn every_command_with_a_selection_can_narrow_it() {
    let sandbox = four();
    let before = git(&sandbox.root(), &["rev-parse", "--short=12", "HEAD"]);
    sandbox.write("src/main.py", "print('bye')\n");
    let tags = sandbox.run(&["tag", "--affected=HEAD"]).success();
    let tags: Vec<&str> = tags
        .stdout
        .lines()
        .filter_map(|it| it.split(' ').next())
        .collect();
    assert_eq!(tags, ["train", "serve"]);
    sandbox
        .run(&["tag", "--affected", "HEAD"])
        .code(2)
        .says("no image matches `HEAD`")
        .says("attach it: `--affected=HEAD`");
    let shown = ["graph", "show", "--affected=HEAD", "--format", "json"];
    let shown = sandbox.run(&shown).success().json();
    assert_eq!(shown["images"].as_array().unwrap().len(), 2);
    let jobs = ["graph", "export", "--affected=HEAD", "--format", "gitlab"];
    let jobs = sandbox.run(&jobs).success().stdout;
    assert!(jobs.contains("serve") && !jobs.contains("docs"), "{jobs}");
    let pulled = ["pull", "--affected=HEAD", "--format", "json"];
    let pulled = sandbox.run(&pulled).success();
    assert_eq!(
        pulled.stderr,
        format!("2 of 4 images affected since `HEAD` ({before}, the current commit)\n")
    );
    let pulled = pulled.json();
    let pulled: Vec<&str> = pulled
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|image| image["image"].as_str())
        .collect();
    assert_eq!(pulled, ["train", "serve"]);
}

#[test]
fn forty_images_with_merges_and_renames_agree_with_checkouts_of_both_revisions() {
    let sandbox = Sandbox::new();
    forty(&sandbox);
    let root = sandbox.root();
    git(&root, &["init", "--quiet", "--template="]);
    let first = commit(&root);
    assert_eq!(keys(&sandbox, &root).len(), 40);
    assert_eq!(agrees(&sandbox, &first), 0);
    git(&root, &["checkout", "--quiet", "-b", "side"]);
    git(
        &root,
        &["mv", "services/s1/src/lib", "services/s1/src/library"],
    );
    sandbox.write("services/s2/more.txt", "-r ../../requirements.txt\nrich\n");
    commit(&root);
    git(&root, &["mv", "services/s3", "services/s9"]);
    let side = commit(&root);
    git(&root, &["checkout", "--quiet", "main"]);
    sandbox.write("services/s4/src/note.log", "still ignored\n");
    sandbox.write(
        "services/s5/ctx/Dockerfile",
        "FROM debian:bookworm-slim\nCOPY file /\n",
    );
    let main = commit(&root);
    git(
        &root,
        &["merge", "--quiet", "--no-ff", "-m", "merge", "side"],
    );
    // Of s1: base, app, all; of s2 app and all; of s5: docker. Of s3, whose requirements name a file outside of it, app and all.
    assert_eq!(agrees(&sandbox, &first), 8);
    assert_eq!(agrees(&sandbox, &side), 1);
    assert_eq!(agrees(&sandbox, &main), 7);
    assert_eq!(agrees(&sandbox, "HEAD^2~1"), 3);
    sandbox.write("requirements.txt", "uvloop==0.22\n");
    assert_eq!(agrees(&sandbox, "HEAD"), 18);
    sandbox.write("shared/deep/b.py", "b = 2\n");
    commit(&root);
    sandbox.write("shared/deep/b.py", "b = 3\n");
    assert!(agrees(&sandbox, "HEAD") > 18);
    assert!(agrees(&sandbox, &side) > 18);
}

/// One change to the repository, anywhere.
fn edit(sandbox: &Sandbox, dice: &mut Dice) {
    let service = format!("services/s{}", dice.below(9));
    let number = dice.below(1000);
    let path = |name: &str| format!("{service}/{name}");
    let append = |name: &str, text: &str| {
        let before = std::fs::read_to_string(sandbox.path(name)).unwrap_or_default();
        sandbox.write(name, &format!("{before}{text}"));
    };
    match dice.below(14) {
        0 => append(&path("src/main.py"), "pass\n"),
        1 => sandbox.write(&path(&format!("src/new{number}.py")), "new\n"),
        2 => append(&path("src/note.log"), "more\n"),
        3 => append(&path("more.txt"), &format!("package{number}\n")),
        4 => append(
            &path(".dockerignore"),
            &format!("new{number}*\n**/util.py\n"),
        ),
        5 => append(&path("ctx/Dockerfile.dockerignore"), "file\n"),
        6 => append(&path("ctx/file"), "more\n"),
        7 => append(&path("ctx/some.tmp"), "more\n"),
        8 => {
            let file = sandbox.path(&path("src/main.py"));
            let mode = if number.is_multiple_of(2) {
                0o755
            } else {
                0o644
            };
            std::fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        }
        9 => {
            let link = sandbox.path(&path("src/link.py"));
            std::fs::remove_file(&link).unwrap();
            std::os::unix::fs::symlink(format!("target{number}"), link).unwrap();
        }
        10 => append(
            &path("imgspec.kdl"),
            &format!(
                "image \"x{number}-{}\" {{ base-image image=\"os\"; }}\n",
                dice.below(1000)
            ),
        ),
        11 => append("imgspec.kdl", &format!("// {number}\n")),
        12 => {
            let manifest = sandbox.read("imgspec.kdl");
            let env = format!("apt-packages \"git\" \"p{number}\"");
            sandbox.write(
                "imgspec.kdl",
                &manifest.replace("apt-packages \"git\"", &env),
            );
        }
        _ => append("README.md", "more\n"),
    }
}

#[test]
fn after_random_edits_the_answer_is_that_of_checkouts() {
    let sandbox = Sandbox::in_memory();
    forty(&sandbox);
    let root = sandbox.root();
    git(&root, &["init", "--quiet", "--template="]);
    let mut commits = vec![commit(&root)];
    let mut dice = Dice::new(0x5eed);
    for round in 0..20 {
        for _ in 0..=dice.below(3) {
            edit(&sandbox, &mut dice);
        }
        if round % 3 > 0 {
            commits.push(commit(&root));
        }
        let one = &commits[dice.index(commits.len())];
        agrees(&sandbox, one);
    }
}

#[test]
fn other_names_of_the_same_image_affect_it_too() {
    let sandbox = four();
    let manifest = FOUR.replace(
        "image \"docs\" {",
        "image \"docs\" { registry \"ghcr.io/acme\";",
    );
    sandbox.write("imgspec.kdl", &manifest);
    assert_eq!(
        reasons(&sandbox, &["--affected=HEAD"]),
        ["docs reference-changed"]
    );
}

#[test]
fn variables_and_overrides_hold_for_both_sides() {
    let sandbox = four();
    let asked = ["--affected=HEAD", "--set", "train.user=app"];
    assert!(names(&sandbox, &asked).is_empty());
    sandbox.write(
        "imgspec.kdl",
        &format!(
            "variable \"port\" default=\"1\"\n{}",
            FOUR.replace("\"80\"", "\"{{ port }}\"")
        ),
    );
    commit(&sandbox.root());
    let asked = ["--affected=HEAD", "--var", "port=7"];
    assert!(names(&sandbox, &asked).is_empty());
    assert_eq!(
        names(&sandbox, &["--affected=HEAD~1", "--set", "train.user=app"]),
        ["serve"]
    );
}

#[test]
fn manifests_that_were_wrong_or_not_there_affect_all_images_and_that_is_said() {
    let sandbox = repository(&[("README.md", "no manifest yet\n"), ("src/main.py", "")]);
    sandbox.write("docs/index.md", "");
    sandbox.write("imgspec.kdl", &FOUR.replace("apt-packages", "atp-packages"));
    commit(&sandbox.root());
    sandbox.write("imgspec.kdl", FOUR);
    let plan = [
        "graph",
        "plan",
        "--builder",
        "fake",
        "docs",
        "--affected=HEAD",
    ];
    sandbox
        .run(&plan)
        .success()
        .says("the manifests of `HEAD`")
        .says("have errors: imgspec.kdl:3:51: unknown field `atp-packages` in an image; so all images count as affected")
        .says("docs  its key then is not known: the manifests of `HEAD`");
    let ran = sandbox.run(&["graph", "plan", "--builder", "fake", "--affected=HEAD~1"]);
    ran.success()
        .says("there is no `imgspec.kdl` here in `HEAD~1`")
        .says("4 of 4 images affected")
        .says("docs   new");
}

#[test]
fn files_that_were_not_there_make_their_images_unknown_only_once_all_are_looked_at() {
    let sandbox = four();
    // A requirements file that includes one that the commit does not have.
    let manifest = format!(
        "{FOUR}image \"late\" {{ base-image \"scratch\"; copy \"a\" to=\"/a\"; }}\nimage \"pip\" {{ base-image image=\"base\"; requirements \"r.txt\"; }}\n"
    );
    sandbox.write("imgspec.kdl", &manifest);
    sandbox.write("a", "1");
    sandbox.write("r.txt", "-r missing.txt\n");
    commit(&sandbox.root());
    sandbox.write("missing.txt", "rich\n");
    sandbox.write("src/main.py", "print('bye')\n");
    let expected = [
        "train input-changed:copy[0]:src/main.py",
        "serve base-affected:train",
        "pip unknown:`missing.txt` does not exist",
    ];
    assert_eq!(reasons(&sandbox, &["--affected=HEAD"]), expected);
}

#[test]
fn what_is_written_meanwhile_is_private_and_gone_afterwards() {
    let sandbox = four();
    sandbox.write("tmp/.keep", "");
    let tmp = sandbox.path("tmp").to_str().unwrap().to_owned();
    let sandbox = sandbox.env("TMPDIR", &tmp);
    sandbox.write("src/main.py", "print('bye')\n");
    assert_eq!(names(&sandbox, &["--affected=HEAD"]), ["serve", "train"]);
    let left = std::fs::read_dir(&tmp).unwrap().count();
    assert_eq!(left, 1);
    let nowhere = sandbox.env("TMPDIR", "/nowhere");
    nowhere
        .run(&["graph", "plan", "--affected=HEAD"])
        .code(2)
        .says("the files of `HEAD`")
        .says("cannot be read");
}

#[test]
fn a_signal_meanwhile_leaves_nothing_behind() {
    let sandbox = four();
    let real = Command::new("sh")
        .args(["-c", "command -v git"])
        .output()
        .unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *cat-file*) sleep 60;; *) exec {} \"$@\";; esac\n",
        real.trim()
    );
    sandbox.write("bin/git", &script);
    std::fs::set_permissions(sandbox.path("bin/git"), Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(sandbox.path("tmp")).unwrap();
    let (bin, tmp) = (sandbox.path("bin"), sandbox.path("tmp"));
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let sandbox = sandbox
        .env("PATH", &path)
        .env("TMPDIR", tmp.to_str().unwrap());
    let mut child = sandbox.spawn(&["graph", "plan", "--builder", "fake", "--affected=HEAD"]);
    let entries = || std::fs::read_dir(&tmp).unwrap().flatten();
    let begun = Instant::now();
    while entries().next().is_none() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "nothing is written"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let mode = entries()
        .next()
        .unwrap()
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let id = Pid::from_child(&child);
    kill_process(id, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(entries().count(), 0);
}
