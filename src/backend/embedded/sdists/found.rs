//! Takes the wheel that a backend has made: it is a stranger's, like one from an index.

use super::super::base::Source;
use super::super::common::failed;
use super::super::python::sources::same_version;
use super::super::python::tags::{Tags, WheelName};
use super::super::python::{Target, Wheel, install};
use super::hooks::Answered;
use crate::backend::BuildError;
use crate::disk::dir::Dir;

/// Takes the wheel into the store, if it is what was asked for.
pub(super) fn take(
    sources: &Wheel,
    answered: &Answered,
    target: &Target,
    source: &Source<'_>,
) -> Result<Wheel, BuildError> {
    let refused = |why: String| {
        let Wheel { name, version, .. } = sources;
        failed(format!("`build_wheel` of {name} {version} {why}"))
    };
    let file = only(answered).map_err(refused)?;
    let version = verified(sources, &file, target).map_err(refused)?;
    let folder = answered.ran.upper.open_all(Answered::WHEELS);
    let opened = folder.and_then(|folder| folder.map(|folder: Dir| folder.file(&file)).transpose());
    let Ok(Some(Some((content, _)))) = opened else {
        return Err(refused(format!("made `{file}`, which is no file")));
    };
    let blob = source.store.put(content, None).map_err(failed)?;
    let wheel = Wheel {
        version,
        file,
        sha256: blob.digest,
        size: Some(blob.size),
        ..sources.clone()
    };
    install::verify(&wheel, target, source).map_err(|error| {
        error.reworded(|why| format!("`build_wheel` made a wheel that is none: {why}"))
    })?;
    Ok(wheel)
}

/// The name of the only file that was made, which is the one that the backend answered with.
fn only(answered: &Answered) -> Result<String, String> {
    let folder = answered.ran.upper.open_all(Answered::WHEELS);
    let Ok(Some(folder)) = folder else {
        return Err("left no directory with a wheel".to_owned());
    };
    let entries = folder.entries();
    let entries = entries.map_err(|_| "left a directory that cannot be read".to_owned())?;
    let names = entries.iter().map(|entry| entry.name.to_string_lossy());
    let names: Vec<_> = names.collect();
    match (names.as_slice(), answered.answer.as_slice()) {
        ([], _) => Err("made no wheel".to_owned()),
        ([one], [told]) if one == told => Ok(told.clone()),
        ([one], told) => {
            let told = told.join(", ");
            let told = told.escape_debug();
            Err(format!("made `{}`, but says `{told}`", one.escape_debug()))
        }
        (several, _) => {
            const ENOUGH: usize = 4;
            let shown = several.iter().take(ENOUGH);
            let shown: Vec<String> = shown.map(|name| name.escape_debug().to_string()).collect();
            Err(format!(
                "made {} files instead of a wheel: {}",
                several.len(),
                shown.join(", ")
            ))
        }
    }
}

/// The version of a wheel, if it is one of these sources and for this Python.
fn verified(sources: &Wheel, file: &str, target: &Target) -> Result<String, String> {
    let shown = file.escape_debug();
    let name = WheelName::read(file);
    let name = name.ok_or_else(|| format!("made `{shown}`, which is not the name of a wheel"))?;
    let is_version = sources.version.is_empty() || same_version(&name.version, &sources.version);
    if name.name != sources.name || !is_version {
        return Err(format!("made `{shown}`, a wheel of something else"));
    }
    if Tags::of(target).rank(&name).is_none() {
        return Err(format!(
            "made `{shown}`, which is not for the image's Python"
        ));
    }
    Ok(if sources.version.is_empty() {
        name.version
    } else {
        sources.version.clone()
    })
}
