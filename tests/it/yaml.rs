//! YAML as values for tests, read without the program's own code.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The documents of a text. Plain scalars that are numbers, booleans or null are such.
#[track_caller]
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let mut events: Vec<Event<'_>> = Parser::new_from_str(text.trim_start_matches('\u{feff}'))
        .map(|next| next.unwrap_or_else(|error| panic!("{error}\n{text}")).0)
        .collect();
    events.reverse();
    let mut found = Vec::new();
    while let Some(event) = events.pop() {
        if let Event::DocumentStart(_) = event {
            found.push(value(&mut events, &mut BTreeMap::new()));
        }
    }
    found
}

/// The only document of a text.
#[track_caller]
pub(crate) fn document(text: &str) -> Value {
    let [only]: [Value; 1] = documents(text).try_into().unwrap();
    only
}

fn value(events: &mut Vec<Event<'_>>, anchors: &mut BTreeMap<usize, Value>) -> Value {
    let (found, anchor) = match events.pop().unwrap() {
        Event::Alias(anchor) => return anchors[&anchor].clone(),
        Event::Scalar(text, ScalarStyle::Plain, anchor, None) => {
            let plain = match &*text {
                "" | "~" => Some(Value::Null),
                text => serde_json::from_str(text).ok(),
            };
            (plain.unwrap_or_else(|| text.into()), anchor)
        }
        Event::Scalar(text, _, anchor, _) => (text.into(), anchor),
        Event::SequenceStart(anchor, _) => {
            let mut list = Vec::new();
            while !matches!(events.last(), Some(Event::SequenceEnd)) {
                list.push(value(events, anchors));
            }
            events.pop();
            (Value::Array(list), anchor)
        }
        Event::MappingStart(anchor, _) => {
            let mut map = Map::new();
            while !matches!(events.last(), Some(Event::MappingEnd)) {
                let key = value(events, anchors);
                let key = key.as_str().map_or(key.to_string(), str::to_owned);
                let before = map.insert(key.clone(), value(events, anchors));
                assert_eq!(before, None, "`{key}` is there twice");
            }
            events.pop();
            (Value::Object(map), anchor)
        }
        other => panic!("{other:?}"),
    };
    if anchor != 0 {
        anchors.insert(anchor, found.clone());
    }
    found
}
