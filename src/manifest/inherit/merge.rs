//! Layers → one spec, and where its fields were said.
//!
//! Pure. A `reset` takes away what lower layers said, whatever the order of lines in its own layer.

use std::collections::BTreeMap;

use crate::diagnostic::{Place, Spanned};
use crate::manifest::decode::{Decoded, Entry, Layer};
use crate::manifest::notes::Notes;
use crate::spec::{ImageSpec, put_secret};
use crate::workspace::Places;

/// The spec that layers make, lowest first, and where its fields were said.
pub(in crate::manifest) fn merge(layers: &[&Layer], notes: &mut Notes) -> (ImageSpec, Places) {
    let mut from: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, layer) in layers.iter().enumerate() {
        for entry in layer.0.iter().filter(|entry| entry.reset) {
            from.insert(entry.field.name, at);
        }
    }
    let mut merged = Merged::default();
    for (at, layer) in layers.iter().enumerate() {
        for entry in &layer.0 {
            let dropped = from.get(entry.field.name).is_some_and(|from| at < *from);
            if let Some(decoded) = entry.decoded.as_ref().filter(|_| !dropped)
                && notes.spend(decoded.weight(), &entry.place)
            {
                merged.add(entry, decoded);
            }
        }
    }
    (merged.spec, merged.places)
}

#[derive(Default)]
struct Merged {
    spec: ImageSpec,
    places: Places,
}

impl Merged {
    fn add(&mut self, entry: &Entry, decoded: &Decoded) {
        let (name, spec, places) = (entry.field.name, &mut self.spec, &mut self.places);
        // A field of several values is where its name is, another where its value is.
        let mut place = &entry.place;
        match decoded {
            Decoded::Text(slot, text) => {
                place = &text.place;
                *(slot.get_mut)(spec) = Some(text.text.clone());
            }
            Decoded::Path(slot, path, at) => {
                place = at;
                *(slot.get_mut)(spec) = Some(path.clone());
            }
            Decoded::CopyMode(mode, at) => {
                place = at;
                spec.source_copy_mode = Some(*mode);
            }
            Decoded::Base(base, at) => {
                place = at;
                spec.base_image = Some(base.clone());
            }
            Decoded::Words(slot, words) => {
                *(slot.get_mut)(spec) = Some(listed(name, words, places));
            }
            Decoded::Platforms(words) => spec.platform = listed(name, words, places),
            Decoded::List(slot, texts) => {
                let texts = texts.iter().map(|text| (text.text.clone(), &text.place));
                append(name, (slot.get_mut)(spec), texts, places);
            }
            Decoded::Copies(copies) => append(name, &mut spec.copy, cloned(copies), places),
            Decoded::Mounts(mounts) => {
                append(name, &mut spec.pip_secret_mounts, cloned(mounts), places);
            }
            Decoded::Steps(steps) => append(name, &mut spec.steps, cloned(steps), places),
            Decoded::Map(slot, pairs) => put_all(name, (slot.get_mut)(spec), pairs, places),
            Decoded::Secret(secret, id) => {
                place = &id.place;
                places.insert(format!("{name}.{}", secret.id), place.clone());
                put_secret(&mut spec.secrets, secret.clone());
            }
            Decoded::Dockerfile(dockerfile, parts) => {
                for (part, place) in parts {
                    places.insert(part.clone(), place.clone());
                }
                spec.dockerfile = Some(dockerfile.clone());
                return;
            }
        }
        places.insert(name, place.clone());
    }
}

fn cloned<T: Clone>(values: &[(T, Place)]) -> impl Iterator<Item = (T, &Place)> {
    values.iter().map(|(value, place)| (value.clone(), place))
}

/// The texts of a field that replaces, noting where each is.
fn listed(name: &str, texts: &[Spanned], places: &mut Places) -> Vec<String> {
    let mut list = Vec::new();
    let texts = texts.iter().map(|text| (text.text.clone(), &text.place));
    append(name, &mut list, texts, places);
    list
}

/// Adds values to a list, noting where each is.
fn append<'p, T>(
    name: &str,
    list: &mut Vec<T>,
    values: impl IntoIterator<Item = (T, &'p Place)>,
    places: &mut Places,
) {
    for (value, place) in values {
        places.insert(format!("{name}[{}]", list.len()), place.clone());
        list.push(value);
    }
}

fn put_all(
    name: &str,
    map: &mut Vec<(String, String)>,
    pairs: &[(Spanned, Spanned)],
    places: &mut Places,
) {
    // A map of a manifest may have thousands of names: looking each up in the list would take the square of that.
    let known = map.iter().enumerate();
    let mut known: BTreeMap<String, usize> =
        known.map(|(at, (key, _))| (key.clone(), at)).collect();
    for (key, value) in pairs {
        places.insert(format!("{name}.{}", key.text), value.place.clone());
        if let Some(at) = known.get(&key.text) {
            map[*at].1.clone_from(&value.text);
        } else {
            known.insert(key.text.clone(), map.len());
            map.push((key.text.clone(), value.text.clone()));
        }
    }
}
