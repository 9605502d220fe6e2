//! A YAML file with one ImageSpec → its image.
//!
//! Alone knows saphyr-parser. Knows no field. The choices made: a parser of events, which hands scalars over as they are
//! written and aliases unopened, so that `3.10` stays `3.10` and no file of aliases grows beyond a limit; and PyYAML's reading
//! of the rest – merge keys, the last of equal keys – since flytekit reads with it.

mod scalar;

use std::collections::BTreeMap;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use crate::diagnostic::{Diagnostic, SourceId, Sources};
use crate::import::flytekit::value::{Data, Field, Value};
use crate::import::flytekit::{self, Converter};
use crate::import::yaml::scalar::resolve;
use crate::import::{At, FLYTEKIT, Imported, Source, Surroundings, Wrong, names, place, shown};

/// Values of a file, those that aliases repeat counted each time.
const NODE_LIMIT: usize = 20_000;

/// How deep lists and mappings may stand in one another.
const DEPTH_LIMIT: usize = 32;

pub(in crate::import) fn import(
    source: &Source,
    text: &str,
    around: &Surroundings<'_>,
) -> Result<Imported, Vec<Diagnostic>> {
    let marks = Marks {
        sources: around.sources,
        id: source.id,
    };
    let pairs = spec(source, text, marks)?;
    let mut converter = Converter::new(&around.places, Vec::new());
    let stem = source.path.as_deref().and_then(Path::file_stem);
    let stem = stem.map_or("image".into(), |stem| stem.to_string_lossy());
    let id = converter.ids.fresh(&names::slug(&stem));
    converter.image(&id, fields(pairs), None);
    let version = around.flytekit.as_deref().unwrap_or(FLYTEKIT);
    Ok(Imported {
        title: source.shown.clone(),
        flytekit: Some(version.to_owned()),
        images: converter.images,
        files: Vec::new(),
        notes: converter.notes,
    })
}

/// The pairs of the ImageSpec, all of which are fields.
fn spec(
    source: &Source,
    text: &str,
    marks: Marks<'_>,
) -> Result<Vec<(Value, Value)>, Vec<Diagnostic>> {
    let value = Reader::new(text, marks).document();
    let value = value.map_err(|wrong| vec![*wrong])?;
    let at = value.at;
    let Data::Map(pairs) = value.data else {
        let what = format!("`{}` holds {}, not a mapping", source.shown, value.kind());
        let mistake = marks.at(Diagnostic::error("wrong-type", what), at, "");
        return Err(vec![mistake.help(
            "an ImageSpec's file names its fields, such as `packages: [numpy]`; one ImageSpec a file",
        )]);
    };
    let mut unknown = Vec::new();
    strangers(&pairs, marks, &mut unknown);
    if unknown.is_empty() {
        Ok(pairs)
    } else {
        Err(unknown)
    }
}

/// The pairs of a mapping as fields.
pub(in crate::import) fn fields(pairs: Vec<(Value, Value)>) -> Vec<Field> {
    let pairs = pairs.into_iter();
    let field = |(key, value): (Value, Value)| Field {
        name: key.written().unwrap_or_default().to_owned(),
        at: key.at,
        value,
    };
    pairs.map(field).collect()
}

/// Tells keys that no ImageSpec has, in nested ones too.
fn strangers(pairs: &[(Value, Value)], marks: Marks<'_>, told: &mut Vec<Diagnostic>) {
    for (key, value) in pairs {
        let name = key.written().unwrap_or("");
        if name == "base_image"
            && let Data::Map(pairs) = &value.data
        {
            strangers(pairs, marks, told);
        } else if !flytekit::FIELDS.contains(&name) {
            let what = match &key.data {
                Data::Text(_) => format!(
                    "unknown field `{}`: flytekit's ImageSpec has none",
                    shown(name)
                ),
                _ => format!("{} is no name of a field", key.kind()),
            };
            let mistake = Diagnostic::error("unknown-field", what);
            told.push(match flytekit::meant(name) {
                Some(meant) => marks.at(mistake, key.at, &format!("did you mean `{meant}`?")),
                None => marks
                    .at(mistake, key.at, "")
                    .help(format!("the fields are {}", flytekit::FIELDS.join(", "))),
            });
        }
    }
}

/// Where things stand in the file.
#[derive(Clone, Copy)]
struct Marks<'a> {
    sources: &'a Sources,
    id: SourceId,
}

impl Marks<'_> {
    fn at(self, mistake: Diagnostic, at: At, text: &str) -> Diagnostic {
        mistake.at(place(self.sources, self.id, at), text)
    }

    fn wrong(self, code: &'static str, message: &str, at: At) -> Diagnostic {
        self.at(Diagnostic::error(code, message), at, "")
    }

    fn not_yaml(self, error: &ScanError) -> Diagnostic {
        let at = At::new(error.marker().line(), error.marker().col() + 1);
        let mistake = Diagnostic::error("not-yaml", "this is no YAML");
        self.at(mistake, at, error.info())
    }
}

fn begin(span: &Span) -> At {
    At::new(span.start.line(), span.start.col() + 1)
}

