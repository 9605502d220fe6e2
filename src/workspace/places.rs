//! The source locations of an image's fields.
//!
//! A workspace may have hundreds of thousands of them, so each image has one sorted list. A map with names such as
//! `packages[2]` as keys would take three times the memory and an allocation per name.

use std::fmt;

use crate::diagnostic::Place;

/// The source locations of one image's fields, by their names in the manifest: `base-image`, or `packages[2]` for one value
/// of a list, or the empty name for the image's own node.
#[derive(Debug, Clone, Default)]
pub struct Places(Vec<(FieldPath, Place)>);

/// A field, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath {
    /// The field's name in the manifest; empty for the image's own node.
    pub field: &'static str,
    /// Which part of the field.
    pub part: Part<Box<str>>,
}

/// A part of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part<Name> {
    /// All of it.
    Whole,
    /// One value of a list, from 0: the `[2]` of `packages[2]`.
    At(usize),
    /// One entry of a map: the `HOME` of `env.HOME`.
    Named(Name),
}

impl Part<Box<str>> {
    fn borrowed(&self) -> Part<&str> {
        match self {
            Self::Whole => Part::Whole,
            Self::At(at) => Part::At(*at),
            Self::Named(name) => Part::Named(name),
        }
    }
}

impl Places {
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
        let places = &self.0;
        let at = places
            .binary_search_by(|(path, _)| (path.field, path.part.borrowed()).cmp(&(field, part)));
        at.ok().map(|at| &places[at].1)
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(FieldPath, Place)> {
        self.0.iter()
    }
}

/// If a field occurs twice, the later location wins.
impl FromIterator<(FieldPath, Place)> for Places {
    fn from_iter<I: IntoIterator<Item = (FieldPath, Place)>>(places: I) -> Self {
        let mut places: Vec<(FieldPath, Place)> = places.into_iter().collect();
        places.sort_by(|(one, _), (other, _)| one.cmp(other));
        places.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                std::mem::swap(later, earlier);
            }
            is_same
        });
        places.shrink_to_fit();
        Self(places)
    }
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

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            Part::Whole => f.write_str(self.field),
            Part::At(at) => write!(f, "{}[{at}]", self.field),
            Part::Named(name) => write!(f, "{}.{name}", self.field),
        }
    }
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
            ("env", Part::Named("A[0].b".into())),
            ("", Part::Whole),
        ];
        let paths = paths.into_iter().zip(0..).map(|((field, part), at)| {
            let span = at..at + 1;
            (FieldPath { field, part }, Place { source, span })
        });
        let places: Places = paths.collect();
        let at = |name| places.get(name).map(|place| place.span.start);
        assert_eq!(at("packages[1]"), Some(3));
        assert_eq!(at("packages[10]"), Some(2));
        assert_eq!(at("packages[2]"), Some(0));
        assert_eq!(at("env.A[0].b"), Some(4));
        assert_eq!(at("env.B"), Some(5));
        assert!(places.has("packages[1]") && !places.has("packages[2]") && !places.has("env"));
        let names: Vec<String> = places.iter().map(|(path, _)| path.to_string()).collect();
        assert!(names.iter().all(|name| places.has(name)), "{names:?}");
    }
}
