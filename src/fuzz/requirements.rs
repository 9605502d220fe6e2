//! Requirements files: checks that exactly the files they include are read, which is known from how they were generated.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Case, Fuzz, Random};
use crate::fingerprint::{FilesError, read_files};
use crate::recipe::FileSet;
use crate::spec::WorkspacePath;

/// The files that may include each other, by path.
const FILES: [&str; 4] = ["in/a.txt", "in/b c.txt", "in/sub/é.txt", "top.in"];

const WORDS: &[&str] = &[
    "numpy",
    "torch==2.5.1",
    "x[a,b]>=1 ; python_version < '3.12'",
    " -r ",
    "-c",
    "--requirement",
    "=",
    " ",
    "\\\n",
    "\n",
    "#",
    " # ",
    "'",
    "\"",
    "$",
    "${A}",
    "-e ",
    "a.txt",
    "./pkg",
    "..",
    "/",
    "file:",
    "https://h/x.whl",
    "--hash=sha256:00",
    "@",
    ";",
    "\u{feff}",
    "\r\n",
    "\t",
    "é",
    "-",
    "--no-index",
    "\\",
];

/// A line, and what it includes.
#[derive(Clone)]
struct Line {
    text: String,
    leads: Leads,
}

#[derive(Clone, Copy, PartialEq)]
enum Leads {
    Nowhere,
    /// One of [`FILES`].
    To(usize),
    /// A file that a build cannot read.
    Astray,
}

#[derive(Clone)]
struct Files {
    lines: [Vec<Line>; 4],
    /// Replaces the first file with text of unknown meaning.
    soup: Option<String>,
}

impl Case for Files {
    fn shown(&self) -> String {
        let text = |lines: &Vec<Line>| {
            lines
                .iter()
                .map(|line| line.text.as_str())
                .collect::<String>()
        };
        let texts: Vec<String> = self.lines.iter().map(text).collect();
        format!("{texts:#?}\nor {:?}", self.soup)
    }

    fn without(&self, part: usize, of: usize) -> Option<Self> {
        let mut smaller = self.clone();
        if let Some(soup) = &self.soup {
            smaller.soup = Some(soup.without(part, of)?);
            return Some(smaller);
        }
        let all: usize = self.lines.iter().map(Vec::len).sum();
        let gone = all * part / of..all * (part + 1) / of;
        let mut at = 0;
        for lines in &mut smaller.lines {
            lines.retain(|_| {
                at += 1;
                !gone.contains(&(at - 1))
            });
        }
        (!gone.is_empty()).then_some(smaller)
    }
}

fn make(random: &mut Random) -> Files {
    let soup = random.long(WORDS);
    let soup = soup.or_else(|| random.chance(1, 4).then(|| random.soup(WORDS, 14)));
    let lines = std::array::from_fn(|at| (0..random.few(0, 5)).map(|_| line(at, random)).collect());
    Files { lines, soup }
}

/// A line for the file with this index.
fn line(of: usize, random: &mut Random) -> Line {
    let end = *random.pick(&["\n", "\n", "\r\n", " # more -r x\n"]);
    let (text, leads) = match random.below(8) {
        0..=2 => {
            let to = random.below(FILES.len());
            (option(&path(of, to), random), Leads::To(to))
        }
        3 => {
            let astray = [
                "-r lost.txt",
                "-r ../../out.txt",
                "./pkg",
                "-e .",
                "file:///x",
                "x @ ./x.whl",
                "-f wheels",
                "-r file:///x",
            ];
            // A missing file is reported like one outside the workspace.
            let text = *random.pick(&astray);
            (
                text.to_owned(),
                if random.chance(1, 4) {
                    Leads::Astray
                } else {
                    return line(of, random);
                },
            )
        }
        4 => (
            format!("# {}", option("lost.txt", random).replace("\\\n", " ")),
            Leads::Nowhere,
        ),
        _ => {
            let plain = [
                "numpy",
                "  torch==2.5.1 --hash=sha256:00 \\\n    --hash=sha256:11",
                "-r https://h/lost.txt",
                "x @ https://h/x.whl",
                "--pre",
                "",
                "y[a] ; python_version < '3.12'",
                "--index-url https://h/simple",
                "${W}/x.whl",
                "\\\n",
                "git+https://h/x#egg=x",
            ];
            ((*random.pick(&plain)).to_owned(), Leads::Nowhere)
        }
    };
    Line {
        text: text + end,
        leads,
    }
}

