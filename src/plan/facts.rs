//! What is known of every image before the plan: records, and what exists where.
//!
//! Asks the store and the backends; decides nothing. The choice made: each backend is asked once, for all its images
//! together, and differences of inputs are looked up only for images that have to be built.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use crate::asking::Asker;
use crate::backend::{Existence, StoreKind, Wanted};
use crate::fingerprint::{self, Change, Fingerprints};
use crate::graph::ImageId;
use crate::reference;
use crate::run::{Push, Setting};
use crate::store::RecordState;

/// Gathers what is known of the images in `relevant`; the others count as absent. Registries are asked for what is to
/// be pushed.
#[must_use]
pub fn gather(
    setting: Setting<'_>,
    prints: &Fingerprints,
    relevant: &BTreeSet<ImageId>,
    push: Push,
    asker: Asker<'_>,
) -> Vec<Facts> {
    let mut all = gather_without_changes(setting, prints, relevant, push, asker);
    for (id, facts) in setting.graph.ids().zip(&mut all) {
        facts.changes = changes(setting, prints, id, facts);
    }
    all
}

/// The same, but without looking up what differs from what was recorded.
#[must_use]
pub fn gather_without_changes(
    setting: Setting<'_>,
    prints: &Fingerprints,
    relevant: &BTreeSet<ImageId>,
    push: Push,
    asker: Asker<'_>,
) -> Vec<Facts> {
    let found = existences(setting, prints, relevant, push, asker);
    let records = setting.store.records();
    let facts = |id: ImageId| {
        let (record, unreadable) = match relevant
            .contains(&id)
            .then(|| records.read(setting.graph.name(id)))
        {
            Some(RecordState::Found(record)) => (Some(*record), None),
            Some(RecordState::Unreadable(why)) => (None, Some(why)),
            Some(RecordState::Missing) | None => (None, None),
        };
        let place = |place| found.get(&(id, place)).cloned();
        let local = place(StoreKind::Local).unwrap_or(Existence::Absent);
        let registry = place(StoreKind::Registry);
        let key = prints.key(id);
        Facts {
            key,
            record,
            unreadable,
            local,
            registry,
            is_flytekit: setting.workspace.images[id.index()].spec.flytekit.is_some(),
            changes: Vec::new(),
        }
    };
    setting.graph.ids().map(facts).collect()
}

/// What differs from what was recorded; nothing when that is not known any more.
#[must_use]
pub fn changes(
    setting: Setting<'_>,
    prints: &Fingerprints,
    id: ImageId,
    facts: &Facts,
) -> Vec<Change> {
    let is_this = |found: &Existence| matches!(found, Existence::Present { key: Some(label), .. } if *label == facts.key.to_string());
    let Some(record) = facts
        .record
        .as_ref()
        .filter(|record| record.key != facts.key && !is_this(&facts.local))
    else {
        return Vec::new();
    };
    let Some(old) = setting.store.inputs(record) else {
        return Vec::new();
    };
    let new = prints.inputs(id, &setting.recipes[id.index()]);
    fingerprint::diff(&old, &new)
}

fn existences(
    setting: Setting<'_>,
    prints: &Fingerprints,
    relevant: &BTreeSet<ImageId>,
    push: Push,
    asker: Asker<'_>,
) -> BTreeMap<(ImageId, StoreKind), Existence> {
    let references: BTreeMap<ImageId, String> = relevant
        .iter()
        .map(|id| {
            (
                *id,
                reference::of(&setting.workspace.images[id.index()], &prints.tag(*id)),
            )
        })
        .collect();
    let mut by_backend: BTreeMap<&str, Vec<(ImageId, StoreKind)>> = BTreeMap::new();
    for id in relevant {
        let wanted = by_backend
            .entry(setting.backends[id.index()].name())
            .or_default();
        wanted.push((*id, StoreKind::Local));
        if push.wants(&setting.workspace.images[id.index()].spec) {
            wanted.push((*id, StoreKind::Registry));
        }
    }
    let mut found = BTreeMap::new();
    for wanted in by_backend.into_values() {
        let backend = &setting.backends[wanted[0].0.index()];
        let questions: Vec<Wanted<'_>> = wanted
            .iter()
            .map(|(id, place)| Wanted {
                reference: &references[id],
                place: *place,
                platforms: &setting.recipes[id.index()].platforms,
            })
            .collect();
        found.extend(wanted.into_iter().zip(backend.exists(&questions, asker)));
    }
    found
}
