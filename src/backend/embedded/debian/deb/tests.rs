//! Packages as they are, and as somebody hostile would make them.

use tar::Builder;

use super::super::sample::{Sample, archive, compress, entry};
use super::*;

fn read_whole(bytes: &[u8]) -> Result<(Deb, Vec<u8>), DebError> {
    let mut contents = Vec::new();
    let deb = read(bytes, &mut |piece| {
        contents.extend_from_slice(piece);
        Ok(())
    })?;
    Ok((deb, contents))
}

#[track_caller]
fn why(bytes: &[u8]) -> String {
    read_whole(bytes).unwrap_err().to_string()
}

fn sample() -> Sample {
    Sample::named("a", "1", "")
        .folder("./")
        .folder("./usr/")
        .file("./usr/a", "hello")
}

#[test]
fn a_package_is_read_however_it_is_compressed() {
    let made = || {
        sample()
            .with(("./usr/b", EntryType::Link, 0o644), "./usr/a", b"")
            .link("./usr/c", "../etc/c")
            .with(("./usr/s", EntryType::Regular, 0o4755), "", b"suid")
            .script("postinst", "#!/bin/sh\n")
    };
    for how in ["", "gz", "xz", "zst"] {
        let bytes = if how.is_empty() {
            made().bytes()
        } else {
            made().compressed(how)
        };
        let (deb, contents) = read_whole(&bytes).unwrap();
        assert_eq!(contents, b"hellosuid", "{how}");
        let paths: Vec<&str> = deb.items.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(paths, ["usr", "usr/a", "usr/b", "usr/c", "usr/s"]);
        let md5 = "5d41402abc4b2a76b9719d911017c592".to_owned();
        assert_eq!(
            deb.items[1].kind,
            Kind::File {
                size: 5,
                at: 0,
                md5
            }
        );
        assert_eq!(deb.items[2].kind, Kind::HardLink { file: 1 });
        assert_eq!(deb.items[3].kind, Kind::Link("../etc/c".to_owned()));
        assert_eq!(deb.items[4].mode, 0o4755);
        assert_eq!(deb.control["postinst"].mode, 0o755);
        assert!(deb.text("control").starts_with("Package: a\n"));
    }
}

#[test]
fn parts_that_the_format_does_not_know_yet_are_skipped() {
    let (control, data) = sample().parts();
    let bytes = archive(&[
        ("debian-binary", b"2.1\nmore\n"),
        ("_new", b"odd"),
        ("control.tar", &control),
        ("_other/", b""),
        ("data.tar/", &data),
    ]);
    assert_eq!(read_whole(&bytes).unwrap().1, b"hello");
}

#[test]
fn what_is_no_package_is_refused() {
    let (control, data) = sample().parts();
    let of = |parts: &[(&str, &[u8])]| why(&archive(parts));
    let version: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    assert_eq!(
        why(b"PK\x03\x04 whatever"),
        "it is not a Debian package: it does not begin like one"
    );
    assert_eq!(
        of(&[("control.tar", &control)]),
        "it is not a Debian package: its first part is not `debian-binary`"
    );
    assert_eq!(
        of(&[("debian-binary", b"3.0\n")]),
        "it is not a Debian package: its format is not version 2"
    );
    assert_eq!(
        of(&[version, ("data.tar", &data)]),
        "it is not a Debian package: it has `data.tar` instead of `control.tar`"
    );
    assert_eq!(
        of(&[version, ("control.tar.bz2", b"BZh9")]),
        "`control.tar.bz2` is compressed in a way that is not supported"
    );
    assert_eq!(
        of(&[version, ("control.tar", &data), ("data.tar", &data)]),
        "its control part has `usr`, which is not a file beside others"
    );
    let empty = Builder::new(Vec::new()).into_inner().unwrap();
    assert_eq!(
        of(&[version, ("control.tar", &empty), ("data.tar", &data)]),
        "it is not a Debian package: it has no file `control`"
    );
    let mut bytes = sample().bytes();
    bytes[8 + 58] = b'x';
    assert_eq!(
        why(&bytes),
        "it is not a Debian package: a part of it has no head"
    );
    let mut bytes = sample().bytes();
    bytes[8 + 48..8 + 52].copy_from_slice(b"-1  ");
    assert_eq!(
        why(&bytes),
        "it is not a Debian package: its part `debian-binary` has no size"
    );
}

