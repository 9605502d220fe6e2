//! Overrides from the command line: `--var name=value` and `--set image.field=value`.
//!
//! Each flag is stored as a source, so that mistakes in it are shown like those in a file.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Place, SourceId, Spanned};
use crate::manifest::decode::{Decoder, Layer, NO_NAMES};
use crate::manifest::notes::Notes;
use crate::manifest::syntax::{Data, Node, Prop, Value};
use crate::spec::WorkspacePath;
use crate::spec::fields::{self, Field, FieldKind};
use crate::spec::rules::declared_name;
use crate::suggest::closest;

/// Overrides from the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Variables, as names and values.
    pub vars: Vec<(String, String)>,
    /// Fields, as image (id or glob), field (`env.NAME` for one entry of a map) and value.
    pub sets: Vec<(String, String, String)>,
}

impl Overrides {
    /// Parses the `name=value` of `--var`.
    pub fn parse_var(text: &str) -> Result<(String, String), String> {
        match text.split_once('=') {
            Some((name, value)) if declared_name(name).is_ok() => {
                Ok((name.to_owned(), value.to_owned()))
            }
            Some((name, _)) => Err(format!("`{name}` is not a valid variable name")),
            None => Err(format!("`{text}` has no value, write `{text}=value`")),
        }
    }

