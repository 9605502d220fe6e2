//! Cases that the golden list lacks: links, unusual file kinds, orders, and relative source roots.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use md5::{Digest as _, Md5};
use tempfile::TempDir;

use crate::fingerprint::FilesError;
use crate::fingerprint::flytekit::{CopyMode, Digests as _, Error, Folder, Order};

/// The md5 of no data.
const NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

struct Tree(TempDir);

impl Tree {
    fn new(files: &[&str]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for path in files {
            let at = tree.at(path);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::fs::write(at, path).unwrap();
        }
        tree
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn folder(&self, order: Order) -> Folder {
        Folder::new(self.0.path(), self.0.path(), order).unwrap()
    }

    fn sources(&self) -> Result<Vec<String>, Error> {
        let root = self.0.path().canonicalize().unwrap();
        self.folder(Order::Sorted)
            .source_files(root.to_str().unwrap())
    }

    fn copied(&self, items: &[&str]) -> Result<String, Error> {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        self.folder(Order::Sorted).copy_digest(&items)
    }
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

fn outside(path: &str) -> Error {
    let path = path.to_owned();
    FilesError::Outside { path, said: None }.into()
}

#[test]
fn sources_are_sorted_by_their_whole_path() {
    let tree = Tree::new(&["a/b", "a.py", "a-b", "B"]);
    assert_eq!(tree.sources().unwrap(), ["B", "a-b", "a.py", "a/b"]);
}

#[test]
fn this_program_s_state_is_no_source() {
    let tree = Tree::new(&[".imgspec/log", "a/.imgspec/x", "b"]);
    assert_eq!(tree.sources().unwrap(), ["a/.imgspec/x", "b"]);
    assert_eq!(
        tree.copied(&["."]).unwrap(),
        md5("bba/.imgspec/xa.imgspecx")
    );
    let error = tree.copied(&[".imgspec/log"]).unwrap_err();
    assert!(matches!(error, Error::Files(FilesError::State { .. })));
}

#[test]
fn a_link_out_of_the_workspace_is_an_error_unless_it_is_ignored() {
    let (tree, other) = (Tree::new(&["a"]), Tree::new(&["secret"]));
    symlink(other.at("secret"), tree.at("link")).unwrap();
    assert_eq!(tree.sources(), Err(outside("link")));
    assert_eq!(tree.copied(&["link"]), Err(outside("link")));
    assert_eq!(tree.copied(&["."]), Err(outside("link")));
    std::fs::write(tree.at(".dockerignore"), "link\n").unwrap();
    assert_eq!(tree.sources().unwrap(), [".dockerignore", "a"]);
    let folder = tree.folder(Order::Sorted);
    assert_eq!(folder.requirements("link"), Err(outside("link")));
    let up = format!(
        "../{}/secret",
        other.0.path().file_name().unwrap().display()
    );
    assert_eq!(folder.requirements(&up), Err(outside(&up)));
    assert!(matches!(
        folder.source_files(".."),
        Err(Error::Files(FilesError::Outside { .. }))
    ));
}

#[test]
fn a_dockerignore_outside_the_workspace_is_not_read() {
    let (tree, other) = (Tree::new(&["a"]), Tree::new(&["rules"]));
    symlink(other.at("rules"), tree.at(".dockerignore")).unwrap();
    assert_eq!(tree.sources(), Err(outside(".dockerignore")));
}

#[test]
fn links_to_folders_links_that_lead_nowhere_and_sockets_are_passed_over() {
    let tree = Tree::new(&["d/x"]);
    symlink("d", tree.at("folder")).unwrap();
    symlink("nowhere", tree.at("broken")).unwrap();
    symlink("loop", tree.at("loop")).unwrap();
    let _socket = UnixListener::bind(tree.at("socket")).unwrap();
    assert_eq!(tree.sources().unwrap(), ["d/x"]);
    assert_eq!(tree.copied(&["."]).unwrap(), md5("d/xdx"));
    assert_eq!(tree.copied(&["broken", "loop", "socket"]).unwrap(), NOTHING);
    // The link itself is followed when it is named directly.
    assert_eq!(tree.copied(&["folder/"]).unwrap(), md5("d/xx"));
}

#[test]
fn a_pipe_is_refused_rather_than_waited_for() {
    let tree = Tree::new(&["a"]);
    let fifo = tree.at("pipe");
    let status = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(status.unwrap().success());
    let refused = FilesError::Special {
        path: "pipe".to_owned(),
        kind: "a named pipe",
    };
    assert_eq!(tree.sources(), Err(refused.clone().into()));
    assert_eq!(tree.copied(&["pipe"]), Err(refused.into()));
}

#[test]
fn rules_see_a_relative_source_root_before_the_path() {
    let tree = Tree::new(&[
        "src/a.log",
        "src/__pycache__/b",
        "src/.cache/c",
        "src/d.pyc",
    ]);
    std::fs::write(tree.at("src/.dockerignore"), "*.log\n").unwrap();
    let folder = tree.folder(Order::Sorted);
    let relative = folder.source_files("src").unwrap();
    assert_eq!(relative, [".cache/c", ".dockerignore", "a.log"]);
    let absolute = tree.at("src").canonicalize().unwrap();
    let absolute = folder.source_files(absolute.to_str().unwrap()).unwrap();
    assert_eq!(absolute, [".dockerignore"]);
}

#[test]
fn git_s_rules_of_the_repository_hold_below_it() {
    let tree = Tree::new(&["src/a.log", "src/b.txt"]);
    crate::git::init(tree.0.path());
    std::fs::write(tree.at(".gitignore"), "*.log\n").unwrap();
    assert_eq!(tree.sources().unwrap(), [".gitignore", "src/b.txt"]);
}

#[test]
fn folders_are_walked_as_listed_or_by_name() {
    let names: Vec<String> = (0..40).map(|at| format!("src/{at:02}/f")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let tree = Tree::new(&names);
    let text = |order: &[String]| {
        let texts = order.iter().map(|name| format!("src/{name}/f{name}f"));
        texts.collect::<Vec<_>>().concat()
    };
    let listed = std::fs::read_dir(tree.at("src")).unwrap();
    let listed: Vec<String> = listed
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut sorted = listed.clone();
    sorted.sort();
    let digest = |order| tree.folder(order).copy(&vec!["src"].into()).unwrap();
    assert_eq!(digest(Order::AsListed), md5(&text(&listed)));
    assert_eq!(digest(Order::Sorted), md5(&text(&sorted)));
}

#[test]
fn copies_are_digested_in_the_order_given() {
    let tree = Tree::new(&["a", "d/b"]);
    assert_eq!(tree.copied(&["d/b", "a"]).unwrap(), md5("d/bbaa"));
    assert_eq!(tree.copied(&["a", "d", "no"]).unwrap(), md5("aad/bb"));
    let folder = tree.folder(Order::Sorted);
    assert_eq!(folder.copy(&"d".into()).unwrap(), md5("d/bb"));
    assert_eq!(folder.copy(&"a".into()).unwrap(), NOTHING);
    let error = folder.copy(&vec![1_i64].into()).unwrap_err();
    assert_eq!(error.to_string(), "`copy` is not a list of strings");
}

#[test]
fn what_is_not_there_is_named() {
    let folder = Tree::new(&["a"]);
    let folder = folder.folder(Order::Sorted);
    let missing = |path: &str| {
        let path = path.to_owned();
        Err(FilesError::Missing { path, said: None }.into())
    };
    assert_eq!(folder.requirements("no.txt"), missing("no.txt"));
    assert_eq!(folder.source("no", &CopyMode::All), missing("no"));
    let error = folder.source_files("a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a` cannot be read: it is not a directory"
    );
    assert_eq!(
        folder.source("a", &CopyMode::LoadedModules),
        Err(Error::LoadedModules)
    );
}

#[test]
fn a_name_that_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let tree = Tree::new(&[]);
    std::fs::write(
        tree.0.path().join(std::ffi::OsStr::from_bytes(b"a\xff")),
        "",
    )
    .unwrap();
    let refused = FilesError::Name {
        path: "a\u{fffd}".to_owned(),
    };
    assert_eq!(tree.sources(), Err(refused.into()));
}
