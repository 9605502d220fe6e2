//! Replaces, removes and adds values of a single node using the `kdl` crate's document model, leaving everything between them
//! unchanged.
//!
//! The crate is given only single nodes, up to their last value, that our own parser has already read: it would lose what
//! follows a block on its line, and its run time doubles with each level of nested `/-{` (docs/design/kdl.md).

use kdl::{KdlEntry, KdlEntryFormat, KdlIdentifier, KdlNode, KdlValue};

use crate::manifest::write::word;

pub(super) struct Piece {
    node: KdlNode,
}

pub(super) struct Written {
    pub text: String,
    pub written: String,
}

impl Piece {
    /// Parses a node; `None` if the crate would not reproduce its text exactly.
    pub(super) fn read(written: &str) -> Option<Self> {
        let node = KdlNode::parse(written).ok()?;
        (node.to_string() == written).then_some(Self { node })
    }

    pub(super) fn text(&self) -> String {
        self.node.to_string()
    }

    /// The index, among all entries, of the `at`th argument or property.
    fn entry(&self, at: usize, is_named: bool) -> Option<usize> {
        let entries = self.node.entries().iter().enumerate();
        let mut of_kind = entries.filter(|(_, entry)| entry.name().is_some() == is_named);
        of_kind.nth(at).map(|(at, _)| at)
    }

    pub(super) fn replace(&mut self, at: usize, is_named: bool, value: &Written) {
        let Some(at) = self.entry(at, is_named) else {
            return;
        };
        let entry = &mut self.node.entries_mut()[at];
        entry.set_value(KdlValue::String(value.text.clone()));
        let mut format = entry.format().cloned().unwrap_or_default();
        format.value_repr.clone_from(&value.written);
        entry.set_format(format);
    }

    /// Removes a value but keeps the comments before it.
    pub(super) fn remove(&mut self, at: usize, is_named: bool) {
        let Some(at) = self.entry(at, is_named) else {
            return;
        };
        let gone = self.node.entries_mut().remove(at);
        let before = gone.format().map_or("", |format| &format.leading);
        let has_comment = before.contains('/');
        let Some(next) = self.node.entries_mut().get_mut(at) else {
            if has_comment && let Some(format) = self.node.format_mut() {
                format
                    .before_terminator
                    .insert_str(0, before.trim_end_matches(' '));
            }
            return;
        };
        let mut format = next.format().cloned().unwrap_or_default();
        if has_comment {
            format.leading = format!("{}{}", before.trim_end_matches(' '), format.leading);
        } else if at == 0 && !format.leading.contains('/') {
            before.clone_into(&mut format.leading);
        }
        next.set_format(format);
    }

    /// The text that precedes a value placed on a line of its own; `None` if no value of the node is.
    pub(super) fn own_line(&self) -> Option<String> {
        let leads = self.node.entries().iter().rev();
        let leads = leads.filter_map(|entry| entry.format().map(|format| format.leading.as_str()));
        leads.filter(|lead| lead.contains('\\')).find_map(|lead| {
            let (before, indent) = lead.rsplit_once('\n')?;
            let end = if before.ends_with('\r') { "\r\n" } else { "\n" };
            Some(format!(" \\{end}{indent}"))
        })
    }

    /// Appends a value, preceded by `before`.
    pub(super) fn push(&mut self, key: Option<&str>, value: &Written, before: &str) {
        let text = KdlValue::String(value.text.clone());
        let mut entry = match key {
            None => KdlEntry::new(text),
            Some(key) => {
                let mut name = KdlIdentifier::from(key);
                name.set_repr(word(key));
                KdlEntry::new_prop(name, text)
            }
        };
        entry.set_format(KdlEntryFormat {
            value_repr: value.written.clone(),
            leading: before.to_owned(),
            ..KdlEntryFormat::default()
        });
        self.node.entries_mut().push(entry);
    }
}
