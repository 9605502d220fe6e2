//! Records and inputs in the store: what was written is read back, and foreign content is never mistaken for it.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Fuzz, Random};
use crate::backend::{Artifact, StoreKind};
use crate::fingerprint::{Input, Key};
use crate::store::{Record, RecordState, SCHEMA, Store};

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "1.5",
    "\"version\": 1",
    "\"version\": 2",
    "\"image\": \"app\"",
    "\"image\": \"b\"",
    "\"key\"",
    "\"seconds\": 1e400",
    "\\u0000",
    "\\ud800",
    "é",
    "\n",
    " ",
    "sha256:",
    "\"stored\": [\"local\"]",
    "\"bases\": {}",
    "\u{0}",
    "\"unknown\": 1,",
];

const IMAGE: &str = "app";

/// The bytes of a record: intact, corrupted or truncated.
fn make(random: &mut Random) -> Vec<u8> {
    if let Some(long) = random.long(WORDS) {
        return long.into_bytes();
    }
    let mut text = serde_json::to_string_pretty(&record(random)).unwrap() + "\n";
    match random.below(4) {
        0 => text = random.spoilt(&text, WORDS),
        1 => text.truncate(text.floor_char_boundary(random.below(text.len()))),
        2 if random.chance(1, 2) => return random.bytes(60),
        _ => {}
    }
    text.into_bytes()
}

fn record(random: &mut Random) -> Record {
    let words = [
        "",
        "app",
        "r.test/app:1",
        "sha256:00",
        "é \"q\" \n",
        "\u{1}",
        "linux/amd64",
    ];
    let mut word = || (*random.pick(&words)).to_owned();
    let (backend, reference, digest, finished, base) = (word(), word(), word(), word(), word());
    let platforms = vec![word()];
    let image = if random.chance(1, 16) { "b" } else { IMAGE };
    Record {
        version: if random.chance(1, 16) { 7 } else { SCHEMA },
        image: image.to_owned(),
        key: Key::new([random.next().to_le_bytes()[0]; 32]),
        artifact: Artifact {
            backend,
            reference,
            digest,
            size: random.chance(1, 2).then(|| random.next()),
        },
        platforms,
        seconds: 1.5,
        finished,
        bases: vec![(base.clone(), base)],
        stored: BTreeSet::from([StoreKind::Local]),
        by: None,
    }
}

fn judge(bytes: &[u8], store: &Store, file: &Path) -> bool {
    std::fs::write(file, bytes).unwrap();
    let known = [IMAGE, "b"];
    let images: BTreeSet<&str> = known.into_iter().collect();
    let _ = store.leftovers(&images);
    match store.read(IMAGE) {
        RecordState::Missing => panic!("there is one"),
        RecordState::Unreadable(why) => {
            assert!(!why.is_empty());
            false
        }
        RecordState::Found(found) => {
            assert_eq!(
                (found.version, found.image.as_str()),
                (SCHEMA, IMAGE),
                "it is this image's"
            );
            // Everything was parsed: writing and reading it again yields the same record.
            let mut found = found;
            // Except for the last digits of a number that is never compared.
            found.seconds = found.seconds.round().clamp(-1e6, 1e6);
            let again = serde_json::to_vec(&*found).unwrap();
            assert_eq!(
                serde_json::from_slice::<Record>(&again).ok(),
                Some(*found.clone())
            );
            let _ = store.inputs(&found);
            true
        }
    }
}

/// Where the store puts the record of the one image.
fn file(folder: &Path) -> std::path::PathBuf {
    folder.join(".imgspec/state/app.json")
}

#[test]
fn records() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let file = file(folder.path());
    let fuzz = Fuzz {
        name: "records",
        runs: 3000,
        make,
        judge: |bytes: &Vec<u8>| judge(bytes, &store, &file),
    };
    fuzz.run().accepts(34);
}

#[test]
fn inputs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut known = record(&mut Random::new(1));
    (known.image, known.version) = (IMAGE.to_owned(), SCHEMA);
    let list = vec![Input {
        name: "env.A".into(),
        value: "1".into(),
    }];
    store
        .write(&known, &list, &mut || std::ops::ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(store.inputs(&known), Some(list.clone()));
    let listings = folder.path().join(".imgspec/state/inputs");
    let file = listings.read_dir().unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read_to_string(&file).unwrap();
    let make = |random: &mut Random| match random.long(WORDS) {
        Some(long) => long,
        None if random.chance(1, 3) => whole.clone(),
        None => random.spoilt(&whole, WORDS),
    };
    let judge = |text: &String| {
        std::fs::write(&file, text).unwrap();
        store.inputs(&known).is_some()
    };
    let fuzz = Fuzz {
        name: "inputs",
        runs: 5000,
        make,
        judge,
    };
    fuzz.run().accepts(30);
}
