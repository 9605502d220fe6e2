use std::io::Write as _;

use flate2::Decompress;

use super::sample::{Part, zip};
use super::*;

fn open(bytes: &[u8]) -> Result<Zip, ZipError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Zip::open(file, bytes.len() as u64)
}

/// Everything that is read of an archive: names with contents, whole and in pieces.
fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ZipError> {
    let zip = open(bytes)?;
    let starts = zip.starts()?;
    let mut all = Vec::new();
    for (at, member) in zip.members.iter().enumerate() {
        let whole = zip.content(at, starts[at], 1 << 30)?;
        let (mut pieces, mut packed) = (Vec::new(), Vec::new());
        zip.stream(member, starts[at], &mut |chunk| {
            match chunk {
                Chunk::Plain(bytes) => pieces.extend(bytes),
                Chunk::Packed(bytes) => packed.extend(bytes),
            }
            Ok(())
        })?;
        assert_eq!(pieces, whole);
        let (length, room) = member.room();
        let (mut again, mut plain) = (vec![0; length], vec![1; room]);
        let inflater = &mut Decompress::new(false);
        zip.whole(at, starts[at], inflater, &mut again, &mut plain)?;
        assert_eq!((&packed, &whole[..]), (&again, &plain[..room - 1]));
        let first = zip.first(at, starts[at], 5)?;
        assert_eq!(first, whole[..whole.len().min(5)]);
        all.push((member.name.clone(), whole));
    }
    Ok(all)
}

fn why(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn what_was_packed_is_read() {
    let long: Vec<u8> = (0..5_000_000_u32)
        .flat_map(|at| (at / 3).to_le_bytes())
        .collect();
    let wide = Part {
        is_64: true,
        ..Part::new("wide", b"64 bits")
    };
    let parts = [
        Part::new("b/long", &long),
        Part::stored("b/", b""),
        Part::stored("stored", b"as it is"),
        Part::new("a/é.py", "é".as_bytes()),
        Part::new("followed", b"sizes follow").followed(true),
        Part::new("followed-barely", b"sizes follow").followed(false),
        Part::new("empty", b""),
        wide,
    ];
    let all = read(&zip(&parts)).unwrap();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let sorted = [
        "a/é.py",
        "b",
        "b/long",
        "empty",
        "followed",
        "followed-barely",
        "stored",
        "wide",
    ];
    assert_eq!(names, sorted);
    assert_eq!(all[2].1, long);
    assert_eq!(all[6].1, b"as it is");
    assert_eq!(all[7].1, b"64 bits");
    assert_eq!(read(&zip(&[])).unwrap(), []);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a\\b",
        "a\0b",
        "./x",
        "a//b",
        "",
        "/",
        "..",
    ] {
        let why = why(&zip(&[Part::new(name, b"x")]));
        assert!(
            why.contains("leads out") || why.contains("no relative path"),
            "{name}: {why}"
        );
    }
    let strange = Part {
        name: vec![0xff],
        local_name: vec![0xff],
        flags: 1 << 11,
        ..Part::new("x", b"x")
    };
    assert!(why(&zip(&[strange])).contains("not UTF-8"));
    let undeclared = Part {
        flags: 0,
        ..Part::new("é", b"x")
    };
    assert!(why(&zip(&[undeclared])).contains("not UTF-8"));
}

#[test]
fn a_path_is_there_once_and_of_one_kind() {
    let twice = [Part::new("a", b"1"), Part::new("a", b"2")];
    assert_eq!(why(&zip(&twice)), "it has `a` twice");
    let both = [Part::new("a", b"1"), Part::stored("a/", b"")];
    assert_eq!(why(&zip(&both)), "it has `a` twice");
    let below = [
        Part::new("a", b"1"),
        Part::new("a-b", b""),
        Part::new("a/b", b"2"),
    ];
    assert_eq!(
        why(&zip(&below)),
        "it has `a` both as a file and as a directory"
    );
}

