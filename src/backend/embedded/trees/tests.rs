use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use tar::{EntryType, Header};

use super::super::capture::{Capture, CaptureError};
use super::super::owner::Owner;
use super::unpack::{OPAQUE, Owners, Unpacked, unpack};
use crate::backend::oci::layer::{self, Encoding, Index, LayerError, LayerWriter, NodeKind};
use crate::backend::oci::store::Store;
use crate::backend::oci::tree::Tree;
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

fn dir(path: &Path) -> Dir {
    Rooted::new(path, "", Terms::default()).make().unwrap().lent().unwrap()
}

fn unpacked(
    entries: &[Content<'_>],
    owners: Owners,
) -> (tempfile::TempDir, Result<Unpacked, LayerError>) {
    let folder = tempfile::tempdir().unwrap();
    let done = unpack(tar(entries).as_slice(), &dir(folder.path()), owners, &|| false);
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
    let (folder, done) = unpacked(entries, Owners::here());
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
    let (folder, done) = unpacked(entries, Owners::here());
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
    let (folder, done) = unpacked(entries, Owners::here());
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
        &[("link", L, 0o777, "/etc"), ("hard", EntryType::Link, 0o644, "link/passwd")],
    ];
    for entries in hostile {
        let (_folder, done) = unpacked(entries, Owners::here());
        done.unwrap_err();
        assert_eq!(outside.path().read_dir().unwrap().count(), 0, "{entries:?}");
    }
    // A link that takes the place of a directory takes nothing with it.
    let entries: &[Content<'_>] = &[
        ("a/x", F, 0o644, "x"),
        ("a", L, 0o777, &target),
        ("b", F, 0o644, "b"),
    ];
    let (folder, done) = unpacked(entries, Owners::here());
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
    let (_folder, done) = unpacked(odd, Owners::here());
    assert!(done.unwrap_err().to_string().contains("`odd` is of a kind"));
}

/// An image below, an upper directory, and a store.
struct Bench {
    below: Tree,
    upper: tempfile::TempDir,
    folder: tempfile::TempDir,
    store: Store,
    made: HashSet<String>,
}

