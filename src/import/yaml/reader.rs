//! Reads YAML as PyYAML does, because that is what flytekit uses.
//!
//! Built on events, which deliver scalars as written and aliases unexpanded: `3.10` stays `3.10`, and a file of aliases
//! cannot grow beyond a limit. Merge keys are applied here; of equal keys, the last wins.

use std::collections::BTreeMap;

use super::scalar::resolve;
use crate::diagnostic::{Diagnostic, SourceId, Sources, shown};
use crate::import::flytekit::{SpecData, SpecValue};
use crate::import::imported::At;
use crate::import::input::place;
use crate::yaml::{Begin, Event, Events, NotYaml, ScalarStyle, Tag};

/// The maximum number of values in a file, counting those of an alias each time.
const MAX_NODES: usize = 20_000;

const MAX_DEPTH: usize = 32;

type Pairs = Vec<(SpecValue, SpecValue)>;
type Read<T> = Result<T, Box<Diagnostic>>;

#[derive(Clone, Copy)]
pub(super) struct Marks<'a> {
    pub sources: &'a Sources,
    pub id: SourceId,
}

impl Marks<'_> {
    pub(super) fn at(self, mistake: Diagnostic, at: At, text: &str) -> Diagnostic {
        mistake.at(place(self.sources, self.id, at), text)
    }

    fn error<T>(self, code: &'static str, message: &str, at: At) -> Read<T> {
        Err(self.at(Diagnostic::error(code, message), at, "").into())
    }

    fn not_yaml(self, error: &NotYaml) -> Diagnostic {
        self.at(NotYaml::mistake(), position(error.at), &error.why)
    }
}

fn position(begin: Begin) -> At {
    At {
        line: Some(begin.line),
        column: Some(begin.column),
    }
}

pub(super) struct YamlReader<'t> {
    events: Events<'t>,
    marks: Marks<'t>,
    /// Values by anchor, each with the number of nodes in it.
    anchors: BTreeMap<usize, (SpecValue, usize)>,
    nodes: usize,
}

impl<'t> YamlReader<'t> {
    pub(super) fn new(text: &'t str, marks: Marks<'t>) -> Self {
        Self {
            events: Events::new(text),
            marks,
            anchors: BTreeMap::new(),
            nodes: 0,
        }
    }

    pub(super) fn document(mut self) -> Read<SpecValue> {
        let mut value = None;
        loop {
            let (event, begin) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if value.is_some() => {
                    let second = Diagnostic::error("several", "a second document begins here");
                    let second = self.marks.at(second, position(begin), "");
                    return Err(second.help("write one ImageSpec per file").into());
                }
                Event::DocumentStart(_)
                | Event::Nothing
                | Event::StreamStart
                | Event::DocumentEnd => {}
                event => value = Some(self.node(event, begin, 0)?),
            }
        }
        Ok(value.unwrap_or_else(|| null(At::default())))
    }

    fn next(&mut self) -> Read<(Event<'t>, Begin)> {
        let next = self.events.next();
        next.map_err(|error| self.marks.not_yaml(&error).into())
    }

    fn node(&mut self, event: Event<'t>, begin: Begin, depth: usize) -> Read<SpecValue> {
        let at = position(begin);
        if depth > MAX_DEPTH {
            let message = "lists and mappings are nested too deeply";
            return self.marks.error("too-deep", message, at);
        }
        self.count(1, at)?;
        let before = self.nodes;
        let (data, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, at),
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style, tag.as_deref(), at)?, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), &["seq"], at)?;
                (SpecData::List(self.list(depth)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), &["map"], at)?;
                (SpecData::Map(self.map(depth)?), anchor)
            }
            _ => (SpecData::Null, 0),
        };
        let value = SpecValue { data, at };
        if anchor != 0 {
            let size = self.nodes - before + 1;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(value)
    }

    fn count(&mut self, nodes: usize, at: At) -> Read<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        let message = format!("the file has more than {MAX_NODES} values");
        let mistake = Diagnostic::error("too-large", message);
        let mistake = self.marks.at(mistake, at, "");
        let help = "an alias (`*name`) counts as often as it repeats its values";
        Err(mistake.help(help).into())
    }

    fn alias(&mut self, anchor: usize, at: At) -> Read<SpecValue> {
        let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
            let message = "an alias is inside the value that it repeats";
            return self.marks.error("not-yaml", message, at);
        };
        // Check before copying.
        self.count(size, at)?;
        let value = self.anchors.get(&anchor);
        Ok(value.map_or_else(
            || null(at),
            |(value, _)| SpecValue {
                at,
                ..value.clone()
            },
        ))
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: At) -> Read<SpecData> {
        let known = ["str", "int", "float", "bool", "null", "timestamp"];
        self.check_tag(tag, &known, at)?;
        Ok(match tag.map(|tag| tag.suffix.as_str()) {
            None if style == ScalarStyle::Plain => resolve(text),
            None | Some("str" | "") => SpecData::Text(text.to_owned()),
            Some(_) => resolve(text),
        })
    }

    /// Rejects the tags that PyYAML's safe loader rejects.
    fn check_tag(&self, tag: Option<&Tag>, known: &[&str], at: At) -> Read<()> {
        let Some(tag) = tag else { return Ok(()) };
        let is_core = tag.is_yaml_core_schema();
        let is_plain = tag.handle.is_empty() && tag.suffix == "!";
        if is_plain || (is_core && known.contains(&tag.suffix.as_str())) {
            return Ok(());
        }
        let written = if is_core {
            format!("!!{}", tag.suffix)
        } else {
            tag.to_string()
        };
        let message = format!("unknown tag `{}`", shown(&written));
        self.marks.error("unknown-tag", &message, at)
    }

    fn list(&mut self, depth: usize) -> Read<Vec<SpecValue>> {
        let mut values = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(values),
                (event, begin) => values.push(self.node(event, begin, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Read<Pairs> {
        let (mut own, mut merged) = (Vec::new(), Vec::new());
        loop {
            let (event, begin) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, begin, depth + 1)?;
            let (event, begin) = self.next()?;
            let value = self.node(event, begin, depth + 1)?;
            if is_merge {
                merged.extend(self.merged(value)?);
            } else {
                own.push((key, value));
            }
        }
        merged.extend(own);
        Ok(as_dict(merged))
    }

    /// The entries that `<<` merges in. Of several mappings, the first takes precedence and so comes last.
    fn merged(&self, value: SpecValue) -> Read<Pairs> {
        let is_map = |value: &SpecValue| matches!(value.data, SpecData::Map(_));
        match value.data {
            SpecData::Map(pairs) => Ok(pairs),
            SpecData::List(values) if values.iter().all(is_map) => {
                let maps = values.into_iter().rev().map(|value| self.merged(value));
                Ok(maps.collect::<Read<Vec<_>>>()?.concat())
            }
            _ => self
                .marks
                .error("not-yaml", "`<<` takes a mapping", value.at),
        }
    }
}

fn null(at: At) -> SpecValue {
    let data = SpecData::Null;
    SpecValue { data, at }
}

/// As in a Python dict, the first of equal keys determines the position and the last the value.
fn as_dict(pairs: Pairs) -> Pairs {
    let mut dict = Pairs::new();
    for (key, value) in pairs {
        match dict.iter_mut().find(|(before, _)| before.data == key.data) {
            Some(before) => before.1 = value,
            None => dict.push((key, value)),
        }
    }
    dict
}
