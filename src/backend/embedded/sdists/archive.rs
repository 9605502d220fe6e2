//! The archive of sources, which comes from strangers: what it says of itself, and its layer.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tar::EntryType;

use super::super::base::Source;
use super::super::common::failed;
use super::super::copy::Items;
use super::super::made::{Key, Made, Once};
use super::super::owner::Owner;
use super::super::python::archive::{self, ArchiveError, Shape};
use super::super::python::given::Given;
use super::super::python::sources::is_final;
use super::super::python::{Wheel, fetch};
use crate::backend::BuildError;
use crate::backend::oci::layer::{Layer, LayerWriter, Meter};
use crate::backend::oci::tree::Tree;
use crate::cancel::Cancel;

/// The version of how sources become layers; part of their keys.
const FORMAT: &str = "sources 1";

/// What sources may be: more than any on the public index are.
const SHAPE: Shape<'static> = Shape {
    top: None,
    most: 200_000,
    largest: 2 << 30,
    change: None,
};

/// The largest file about the package, in bytes.
const LARGEST: u64 = 4 << 20;

/// What an archive says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    /// Its `pyproject.toml`.
    pub(super) project: Option<String>,
    /// Its `PKG-INFO`.
    pub(super) metadata: Option<String>,
}

impl About {
    /// Its metadata, if they say what those of its wheel will.
    pub(super) fn promised(self) -> Option<String> {
        self.metadata.filter(|metadata| is_final(metadata))
    }
}

/// What sources say of themselves, which are fetched for that unless the store has them.
pub(super) fn of(sources: &Wheel, given: &Given, source: &Source<'_>) -> Result<About, BuildError> {
    fetch::all(std::slice::from_ref(sources), given, source)?;
    let (file, _) = source.store.read(sources.sha256).map_err(failed)?;
    about(file, source.cancel).map_err(|error| told(sources, error))
}

/// Reads what an archive says of itself. Afterwards all its entries are known to be of sizes that can be read.
fn about(file: File, cancel: &Cancel) -> Result<About, ArchiveError> {
    let is_cancelled = || cancel.is_requested();
    let meter = Meter::new(&is_cancelled);
    let mut archive = meter.archive(archive::plain(file, &SHAPE)?);
    let mut about = About::default();
    let mut total = 0_u64;
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = meter.entry(entry?)?;
        total = total.saturating_add(entry.size());
        if count == SHAPE.most || total > SHAPE.largest {
            return Err(ArchiveError::Refused("it has too much in it".to_owned()));
        }
        let kind = entry.header().entry_type();
        if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
            continue;
        }
        let path = entry.path()?.into_owned();
        let place = match below_top(&path) {
            Some("pyproject.toml") => &mut about.project,
            Some("PKG-INFO") => &mut about.metadata,
            _ => continue,
        };
        let mut text = String::new();
        let length = entry.by_ref().take(LARGEST + 1).read_to_string(&mut text)?;
        if length as u64 > LARGEST {
            let why = format!("its `{}` is too large", path.display());
            return Err(ArchiveError::Refused(why));
        }
        *place = Some(text);
    }
    Ok(about)
}

/// The name of a file directly in the directory of the archive.
fn below_top(path: &Path) -> Option<&str> {
    let path = path.to_str()?;
    let path = path.strip_prefix("./").unwrap_or(path);
    let (_, name) = path.split_once('/')?;
    (!name.contains('/')).then_some(name)
}

/// The layer with these sources below `place`.
pub(super) fn layer(
    sources: &Wheel,
    place: &str,
    tree: &Tree,
    once: &Once<'_>,
) -> Result<Made, BuildError> {
    let to = tree.resolve(place).map_err(failed)?;
    let mut folders = Items::new(tree, Owner::default());
    folders.above(&format!("{to}/")).map_err(failed)?;
    let mut key = Key::default();
    key.text(FORMAT);
    key.text(sources.sha256.hex());
    for item in folders.items.values() {
        key.text(&item.path);
        for number in [u64::from(item.mode), item.owner.user, item.owner.group] {
            key.number(number);
        }
    }
    let key = key.finish(once.encoding);
    once.get(&key, &sources.file, || write(sources, &to, &folders, once))
}

fn write(
    sources: &Wheel,
    to: &str,
    folders: &Items<'_, '_>,
    once: &Once<'_>,
) -> Result<Layer, BuildError> {
    let source: &Source<'_> = once.source;
    let mut writer = LayerWriter::new(source.store, once.encoding).map_err(failed)?;
    for item in folders.items.values() {
        writer.entry(&item.entry()).map_err(failed)?;
    }
    let (file, _) = source.store.read(sources.sha256).map_err(failed)?;
    archive::write(file, (&SHAPE, to), &mut writer, source.cancel)
        .map_err(|error| told(sources, error))?;
    writer.finish().map_err(failed)
}

/// A failure with an archive in words.
fn told(sources: &Wheel, error: ArchiveError) -> BuildError {
    match error {
        ArchiveError::Cancelled => BuildError::Cancelled,
        error => failed(format!("`{}`: {error}", sources.file)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(tar: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let mut gzip = GzEncoder::new(&mut file, Compression::fast());
        gzip.write_all(tar).unwrap();
        gzip.finish().unwrap();
        file.rewind().unwrap();
        file
    }

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut head = tar::Header::new_gnu();
            head.set_size(text.len() as u64);
            head.set_mode(0o644);
            tar.append_data(&mut head, path, *text).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn of(file: File) -> Result<About, String> {
        about(file, &Cancel::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn files_about_the_package_are_those_directly_in_its_directory() {
        let files: [(&str, &[u8]); 4] = [
            ("a-1/deep/pyproject.toml", b"deep"),
            ("a-1/pyproject.toml", b"own"),
            ("a-1/PKG-INFO", b"Name: a"),
            ("PKG-INFO", b"top"),
        ];
        let about = of(packed(&tar(&files))).unwrap();
        assert_eq!(about.project.as_deref(), Some("own"));
        assert_eq!(about.metadata.as_deref(), Some("Name: a"));
    }

    #[test]
    fn archives_of_other_kinds_are_named() {
        for (start, words) in [
            (&b"PK\x03\x04....."[..], "a zip archive"),
            (b"BZh91AY.....", "bzip2"),
            (b"hello, world", "no archive that is known"),
            (b"", "no archive that is known"),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(start).unwrap();
            file.rewind().unwrap();
            let why = of(file).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn names_without_end_and_sizes_beyond_all_bounds_are_refused() {
        let mut head = tar::Header::new_gnu();
        head.set_entry_type(EntryType::GNULongName);
        head.set_size(LARGEST);
        head.set_path("././@LongLink").unwrap();
        head.set_cksum();
        let name = vec![b'a'; usize::try_from(LARGEST).unwrap()];
        let long = of(packed(&[head.as_bytes(), name.as_slice()].concat())).unwrap_err();
        assert!(long.contains("larger than 1024 KiB"), "{long}");
        let mut head = tar::Header::new_gnu();
        head.set_size(SHAPE.largest + 1);
        head.set_path("a-1/x").unwrap();
        head.set_cksum();
        let large = of(packed(head.as_bytes())).unwrap_err();
        assert!(large.contains("too much in it"), "{large}");
        let large = vec![b' '; usize::try_from(LARGEST).unwrap() + 1];
        let large = of(packed(&tar(&[("a-1/PKG-INFO", &large)]))).unwrap_err();
        assert!(large.contains("`a-1/PKG-INFO` is too large"), "{large}");
    }
}