    /// Parses the `image.field=value` of `--set`.
    pub fn parse_set(text: &str) -> Result<(String, String, String), String> {
        let (target, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` has no value, write `image.field=value`"))?;
        // Ids and label names may contain dots: the first known field wins.
        let known = target.match_indices('.').find(|(at, _)| {
            let field = &target[at + 1..];
            let map = field.split_once('.').map_or(field, |(map, _)| map);
            fields::find(field).is_some()
                || fields::find(map).is_some_and(|it| matches!(it.kind, FieldKind::Map(..)))
        });
        if let Some((at, _)) = known {
            let (image, field) = (&target[..at], &target[at + 1..]);
            if image.is_empty() {
                return Err("an image is missing before the `.`: write `image.field=value`".into());
            }
            return Ok((image.to_owned(), field.to_owned(), value.to_owned()));
        }
        let mut parts = target.split('.').skip(1);
        let meant = parts.find_map(|field| Some((field, fields::meant(field, &[])?)));
        Err(match (meant, target.rsplit_once('.')) {
            (Some((field, meant)), _) => {
                format!("unknown field `{field}`, did you mean `{meant}`?")
            }
            (None, Some((_, field))) => format!("unknown field `{field}`"),
            (None, None) => format!("`{target}` names no field, write `image.field=value`"),
        })
    }
}

/// The `--set` flags of one load, with the images that they select and whether they matched any.
pub(in crate::manifest) struct Sets(Vec<Set>);

struct Set {
    image: String,
    glob: Option<globset::GlobMatcher>,
    field: Option<&'static Field>,
    key: Option<String>,
    value: String,
    source: SourceId,
    met: bool,
}

impl Sets {
    pub(in crate::manifest) fn new(overrides: &Overrides, notes: &mut Notes) -> Self {
        let set = |(image, target, value): &(String, String, String)| {
            let source = notes
                .sources
                .add("--set", format!("{image}.{target}={value}"));
            let entry = target.split_once('.');
            let (name, key) = match entry.filter(|_| fields::find(target).is_none()) {
                Some((name, key)) => (name, Some(key)),
                None => (target.as_str(), None),
            };
            let glob = globset::Glob::new(image).ok();
            let set = Set {
                image: image.clone(),
                glob: glob.map(|glob| glob.compile_matcher()),
                field: fields::find(name),
                key: key.map(str::to_owned),
                value: value.clone(),
                source,
                met: false,
            };
            if set.field.is_none() {
                notes.tell(
                    Diagnostic::error("unknown-field", format!("unknown field `{target}`"))
                        .at(set.field_place(), "no field has this name"),
                );
            }
            set
        };
        Self(overrides.sets.iter().map(set).collect())
    }

    /// The layers for an image, lowest first.
    pub(in crate::manifest) fn layers(
        &mut self,
        id: &str,
        folder: &WorkspacePath,
        notes: &mut Notes,
    ) -> Vec<Layer> {
        let mut layers: Vec<Layer> = Vec::new();
        let mut lists: Vec<&str> = Vec::new();
        for set in &mut self.0 {
            if set.image != id && !set.glob.as_ref().is_some_and(|glob| glob.is_match(id)) {
                continue;
            }
            set.met = true;
            let Some(field) = set.field else { continue };
            let mut layer = set.layer(field, folder, notes);
            // The first flag for a list replaces the manifest's values; further ones add to it.
            for entry in &mut layer.0 {
                entry.reset = field.kind.appends() && !lists.contains(&field.name);
            }
            lists.push(field.name);
            layers.push(layer);
        }
        layers
    }

    pub(in crate::manifest) fn unmet(&self, ids: &BTreeMap<String, Place>, notes: &mut Notes) {
        for set in self.0.iter().filter(|set| !set.met) {
            let place = set.place(0, set.image.len());
            let mistake =
                Diagnostic::error("unknown-image", format!("no image matches `{}`", set.image));
            let meant = closest(&set.image, ids.keys().map(String::as_str));
            notes.tell(mistake.unfixed(&place, meant, ""));
        }
    }
}

impl Set {
    fn layer(&self, field: &Field, folder: &WorkspacePath, notes: &mut Notes) -> Layer {
        let is_one = matches!(field.kind, FieldKind::Dockerfile | FieldKind::Healthcheck);
        if field.kind.has_parts() || is_one {
            let message = format!("`{}` cannot be set on the command line", field.name);
            notes.tell(
                Diagnostic::error("invalid-value", message)
                    .at(self.field_place(), "")
                    .help("set it in the manifest, using variables for the parts that change"),
            );
            return Layer::default();
        }
        let told = notes.mistakes.len();
        let mut decoder = Decoder {
            notes,
            scope: &NO_NAMES,
            folder,
            owner: "an image",
            besides: &[],
            takes_any_builder: false,
        };
        let layer = decoder.layer(&[self.node(field)]);
        // A fix in manifest syntax would be wrong for the command line.
        for mistake in &mut notes.mistakes[told..] {
            mistake.fix = None;
        }
        layer
    }

    /// The equivalent manifest node.
    fn node(&self, field: &Field) -> Node {
        let value = |text: &str| Value {
            data: Data::Text {
                text: text.to_owned(),
                quoted: false,
            },
            place: self.value_place(),
        };
        let mut node = Node::named(Spanned::plain(field.name, self.field_place()));
        match (&self.key, field.kind) {
            (Some(key), _) => node.props.push(Prop {
                name: Spanned::plain(key, self.field_place()),
                value: value(&self.value),
            }),
            (None, FieldKind::Words(_) | FieldKind::Shell(_) | FieldKind::Platforms) => {
                let words = shlex::split(&self.value).unwrap_or_else(|| vec![self.value.clone()]);
                node.args.extend(words.iter().map(|word| value(word)));
            }
            _ => node.args.push(value(&self.value)),
        }
        node
    }

    fn place(&self, start: usize, end: usize) -> Place {
        Place::new(self.source, start..end)
    }

    fn field_place(&self) -> Place {
        let start = self.image.len() + 1;
        let name = self.field.map_or(0, |field| field.name.len());
        let len = name + self.key.as_ref().map_or(0, |key| key.len() + 1);
        self.place(start, start + len)
    }

    fn value_place(&self) -> Place {
        let start = self.field_place().end() + 1;
        self.place(start, start + self.value.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Overrides;

    #[test]
    fn flags_are_taken_apart_or_refused_in_words() {
        let set = |text| {
            Overrides::parse_set(text)
                .map(|(image, field, value)| format!("{image}|{field}|{value}"))
        };
        assert_eq!(
            set("train.python-version=3.12").unwrap(),
            "train|python-version|3.12"
        );
        assert_eq!(set("py3.12.user=a=b").unwrap(), "py3.12|user|a=b");
        assert_eq!(set("*.env.A_B=").unwrap(), "*|env.A_B|");
        assert_eq!(
            set("a.labels.org.x.source=y").unwrap(),
            "a|labels.org.x.source|y"
        );
        assert_eq!(
            set("a.pyton-version=3").unwrap_err(),
            "unknown field `pyton-version`, did you mean `python-version`?"
        );
        assert_eq!(
            set("a.envv.X=1").unwrap_err(),
            "unknown field `envv`, did you mean `env`?"
        );
        assert!(set("train").unwrap_err().contains("image.field=value"));
        assert!(set("train=1").is_err() && set(".user=x").is_err());
        assert_eq!(
            Overrides::parse_var("a=b=c"),
            Ok(("a".into(), "b=c".into()))
        );
        assert!(Overrides::parse_var("a").is_err() && Overrides::parse_var("1=2").is_err());
    }
}
