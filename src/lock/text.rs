//! The text of the lock file: one node per image, sorted by name, so that branches that change different images merge line
//! by line.
//!
//! Pure. The format is KDL, read by the manifest parser. Only what `write` produces is accepted: anything else came from a
//! merge or an edit by hand, and is reported rather than guessed at.

mod debian;
mod packages;
mod reader;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::diagnostic::{Diagnostic, Place, SourceId, quoted, shown};
use crate::manifest::{Node, parse};
use crate::workspace::{LOCK_FILE, Lock, Locked, LockedImage};
use reader::{RESTORE, Reader, WITHOUT_SOURCES};

/// Newest version of the format; newer ones are refused.
const VERSION: u32 = 4;

/// The version of a file without Debian packages either.
const WITHOUT_DEBIAN: u32 = 2;

/// The version of a file without any packages.
const WITHOUT_PACKAGES: u32 = 1;

const HEAD: &str = "// Resolved digests of outside images, written by `imgspec lock`. Commit this file with the manifests.";

const HEAD_WITH_DEBIAN: &str = "// Resolved outside images and packages, written by `imgspec lock`. Commit this file with the manifests.";

const HEAD_WITH_PACKAGES: &str = "// Resolved outside images and Python packages, written by `imgspec lock`. Commit this file with the manifests.";

/// Formats a lock.
pub(super) fn write(lock: &Lock) -> String {
    let (head, version) = match (lock.packages.is_empty(), lock.debian.is_empty()) {
        (true, true) => (HEAD, WITHOUT_PACKAGES),
        (false, true) => (HEAD_WITH_PACKAGES, WITHOUT_DEBIAN),
        (_, false) => (HEAD_WITH_DEBIAN, WITHOUT_SOURCES),
    };
    let version = if packages::has_sources(&lock.packages) {
        VERSION
    } else {
        version
    };
    let mut text = format!("{head}\nversion {version}\n");
    for (name, locked) in &lock.bases {
        let (word, id) = match &locked.image {
            LockedImage::Digest(digest) => ("digest", digest),
            LockedImage::Id(id) => ("local-id", id),
        };
        let _ = writeln!(text, "\nbase {} {{", quoted(name));
        let _ = writeln!(text, "    {word} {}", quoted(id));
        for (platform, digest) in &locked.platforms {
            let (platform, digest) = (quoted(platform), quoted(digest));
            let _ = writeln!(text, "    platform {platform} {digest}");
        }
        text.push_str("}\n");
    }
    debian::write(&lock.debian, &mut text);
    packages::write(&lock.packages, &mut text);
    text
}

/// Parses a lock, or returns its mistakes.
pub(super) fn read(text: &str, source: SourceId) -> Result<Lock, Vec<Diagnostic>> {
    if let Some(place) = conflict(text, source) {
        let mistake = Diagnostic::error(
            "conflicted-lock",
            format!("`{LOCK_FILE}` holds a merge conflict"),
        );
        let mistake = mistake.at(place, "left by a merge");
        return Err(vec![mistake.help(format!(
            "take one side entirely (`git checkout --ours {LOCK_FILE}`), then run `imgspec lock`, which adds what that side lacks"
        ))]);
    }
    let mut reader = Reader::default();
    reader.version(text, source)?;
    let (nodes, mistakes) = parse(text, source);
    if !mistakes.is_empty() {
        return Err(mistakes.into_iter().map(|it| it.help(RESTORE)).collect());
    }
    for node in &nodes {
        match node.name.text.as_str() {
            "version" => {}
            "base" => reader.base(node),
            "debian" if reader.version > WITHOUT_DEBIAN => reader.debian(node),
            "packages" if reader.version > WITHOUT_PACKAGES => reader.packages(node),
            other => reader.wrong(
                node.head(),
                &format!("it cannot contain `{}`", shown(other)),
            ),
        }
    }
    if reader.mistakes.is_empty() {
        Ok(reader.lock)
    } else {
        Err(reader.mistakes)
    }
}

