//! Sets of real packages, installed by imgspec and by apt in `BuildKit` on the same system: the same packages in the same versions,
//! whole for dpkg and apt, and the same files.
//!
//! `IMGSPEC_TEST_ALL=1` installs thirty, which takes a quarter of an hour; without it, the first few as one, which bring accounts,
//! questions, alternatives, triggers, and scripts that compile.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::engine::{engines, wants_all};
use crate::sandbox::{Ran, Sandbox};
use crate::{docker, nonce, on};

/// One on each line. Of all of them the choice is compared with apt's, in the tests of the library.
const SETS: &str = include_str!("../data/debian-sets.txt");

/// How many are always installed, together.
const FEW: usize = 4;

/// How many are installed if all are asked for; the benchmark takes the same.
const MANY: usize = 30;

/// What differs by nature: caches and logs, which we leave out; copies of what was before; what the engine puts there.
const BY_NATURE: [&str; 26] = [
    "/.dockerenv",
    "/dev",
    "/etc/.pwd.lock",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/machine-id",
    "/etc/passwd-",
    "/etc/resolv.conf",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/proc",
    "/sys",
    "/var/cache/apt",
    "/var/cache/debconf/*-old",
    "/var/cache/fontconfig",
    "/var/cache/ldconfig",
    "/var/lib/apt/lists",
    "/var/lib/dbus/machine-id",
    "/var/lib/dpkg/status-old",
    "/var/log/alternatives.log",
    "/var/log/apt",
    "/var/log/dpkg.log",
    "/var/log/fontconfig.log",
];

/// The certificate that is made for the machine: the name of a link to it tells its hash.
const MADE: &str = "ssl-cert-snakeoil.pem";

/// Files whose contents differ by nature: they tell times, are keys that were just made, or are in the order in which packages came.
/// Bytecode names its source by the hash, where apt's tells its time.
const CONTENTS: [&str; 10] = [
    "*.pyc",
    "/etc/shadow",
    "/etc/ssh/ssh_host_*",
    "/etc/ssl/certs/java/cacerts",
    "/etc/ssl/certs/ssl-cert-snakeoil.pem",
    "/etc/ssl/private/ssl-cert-snakeoil.key",
    "/var/lib/apt/extended_states",
    "/var/lib/dpkg/triggers/File",
    "/var/lib/postgresql/*/main/*",
    "/var/lib/texmf/*",
];

/// Prints parts that begin with `== NAME`.
const LOOK: &str = "set -f
echo '== packages'; dpkg-query -W -f '${binary:Package} ${Version} ${db:Status-Abbrev}\\n'
echo '== automatic'; apt-mark showauto
echo '== accounts'; cut -d: -f1,2,4- /etc/shadow
echo '== triggers'; cat /var/lib/dpkg/triggers/File
echo '== audit'; dpkg --audit
echo '== verified'; dpkg --verify
echo '== checked'; apt-get -qq check 2>&1
echo '== entries'; find / -xdev $PRUNED -prune -o -printf '%p %y %#m %U:%G %l\\n'
echo '== contents'; find / -xdev $PRUNED -prune -o $SKIPPED -o -type f -print0 | xargs -0 b2sum --length=128";

/// What is told of an image.
struct Told(String);

impl Told {
    fn of(engine: &str, image: &str) -> Self {
        let any = |paths: &[&str]| format!("( -path {} )", paths.join(" -o -path "));
        let (pruned, skipped) = (any(&BY_NATURE), any(&CONTENTS));
        let pruned = format!("PRUNED=( {pruned} -o -lname {MADE} )");
        let skipped = format!("SKIPPED={skipped}");
        let run = [
            "run",
            "--rm",
            "--network=none",
            "--env",
            &pruned,
            "--env",
            &skipped,
            image,
        ];
        let ran = docker(engine, &[&run[..], &["sh", "-c", LOOK]].concat());
        Self(ran.success().stdout)
    }

