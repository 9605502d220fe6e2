//! What is doubtful once the files are read: copies of nothing, Dockerfiles that copy what is left out, and an `allow` for nothing.

use crate::diagnostic::Diagnostic;
use crate::fingerprint::{EntryKind, Files, Fingerprints, dockerfile_text};
use crate::graph::ImageId;
use crate::recipe::FileSet;
use crate::spec::WorkspacePath;
use crate::workspace::{Image, Workspace};
use crate::world::World;

/// All that is doubtful in a workspace that was checked and read; the last word on what it allows.
pub(super) fn check(world: &mut World, prints: &Fingerprints) -> Vec<Diagnostic> {
    let World {
        workspace, recipes, ..
    } = world;
    let mut found = Vec::new();
    for (at, (image, recipe)) in workspace.images.iter().zip(recipes).enumerate() {
        let id = ImageId(u32::try_from(at).expect("an image's place"));
        let sets = recipe.file_sets().zip(prints.files(id));
        for ((set, files), field) in sets.zip(&recipe.set_fields) {
            let own = prints.files(id).first();
            let lint = empty(set, files).or_else(|| left_out(image, set, files, own?));
            let Some((lint, label)) = lint else {
                continue;
            };
            if workspace.allows.take(&image.allows, lint.code) {
                continue;
            }
            let place = image.places.get(field).cloned();
            found.push(match place {
                Some(place) => lint.at(place, label),
                None => lint,
            });
        }
    }
    found.extend(unused(workspace));
    found
}

type Found = (Diagnostic, String);

/// A directory that is copied, and nothing of it is left.
fn empty(set: &FileSet, files: &Files) -> Option<Found> {
    let is_copied = matches!(set, FileSet::Tree { .. } | FileSet::Source { .. });
    let mut entries = files.entries.iter();
    if !is_copied || entries.any(|entry| !matches!(entry.kind, EntryKind::Folder)) {
        return None;
    }
    let lint = Diagnostic::lint(
        "empty-copy",
        format!("nothing of `{}` is copied", set.path()),
    );
    let help = "see what is in it, and what the ignore file leaves out";
    Some((lint.help(help), "there is no file in it".to_owned()))
}

/// A Dockerfile that copies a manifest or the like, which its context is without.
fn left_out(image: &Image, set: &FileSet, files: &Files, own_file: &Files) -> Option<Found> {
    let FileSet::Context { path, own, .. } = set else {
        return None;
    };
    let dockerfile = &image.spec.dockerfile.as_ref()?.path;
    let text = dockerfile_text(own_file)?;
    let is_missing = |source: &&str| {
        let within = WorkspacePath::resolve(&WorkspacePath::ROOT, source.trim_start_matches('/'));
        let Some(within) = within else {
            return false;
        };
        let place = WorkspacePath::resolve(path, within.as_str()).unwrap_or_default();
        own.has(place.as_str()) && !files.entries.iter().any(|it| it.path == within.as_str())
    };
    let source = text.lines().flat_map(sources).find(is_missing)?.to_owned();
    let message = format!("`{dockerfile}` copies `{source}`, which is left out of its context");
    let lint = Diagnostic::lint("left-out", message).help(format!(
        "the build will not find it; a line `!{source}` in the context's ignore file brings it back"
    ));
    Some((lint, "this context".to_owned()))
}

/// What a line of a Dockerfile copies out of the context.
fn sources(line: &str) -> Vec<&str> {
    let mut words = line.split_whitespace();
    let is_copy = words
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("copy") || word.eq_ignore_ascii_case("add"));
    let mut words: Vec<&str> = words.collect();
    if !is_copy || words.iter().any(|word| word.starts_with("--from")) {
        return Vec::new();
    }
    words.retain(|word| !word.starts_with("--"));
    words.pop();
    words
}

fn unused(workspace: &Workspace) -> Vec<Diagnostic> {
    let unused = workspace.allows.unused();
    let tell = |allow: &crate::workspace::Allow| {
        let message = format!("nothing here is `{}`", allow.code);
        let lint = Diagnostic::lint("unused-allow", message);
        lint.at(allow.place.clone(), "it allows nothing")
            .help("remove it: it would hide the next one")
    };
    unused.map(tell).collect()
}
