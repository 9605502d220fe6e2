//! Fuzzes what archives and bases say: whatever it is, it is read or refused, and what was read means what it says.

use std::collections::BTreeMap;

use super::control;
use super::index::Index;
use super::keyring::{self, Keyring};
use super::relation;
use super::release::Release;
use super::solve;
use super::sources;
use super::testing;
use crate::fuzz::{Fuzz, Random};

const WORDS: &[&str] = &[
    "Package: ",
    "Version: ",
    "Depends: ",
    "Provides: ",
    "a",
    "b1",
    "1:2-3",
    "(>= 1)",
    "(= 2)",
    "(<< 1~)",
    "|",
    ",",
    ":any",
    "\n",
    "\n\n",
    " ",
    "\t",
    "\n .",
    "#",
    ":",
    "-",
    "\r\n",
    "é",
    "\u{0}",
    "Architecture: amd64\n",
    "Conflicts: a\n",
    "Breaks: b1 (<< 2)\n",
    "Essential: yes\n",
    "Status: install ok installed\n",
    "SHA256:\n ",
    "99999999999999999999",
];

const SOURCES: &[&str] = &[
    "deb ",
    "deb-src ",
    "[",
    "]",
    "arch=amd64 ",
    "signed-by=/a.gpg ",
    "trusted=yes ",
    "check-valid-until=no",
    "http://h/ ",
    "https://h/$(ARCH) ",
    "stable ",
    "./ ",
    "main ",
    "#",
    "\n",
    "\n\n",
    "Types: deb\n",
    "URIs: http://h\n",
    "Suites: a b/\n",
    "Components: main\n",
    "Signed-By:",
    " -----BEGIN x\n .\n",
    "Enabled: no\n",
    "Architectures-Add: x\n",
    "..",
    "\"",
    "é",
];

const FRAMES: &[&str] = &[
    "-----BEGIN PGP SIGNED MESSAGE-----\n",
    "-----BEGIN PGP SIGNATURE-----\n",
    "-----END PGP SIGNATURE-----\n",
    "Hash: SHA256\n",
    "\n",
    "Suite: a\n",
    "- -----\n",
    "-----",
    "iHUEABYKAB0WIQ==\n",
    "=abcd\n",
    "text",
    "\r\n",
    " ",
];

/// Stanzas of packages that need each other.
fn stanzas(random: &mut Random) -> String {
    let names = ["a", "b1", "c", "d"];
    let mut text = String::new();
    for _ in 0..random.few(1, 6) {
        let relation = |random: &mut Random| {
            let version = *random.pick(&["", " (>= 1)", " (= 2)", " (<< 2)", ":any"]);
            format!("{}{version}", random.pick(&names))
        };
        text += &format!(
            "Package: {}\nVersion: {}\nArchitecture: amd64\n",
            random.pick(&names),
            random.pick(&["1", "2", "1:0~x-1"])
        );
        for field in ["Depends", "Conflicts", "Provides", "Pre-Depends", "Breaks"] {
            if random.chance(1, 3) {
                let more = if field.ends_with("Depends") {
                    " | c"
                } else {
                    ""
                };
                text += &format!("{field}: {}{more}\n", relation(random));
            }
        }
        text += "\n";
    }
    text
}

fn spoilt(random: &mut Random, make: impl Fn(&mut Random) -> String, words: &[&str]) -> String {
    if let Some(long) = random.long(words) {
        return long;
    }
    let text = make(random);
    match random.below(4) {
        0 => random.soup(words, 30),
        1 => random.spoilt(&text, words),
        _ => text,
    }
}