#[test]
fn a_cut_package_is_refused_wherever_it_is_cut() {
    for how in ["gz", "xz", "zst"] {
        let bytes = sample().compressed(how);
        for end in 0..bytes.len() - 1 {
            assert!(read_whole(&bytes[..end]).is_err(), "{how} {end}");
        }
    }
}

#[test]
fn a_changed_byte_is_noticed_or_changes_nothing_but_attributes() {
    let bytes = sample().compressed("xz");
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x55;
        if let Ok((_, contents)) = read_whole(&bytes) {
            assert_eq!(contents, b"hello", "{at}");
        }
    }
}

#[test]
fn entries_stay_in_the_image() {
    let of = |path: &str, kind, target: &str| {
        why(&sample().with((path, kind, 0o644), target, b"").bytes())
    };
    assert_eq!(
        of("./../etc/x", EntryType::Regular, ""),
        "its entry `./../etc/x` leads out of the image"
    );
    assert_eq!(
        of("usr/../../x", EntryType::Directory, ""),
        "its entry `usr/../../x` leads out of the image"
    );
    assert_eq!(
        of("./x", EntryType::Link, "../../etc/passwd"),
        "its entry `../../etc/passwd` leads out of the image"
    );
    assert_eq!(
        of("./x", EntryType::Link, "/etc/passwd"),
        "its `/x` is a link to `/etc/passwd`, no file before it"
    );
    assert_eq!(
        of("./x", EntryType::Link, "./usr"),
        "its `/x` is a link to `/usr`, no file before it"
    );
    assert_eq!(
        of("./x", EntryType::Block, ""),
        "its `/x` is neither a file nor a link nor a directory"
    );
    assert_eq!(
        of("./usr/a", EntryType::Regular, ""),
        "it has `/usr/a` twice"
    );
    assert_eq!(of("./usr", EntryType::Symlink, "/"), "it has `/usr` twice");
    let absolute = sample().file("/etc/x", "").bytes();
    let (deb, _) = read_whole(&absolute).unwrap();
    assert_eq!(deb.items.last().unwrap().path, "etc/x");
}

#[test]
fn a_directory_may_come_twice() {
    let (deb, _) = read_whole(&sample().folder("./usr/").bytes()).unwrap();
    assert_eq!(deb.items.len(), 2);
}

#[test]
fn a_name_of_any_length_is_not_held_in_memory() {
    let mut data = Builder::new(Vec::new());
    entry(
        &mut data,
        ("././@LongLink", EntryType::GNULongName, 0),
        "",
        &vec![b'a'; 2 << 20],
    );
    entry(&mut data, ("a", EntryType::Regular, 0), "", b"");
    let (control, _) = sample().parts();
    let data = compress(&data.into_inner().unwrap(), "xz");
    let bytes = archive(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &control),
        ("data.tar.xz", &data),
    ]);
    assert!(bytes.len() < 1 << 14);
    assert_eq!(
        why(&bytes),
        "it cannot be read: the name and the attributes of an entry are larger than 1024 KiB"
    );
}

#[test]
fn control_files_of_any_size_are_not_held_in_memory() {
    let mut control = Builder::new(Vec::new());
    let large = vec![b'a'; 65 << 20];
    entry(
        &mut control,
        ("./control", EntryType::Regular, 0o644),
        "",
        &large,
    );
    let control = compress(&control.into_inner().unwrap(), "zst");
    let bytes = archive(&[("debian-binary", b"2.0\n"), ("control.tar.zst", &control)]);
    assert!(bytes.len() < 1 << 15);
    assert_eq!(why(&bytes), "its control files have more than 64 MiB");
}

#[test]
fn rubbish_behind_the_data_is_bounded() {
    let (control, mut data) = sample().parts();
    data.resize(data.len() + (2 << 20), 0);
    let data = compress(&data, "gz");
    let bytes = archive(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &control),
        ("data.tar.gz", &data),
    ]);
    assert_eq!(
        why(&bytes),
        "it cannot be read: too much follows its last entry"
    );
}
