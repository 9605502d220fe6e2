//! Fuzzes the text of locked packages, Python's and Debian's: what was written is read back, and whatever else is read is safe to hand to a builder.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{read, write};
use super::{INPUTS, LockedWheel, PlatformPackages, StepPackages};
use crate::backend::oci::name::Digest;
use crate::diagnostic::Sources;
use crate::fuzz::{Case, Fuzz, Random};
use crate::workspace::{DebianField, ImageDebs, LOCK_FILE, Lock, LockedDeb, PlatformDebs, debs_of};

const WORDS: &[&str] = &[
    "packages",
    "packages \"app\" {\n",
    "platform \"linux/amd64\" target=\"x\" {\n",
    "wheel",
    "sdist",
    "debian \"app\" \"apt-packages\" {\n",
    "deb",
    "../",
    "inputs",
    "inputs \"blake3:",
    "version 1\n",
    "version 2\n",
    "version 3\n",
    "version 4\n",
    "base \"a:1\" {\n",
    " step=2",
    " step=0x2",
    " size=1",
    " size=-1",
    " size=1e9",
    " requested=#true",
    " requested=#false",
    "\"",
    "{",
    "}",
    "=",
    "#\"",
    "/-",
    "//",
    "\\",
    "\n",
    " ",
    "-",
    "--index-url",
    "\"; rm -rf /\"",
    "$(x)",
    "https://user:secret@h/x.whl",
    "file:///x",
    ".whl",
    ".tar.gz",
    "sha256:",
    "0",
    "\u{0}",
    "\u{202e}",
    "é",
    "<<<<<<< ours\n",
];

/// The text of a lock, and the lock if the text is as it was written.
#[derive(Clone)]
struct Text {
    text: String,
    written: Option<Lock>,
}

impl Case for Text {
    fn shown(&self) -> String {
        self.text.shown()
    }

    fn without(&self, part: usize, of: usize) -> Option<Self> {
        let text = self.text.without(part, of)?;
        let written = None;
        Some(Self { text, written })
    }
}

fn make(random: &mut Random) -> Text {
    let lock = lock(random);
    let text = write(&lock);
    let damaged = match random.below(3) {
        0 => {
            let written = Some(lock);
            return Text { text, written };
        }
        1 => random.long(WORDS).unwrap_or_else(|| random.soup(WORDS, 30)),
        _ => random.spoilt(&text, WORDS),
    };
    Text {
        text: damaged,
        written: None,
    }
}

fn lock(random: &mut Random) -> Lock {
    let mut packages = BTreeMap::new();
    for _ in 0..random.few(1, 3) {
        let image = random.pick(&["app", "a.b", "é \"q\" {{", "x\ny", ""]);
        let mut steps = BTreeMap::new();
        for _ in 0..random.few(1, 2) {
            let step = *random.pick(&[1, 1, 2, 1000]);
            steps.insert(step, Arc::new(step_packages(random)));
        }
        packages.insert((*image).to_owned(), steps);
    }
    let mut debian: BTreeMap<String, ImageDebs> = BTreeMap::new();
    for _ in 0..random.few(0, 3) {
        let image = *random.pick(&["app", "é \"q\" {{"]);
        let field = *random.pick(&[DebianField::Base, DebianField::Apt]);
        let fields = debian.entry(image.to_owned()).or_default();
        fields.insert(field, Arc::new(debian_packages(random)));
    }
    Lock {
        packages,
        debian,
        ..Lock::default()
    }
}

fn debian_packages(random: &mut Random) -> StepPackages<PlatformDebs> {
    let names = ["a0", "g++", "libc6", "z.b-c"].into_iter();
    let names: Vec<&str> = names.filter(|_| random.chance(1, 2)).collect();
    let debs = PlatformDebs {
        base: base(random),
        debs: names.iter().map(|name| deb(name, random)).collect(),
    };
    StepPackages {
        inputs: format!("{INPUTS}{}", digest(random).hex()),
        platforms: BTreeMap::from([("linux/amd64".to_owned(), debs)]),
    }
}

fn deb(name: &str, random: &mut Random) -> LockedDeb {
    let root = *random.pick(&["https://h", "http://h:1/a%20b"]);
    LockedDeb {
        name: name.to_owned(),
        version: (*random.pick(&["1", "1:2.0+b1", "0~rc1-2"])).to_owned(),
        architecture: (*random.pick(&["all", "amd64"])).to_owned(),
        sha256: digest(random).to_string(),
        size: random.next() % (1 << 30),
        url: format!("{root}/pool/{name}.deb"),
        is_requested: random.chance(1, 2),
    }
}

fn step_packages(random: &mut Random) -> StepPackages {
    let mut platforms = BTreeMap::new();
    for _ in 0..random.few(0, 3) {
        let platform = *random.pick(&["linux/amd64", "linux/arm64", "x \"y\""]);
        platforms.insert(platform.to_owned(), platform_packages(random));
    }
    let inputs = format!("{INPUTS}{}", digest(random).hex());
    StepPackages { inputs, platforms }
}