#[test]
fn lists_of_packages() {
    let judge = |text: &String| {
        let each: Result<Vec<_>, _> = control::stanzas(text).collect();
        let Ok(stanzas) = each else {
            assert!(Index::encode(text).is_err());
            return false;
        };
        for stanza in &stanzas {
            assert!(text.contains(stanza.text()));
            assert_eq!(
                control::single(stanza.text()).unwrap().fields(),
                stanza.fields()
            );
            for (_, value) in stanza.fields() {
                let Ok(groups) = relation::read(value) else {
                    continue;
                };
                // Written and read again, a relation stays what it is.
                for group in groups {
                    assert_eq!(relation::read(&relation::words(&group)).unwrap(), [group]);
                }
            }
        }
        let Ok(bytes) = Index::encode(text) else {
            return false;
        };
        let index = Index::read(bytes).expect("what was written");
        assert_eq!(index.len(), stanzas.len());
        for at in 0..index.len() {
            assert!(index.named(index.name(at)).contains(&at));
        }
        true
    };
    Fuzz {
        name: "lists of packages",
        runs: 6000,
        make: |random: &mut Random| spoilt(random, stanzas, WORDS),
        judge,
    }
    .run()
    .accepts(40);
}

#[test]
fn choices_of_packages() {
    let judge = |text: &String| {
        let pool = testing::pool(&[(500, text)], "");
        let Ok(found) = solve::solve(&pool, &["a".to_owned()], None) else {
            return false;
        };
        // Everything that is needed is there, and nothing that must not be.
        for known in &found.packages {
            for group in &known.needs {
                let is_there = |wanted: &relation::Relation| {
                    found
                        .packages
                        .iter()
                        .any(|other| other.satisfies(wanted, "amd64"))
                };
                assert!(
                    group.iter().any(is_there),
                    "{} needs {}",
                    known.name,
                    relation::words(group)
                );
            }
            for clash in &known.clashes {
                let mut others = found
                    .packages
                    .iter()
                    .filter(|other| other.name != known.name);
                assert!(
                    !others.any(|other| other.satisfies(clash, "amd64")),
                    "{} and {clash}",
                    known.name
                );
            }
        }
        true
    };
    Fuzz {
        name: "choices of packages",
        runs: 6000,
        make: stanzas,
        judge,
    }
    .run()
    .accepts(15);
}

#[test]
fn sources_of_packages() {
    let judge = |text: &String| {
        let read = |path: &str| {
            sources::read(
                &BTreeMap::from([(path.to_owned(), text.as_bytes().to_vec())]),
                "amd64",
            )
        };
        let both = [
            read("etc/apt/sources.list"),
            read("etc/apt/sources.list.d/x.sources"),
        ];
        let mut is_read = false;
        for archives in both.into_iter().flatten() {
            is_read = true;
            for archive in archives {
                let place = archive.place("InRelease");
                assert!(
                    place.starts_with("http")
                        && !place.contains(char::is_whitespace)
                        && !place.contains("/../"),
                    "{place}"
                );
                assert!(archive.is_flat() == archive.components.is_empty());
            }
        }
        is_read
    };
    let line = |random: &mut Random| {
        let options = *random.pick(&["", "[arch=amd64] ", "[ signed-by=/a trusted=no ] "]);
        match random.below(2) {
            0 => format!("# x\ndeb {options}http://h/debian stable main\n"),
            _ => format!(
                "Types: deb\nURIs: http://h\nSuites: {}\nComponents: main\nTrusted: yes\n",
                random.pick(&["a", "a b"])
            ),
        }
    };
    Fuzz {
        name: "sources of packages",
        runs: 6000,
        make: move |random: &mut Random| spoilt(random, line, SOURCES),
        judge,
    }
    .run()
    .accepts(40);
}

#[test]
fn heads_of_suites() {
    let mut keyring = Keyring::default();
    keyring.add(keyring::DEBIAN).unwrap();
    let judge = move |text: &String| {
        // Nothing that was made up is signed by Debian.
        assert!(keyring.verify(text, 1_767_225_600).is_err());
        keyring::unverified(text).is_ok_and(|text| Release::read(&text).is_ok())
    };
    let head = |random: &mut Random| {
        let text = format!(
            "Suite: a\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nSHA256:\n {} 1 x\n",
            "0".repeat(64)
        );
        match random.below(2) {
            0 => text,
            _ => format!(
                "{}Hash: SHA256\n\n{text}{}\n{}",
                FRAMES[0], FRAMES[1], FRAMES[2]
            ),
        }
    };
    Fuzz {
        name: "heads of suites",
        runs: 6000,
        make: move |random: &mut Random| spoilt(random, head, FRAMES),
        judge,
    }
    .run()
    .accepts(20);
}
