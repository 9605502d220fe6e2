//! The machine's own apt, with a state of its own, chooses the same.

use std::collections::BTreeSet;
use std::process::Command;

use super::*;

/// One on each line.
const SETS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/debian-sets.txt"
));

const KEYS: &str = "usr/share/keyrings/debian-archive-keyring.gpg";

/// Every how many sets one is chosen, unless `IMGSPEC_TEST_ALL=1` asks for all: a debug build takes seconds for each.
const EVERY: usize = 5;

/// Needs apt, and Debian's archive.
#[test]
fn sets_of_packages_are_chosen_as_apt_chooses_them() {
    let mut bench = Bench::new();
    bench
        .files
        .insert(KEYS.to_owned(), keyring::DEBIAN.to_vec());
    let line = |archive: &str, suite: &str| {
        format!("deb [signed-by=/{KEYS}] http://deb.debian.org/{archive} {suite} main\n")
    };
    let sources = line("debian", "bookworm")
        + &line("debian", "bookworm-updates")
        + &line("debian-security", "bookworm-security");
    bench.source(&sources);
    // The base is made of what the first list has, so that some of it is out of date.
    bench.source(&line("debian", "bookworm"));
    let request = Request {
        files: &bench.files,
        architecture: "amd64",
        packages: &[],
        set: Some(Set::Required),
        below: &[],
        preferred: &[],
    };
    let base = bench
        .with(|source| choose(&request, source))
        .unwrap()
        .packages;
    let installed = base
        .iter()
        .map(|package| format!("{}\nStatus: install ok installed\n\n", package.stanza));
    let status: String = installed.collect();
    bench.files.insert(
        "var/lib/dpkg/status".to_owned(),
        status.clone().into_bytes(),
    );
    bench.source(&sources);
    let apt = Apt::new(&sources.replace(&format!("/{KEYS}"), "KEYS"), &status);
    let mut wrong = Vec::new();
    let wants_all = std::env::var("IMGSPEC_TEST_ALL").is_ok_and(|value| value == "1");
    let every = if wants_all { 1 } else { EVERY };
    for set in SETS.lines().step_by(every) {
        let packages: Vec<&str> = set.split_whitespace().collect();
        let ours = bench.choose(&packages).unwrap();
        let ours: BTreeSet<String> = ours
            .iter()
            .map(|it| format!("{} {}", it.name, it.version))
            .collect();
        let theirs = apt.choose(&packages);
        if ours != theirs {
            let (more, less) = (ours.difference(&theirs), theirs.difference(&ours));
            wrong.push(format!(
                "{set}: more {:?}, less {:?}",
                more.collect::<Vec<_>>(),
                less.collect::<Vec<_>>()
            ));
        }
        assert!(!theirs.is_empty(), "{set}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

struct Apt(tempfile::TempDir);

impl Apt {
    fn new(sources: &str, status: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for directory in ["lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(at(directory)).unwrap();
        }
        std::fs::write(at("keys.gpg"), keyring::DEBIAN).unwrap();
        let sources = sources.replace("KEYS", at("keys.gpg").to_str().unwrap());
        std::fs::write(at("sources"), sources).unwrap();
        std::fs::write(at("status"), status).unwrap();
        let root = folder.path().display();
        let configuration = format!(
            "Dir::Etc::sourcelist \"{root}/sources\"; Dir::Etc::sourceparts \"-\"; Dir::Etc::main \"-\"; Dir::Etc::parts \"-\";\n\
             Dir::Etc::preferences \"-\"; Dir::Etc::preferencesparts \"-\"; Dir::State::lists \"{root}/lists\";\n\
             Dir::State::status \"{root}/status\"; Dir::Cache \"{root}/cache\"; APT::Architecture \"amd64\";\n\
             APT::Architectures {{ \"amd64\"; }}; APT::Sandbox::User \"root\"; Debug::NoLocking \"true\"; Acquire::Languages \"none\";\n"
        );
        std::fs::write(at("conf"), configuration).unwrap();
        let apt = Self(folder);
        apt.run(&["update"]);
        apt
    }

    fn run(&self, arguments: &[&str]) -> String {
        let said = Command::new("apt-get")
            .env("APT_CONFIG", self.0.path().join("conf"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            said.status.success(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        );
        String::from_utf8(said.stdout).unwrap()
    }

    fn choose(&self, packages: &[&str]) -> BTreeSet<String> {
        let said = self.run(&[&["-s", "--no-install-recommends", "install"], packages].concat());
        let each = said.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
            let (before, rest) = rest.split_once('(')?;
            let version = rest.split(' ').next()?;
            // The stanzas of this base lack what apt compares besides the version, so it wants some again as they are.
            let is_again = before.trim() == format!("[{version}]");
            (!is_again).then(|| format!("{name} {version}"))
        });
        each.collect()
    }
}