/// The first conflict marker left by git.
fn conflict(text: &str, source: SourceId) -> Option<Place> {
    let marks = ["<<<<<<< ", ">>>>>>> ", "||||||| "];
    let is_mark = |line: &str| line == "=======" || marks.iter().any(|mark| line.starts_with(mark));
    let (start, line) = lines(text).find(|(_, line)| is_mark(line))?;
    let span = start..start + line.len();
    Some(Place::new(source, span))
}

/// The lines of a text, each with its byte offset.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = next;
        next += line.len();
        (start, line.trim_end())
    })
}

impl Reader {
    /// Reads the version from the text itself, because a newer format may not even parse.
    fn version(&mut self, text: &str, source: SourceId) -> Result<(), Vec<Diagnostic>> {
        let line = lines(text).find(|(_, line)| line.starts_with("version"));
        let (start, line) = line.unwrap_or((0, ""));
        let span = start..start + line.len();
        let place = Place::new(source, span);
        let version = line
            .strip_prefix("version ")
            .map(|text| text.trim().parse::<u32>());
        match version {
            Some(Ok(version @ WITHOUT_PACKAGES..=VERSION)) => {
                self.version = version;
                return Ok(());
            }
            Some(Ok(newer)) if newer > VERSION => {
                let message = format!(
                    "`{LOCK_FILE}` has format version {newer}, but this imgspec supports only versions up to {VERSION}"
                );
                let mistake = Diagnostic::error("newer-lock", message).at(place, "");
                self.mistakes
                    .push(mistake.help("it was written by a newer imgspec: update imgspec"));
            }
            Some(_) => self.wrong(place, "its version has never existed"),
            None => self.wrong(place, "it has no version"),
        }
        Err(std::mem::take(&mut self.mistakes))
    }

