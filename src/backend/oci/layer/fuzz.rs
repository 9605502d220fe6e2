//! Fuzzes layers of strangers: tars with strange entries, cut, changed and compressed. What is read stays inside the image, its
//! digest is that of the bytes, and paths can be followed in the files that it leaves.

use std::io::{Read, Write};

use ::tar::{EntryType, Header};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{NodeKind, read};
use crate::backend::oci::name::Digest;
use crate::backend::oci::tree::Tree;
use crate::fuzz::{Fuzz, Random};

const PARTS: &[&str] = &[
    "a",
    "b",
    "usr",
    "lib",
    "etc",
    "passwd",
    "group",
    ".",
    "..",
    "",
    ".wh.",
    ".wh.a",
    ".wh..wh..opq",
    ".wh...",
    "é",
    "\u{1}",
    "a b",
    "\\",
];

const KINDS: &[u8] = b"0001225555346Sxgx7\0KLVv";

fn path(random: &mut Random) -> Vec<u8> {
    let mut path = Vec::new();
    for _ in 0..random.few(1, 5) {
        if !path.is_empty() || random.chance(1, 8) {
            path.push(b'/');
        }
        path.extend(random.pick(PARTS).as_bytes());
    }
    if random.chance(1, 40) {
        path.push(0xff);
    }
    path
}

fn records(random: &mut Random) -> Vec<u8> {
    let mut records = Vec::new();
    for _ in 0..random.few(1, 3) {
        let name = *random.pick(&[
            "path",
            "linkpath",
            "size",
            "uid",
            "mtime",
            "GNU.sparse.size",
        ]);
        let value = match random.below(4) {
            0 => random.below(1 << 40).to_string().into_bytes(),
            1 => b"18446744073709551615".to_vec(),
            _ => path(random),
        };
        let length = name.len() + value.len() + 3 + random.few(1, 3);
        records.extend(format!("{length} {name}=").into_bytes());
        records.extend(value);
        records.push(b'\n');
    }
    records
}

fn entry(random: &mut Random, out: &mut Vec<u8>) {
    let kind = *random.pick(KINDS);
    let content = match kind {
        b'x' | b'g' => records(random),
        b'K' | b'L' => path(random),
        b'0' => random.bytes(700),
        _ => Vec::new(),
    };
    let mut header = Header::new_ustar();
    let (name, target) = (path(random), path(random));
    if let Some(ustar) = header.as_ustar_mut() {
        let length = name.len().min(100);
        ustar.name[..length].copy_from_slice(&name[..length]);
        let length = target.len().min(100);
        ustar.linkname[..length].copy_from_slice(&target[..length]);
    }
    header.set_entry_type(EntryType::new(kind));
    let size = match random.below(60) {
        0 => random.next(),
        1 => random.below(4096) as u64,
        _ => content.len() as u64,
    };
    header.set_size(size);
    header.set_mode(u32::try_from(random.below(0o20000)).unwrap_or_default());
    header.set_uid(random.below(5) as u64);
    header.set_gid(random.below(5) as u64);
    header.set_mtime(0);
    header.set_cksum();
    out.extend(header.as_bytes());
    out.extend(&content);
    out.resize(out.len().next_multiple_of(512), 0);
}

fn compressed(random: &mut Random, tar: &[u8]) -> Vec<u8> {
    match random.below(4) {
        0 => tar.to_vec(),
        1 => zstd::encode_all(tar, 1).expect("memory"),
        _ => {
            // Several members, as this program writes them.
            let at = random.below(tar.len() + 1);
            let (first, rest) = tar.split_at(at);
            let member = |bytes: &[u8]| {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes).expect("memory");
                encoder.finish().expect("memory")
            };
            [member(first), member(rest)].concat()
        }
    }
}

fn damaged(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.few(1, 3) {
        let at = random.below(bytes.len() + 1);
        match random.below(3) {
            0 => bytes.truncate(at),
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            _ => {
                let more = random.bytes(20);
                bytes.splice(at..at, more);
            }
        }
    }
    bytes
}

fn make(random: &mut Random) -> Vec<u8> {
    let mut tar = Vec::new();
    for _ in 0..random.few(0, 12) {
        entry(random, &mut tar);
    }
    if random.chance(1, 6) {
        tar = damaged(random, tar);
    }
    tar.extend([0; 1024]);
    let bytes = compressed(random, &tar);
    if random.chance(1, 6) {
        damaged(random, bytes)
    } else {
        bytes
    }
}

fn is_clean(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn plain(mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let count = match bytes {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            zstd::Decoder::new(bytes).and_then(|mut from| from.read_to_end(&mut plain))
        }
        _ => bytes.read_to_end(&mut plain),
    };
    count.expect("it has been read before");
    plain
}

fn judge(bytes: &Vec<u8>) -> bool {
    let mut bytes_left = bytes.as_slice();
    let contents = match read(&mut bytes_left, &|| false) {
        Ok(read) => read,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let plain = plain(bytes);
    assert_eq!(contents.diff_id, Digest::of(&plain), "all bytes are hashed");
    assert_eq!(contents.size, plain.len() as u64, "all bytes are counted");
    let index = contents.index;
    for node in index.nodes.iter() {
        let is_root = node.path.is_empty() && node.kind == NodeKind::Opaque;
        assert!(is_root || is_clean(&node.path), "{:?}", node.path);
        if let NodeKind::HardLink(target) = &node.kind {
            assert!(is_clean(target), "{target:?}");
        }
    }
    let mut tree = Tree::default();
    tree.apply(&index);
    tree.apply(&index);
    for node in index.nodes.iter() {
        if let Ok(found) = tree.resolve(&format!("/{}/x/../y", node.path)) {
            assert!(found.is_empty() || is_clean(&found), "{found:?}");
        }
    }
    true
}

#[test]
fn layers_of_strangers() {
    Fuzz {
        name: "layers",
        runs: 3000,
        make,
        judge,
    }
    .run()
    .accepts(30);
}
