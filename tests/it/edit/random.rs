//! Random edits of all example manifests: every byte outside the edited field, and every comment, is preserved.

use std::path::Path;

use imgspec::backend::elsewhere::Elsewhere;
use imgspec::check;
use imgspec::edit::{Change, Edit, Holder, ProposedEdit};
use imgspec::manifest::{self, Overrides};
use imgspec::session::{Opening, Refusal, Trust};

use super::layout::{copy, examples};

/// Fields, each with values to set.
const VALUES: &[(&str, &[&str])] = &[
    (
        "packages",
        &[
            "torch==2.5",
            "numpy>=1.26,<2",
            "Requests[socks]",
            "tabulate",
            "x @ https://h.example/x.whl",
            "a; sys_platform == 'linux'",
        ],
    ),
    ("apt-packages", &["git", "curl", "python3=3.11", "libgomp1"]),
    (
        "env",
        &[
            "REGION=here",
            "PORT=1",
            "A=1",
            "B=x y",
            "C=q\"b\\s\tt",
            "D={{ x }}",
            "E=ü€\u{202e}",
            "PYTHONUNBUFFERED=",
            "DATABASE=d",
        ],
    ),
    (
        "labels",
        &[
            "a.b=c",
            "org.opencontainers.image.vendor=we",
            "com.acme.kind=x",
        ],
    ),
    (
        "commands",
        &[
            "make",
            "echo {{ x }}",
            "for x in 1 2; do\n  echo $x\ndone",
            "a  \\\n  b",
        ],
    ),
    ("entrypoint", &["python3", "-m", "--port=1", ""]),
    ("cmd", &["serve", "-v", "a \"b\""]),
    ("user", &["app", "1000:1000"]),
    ("workdir", &["/srv", "/a b"]),
    (
        "base-image",
        &["debian:trixie-slim", "docker.io/library/debian:12"],
    ),
    ("tag-format", &["{spec_hash}-x"]),
    ("platform", &["linux/amd64"]),
    ("pip-index", &["https://pypi.org/simple"]),
    (
        "pip-extra-index-url",
        &["https://h.example/simple", "https://i.example/"],
    ),
];

/// A fixed sequence of pseudo-random numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn edit(&mut self, holders: &[Holder]) -> Edit {
        let (field, values) = *self.one(VALUES);
        let is_single = matches!(
            field,
            "user" | "workdir" | "base-image" | "tag-format" | "pip-index"
        );
        let count = if is_single { 1 } else { 1 + self.below(2) };
        let mut said: Vec<String> = (0..count).map(|_| (*self.one(values)).to_owned()).collect();
        said.dedup();
        Edit {
            of: self.one(holders).clone(),
            field: field.to_owned(),
            change: match self.below(3) {
                0 if !is_single => Change::Add(said),
                1 => Change::Remove(said),
                _ => Change::Set(said),
            },
        }
    }
}

fn propose(root: &Path, edit: &Edit) -> Result<ProposedEdit, Refusal> {
    edit.propose(&Opening {
        manifest: &root.join("imgspec.kdl"),
        overrides: &Overrides::default(),
        builder: None,
        elsewhere: &Elsewhere::default(),
        env: &|_| None,
        trust: Trust::Times,
    })
}

/// The comment at the end of a line, found independently of the parser: what follows `//` outside strings.
fn comment(line: &str) -> Option<&str> {
    let (mut is_text, mut is_escaped, mut is_raw) = (false, false, false);
    for (at, c) in line.char_indices() {
        if !is_text && line[at..].starts_with("//") {
            return Some(&line[at..]);
        }
        if c == '"' && !is_escaped {
            is_raw = if is_text {
                false
            } else {
                line[..at].ends_with('#')
            };
            is_text = !is_text;
        }
        is_escaped = c == '\\' && !is_escaped && is_text && !is_raw;
    }
    None
}

