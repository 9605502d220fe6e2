//! Lints that need the files' contents: copies of nothing, Dockerfiles that copy ignored files, packages that were locked
//! for other requirements, and `allow`s that match nothing.

use crate::diagnostic::Diagnostic;
use crate::fingerprint::{EntryKind, Files, Fingerprints, Pins, dockerfile_text};
use crate::graph::ImageId;
use crate::recipe::FileSet;
use crate::spec::WorkspacePath;
use crate::workspace::{Image, LOCK_FILE, Workspace};
use crate::world::World;

/// Runs these lints on a workspace that is checked and read. Runs last, so that it also knows which `allow`s were used.
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
            let place = image.places.get(field).copied();
            found.push(match place {
                Some(place) => lint.at(place, label),
                None => lint,
            });
        }
    }
    found.extend(stale(workspace, prints));
    found.extend(unused(workspace));
    found
}

/// Images with locked packages that no longer fit.
fn stale(workspace: &Workspace, prints: &Fingerprints) -> Vec<Diagnostic> {
    let images = workspace.images.iter().zip(0..);
    let each = images.filter_map(|(image, at)| {
        let outside = prints.outside(ImageId(at));
        let mut debian = outside.debian.iter();
        let debian = debian.find(|(_, pins)| **pins == Pins::Stale);
        let fields = match debian {
            _ if outside.packages.contains(&Pins::Stale) => vec!["packages", "requirements"],
            Some((field, _)) => vec![field.name()],
            None => return None,
        };
        Some((image, fields))
    });
    let tell = |(image, fields): (&Image, Vec<&str>)| {
        let message = format!(
            "image `{}`: its packages in `{LOCK_FILE}` are out of date, so they are not used",
            image.id
        );
        let lint = Diagnostic::lint("stale-lock", message);
        let mut places = fields
            .into_iter()
            .filter_map(|field| image.places.get(field));
        let lint = match places.next() {
            Some(place) => lint.at(*place, "not what they were resolved for"),
            None => lint,
        };
        lint.help("`imgspec lock` resolves them anew")
    };
    each.map(tell).collect()
}

type Found = (Diagnostic, String);

/// A copied directory in which no file is left.
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
    let help = "check its contents, and what the ignore file excludes";
    Some((lint.help(help), "no files in it".to_owned()))
}

/// A Dockerfile that copies a file which its context's ignore file excludes.
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
        "the build will not find it; add a line `!{source}` to the context's ignore file to include it"
    ));
    Some((lint, "the context".to_owned()))
}

/// The sources that a line of a Dockerfile copies from the context.
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
        let message = format!("no `{}` here to allow", allow.code);
        let lint = Diagnostic::lint("unused-allow", message);
        lint.at(allow.place, "has no effect")
            .help("remove it, or it would hide a future one")
    };
    unused.map(tell).collect()
}