    fn base(&mut self, node: &Node) {
        let Some([name]) = self.texts(node) else {
            return;
        };
        if let Some(first) = self.declared.insert(name.clone(), node.head()) {
            let message = format!("`{LOCK_FILE}` has two entries for `{}`", shown(&name));
            let mistake = Diagnostic::twice("wrong-lock", message, &node.head(), &first);
            self.mistakes.push(mistake.help(RESTORE));
            return;
        }
        let mut image = None;
        let mut platforms = BTreeMap::new();
        for child in &node.children {
            match child.name.text.as_str() {
                "digest" | "local-id" if image.is_some() => {
                    self.wrong(child.head(), "an image has one digest");
                }
                word @ ("digest" | "local-id") => {
                    if let Some([text]) = self.texts(child) {
                        self.digest(child, &text);
                        image = Some(match word {
                            "digest" => LockedImage::Digest(text),
                            _ => LockedImage::Id(text),
                        });
                    }
                }
                "platform" => {
                    if let Some([platform, text]) = self.texts(child) {
                        self.digest(child, &text);
                        if platforms.insert(platform, text).is_some() {
                            self.wrong(child.head(), "this platform is listed twice");
                        }
                    }
                }
                other => {
                    let why = format!("an entry cannot contain `{}`", shown(other));
                    self.wrong(child.head(), &why);
                }
            }
        }
        match image {
            Some(image) => drop(self.lock.bases.insert(name, Locked { image, platforms })),
            None => self.wrong(node.head(), "this image has no digest"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sources;

    const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

    fn read(text: &str) -> Result<Lock, Vec<String>> {
        let mut sources = Sources::default();
        let source = sources.add(LOCK_FILE, text);
        super::read(text, source).map_err(|mistakes| {
            let told = mistakes.iter().map(|it| {
                let at = it.place.as_ref().expect("a place");
                let (line, _) = sources.line_column(&at.place);
                assert!(!it.help.is_empty(), "{it:?}");
                let why = it.message.strip_prefix("`imgspec.lock` is damaged: ");
                format!("{} {line}: {}", it.code, why.unwrap_or(&at.text))
            });
            told.collect()
        })
    }

    fn sample() -> Lock {
        let platforms = |all: &[(&str, &str)]| {
            let pairs = all
                .iter()
                .map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned()));
            pairs.collect()
        };
        let bases = [
            (
                "debian:12",
                LockedImage::Digest(ONE.into()),
                platforms(&[("linux/arm64", ONE), ("linux/amd64", TWO)]),
            ),
            ("acme/\"odd\"", LockedImage::Id(TWO.into()), BTreeMap::new()),
        ];
        let bases =
            bases.map(|(name, image, platforms)| (name.to_owned(), Locked { image, platforms }));
        Lock {
            bases: BTreeMap::from(bases),
            ..Lock::default()
        }
    }

    #[test]
    fn what_is_written_is_sorted_and_read_back() {
        let text = write(&sample());
        insta::assert_snapshot!(text, @r#"
        // Resolved digests of outside images, written by `imgspec lock`. Commit this file with the manifests.
        version 1

        base "acme/\"odd\"" {
            local-id "sha256:2222222222222222222222222222222222222222222222222222222222222222"
        }

        base "debian:12" {
            digest "sha256:1111111111111111111111111111111111111111111111111111111111111111"
            platform "linux/amd64" "sha256:2222222222222222222222222222222222222222222222222222222222222222"
            platform "linux/arm64" "sha256:1111111111111111111111111111111111111111111111111111111111111111"
        }
        "#);
        assert_eq!(read(&text), Ok(sample()));
        assert_eq!(read("version 1"), Ok(Lock::default()));
    }

    #[test]
    fn a_merge_conflict_is_named_at_its_line() {
        let text = write(&sample()).replace("\nbase \"debian", "\n<<<<<<< HEAD\nbase \"debian");
        assert_eq!(
            read(&text),
            Err(vec!["conflicted-lock 8: left by a merge".to_owned()])
        );
        assert!(
            read("version 1\n=======\n").is_err() && read("version 1\n>>>>>>> main\n").is_err()
        );
    }

    #[test]
    fn a_newer_version_is_refused_whatever_else_is_there() {
        assert_eq!(
            read("version 5\napt [\n"),
            Err(vec!["newer-lock 1: ".to_owned()])
        );
    }

    #[test]
    fn what_imgspec_would_not_write_is_told_at_its_line() {
        let base = |inside: &str| format!("version 1\nbase \"a:1\" {{\n{inside}\n}}\n");
        let digest = format!("digest \"{ONE}\"");
        let wrong = [
            (String::new(), "1: it has no version"),
            ("version 0".to_owned(), "1: its version has never existed"),
            (
                "version \"1\"".to_owned(),
                "1: its version has never existed",
            ),
            (
                "version 1\nbsae \"a\"".to_owned(),
                "2: it cannot contain `bsae`",
            ),
            (
                "version 1\npackages \"a\"".to_owned(),
                "2: it cannot contain `packages`",
            ),
            (
                "version 2\ndebian \"a\" \"apt-packages\"".to_owned(),
                "2: it cannot contain `debian`",
            ),
            (base(""), "2: this image has no digest"),
            (
                base("digest \"sha256:00\""),
                "3: this is not a sha256 digest",
            ),
            (base("digest 1"), "3: `digest` has the wrong arguments"),
            (
                base(&format!("{digest} x=1")),
                "3: `digest` has the wrong arguments",
            ),
            (
                base(&format!("{digest}\n{digest}")),
                "4: an image has one digest",
            ),
            (
                base(&format!("{digest}\nplatform \"linux/amd64\"")),
                "4: `platform` has the wrong arguments",
            ),
            (
                base(&format!(
                    "{digest}\nplatform \"p\" \"{ONE}\"\nplatform \"p\" \"{ONE}\""
                )),
                "5: this platform is listed twice",
            ),
            (
                base(&format!("{digest}\nnote \"x\"")),
                "4: an entry cannot contain `note`",
            ),
            (base(&digest) + "base \"a:1\" {\n}\n", "5: again here"),
        ];
        for (text, told) in wrong {
            let mistakes = read(&text).unwrap_err();
            assert!(mistakes[0].ends_with(told), "{text}: {mistakes:?}");
        }
        assert!(read("version 1\nbase \"a\" {").is_err());
    }
}
