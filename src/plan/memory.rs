//! Records of builds on other machines, which registries keep: why an image is built, and how long that takes, where this machine has
//! no record of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, Plan, Push};
use crate::asking::Asker;
use crate::backend::Recall;
use crate::fingerprint::{self, Fingerprints, Input};
use crate::graph::ImageId;
use crate::store::{Record, RecordState};
use crate::world::World;

/// What a registry keeps of an image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recalled {
    pub(crate) record: RecordState,
    /// The inputs of the record's key; `None` if the registry has none that can be read.
    pub(crate) inputs: Option<Vec<Input>>,
}

impl Recalled {
    const NOTHING: Self = Self {
        record: RecordState::Missing,
        inputs: None,
    };
}

/// Looks for records of these images: with a digest, of exactly this image of the registry, and then without inputs; otherwise the last
/// ones. In the order of `images`, or why there was no answer. Images without a registry have none.
pub(crate) fn recall(
    world: &World,
    prints: &Fingerprints,
    images: &[(ImageId, Option<String>)],
    asker: Asker<'_>,
) -> Vec<Result<Recalled, String>> {
    let mut by_backend: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, (id, _)) in images.iter().enumerate() {
        if world.spec(*id).registry.is_some() {
            let name = world.backends[id.index()].name();
            by_backend.entry(name).or_default().push(at);
        }
    }
    let mut found = vec![Ok(Recalled::NOTHING); images.len()];
    for places in by_backend.into_values() {
        let Some(memory) = world.backends[images[places[0]].0.index()].memory() else {
            continue;
        };
        let wanted = places.iter().map(|at| &images[*at]);
        let wanted = wanted.map(|(id, digest)| Recall {
            image: world.graph.name(*id).to_owned(),
            reference: world.reference(prints, *id),
            digest: digest.clone(),
        });
        let answers = memory.recall(&wanted.collect::<Vec<_>>(), asker);
        for (at, answer) in places.into_iter().zip(answers) {
            let image = world.graph.name(images[at].0);
            found[at] = answer.map(|sent| {
                sent.map_or(Recalled::NOTHING, |sent| {
                    let record = Record::received(image, &sent.record);
                    let inputs = match (&record, &sent.inputs) {
                        (RecordState::Found(record), Some(inputs)) => record.read_inputs(inputs),
                        _ => None,
                    };
                    Recalled { record, inputs }
                })
            });
        }
    }
    found
}

/// Adds the records of registries to the facts of images that are to be built, have to be in their registry, and have no record
/// here. Returns warnings about registries that could not be asked, or `None` if none had to be.
pub fn fill(
    (world, prints): (&World, &Fingerprints),
    plan: &Plan,
    facts: &mut [Facts],
    push: Push,
    asker: Asker<'_>,
) -> Option<Vec<String>> {
    let is_unknown = |id: &ImageId| {
        let own = &facts[id.index()];
        push.wants(world.spec(*id))
            && own.record.is_none()
            && own.unreadable.is_none()
            && own.doubt().is_none()
    };
    let images = plan.builds().map(|image| image.id).filter(is_unknown);
    let images: Vec<(ImageId, Option<String>)> = images.map(|id| (id, None)).collect();
    if images.is_empty() {
        return None;
    }
    let mut unasked = BTreeSet::new();
    let answers = recall(world, prints, &images, asker);
    for ((id, _), answer) in images.into_iter().zip(answers) {
        let own = &mut facts[id.index()];
        match answer {
            Err(why) => {
                unasked.insert(why);
            }
            Ok(Recalled { record, inputs }) => match record {
                RecordState::Missing => {}
                RecordState::Unreadable(why) => own.unreadable = Some(why),
                RecordState::Found(record) => {
                    if let Some(old) = inputs.filter(|_| record.key != own.key) {
                        let new = prints.inputs(id, &world.recipes[id.index()]);
                        own.changes = fingerprint::diff(&old, &new);
                    }
                    own.record = Some(record);
                }
            },
        }
    }
    let each = unasked.into_iter();
    Some(each.map(|why| unasked_words(&why)).collect())
}

/// The warning about a registry that could not be asked for records.
pub fn unasked_words(why: &str) -> String {
    format!("records of builds on other machines could not be looked for: {why}")
}
