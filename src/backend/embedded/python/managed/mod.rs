//! A Python of its own for an image: one of uv's builds, as a layer below `/opt/python`, at the paths where uv puts it.
//!
//! The list of builds is uv's, and so are the variables that name another list or a mirror, so all builders install the
//! same. The archive is verified against the list's hash.

mod builds;
mod sysconfig;

use super::Libc;
use super::archive::{self, ArchiveError, Change, Shape};
use super::logins::Logins;
use super::web::{Web, failure};
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::failed;
use crate::backend::embedded::copy::Items;
use crate::backend::embedded::made::{Key, Made, Once};
use crate::backend::embedded::owner::Owner;
use crate::backend::oci::layer::{Encoding, Entry, EntryKind, Layer, LayerWriter};
use crate::backend::oci::tree::Tree;
use crate::backend::platform::Platform;
use crate::recipe::PYTHON_HOME;
use builds::Build;

/// What an archive with a Python may be: larger than any.
const SHAPE: Shape<'static> = Shape {
    top: Some("python"),
    most: 500_000,
    largest: 8 << 30,
    change: None,
};

/// Files that name the directory of the Python, which was another one where it was made.
struct Moved<'a> {
    prefix: &'a str,
}

impl Change for Moved<'_> {
    fn is_for(&self, parts: &[&str]) -> bool {
        sysconfig::naming(parts).is_some()
    }

    fn changed(&self, parts: &[&str], text: &[u8]) -> Result<Option<Vec<u8>>, String> {
        match sysconfig::naming(parts) {
            Some(naming) => sysconfig::moved(naming, text, self.prefix),
            None => Ok(Some(text.to_vec())),
        }
    }
}

/// The version of how archives become layers; part of their keys.
const FORMAT: &str = "python 2";

/// uv's list of builds, as of the version of uv that the other builders use.
const LIST: &str =
    "https://raw.githubusercontent.com/astral-sh/uv/0.9.0/crates/uv-python/download-metadata.json";

/// What a mirror replaces in the addresses of the list.
const ORIGIN: &str = "https://github.com/astral-sh/python-build-standalone/releases/download";

/// What uv leaves beside the library, so that nobody installs into it by accident.
const NOTICE: &str = "[externally-managed]\nError=This Python installation is managed by uv and should not be modified.\n";

/// Where builds come from: the values of uv's variables.
#[derive(Debug, Clone, Default)]
pub(in crate::backend::embedded) struct Mirrors {
    list: Option<String>,
    mirror: Option<String>,
}

impl Mirrors {
    /// What the user's environment says.
    pub(in crate::backend::embedded) fn of(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        Self {
            list: set("UV_PYTHON_DOWNLOADS_JSON_URL"),
            mirror: set("UV_PYTHON_INSTALL_MIRROR"),
        }
    }

    fn list(&self) -> &str {
        self.list.as_deref().unwrap_or(LIST)
    }

    /// Where an archive of the list is.
    fn place(&self, url: &str) -> String {
        match (&self.mirror, url.strip_prefix(ORIGIN)) {
            (Some(mirror), Some(rest)) => format!("{}{rest}", mirror.trim_end_matches('/')),
            _ => url.to_owned(),
        }
    }
}

/// The layer with a version of Python.
pub(in crate::backend::embedded) fn layer(
    version: &str,
    tree: &Tree,
    (platform, libc): (&Platform, Libc),
    mirrors: &Mirrors,
    once: &Once<'_>,
) -> Result<Made, BuildError> {
    let build = find(version, platform, libc, mirrors, once)?;
    let home = tree.resolve(PYTHON_HOME).map_err(failed)?;
    let mut folders = Items::new(tree, Owner::default());
    folders.above(&format!("{home}/")).map_err(failed)?;
    let mut key = Key::default();
    for text in [FORMAT, &build.sha256.hex(), &build.directory, &build.name] {
        key.text(text);
    }
    for item in folders.items.values() {
        key.text(&item.path);
        for number in [u64::from(item.mode), item.owner.user, item.owner.group] {
            key.number(number);
        }
    }
    let key = key.finish(once.encoding);
    once.get(&key, &build.directory, || {
        fetch(&build, mirrors, once.source)?;
        write(&build, &home, &folders, once.source, once.encoding)
    })
}