impl Bench {
    fn new(below: &[Content<'_>]) -> Self {
        let mut tree = Tree::default();
        let (_, index) = layer::read(tar(below).as_slice(), &|| false).unwrap();
        tree.apply(&index);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self {
            below: tree,
            upper: tempfile::tempdir().unwrap(),
            folder,
            store,
            made: HashSet::new(),
        }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.upper.path().join(path)
    }

    fn folder(&self, path: &str, mode: u32) {
        fs::create_dir_all(self.at(path)).unwrap();
        fs::set_permissions(self.at(path), PermissionsExt::from_mode(mode)).unwrap();
    }

    fn file(&self, path: &str, content: &str) {
        fs::write(self.at(path), content).unwrap();
        fs::set_permissions(self.at(path), PermissionsExt::from_mode(0o644)).unwrap();
    }

    fn whiteout(&self, path: &str) {
        let kind = rustix::fs::FileType::CharacterDevice;
        let mode = rustix::fs::Mode::empty();
        rustix::fs::mknodat(rustix::fs::CWD, self.at(path), kind, mode, 0).unwrap();
    }

    fn set(&self, path: &str, name: &str, value: &[u8]) {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(self.at(path), name, value, flags).unwrap();
    }

    fn capture(&self) -> Result<layer::Layer, CaptureError> {
        let owner = |path: &str, _: Owner| match self.below.get(path) {
            Some(node) => Owner { user: node.uid, group: node.gid },
            None => Owner::default(),
        };
        let capture = Capture {
            below: &self.below,
            owner: &owner,
            made: &self.made,
            left_out: &["var/log"],
            is_cancelled: &|| false,
        };
        let writer = LayerWriter::new(&self.store, Encoding::Gzip).unwrap();
        capture.layer(&dir(self.upper.path()), writer)
    }

    /// The entries of the layer: `d` directories, `f` files, `l` links, `h` hard links, `s` special, `-` removed.
    fn entries(&self) -> Vec<String> {
        let layer = self.capture().unwrap();
        let (blob, _) = self.store.send(layer.blob.digest).unwrap();
        let (diff_id, index) = layer::read(blob, &|| false).unwrap();
        // What is read is what was promised.
        assert_eq!((diff_id, &index), (layer.diff_id, &layer.index));
        shown(&index)
    }
}

fn shown(index: &Index) -> Vec<String> {
    let nodes = index.nodes.iter().map(|node| {
        let path = &node.path;
        match &node.kind {
            NodeKind::Folder => format!("d {path} {:o} {}:{}", node.mode, node.uid, node.gid),
            NodeKind::File(_) => format!("f {path}"),
            NodeKind::Link(target) => format!("l {path} {target}"),
            NodeKind::HardLink(target) => format!("h {path} {target}"),
            NodeKind::Special => format!("s {path}"),
            NodeKind::Whiteout => format!("- {path}"),
            NodeKind::Opaque => format!("o {path}"),
        }
    });
    nodes.collect()
}

const BASE: &[Content<'static>] = &[
    ("etc", D, 0o755, ""),
    ("etc/passwd", F, 0o644, "root:x:0:0::/:\n"),
    ("old", D, 0o755, ""),
    ("old/a", F, 0o644, ""),
    ("old/b", D, 0o755, ""),
    ("old/b/c", F, 0o644, ""),
    ("old/z", F, 0o644, ""),
    ("var", D, 0o755, ""),
];

#[test]
fn directories_that_were_only_copied_up_are_left_out() {
    let bench = Bench::new(BASE);
    for path in ["etc", "old", "old/b", "var"] {
        bench.folder(path, 0o755);
    }
    assert_eq!(bench.entries(), [""; 0]);
    bench.file("old/b/new", "");
    // As they are in the image: unpackers disagree about directories that are not mentioned.
    let expected = ["d old 755 70:71", "d old/b 755 70:71", "f old/b/new"];
    assert_eq!(bench.entries(), expected);
    bench.folder("etc", 0o700);
    assert_eq!(bench.entries()[0], "d etc 700 70:71");
}

#[test]
fn what_is_gone_is_mentioned_if_the_image_had_it() {
    let bench = Bench::new(BASE);
    bench.folder("old", 0o755);
    bench.whiteout("old/a");
    bench.whiteout("old/never");
    // Whiteouts are links to one file.
    fs::hard_link(bench.at("old/a"), bench.at("old/z")).unwrap();
    let expected = ["d old 755 70:71", "- old/a", "- old/z"];
    assert_eq!(bench.entries(), expected);
}

#[test]
fn a_directory_made_anew_names_what_it_hides() {
    let bench = Bench::new(BASE);
    bench.folder("old", 0o755);
    bench.set("old", OPAQUE, b"y");
    bench.folder("old/b", 0o755);
    bench.file("old/new", "");
    let expected = [
        "d old 755 70:71",
        "- old/a",
        "d old/b 755 70:71",
        "- old/b/c",
        "f old/new",
        "- old/z",
    ];
    assert_eq!(bench.entries(), expected);
    // What the image never had needs no mark.
    let bench = Bench::new(BASE);
    bench.folder("fresh", 0o755);
    bench.set("fresh", OPAQUE, b"y");
    assert_eq!(bench.entries(), ["d fresh 755 0:0"]);
    let layer = bench.capture().unwrap();
    let (mut blob, _) = bench.store.send(layer.blob.digest).unwrap();
    let mut tar = Vec::new();
    std::io::copy(&mut layer::plain(&mut blob).unwrap(), &mut tar).unwrap();
    let has = |text: &str| tar.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(!has("overlay") && !has(".wh."));
}

#[test]
fn incomplete_entries_are_an_error() {
    for name in ["user.overlay.redirect", "user.overlay.metacopy"] {
        let bench = Bench::new(BASE);
        bench.folder("old", 0o755);
        bench.set("old", name, b"x");
        let error = bench.capture().unwrap_err().to_string();
        assert_eq!(error, format!("`/old` is not whole in its layer: `{name}` is set"));
    }
}

#[test]
fn hard_links_sockets_pipes_and_holes() {
    let bench = Bench::new(BASE);
    bench.file("one", "content");
    fs::hard_link(bench.at("one"), bench.at("two")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bench.at("socket")).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, bench.at("pipe"), pipe, mode, 0).unwrap();
    std::os::unix::fs::symlink("/gone", bench.at("link")).unwrap();
    let sparse = fs::File::create(bench.at("sparse")).unwrap();
    sparse.set_len(50 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"middle", 20 << 20).unwrap();
    let expected = ["l link /gone", "f one", "s pipe", "f sparse", "h two one"];
    assert_eq!(bench.entries(), expected);
    let layer = bench.capture().unwrap();
    assert!(layer.blob.size < 1 << 20, "{}", layer.blob.size);
    let (blob, _) = bench.store.send(layer.blob.digest).unwrap();
    let mut tar = tar::Archive::new(layer::plain(blob).unwrap());
    let mut content = Vec::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap() == Path::new("sparse") {
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        }
    }
    assert_eq!(content.len(), 50 << 20);
    assert_eq!(&content[20 << 20..][..6], b"middle");
    assert!(content[..20 << 20].iter().all(|byte| *byte == 0));
}

