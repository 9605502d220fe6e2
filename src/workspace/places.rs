//! The source locations of an image's fields.
//!
//! A workspace may have hundreds of thousands of them, so each image has sorted lists of small entries. A map with names such
//! as `packages[2]` as keys would take many times the memory, and an allocation per name.

use crate::diagnostic::Place;
use crate::spec::fields::{self, Field};

/// The source locations of one image's fields, by their names in the manifest: `base-image`, or `packages[2]` for one value
/// of a list, or the empty name for the image's own node.
#[derive(Debug, Clone, Default)]
pub struct Places {
    values: Vec<ValuePlace>,
    entries: Vec<EntryPlace>,
}

/// The location of a field, or of one value of a list.
#[derive(Debug, Clone)]
struct ValuePlace {
    /// The number of the field, and 0 for the whole of it or the value's position from 1.
    key: (u8, u32),
    place: Place,
}

/// The location of one entry of a map.
#[derive(Debug, Clone)]
struct EntryPlace {
    field: u8,
    name: Box<str>,
    place: Place,
}

/// A part of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<Name> {
    /// All of it.
    Whole,
    /// One value of a list, from 0: the `[2]` of `packages[2]`.
    At(usize),
    /// One entry of a map: the `HOME` of `env.HOME`.
    Named(Name),
}

impl Part<Box<str>> {
    pub(crate) fn borrowed(&self) -> Part<&str> {
        match self {
            Self::Whole => Part::Whole,
            Self::At(at) => Part::At(*at),
            Self::Named(name) => Part::Named(name),
        }
    }
}

/// The number of the image's own node, which is none of the fields.
const NODE: u8 = 0;

fn number(field: &Field) -> u8 {
    u8::try_from(field.position() + 1).expect("fewer than 255 fields")
}

/// A position counts from 1; beyond 4 billion values there is no location.
fn position(at: usize) -> u32 {
    u32::try_from(at.saturating_add(1)).unwrap_or(u32::MAX)
}

impl Places {
    /// The locations of an image that is declared at `node`, so far without fields.
    pub(crate) fn new(node: Place) -> Self {
        let mut places = Self::default();
        places.values.push(ValuePlace {
            key: (NODE, 0),
            place: node,
        });
        places
    }

    /// Adds the location of a field. None is found until [`Places::sort`] is called.
    pub(crate) fn add(&mut self, field: &Field, part: Part<&str>, place: Place) {
        let field = number(field);
        let at = match part {
            Part::Whole => 0,
            Part::At(at) => position(at),
            Part::Named(name) => {
                let name = name.into();
                self.entries.push(EntryPlace { field, name, place });
                return;
            }
        };
        let key = (field, at);
        self.values.push(ValuePlace { key, place });
    }

    /// Makes the locations findable; where a field occurs twice, by the later one.
    pub(crate) fn sort(&mut self) {
        self.values.sort_by_key(|it| it.key);
        self.entries
            .sort_by(|one, other| (one.field, &one.name).cmp(&(other.field, &other.name)));
        keep_last(&mut self.values, |one, other| one.key == other.key);
        keep_last(&mut self.entries, |one, other| {
            (one.field, &one.name) == (other.field, &other.name)
        });
    }

    /// Whether the field is set.
    pub fn has(&self, field: &str) -> bool {
        let (field, part) = parted(field);
        self.find(field, part).is_some()
    }

    /// The location of a field. If that of `packages[2]` is unknown, that of `packages`, then that of the image's node.
    pub fn get(&self, field: &str) -> Option<&Place> {
        let (field, part) = parted(field);
        self.find(field, part)
            .or_else(|| self.find(field, Part::Whole))
            .or_else(|| self.find("", Part::Whole))
    }

    fn find(&self, field: &str, part: Part<&str>) -> Option<&Place> {
        let field = match field {
            "" => NODE,
            field => number(fields::find(field)?),
        };
        let at = match part {
            Part::Whole => 0,
            Part::At(at) => position(at),
            Part::Named(name) => {
                let entries = &self.entries;
                let at = entries.binary_search_by(|it| (it.field, &*it.name).cmp(&(field, name)));
                return at.ok().map(|at| &entries[at].place);
            }
        };
        let at = self.values.binary_search_by_key(&(field, at), |it| it.key);
        at.ok().map(|at| &self.values[at].place)
    }

    /// The names of everything that has a location.
    #[cfg(test)]
    pub(crate) fn names(&self) -> Vec<String> {
        let field = |number: u8| match number {
            NODE => "",
            number => fields::names().nth(usize::from(number) - 1).unwrap(),
        };
        let values = self.values.iter().map(|it| match it.key {
            (number, 0) => field(number).to_owned(),
            (number, at) => format!("{}[{}]", field(number), at - 1),
        });
        let entries = self.entries.iter();
        let entries = entries.map(|it| format!("{}.{}", field(it.field), it.name));
        values.chain(entries).collect()
    }
}

/// Keeps the last of several that are the same.
fn keep_last<T>(places: &mut Vec<T>, is_same: impl Fn(&T, &T) -> bool) {
    places.dedup_by(|later, earlier| {
        let is_same = is_same(later, earlier);
        if is_same {
            std::mem::swap(later, earlier);
        }
        is_same
    });
    places.shrink_to_fit();
}

/// A name such as `packages[2]` or `env.HOME` as the field and its part.
fn parted(name: &str) -> (&str, Part<&str>) {
    let Some(end) = name.find(['[', '.']) else {
        return (name, Part::Whole);
    };
    let (field, rest) = name.split_at(end);
    let index = rest.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let part = match index.and_then(|index| index.parse().ok()) {
        Some(index) => Part::At(index),
        None => Part::Named(&rest[1..]),
    };
    (field, part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sources;

    #[test]
    fn the_last_place_of_the_nearest_name_counts() {
        let source = Sources::default().add("imgspec.kdl", "");
        let paths = [
            ("packages", Part::Whole),
            ("packages", Part::At(1)),
            ("packages", Part::At(10)),
            ("packages", Part::At(1)),
            ("env", Part::Named("A[0].b")),
        ];
        let mut places = Places::new(Place::new(source, 5..6));
        for ((field, part), at) in paths.into_iter().zip(0..) {
            let field = fields::find(field).unwrap();
            places.add(field, part, Place::new(source, at..at + 1));
        }
        places.sort();
        let at = |name| places.get(name).map(|place| place.start());
        assert_eq!(at("packages[1]"), Some(3));
        assert_eq!(at("packages[10]"), Some(2));
        assert_eq!(at("packages[2]"), Some(0));
        assert_eq!(at("env.A[0].b"), Some(4));
        assert_eq!(at("env.B"), Some(5));
        assert!(places.has("packages[1]") && !places.has("packages[2]") && !places.has("env"));
        let names = places.names();
        assert!(
            names.len() == 5 && names.iter().all(|name| places.has(name)),
            "{names:?}"
        );
    }
}
