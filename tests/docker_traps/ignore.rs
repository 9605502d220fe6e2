//! Random `.dockerignore` files, interpreted by imgspec and by the engine: both must exclude the same files.
//!
//! Many trees are the named contexts of one build, each with its own rules, so that two hundred comparisons take a few
//! seconds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use imgspec::fingerprint::read_files;
use imgspec::recipe::{FileSet, Own};
use imgspec::spec::WorkspacePath;

use crate::dice::Dice;

const TREES: usize = 200;

/// Number of trees per build.
const AT_ONCE: usize = 50;

/// Rules that imgspec rejects are passed to the engine one by one; this many are enough.
const REFUSED: usize = 5;

const NAMES: [&str; 7] = ["a", "b", "ab", "a.b", "b.log", "c-d", "^a"];

const WILD: [&str; 14] = [
    "*", "**", "a*", "*.log", "?", "[ab]", "a?b", "[^a]", "**b", "b**", "*b", "..", ".", "a",
];

const PIECES: [&str; 18] = [
    "a", "b", "*", "**", "/", "?", ".", "[ab]", "[^b]", "\\*", "^", "]", "!", " ", "**/", "/**",
    "[a-c]", "\\.",
];

impl Dice {
    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.index(of.len())]
    }

    fn joined(&mut self, most: u64, of: &[&str], with: &str) -> String {
        let parts: Vec<&str> = (0..=self.below(most)).map(|_| self.one(of)).collect();
        parts.join(with)
    }

    fn rule(&mut self) -> String {
        let pattern = match self.below(10) {
            0..4 => self.joined(3, &[NAMES.as_slice(), WILD.as_slice()].concat(), "/"),
            4..6 => self.joined(3, &NAMES, "/"),
            _ => self.joined(5, &PIECES, ""),
        };
        let before = self.one(&["", "", "", "!", "!", "/", "! ", "./", " "]);
        let after = self.one(&["", "", "", "/", " ", "\t"]);
        format!("{before}{pattern}{after}\n")
    }

    fn tree(&mut self, at: &Path, depth: usize) {
        for name in NAMES {
            let path = at.join(name);
            if depth > 0 && self.percent(50) {
                std::fs::create_dir(&path).expect("a directory");
                self.tree(&path, depth - 1);
            } else if self.percent(75) {
                std::fs::write(&path, "x").expect("a file");
            }
        }
    }
}

struct Case {
    folder: PathBuf,
    name: String,
    rules: String,
}

fn cases(root: &Path) -> Vec<Case> {
    let mut dice = Dice::new(0x2545_f491_4f6c_dd1d);
    let case = |at| {
        let name = format!("c{at}");
        let folder = root.join(&name);
        std::fs::create_dir(&folder).expect("a directory");
        dice.tree(&folder, 2);
        let rules: String = (0..=dice.below(5)).map(|_| dice.rule()).collect();
        std::fs::write(folder.join(".dockerignore"), &rules).expect("a file");
        // An empty context is a separate error.
        std::fs::write(folder.join("keep-me-zz"), "").expect("a file");
        Case {
            folder,
            name,
            rules,
        }
    };
    (0..TREES).map(case).collect()
}

/// The files that imgspec selects from a tree; `None` if it rejects the rules.
fn ours(case: &Case) -> Option<BTreeSet<String>> {
    let root = WorkspacePath::default();
    let set = FileSet::Tree {
        path: root.clone(),
        ignore: root,
        own: Own::NOTHING,
    };
    let files = read_files(&case.folder, &set).ok()?;
    Some(files.entries.iter().map(|it| it.path.clone()).collect())
}

/// Copies each tree's context to a directory with its name.
fn build(engine: &str, cases: &[&Case], work: &Path, to: &Path) -> Output {
    let empty = work.join("empty");
    std::fs::create_dir_all(&empty).expect("a directory");
    let mut text = "FROM scratch\n".to_owned();
    let mut command = Command::new("docker");
    command
        .env("DOCKER_HOST", engine)
        .env_remove("BUILDX_BUILDER");
    command.args(["buildx", "build", "--quiet", "--provenance=false"]);
    for case in cases {
        text += &format!("COPY --from={0} . /{0}/\n", case.name);
        let context = format!("{}={}", case.name, case.folder.display());
        command.args(["--build-context", &context]);
    }
    let dockerfile = work.join("Dockerfile");
    std::fs::write(&dockerfile, text).expect("a file");
    let output = format!("type=local,dest={}", to.display());
    command.args(["--output", &output, "--file"]);
    command.arg(dockerfile).arg(empty);
    command.output().expect("docker starts")
}

fn listing(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            listing(&entry.path(), &format!("{name}/"), found);
        }
        found.insert(name);
    }
}

#[test]
fn two_hundred_trees_have_the_files_that_the_engine_sends() {
    // oblien/openship#370 (compare with a real Docker), pulumi-docker#594 and #607 (exceptions, and too little
    // excluded), pulumi-docker-build#980 (named contexts have their own rules).
    let (_, engine) = crate::engine::engines().swap_remove(0);
    let work = tempfile::tempdir().expect("a directory");
    let cases = cases(work.path());
    let (good, bad): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| ours(case).is_some());
    assert!(good.len() > TREES * 3 / 4, "{} are refused", bad.len());
    let mut wrong = Vec::new();
    for (at, some) in good.chunks(AT_ONCE).enumerate() {
        let to = work.path().join(format!("out{at}"));
        let output = build(&engine, some, work.path(), &to);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for case in some {
            let mut theirs = BTreeSet::new();
            listing(&to.join(&case.name), "", &mut theirs);
            let ours = ours(case).expect("it was read before");
            if ours != theirs {
                let only_ours: Vec<_> = ours.difference(&theirs).collect();
                let only_theirs: Vec<_> = theirs.difference(&ours).collect();
                wrong.push(format!(
                    "{:?}: only ours {only_ours:?}, only theirs {only_theirs:?}",
                    case.rules
                ));
            }
        }
    }
    for case in bad.into_iter().take(REFUSED) {
        let to = work.path().join("refused");
        if build(&engine, &[case], work.path(), &to).status.success() {
            wrong.push(format!("{:?}: refused by us only", case.rules));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
