//! What one node says of an image, decoded; and how several such layers become one spec.
//!
//! Pure. The choice made: a `reset` takes away what lower layers said, whatever the order of lines in its own layer.

use std::collections::BTreeMap;

use super::fields::Field;
use super::notes::{Notes, Text};
use crate::diagnostic::Place;
use crate::spec::{Base, Copy, ImageSpec, WorkspacePath};
use crate::workspace::Places;

/// The fields of one `defaults`, `template` or `image`.
#[derive(Default)]
pub(super) struct Layer(pub Vec<Entry>);

/// One field as one node says it.
pub(super) struct Entry {
    pub field: &'static Field,
    /// The field's name in the manifest.
    pub place: Place,
    pub reset: bool,
    pub given: Given,
}

/// What is said of a field.
pub(super) enum Given {
    /// Nothing but a reset, or nothing that could be understood.
    Nothing,
    Text(Text),
    Path(WorkspacePath, Place),
    Words(Vec<Text>),
    List(Vec<Text>),
    Map(Vec<(Text, Text)>),
    Base(Base, Place),
    Copies(Vec<(Copy, Place)>),
}

/// The spec that layers make, lowest first, and where its fields were said.
pub(super) fn merge(layers: &[&Layer], notes: &mut Notes) -> (ImageSpec, Places) {
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
            if !dropped && notes.spend(entry.weight(), &entry.place) {
                merged.add(entry);
            }
        }
    }
    (merged.spec, merged.places)
}

impl Entry {
    /// About the bytes that a copy of it takes, with its places.
    fn weight(&self) -> usize {
        let texts = |texts: &[Text]| texts.iter().map(|it| it.text.len() + 128).sum();
        match &self.given {
            Given::Nothing => 0,
            Given::Text(text) => text.text.len(),
            Given::Path(path, _) => path.as_str().len(),
            Given::Words(words) | Given::List(words) => texts(words),
            Given::Map(pairs) => pairs
                .iter()
                .map(|(name, value)| name.text.len() + value.text.len() + 128)
                .sum(),
            Given::Base(..) => 32,
            Given::Copies(copies) => copies.len() * 128,
        }
    }
}

#[derive(Default)]
struct Merged {
    spec: ImageSpec,
    places: Places,
}

impl Merged {
    fn add(&mut self, entry: &Entry) {
        let name = entry.field.name;
        match &entry.given {
            Given::Nothing => {}
            Given::Text(text) => {
                self.places.insert(name, text.place.clone());
                *self.text(name) = Some(text.text.clone());
            }
            Given::Path(path, place) => {
                self.places.insert(name, place.clone());
                self.spec.requirements = Some(path.clone());
            }
            Given::Words(words) => self.words(name, words, &entry.place),
            Given::List(list) => self.list(name, list, &entry.place),
            Given::Map(pairs) => self.map(name, pairs, &entry.place),
            Given::Base(base, place) => {
                self.places.insert(name, place.clone());
                self.spec.base_image = Some(base.clone());
            }
            Given::Copies(copies) => {
                self.places.insert(name, entry.place.clone());
                for (copy, place) in copies {
                    let at = self.spec.copy.len();
                    self.places.insert(format!("copy[{at}]"), place.clone());
                    self.spec.copy.push(copy.clone());
                }
            }
        }
    }

    fn text(&mut self, name: &str) -> &mut Option<String> {
        let spec = &mut self.spec;
        match name {
            "name" => &mut spec.name,
            "registry" => &mut spec.registry,
            "builder" => &mut spec.builder,
            "python-version" => &mut spec.python_version,
            "python-exec" => &mut spec.python_exec,
            "pip-index" => &mut spec.pip_index,
            "pip-extra-args" => &mut spec.pip_extra_args,
            "user" => &mut spec.user,
            "workdir" => &mut spec.workdir,
            "tag-format" => &mut spec.tag_format,
            name => unreachable!("BUG: the field `{name}` is no text"),
        }
    }

    fn words(&mut self, name: &str, words: &[Text], place: &Place) {
        let words_only: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
        match name {
            "platform" => self.spec.platform = words_only,
            "entrypoint" => self.spec.entrypoint = Some(words_only),
            "cmd" => self.spec.cmd = Some(words_only),
            name => unreachable!("BUG: the field `{name}` is not several words"),
        }
        self.places.insert(name, place.clone());
        for (at, word) in words.iter().enumerate() {
            self.places
                .insert(format!("{name}[{at}]"), word.place.clone());
        }
    }

    fn list(&mut self, name: &str, texts: &[Text], place: &Place) {
        let list = match name {
            "apt-packages" => &mut self.spec.apt_packages,
            "packages" => &mut self.spec.packages,
            "pip-extra-index-url" => &mut self.spec.pip_extra_index_url,
            "commands" => &mut self.spec.commands,
            name => unreachable!("BUG: the field `{name}` is no list"),
        };
        self.places.insert(name, place.clone());
        for text in texts {
            self.places
                .insert(format!("{name}[{}]", list.len()), text.place.clone());
            list.push(text.text.clone());
        }
    }

    fn map(&mut self, name: &str, pairs: &[(Text, Text)], place: &Place) {
        let map = match name {
            "env" => &mut self.spec.env,
            "labels" => &mut self.spec.labels,
            name => unreachable!("BUG: the field `{name}` is no map"),
        };
        self.places.insert(name, place.clone());
        // A map of a manifest may have thousands of names: looking each up in the list would take the square of that.
        let mut known: BTreeMap<String, usize> = map
            .iter()
            .enumerate()
            .map(|(at, (key, _))| (key.clone(), at))
            .collect();
        for (key, value) in pairs {
            self.places
                .insert(format!("{name}.{}", key.text), value.place.clone());
            if let Some(at) = known.get(&key.text) {
                map[*at].1.clone_from(&value.text);
            } else {
                known.insert(key.text.clone(), map.len());
                map.push((key.text.clone(), value.text.clone()));
            }
        }
    }
}
