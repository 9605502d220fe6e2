//! The embedded builder's store: shared by processes, and never believed when it is damaged.

use std::process::Child;
use std::time::Duration;

use super::stage::wait_for;
use super::state::surroundings::mounting;
use crate::dice::Dice;
use crate::registry::{Fault, Registry, digest, layer, noise};
use crate::sandbox::Sandbox;

/// A registry with a base of two layers, and its reference.
fn base() -> (Registry, String) {
    let registry = Registry::new();
    let layers = [
        layer(&[("etc/passwd", b"app:x:7:8::/:\n")]),
        layer(&[("big", &noise(3 << 20, 7))]),
    ];
    let base = registry.image("team/base", &layers);
    (registry, base)
}

fn on(base: &str) -> Sandbox {
    let manifest = format!(
        "defaults {{ builder \"oci\"; platform \"linux/amd64\"; }}\n\
         image \"app\" {{ base-image \"{base}\"; copy \"f\" to=\"/srv/f\" owner=\"app\"; }}\n"
    );
    Sandbox::with(&[("imgspec.kdl", &manifest), ("f", "1\n")])
}

/// What a process said in the end.
fn said(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

fn downloads(registry: &Registry) -> Vec<String> {
    let mut asked = registry.asked();
    asked.retain(|asked| asked.starts_with("GET ") && asked.contains("/blobs/"));
    asked.sort();
    asked
}

fn turns(sandbox: &Sandbox) -> usize {
    let folder = sandbox.root().join("../home/.cache/imgspec/images/turns");
    folder.read_dir().unwrap().count()
}

#[test]
fn two_processes_that_need_one_base_fetch_it_once() {
    let (registry, base) = base();
    registry.faults(|method, path| {
        let is_blob = method == "GET" && path.contains("/blobs/");
        is_blob.then_some(Fault::Late(Duration::from_millis(1500)))
    });
    let sandbox = on(&base);
    // Two workspaces with one cache.
    let home = sandbox.root().join("../home").display().to_string();
    let other = on(&base).env("HOME", &home);
    let children = [&sandbox, &other].map(|sandbox| sandbox.spawn(&["graph", "build"]));
    let [first, second] = children.map(said);
    let fetched = downloads(&registry);
    let mut once = fetched.clone();
    once.dedup();
    assert_eq!((fetched.len(), &fetched), (3, &once));
    let words = "waiting for another run that is fetching sha256:";
    assert!(
        first.contains(words) || second.contains(words),
        "{first}{second}"
    );
    assert_eq!(turns(&sandbox), 0);
}

#[test]
fn who_waits_for_a_process_that_is_killed_goes_on_in_its_place() {
    let (registry, base) = base();
    registry.faults(|method, path| {
        let is_blob = method == "GET" && path.contains("/blobs/");
        is_blob.then_some(Fault::Half(Duration::from_mins(1)))
    });
    let sandbox = on(&base);
    let home = sandbox.root().join("../home").display().to_string();
    let mut first = sandbox.spawn(&["graph", "build"]);
    registry.until("GET /v2/team/base/blobs/");
    let beside = on(&base).env("HOME", &home);
    let second = beside.spawn(&["graph", "build"]);
    let log = beside.path(".imgspec/logs/app.log");
    wait_for("the second to wait", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains("waiting for another run"))
    });
    registry.behaves();
    first.kill().unwrap();
    first.wait().unwrap();
    registry.asked();
    let said = said(second);
    assert!(said.contains("waiting for another run"), "{said}");
    let fetched = downloads(&registry);
    assert_eq!(fetched.len(), 3, "{fetched:?}");
    assert_eq!(turns(&sandbox), 0);
}

/// The requests of a build and a push, by their beginnings.
const REQUESTS: &[(&str, &str)] = &[
    ("GET", "/v2/team/base/manifests/"),
    ("GET", "/v2/team/base/blobs/"),
    ("HEAD", "/v2/team/app/blobs/"),
    ("POST", "/v2/team/app/blobs/uploads/"),
    ("PUT", "/v2/team/app/blobs/uploads/"),
    ("PUT", "/v2/team/app/manifests/"),
];

/// Builds and pushes with this fault at this request, then without it.
fn survives(fault: &Fault, (method, path): (&'static str, &'static str)) {
    let (registry, base) = base();
    let sandbox = pushed(&base, &registry);
    let own = fault.clone();
    registry
        .faults(move |asked, at| (asked == method && at.starts_with(path)).then(|| own.clone()));
    let push = ["graph", "build", "--push", "--attempts", "1"];
    let ran = sandbox.run(&push);
    let case = format!("{fault:?} at {method} {path}: {}", ran.stderr);
    match ran.code {
        // What has no body cannot lie, and what is asked again may go well.
        Some(0) => assert!(matches!(fault, Fault::Lie | Fault::Half(_)), "{case}"),
        Some(1) => assert!(
            ran.stderr
                .contains(&format!("registry `{}`", registry.host)),
            "{case}"
        ),
        _ => panic!("{case}"),
    }
    registry.is_whole();
    registry.behaves();
    let ran = sandbox.run(&push);
    assert_eq!(ran.code, Some(0), "after {case}{}", ran.stderr);
    registry.is_whole();
    assert_eq!(registry.blobs("team/app").len(), 4, "after {case}");
    assert!(
        sandbox
            .run(&["graph", "plan", "--push"])
            .success()
            .stdout
            .contains("1 fresh")
    );
}

