//! What has bitten other tools, each told with where: the program must not do it.
//!
//! One test a story; those that need a real engine are in `tests/docker_traps.rs`, the pure ones beside the code.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::sandbox::Sandbox;

const COPIES: &str = "image \"app\" { base-image \"scratch\"; copy \"src\" to=\"/src\" }\n";

fn copies(files: &[&str]) -> Sandbox {
    let sandbox = Sandbox::with(&[("imgspec.kdl", COPIES)]);
    for file in files {
        sandbox.write(file, "");
    }
    sandbox
}

/// The key of an image.
#[track_caller]
fn key(sandbox: &Sandbox, image: &str) -> String {
    let tags = sandbox.run(&["tag", "--format", "json", image]).success();
    tags.json()[0]["key"].as_str().expect("a key").to_owned()
}

#[track_caller]
fn wait_for(is_true: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_same_letters_in_other_names_are_another_image() {
    // flytekit `_pathhash_update`: names were hashed without lengths and separators, so `a/bc` and `ab/c` were one.
    let keys = [&["src/a/bc"], &["src/ab/c"], &["src/abc"]].map(|files| key(&copies(files), "app"));
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
}

#[test]
fn a_file_that_moves_between_folders_rebuilds_its_image() {
    // skaffold `fi.Name()`: only base names were hashed.
    let sandbox = copies(&["src/one/f", "src/two/g"]);
    sandbox.build(&[]).success();
    std::fs::rename(sandbox.path("src/one/f"), sandbox.path("src/two/f")).unwrap();
    let plan = sandbox.plan(&[]);
    assert!(
        plan[0].contains("copy[0]:src/one/f") && plan[0].contains("copy[0]:src/two/f"),
        "{plan:?}"
    );
}

#[test]
fn a_file_that_becomes_a_program_rebuilds_its_image_and_other_rights_do_not() {
    // werf#7465: modes were added late; skaffold hashes all of them, so that two umasks have two keys.
    use std::os::unix::fs::PermissionsExt;
    let sandbox = copies(&["src/run"]);
    sandbox.build(&[]).success();
    let set = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(sandbox.path("src/run"), mode).unwrap();
    };
    for mode in [0o600, 0o664, 0o666] {
        set(mode);
        assert_eq!(sandbox.plan(&[]), ["app fresh"], "{mode:o}");
    }
    set(0o755);
    assert_eq!(
        sandbox.plan(&[]),
        ["app build input-changed:copy[0]:src/run"]
    );
}

#[test]
fn links_that_lead_nowhere_round_in_circles_or_out_are_copied_as_links() {
    // turborepo#6046: a broken link was a crash; flytekit follows links, skaffold ignores where they lead.
    let sandbox = copies(&["src/a"]);
    for (target, name) in [
        ("nowhere", "broken"),
        (".", "loop"),
        ("/etc/passwd", "out"),
        ("self", "self"),
    ] {
        symlink(target, sandbox.path("src").join(name)).unwrap();
    }
    sandbox.build(&[]).success();
    std::fs::remove_file(sandbox.path("src/broken")).unwrap();
    symlink("elsewhere", sandbox.path("src/broken")).unwrap();
    assert_eq!(
        sandbox.plan(&[]),
        ["app build input-changed:copy[0]:src/broken"]
    );
}

#[test]
fn what_is_removed_and_folders_that_are_empty_count() {
    // flytekit walks files only: an empty folder, or one that became empty, changed nothing.
    let sandbox = copies(&["src/a", "src/b"]);
    sandbox.build(&[]).success();
    std::fs::remove_file(sandbox.path("src/b")).unwrap();
    assert_eq!(sandbox.plan(&[]), ["app build input-changed:copy[0]:src/b"]);
    sandbox.write("src/b", "");
    std::fs::create_dir(sandbox.path("src/empty")).unwrap();
    assert_eq!(
        sandbox.plan(&[]),
        ["app build input-changed:copy[0]:src/empty"]
    );
}

#[test]
fn the_name_of_the_checkout_is_in_no_key() {
    // garden#5501: two clones of one commit had two versions. Through a link, and from a folder below, they have one too.
    let (here, there) = (copies(&["src/a"]), copies(&["src/a"]));
    let link = there.path("link");
    symlink(here.root(), &link).unwrap();
    let linked = there
        .run(&["-C", "link/src", "tag", "--format", "json"])
        .success();
    let expected = key(&here, "app");
    assert_eq!(linked.json()[0]["key"], expected.as_str());
    assert_eq!(key(&there, "app"), expected);
}

