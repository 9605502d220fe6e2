//! Commands as root, with subordinate ids and with a single id: the same image, and nothing of it left behind. And machines that lack
//! what commands need: rights, room, a temporary directory.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::commands::{manifest, sandbox};
use super::store;
use super::taken::entries;
use crate::sandbox::{Ran, Sandbox};

/// As whom to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Root,
    Ids,
    One,
}

/// Makes this a user with the name that newuidmap wants, and with subordinate ids if there is a second argument, in a mount namespace of
/// its own, so that no file of the machine changes.
const BECOME: &str = "mount --make-rprivate / && touch /etc/subuid /etc/subgid \
    && cp /etc/passwd \"$1/users\" && echo ordinary:x:4242:4242::/:/bin/sh >> \"$1/users\" && echo \"$2\" > \"$1/ranges\" \
    && mount --bind \"$1/users\" /etc/passwd && mount --bind \"$1/ranges\" /etc/subuid && mount --bind \"$1/ranges\" /etc/subgid \
    && shift 2 && exec setpriv --reuid 4242 --regid 4242 --clear-groups --inh-caps=-all \"$@\"";

/// Who can build here: all three for root with the programs that map ids.
fn all() -> Vec<Who> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can build as others");
        return vec![Who::One];
    }
    if which::which("newuidmap").is_err() {
        eprintln!("SKIPPED: subordinate ids are mapped by newuidmap, of Debian's package uidmap");
        return vec![Who::Root, Who::One];
    }
    vec![Who::Root, Who::Ids, Who::One]
}