/// The build that this version means: as it was found before, or by the list.
fn find(
    version: &str,
    platform: &Platform,
    libc: Libc,
    mirrors: &Mirrors,
    once: &Once<'_>,
) -> Result<Build, BuildError> {
    let source = once.source;
    let mut question = Key::default();
    let texts = [
        mirrors.list(),
        version,
        &platform.to_string(),
        &format!("{libc:?}"),
    ];
    for text in texts {
        question.text(text);
    }
    let note = question.named("python");
    if once.use_known
        && let Some(known) = source.store.note(&note).map_err(failed)?
        && let Ok(build) = serde_json::from_slice(&known)
    {
        return Ok(build);
    }
    let mut logins = Logins::default();
    let at = logins.read(mirrors.list()).map_err(failed)?;
    let what = "the list of Python builds";
    let page = Web::new(&logins, source).page(&at, "application/json");
    let (_, _, list) = page.map_err(|error| failure(what, error))?;
    let build = builds::choose(&list, version, platform, libc)
        .map_err(|why| failed(format!("{what} (`{}`): {why}", at.origin())))?;
    let text = serde_json::to_vec(&build).expect("texts are JSON");
    source.store.keep_note(&note, &text).map_err(failed)?;
    Ok(build)
}

fn fetch(build: &Build, mirrors: &Mirrors, source: &Source<'_>) -> Result<(), BuildError> {
    if source.store.size(build.sha256).map_err(failed)?.is_some() {
        return Ok(());
    }
    let mut logins = Logins::default();
    let at = logins.read(&mirrors.place(&build.url)).map_err(failed)?;
    source.notes.log(&format!("fetching {}", build.directory));
    let fetched = Web::new(&logins, source).fetch(&at, build.sha256, None);
    fetched.map_err(|error| failure(&format!("`{}`", build.directory), error))
}

fn write(
    build: &Build,
    home: &str,
    folders: &Items<'_, '_>,
    source: &Source<'_>,
    encoding: Encoding,
) -> Result<Layer, BuildError> {
    let mut writer = LayerWriter::new(source.store, encoding).map_err(failed)?;
    for item in folders.items.values() {
        writer.entry(&item.entry()).map_err(failed)?;
    }
    let own = format!("{home}/{}", build.directory);
    entry(&mut writer, &own, EntryKind::Folder)?;
    let (file, _) = source.store.read(build.sha256).map_err(failed)?;
    let real = format!("{PYTHON_HOME}/{}", build.directory);
    let shape = Shape {
        change: Some(&Moved { prefix: &real }),
        ..SHAPE
    };
    let written = archive::write(file, (&shape, &own), &mut writer, source.cancel);
    let written = written.map_err(|error| match error {
        ArchiveError::Cancelled => BuildError::Cancelled,
        error => failed(format!("the archive of `{}`: {error}", build.directory)),
    })?;
    if !written.has(&format!("{own}/bin/{}", build.name)) {
        return Err(failed(format!(
            "the archive of `{}` has no `bin/{}`",
            build.directory, build.name
        )));
    }
    for name in ["python", "python3"] {
        let path = format!("{own}/bin/{name}");
        if !written.has(&path) {
            let target = build.name.as_str();
            entry(&mut writer, &path, EntryKind::Link { target })?;
        }
    }
    let notice = format!("{own}/lib/{}/EXTERNALLY-MANAGED", build.name);
    if !written.has(&notice) {
        let size = NOTICE.len() as u64;
        entry(&mut writer, &notice, EntryKind::File { size })?;
        writer.content(NOTICE.as_bytes()).map_err(failed)?;
    }
    // uv's link without the patch version, then those that make `/opt/python` the prefix whatever the version.
    if let Some(minor) = minor_link(&build.directory) {
        let path = format!("{home}/{minor}");
        entry(&mut writer, &path, EntryKind::Link { target: &real })?;
    }
    for name in &written.top {
        let target = format!("{real}/{name}");
        let path = format!("{home}/{name}");
        entry(&mut writer, &path, EntryKind::Link { target: &target })?;
    }
    writer.finish().map_err(failed)
}

/// `cpython-3.12-linux-x86_64-gnu` for `cpython-3.12.7-linux-x86_64-gnu`.
fn minor_link(directory: &str) -> Option<String> {
    let rest = directory.strip_prefix("cpython-")?;
    let (version, system) = rest.split_once('-')?;
    let (minor, _) = version.rsplit_once('.')?;
    Some(format!("cpython-{minor}-{system}"))
}

fn entry(writer: &mut LayerWriter, path: &str, kind: EntryKind<'_>) -> Result<(), BuildError> {
    let mode = match kind {
        EntryKind::Folder => 0o755,
        EntryKind::Link { .. } => 0o777,
        _ => 0o644,
    };
    let entry = Entry {
        path,
        kind,
        mode,
        uid: 0,
        gid: 0,
    };
    writer.entry(&entry).map_err(failed)
}