#[test]
fn what_git_ignores_counts_all_the_same() {
    // turborepo#12554, #13916, #4150: what git ignored gave a constant hash, and a changed `.gitignore` another one.
    let sandbox = copies(&["src/kept", "src/ignored"]);
    sandbox.build(&[]).success();
    sandbox.write(".gitignore", "src/ignored\n*.o\n");
    sandbox.write(".git/info/exclude", "*\n");
    assert_eq!(sandbox.plan(&[]), ["app fresh"]);
    sandbox.write("src/ignored", "changed");
    assert_eq!(
        sandbox.plan(&[]),
        ["app build input-changed:copy[0]:src/ignored"]
    );
    sandbox.write("src/ignored", "");
    sandbox.write("src/.gitignore", "*\n");
    assert_eq!(
        sandbox.plan(&[]),
        ["app build input-changed:copy[0]:src/.gitignore"],
        "it is a file of the image like any other"
    );
}

#[test]
fn rules_are_those_beside_the_manifest_and_their_text_is_no_content() {
    // pulumi-docker-build#980: one context had another's rules; rcds#117, flyte-sdk#799: a comment in them rebuilt all.
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", "workspace { include \"svc\" }\n"),
        ("svc/imgspec.kdl", COPIES),
        ("svc/src/a", ""),
        ("svc/src/a.log", ""),
        ("svc/.dockerignore", "**/*.log\n"),
        (".dockerignore", "**\n"),
    ]);
    sandbox.build(&[]).success();
    sandbox.write("svc/src/a.log", "changed");
    sandbox.write("svc/.dockerignore", "# the same\n**/*.log\n");
    assert_eq!(sandbox.plan(&[]), ["app fresh"]);
}

#[test]
fn files_that_requirements_include_count() {
    // flytekit: the lock file was hashed and the file beside it was not; pants#14724: what the configuration added neither.
    let manifest =
        "image \"app\" { base-image \"debian:bookworm-slim\"; requirements \"r.txt\" }\n";
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", manifest),
        ("r.txt", "-r more/s.txt\n"),
        ("more/s.txt", "-c ../c.txt\nnumpy\n"),
        ("c.txt", "numpy==2.1.0\n"),
    ]);
    sandbox.build(&[]).success();
    sandbox.write("c.txt", "numpy==2.2.0\n");
    assert_eq!(
        sandbox.plan(&[]),
        ["app build input-changed:requirements:c.txt"]
    );
}

#[test]
fn which_builder_is_asked_is_in_no_key_and_what_it_made_is_not_taken_for_another_s() {
    // skaffold#5504: artifacts of one builder were taken for those of another. Keys are of what is asked for; existence is
    // asked of the builder in charge.
    let sandbox = copies(&["src/a"]).env("DOCKER_HOST", "unix:///nowhere.sock");
    sandbox.build(&[]).success();
    let plan = sandbox
        .run(&["graph", "plan", "--builder", "docker", "--format", "json"])
        .success();
    assert_eq!(plan.json()["images"][0]["action"], "build");
}

#[test]
fn a_tag_of_a_base_is_asked_of_nobody_and_a_digest_is_another_base() {
    // skaffold#5063, fairing#197: a base moved and nobody noticed. And werf's answer: asking each time lets two stages of one
    // pipeline differ. So: a key needs no network and holds still; who wants a base fixed writes its digest.
    let of = |base: &str| {
        let manifest = format!("image \"app\" {{ base-image \"{base}\" }}\n");
        let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]).env("PATH", "/nowhere");
        key(&sandbox, "app")
    };
    let digest = format!("debian:12@sha256:{}", "ab".repeat(32));
    assert_eq!(of("debian:12"), of("debian:12"));
    assert_ne!(of("debian:12"), of(&digest));
}

#[test]
fn what_is_not_pinned_is_refreshed_by_force_and_dependents_follow() {
    // "Same key, other content": an unpinned package is only fetched anew when asked for, and then whatever stands on it too.
    let manifest = "image \"os\" { base-image \"debian:12\"; apt-packages \"git\" }\nimage \"app\" { base-image image=\"os\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]);
    sandbox.build(&[]).success();
    sandbox.built();
    assert_eq!(
        sandbox.plan(&["--force"]),
        ["os build forced", "app build forced,base-rebuilt:os"]
    );
    sandbox.build(&["--force"]).success();
    assert_eq!(sandbox.built(), ["app", "os"]);
}