#[test]
fn a_registry_that_fails_or_lies_is_told_and_the_next_run_finishes_the_job() {
    let challenge = "www-authenticate: Bearer realm=\"http://127.0.0.1:1/token\"\r\n";
    let faults = [
        Fault::Status(500, String::new()),
        Fault::Status(429, "retry-after: 0\r\n".to_owned()),
        Fault::Status(401, challenge.to_owned()),
        Fault::Status(403, String::new()),
        Fault::HangUp,
        Fault::Half(Duration::ZERO),
        Fault::Lie,
    ];
    std::thread::scope(|scope| {
        for fault in &faults {
            scope.spawn(move || {
                for request in REQUESTS {
                    survives(fault, *request);
                }
            });
        }
    });
}

/// What the last push brought is asked for once, as a manifest; blobs only when that is gone, or gives no answer.
#[test]
fn a_push_asks_about_all_that_it_brought_before_with_one_question() {
    let (registry, base) = base();
    let sandbox = pushed(&base, &registry);
    let questions = |text: &str| {
        sandbox.write("f", text);
        registry.asked();
        sandbox.run(&["graph", "build", "--push"]).success();
        registry.is_whole();
        let asked = registry.asked();
        let count = |start: &str| {
            asked
                .iter()
                .filter(|asked| asked.starts_with(start))
                .count()
        };
        let [manifests, blobs] =
            ["manifests", "blobs"].map(|kind| count(&format!("HEAD /v2/team/app/{kind}/")));
        (manifests, blobs)
    };
    // The base's two layers.
    assert_eq!(questions("1\n"), (0, 2));
    assert_eq!(questions("2\n"), (1, 0));
    registry.faults(|method, path| {
        let is_asked = method == "HEAD" && path.starts_with("/v2/team/app/manifests/");
        is_asked.then(|| Fault::Status(404, String::new()))
    });
    assert_eq!(questions("3\n"), (1, 2));
    registry.faults(|method, path| {
        let is_asked = method == "HEAD" && path.starts_with("/v2/team/app/manifests/");
        is_asked.then(|| Fault::Status(403, String::new()))
    });
    assert_eq!(questions("4\n"), (1, 2));
    registry.behaves();
    registry.forget("team/app", "sha256:");
    assert_eq!(questions("5\n"), (1, 2));
}

/// Flips a byte in each kind of blob: layers, configs, manifests. With `rots`, the file's times do not tell.
fn flip(sandbox: &Sandbox, rots: bool) -> usize {
    let folder = sandbox
        .root()
        .join("../home/.cache/imgspec/images/blobs/sha256");
    let mut count = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let before = path.metadata().unwrap().modified().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        if rots {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(before).unwrap();
        }
        count += 1;
    }
    count
}

#[test]
fn a_damaged_blob_reaches_nobody_and_is_made_again() {
    let (registry, base) = base();
    let sandbox = pushed(&base, &registry);
    let tar = ["graph", "build", "--output", "tar:app.tar"];
    sandbox.run(&tar).success();
    let whole = std::fs::read(sandbox.path("app.tar")).unwrap();
    // Three layers, the base's config and manifest, the image's.
    assert_eq!(flip(&sandbox, false), 7);
    sandbox.run(&tar).success();
    assert_eq!(std::fs::read(sandbox.path("app.tar")).unwrap(), whole);

    // What nothing shows is found when it is read, at the latest when it is sent.
    flip(&sandbox, true);
    let mut rounds = 0;
    while sandbox.run(&tar).code != Some(0) {
        rounds += 1;
        assert!(rounds < 5);
    }
    assert_eq!(std::fs::read(sandbox.path("app.tar")).unwrap(), whole);

    flip(&sandbox, true);
    sandbox.run(&["graph", "build", "--push"]).success();
    registry.is_whole();
    assert_eq!(registry.blobs("team/app").len(), 4);
}

/// An image on a base, to be pushed to the base's registry, whose blobs are counted: without those of records.
fn pushed(base: &str, registry: &Registry) -> Sandbox {
    let sandbox = on(base).env("IMGSPEC_REMOTE_RECORDS", "0");
    let manifest = sandbox.read("imgspec.kdl");
    let registries = format!("defaults {{ registry \"{}/team\"; ", registry.host);
    sandbox.write("imgspec.kdl", &manifest.replace("defaults {", &registries));
    sandbox
}

