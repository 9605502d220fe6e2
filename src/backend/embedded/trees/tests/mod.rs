//! Layers as directories: what is in them, and what hostile ones cannot do.

mod capture;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use tar::{EntryType, Header};

use super::attributes::{OPAQUE, Owners};
use super::unpack::{Unpacked, unpack};
use crate::backend::oci::layer::LayerError;
use crate::backend::oci::store::Store;
use crate::backend::sandbox::{Mode, Owned};
use crate::disk::dir::{Dir, Rooted, Terms};

type Content<'a> = (&'a str, EntryType, u32, &'a str);

/// A tar of these entries: path, kind, mode, and content or target. Attributes follow a path after `|`, as `name=value`.
fn tar(entries: &[Content<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, mode, content) in entries {
        let (path, attribute) = path.split_once('|').unwrap_or((path, ""));
        if let Some((name, value)) = attribute.split_once('=') {
            let name = format!("SCHILY.xattr.{name}");
            let pairs = [(name.as_str(), value.as_bytes())];
            builder.append_pax_extensions(pairs).unwrap();
        }
        let mut head = Header::new_ustar();
        head.set_entry_type(*kind);
        head.set_mode(*mode);
        head.set_uid(70);
        head.set_gid(71);
        head.set_mtime(1_000_000);
        head.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        head.set_size(0);
        let is_file = *kind == EntryType::Regular;
        if is_file {
            head.set_size(content.len() as u64);
        } else if matches!(kind, EntryType::Symlink | EntryType::Link) {
            head.set_link_name_literal(content).unwrap();
        } else if let Some((major, minor)) = content.split_once(':') {
            head.set_device_major(major.parse().unwrap()).unwrap();
            head.set_device_minor(minor.parse().unwrap()).unwrap();
        }
        head.set_cksum();
        let content = if is_file { content.as_bytes() } else { b"" };
        builder.append(&head, content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// How this process can keep owners itself.
fn here() -> Owners {
    if rustix::process::geteuid().is_root() {
        Owners::Kept
    } else {
        Owners::Own
    }
}

fn dir(path: &Path) -> Dir {
    Rooted::new(path, "", Terms::default())
        .make()
        .unwrap()
        .lent()
        .unwrap()
}

fn unpacked(
    entries: &[Content<'_>],
    owners: Owners,
) -> (tempfile::TempDir, Result<Unpacked, LayerError>) {
    let folder = tempfile::tempdir().unwrap();
    let done = unpack(
        tar(entries).as_slice(),
        &dir(folder.path()),
        owners,
        &|| false,
    );
    (folder, done)
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 256];
    let length = rustix::fs::lgetxattr(path, name, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

const F: EntryType = EntryType::Regular;
const D: EntryType = EntryType::Directory;
const L: EntryType = EntryType::Symlink;

#[test]
fn a_tree_has_what_the_layer_has() {
    let entries: &[Content<'_>] = &[
        ("deep/er/file", F, 0o4755, "content"),
        ("./deep/", D, 0o555, ""),
        ("deep/link|user.note=x", L, 0o777, "../../../etc/passwd"),
        ("deep/hard", EntryType::Link, 0o644, "./deep/er/file"),
        ("pipe", EntryType::Fifo, 0o622, ""),
        ("twice", F, 0o644, "first"),
        ("twice", F, 0o600, "second"),
        ("was", D, 0o700, ""),
        ("was/in", F, 0o600, "gone"),
        ("was", F, 0o640, "a file"),
    ];
    let (folder, done) = unpacked(entries, here());
    assert_eq!(done.unwrap().left_out, Vec::<String>::new());
    let at = |path: &str| folder.path().join(path);
    let file = at("deep/er/file").metadata().unwrap();
    assert_eq!(file.mode() & 0o7777, 0o4755);
    assert_eq!(file.mtime(), 1_000_000);
    assert_eq!(file.ino(), at("deep/hard").metadata().unwrap().ino());
    if is_root() {
        assert_eq!((file.uid(), file.gid()), (70, 71));
        assert_eq!(at("deep/link").symlink_metadata().unwrap().uid(), 70);
    }
    let deep = at("deep").metadata().unwrap();
    assert_eq!((deep.mode() & 0o7777, deep.mtime()), (0o555, 1_000_000));
    assert_eq!(at("deep/er").metadata().unwrap().mode() & 0o7777, 0o755);
    let target = fs::read_link(at("deep/link")).unwrap();
    assert_eq!(target, Path::new("../../../etc/passwd"));
    let pipe = at("pipe").metadata().unwrap();
    assert!(pipe.file_type().is_fifo());
    assert_eq!(fs::read(at("twice")).unwrap(), b"second");
    assert_eq!(fs::read(at("was")).unwrap(), b"a file");
}

#[test]
fn what_a_layer_removes_is_hidden_as_overlayfs_does_it() {
    let entries: &[Content<'_>] = &[
        ("a/.wh.gone", F, 0, ""),
        ("a/.wh.again", F, 0, ""),
        ("a/again/", D, 0o700, ""),
        ("a/.wh.file", F, 0, ""),
        ("a/file", F, 0o644, "new"),
        ("b/.wh..wh..opq", F, 0, ""),
        ("b/new", F, 0o644, "new"),
    ];
    let (folder, done) = unpacked(entries, here());
    done.unwrap();
    let at = |path: &str| folder.path().join(path);
    let gone = at("a/gone").symlink_metadata().unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    assert_eq!(attribute(&at("a/again"), OPAQUE).unwrap(), b"y");
    assert_eq!(fs::read(at("a/file")).unwrap(), b"new");
    assert_eq!(attribute(&at("b"), OPAQUE).unwrap(), b"y");
    assert_eq!(attribute(&at("a"), OPAQUE), None);
}

#[test]
fn attributes_of_an_overlay_are_not_taken_over() {
    let entries: &[Content<'_>] = &[
        ("a|user.overlay.redirect=/etc", D, 0o755, ""),
        ("b|user.overlay.opaque=y", D, 0o755, ""),
        ("c|user.note=kept", F, 0o644, ""),
        ("d|trusted.overlay.opaque=y", D, 0o755, ""),
    ];
    let (folder, done) = unpacked(entries, here());
    done.unwrap();
    let at = |path: &str| folder.path().join(path);
    assert_eq!(attribute(&at("a"), "user.overlay.redirect"), None);
    assert_eq!(attribute(&at("b"), OPAQUE), None);
    assert_eq!(attribute(&at("c"), "user.note").unwrap(), b"kept");
    assert_eq!(attribute(&at("d"), "trusted.overlay.opaque"), None);
}

#[test]
fn no_entry_gets_out_of_the_tree() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().display().to_string();
    let hostile: [&[Content<'_>]; 7] = [
        &[("../x", F, 0o644, "x")],
        &[("a/../../x", F, 0o644, "x")],
        &[("link", L, 0o777, &target), ("link/x", F, 0o644, "x")],
        &[("link", L, 0o777, &target), ("link/.wh.x", F, 0, "")],
        &[("link", L, 0o777, &target), ("link/.wh..wh..opq", F, 0, "")],
        &[("hard", EntryType::Link, 0o644, "../../etc/passwd")],
        &[
            ("link", L, 0o777, "/etc"),
            ("hard", EntryType::Link, 0o644, "link/passwd"),
        ],
    ];
    for entries in hostile {
        let (_folder, done) = unpacked(entries, here());
        done.unwrap_err();
        assert_eq!(outside.path().read_dir().unwrap().count(), 0, "{entries:?}");
    }
    // A link that takes the place of a directory takes nothing with it.
    let entries: &[Content<'_>] = &[
        ("a/x", F, 0o644, "x"),
        ("a", L, 0o777, &target),
        ("b", F, 0o644, "b"),
    ];
    let (folder, done) = unpacked(entries, here());
    done.unwrap();
    assert!(folder.path().join("a").is_symlink());
    assert_eq!(outside.path().read_dir().unwrap().count(), 0);
}

#[test]
fn devices_are_for_root_and_never_whiteouts() {
    let entries: &[Content<'_>] = &[
        ("null", EntryType::Char, 0o666, "1:3"),
        ("zero", EntryType::Char, 0o666, "0:0"),
    ];
    let (folder, done) = unpacked(entries, Owners::Own);
    assert_eq!(done.unwrap().left_out, ["null", "zero"]);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    if is_root() {
        let (folder, done) = unpacked(entries, Owners::Kept);
        assert_eq!(done.unwrap().left_out, ["zero"]);
        let null = folder.path().join("null").metadata().unwrap();
        assert_eq!(null.rdev(), rustix::fs::makedev(1, 3));
        assert_eq!(null.mode() & 0o7777, 0o666);
    }
    let odd: &[Content<'_>] = &[("odd", EntryType::new(b'Q'), 0o644, "")];
    let (_folder, done) = unpacked(odd, here());
    assert!(done.unwrap_err().to_string().contains("`odd` is of a kind"));
}

#[test]
fn trees_are_found_until_the_system_starts_again_and_removed_whole() {
    use crate::backend::oci::name::Digest;
    use crate::backend::oci::store::Sweep;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store");
    let layer = Digest::of(b"x");
    let make = |store: &Store| {
        let (scratch, files) = store.new_tree().unwrap();
        let entries: &[Content<'_>] = &[("closed/x", F, 0o600, "x"), ("closed", D, 0o000, "")];
        unpack(tar(entries).as_slice(), &files, here(), &|| false).unwrap();
        store.keep_tree("root", layer, 1, scratch).unwrap()
    };
    let store = Store::open(&place).unwrap();
    assert_eq!(store.tree("root", layer).unwrap(), None);
    let first = make(&store);
    assert_eq!(store.tree("root", layer).unwrap(), Some(first.clone()));
    assert_eq!(store.tree("user", layer).unwrap(), None);
    // As after another start: it does not count, and is made again.
    fs::write(first.join("../whole"), "another\n1\n").unwrap();
    assert_eq!(store.tree("root", layer).unwrap(), None);
    assert_eq!(make(&store), first);
    // What was not finished is gone, whoever made it.
    drop(store.new_tree().unwrap());
    assert_eq!(place.join("working").read_dir().unwrap().count(), 0);
    let (left, _) = store.new_tree().unwrap();
    let name = left.dir().path().to_owned();
    std::mem::forget(left);
    assert!(name.exists());
    drop(store);
    let at = crate::disk::cache::below(&place);
    let sweep = Sweep::begin(&at).unwrap();
    // The handle that was forgotten holds the lock as long as this process lives.
    let sweep = sweep.unwrap();
    let trees = sweep.trees().unwrap();
    assert_eq!(trees.len(), 1);
    assert!(trees[0].is_whole && trees[0].layer == layer && trees[0].size == 1);
    sweep.remove_tree(&trees[0]).unwrap();
    assert_eq!(place.join("trees/root").read_dir().unwrap().count(), 0);
}

#[test]
fn what_is_to_be_given_to_others_is_told() {
    let mode = Mode::Subordinate {
        uids: (1000, 65_536),
        gids: (2000, 65_536),
    };
    let owners = Owners::of(mode);
    assert_eq!(owners.kind(), "ids-1000-2000");
    let entries = [
        ("d/", EntryType::Directory, 0o750, ""),
        ("d/again", EntryType::Regular, 0o600, "old"),
        (
            "d/file|security.capability=cap",
            EntryType::Regular,
            0o4755,
            "x",
        ),
        ("d/again", EntryType::Regular, 0o640, "new"),
        ("d/link", EntryType::Symlink, 0o777, "file"),
        ("d/name", EntryType::Link, 0o777, "d/file"),
        ("d/device", EntryType::Char, 0o666, "1:3"),
    ];
    let (_folder, done) = unpacked(&entries, owners);
    let done = done.unwrap();
    let owned = |path: &str, mode, capability: &str| Owned {
        path: path.into(),
        uid: 70,
        gid: 71,
        mode,
        capability: capability.into(),
    };
    assert_eq!(
        done.owned,
        [
            owned("d", 0o750, ""),
            owned("d/again", 0o640, ""),
            owned("d/file", 0o4755, "cap"),
            owned("d/link", 0o777, ""),
            owned("d/name", 0o4755, "cap"),
        ]
    );
    assert_eq!(done.left_out, ["d/device"]);
}
