//! What keeps images from leaving through their registries, where their builder has no other place for them: told before anything is built.

use std::collections::BTreeSet;

use crate::backend::leaving::{ids, local_only};
use crate::backend::oci::reference::Reference;
use crate::diagnostic::Diagnostic;
use crate::fingerprint::Fingerprints;
use crate::graph::ImageId;
use crate::reference;
use crate::spec::Base;
use crate::world::World;

/// What keeps these images, which are to be built, from being built where they leave through their registries.
pub(super) fn stuck(
    world: &World,
    prints: &Fingerprints,
    images: impl Iterator<Item = ImageId>,
) -> Vec<Diagnostic> {
    let leaving = images.filter(|id| world.backends[id.index()].leaves());
    let each = leaving.flat_map(|id| {
        let homeless = homeless(world, id).into_iter();
        homeless
            .chain(unreachable(world, id))
            .chain(local(world, prints, id))
    });
    each.collect()
}

/// The further names of these images that cannot be given where images leave through their registries: the layers are in the image's
/// registry only.
pub(super) fn unnameable(
    world: &World,
    prints: &Fingerprints,
    images: impl Iterator<Item = ImageId>,
) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for id in images.filter(|id| world.backends[id.index()].leaves()) {
        let image = &world.workspace.images[id.index()];
        let host = |name: &str| Reference::read(name).map(|name| name.host);
        let own = host(&world.reference(prints, id));
        for (at, name) in image.spec.also_tag.iter().enumerate() {
            let whole = reference::whole(image, name);
            if host(&whole) == own {
                continue;
            }
            let (id, builder) = (&image.id, world.backends[id.index()].name());
            let message = format!(
                "image `{id}` cannot be called `{whole}`: `{builder}` builds it elsewhere, from where it goes to its own registry only"
            );
            let mistake = Diagnostic::error("unreachable-name", message)
                .help("a further name has to be in the registry of the image");
            let place = image.places.get(&format!("also-tag[{at}]"));
            mistakes.push(match place {
                Some(place) => mistake.at(*place, ""),
                None => mistake,
            });
        }
    }
    mistakes
}

/// An image without a registry would be nowhere.
fn homeless(world: &World, id: ImageId) -> Option<Diagnostic> {
    if world.spec(id).registry.is_some() {
        return None;
    }
    let (name, builder) = (world.graph.name(id), world.backends[id.index()].name());
    let message = format!(
        "image `{name}` has no `registry`, but `{builder}` builds elsewhere, from where images go to their registries only"
    );
    let mistake = Diagnostic::error("missing-registry", message)
        .help("give it one: `registry \"ghcr.io/acme\"`, also in `defaults`; or build it here, without `--push`");
    Some(match world.workspace.images[id.index()].places.get("") {
        Some(place) => mistake.at(*place, "declared here"),
        None => mistake,
    })
}

/// Images of other builders are in stores of this machine.
fn unreachable(world: &World, id: ImageId) -> Vec<Diagnostic> {
    let image = &world.workspace.images[id.index()];
    let (recipe, own) = (
        &world.recipes[id.index()],
        world.backends[id.index()].name(),
    );
    let needs: BTreeSet<&str> = recipe.images().collect();
    let each = needs.into_iter().filter_map(|need| {
        let other = world.backends[world.graph.find(need)?.index()].name();
        if other == own {
            return None;
        }
        let id = &image.id;
        let message = format!(
            "image `{id}`: `{own}` builds it elsewhere, and cannot reach `{need}`, which `{other}` builds on this machine"
        );
        let mistake = Diagnostic::error("unreachable-image", message).help(format!(
            "give both the same builder; or push `{need}` first, and name it as an image of its registry"
        ));
        let is_base = recipe.base == Base::Image(need.to_owned());
        let place = image.places.get("base-image").filter(|_| is_base);
        Some(match place {
            Some(place) => mistake.at(*place, ""),
            None => mistake,
        })
    });
    each.collect()
}

/// Images that the lock knows from a store of this machine only.
fn local(world: &World, prints: &Fingerprints, id: ImageId) -> Vec<Diagnostic> {
    let name = world.graph.name(id);
    let each = ids(prints.outside(id));
    let each = each.map(|(image, local)| {
        let message = format!("image `{name}`: {}", local_only(image, local));
        Diagnostic::error("unreachable-image", message)
    });
    each.collect()
}
