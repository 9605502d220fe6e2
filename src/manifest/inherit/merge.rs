//! Merges layers into one spec, with the source location of each field.
//!
//! Pure. A `reset` discards the values of lower layers, wherever it stands in its own layer.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap, hash_map};

use crate::diagnostic::{Place, Spanned};
use crate::manifest::decode::{Decoded, Entry, Layer};
use crate::manifest::notes::Notes;
use crate::spec::fields::{self, Field, FieldKind};
use crate::spec::{ImageSpec, Secret};
use crate::workspace::{Part, Places};

/// Merges `layers`, lowest first, into a spec and the locations of its fields; `head` is the location of the image's own node.
pub(in crate::manifest) fn merge(
    layers: &[&Layer],
    head: Place,
    notes: &mut Notes,
) -> (ImageSpec, Places) {
    let mut from: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, layer) in layers.iter().enumerate() {
        for entry in layer.0.iter().filter(|entry| entry.reset) {
            from.insert(entry.field.name, at);
        }
    }
    let mut merged = Merged {
        spec: ImageSpec::default(),
        places: Places::new(head),
        known: HashMap::new(),
    };
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
    shrink(&mut merged.spec);
    merged.places.sort();
    (merged.spec, merged.places)
}

/// Positions in lists, by field and name.
type Known<'a> = HashMap<(&'static str, &'a str), usize>;

struct Merged<'a> {
    spec: ImageSpec,
    places: Places,
    /// The positions of map entries and secrets in their lists: searching the lists would be quadratic in thousands of entries.
    known: Known<'a>,
}

impl<'a> Merged<'a> {
    fn add(&mut self, entry: &Entry, decoded: &'a Decoded) {
        let (field, spec, places) = (entry.field, &mut self.spec, &mut self.places);
        // A field with several values is located at its name, any other at its value.
        let mut place = &entry.place;
        match decoded {
            Decoded::Text(..)
            | Decoded::Path(..)
            | Decoded::Flag(..)
            | Decoded::CopyMode(..)
            | Decoded::Base(..)
            | Decoded::Healthcheck(..) => place = put_one(spec, decoded).unwrap_or(place),
            Decoded::Words(slot, words) => {
                *(slot.get_mut)(spec) = Some(listed(field, words, places));
            }
            Decoded::Platforms(words) => spec.platform = listed(field, words, places),
            Decoded::List(slot, texts) => {
                let texts = texts.iter().map(|text| (text.text.clone(), &text.place));
                append(field, (slot.get_mut)(spec), texts, places);
            }
            Decoded::Copies(copies) => append(field, &mut spec.copy, cloned(copies), places),
            Decoded::Mounts(mounts) => {
                append(field, &mut spec.pip_secret_mounts, cloned(mounts), places);
            }
            Decoded::Steps(steps) => append(field, &mut spec.steps, cloned(steps), places),
            Decoded::Map(slot, pairs) => {
                let known = &mut self.known;
                put_all(field, (slot.get_mut)(spec), pairs, places, known);
            }
            Decoded::Secret(secret, id) => {
                place = &id.place;
                places.add(field, Part::Named(&secret.id), *place);
                let at = self.known.entry((field.name, &id.text));
                put_secret(&mut spec.secrets, secret, at);
            }
            Decoded::Dockerfile(dockerfile, parts) => {
                for (part, place) in parts {
                    places.add(field, part.borrowed(), *place);
                }
                spec.dockerfile = Some(Box::new(dockerfile.clone()));
                return;
            }
        }
        places.add(field, Part::Whole, *place);
    }
}

/// Sets a field that holds one value; returns where it stands.
fn put_one<'a>(spec: &mut ImageSpec, decoded: &'a Decoded) -> Option<&'a Place> {
    Some(match decoded {
        Decoded::Text(slot, text) => {
            *(slot.get_mut)(spec) = Some(text.text.clone());
            &text.place
        }
        Decoded::Path(slot, path, at) => {
            *(slot.get_mut)(spec) = Some(path.clone());
            at
        }
        Decoded::Flag(slot, flag, at) => {
            *(slot.get_mut)(spec) = Some(*flag);
            at
        }
        Decoded::CopyMode(mode, at) => {
            spec.source_copy_mode = Some(*mode);
            at
        }
        Decoded::Base(base, at) => {
            spec.base_image = Some(base.clone());
            at
        }
        Decoded::Healthcheck(check, at) => {
            spec.healthcheck = Some(check.clone());
            at
        }
        _ => return None,
    })
}

/// Adds a secret, or replaces the one with its id.
fn put_secret(
    secrets: &mut Vec<Secret>,
    secret: &Secret,
    at: hash_map::Entry<'_, (&'static str, &str), usize>,
) {
    match at {
        Occupied(at) => secrets[*at.get()] = secret.clone(),
        Vacant(new) => {
            new.insert(secrets.len());
            secrets.push(secret.clone());
        }
    }
}

/// Frees the unused capacity of the lists, which adds up over 10,000 images.
fn shrink(spec: &mut ImageSpec) {
    for field in fields::all() {
        match field.kind {
            FieldKind::List(slot) | FieldKind::Ports(slot) => {
                (slot.get_mut)(spec).shrink_to_fit();
            }
            FieldKind::Map(slot, _) => (slot.get_mut)(spec).shrink_to_fit(),
            _ => {}
        }
    }
    spec.copy.shrink_to_fit();
}

fn cloned<T: Clone>(values: &[(T, Place)]) -> impl Iterator<Item = (T, &Place)> {
    values.iter().map(|(value, place)| (value.clone(), place))
}

/// The values of a field that replaces inherited ones; records the location of each.
fn listed(field: &'static Field, texts: &[Spanned], places: &mut Places) -> Vec<String> {
    let mut list = Vec::with_capacity(texts.len());
    let texts = texts.iter().map(|text| (text.text.clone(), &text.place));
    append(field, &mut list, texts, places);
    list
}

/// Appends values to a list and records the location of each.
fn append<'p, T>(
    field: &'static Field,
    list: &mut Vec<T>,
    values: impl IntoIterator<Item = (T, &'p Place)>,
    places: &mut Places,
) {
    for (value, place) in values {
        places.add(field, Part::At(list.len()), *place);
        list.push(value);
    }
}

fn put_all<'a>(
    field: &'static Field,
    map: &mut Vec<(String, String)>,
    pairs: &'a [(Spanned, Spanned)],
    places: &mut Places,
    known: &mut Known<'a>,
) {
    for (key, text) in pairs {
        places.add(field, Part::Named(&key.text), text.place);
        match known.entry((field.name, &key.text)) {
            Occupied(at) => map[*at.get()].1.clone_from(&text.text),
            Vacant(new) => {
                new.insert(map.len());
                map.push((key.text.clone(), text.text.clone()));
            }
        }
    }
}
