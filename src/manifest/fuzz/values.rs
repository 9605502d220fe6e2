//! Candidate values: those in the reference manual's examples, difficult ones, and combinations of both. The field's own rule
//! decides which of them are valid.

use std::sync::OnceLock;

use super::spelling::is_spellable;
use crate::diagnostic::Sources;
use crate::fuzz::Random;
use crate::manifest::syntax::{self, Data, Node};
use crate::spec::rules::ValueRule;

const REFERENCE: &str = include_str!("../../../docs/manifest.md");

/// Strings that have a special meaning to shells, Docker, KDL, terminals or file systems.
const NASTY: &[&str] = &[
    "",
    " ",
    "a b",
    "$A",
    "${A:-x}",
    "$(id)",
    "`id`",
    "\"q\"",
    "it's",
    "\\",
    "\\n",
    "a\\",
    "a\nb",
    "\n",
    "a\\\nb",
    "\\\n",
    "# x",
    "a # b",
    "é",
    "☃🎉",
    "\u{85}",
    "\r",
    "\r\nRUN touch /x",
    "\nRUN touch /x\n",
    "\t",
    "<<EOF",
    "<<-\"E\"\nx\nE",
    "a=b",
    "=",
    "--x",
    "-",
    "{{",
    "}}",
    "{{ a }}",
    "{",
    "}",
    "\u{2028}",
    "\u{b}",
    "$IMGSPEC_NEWLINE",
    "${IMGSPEC_NEWLINE}",
    "\"]\nRUN touch /x",
    "\u{7f}",
    "\u{1b}[31m",
    "%41",
    "\u{202e}",
    "*",
    "[a]",
    "?",
    "a,b",
    "/",
    "/a/",
    "/a b",
    "/x y/\"z\"/$A",
    "..",
    "../x",
    "/x/../y",
    "~",
    "~/.netrc",
    "./src",
    "src/",
    "@",
    ":",
    "a:b:c",
    "0",
    "-1",
    "0x1F",
    "#true",
    "true",
    "null",
    "syntax=docker/dockerfile",
    "escape=`",
    "'",
    "''",
    "\"\"\"",
    "\"#",
    "a\u{301}",
    "\u{200b}",
    "\u{feff}",
    "docker",
    "envd",
    "fake",
    "all",
    "none",
    "scratch",
    "1000:1000",
    "app:staff",
    "root",
    "/usr/bin/python3",
    "/app",
    "12.6",
    "9",
    "3.12",
    "3.14rc1",
    "1.16.31",
    "{spec_hash}",
    "v-{spec_hash:.12}",
    "a{spec_hash}b",
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "ghcr.io/acme",
    "localhost:5000",
    "a/b_c",
    "debian:12",
    "r.test/x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "numpy",
    "torch==2.5.1",
    "x @ https://example.org/x.whl",
    "a[b]>=1; python_version<'3.12'",
    "flytekit==1.16.31",
    "libc6:amd64",
    "conda-forge::numpy=1.26=*mkl",
    "pytorch",
    "https://index.test/simple",
    "http://u:p@index.test/",
    "--extra gpu --pre",
    "'a b' c",
    "PATH",
    "A",
    "B_1",
    "a.b-c",
    "LD_PRELOAD",
    "IMGSPEC_NEWLINE",
    "org.opencontainers.image.source",
    "uv-image",
    "micromamba-image",
    "network",
    "add-host",
    "shm-size",
    "default",
    "host",
    "index.acme:10.0.0.7",
    "256m",
    "reset",
];

/// The strings in the reference manual's examples, and the difficult ones.
pub(super) fn words() -> &'static [String] {
    static WORDS: OnceLock<Vec<String>> = OnceLock::new();
    WORDS.get_or_init(|| {
        let mut words: Vec<String> = NASTY.iter().map(|&word| word.to_owned()).collect();
        for example in REFERENCE.split("```kdl\n").skip(1) {
            let text = example.split("```").next().unwrap_or_default();
            let source = Sources::default().add("x", text);
            collect(&syntax::parse(text, source).0, &mut words);
        }
        words.retain(|word| is_spellable(word));
        words.sort();
        words.dedup();
        words
    })
}

fn collect(nodes: &[Node], words: &mut Vec<String>) {
    for node in nodes {
        let props = node.props.iter().map(|prop| &prop.value);
        for value in node.args.iter().chain(props) {
            if let Data::Text { text, .. } = &value.data {
                words.push(text.clone());
            }
        }
        let names = node.props.iter().map(|prop| prop.name.text.clone());
        words.extend(names);
        collect(&node.children, words);
    }
}

/// A random string that a rule accepts; `None` if none was found.
pub(super) fn taken(rule: ValueRule, random: &mut Random) -> Option<String> {
    for _ in 0..16 {
        let text = any(random);
        if !text.contains('\0') && rule(&text).is_ok() {
            return Some(text);
        }
    }
    let mut fine = words().iter().filter(|word| rule(word).is_ok());
    let count = fine.clone().count();
    (count > 0).then(|| fine.nth(random.below(count)).cloned())?
}

/// A random string that a rule accepts or, rarely, refuses.
pub(super) fn of(rule: ValueRule, random: &mut Random) -> String {
    if random.chance(1, 60) {
        return any(random);
    }
    taken(rule, random).unwrap_or_default()
}

/// Any string: a word, a combination of two, or a corrupted one.
pub(super) fn any(random: &mut Random) -> String {
    let words = words();
    let one = random.pick(words).clone();
    let text = match random.below(8) {
        0 => one + random.pick::<String>(words),
        1 => random.spoilt(&one, NASTY),
        2 => format!("{one} {}", random.pick(words)),
        _ if random.chance(1, 3000) => one.repeat(1 + 70_000 / (one.len() + 1)),
        _ => one,
    };
    if is_spellable(&text) {
        text
    } else {
        String::new()
    }
}
