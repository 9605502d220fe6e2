//! The specs of a program → Workspace, as if each stood in a manifest of its own in the root.
//!
//! Reads no files. A value that a manifest may not have a program may not give either; which builders there are is not
//! judged.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::excerpt::Excerpt;
use crate::diagnostic::{Place, Sources, in_order, shown};
use crate::spec::fields::{self, FieldKind};
use crate::spec::rules::{check_id, check_id_once};
use crate::spec::{
    Base, Copy, CopyFrom, ImageSpec, OwnStep, SecretFile, SecretSource, WorkspacePath,
};
use crate::workspace::{Image, Loaded, Looked, Workspace};

/// Makes a workspace of images; `root` is canonical. The images' places are made here, in texts that say what the specs say.
pub(super) fn assemble(root: PathBuf, images: &[Image]) -> Loaded {
    let mut sources = Sources::default();
    let mut diagnostics = Vec::new();
    let mut ids: BTreeMap<String, Place> = BTreeMap::new();
    let mut is_whole = true;
    let mut assembled = Vec::new();
    for image in images {
        let source = sources.add(format!("ImageSpec {}", shown(&image.id)), "");
        let mut spec = image.spec.clone();
        say_at_root(&mut spec);
        let (excerpt, id) = Excerpt::of(&image.id, &mut spec, source);
        sources.write(source, excerpt.text);
        diagnostics.extend(excerpt.mistakes);
        let checked = check_id(&id);
        // Others may name the id that cannot be one.
        is_whole &= checked.is_ok();
        if let Err(mistake) = checked.and_then(|()| check_id_once(&id, &ids)) {
            diagnostics.push(*mistake);
            continue;
        }
        ids.insert(id.text, id.place);
        assembled.push(Image {
            id: image.id.clone(),
            spec,
            folder: image.folder.clone(),
            places: excerpt.places,
        });
    }
    Loaded {
        workspace: Workspace {
            root,
            images: assembled,
            sources,
            looked: Looked::default(),
        },
        diagnostics: in_order(diagnostics),
        is_whole,
    }
}

/// Makes a spec that may be out of a manifest elsewhere one that is said at the root.
fn say_at_root(spec: &mut ImageSpec) {
    for field in fields::all() {
        if let FieldKind::Path(slot) = field.kind
            && let Some(path) = (slot.get_mut)(spec)
        {
            path.given = given_at_root(&path.path, &path.given);
        }
    }
    spec.copy.iter_mut().for_each(copy_at_root);
    for step in &mut spec.steps {
        match step {
            OwnStep::Copy(copy) => copy_at_root(copy),
            OwnStep::Pip {
                requirements: Some(path),
                ..
            } => path.given = given_at_root(&path.path, &path.given),
            _ => {}
        }
    }
    for mount in &mut spec.pip_secret_mounts {
        secret_at_root(&mut mount.source);
    }
    for secret in &mut spec.secrets {
        if let SecretSource::File(file) = &mut secret.source {
            secret_at_root(file);
        }
    }
    if let Some(Base::Registry(reference)) = &mut spec.base_image {
        spec.base_image = Some(Base::outside(std::mem::take(reference)));
    }
}

fn copy_at_root(copy: &mut Copy) {
    if let CopyFrom::Workspace { path, given } = &mut copy.from {
        *given = given_at_root(path, given);
    }
}

/// A path as it was given, unless that was in the manifest of another directory.
fn given_at_root(path: &WorkspacePath, given: &str) -> String {
    let here = WorkspacePath::resolve(&WorkspacePath::ROOT, given);
    // What leads nowhere is said as it was given, to be refused.
    if here.unwrap_or_default() == *path {
        given.to_owned()
    } else {
        path.to_string()
    }
}

fn secret_at_root(file: &mut SecretFile) {
    let is_of_machine = file.given.starts_with('/') || file.given.starts_with("~/");
    if !is_of_machine && file.folder != WorkspacePath::ROOT {
        file.given = format!("{}/{}", file.folder, file.given);
    }
    file.folder = WorkspacePath::ROOT;
}
