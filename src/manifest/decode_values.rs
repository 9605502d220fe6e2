//! The fields that are texts: one, several, or named ones.

use std::collections::BTreeMap;

use super::decode::Decoder;
use super::fields::Field;
use super::notes::{Text, quoted, shown};
use super::rules;
use super::syntax::{Data, Node, Value, Word};
use crate::diagnostic::Diagnostic;
use crate::reference::{self, Refused};

impl Decoder<'_> {
    /// The one value of a field.
    pub(super) fn one(&mut self, field: &Field, node: &Node) -> Option<Text> {
        self.only_props(node, &["reset"]);
        self.no_block(node);
        let Some(value) = node.args.first() else {
            self.missing(field, node);
            return None;
        };
        if let Some(second) = node.args.get(1) {
            self.notes.tell(
                Diagnostic::error(
                    "too-many-arguments",
                    format!("`{}` takes one value", field.name),
                )
                .at(second.place.clone(), "one too many"),
            );
        }
        self.checked(field.name, field.rule, value)
    }

    pub(super) fn words(&mut self, field: &Field, node: &Node) -> Option<Vec<Text>> {
        self.only_props(node, &["reset"]);
        self.no_block(node);
        // An empty entrypoint means something: that of the base is taken away.
        if node.args.is_empty() && field.name == "platform" {
            self.missing(field, node);
            return None;
        }
        let texts = self.texts(field, node)?;
        if field.name == "platform" {
            self.platforms_once(&texts);
        }
        Some(texts)
    }

    fn platforms_once(&mut self, platforms: &[Text]) {
        let mut first: BTreeMap<&str, &Text> = BTreeMap::new();
        for text in platforms {
            if let Some(before) = first.insert(&text.text, text) {
                self.notes.tell(
                    Diagnostic::error("duplicate-field", format!("`{}` stands twice", text.text))
                        .at(text.place.clone(), "again here")
                        .with(before.place.clone(), "first here"),
                );
            }
        }
    }

    pub(super) fn list(&mut self, field: &Field, node: &Node) -> Option<Vec<Text>> {
        self.only_props(node, &["reset"]);
        self.no_block(node);
        if node.args.is_empty() && node.block.is_none() {
            self.missing(field, node);
        }
        self.texts(field, node)
    }

    /// All arguments; none when one of them is wrong.
    fn texts(&mut self, field: &Field, node: &Node) -> Option<Vec<Text>> {
        let texts: Vec<Option<Text>> = node
            .args
            .iter()
            .map(|value| self.checked(field.name, field.rule, value))
            .collect();
        texts.into_iter().collect()
    }

    /// A value that a rule takes.
    pub(super) fn checked(
        &mut self,
        what: &str,
        rule: fn(&str) -> Result<(), Refused>,
        value: &Value,
    ) -> Option<Text> {
        let text = self.scope.text(value, what, self.notes)?;
        let refused = rules::any(&text.text).and_then(|()| rule(&text.text));
        match refused {
            Ok(()) => Some(text),
            Err(refused) => {
                self.notes.tell(refusal(what, &text, refused));
                None
            }
        }
    }

    pub(super) fn map(&mut self, field: &Field, node: &Node) -> Vec<(Text, Text)> {
        let mut pairs = Vec::new();
        for prop in node
            .props
            .iter()
            .filter(|prop| prop.name.text != "reset" || prop.value.data != Data::Bool(true))
        {
            if prop.name.text != "reset" {
                let name = name_of(&prop.name);
                pairs.extend(self.pair(field, name, &prop.value));
            }
        }
        for child in &node.children {
            self.only_props(child, &[]);
            self.no_block(child);
            let name = name_of(&child.name);
            match child.args.as_slice() {
                [value] => pairs.extend(self.pair(field, name, value)),
                args => {
                    let place = args.get(1).map_or(&name.place, |second| &second.place);
                    self.notes.tell(
                        Diagnostic::error(
                            "missing-argument",
                            format!("`{}` takes one value", shown(&name.text)),
                        )
                        .at(place.clone(), ""),
                    );
                }
            }
        }
        for value in &node.args {
            self.not_a_pair(field, value);
        }
        if node.args.is_empty() && node.props.is_empty() && node.children.is_empty() {
            self.missing(field, node);
        }
        pairs
    }

    fn pair(&mut self, field: &Field, name: Text, value: &Value) -> Option<(Text, Text)> {
        if let Err(refused) = (field.rule)(&name.text) {
            self.notes.tell(
                Diagnostic::error(
                    "invalid-value",
                    format!(
                        "`{}` cannot have an entry `{}`",
                        field.name,
                        shown(&name.text)
                    ),
                )
                .at(name.place, refused.why),
            );
            return None;
        }
        // The images of helper programs.
        let rule = match field.name {
            "builder-config" => reference::check_reference,
            _ => rules::any,
        };
        let text = self.checked(&name.text, rule, value)?;
        Some((name, text))
    }

    /// `env "A=b"`, as other tools write it.
    fn not_a_pair(&mut self, field: &Field, value: &Value) {
        let mistake = Diagnostic::error(
            "wrong-type",
            format!("`{}` takes names with values", field.name),
        );
        let mend = match &value.data {
            Data::Text { text, .. } => text.split_once('='),
            _ => None,
        }
        .filter(|(name, _)| (field.rule)(name).is_ok());
        self.notes.tell(match mend {
            Some((name, text)) => mistake
                .at(value.place.clone(), "")
                .fix(value.place.clone(), format!("{name}={}", quoted(text))),
            None => mistake
                .at(value.place.clone(), "")
                .help(format!("write `{} NAME=\"value\"`", field.name)),
        });
    }
}

/// A value that a rule refuses.
fn refusal(what: &str, text: &Text, refused: Refused) -> Diagnostic {
    if text.text.is_empty() {
        return Diagnostic::error("invalid-value", format!("`{what}` cannot be empty"))
            .at(text.place.clone(), "");
    }
    refused_as(
        format!("`{what}` cannot be `{}`", shown(&text.text)),
        text,
        refused,
    )
}

/// A name that a rule refuses.
pub(super) fn misnamed(what: &str, text: &Text, refused: Refused) -> Diagnostic {
    refused_as(
        format!("{what} cannot be called `{}`", shown(&text.text)),
        text,
        refused,
    )
}

fn refused_as(message: String, text: &Text, refused: Refused) -> Diagnostic {
    let mistake = Diagnostic::error("invalid-value", message).at(text.place.clone(), refused.why);
    match refused.mend {
        Some(mend) if text.plain => mistake.fix(text.place.clone(), quoted(&mend)),
        Some(mend) => mistake.help(format!("it should probably be `{}`", shown(&mend))),
        None => mistake,
    }
}

fn name_of(word: &Word) -> Text {
    Text {
        text: word.text.clone(),
        place: word.place.clone(),
        plain: true,
    }
}
