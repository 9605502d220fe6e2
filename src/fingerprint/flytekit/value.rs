//! The Python values that fields of an `ImageSpec` may hold.
//!
//! Fields that flytekit does not validate are of this type too, because a float or date from YAML is hashed as what it
//! is.

/// A Python value.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `None`: the field is not set.
    #[default]
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Text(String),
    /// A `list`.
    List(Vec<Value>),
    /// A `tuple`.
    Tuple(Vec<Value>),
    /// A `dict` with string keys, in insertion order.
    Dict(Vec<(String, Value)>),
    /// Any other object, as its `repr`: `datetime.date(2024, 1, 1)`.
    Object(String),
}

impl Value {
    /// Whether the field is not set.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Python's truth value; other objects count as true.
    pub fn is_true(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) | Self::Tuple(items) => !items.is_empty(),
            Self::Dict(items) => !items.is_empty(),
            Self::Object(_) => true,
        }
    }

    /// The string, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The strings, if it is a list of only strings.
    pub fn as_texts(&self) -> Option<Vec<String>> {
        let Self::List(items) = self else { return None };
        let text = |item: &Self| item.as_text().map(str::to_owned);
        items.iter().map(text).collect()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_things_and_zeros_are_false() {
        let falsy = [
            Value::None,
            false.into(),
            0.into(),
            (-0.0).into(),
            "".into(),
            Value::List(Vec::new()),
            Value::Tuple(Vec::new()),
            Value::Dict(Vec::new()),
        ];
        assert!(falsy.iter().all(|value| !value.is_true()));
        let truthy = ["0".into(), vec![""].into(), f64::NAN.into()];
        assert!(truthy.iter().all(Value::is_true));
    }

    #[test]
    fn only_a_list_of_texts_has_texts() {
        assert_eq!(
            Value::from(vec!["a"]).as_texts(),
            Some(vec!["a".to_owned()])
        );
        assert_eq!(Value::from(vec![1_i64]).as_texts(), None);
        assert_eq!(Value::Tuple(vec!["a".into()]).as_texts(), None);
        assert_eq!(Value::from("a").as_texts(), None);
    }
}
