//! What changes a key, what does not, and what must not be in any key.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::{COPIES, copies, key};
use crate::sandbox::Sandbox;

#[test]
fn the_same_letters_in_other_names_are_another_image() {
    // flytekit `_pathhash_update`: names were hashed without lengths and separators, so `a/bc` and `ab/c` were equal.
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
    // werf#7465: modes were added late; skaffold hashes all mode bits, so that two umasks give two keys.
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
    // turborepo#6046: a broken symlink caused a crash; flytekit follows symlinks, skaffold ignores their targets.
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
    // flytekit walks files only: an empty directory, or one that became empty, made no difference.
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
    // garden#5501: two clones of one commit had two versions. Here they have one, also through a symlink or from a
    // subdirectory.
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
    // turborepo#12554, #13916, #4150: files ignored by git gave a constant hash, and a changed `.gitignore` a different
    // one.
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
    // pulumi-docker-build#980: one context used another's rules; rcds#117, flyte-sdk#799: a comment in them rebuilt
    // everything.
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
    // flytekit: the lock file was hashed but not the file next to it; pants#14724: nor what the configuration added.
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
    // skaffold#5504: artifacts of one builder were taken for those of another. Keys describe what is requested;
    // existence is queried from the image's own builder.
    let sandbox = copies(&["src/a"]).env("DOCKER_HOST", "unix:///nowhere.sock");
    sandbox.build(&[]).success();
    let plan = sandbox
        .run(&["graph", "plan", "--builder", "docker", "--format", "json"])
        .success();
    assert_eq!(plan.json()["images"][0]["action"], "build");
}

#[test]
fn a_tag_of_a_base_is_asked_of_nobody_and_a_digest_is_another_base() {
    // skaffold#5063, fairing#197: a base moved unnoticed. werf queries it each time, which lets two stages of a
    // pipeline differ. Here a key needs no network and is stable; to pin a base, write its digest.
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
    // Same key, different content: an unpinned package is only downloaded again on request, and then dependents are
    // rebuilt too.
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
fn a_password_of_an_index_is_refused_and_shown_nowhere() {
    // CVE-2025-0495: credentials in the history of builds.
    let manifest = "variable \"token\" env=\"TOKEN\"\nimage \"app\" { base-image \"debian:12\"; packages \"x\"; pip-index \"https://me:{{ token }}@index.example.com/simple\" }\n";
    let secret = "hunter2hunter2";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]).env("TOKEN", secret);
    let runs = [
        sandbox.build(&["--progress", "json"]),
        sandbox.run(&["explain", "app"]),
        sandbox.run(&["check", "--format", "json"]),
        sandbox.run(&["render", "app"]),
    ];
    for ran in runs {
        let ran = ran.code(2).says("a URL contains a password");
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(secret));
    }
    assert!(!holds(&sandbox.root(), secret));
}

/// Whether a file below a directory contains this text.
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
    // skaffold and flytekit hash with MD5: these two are the collision of Wang and Yu (2004).
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
    // moby/buildkit#2592: a file of the same name, size and time is a cache hit there, whatever its contents.
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
