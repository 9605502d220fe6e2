//! What changed in an upper directory, as a layer: a test for each rule.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::attributes::OPAQUE;
use super::{Content, D, F, dir, is_root, tar};
use crate::backend::embedded::capture::{Capture, CaptureError, Device};
use crate::backend::embedded::owner::Owner;
use crate::backend::oci::layer::{self, Encoding, Index, LayerWriter, NodeKind};
use crate::backend::oci::store::Store;
use crate::backend::oci::tree::Tree;

/// An image below, an upper directory, and a store.
struct Bench {
    below: Tree,
    upper: tempfile::TempDir,
    _folder: tempfile::TempDir,
    store: Store,
    made: HashSet<String>,
    devices: HashMap<String, Device>,
}

impl Bench {
    fn new(below: &[Content<'_>]) -> Self {
        let mut tree = Tree::default();
        let index = layer::read(tar(below).as_slice(), &|| false).unwrap().index;
        tree.apply(&index);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self {
            below: tree,
            upper: tempfile::tempdir().unwrap(),
            _folder: folder,
            store,
            made: HashSet::new(),
            devices: HashMap::new(),
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
        let owner = |path: &str, _: Owner, _: Option<Owner>| match self.below.get(path) {
            Some(node) => Owner {
                user: node.uid,
                group: node.gid,
            },
            None => Owner::default(),
        };
        let capture = Capture {
            below: &self.below,
            owner: &owner,
            made: &self.made,
            devices: &self.devices,
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
        let contents = layer::read(blob, &|| false).unwrap();
        // What is read is what was promised.
        assert_eq!(contents, layer.contents);
        shown(&contents.index)
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
        assert_eq!(
            error,
            format!("`/old` is not whole in its layer: `{name}` is set")
        );
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
fn names_of_a_closed_file_have_its_mode() {
    let bench = Bench::new(BASE);
    bench.file("one", "content");
    fs::hard_link(bench.at("one"), bench.at("two")).unwrap();
    fs::set_permissions(bench.at("one"), PermissionsExt::from_mode(0o020)).unwrap();
    let layer = bench.capture().unwrap();
    let modes = layer.contents.index.nodes.iter().map(|node| node.mode);
    assert_eq!(modes.collect::<Vec<_>>(), [0o020, 0o020]);
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
    assert_eq!(shown(&layers[0].contents.index), ["f a", "f b", "f c"]);
}

#[test]
fn accounts_that_a_command_adds_are_known_afterwards() {
    let bench = Bench::new(BASE);
    bench.folder("etc", 0o755);
    bench.file("etc/passwd", "root:x:0:0::/:\napp:x:5:6::/:\n");
    let mut tree = bench.below.clone();
    tree.apply(&bench.capture().unwrap().contents.index);
    let owner = Owner::read("app", &tree).unwrap();
    assert_eq!((owner.user, owner.group), (5, 6));
}

#[test]
fn files_that_stand_for_devices_are_devices() {
    let mut bench = Bench::new(BASE);
    bench.folder("etc", 0o755);
    bench.file("etc/disk", "");
    bench.file("etc/plain", "");
    let device = Device {
        is_block: true,
        major: 8,
        minor: 17,
    };
    bench.devices = HashMap::from([("etc/disk".to_owned(), device)]);
    let layer = bench.capture().unwrap();
    let node = |path: &str| {
        let mut nodes = layer.contents.index.nodes.iter();
        nodes.find(|node| *node.path == *path).unwrap().kind.clone()
    };
    assert!(matches!(node("etc/plain"), NodeKind::File(_)));
    assert_eq!(node("etc/disk"), NodeKind::Special);
}