/// Builds values of the parser's events.
struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    marks: Marks<'t>,
    /// Values by anchor, with how many they are.
    anchors: BTreeMap<usize, (Value, usize)>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, marks: Marks<'t>) -> Self {
        Self {
            parser: Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)),
            marks,
            anchors: BTreeMap::new(),
            nodes: 0,
        }
    }

    /// The one value of the file.
    fn document(mut self) -> Result<Value, Wrong> {
        let mut value = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if value.is_some() => {
                    let second =
                        self.marks
                            .wrong("several", "a second document begins", begin(&span));
                    return Err(second
                        .help("one ImageSpec a file: flytekit reads no more either")
                        .into());
                }
                Event::DocumentStart(_)
                | Event::Nothing
                | Event::StreamStart
                | Event::DocumentEnd => {}
                event => value = Some(self.node(event, &span, 0)?),
            }
        }
        Ok(value.unwrap_or_else(|| Value {
            data: Data::Null,
            at: At::default(),
        }))
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Wrong> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.marks.not_yaml(&error).into()),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: &Span, depth: usize) -> Result<Value, Wrong> {
        let at = begin(span);
        if depth > DEPTH_LIMIT {
            return Err(self
                .marks
                .wrong(
                    "too-deep",
                    "lists and mappings stand too deep in one another",
                    at,
                )
                .into());
        }
        self.count(1, at)?;
        let before = self.nodes;
        let (data, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, at),
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style, tag.as_deref(), at)?, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.known(tag.as_deref(), &["seq"], at)?;
                (Data::List(self.list(depth)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.known(tag.as_deref(), &["map"], at)?;
                (Data::Map(self.map(depth)?), anchor)
            }
            _ => (Data::Null, 0),
        };
        let value = Value { data, at };
        if anchor != 0 {
            let size = self.nodes - before + 1;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(value)
    }

    fn count(&mut self, nodes: usize, at: At) -> Result<(), Wrong> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= NODE_LIMIT {
            return Ok(());
        }
        let message = format!("the file grows beyond {NODE_LIMIT} values");
        let mistake = self.marks.wrong("too-large", &message, at);
        Err(mistake
            .help("aliases (`*name`) count as what they repeat")
            .into())
    }

    fn alias(&mut self, anchor: usize, at: At) -> Result<Value, Wrong> {
        let Some((value, size)) = self.anchors.get(&anchor) else {
            return Err(self
                .marks
                .wrong("not-yaml", "an alias stands inside of what it repeats", at)
                .into());
        };
        let (size, mut value) = (
            *size,
            if self.nodes + size > NODE_LIMIT {
                Value {
                    data: Data::Null,
                    at,
                }
            } else {
                value.clone()
            },
        );
        self.count(size, at)?;
        value.at = at;
        Ok(value)
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: At,
    ) -> Result<Data, Wrong> {
        self.known(
            tag,
            &["str", "int", "float", "bool", "null", "timestamp"],
            at,
        )?;
        Ok(match tag.map(|tag| tag.suffix.as_str()) {
            None if style == ScalarStyle::Plain => resolve(text),
            None | Some("str" | "") => Data::Text(text.to_owned()),
            Some(_) => resolve(text),
        })
    }

    /// Refuses tags that PyYAML's safe loader refuses.
    fn known(&self, tag: Option<&Tag>, known: &[&str], at: At) -> Result<(), Wrong> {
        let Some(tag) = tag else { return Ok(()) };
        let is_plain = tag.handle.is_empty() && tag.suffix == "!";
        if is_plain || (tag.is_yaml_core_schema() && known.contains(&tag.suffix.as_str())) {
            return Ok(());
        }
        let written = if tag.is_yaml_core_schema() {
            format!("!!{}", tag.suffix)
        } else {
            tag.to_string()
        };
        let message = format!("the tag `{}` has no meaning here", shown(&written));
        Err(self.marks.wrong("unknown-tag", &message, at).into())
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, Wrong> {
        let mut values = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(values),
                (event, span) => values.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Value, Value)>, Wrong> {
        let (mut own, mut merged) = (Vec::new(), Vec::new());
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, &span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            if is_merge {
                merged.extend(self.merged(value)?);
            } else {
                own.push((key, value));
            }
        }
        merged.extend(own);
        Ok(as_dict(merged))
    }

    /// The pairs that `<<` brings: of a mapping, or of several, the first of which counts and so comes last.
    fn merged(&self, value: Value) -> Result<Vec<(Value, Value)>, Wrong> {
        let at = value.at;
        match value.data {
            Data::Map(pairs) => Ok(pairs),
            Data::List(values) if values.iter().all(|it| matches!(it.data, Data::Map(_))) => {
                let maps = values.into_iter().rev().map(|value| self.merged(value));
                Ok(maps.collect::<Result<Vec<_>, _>>()?.concat())
            }
            _ => Err(self
                .marks
                .wrong("not-yaml", "`<<` takes a mapping", at)
                .into()),
        }
    }
}

/// Of equal keys, as in Python's dict, the first gives the place and the last the value.
fn as_dict(pairs: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let mut dict: Vec<(Value, Value)> = Vec::new();
    for (key, value) in pairs {
        match dict.iter_mut().find(|(before, _)| before.data == key.data) {
            Some(before) => before.1 = value,
            None => dict.push((key, value)),
        }
    }
    dict
}
