//! The workspace is the same wherever in it a command is started: one root, one `.imgspec`, and the images from there
//! on down.

use crate::sandbox::{Ran, Sandbox, is_there};
use crate::watch::Watch;

const ROOT: &str = "workspace { include \"services/*\" }
template \"slim\" { base-image \"debian:bookworm-slim\" }
image \"base\" extends=\"slim\" { }
";

/// A workspace with three images: one in the root, one in each service.
fn workspace() -> Sandbox {
    Sandbox::with(&[
        ("imgspec.kdl", ROOT),
        (
            "services/a/imgspec.kdl",
            "image \"a\" { base-image image=\"base\"; copy \"src\" to=\"/src\" }\n",
        ),
        ("services/a/src/main.py", "print(1)\n"),
        (
            "services/b/imgspec.kdl",
            "image \"b\" extends=\"slim\" { }\n",
        ),
        ("docs/page.md", "# Page\n"),
    ])
}

/// Runs a command in a directory of the workspace.
#[track_caller]
fn run_in(sandbox: &Sandbox, folder: &str, arguments: &[&str]) -> Ran {
    Ran::of(sandbox.command(arguments).current_dir(sandbox.path(folder)))
}

/// The images that `tag` lists in a directory.
#[track_caller]
fn tags_in(sandbox: &Sandbox, folder: &str, arguments: &[&str]) -> Vec<String> {
    let ran = run_in(
        sandbox,
        folder,
        &[&["tag", "--format", "json"], arguments].concat(),
    );
    let all = ran.success().json();
    let tags = all.as_array().unwrap().iter();
    tags.map(|tag| tag["reference"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_subdirectory_has_the_tags_and_the_state_of_the_whole_workspace() {
    let sandbox = workspace();
    let all = tags_in(&sandbox, ".", &[]);
    assert_eq!(tags_in(&sandbox, "services/a", &["a"]), all[1..2]);
    let args = ["graph", "build", "--builder", "fake"];
    run_in(&sandbox, "services/a", &args).success();
    assert_eq!(sandbox.built(), ["a", "base"]);
    assert!(is_there(&sandbox.path(".imgspec")));
    assert!(!is_there(&sandbox.path("services/a/.imgspec")));
    // The root sees what was built below.
    assert_eq!(
        sandbox.plan(&[]),
        ["base fresh", "a fresh", "b build never-built"]
    );
}

#[test]
fn without_words_the_images_at_or_below_the_directory_are_meant_and_that_is_said() {
    let sandbox = workspace();
    let plan = ["graph", "plan", "--builder", "fake"];
    let one = "selected 1 of 3 images: those that `services/a` declares (`'*'` selects all)\n";
    for folder in ["services/a", "services/a/src"] {
        let ran = run_in(&sandbox, folder, &plan).success();
        assert_eq!(ran.stderr, one, "{folder}");
        assert!(!ran.stdout.contains("\nb "), "{}", ran.stdout);
        let names = tags_in(&sandbox, folder, &[]);
        assert!(names.len() == 1 && names[0].starts_with("a:"), "{names:?}");
    }
    let names = tags_in(&sandbox, "services", &[]);
    assert_eq!(names.len(), 2);
    // If a directory declares no images, the nearest ancestor that has some counts.
    let ran = run_in(&sandbox, "docs", &plan).success();
    assert_eq!(ran.stderr, "");
    assert_eq!(tags_in(&sandbox, "docs", &[]).len(), 3);
    // Arguments name images of the whole workspace; exclusions alone start from the directory.
    let ran = run_in(&sandbox, "services/a", &[&plan[..], &["*"]].concat()).success();
    assert_eq!(ran.stderr, "");
    assert_eq!(tags_in(&sandbox, "services/a", &["b"]).len(), 1);
    assert_eq!(tags_in(&sandbox, "services", &["!b"]).len(), 1);
    // Programs that read events, and `-q`, do not get this line.
    for silent in [&["-q"][..], &["--progress", "json"]] {
        let ran = run_in(&sandbox, "services/a", &[silent, &plan].concat()).success();
        assert_eq!(ran.stderr, "");
    }
    let shown = run_in(&sandbox, "services/a", &["graph", "show"]).success();
    assert!(!shown.stdout.contains("b:"), "{}", shown.stdout);
}

#[test]
fn a_flag_insists_on_a_root() {
    let sandbox = workspace();
    sandbox.write("services/a/imgspec.kdl", "image \"a\" { }\n");
    let plan = ["graph", "plan", "--builder", "fake"];
    for insist in [
        &["--root", "."][..],
        &["-f", "imgspec.kdl"],
        &["--root", "../a"],
    ] {
        let ran = run_in(&sandbox, "services/a", &[insist, &plan].concat()).success();
        assert_eq!(ran.stderr, "", "{insist:?}");
        assert!(
            ran.stdout.contains("1 to build, 0 fresh\n"),
            "{}",
            ran.stdout
        );
    }
    // Naming the root selects the whole workspace, from anywhere.
    let ran = run_in(
        &sandbox,
        "services/a",
        &[&["--root", "../.."], &plan[..]].concat(),
    );
    let ran = ran.success();
    assert!(
        ran.stdout.contains("3 to build, 0 fresh\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stderr, "");
    run_in(&sandbox, "services/a", &["--root", "src", "check"])
        .code(2)
        .says("`imgspec.kdl` cannot be read: there is no such file");
    run_in(&sandbox, ".", &["--root", ".", "-f", "x", "check"])
        .code(2)
        .says("cannot be used with");
}

#[test]
fn a_manifest_above_that_does_not_include_this_one_is_named_where_something_is_wrong() {
    let sandbox = workspace();
    sandbox.write("tools/x/imgspec.kdl", "image \"x\" extends=\"slim\" { }\n");
    for command in [&["check"][..], &["graph", "plan"]] {
        let ran = run_in(&sandbox, "tools/x", command).code(2);
        let ran = ran.says("unknown template `slim`");
        let ran =
            ran.says("does not include this workspace, so none of its declarations apply here");
        ran.says("if it should, add `workspace { include \"tools/x\" }` to it");
    }
    // Without errors it is not mentioned.
    sandbox.write("tools/x/imgspec.kdl", "image \"x\" { }\n");
    let ran = run_in(&sandbox, "tools/x", &["check"]).success();
    assert_eq!(ran.stderr, "1 image checked: no problems found\n");
}

#[test]
fn a_broken_manifest_above_is_said_with_how_to_insist() {
    let sandbox = workspace();
    sandbox.write("imgspec.kdl", "workspace { include \"services/* }\n");
    for command in [&["check"][..], &["graph", "plan"], &["watch"], &["fmt"]] {
        let ran = run_in(&sandbox, "services/b", command).code(2);
        let ran = ran.says("error[unsure-root]: cannot tell whether");
        ran.says("or choose the root: `--root DIR`, or `-f FILE`");
    }
    sandbox.write("services/b/imgspec.kdl", "image \"b\" { }\n");
    run_in(&sandbox, "services/b", &["--root", ".", "check"]).success();
}

#[test]
fn an_edit_in_a_subdirectory_changes_the_manifest_that_declares_the_image() {
    let sandbox = workspace();
    run_in(&sandbox, "services/a", &["add", "b", "packages", "six"])
        .success()
        .says("services/b/imgspec.kdl");
    assert!(
        sandbox
            .read("services/b/imgspec.kdl")
            .contains("packages \"six\"")
    );
    run_in(
        &sandbox,
        "services/b",
        &["add", "base", "apt-packages", "git"],
    )
    .success();
    assert!(sandbox.read("imgspec.kdl").contains("apt-packages \"git\""));
}

#[test]
fn init_in_a_subdirectory_says_which_workspace_the_new_manifest_belongs_to() {
    let sandbox = workspace();
    std::fs::create_dir_all(sandbox.path("services/c")).unwrap();
    let ran = run_in(&sandbox, "services/c", &["init"]).success();
    ran.says("imgspec.kdl` includes it, so both form one workspace");
    assert_eq!(tags_in(&sandbox, "services/c", &[]).len(), 1);
    std::fs::create_dir_all(sandbox.path("tools/d")).unwrap();
    let ran = run_in(&sandbox, "tools/d", &["init"]).success();
    ran.says("if it should, add `workspace { include \"tools/d\" }` to it");
    let alone = Sandbox::new();
    let ran = alone.run(&["init"]).success();
    assert!(!ran.stderr.contains("include"), "{}", ran.stderr);
}

#[test]
fn a_change_of_directory_by_a_flag_is_a_change_of_directory() {
    let sandbox = workspace();
    std::os::unix::fs::symlink("services/a", sandbox.path("link")).unwrap();
    for folder in ["services/a", "link", "services/a/src/..", "services/b/../a"] {
        let ran = sandbox.run(&["-C", folder, "tag", "--format", "json"]);
        let all = ran.success().json();
        assert_eq!(all.as_array().unwrap().len(), 1, "{folder}");
        assert_eq!(all[0]["image"], "a", "{folder}");
    }
}

#[test]
fn a_watch_in_a_subdirectory_keeps_to_its_images_and_follows_all_manifests() {
    let sandbox = workspace();
    let mut watch = Watch::settled(&sandbox, &["-C", "services/a"]);
    assert_eq!(sandbox.built(), ["a", "base"]);
    let text = ROOT.replace("bookworm-slim", "trixie-slim");
    sandbox.write("imgspec.kdl", &text);
    watch.wave();
    assert_eq!(sandbox.built(), ["a", "base"]);
    // A new image below is built, one elsewhere is not.
    let both = "image \"a\" { base-image image=\"base\" }\nimage \"a2\" extends=\"slim\" { }\n";
    sandbox.write(
        "services/b/imgspec.kdl",
        "image \"b\" extends=\"slim\" { user \"2\" }\n",
    );
    sandbox.write("services/a/imgspec.kdl", both);
    watch.wave();
    assert_eq!(sandbox.built(), ["a", "a2"]);
    // Removing an include does not make the watch select everything.
    sandbox.write("imgspec.kdl", &text.replace("services/*", "services/b"));
    watch.until("graph-changed");
    sandbox.write("imgspec.kdl", &text);
    watch.until("graph-changed");
    watch.wave();
    assert_eq!(sandbox.built(), [""; 0]);
}

/// A workspace with an image that copies all of it, and another whose Dockerfile has all of it as context; both built.
fn copies_all() -> Sandbox {
    let sandbox = Sandbox::with(&[
        (
            "imgspec.kdl",
            "image \"all\" { copy \".\" to=\"/app\" }\nimage \"own\" { dockerfile \"Dockerfile\" }\n",
        ),
        ("Dockerfile", "FROM scratch\nCOPY . /\n"),
        (".git/HEAD", "ref: refs/heads/main\n"),
        ("main.py", "print(1)\n"),
    ]);
    sandbox.build(&[]).success();
    assert_eq!(sandbox.built(), ["all", "own"]);
    sandbox
}

#[test]
fn an_edited_manifest_lock_or_commit_builds_nothing_of_what_copies_the_workspace() {
    let sandbox = copies_all();
    let manifest = sandbox.read("imgspec.kdl");
    sandbox.write("imgspec.kdl", &format!("// a comment\n{manifest}"));
    sandbox.write(".git/HEAD", "ref: refs/heads/topic\n");
    sandbox.write("deep/.imgspec/x", "1");
    std::fs::create_dir_all(sandbox.path("vendor/lib")).unwrap();
    sandbox.write("vendor/lib/.git", "gitdir: elsewhere\n");
    sandbox.build(&[]).success();
    // New directories are new content, whatever is excluded in them.
    assert_eq!(sandbox.built(), ["all", "own"]);
    sandbox.write("deep/.imgspec/x", "2");
    sandbox.write("vendor/lib/.git", "gitdir: far\n");
    sandbox.write("imgspec.kdl", &format!("// another comment\n{manifest}"));
    sandbox.build(&[]).success();
    assert_eq!(sandbox.built(), [""; 0]);
    // An included file is a manifest, whatever its name.
    let more = "workspace { include \"more.kdl\" }\n";
    sandbox.write("more.kdl", "// nothing yet\n");
    sandbox.write("imgspec.kdl", &format!("{more}{manifest}"));
    sandbox.build(&[]).success();
    assert_eq!(sandbox.built(), [""; 0]);
}

#[test]
fn an_ignore_file_brings_the_manifest_back() {
    let sandbox = copies_all();
    sandbox.write(".dockerignore", "!imgspec.kdl\n");
    sandbox.build(&[]).success();
    assert_eq!(sandbox.built(), ["all", "own"]);
    let manifest = sandbox.read("imgspec.kdl");
    sandbox.write("imgspec.kdl", &format!("// a comment\n{manifest}"));
    sandbox.build(&[]).success();
    assert_eq!(sandbox.built(), ["all", "own"]);
}

#[test]
fn what_is_hashed_and_what_is_sent_leave_out_the_same() {
    let sandbox = copies_all();
    for image in ["all", "own"] {
        let out = format!("out-{image}");
        sandbox
            .run(&["render", image, "--builder", "docker", "-o", &out])
            .success();
        let sent = crate::sandbox::files_with(&sandbox.path(&out), "\n");
        let explained = sandbox.run(&["explain", image]).success().stdout;
        for left_out in ["imgspec.kdl", ".git/HEAD"] {
            assert!(!sent.contains(left_out), "{sent}");
            assert!(!explained.contains(left_out), "{explained}");
        }
        assert!(sent.contains("main.py") && explained.contains("main.py"));
        std::fs::remove_dir_all(sandbox.path(&out)).unwrap();
    }
}

#[test]
fn a_manifest_that_is_named_is_copied() {
    let manifest = "image \"a\" { copy \"imgspec.kdl\" \".git\" to=\"/app/\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), (".git/HEAD", "x")]);
    let explained = sandbox.run(&["explain", "a"]).success().stdout;
    assert!(explained.contains("copy[0]:imgspec.kdl "), "{explained}");
    assert!(explained.contains("copy[1]:.git/HEAD "), "{explained}");
}

#[test]
fn with_flytekit_its_own_rules_count() {
    let manifest =
        "image \"a\" { flytekit \"1.16.31\"; python-version \"3.12\"; copy \".\" to=\"/app\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]);
    let explained = sandbox.run(&["explain", "a"]).success().stdout;
    assert!(explained.contains("copy[0]:imgspec.kdl "), "{explained}");
}
