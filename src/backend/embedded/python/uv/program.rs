//! Which uv: the one in PATH if it is new enough, else one from the package index, pinned by its hash.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::asking::Asker;
use crate::backend::BuildError;
use crate::backend::context::unwritten;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::{failed, stored};
use crate::backend::embedded::python::fetch;
use crate::backend::embedded::python::given::Given;
use crate::backend::embedded::python::index::Index;
use crate::backend::embedded::python::indexes::Indexes;
use crate::backend::embedded::python::locks::Locked;
use crate::backend::embedded::python::zip::{Zip, ZipError, refused};
use crate::backend::oci::name::Digest;
use crate::process;

/// The oldest uv that writes `pylock.toml`, with margin.
const OLDEST: (u32, u32) = (0, 7);

/// The uv that is fetched: of the release whose image the other builders use.
const VERSION: &str = "0.9.30";

const PROGRAM: &str = "uv";

/// The wheel for a processor: linked statically, so for any Linux; its file name, and its sha256.
fn wheel() -> Option<(&'static str, &'static str)> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some((
            "uv-0.9.30-py3-none-musllinux_1_1_x86_64.whl",
            "sha256:6dc65c24f5b9cdc78300fa6631368d3106e260bbffa66fb1e831a318374da2df",
        )),
        ("linux", "aarch64") => Some((
            "uv-0.9.30-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
            "sha256:93049ba3c41fa2cc38b467cb78ef61b2ddedca34b6be924a5481d7750c8111c6",
        )),
        _ => None,
    }
}

/// The path of a uv that can be used.
pub(super) fn find(
    given: &Given,
    indexes: &Indexes,
    source: &Source<'_>,
) -> Result<PathBuf, BuildError> {
    let own = which::which("uv").ok();
    let version = own.as_deref().and_then(|own| version(own, source));
    match own {
        Some(own) if version.is_some_and(|version| version >= OLDEST) => Ok(own),
        _ => fetched(given, indexes, source),
    }
}

/// Major and minor version of a uv.
fn version(uv: &Path, source: &Source<'_>) -> Option<(u32, u32)> {
    let asker = Asker::build(source.notes, source.cancel);
    let question = asker.ask("uv", source.access.limits.answer());
    let mut command = Command::new(uv);
    command.args(["self", "version", "--short"]);
    command.arg("--no-config");
    let said = process::ask(&mut command, &question).ok()?;
    read_version(&said.out)
}

fn read_version(said: &str) -> Option<(u32, u32)> {
    let word = said
        .split_whitespace()
        .find(|word| word.starts_with(|char: char| char.is_ascii_digit()))?;
    let mut parts = word.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// The uv of the cache, fetched once.
fn fetched(given: &Given, indexes: &Indexes, source: &Source<'_>) -> Result<PathBuf, BuildError> {
    let Some((file, digest)) = wheel() else {
        return Err(failed(
            "uv resolves the packages, and there is none in PATH: install it with `pip install uv`",
        ));
    };
    let digest = Digest::read(digest).ok_or_else(|| failed("uv's digest is none"))?;
    let folder = source.store.tool(&format!("uv-{VERSION}"));
    let folder = folder.map_err(stored)?;
    let path = folder.path().join(PROGRAM);
    // Its name is given to it when it is whole.
    if folder.file(PROGRAM).map_err(unwritten)?.is_some() {
        return Ok(path);
    }
    let turn = source.turn(&format!("uv-{VERSION}"), "another run that is fetching uv");
    let _turn = turn.map_err(stored)?.ok_or(BuildError::Cancelled)?;
    if folder.file(PROGRAM).map_err(unwritten)?.is_some() {
        return Ok(path);
    }
    if source.store.size(digest).map_err(stored)?.is_none() {
        let said = format!("fetching uv {VERSION}, since there is none in PATH");
        source.notes.log(&said);
        let locked = Locked::of_wheel("uv", VERSION, file, digest);
        let indexes = indexes.with_public().map_err(failed)?;
        let index = Index::new(given, &indexes, source);
        let found = index.complete(&locked, &|_| true)?;
        let offer = found.wheels.first();
        let offer = offer.ok_or_else(|| failed(format!("`{file}` is not found")))?;
        fetch::all(&[found.wheel(offer).map_err(failed)?], given, source)?;
    }
    let (wheel, size) = source.store.read(digest).map_err(stored)?;
    let program = program(wheel, size);
    let program = program.map_err(|why| failed(format!("`{file}` cannot be unpacked: {why}")))?;
    let mut fresh = folder.fresh().map_err(unwritten)?;
    fresh.write(&program).map_err(unwritten)?;
    fresh
        .file
        .set_permissions(PermissionsExt::from_mode(0o700))
        .and_then(|()| fresh.file.sync_data())
        .map_err(unwritten)?;
    fresh.keep(&folder, PROGRAM).map_err(unwritten)?;
    Ok(path)
}

/// The program in uv's wheel.
fn program(wheel: File, size: u64) -> Result<Vec<u8>, ZipError> {
    const LARGEST: u64 = 256 << 20;
    let zip = Zip::open(wheel, size)?;
    let starts = zip.starts()?;
    let name = format!("uv-{VERSION}.data/scripts/{PROGRAM}");
    match zip.find(&name) {
        Some(at) => zip.content(at, starts[at], LARGEST),
        None => refused(format!("it has no `{name}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_whatever_is_around_them() {
        assert_eq!(
            read_version("uv 0.13.9 (x86_64-unknown-linux-gnu)\n"),
            Some((0, 13))
        );
        assert_eq!(read_version("0.9.30"), Some((0, 9)));
        assert_eq!(read_version("1.2"), Some((1, 2)));
        for none in ["", "uv", "uv x.1", "uv 1", "1.x"] {
            assert_eq!(read_version(none), None, "{none}");
        }
    }
}