#[test]
fn a_password_of_an_index_is_in_no_state_no_event_and_no_output() {
    // CVE-2025-0495: credentials in the history of builds.
    let manifest = "variable \"token\" env=\"TOKEN\"\nimage \"app\" { base-image \"debian:12\"; packages \"x\"; pip-index \"https://me:{{ token }}@index.example.com/simple\" }\n";
    let secret = "hunter2hunter2";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]).env("TOKEN", secret);
    let runs = [
        sandbox.build(&["--progress", "json", "--metadata-file", "meta.json"]),
        sandbox.run(&["explain", "app"]),
        sandbox.run(&["explain", "app", "--format", "json"]),
        sandbox.run(&["graph", "plan", "--format", "json", "--builder", "fake"]),
        sandbox.run(&["tag", "--format", "json"]),
    ];
    for ran in runs {
        let ran = ran.success();
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(secret));
    }
    assert!(!holds(&sandbox.root(), secret));
    let other = Sandbox::with(&[("imgspec.kdl", manifest)]).env("TOKEN", "another");
    assert_eq!(key(&sandbox, "app"), key(&other, "app"));
}

/// Whether a file below a folder has these words in it.
fn holds(folder: &Path, words: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holds(&path, words)
        } else {
            let bytes = std::fs::read(&path).unwrap();
            String::from_utf8_lossy(&bytes).contains(words)
        }
    })
}

#[test]
fn files_that_md5_takes_for_one_are_two() {
    // skaffold and flytekit hash with MD5: these two are the pair of Wang and Yu (2004).
    const ONE: &str = "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70";
    const DIFFERENCES: [(usize, u8); 6] = [
        (19, 0x07),
        (45, 0xf1),
        (59, 0x72),
        (83, 0x34),
        (109, 0x28),
        (123, 0xab),
    ];
    let bytes = |text: &str| -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    };
    let sandbox = copies(&["src/f"]);
    let one = bytes(ONE);
    let mut two = one.clone();
    for (at, byte) in DIFFERENCES {
        two[at] = byte;
    }
    std::fs::write(sandbox.path("src/f"), &one).unwrap();
    let first = key(&sandbox, "app");
    std::fs::write(sandbox.path("src/f"), &two).unwrap();
    assert_ne!(key(&sandbox, "app"), first);
}

#[test]
fn equal_sizes_and_times_hide_no_change() {
    // moby/buildkit#2592: a file of the same name, size and time is a cache hit there, whatever is in it.
    let sandbox = copies(&[]);
    let path = sandbox.path("src/f");
    let write = |text: &str| {
        sandbox.write("src/f", text);
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
            .unwrap();
    };
    write("aaaa");
    sandbox.build(&[]).success();
    write("bbbb");
    assert_eq!(sandbox.plan(&[]), ["app build input-changed:copy[0]:src/f"]);
}

#[test]
fn a_parent_that_is_gone_is_built_again_when_its_child_is() {
    // pants#13461, #13667, #16356: the state said "built", the image had been pruned.
    let manifest = "image \"os\" { base-image \"scratch\" }\nimage \"app\" { base-image image=\"os\"; copy \"src\" to=\"/src\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("src/a", "1")]);
    sandbox.build(&[]).success();
    sandbox.built();
    let images = std::fs::read_dir(sandbox.path(".imgspec/fake/local")).unwrap();
    for image in images {
        let path = image.unwrap().path();
        if path.to_string_lossy().contains("os+") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(sandbox.plan(&["app"]), ["app fresh"]);
    sandbox.write("src/a", "2");
    sandbox.build(&["app"]).success();
    assert_eq!(sandbox.built(), ["app", "os"]);
}

#[test]
fn what_is_finished_is_recorded_while_the_rest_still_builds() {
    // skaffold saves at the end: one failure, or a kill, and all that was built before is built again.
    let manifest =
        "image \"a\" { base-image \"scratch\" }\nimage \"b\" { base-image image=\"a\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]).env("IMGSPEC_FAKE_SECONDS", "0.5");
    let mut child = sandbox.spawn(&["graph", "build", "--builder", "fake"]);
    wait_for(|| sandbox.path(".imgspec/logs/b.log").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(sandbox.plan(&[]), ["a fresh", "b build never-built"]);
}

#[test]
fn equal_images_keep_their_own_names() {
    // skaffold#2694: two artifacts of one content, and the wrong one was tagged again.
    let image =
        |id: &str| format!("image \"{id}\" {{ base-image \"scratch\"; copy \"f\" to=\"/f\" }}\n");
    let manifest = image("one") + &image("two");
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest), ("f", "")]);
    assert_eq!(key(&sandbox, "one"), key(&sandbox, "two"));
    sandbox.build(&[]).success();
    assert_eq!(sandbox.built(), ["one", "two"]);
    sandbox.write("imgspec.kdl", &manifest.replacen("/f", "/g", 1));
    assert_eq!(
        sandbox.plan(&[]),
        ["one build input-changed:copy[0].to", "two fresh"]
    );
}