/// The lines of a manifest without those of a field, and its comments; a multi-line string belongs to its node.
fn others<'t>(text: &'t str, field: &str) -> (Vec<&'t str>, Vec<&'t str>) {
    let (mut lines, mut comments) = (Vec::new(), Vec::new());
    let mut is_inside = false;
    for line in text.split_inclusive('\n') {
        let words = line.trim_start();
        let is_field = words
            .strip_prefix(field)
            .is_some_and(|rest| rest.starts_with([' ', '\n']));
        let is_string = line.matches("\"\"\"").count() % 2 == 1;
        if !is_inside {
            comments.extend(comment(line));
        }
        // What remains of a line without its node is a comment, which is counted.
        if !is_field && !is_inside && !words.starts_with("//") {
            lines.push(line);
        }
        is_inside ^= is_string;
    }
    (lines, comments)
}

#[test]
fn two_hundred_random_edits_of_the_examples_leave_all_else_as_it_was_and_check() {
    let mut numbers = Numbers(13);
    let (mut edits, mut changes, mut refusals) = (0, 0, 0);
    let workspaces: Vec<_> = examples()
        .into_iter()
        .map(|(root, manifests)| (copy(&root), manifests))
        .collect();
    while edits < 200 {
        let (sandbox, manifests) = numbers.one(&workspaces);
        let root = sandbox.root();
        let load = || manifest::load(&root.join("imgspec.kdl"), &Overrides::default(), &|_| None);
        let images = load().workspace.images.into_iter();
        let images = images.map(|image| Holder::Image(image.id));
        let read = || -> Vec<String> {
            manifests
                .iter()
                .map(|path| sandbox.read(path.to_str().unwrap()))
                .collect()
        };
        let before = read();
        let templates = before.iter().flat_map(|text| text.lines());
        let templates =
            templates.filter_map(|line| line.strip_prefix("template \"")?.split('"').next());
        let templates = templates.map(|name| Holder::Template(name.to_owned()));
        let holders: Vec<Holder> = images.chain(templates).collect();
        let edit = numbers.edit(&holders);
        let Ok(proposal) = propose(&root, &edit) else {
            // Inherited, part of a matrix, missing, or invalid: then nothing has changed.
            assert_eq!(read(), before);
            refusals += 1;
            assert!(refusals < 10_000, "nearly all are refused");
            continue;
        };
        proposal
            .write()
            .unwrap_or_else(|_| panic!("{edit:?} is not written"));
        let after = read();
        for (old, new) in before.iter().zip(&after).filter(|(old, new)| old != new) {
            changes += 1;
            assert!(proposal.is_change());
            assert_eq!(
                others(old, &edit.field),
                others(new, &edit.field),
                "{edit:?}:\n{old}\n-->\n{new}"
            );
        }
        let checked = check::check(&root.join("imgspec.kdl"), &Overrides::default(), &|_| None);
        assert!(!checked.has_errors(), "{edit:?}: {:?}", checked.diagnostics);
        undone(&root, &edit, &proposal.said, &before, &read);
        edits += 1;
    }
    assert!(
        changes > 120,
        "{changes} of {edits} changed something, {refusals} were refused"
    );
}

/// Removing what was added restores the original bytes.
fn undone(
    root: &Path,
    edit: &Edit,
    said: &[String],
    before: &[String],
    read: &dyn Fn() -> Vec<String>,
) {
    let Change::Add(values) = &edit.change else {
        return;
    };
    // What existed before, or replaced something, was not added.
    if !said.iter().all(|said| said.starts_with("added ")) {
        return;
    }
    let back = Edit {
        change: Change::Remove(values.clone()),
        ..edit.clone()
    };
    let proposal = propose(root, &back).unwrap_or_else(|_| panic!("{back:?} is refused"));
    proposal
        .write()
        .unwrap_or_else(|_| panic!("{back:?} is not written"));
    assert_eq!(read(), before, "{edit:?}");
}