fn platform_packages(random: &mut Random) -> PlatformPackages {
    let names = ["a", "a-b", "numpy", "torch", "z0"].into_iter();
    let names: Vec<&str> = names.filter(|_| random.chance(1, 2)).collect();
    PlatformPackages {
        target: (*random.pick(&["python 3.12, glibc 2.36", "\"", "é"])).to_owned(),
        base: base(random),
        wheels: names.iter().map(|name| wheel(name, random)).collect(),
    }
}

fn wheel(name: &str, random: &mut Random) -> LockedWheel {
    let version = *random.pick(&["1", "1!2.0+cpu", "0.1.dev0"]);
    let rest = *random.pick(&["-py3-none-any.whl", "-py3-none-any.whl", ".tar.gz", ".zip"]);
    let file = format!("{name}-{version}{rest}");
    let root = *random.pick(&["https://h", "http://h:1/a%20b", "file:///srv"]);
    LockedWheel {
        name: name.to_owned(),
        version: version.to_owned(),
        url: format!("{root}/{file}"),
        file,
        sha256: digest(random).to_string(),
        size: random.chance(1, 2).then(|| random.next()),
        is_requested: random.chance(1, 2),
    }
}

/// What a list was resolved on: nothing that has a digest, an image, or lists.
fn base(random: &mut Random) -> Option<String> {
    match random.few(0, 3) {
        0 => None,
        1 => Some(digest(random).to_string()),
        _ => Some(format!("{INPUTS}{}", digest(random).hex())),
    }
}

fn digest(random: &mut Random) -> Digest {
    Digest::of(&random.next().to_le_bytes())
}

fn judge(text: &Text) -> bool {
    let read_text = |text: &str| read(text, Sources::default().add(LOCK_FILE, text));
    let read = match read_text(&text.text) {
        Ok(read) => read,
        Err(mistakes) => {
            assert_eq!(text.written, None, "what was written is read");
            assert!(!mistakes.is_empty(), "a reason is told");
            for mistake in mistakes {
                let place = mistake.place.expect("a place").place;
                assert!(text.text.get(place.span()).is_some(), "{place:?}");
            }
            return false;
        }
    };
    if let Some(written) = &text.written {
        assert_eq!(read, *written, "what was written is read back");
    }
    let steps = read.packages.values().flat_map(BTreeMap::values);
    let platforms = steps.flat_map(|step| step.platforms.values());
    for wheel in platforms.flat_map(|platform| &platform.wheels) {
        is_safe(wheel);
    }
    for deb in read.debian.values().flat_map(debs_of) {
        is_safe_deb(deb);
    }
    assert_eq!(
        read_text(&write(&read)),
        Ok(read),
        "it is written as it was"
    );
    true
}

/// Asserts that no part of a package can become an option, another requirement or shell.
fn is_safe(wheel: &LockedWheel) {
    for text in [&wheel.name, &wheel.version, &wheel.file] {
        let first = text.bytes().next();
        assert!(first.is_some_and(|it| it.is_ascii_alphanumeric()), "{text}");
        let is_plain = |it: u8| it.is_ascii_alphanumeric() || b".!+_-".contains(&it);
        assert!(text.bytes().all(is_plain), "{text}");
    }
    assert!(Digest::read(&wheel.sha256).is_some());
    let url = &wheel.url;
    assert!(url.bytes().all(|it| it.is_ascii_graphic()), "{url}");
    let (_, rest) = url.split_once("://").expect("a scheme");
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    assert!(!host.contains('@'), "{url}");
}

/// Asserts that no part of a package can become an option, a path or shell, or lead out of an archive.
fn is_safe_deb(deb: &LockedDeb) {
    for text in [&deb.name, &deb.version, &deb.architecture] {
        let first = text.bytes().next();
        assert!(first.is_some_and(|it| it.is_ascii_alphanumeric()), "{text}");
        let is_plain = |it: u8| it.is_ascii_alphanumeric() || b".+-~:".contains(&it);
        assert!(text.bytes().all(is_plain), "{text}");
    }
    assert!(Digest::read(&deb.sha256).is_some());
    let (scheme, rest) = deb.url.split_once("://").expect("a scheme");
    assert!(["http", "https"].contains(&scheme), "{}", deb.url);
    assert!(!rest.split('/').any(|part| ["", ".", ".."].contains(&part)));
    assert!(!rest.split('/').next().unwrap_or_default().contains('@'));
}

#[test]
fn locked_packages() {
    let fuzz = Fuzz {
        name: "locked packages",
        runs: 5000,
        make,
        judge,
    };
    fuzz.run().accepts(30);
}