/// The path of one file relative to another.
fn path(from: usize, to: usize) -> String {
    let up = match from {
        0 | 1 => "../",
        2 => "../../",
        _ => "",
    };
    format!("{up}{}", FILES[to])
}

/// A line that includes another file.
fn option(path: &str, random: &mut Random) -> String {
    let name = *random.pick(&[
        "-r",
        "-c",
        "--requirement",
        "--requirements",
        "--constraint",
        "--constraints",
    ]);
    let has_blank = path.contains(' ');
    let path = match random.below(3) {
        0 => format!("'{path}'"),
        1 => format!("\"{path}\""),
        _ if has_blank => path.replace(' ', "\\ "),
        _ => path.to_owned(),
    };
    let short = !name.starts_with("--");
    let between = match random.below(5) {
        0 if short => "",
        1 if !short => "=",
        2 => " \\\n  ",
        3 => "\t",
        _ => " ",
    };
    let head = *random.pick(&["", "", "  ", "--no-index "]);
    format!("{head}{name}{between}{path}")
}

/// The files that are read; `None` if one of them includes a file that cannot be read.
fn reached(files: &Files) -> Option<BTreeSet<usize>> {
    let mut seen = BTreeSet::from([0]);
    let mut ahead = vec![0];
    while let Some(at) = ahead.pop() {
        for line in &files.lines[at] {
            match line.leads {
                Leads::Nowhere => {}
                Leads::Astray => return None,
                Leads::To(to) => {
                    if seen.insert(to) {
                        ahead.push(to);
                    }
                }
            }
        }
    }
    Some(seen)
}

fn judge(files: &Files, root: &Path) -> bool {
    for (at, path) in FILES.iter().enumerate() {
        let text: String = files.lines[at]
            .iter()
            .map(|line| line.text.as_str())
            .collect();
        let text = files.soup.as_ref().filter(|_| at == 0).unwrap_or(&text);
        std::fs::write(root.join(path), text).unwrap();
    }
    let first = WorkspacePath::resolve(&WorkspacePath::ROOT, FILES[0]).unwrap();
    let read = read_files(root, &FileSet::Requirements { path: first });
    let paths = read.as_ref().map(|read| {
        let place = read.folder.strip_prefix(root).unwrap();
        let path = |path: &str| place.join(path).to_str().unwrap().to_owned();
        read.entries
            .iter()
            .map(|entry| path(&entry.path))
            .collect::<BTreeSet<String>>()
    });
    if files.soup.is_none() {
        let expected =
            reached(files).map(|seen| seen.iter().map(|at| FILES[*at].to_owned()).collect());
        assert_eq!(
            paths.clone().ok(),
            expected,
            "these files are read: {read:?}"
        );
    }
    match read {
        Ok(_) => true,
        Err(error) => {
            told(&error, root);
            false
        }
    }
}

/// Asserts that an error has a message and refers to an existing line.
fn told(error: &FilesError, root: &Path) {
    assert!(!error.to_string().is_empty());
    if let Some((file, line)) = error.place() {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(
            (1..=text.lines().count()).contains(&line),
            "{error:?} is told of a line"
        );
    }
}

#[test]
fn requirements() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("in/sub")).unwrap();
    let fuzz = Fuzz {
        name: "requirements",
        runs: 2000,
        make,
        judge: |files: &Files| judge(files, &root),
    };
    fuzz.run().accepts(34);
}
