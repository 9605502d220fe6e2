//! Fuzzes wheels: archives with strange entries and headers, and damaged ones. What is accepted is installed completely and
//! where the scheme says, and the layer is what its own record and every unpacker say.

use std::io::Write as _;

use super::tests::Bench;
use super::zip::Zip;
use super::zip::sample::{Part, wheel, zip};
use crate::backend::oci::layer::{Contents, NodeKind, read};
use crate::fuzz::{Fuzz, Random};

const NAMES: &[&str] = &[
    "a/x.py",
    "a/y.so",
    "a/",
    "a",
    "a/b/",
    "a/b/c",
    "../x",
    "/x",
    "a//b",
    "a/./b",
    "A/x.py",
    "é",
    "a\\b",
    "",
    "x.pth",
    "p-1.data/scripts/run",
    "p-1.data/data/share/doc",
    "p-1.data/purelib/q.py",
    "p-1.data/headers/q.h",
    "p-1.data/odd/q",
    "p-1.data/data/../../etc/passwd",
    "p-1.dist-info/WHEEL",
    "p-1.dist-info/METADATA",
    "p-1.dist-info/RECORD",
    "p-1.dist-info/entry_points.txt",
    "p-1.dist-info/INSTALLER",
    "p-1.dist-info/direct_url.json",
    "q-2.dist-info/WHEEL",
];

const TEXTS: &[&str] = &[
    "[console_scripts]\n",
    "run = a.x:main\n",
    "../up = a:b\n",
    "x=y\n",
    "[gui_scripts]\n",
    "pip3 = a:b\n",
    "#!python\n",
    "#!/bin/sh\n",
    "Wheel-Version: 1.0\n",
    "Wheel-Version: 2.0\n",
    "Root-Is-Purelib: true\n",
    "Root-Is-Purelib: false\n",
    "a/x.py,sha256=x,1\n",
    "a/x.py,,\n",
    ",,\n",
    "\"",
    "é",
    "\u{0}",
    "import os\n",
];

/// The names among these that are never refused.
const GOOD: [usize; 12] = [0, 1, 5, 11, 14, 15, 16, 17, 18, 22, 24, 26];

fn part(random: &mut Random) -> Part {
    let name = if random.chance(1, 12) {
        *random.pick(NAMES)
    } else {
        NAMES[*random.pick(&GOOD)]
    };
    let content = random.soup(TEXTS, 6).into_bytes();
    let content = if random.chance(1, 12) {
        content.repeat(900)
    } else {
        content
    };
    let mut part = if random.chance(1, 3) {
        Part::stored(name, &content)
    } else {
        Part::new(name, &content)
    };
    if random.chance(1, 6) {
        part = part.followed(random.chance(1, 2));
    }
    match random.below(60) {
        0 => part.local_name = random.pick(NAMES).as_bytes().to_vec(),
        1 => part.crc ^= 1,
        2 => part.size = part.size.wrapping_add(1),
        3 => part.local_size = part.local_size.wrapping_add(1),
        4 => part.method = u16::try_from(random.below(100)).unwrap_or_default(),
        5 => part.flags ^= 1 << random.below(16),
        6 => part.mode = u32::try_from(random.below(0o200_000)).unwrap_or_default(),
        7 => part.after = random.bytes(30),
        8 => part.header = Some(u32::try_from(random.below(300)).unwrap_or_default()),
        9 => part.data.push(0),
        10..14 => part.is_64 = true,
        14..20 => part.mode = 0o100_755,
        _ => {}
    }
    part
}

fn make(random: &mut Random) -> Vec<u8> {
    let mut parts = vec![Part::new(
        "p-1.dist-info/METADATA",
        b"Metadata-Version: 2.1\nName: p\nVersion: 1\n",
    )];
    for _ in 0..random.few(0, 6) {
        parts.push(part(random));
    }
    if random.chance(9, 10) {
        parts.sort_by(|one, other| one.name.cmp(&other.name));
        parts.dedup_by(|one, other| one.name == other.name);
    }
    let is_utf8 = parts
        .iter()
        .all(|part| std::str::from_utf8(&part.name).is_ok());
    // The sample's record wants contents that can be read.
    let is_readable = parts.iter().all(|part| {
        let is_whole = |bytes: &[u8]| {
            let mut inflater = flate2::write::DeflateDecoder::new(Vec::new());
            inflater.write_all(bytes).is_ok() && inflater.finish().is_ok()
        };
        part.method != 8 || is_whole(&part.data)
    });
    let mut bytes = if is_utf8 && is_readable && random.chance(5, 6) {
        wheel("p-1", parts)
    } else {
        zip(&parts)
    };
    if random.chance(1, 5) {
        for _ in 0..random.few(1, 3) {
            let at = random.below(bytes.len() + 1);
            match random.below(4) {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..at, random.bytes(9))),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = random.next().to_le_bytes()[0];
                    }
                }
            }
        }
    }
    bytes
}

#[test]
fn archives_of_strangers() {
    let file = tempfile::tempfile().expect("a file");
    let judge = |bytes: &Vec<u8>| {
        file.set_len(0).expect("a file");
        std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).expect("a file");
        let opened = Zip::open(file.try_clone().expect("a file"), bytes.len() as u64);
        let read = opened.and_then(|zip| zip.starts().map(|starts| (zip, starts)));
        let (zip, starts) = match read {
            Ok(read) => read,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return false;
            }
        };
        let names: Vec<&str> = zip
            .members
            .iter()
            .map(|member| member.name.as_str())
            .collect();
        assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]));
        for (at, member) in zip.members.iter().enumerate() {
            let is_plain =
                |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
            assert!(member.name.split('/').all(is_plain), "{:?}", member.name);
            let Ok(whole) = zip.content(at, starts[at], 1 << 26) else {
                continue;
            };
            assert_eq!(whole.len() as u64, member.size);
            let mut pieces = Vec::new();
            let streamed = zip.stream(member, starts[at], &mut |chunk| {
                if let super::zip::Chunk::Plain(bytes) = chunk {
                    pieces.write_all(&bytes).expect("memory");
                }
                Ok(())
            });
            assert!(streamed.is_ok() && pieces == whole, "{:?}", member.name);
        }
        true
    };
    Fuzz {
        name: "zip archives",
        runs: 4000,
        make,
        judge,
    }
    .run()
    .accepts(30);
}

#[test]
fn wheels_of_strangers() {
    let bench = Bench::new();
    let judge = |bytes: &Vec<u8>| {
        let wheel = bench.put_bytes("p-1", bytes);
        let installed = match bench.install(std::slice::from_ref(&wheel)) {
            Ok(installed) => installed,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return false;
            }
        };
        for one in &installed {
            let (blob, _) = bench.store.read(one.made.part.digest).expect("it is kept");
            let Contents { diff_id, index, .. } = read(blob, &|| false).expect("a layer");
            assert_eq!(diff_id.to_string(), one.made.note.diff_id);
            for node in index.nodes.iter() {
                let is_within = ["usr", "bin", "etc", "opt"]
                    .iter()
                    .any(|top| node.path.starts_with(top));
                assert!(is_within, "{:?}", node.path);
                assert!(
                    matches!(node.kind, NodeKind::Folder | NodeKind::File(_)),
                    "{node:?}"
                );
            }
            let record = index
                .nodes
                .iter()
                .filter(|node| node.path.ends_with("dist-info/RECORD"));
            assert_eq!(record.count(), 1, "one record");
        }
        true
    };
    Fuzz {
        name: "wheels",
        runs: 600,
        make,
        judge,
    }
    .run()
    .accepts(15);
}
