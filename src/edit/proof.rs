//! The final verification of an edited text: that it makes the requested change and no other.

use super::item::Entry;
use super::layout::comment_in;
use super::target::Target;
use crate::manifest::{self, Data, Node, Token, TokenKind, Value, same};
use crate::session::Refusal;

/// Verifies that the tree is unchanged outside the field's own nodes, that these have exactly the given values, and that no
/// comment was lost.
pub(super) fn prove(target: &Target<'_>, text: &str, values: &[Entry]) -> Result<(), Refusal> {
    let (nodes, mistakes) = manifest::parse(text, target.source);
    let comments = comments(text, &manifest::tokens(text, target.source));
    let is_sound = mistakes.is_empty()
        && comments == self::comments(target.text, &target.tokens)
        && is_meant(target, &nodes, values, text);
    if is_sound {
        return Ok(());
    }
    let (field, of, path) = (target.field.name, target.of, target.path);
    Err(Refusal::usage(
        format!("`{field}` of {of} must be edited by hand"),
        format!("an automatic edit of `{path}` would change more than was requested"),
    ))
}

fn is_meant(target: &Target<'_>, nodes: &[Node], values: &[Entry], text: &str) -> bool {
    let others = |nodes: &[Node]| {
        let mut nodes = nodes.to_vec();
        if let Some(holder) = nodes.get_mut(target.at) {
            holder
                .children
                .retain(|child| child.name.text != target.field.name);
            // The edit may give it its block.
            holder.block = None;
        }
        nodes
    };
    let Some(holder) = nodes.get(target.at) else {
        return false;
    };
    let own = holder
        .children
        .iter()
        .filter(|child| child.name.text == target.field.name);
    let mut found: Vec<Entry> = own.flat_map(|node| entries(node, text)).collect();
    let mut meant = values.to_vec();
    if values.iter().any(|(key, _)| key.is_some()) {
        // Map entries may be on the node's line or in its block.
        found.sort();
        meant.sort();
    }
    same(&others(nodes), &others(&target.nodes)) && found == meant
}

fn entries(node: &Node, text: &str) -> Vec<Entry> {
    let read = |value: &Value| match &value.data {
        Data::Text { text, .. } => text.clone(),
        _ => text[value.place.span()].to_owned(),
    };
    let args = node.args.iter().map(|value| (None, read(value)));
    let props = node.props.iter().filter(|prop| prop.name.text != "reset");
    let props = props.map(|prop| (Some(prop.name.text.clone()), read(&prop.value)));
    let children = node.children.iter().map(|child| {
        let value = child.args.first().map_or_else(String::new, read);
        (Some(child.name.text.clone()), value)
    });
    args.chain(props).chain(children).collect()
}

/// All comments of a text, and the number of commented-out parts.
pub(super) fn comments<'t>(text: &'t str, tokens: &[Token]) -> (Vec<&'t str>, usize) {
    let comment = |token: &Token| {
        let content = &text[token.span.clone()];
        match token.kind {
            TokenKind::LineComment => Some(content.trim_end()),
            TokenKind::BlockComment => Some(content),
            TokenKind::Continue => comment_in(content),
            _ => None,
        }
    };
    let dashes = tokens.iter().filter(|token| token.kind == TokenKind::Dash);
    (tokens.iter().filter_map(comment).collect(), dashes.count())
}