/// Every blob is what it is called.
#[track_caller]
fn is_whole(sandbox: &Sandbox) {
    let store = sandbox
        .root()
        .join("../home/.cache/imgspec/images/blobs/sha256");
    for blob in store.read_dir().into_iter().flatten() {
        let blob = blob.unwrap();
        let name = format!("sha256:{}", blob.file_name().to_str().unwrap());
        assert_eq!(digest(&std::fs::read(blob.path()).unwrap()), name);
    }
}

#[test]
fn of_two_that_are_killed_at_any_moment_nothing_wrong_is_left() {
    let mut dice = Dice::default();
    let (registry, base) = base();
    let mut sandbox = pushed(&base, &registry);
    for round in 0..24 {
        let push = ["graph", "build", "--push", "--force"];
        let mut both = [sandbox.spawn(&push), sandbox.spawn(&push)];
        for child in &mut both {
            std::thread::sleep(Duration::from_millis(dice.below(150)));
            child.kill().unwrap();
        }
        for mut child in both {
            child.wait().unwrap();
        }
        is_whole(&sandbox);
        registry.is_whole();
        if round % 4 == 3 {
            sandbox.run(&["graph", "build", "--push"]).success();
            is_whole(&sandbox);
            // On a busy machine none of them may have come to open the store.
            if sandbox.path("../home/.cache/imgspec/images").exists() {
                assert_eq!(turns(&sandbox), 0);
                let unfinished = "../home/.cache/imgspec/images/unfinished";
                assert_eq!(sandbox.path(unfinished).read_dir().unwrap().count(), 0);
            }
            let plan = sandbox.run(&["graph", "plan", "--push"]).success().stdout;
            assert!(plan.contains("1 fresh"), "{plan}");
            sandbox = pushed(&base, &registry);
        }
    }
}

/// Builds and pushes with a cache of limited space, and again with more.
pub(crate) const SHORT_OF_ROOM: &str = r#"
mkdir -p "$HOME/.cache"
mount -t tmpfs -o "$1" none "$HOME/.cache" || exit 9
"$0" graph build --push --attempts 1
echo "first: $?"
mount -o remount,size=64m,nr_inodes=1000 "$HOME/.cache" || exit 9
"$0" graph build --push || exit 7
"$0" graph plan --push || exit 8
"#;

#[test]
fn a_full_disk_at_any_write_is_said_and_the_next_run_finishes_the_job() {
    for (unit, first, step) in [("size", 4096, 400_000), ("nr_inodes", 1, 2)] {
        let (mut room, mut failures) = (first, 0);
        loop {
            let (registry, base) = base();
            let sandbox = pushed(&base, &registry);
            let Some(ran) = mounting(&sandbox, SHORT_OF_ROOM, &format!("{unit}={room}")) else {
                return;
            };
            let ran = ran.success().says("1 fresh");
            registry.is_whole();
            assert_eq!(registry.blobs("team/app").len(), 4);
            if ran.stdout.contains("first: 0") {
                break;
            }
            assert!(
                ran.stderr.contains("no space left"),
                "{unit}={room}: {}",
                ran.stderr
            );
            failures += 1;
            room += step;
            assert!(failures < 60, "{unit}={room}: {}", ran.stderr);
        }
        assert!(failures > 3, "{unit}: {failures}");
    }
}

/// Builds, fills the cache to the last byte and the last file, and pushes; again with room.
const FILLED: &str = r#"
mkdir -p "$HOME/.cache"
mount -t tmpfs -o size=16m,nr_inodes=300 none "$HOME/.cache" || exit 9
"$0" graph build || exit 6
mkdir "$HOME/.cache/filled" && cat /dev/zero > "$HOME/.cache/filled/bytes" 2> /dev/null
i=0
while mkdir "$HOME/.cache/filled/$i" 2> /dev/null; do i=$((i + 1)); done
"$0" graph build --push --attempts 1
echo "first: $?"
rm -r "$HOME/.cache/filled"
"$0" graph build --push || exit 7
"$0" graph plan --push || exit 8
"#;

#[test]
fn a_push_on_a_full_disk_is_said_and_the_next_run_makes_it() {
    let (registry, base) = base();
    let sandbox = pushed(&base, &registry);
    let Some(ran) = mounting(&sandbox, FILLED, "") else {
        return;
    };
    let ran = ran.success().says("first: 1").says("1 fresh");
    let told = "it is built, but could not be pushed: no space left for `";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert!(ran.stderr.contains("\npushed 1, fresh 1"), "{}", ran.stderr);
    registry.is_whole();
    assert_eq!(registry.blobs("team/app").len(), 4);
}
