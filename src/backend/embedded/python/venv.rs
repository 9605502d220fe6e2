//! The virtual environment for a lock file's packages, or for what builds a package, as `uv venv` makes it, without the scripts that activate it in a
//! shell: in an image its `bin` is in PATH.

use std::collections::BTreeMap;

use super::Target;
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::failed;
use crate::backend::embedded::copy::Items;
use crate::backend::embedded::made::{Key, Made, Once};
use crate::backend::embedded::owner::Owner;
use crate::backend::oci::layer::{Encoding, Entry, EntryKind, Layer, LayerWriter};
use crate::backend::oci::tree::Tree;

/// The version of how environments become layers; part of their keys.
const FORMAT: &str = "venv 1";

/// A link or a small file.
enum Thing {
    Link(String),
    Text(String),
}

/// The layer with an environment for this Python in the directory `place`.
pub(in crate::backend::embedded) fn layer(
    base: &Target,
    place: &str,
    tree: &Tree,
    once: &Once<'_>,
) -> Result<Made, BuildError> {
    let home = tree.resolve(place).map_err(failed)?;
    let mut folders = Items::new(tree, Owner::default());
    let mut things = BTreeMap::new();
    for (path, thing) in things_of(base) {
        let path = format!("{home}/{path}");
        folders.above(&path).map_err(failed)?;
        things.insert(path, thing);
    }
    let python = format!("python{}.{}", base.version.0, base.version.1);
    let library = format!("{home}/lib/{python}/site-packages/");
    folders.above(&library).map_err(failed)?;
    let mut key = Key::default();
    key.text(FORMAT);
    for item in folders.items.values() {
        key.text(&item.path);
        for number in [u64::from(item.mode), item.owner.user, item.owner.group] {
            key.number(number);
        }
    }
    for (path, thing) in &things {
        key.text(path);
        let (Thing::Link(text) | Thing::Text(text)) = thing;
        key.text(text);
    }
    let key = key.finish(once.encoding);
    once.get(&key, place, || {
        write(&folders, &things, once.source, once.encoding)
    })
}

/// What is in an environment, besides directories.
fn things_of(base: &Target) -> Vec<(String, Thing)> {
    let (major, minor) = base.version;
    let interpreter = &base.interpreter;
    let home = interpreter.rsplit_once('/').map_or("", |(home, _)| home);
    let version = base.full_version.clone();
    let version = version.unwrap_or_else(|| format!("{major}.{minor}"));
    let settings = format!(
        "home = {home}\nimplementation = CPython\nversion_info = {version}\ninclude-system-site-packages = false\n"
    );
    vec![
        (".gitignore".to_owned(), Thing::Text("*".to_owned())),
        ("bin/python".to_owned(), Thing::Link(interpreter.clone())),
        ("bin/python3".to_owned(), Thing::Link("python".to_owned())),
        (
            format!("bin/python{major}.{minor}"),
            Thing::Link("python".to_owned()),
        ),
        ("lib64".to_owned(), Thing::Link("lib".to_owned())),
        ("pyvenv.cfg".to_owned(), Thing::Text(settings)),
    ]
}

fn write(
    folders: &Items<'_, '_>,
    things: &BTreeMap<String, Thing>,
    source: &Source<'_>,
    encoding: Encoding,
) -> Result<Layer, BuildError> {
    let mut writer = LayerWriter::new(source.store, encoding).map_err(failed)?;
    let mut paths: Vec<&String> = folders.items.keys().chain(things.keys()).collect();
    paths.sort();
    for path in paths {
        let entry = |kind, mode| Entry {
            path,
            kind,
            mode,
            uid: 0,
            gid: 0,
        };
        match things.get(path) {
            Some(Thing::Link(target)) => {
                let entry = entry(EntryKind::Link { target }, 0o777);
                writer.entry(&entry).map_err(failed)?;
            }
            Some(Thing::Text(text)) => {
                let size = text.len() as u64;
                let entry = entry(EntryKind::File { size }, 0o644);
                writer.entry(&entry).map_err(failed)?;
                writer.content(text.as_bytes()).map_err(failed)?;
            }
            None => writer.entry(&folders.items[path].entry()).map_err(failed)?,
        }
    }
    writer.finish().map_err(failed)
}