#[test]
fn links_and_devices_are_refused() {
    for (mode, word) in [
        (0o120_777, "symbolic link"),
        (0o060_666, "neither"),
        (0o040_755, "neither"),
    ] {
        let part = Part {
            mode,
            ..Part::new("a", b"/etc/passwd")
        };
        assert!(why(&zip(&[part])).contains(word), "{mode:o}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let encrypted = Part {
        flags: 1,
        ..Part::new("a", b"x")
    };
    assert!(why(&zip(&[encrypted])).contains("`a` is encrypted"));
    let bzip = Part {
        method: 12,
        ..Part::new("a", b"x")
    };
    assert!(why(&zip(&[bzip])).contains("method 12"));
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let lie = Part {
        size: 1 << 30,
        local_size: 1 << 30,
        ..Part::new("a", b"x")
    };
    assert!(why(&zip(&[lie])).contains("larger than its data"));
    let zeros = vec![0; 100 << 20];
    let bomb = Part::new("0", &zeros);
    let many: Vec<Part> = (0..12)
        .map(|at| Part {
            name: format!("{at}").into(),
            local_name: format!("{at}").into(),
            ..bomb.clone()
        })
        .collect();
    assert!(why(&zip(&many)).contains("it would grow from"));
    let more = Part {
        size: 4,
        local_size: 4,
        ..Part::new("a", b"12345")
    };
    assert!(why(&zip(&[more])).contains("checksum and size"));
    // Blocks without content, then the content.
    let mut padded = Part::new("a", b"x");
    padded.data = [[0, 0, 0, 0xff, 0xff].repeat(1000), padded.data].concat();
    assert!(why(&zip(&[padded])).contains("far more data than content"));
}

#[test]
fn headers_that_differ_are_refused() {
    let name = Part {
        local_name: b"b".into(),
        ..Part::new("a", b"x")
    };
    let size = Part {
        local_size: 2,
        ..Part::new("a", b"x")
    };
    for part in [name, size] {
        assert_eq!(why(&zip(&[part])), "its two headers of `a` differ");
    }
    let mut wrong = Part::new("a", b"x").followed(true);
    wrong.after[5] ^= 1;
    assert!(why(&zip(&[wrong])).contains("does not end where it says"));
    let crc = Part {
        crc: 7,
        ..Part::new("a", b"x")
    };
    assert!(why(&zip(&[crc])).contains("checksum and size"));
    let mut damaged = Part::new("a", b"some text that is long enough");
    damaged.data[3] ^= 0x55;
    assert!(why(&zip(&[damaged])).contains("checksum and size"));
    let mut longer = Part::new("a", b"some text");
    longer.data.extend(b"hidden");
    assert!(why(&zip(&[longer])).contains("checksum and size"));
}

#[test]
fn entries_do_not_overlap_nor_leave_room() {
    let one = Part::new("a", b"one");
    let quoted = Part {
        header: Some(0),
        ..Part::new("b", b"one")
    };
    assert!(why(&zip(&[one.clone(), quoted])).contains("does not start where"));
    let hidden = Part {
        after: b"hidden".into(),
        ..one.clone()
    };
    assert!(why(&zip(&[hidden])).contains("does not end where"));
    let proper = zip(&[one]);
    let before = [b"#!/bin/sh\n".to_vec(), proper.clone()].concat();
    assert!(why(&before).contains("list of entries"));
    let after = [proper.clone(), b"more".to_vec()].concat();
    assert!(why(&after).contains("ends where the file ends"));
    let mut comment = proper.clone();
    let length = comment.len();
    comment[length - 2] = 22;
    comment.extend(&proper[length - 22..]);
    assert!(why(&comment).contains("list of entries"));
    let mut disks = proper.clone();
    disks[length - 18] = 1;
    assert!(why(&disks).contains("several disks"));
}

#[test]
fn no_damage_makes_it_panic() {
    let parts = [
        Part::new(
            "a/b",
            b"some content that is compressed, compressed, compressed",
        ),
        Part::stored("c", b"x").followed(true),
        Part {
            is_64: true,
            ..Part::new("d", b"y")
        },
    ];
    let proper = zip(&parts);
    for at in 0..proper.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = proper.clone();
            bytes[at] ^= change;
            let _ = read(&bytes);
        }
        let _ = read(&proper[..at]);
        let _ = read(&proper[at..]);
    }
}