/// A run of imgspec inside a program that changes what it may do. Its environment is that of the sandbox.
fn wrapped(sandbox: &Sandbox, program: &[&str], arguments: &[&str]) -> Command {
    let own = sandbox.command(arguments);
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(own.get_program());
    command.args(own.get_args()).current_dir(sandbox.root());
    let env = own
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    command.env_clear().envs(env).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn command(who: Who, sandbox: &Sandbox, arguments: &[&str]) -> Command {
    if who == Who::Root || !rustix::process::geteuid().is_root() {
        return sandbox.command(arguments);
    }
    let all = sandbox.root().join("..");
    let own = ["chmod 755", "chown -R 4242:4242"];
    for words in own {
        let mut words = words.split(' ');
        let mut own = Command::new(words.next().unwrap());
        // Files of subordinate ids stay whose they are.
        if !all.join("home/.cache").exists() {
            assert!(own.args(words).arg(&all).status().unwrap().success());
        }
    }
    let ids = if who == Who::Ids {
        "4242:200000:65536"
    } else {
        ""
    };
    let place = all.to_str().unwrap();
    wrapped(
        sandbox,
        &["unshare", "-m", "sh", "-c", BECOME, "sh", place, ids],
        arguments,
    )
}

/// The layers of an image.
fn layers(sandbox: &Sandbox) -> Vec<String> {
    let read = |path: &str| serde_json::from_str::<serde_json::Value>(&sandbox.read(path)).unwrap();
    let hex = |value: &serde_json::Value| value["digest"].as_str().unwrap()[7..].to_owned();
    let index = read("out/index.json");
    let manifest = read(&format!("out/blobs/sha256/{}", hex(&index["manifests"][0])));
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().map(hex).collect()
}

/// The entries of the layers that these lines make, the same for everyone.
fn built(lines: &str) -> Vec<String> {
    let built = all().into_iter().map(|who| {
        let sandbox = sandbox(lines);
        let arguments = ["graph", "build", "--attempts", "1", "--output", "oci:out"];
        Ran::of(&mut command(who, &sandbox, &arguments)).success();
        let layers = layers(&sandbox);
        let made = layers[1..].iter();
        let entries: Vec<String> = made.flat_map(|layer| entries(&sandbox, layer)).collect();
        Ran::of(&mut command(who, &sandbox, &["clean", "--max-size", "1B"])).success();
        assert_eq!(
            left(&sandbox, "working") + left(&sandbox, "trees"),
            0,
            "{who:?}"
        );
        (who, layers, entries)
    });
    let built: Vec<(Who, Vec<String>, Vec<String>)> = built.collect();
    let (_, digests, entries) = &built[0];
    for (who, other, others) in &built[1..] {
        assert_eq!(others, entries, "{who:?}");
        assert_eq!(other, digests, "{who:?}");
    }
    entries.clone()
}

/// How many entries a directory of the store has; below `trees`, how many layers.
fn left(sandbox: &Sandbox, name: &str) -> usize {
    let Ok(found) = store(sandbox).join(name).read_dir() else {
        return 0;
    };
    if name != "trees" {
        return found.count();
    }
    found
        .map(|kind| kind.unwrap().path().read_dir().unwrap().count())
        .sum()
}

#[test]
fn owners_and_devices_are_the_same_for_everyone_who_builds() {
    let entries = built(
        r#"    commands "mkdir /d; cd /d; echo 1 > a; chown 70:71 a; install -o 70 -g 72 -m 4755 a b; ln -s a l; chown -h 5:6 l; ln a again; mknod null c 1 3; mknod -m 660 disk b 8 1; chown 0:6 disk; touch n; chown 9 n; mv n moved; rm again; touch again" "chown -R 0:0 /home/app; chown 70 /old/a; mv /old/in /home/in; echo more > /d/a""#,
    );
    assert_eq!(
        entries,
        [
            "d/ Directory 755 0:0",
            "d/a Regular 644 70:71 1",
            "d/again Regular 644 0:0",
            "d/b Regular 4755 70:72 1",
            "d/disk Block 660 0:6 8:1",
            "d/l Symlink 777 5:6 a",
            "d/moved Regular 644 9:0",
            "d/null Char 644 0:0 1:3",
            "d/ Directory 755 0:0",
            "d/a Regular 644 70:71 more",
            "home/ Directory 755 0:0",
            "home/app/ Directory 755 0:0",
            "home/in/ Directory 755 0:0",
            "home/in/b Regular 644 0:0 b",
            "old/ Directory 755 0:0",
            "old/a Regular 644 70:0 a",
            "old/.wh.in Regular 0 0:0",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn a_user_writes_into_its_home_and_into_what_was_copied_for_it() {
    let entries = built(
        r#"    steps {
        copy "own.txt" to="/srv/given/" owner="app"
        run "mkdir /own; chown app:app /own; chmod 700 /own; chown 70:71 /srv/given; chmod 755 /srv/given"
        user "app"
        run "echo 1 > /home/app/a; echo 2 >> /srv/given/own.txt; echo 3 > /srv/given/b; mkdir /own/d; mv /srv/given/own.txt /own/e"
    }"#,
    );
    assert!(
        entries
            .iter()
            .any(|entry| entry == "own/e Regular 644 70:71 own\n2"),
        "{entries:#?}"
    );
    assert!(
        entries
            .iter()
            .any(|entry| entry == "home/app/a Regular 644 70:71 1"),
        "{entries:#?}"
    );
}

/// What shadow's programs and `sed -i` do: a new file gets the owner that the old one shows.
#[test]
fn a_file_that_is_replaced_keeps_its_owner() {
    let entries = built(
        r#"    commands "chown 0:42 /old/a; chmod 640 /old/a" "cp /old/a /old/a+; chown --reference=/old/a /old/a+; chmod 640 /old/a+; mv /old/a+ /old/a; touch /home/app/x; mv /home/app /home/other""#,
    );
    let wanted = ["old/a Regular 640 0:42 a", "home/other/ Directory 755 70:0"];
    for wanted in wanted {
        assert!(
            entries.iter().any(|entry| entry == wanted),
            "{wanted}: {entries:#?}"
        );
    }
}

#[test]
fn what_a_killed_command_of_several_users_left_is_removed() {
    if !all().contains(&Who::Ids) {
        return;
    }
    let lines =
        "    commands \"mkdir /d; touch /d/a; chown -R 70:71 /d; chmod 700 /d; sleep 4712\"";
    for next in [&["clean"][..], &["graph", "build", "--attempts", "1"]] {
        let sandbox = sandbox(lines);
        let mut builder = command(Who::Ids, &sandbox, &["graph", "build"])
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let is_made = || {
            let working = store(&sandbox)
                .join("working")
                .read_dir()
                .into_iter()
                .flatten();
            let mut made = working.map(|entry| entry.unwrap().path().join("upper/d"));
            made.any(|made| {
                made.metadata()
                    .is_ok_and(|it| it.uid() != 4242 && it.mode() & 0o777 == 0o700)
            })
        };
        while !is_made() {
            assert!(begun.elapsed() < Duration::from_mins(1));
            std::thread::sleep(Duration::from_millis(20));
        }
        builder.kill().unwrap();
        builder.wait().unwrap();
        // The sandbox has to end, too.
        std::thread::sleep(Duration::from_millis(500));
        assert!(left(&sandbox, "working") > 0);
        sandbox.write("imgspec.kdl", &manifest("    commands \"true\""));
        Ran::of(&mut command(Who::Ids, &sandbox, next)).success();
        assert_eq!(left(&sandbox, "working"), 0, "{next:?}");
    }
}

/// Where there are no user namespaces for one who is not root.
const FORBIDDEN: [&str; 6] = [
    "unshare",
    "-Ur",
    "sh",
    "-c",
    "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"",
    "sh",
];

/// Where the sandbox cannot be made, whoever asks for it fails.
#[test]
fn a_run_with_nothing_to_do_starts_no_sandbox() {
    let lines = "    commands \"true\"";
    let sandbox = sandbox(lines);
    sandbox.run(&["graph", "build"]).success();
    let run = |arguments: &[&str]| Ran::of(&mut wrapped(&sandbox, &FORBIDDEN, arguments));
    for fresh in [&["graph", "build"][..], &["graph", "plan"]] {
        run(fresh).success();
    }
    let why = "commands cannot run on this machine: user namespaces are forbidden";
    run(&["check"]).code(2).says(why);
    // What is to be built is refused with its line, before anything is started.
    sandbox.write("imgspec.kdl", &manifest("    commands \"echo other\""));
    run(&["graph", "plan"]).success();
    let ran = run(&["graph", "build"]).code(2).says(why);
    assert!(ran.stderr.contains("imgspec.kdl:4"), "{}", ran.stderr);
    // What runs nothing is built nevertheless.
    sandbox.write("imgspec.kdl", &manifest("    copy \"own.txt\" to=\"/\""));
    run(&["graph", "build"]).success();
}

#[test]
fn a_machine_that_forbids_it_is_told_with_the_line() {
    let sandbox = sandbox("    commands \"true\"");
    for arguments in [&["check"][..], &["graph", "build"]] {
        let ran = Ran::of(&mut wrapped(&sandbox, &FORBIDDEN, arguments)).code(2);
        for words in [
            "`commands[0]`",
            "`user.max_user_namespaces` is 0",
            "imgspec.kdl:4",
        ] {
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
    }
    let plan = ["graph", "plan"];
    Ran::of(&mut wrapped(&sandbox, &FORBIDDEN, &plan)).success();
}

/// Runs twice in a cache of this size, and with more room the second time; returns what was said each time. `prepare` comes before
/// that; for it, too, `"$@"` is the run.
fn with_room(sandbox: &Sandbox, first: &str, prepare: &str) -> Option<Ran> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can make a disk of a size");
        return None;
    }
    let script = "mount --make-rprivate / && mkdir cache && mount -t tmpfs -o size=$1 none cache && prepare=$2 && shift 2 && eval \"$prepare\" || exit 9
        \"$@\"; code=$?; [ -z \"$(ls cache/images/working)\" ] || exit 7; mount -o remount,size=900m cache || exit 9
        \"$@\" >&2 || exit 8; echo first $code";
    let outer = ["unshare", "-m", "sh", "-c", script, "sh", first, prepare];
    let arguments = ["graph", "build", "--attempts", "1"];
    let mut command = wrapped(sandbox, &outer, &arguments);
    command.env("IMGSPEC_CACHE", sandbox.path("cache"));
    let ran = Ran::of(&mut command).success();
    assert!(
        ran.stdout.contains("first 1"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    Some(ran)
}

#[test]
fn a_disk_that_is_full_is_named_and_the_next_run_goes_on() {
    // The layers fit, but not unpacked.
    let sandbox = sandbox("    commands \"true\"");
    let size = std::fs::metadata(sandbox.path("files.tar")).unwrap().len();
    if let Some(ran) = with_room(&sandbox, &size.to_string(), "true") {
        assert!(ran.stderr.contains("no space left for"), "{}", ran.stderr);
    }
}

#[test]
fn a_command_that_fills_the_disk_is_ended_and_the_next_run_goes_on() {
    let sandbox =
        sandbox("    commands \"head -c 200000000 /dev/zero > /filled; sleep 1; rm /filled\"");
    if let Some(ran) = with_room(&sandbox, "400m", "true") {
        let words = "it was ended because the disk has less than 256 MiB left";
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}

#[test]
fn a_disk_without_room_for_the_layer_of_a_command_is_named_and_the_next_run_goes_on() {
    let sandbox = sandbox("    commands \"true\"");
    // There is room for the base, also unpacked, and not for what the command makes, which has enough room itself.
    let size = std::fs::metadata(sandbox.path("files.tar")).unwrap().len();
    let lines = format!("    commands \"head -c {} /dev/urandom > /made\"", 4 * size);
    sandbox.write("later.kdl", &manifest(&lines));
    // It is made scarce after the base: where there is little, a command that takes its time is ended.
    let prepare = format!(
        "\"$@\" && mount -t tmpfs none cache/images/working && mount -o remount,size={} cache && mv later.kdl imgspec.kdl",
        3 * size
    );
    if let Some(ran) = with_room(&sandbox, "900m", &prepare) {
        let told = ran.stderr.lines();
        let mut told = told.filter(|line| line.contains("no space left for"));
        let named = told.any(|line| line.contains("/cache/images/unfinished/"));
        assert!(named, "{}", ran.stderr);
        assert!(ran.stderr.contains("imgspec.kdl:4"), "{}", ran.stderr);
    }
}
