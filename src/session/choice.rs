//! Chooses the backend of each image: its `builder`, else `--builder`, else the backend with the highest priority, or
//! if that does not answer, the next one that does, for the images that it can build.
//!
//! Whether a backend can build on this machine is checked only when there is something to build: a run with nothing
//! to do starts no process. Keys and tags do not depend on the choice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::backend::{Backend, Unsupported};
use crate::diagnostic::Diagnostic;
use crate::fingerprint::Fingerprints;
use crate::graph::ImageId;
use crate::recipe::Recipe;
use crate::spec::Base;
use crate::suggest;
use crate::workspace::Image;
use crate::world::World;

type Backends = Vec<Arc<dyn Backend>>;

/// Chooses a backend for each of `images`, in order; `recipes` is empty if the manifests have errors. Reports every
/// unknown builder, and every field that an image's builder does not support.
pub(super) fn choose(
    images: &[Image],
    recipes: &[Recipe],
    known: &Backends,
    flag: Option<&str>,
) -> Result<Backends, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let find = |name: &str| known.iter().find(|backend| backend.name() == name);
    if let Some(name) = flag.filter(|name| find(name).is_none()) {
        let mistake = Diagnostic::error("unknown-builder", format!("unknown builder `{name}`"));
        mistakes.push(mistake.help(which_there_are(name, known)));
    }
    let best = first_choice(known);
    let instead = standby(images, recipes, known, flag);
    let mut chosen = Vec::with_capacity(images.len());
    for (at, image) in images.iter().enumerate() {
        let own = image.spec.builder.as_deref();
        if let Some(name) = own.filter(|name| find(name).is_none()) {
            mistakes.push(unknown(image, name, known));
            continue;
        }
        let default = instead[at].or(best);
        let Some(backend) = own.or(flag).and_then(find).or(default) else {
            continue;
        };
        if let Some(recipe) = recipes.get(at) {
            mistakes.extend(unsupported(image, recipe, backend.as_ref(), known));
        }
        chosen.push(Arc::clone(backend));
    }
    if mistakes.is_empty() {
        mistakes = unreachable(images, recipes, &chosen);
    }
    if mistakes.is_empty() {
        Ok(chosen)
    } else {
        Err(mistakes)
    }
}

/// The backend of images that name none, wherever it is. On equal priority the first one wins, as in flytekit.
pub(super) fn first_choice(known: &Backends) -> Option<&Arc<dyn Backend>> {
    let known = known.iter().rev();
    known.max_by_key(|backend| backend.priority())
}

/// The backend that takes the place of one that does not answer, for each image that names none and that it can build,
/// on bases that it has built or none of the workspace.
fn standby<'a>(
    images: &[Image],
    recipes: &[Recipe],
    known: &'a Backends,
    flag: Option<&str>,
) -> Vec<Option<&'a Arc<dyn Backend>>> {
    let none = vec![None; images.len()];
    let is_open = |image: &Image| flag.is_none() && image.spec.builder.is_none();
    let is_asked = images.len() == recipes.len() && images.iter().any(is_open);
    if !is_asked || first_choice(known).is_none_or(|best| best.is_there()) {
        return none;
    }
    let there = known.iter().rev();
    let there = there.filter(|backend| backend.priority() > 0 && backend.is_there());
    let Some(other) = there.max_by_key(|backend| backend.priority()) else {
        return none;
    };
    let each = || images.iter().zip(recipes);
    let name = Some(other.name());
    let mut taken: BTreeSet<&str> = each()
        .filter(|(image, recipe)| {
            let is_own = image.spec.builder.as_deref().or(flag) == name;
            is_own || (is_open(image) && other.check(recipe).is_empty())
        })
        .map(|(image, _)| image.id.as_str())
        .collect();
    // What needs an image of another builder is left to that builder, and then what needs it.
    loop {
        let is_apart = |recipe: &Recipe| recipe.images().any(|need| !taken.contains(need));
        let apart = each().find(|(image, recipe)| {
            is_open(image) && taken.contains(image.id.as_str()) && is_apart(recipe)
        });
        let Some((apart, _)) = apart else {
            break;
        };
        taken.remove(apart.id.as_str());
    }
    let is_taken = |image: &Image| is_open(image) && taken.contains(image.id.as_str());
    let each = images.iter();
    each.map(|image| is_taken(image).then_some(other)).collect()
}

