//! Image names and command-line overrides: references, tag formats, `--var`, `--set`.

use super::{Fuzz, Random};
use crate::backend::oci::name::{Digest, Repository, Tag, Version};
use crate::backend::oci::reference::Reference;
use crate::manifest::Overrides;
use crate::spec::rules::{self, ValueRule};

const WORDS: &[&str] = &[
    "a",
    "acme",
    "b-c",
    "d_e",
    "f__g",
    "h.i",
    "0",
    "A",
    "é",
    "/",
    "/",
    ":",
    ":",
    "@",
    "sha256:",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "localhost",
    "ghcr.io",
    ":5000",
    "[::1]",
    "127.0.0.1",
    "https://",
    "docker://",
    ".",
    "..",
    "_",
    "-",
    "--",
    " ",
    "\n",
    "\0",
    "latest",
    "{spec_hash}",
    "{spec_hash:.12}",
    "{{",
    "}}",
    "{",
    "}",
    "%",
    "@sha512:",
    "docker.io",
    "index.docker.io",
    "library/",
    "65536",
    "+5000",
    "$",
    "\"",
];

fn make(random: &mut Random) -> String {
    if let Some(long) = random.long(WORDS) {
        return long;
    }
    match random.below(4) {
        0 => {
            let good = [
                "ghcr.io/acme/app:1.2",
                "localhost:5000/a/b_c",
                "busybox",
                "r.test/x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "v-{spec_hash:.7}",
            ];
            (*random.pick(&good)).to_owned()
        }
        1 => {
            let good = [
                "ghcr.io/acme/app:1.2",
                "localhost:5000/a/b_c:x",
                "{spec_hash}-cpu",
            ];
            let one = *random.pick(&good);
            random.spoilt(one, WORDS)
        }
        _ => random.soup(WORDS, 8),
    }
}

/// Whether a rule refuses the text; asserts that it gives a reason and that its fix, if any, is accepted.
fn refused(text: &str, rule: ValueRule) -> bool {
    let Err(refused) = rule(text) else {
        return false;
    };
    assert!(!refused.why.is_empty(), "it says why");
    if let Some(fix) = refused.fix {
        assert_eq!(rule(&fix), Ok(()), "the fix {fix:?} is taken");
    }
    true
}

/// Whether a text has only characters of Docker's grammar for names, none of which has a meaning in Dockerfiles or URLs.
fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-/:@[]".contains(c))
}

fn references(text: &str) -> bool {
    let is_reference = !refused(text, rules::check_reference);
    if is_reference {
        let read = Reference::read(text).expect("what is checked is read");
        assert!(
            is_plain(text)
                && !read.host.is_empty()
                && !read.path.is_empty()
                && !read.tag.is_empty()
        );
        assert!(text.starts_with(&read.repository));
        if !read.has_host {
            assert!(!read.path.starts_with('/'));
        }
    } else {
        // Parsing must not panic on invalid references either.
        let _ = Reference::read(text);
    }
    for (rule, grammar) in [
        (
            rules::check_name as ValueRule,
            Repository::read(text).is_some(),
        ),
        (rules::check_tag, Tag::read(text).is_some()),
    ] {
        assert_eq!(!refused(text, rule), grammar, "both grammars agree");
    }
    let is_registry = !refused(text, rules::check_registry);
    assert!(!is_registry || is_plain(text));
    if let Some(digest) = Digest::read(text) {
        assert_eq!(digest.to_string(), text);
    }
    let _ = Version::read(text);
    let is_format = !refused(text, rules::check_tag_format);
    if is_format {
        let tag = rules::format_tag(text, &"0123456789abcdef".repeat(2));
        assert!(
            tag.is_ok_and(|tag| rules::check_tag(&tag).is_ok()),
            "a format makes tags"
        );
    }
    is_reference || is_registry || is_format
}

#[test]
fn names() {
    let fuzz = Fuzz {
        name: "references",
        runs: 30_000,
        make,
        judge: |input: &String| references(input),
    };
    fuzz.run().accepts(30);
}

const FLAGS: &[&str] = &[
    "a",
    "i0",
    "*",
    "?",
    "[a]",
    "{a,b}",
    ".",
    ".",
    "=",
    "=",
    "env",
    "env.A",
    "labels.x.y",
    "packages",
    "python-version",
    "copy",
    "user",
    "pyton",
    "builder-options.network",
    "é",
    " ",
    "\n",
    "'",
    "\"",
    "\\",
    "-",
    "1",
    "",
    "\0",
    "[",
    "{",
    "entrypoint",
    "--",
];

fn flag(random: &mut Random) -> String {
    random.long(FLAGS).unwrap_or_else(|| match random.below(3) {
        0 => format!(
            "{}.{}={}",
            random.pick(&["a", "*", "b.c"]),
            random.pick(&["env.A", "user", "packages", "labels.x.y"]),
            random.soup(FLAGS, 3)
        ),
        1 => format!(
            "{}={}",
            random.pick(&["a", "b-c", "_"]),
            random.soup(FLAGS, 3)
        ),
        _ => random.soup(FLAGS, 8),
    })
}

fn overrides(text: &str) -> bool {
    let var = Overrides::parse_var(text);
    let set = Overrides::parse_set(text);
    match &var {
        Ok((name, value)) => assert_eq!(format!("{name}={value}"), text),
        Err(why) => assert!(!why.is_empty()),
    }
    match &set {
        Ok((image, field, value)) => {
            assert_eq!(format!("{image}.{field}={value}"), text);
            assert!(!image.is_empty());
        }
        Err(why) => assert!(!why.is_empty()),
    }
    var.is_ok() || set.is_ok()
}

#[test]
fn flags() {
    let fuzz = Fuzz {
        name: "--var and --set",
        runs: 50_000,
        make: flag,
        judge: |input: &String| overrides(input),
    };
    fuzz.run().accepts(34);
}