#[test]
fn capabilities_lose_the_root_of_their_namespace() {
    if !is_root() {
        return;
    }
    let two = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut three = two.to_vec();
    three[3] = 3;
    three.extend([0xe8, 3, 0, 0]);
    let bench = Bench::new(BASE);
    bench.file("ping", "");
    bench.set("ping", "security.capability", &three);
    bench.file("note", "");
    bench.set("note", "user.note", b"kept");
    let layer = bench.capture().unwrap();
    let (blob, _) = bench.store.send(layer.blob.digest).unwrap();
    let mut tar = tar::Archive::new(layer::plain(blob).unwrap());
    let mut found = Vec::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        for extension in entry.pax_extensions().unwrap().into_iter().flatten() {
            let extension = extension.unwrap();
            found.push((
                extension.key().unwrap().to_owned(),
                extension.value_bytes().to_vec(),
            ));
        }
    }
    let expected = [
        ("SCHILY.xattr.user.note".to_owned(), b"kept".to_vec()),
        ("SCHILY.xattr.security.capability".to_owned(), two.to_vec()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn places_of_mounts_and_what_is_left_out_are_not_part_of_the_image() {
    let mut bench = Bench::new(BASE);
    bench.folder("proc", 0o755);
    bench.folder("run/secrets", 0o755);
    bench.file("run/secrets/token", "");
    bench.folder("var/log", 0o755);
    bench.file("var/log/dpkg.log", "now");
    let made = ["proc", "run", "run/secrets", "run/secrets/token"];
    bench.made = made.map(str::to_owned).into();
    assert_eq!(bench.entries(), [""; 0]);
    // What the command put beside them stays, with the directory that it is in.
    bench.file("run/own", "");
    assert_eq!(bench.entries(), ["d run 755 0:0", "f run/own"]);
}

#[test]
fn the_same_changes_give_the_same_layer() {
    let layers = [false, true].map(|is_other_way| {
        let bench = Bench::new(BASE);
        let mut names = vec!["a", "b", "c"];
        if is_other_way {
            names.reverse();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        for name in names {
            bench.file(name, name);
        }
        bench.capture().unwrap()
    });
    assert_eq!(layers[0], layers[1]);
    assert_eq!(shown(&layers[0].index), ["f a", "f b", "f c"]);
}

#[test]
fn accounts_that_a_command_adds_are_known_afterwards() {
    let bench = Bench::new(BASE);
    bench.folder("etc", 0o755);
    bench.file("etc/passwd", "root:x:0:0::/:\napp:x:5:6::/:\n");
    let mut tree = bench.below.clone();
    tree.apply(&bench.capture().unwrap().index);
    let owner = Owner::read("app", &tree).unwrap();
    assert_eq!((owner.user, owner.group), (5, 6));
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
        unpack(tar(entries).as_slice(), &files, Owners::here(), &|| false).unwrap();
        store.keep_tree("root", layer, 1, scratch).unwrap()
    };
    let store = Store::open(&place).unwrap();
    assert_eq!(store.tree("root", layer).unwrap(), None);
    let made = make(&store);
    assert_eq!(store.tree("root", layer).unwrap(), Some(made.clone()));
    assert_eq!(store.tree("user", layer).unwrap(), None);
    // As after another start: it does not count, and is made again.
    fs::write(made.join("../whole"), "another\n1\n").unwrap();
    assert_eq!(store.tree("root", layer).unwrap(), None);
    assert_eq!(make(&store), made);
    // What was not finished is gone, whoever made it.
    drop(store.new_tree().unwrap());
    assert_eq!(place.join("working").read_dir().unwrap().count(), 0);
    let (left, _) = store.new_tree().unwrap();
    let name = left.path();
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
