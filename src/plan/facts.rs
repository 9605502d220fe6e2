//! Gathers the facts that a plan is made from: records, and what exists in local stores and registries.
//!
//! Each backend is queried once for all of its images, and changed inputs are looked up only for images that have to be
//! built.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{Facts, Name, Push};
use crate::asking::Asker;
use crate::backend::{Existence, StoreKind, Wanted};
use crate::fingerprint::{self, Change, Fingerprints};
use crate::graph::ImageId;
use crate::store::{RecordState, Store};
use crate::world::World;

/// Gathers the facts of the images in `relevant`, including what changed since their records were written; all other
/// images count as absent. Registries are queried only for images that are to be pushed. Returns one entry per image,
/// in id order.
pub fn gather(
    world: &World,
    prints: &Fingerprints,
    store: &Store,
    relevant: &BTreeSet<ImageId>,
    push: Push,
    asker: Asker<'_>,
) -> Vec<Facts> {
    let known = of(world, prints, store, relevant, push, asker);
    let mut known = known.into_iter().peekable();
    let facts = |id: ImageId| {
        let known = known.next_if(|(known, _)| *known == id);
        let mut facts = known.map_or_else(|| nothing(world, prints, id), |(_, facts)| facts);
        facts.changes = changes(world, prints, store, id, &facts).unwrap_or_default();
        facts
    };
    world.graph.ids().map(facts).collect()
}

/// The facts of `images`, in id order, without what changed since their records were written.
pub fn of(
    world: &World,
    prints: &Fingerprints,
    store: &Store,
    images: &BTreeSet<ImageId>,
    push: Push,
    asker: Asker<'_>,
) -> Vec<(ImageId, Facts)> {
    // Read the records first. If another process builds an image in between, it is then found to exist or simply looks
    // new. In the opposite order it would look recorded but gone.
    let records = store.records();
    let record = |id: &ImageId| records.read(world.graph.name(*id));
    let records: Vec<RecordState> = prints
        .reader
        .in_pool(|| images.par_iter().map(record).collect());
    let mut found = existences(world, prints, images, push, asker);
    let facts = |(id, record): (&ImageId, RecordState)| {
        let mut facts = nothing(world, prints, *id);
        match record {
            RecordState::Found(record) => facts.record = Some(record),
            RecordState::Unreadable(why) => facts.unreadable = Some(why),
            RecordState::Missing => {}
        }
        let own = world.reference(prints, *id);
        if let Some(local) = found.remove(&(*id, own.clone(), StoreKind::Local)) {
            facts.local = local;
        }
        facts.registry = found.remove(&(*id, own, StoreKind::Registry));
        for name in &mut facts.names {
            let mut find = |place| found.remove(&(*id, name.reference.clone(), place));
            name.local = find(StoreKind::Local).unwrap_or(Existence::Absent);
            name.registry = find(StoreKind::Registry);
        }
        (*id, facts)
    };
    images.iter().zip(records).map(facts).collect()
}

/// The facts of an image that was not looked up: no record, nothing in any store.
pub fn nothing(world: &World, prints: &Fingerprints, id: ImageId) -> Facts {
    let names = world.also_named(prints, id).into_iter();
    let names = names.map(|reference| Name {
        reference,
        local: Existence::Absent,
        registry: None,
    });
    Facts {
        key: prints.key(id),
        record: None,
        unreadable: None,
        local: Existence::Absent,
        registry: None,
        names: names.collect(),
        is_flytekit: world.spec(id).flytekit.is_some(),
        changes: Vec::new(),
    }
}

/// What changed since the record was written; `None` if the recorded inputs are not stored here.
pub fn changes(
    world: &World,
    prints: &Fingerprints,
    store: &Store,
    id: ImageId,
    facts: &Facts,
) -> Option<Vec<Change>> {
    let Some(record) = facts
        .record
        .as_ref()
        .filter(|record| record.key != facts.key && !facts.local.has(&facts.key))
    else {
        return Some(Vec::new());
    };
    let old = store.inputs(record)?;
    let new = prints.inputs(id, &world.recipes[id.index()]);
    Some(fingerprint::diff(&old, &new))
}

/// A question about an image: under which name it is looked up, and where.
type Question = (ImageId, String, StoreKind);

/// The questions about an image: whether it exists, and what its further names point to.
fn questions(
    world: &World,
    prints: &Fingerprints,
    id: ImageId,
    push: Push,
) -> impl Iterator<Item = Question> {
    let pushes = push.wants(world.spec(id));
    let own = (world.reference(prints, id), pushes);
    let also = world.also_named(prints, id).into_iter();
    let also = also.map(move |name| {
        let is_pushed = pushes && world.is_pushed(id, &name);
        (name, is_pushed)
    });
    std::iter::once(own)
        .chain(also)
        .flat_map(move |(name, is_pushed)| {
            let local = (id, name.clone(), StoreKind::Local);
            let registry = is_pushed.then_some((id, name, StoreKind::Registry));
            std::iter::once(local).chain(registry)
        })
}

fn existences(
    world: &World,
    prints: &Fingerprints,
    images: &BTreeSet<ImageId>,
    push: Push,
    asker: Asker<'_>,
) -> BTreeMap<Question, Existence> {
    let mut by_backend: BTreeMap<&str, Vec<Question>> = BTreeMap::new();
    for id in images {
        let wanted = by_backend
            .entry(world.backends[id.index()].name())
            .or_default();
        wanted.extend(questions(world, prints, *id, push));
    }
    let mut found = BTreeMap::new();
    for wanted in by_backend.into_values() {
        let backend = &world.backends[wanted[0].0.index()];
        let questions: Vec<Wanted<'_>> = wanted
            .iter()
            .map(|(id, reference, place)| Wanted {
                reference,
                place: *place,
                platforms: &world.recipes[id.index()].platforms,
            })
            .collect();
        let answers = backend.exists(&questions, asker);
        drop(questions);
        found.extend(wanted.into_iter().zip(answers));
    }
    found
}