    fn part(&self, name: &str) -> BTreeSet<&str> {
        let head = format!("== {name}\n");
        let (_, rest) = self.0.split_once(&head).expect("every part is told");
        let lines = rest.lines();
        lines.take_while(|line| !line.starts_with("== ")).collect()
    }

    /// What is not as with apt.
    fn beside(&self, theirs: &Self) -> String {
        let mut wrong = String::new();
        for name in [
            "packages",
            "automatic",
            "accounts",
            "triggers",
            "verified",
            "entries",
            "contents",
        ] {
            let (ours, theirs) = (self.part(name), theirs.part(name));
            let may_be_empty = ["automatic", "triggers", "verified"].contains(&name);
            assert!(may_be_empty || !theirs.is_empty(), "{name}");
            for (who, mine, other) in [("ours", &ours, &theirs), ("apt's", &theirs, &ours)] {
                for line in mine.difference(other) {
                    let _ = writeln!(wrong, "  {name}: {who}: {line}");
                }
            }
        }
        for name in ["audit", "checked"] {
            for line in self.part(name) {
                let _ = writeln!(wrong, "  {name}: {line}");
            }
        }
        wrong
    }
}

/// Builds with `BuildKit`. Lists and packages are fetched once for all sets.
fn by_apt(engine: &str, base: &str, set: &str, tag: &str) {
    let text = format!(
        "FROM {base}\nRUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
         apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends {set}\n"
    );
    let mut child = Command::new("docker")
        .args(["buildx", "build", "--builder", "default", "--network=host"])
        .args(["--quiet", "--load", "--tag", tag, "-"])
        .env("DOCKER_HOST", engine)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("docker starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(text.as_bytes()).expect("a Dockerfile");
    drop(stdin);
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{set}: {said}");
}

/// A manifest with a system, and an image on it for each set.
fn manifest(sets: &[&str], word: &str) -> String {
    let mut text = format!(
        "defaults {{ builder \"oci\" }}\nimage \"base\" {{\n    name \"imgspec-test/{word}-base\"\n    base-image debian=\"bookworm\"\n}}\n"
    );
    for (number, set) in sets.iter().enumerate() {
        let packages: Vec<String> = set.split(' ').map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(
            text,
            "image \"set{number}\" {{\n    name \"imgspec-test/{word}-set{number}\"\n    base-image image=\"base\"\n    apt-packages {}\n}}",
            packages.join(" ")
        );
    }
    text
}

/// Builds and loads an image, without a limit of time: the engine's disks may be slow.
fn built(sandbox: &Sandbox, id: &str) -> String {
    let ended = sandbox
        .command(&["graph", "build", "--load", "--progress", "plain", id])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{id}: {said}");
    let log = sandbox.read(&format!(".imgspec/logs/{id}.log"));
    assert!(!log.contains("apt installs the packages"), "{id}: {log}");
    sandbox.run(&["tag", id]).success().stdout.trim().to_owned()
}

#[test]
fn sets_of_packages_are_installed_as_apt_installs_them() {
    let (_, engine) = engines().remove(0);
    let all: Vec<&str> = SETS.lines().collect();
    let few = all[..FEW].join(" ");
    let sets = if wants_all() {
        &all[..MANY]
    } else {
        &[few.as_str()][..]
    };
    let word = nonce();
    let sandbox = on(&engine);
    sandbox.write("imgspec.kdl", &manifest(sets, &word));
    let base = built(&sandbox, "base");
    let mut wrong = Vec::new();
    for (number, set) in sets.iter().enumerate() {
        let ours = built(&sandbox, &format!("set{number}"));
        let theirs = format!("imgspec-test/{word}:apt-{number}");
        by_apt(&engine, &base, set, &theirs);
        let differs = Told::of(&engine, &ours).beside(&Told::of(&engine, &theirs));
        if !differs.is_empty() {
            wrong.push(format!("{set}\n{differs}"));
        }
        let _: Ran = docker(&engine, &["image", "rm", "--force", &ours, &theirs]);
    }
    let _ = docker(&engine, &["image", "rm", "--force", &base]);
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
