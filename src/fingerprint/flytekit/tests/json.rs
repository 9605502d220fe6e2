//! Parses JSON into Python values, preserving the order of mappings (which `serde_json::Value` does not).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::fingerprint::flytekit::Value;

/// Parses a JSON text.
pub(super) fn read(text: &str) -> Value {
    serde_json::from_str::<Json>(text).unwrap().0
}

impl Value {
    /// The value under a key; `None` if there is none.
    pub(in crate::fingerprint::flytekit) fn at(&self, name: &str) -> &Value {
        const NOTHING: &Value = &Value::None;
        let found = self.items().iter().find(|(key, _)| key == name);
        found.map_or(NOTHING, |(_, value)| value)
    }

    /// The string under a key.
    #[track_caller]
    pub(in crate::fingerprint::flytekit) fn text(&self, name: &str) -> &str {
        self.at(name).as_text().expect(name)
    }

    /// The items of a mapping; empty for other values.
    pub(super) fn items(&self) -> &[(String, Value)] {
        match self {
            Value::Dict(items) => items,
            _ => &[],
        }
    }
}

struct Json(Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.try_into().unwrap()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Json(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some((key, Json(value))) = map.next_entry()? {
            items.push((key, value));
        }
        Ok(Value::Dict(items))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}
