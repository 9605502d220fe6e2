//! A spec in the words of a manifest, so that its mistakes have an excerpt; each value is held to its rule as it is written.
//!
//! The counterpart of the manifest's decoder: both go by the table of fields and by the rules of [`crate::spec::rules`].

mod parts;
mod writer;

pub(super) use self::writer::Excerpt;

use crate::diagnostic::{SourceId, Spanned};
use crate::spec::fields::{self, Field, FieldKind};
use crate::spec::rules::{self, ValueRule};
use crate::spec::{GivenPath, ImageSpec};

/// The longest line of a list, in bytes; longer ones are said in several lines.
const LINE: usize = 100;

impl Excerpt {
    /// `image "id" { … }`. Values with a mistake are taken out of the spec, so that nothing else is told of them.
    pub(in crate::images) fn of(
        id: &str,
        spec: &mut ImageSpec,
        source: SourceId,
    ) -> (Self, Spanned) {
        let mut excerpt = Self::new(source);
        excerpt.name("image");
        let id = excerpt.value(id);
        excerpt.places.insert("", id.place.clone());
        excerpt.block(|it| {
            for field in fields::all() {
                let told = it.mistakes.len();
                it.field(field, spec);
                if it.mistakes.len() > told && !field.kind.has_parts() {
                    field.clear(spec);
                }
            }
        });
        (excerpt, id)
    }

    fn field(&mut self, field: &'static Field, spec: &mut ImageSpec) {
        let (name, rule) = (field.name, field.rule);
        match field.kind {
            FieldKind::Text(slot) => {
                // Which builders there are is the program's affair.
                let rule = if name == "builder" { rules::any } else { rule };
                if let Some(text) = (slot.get)(spec) {
                    self.one(name, rule, text);
                }
            }
            FieldKind::CopyMode => {
                if let Some(mode) = spec.source_copy_mode {
                    self.one(name, rule, mode.name());
                }
            }
            FieldKind::Path(slot) => {
                if let Some(path) = (slot.get)(spec) {
                    self.path(field, path);
                }
            }
            FieldKind::Words(slot) => {
                if let Some(words) = (slot.get)(spec) {
                    self.words(field, 0, words);
                }
            }
            FieldKind::Platforms if spec.platform.is_empty() => {}
            FieldKind::Platforms => {
                let platforms = self.words(field, 0, &spec.platform);
                self.mistakes
                    .extend(rules::check_platforms_once(&platforms));
            }
            FieldKind::List(slot) => self.list(field, (slot.get)(spec)),
            FieldKind::Map(slot, value_rule) => self.map(field, value_rule, (slot.get)(spec)),
            FieldKind::Base => {
                if let Some(base) = &spec.base_image {
                    self.base(field, base);
                }
            }
            FieldKind::Copies => self.copies(&mut spec.copy),
            FieldKind::Mounts => self.mounts(field, &mut spec.pip_secret_mounts),
            FieldKind::Secrets => self.secrets(field, &mut spec.secrets),
            FieldKind::Steps => self.steps(&mut spec.steps),
            FieldKind::Dockerfile => {
                if let Some(own) = &spec.dockerfile {
                    self.dockerfile(field, own);
                }
            }
        }
    }

    fn one(&mut self, name: &str, rule: ValueRule, text: &str) {
        self.name(name);
        let text = self.arg(name, rule, text);
        self.end();
        self.places.insert(name, text.place);
    }

    fn path(&mut self, field: &Field, path: &GivenPath) {
        self.name(field.name);
        let given = self.arg(field.name, field.rule, &path.given);
        self.inside(&given);
        self.end();
        self.places.insert(field.name, given.place);
    }

    /// One line of words, the first of which is that of this number.
    fn words(&mut self, field: &Field, first: usize, words: &[String]) -> Vec<Spanned> {
        let name = self.name(field.name);
        self.places.insert(field.name, name.place);
        let mut written = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let word = self.arg(field.name, field.rule, word);
            let key = format!("{}[{}]", field.name, first + at);
            self.places.insert(key, word.place.clone());
            written.push(word);
        }
        self.end();
        written
    }

    /// A list: its name again in every line.
    fn list(&mut self, field: &Field, values: &[String]) {
        let (mut from, mut length) = (0, 0);
        for (at, value) in values.iter().enumerate() {
            length += value.len() + 3;
            if length > LINE && at > from {
                self.words(field, from, &values[from..at]);
                (from, length) = (at, value.len() + 3);
            }
        }
        if from < values.len() {
            self.words(field, from, &values[from..]);
        }
    }

    /// A map: a node for each pair.
    fn map(&mut self, field: &Field, value_rule: ValueRule, pairs: &[(String, String)]) {
        let mut names = Vec::new();
        for pair in pairs {
            let node = self.name(field.name);
            self.places.insert(field.name, node.place);
            let pair = std::slice::from_ref(pair);
            for (name, value) in self.pairs(field.name, field.rule, value_rule, pair) {
                let key = format!("{}.{}", field.name, name.text);
                self.places.insert(key, value.place);
                names.push(name);
            }
        }
        let twice = rules::check_names_once(field.name, &names);
        self.mistakes.extend(twice);
    }
}