/// Images that need one of another builder, where one of the two has a store that no other builder reads.
fn unreachable(images: &[Image], recipes: &[Recipe], chosen: &Backends) -> Vec<Diagnostic> {
    let ids = images.iter().zip(chosen);
    let builders: BTreeMap<&str, &Arc<dyn Backend>> = ids
        .map(|(image, backend)| (image.id.as_str(), backend))
        .collect();
    let mut mistakes = Vec::new();
    for ((image, recipe), own) in images.iter().zip(recipes).zip(chosen) {
        let needs: BTreeSet<&str> = recipe.images().collect();
        for need in needs {
            let Some(other) = builders.get(need) else {
                continue;
            };
            let is_apart = own.is_store_own() || (other.is_store_own() && !own.borrows());
            if own.name() == other.name() || !is_apart {
                continue;
            }
            let (id, name, other) = (&image.id, own.name(), other.name());
            let message = format!(
                "image `{id}`: the `{name}` builder cannot reach `{need}`, which `{other}` builds"
            );
            let mut mistake =
                Diagnostic::error("unreachable-image", message).help("give both the same builder");
            let is_base = recipe.base == Base::Image(need.to_owned());
            let place = image.places.get("base-image").filter(|_| is_base);
            if let Some(place) = place {
                mistake = mistake.at(*place, "");
            }
            mistakes.push(mistake);
        }
    }
    mistakes
}

fn unknown(image: &Image, name: &str, known: &Backends) -> Diagnostic {
    let message = format!("image `{}`: unknown builder `{name}`", image.id);
    let mistake = Diagnostic::error("unknown-builder", message).help(which_there_are(name, known));
    match image.places.get("builder") {
        Some(place) => mistake.at(*place, ""),
        None => mistake,
    }
}

/// The fields that an image's builder does not support.
fn unsupported(
    image: &Image,
    recipe: &Recipe,
    backend: &dyn Backend,
    known: &Backends,
) -> Vec<Diagnostic> {
    let able = |other: &dyn Backend| other.check(recipe).is_empty();
    told(image, backend, backend.check(recipe), known, &able)
}

/// The fields of these images that their builders cannot carry out on this machine.
pub(super) fn forbidden(
    world: &World,
    known: &Backends,
    images: impl Iterator<Item = ImageId>,
) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for id in images {
        let (image, recipe) = (
            &world.workspace.images[id.index()],
            &world.recipes[id.index()],
        );
        let backend = world.backends[id.index()].as_ref();
        let able = |other: &dyn Backend| {
            other.check(recipe).is_empty() && other.forbidden(recipe).is_empty()
        };
        let found = backend.forbidden(recipe);
        mistakes.extend(told(image, backend, found, known, &able));
    }
    mistakes
}

/// The files that the builders of images cannot use; they are known only after all files have been read.
pub(super) fn unusable(world: &World, prints: &Fingerprints, known: &Backends) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for id in world.graph.ids() {
        let recipe = &world.recipes[id.index()];
        if recipe.base_file.is_none() {
            continue;
        }
        let (image, files) = (&world.workspace.images[id.index()], prints.files(id));
        let backend = world.backends[id.index()].as_ref();
        let able = |other: &dyn Backend| {
            other.check(recipe).is_empty() && other.check_files(recipe, files).is_empty()
        };
        let found = backend.check_files(recipe, files);
        mistakes.extend(told(image, backend, found, known, &able));
    }
    mistakes
}

fn told(
    image: &Image,
    backend: &dyn Backend,
    found: Vec<Unsupported>,
    known: &Backends,
    able: &dyn Fn(&dyn Backend) -> bool,
) -> Vec<Diagnostic> {
    if found.is_empty() {
        return Vec::new();
    }
    let able: Vec<String> = known
        .iter()
        .filter(|other| other.priority() > 0 && able(&***other))
        .map(|other| format!("`{}`", other.name()))
        .collect();
    let mistake = |found: Unsupported| {
        let (id, name) = (&image.id, backend.name());
        let message = format!(
            "image `{id}`: the `{name}` builder does not support `{}`: {}",
            found.field, found.why
        );
        let mut mistake = Diagnostic::error("unsupported-field", message);
        if let Some(place) = image.places.get(&found.field) {
            mistake = mistake.at(*place, "");
        }
        if able.is_empty() {
            mistake
        } else {
            mistake.help(format!("builders that can: {}", able.join(", ")))
        }
    };
    found.into_iter().map(mistake).collect()
}

fn which_there_are(name: &str, known: &Backends) -> String {
    let names: Vec<&str> = known.iter().map(|backend| backend.name()).collect();
    match suggest::closest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("builders: {}", names.join(", ")),
    }
}
