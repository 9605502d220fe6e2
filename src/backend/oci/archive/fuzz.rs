//! Fuzzes archives of images: tars with strange entries, lists with strange texts, links that lead anywhere. Nothing leads out of
//! an archive, and an image is chosen only if it is meant.

use super::*;
use crate::fuzz::{Case, Fuzz, Random};

const NAMES: &[&str] = &[
    "a:1",
    "docker.io/library/a:1",
    "localhost:5000/team/a:2",
    "1",
    "",
    "é",
    "a b",
    "sha256:0000000000000000000000000000000000000000000000000000000000000000",
];

const PARTS: &[&str] = &[
    "blobs",
    "sha256",
    "..",
    ".",
    "",
    "a",
    "layer.tar",
    "index.json",
    "manifest.json",
    "oci-layout",
    "repositories",
    "\\",
    "é",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "sha256:0000000000000000000000000000000000000000000000000000000000000000",
];

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "\"manifests\"",
    "\"digest\":",
    "\"size\":-1",
    "\"annotations\":7",
    "\"Config\":",
    "\"RepoTags\":null",
    "\"Layers\":[]",
    "\"mediaType\":\"\"",
    "\"platform\":{}",
    "1e999",
    "\\ud800",
    "\u{0}",
];

/// What is read: an archive, its two lists, and a link with its target.
#[derive(Clone)]
struct Foreign {
    tar: Vec<u8>,
    index: String,
    saved: String,
    link: (String, String),
    wanted: Option<String>,
    /// Whether the lists are as they should be.
    is_sound: bool,
}

impl Case for Foreign {
    fn shown(&self) -> String {
        let Self {
            tar,
            index,
            saved,
            link,
            wanted,
            ..
        } = self;
        format!(
            "{index}\n{saved}\n{link:?} {wanted:?}\n{}",
            tar.escape_ascii()
        )
    }

    fn without(&self, part: usize, of: usize) -> Option<Self> {
        let mut smaller = self.clone();
        smaller.is_sound = false;
        match self.tar.without(part, of) {
            Some(tar) if !tar.is_empty() => smaller.tar = tar,
            _ => smaller.index = self.index.without(part, of)?,
        }
        Some(smaller)
    }
}

fn path(random: &mut Random) -> String {
    let parts = (0..random.few(1, 5)).map(|_| *random.pick(PARTS));
    parts.collect::<Vec<_>>().join("/")
}

fn archive(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.few(0, 8) {
        let content = random.bytes(40);
        let mut header = tar::Header::new_ustar();
        let name = path(random).into_bytes();
        if let Some(ustar) = header.as_ustar_mut() {
            let length = name.len().min(100);
            ustar.name[..length].copy_from_slice(&name[..length]);
        }
        header.set_entry_type(tar::EntryType::new(*random.pick(b"00000125gxLK")));
        let size = match random.below(30) {
            0 => random.next(),
            _ => content.len() as u64,
        };
        header.set_size(size);
        header.set_cksum();
        bytes.extend(header.as_bytes());
        bytes.extend(&content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    if random.chance(1, 6) {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    if random.chance(1, 3) {
        bytes = zstd::encode_all(bytes.as_slice(), 1).expect("memory");
    }
    bytes
}

fn lists(random: &mut Random) -> (String, String) {
    let mut manifests = Vec::new();
    let mut saved = Vec::new();
    for _ in 0..random.few(0, 3) {
        let digest = Digest::of(&[random.next().to_le_bytes()[0] % 3]);
        let (name, tag) = (*random.pick(NAMES), *random.pick(NAMES));
        manifests.push(serde_json::json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest.to_string(),
            "size": random.below(1000),
            "annotations": { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag },
        }));
        let layers: Vec<String> = (0..random.few(0, 3)).map(|_| path(random)).collect();
        saved.push(
            serde_json::json!({ "Config": path(random), "RepoTags": [name], "Layers": layers }),
        );
    }
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": manifests });
    (
        index.to_string(),
        serde_json::Value::from(saved).to_string(),
    )
}

fn make(random: &mut Random) -> Foreign {
    let (mut index, mut saved) = lists(random);
    let is_sound = random.chance(2, 3);
    if !is_sound {
        index = random.spoilt(&index, WORDS);
        saved = random.spoilt(&saved, WORDS);
    }
    Foreign {
        tar: archive(random),
        index,
        saved,
        link: (path(random), path(random)),
        wanted: random
            .chance(1, 2)
            .then(|| (*random.pick(NAMES)).to_owned()),
        is_sound,
    }
}

fn judge(foreign: &Foreign) -> bool {
    // Whatever it is, it is told or refused.
    let _ = content(foreign.tar.as_slice(), &|| false);
    let (from, target) = &foreign.link;
    if let Some(to) = linked(from, target) {
        let is_inside = |part: &str| !matches!(part, "" | "." | "..");
        let from_is_inside = from.split('/').all(is_inside);
        assert!(
            to.is_empty() || !from_is_inside || to.split('/').all(is_inside),
            "`{from}` -> `{target}` leads to `{to}`"
        );
    }
    if let Some(digest) = promised(target) {
        assert_eq!(blob_path(digest), *target, "a blob has one path");
    }
    let lists = [
        of_index(foreign.index.as_bytes()),
        of_saved(foreign.saved.as_bytes()),
    ];
    let is_read = lists.iter().all(Result::is_ok);
    assert!(
        is_read || !foreign.is_sound,
        "a sound list is read: {lists:?}"
    );
    for images in lists.into_iter().flatten() {
        match choose(&images, foreign.wanted.as_deref()) {
            Ok(place) => assert!(images.iter().any(|image| image.place == place)),
            Err(why) => assert!(!why.is_empty()),
        }
    }
    is_read
}

#[test]
fn archives_of_images() {
    let fuzz = Fuzz {
        name: "archives of images",
        runs: 20_000,
        make,
        judge,
    };
    fuzz.run().accepts(60);
}