#[test]
fn two_images_with_one_reference_are_refused() {
    // skaffold#2694: the one built last has the name.
    let image =
        |id: &str, more: &str| format!("image \"{id}\" {{ base-image \"scratch\"; {more} }}\n");
    for (one, two) in [
        ("name \"x\"", "name \"x\""),
        ("name \"two\"", ""),
        (
            "name \"x\"; registry \"r.example.com/team\"",
            "name \"team/x\"; registry \"r.example.com\"",
        ),
        (
            "name \"x\"; tag-format \"v1\"",
            "name \"x\"; tag-format \"v1\"",
        ),
    ] {
        let manifest = image("one", one) + &image("two", two);
        let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]);
        sandbox
            .build(&[])
            .code(2)
            .says("images `one` and `two` are both called");
        assert!(!sandbox.path(".imgspec").exists());
    }
    let matrix =
        "image \"py{{ p }}\" { matrix { p \"1\" \"2\" }; base-image \"scratch\"; name \"py\" }\n";
    Sandbox::with(&[("imgspec.kdl", matrix)])
        .build(&[])
        .code(2)
        .says("are both called `py`");
}

#[test]
fn a_digest_that_changes_by_itself_is_in_no_key() {
    // moby#48391, for-mac#7297: a build that is all cached has a new index digest each time.
    let manifest =
        "image \"os\" { base-image \"scratch\" }\nimage \"app\" { base-image image=\"os\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]);
    let before = (key(&sandbox, "os"), key(&sandbox, "app"));
    sandbox.build(&["--force"]).success();
    sandbox.build(&["--force"]).success();
    assert_eq!((key(&sandbox, "os"), key(&sandbox, "app")), before);
}

#[test]
fn downloads_are_shared_without_waiting_and_told_apart() {
    // moby/buildkit#1662, #2487: `shared` breaks apt's lock; dalec#1110: `locked` lets the whole graph wait in a row.
    let image = |id: &str, base: &str, platform: &str| {
        format!(
            "image \"{id}\" {{ base-image \"{base}\"; platform \"{platform}\"; apt-packages \"git\"; packages \"numpy\" }}\n"
        )
    };
    let manifest = [
        image("one", "debian:bookworm-slim", "linux/amd64"),
        image("two", "debian:trixie-slim", "linux/amd64"),
        image("arm", "debian:bookworm-slim", "linux/arm64"),
    ];
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest.concat())]);
    let mounts = |id: &str| -> Vec<String> {
        let text = sandbox
            .run(&["render", "--builder", "docker", id])
            .success()
            .stdout;
        let words = text.split_whitespace();
        words
            .filter(|word| word.starts_with("--mount=type=cache"))
            .map(str::to_owned)
            .collect()
    };
    let of = mounts("one");
    assert_eq!(of.len(), 3, "{of:?}");
    for mount in &of {
        let sharing = if mount.contains("id=imgspec-uv") {
            "sharing=shared"
        } else {
            "sharing=private"
        };
        assert!(mount.ends_with(sharing), "{mount}");
    }
    let apt = |mounts: Vec<String>| mounts[0].clone();
    assert!(apt(mounts("two")) != apt(of.clone()) && apt(mounts("arm")) != apt(of));
}

#[test]
fn a_state_that_cannot_be_written_loses_no_image() {
    // A disk that is full in the middle of a graph: what is built is built, it is said, and found again by its key.
    let sandbox = copies(&["src/a"]);
    sandbox.write(".imgspec/state/app.json/in-the-way", "");
    sandbox
        .build(&[])
        .success()
        .says("`app` is built but could not be recorded");
    assert_eq!(sandbox.plan(&[]), ["app fresh"]);
}

#[test]
fn a_state_folder_that_cannot_be_made_stops_before_anything_is_built() {
    let sandbox = copies(&["src/a"]);
    sandbox.write(".imgspec", "a file");
    sandbox
        .build(&[])
        .code(2)
        .says("the state folder `.imgspec` cannot be made");
}
