//! Packages as layers.

use std::io::Read;

use super::super::boot;
use super::super::sample::Sample;
use super::*;
use crate::backend::Cancel;
use crate::backend::oci::registry::Access;
use crate::backend::oci::store::Store;
use crate::backend::oci::tree::Tree;
use crate::notes::Notes;
use crate::spec::Debian;

struct Quiet;

impl Notes for Quiet {}

/// The layer of packages with these names, on nothing: its digest, and its entries with their contents.
fn layer(
    samples: Vec<(&str, Sample)>,
    encoding: Encoding,
) -> Result<(String, BTreeMap<String, String>), String> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("images")).unwrap();
    let source = Source {
        store: &store,
        access: &Access::default(),
        cancel: &Cancel::default(),
        notes: &Quiet,
    };
    let packages = samples.into_iter().map(|(name, sample)| {
        let blob = store.put(&*sample.compressed("xz"), None).unwrap();
        Package {
            name: name.to_owned(),
            version: "1".to_owned(),
            architecture: "all".to_owned(),
            multi_arch: String::new(),
            is_essential: false,
            filename: String::new(),
            size: blob.size,
            sha256: blob.digest,
            stanza: String::new(),
            archive: String::new(),
            replaces: None,
            is_requested: true,
        }
    });
    let mut packages: Vec<Package> = packages.collect();
    boot::ordered(&mut packages);
    let told = |error| match error {
        UnpackError::Unclear(why) => format!("unclear: {why}"),
        UnpackError::Failed(error) => error.to_string(),
    };
    let unpacked = Unpacked::read(&packages, &source, |ready| {
        (0..packages.len()).for_each(ready);
        Ok(())
    })
    .map_err(told)?;
    let incoming = unpacked.incoming().map_err(told)?;
    let mut laid = Laid::on(Tree::default());
    let sources = boot::sources(&Debian::new("bookworm"));
    boot::begin(&mut laid, "amd64", &sources).unwrap();
    let made = unpacked.layer(laid, &incoming, &Before::default(), encoding);
    let made = made.map_err(told)?;
    let unpacked = store.tree(&trees::here().kind(), made.blob.digest);
    let unpacked = unpacked
        .unwrap()
        .expect("it was unpacked while it was written");
    let (file, _) = store.read(made.blob.digest).unwrap();
    let mut tar = tar::Archive::new(layer::plain(file).unwrap());
    let mut entries = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut content = String::new();
        if let Some(target) = entry.link_name().unwrap() {
            content = format!("-> {}", target.display());
        }
        entry.read_to_string(&mut content).unwrap();
        if entry.header().entry_type().is_file() {
            assert_eq!(
                std::fs::read_to_string(unpacked.join(&path)).unwrap(),
                content
            );
        }
        let head = entry.header();
        content = format!("{:o} {content}", head.mode().unwrap());
        assert!(entries.insert(path, content).is_none());
    }
    Ok((made.contents.diff_id.to_string(), entries))
}

fn two() -> Vec<(&'static str, Sample)> {
    let large = "large ".repeat(100_000);
    let a = Sample::named("a", "1", "")
        .folder("./lib/")
        .file("./lib/liba.so", "a")
        .file("./z", "same")
        .with(("./b", tar::EntryType::Link, 0o644), "./z", b"");
    let base = Sample::named("base-files", "1", "")
        .with(("./tmp/", tar::EntryType::Directory, 0o1777), "", b"")
        .folder("./usr/")
        .file("./large", &large)
        .link("./usr/tmp", "../tmp");
    vec![("a", a), ("base-files", base)]
}

#[test]
fn packages_become_one_sorted_layer_on_a_merged_usr() {
    let (_, entries) = layer(two(), Encoding::Gzip).unwrap();
    let entry = |path: &str| entries[path].as_str();
    assert_eq!(entry("lib"), "777 -> usr/lib");
    assert_eq!(entry("lib64"), "777 -> usr/lib64");
    assert_eq!(entry("usr/lib/liba.so"), "644 a");
    // The first name of a file has its content.
    assert_eq!(entry("b"), "644 same");
    assert_eq!(entry("z"), "644 -> b");
    assert_eq!(entry("tmp/"), "1777 ");
    assert_eq!(entry("usr/tmp"), "777 -> ../tmp");
    assert_eq!(entry("large").len(), 600_004);
    assert_eq!(
        entry("var/lib/dpkg/info/a.list"),
        "644 /.\n/lib\n/lib/liba.so\n/z\n/b\n"
    );
    assert!(entry("var/lib/dpkg/status").contains("Package: a\nStatus: install ok unpacked\n"));
    assert!(entry("etc/apt/sources.list").contains("bookworm-security main\n"));
    assert_eq!(entry("var/lib/"), "755 ");
}

#[test]
fn equal_packages_give_equal_layers() {
    let (digest, _) = layer(two(), Encoding::Gzip).unwrap();
    let pool = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    };
    for threads in [1, 7] {
        let (other, _) = pool(threads).install(|| layer(two(), Encoding::Zstd).unwrap());
        assert_eq!(other, digest);
    }
}

#[test]
fn a_package_that_is_not_what_the_archive_says_is_an_error() {
    let why = |name, sample| layer(vec![(name, sample)], Encoding::Gzip).unwrap_err();
    assert_eq!(
        why("a", Sample::named("a", "2", "")),
        "package `a`: it is `a 2 all`, which the archive does not say"
    );
    assert_eq!(
        why("../a", Sample::named("../a", "1", "")),
        "package `../a`: its name or its architecture is not one"
    );
    assert_eq!(
        why("a", Sample::new("Package a\n")),
        "package `a`: its file `control`: line 1: it is no `Field: value`"
    );
    let both = vec![
        ("a", Sample::named("a", "1", "").file("./x", "")),
        ("b", Sample::named("b", "1", "").file("./x", "")),
    ];
    assert_eq!(
        layer(both, Encoding::Gzip).unwrap_err(),
        "`b` has `/x`, which `a` has too, and neither replaces the other"
    );
    assert_eq!(
        why("a", Sample::named("a", "1", "").file("./lib", "")),
        "unclear: `/lib` of `a` is there already"
    );
}
