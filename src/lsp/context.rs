//! What is being typed at a place of a manifest that is not finished: a node, a property or a value, and of which node.
//!
//! Only the text before the place is looked at, as the parser's own tokens, so that what is still missing does not matter.

use crate::diagnostic::Sources;
use crate::manifest::{Token, TokenKind, tokens};

/// What is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) slot: Slot,
    /// The names of the nodes around it, from the outermost. Of a property or a value, the last one is its own node.
    pub(super) way: Vec<String>,
    /// What has been typed of it.
    pub(super) typed: String,
    /// Where that begins.
    pub(super) start: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    /// The name of a node.
    Node,
    /// A value without quotes, or the name of a property.
    Word,
    /// A value in quotes: an argument.
    Argument,
    /// The value of this property.
    Property { name: String, is_quoted: bool },
    /// A name in `{{ }}`. Whether a space is there already.
    Variable { is_spaced: bool },
}

/// What is being typed at the end of a text; `None` in a comment and behind a finished value.
pub(super) fn at_end(text: &str) -> Option<Context> {
    let tokens = tokens(text, Sources::default().add("", ""));
    let (partial, before) = match tokens.split_last() {
        Some((last, before)) if last.kind == TokenKind::Value => (Some(last), before),
        Some((last, _)) if is_comment(last, text) => return None,
        _ => (None, tokens.as_slice()),
    };
    let mut walk = Walk::default();
    for token in before {
        walk.step(token, text);
    }
    let start = partial.map_or(text.len(), |token| token.span.start);
    let typed = &text[start..];
    let property = walk.property(text);
    if let Some(quoted) = typed.strip_prefix('"') {
        if quoted.ends_with('"') && !quoted.ends_with("\\\"") {
            return None;
        }
        let start = start + 1;
        if let Some(context) = walk.variable(quoted, start) {
            return Some(context);
        }
        let slot = match property {
            Some(name) => Slot::Property {
                name,
                is_quoted: true,
            },
            None if walk.node.is_none() => return None,
            None => Slot::Argument,
        };
        return Some(walk.context(slot, quoted, start));
    }
    if typed.starts_with('#') {
        return None;
    }
    let slot = match property {
        Some(name) => Slot::Property {
            name,
            is_quoted: false,
        },
        None if walk.node.is_none() => Slot::Node,
        None => Slot::Word,
    };
    Some(walk.context(slot, typed, start))
}

fn is_comment(last: &Token, text: &str) -> bool {
    let said = &text[last.span.clone()];
    match last.kind {
        TokenKind::LineComment => true,
        TokenKind::BlockComment => !said.ends_with("*/") || said.len() < 4,
        _ => false,
    }
}

/// Follows tokens in and out of blocks.
#[derive(Default)]
struct Walk {
    /// The names of the open blocks' nodes.
    open: Vec<String>,
    /// The name of the node on whose line we are.
    node: Option<String>,
    /// The last value, and whether an equals sign follows it.
    last: Option<(Token, bool)>,
}

impl Walk {
    fn step(&mut self, token: &Token, text: &str) {
        match token.kind {
            TokenKind::Newline | TokenKind::End => self.end(),
            TokenKind::Open => {
                let node = self.node.take().unwrap_or_default();
                self.open.push(node);
                self.end();
            }
            TokenKind::Close => {
                self.open.pop();
                self.end();
            }
            TokenKind::Equals => {
                if let Some((_, is_property)) = &mut self.last {
                    *is_property = true;
                }
            }
            TokenKind::Value => {
                if self.node.is_none() {
                    let name = &text[token.span.clone()];
                    self.node = Some(name.trim_matches('"').to_owned());
                }
                self.last = Some((token.clone(), false));
            }
            TokenKind::Space
            | TokenKind::LineComment
            | TokenKind::BlockComment
            | TokenKind::Continue
            | TokenKind::Dash => {}
        }
    }

    fn end(&mut self) {
        self.node = None;
        self.last = None;
    }

    /// The property whose value comes next.
    fn property(&self, text: &str) -> Option<String> {
        let (name, _) = self.last.as_ref().filter(|(_, is_property)| *is_property)?;
        Some(text[name.span.clone()].trim_matches('"').to_owned())
    }

    /// What is typed in a `{{` that is not closed.
    fn variable(&self, quoted: &str, start: usize) -> Option<Context> {
        let open = quoted.rfind("{{")? + 2;
        let inside = &quoted[open..];
        if inside.contains("}}") {
            return None;
        }
        let typed = inside.trim_start();
        let is_spaced = typed.len() < inside.len();
        let start = start + quoted.len() - typed.len();
        Some(self.context(Slot::Variable { is_spaced }, typed, start))
    }

    fn context(&self, slot: Slot, typed: &str, start: usize) -> Context {
        let mut way = self.open.clone();
        way.extend(self.node.clone());
        Context {
            slot,
            way,
            typed: typed.to_owned(),
            start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(text: &str) -> String {
        let Some(Context {
            slot,
            way,
            typed,
            start,
        }) = at_end(text)
        else {
            return "nothing".to_owned();
        };
        assert_eq!(&text[start..], typed);
        let slot = match slot {
            Slot::Property { name, is_quoted } => format!("{name}= {is_quoted}"),
            other => format!("{other:?}"),
        };
        format!("{slot} of {} `{typed}`", way.join(" "))
    }

    #[test]
    fn what_is_typed_is_known_before_it_is_finished() {
        assert_eq!(found(""), "Node of  ``");
        assert_eq!(found("ima"), "Node of  `ima`");
        assert_eq!(found("image \"a\" { ba"), "Node of image `ba`");
        assert_eq!(
            found("image \"a\" {\n  steps {\n    "),
            "Node of image steps ``"
        );
        let before = "image \"a\" {\n  base-image ";
        let with = |more: &str| found(&format!("{before}{more}"));
        assert_eq!(with(""), "Word of image base-image ``");
        assert_eq!(with("im"), "Word of image base-image `im`");
        assert_eq!(with("\"deb"), "Argument of image base-image `deb`");
        assert_eq!(with("image="), "image= false of image base-image ``");
        assert_eq!(with("image=m"), "image= false of image base-image `m`");
        assert_eq!(with("image=\""), "image= true of image base-image ``");
        assert_eq!(with("image=\"ml-"), "image= true of image base-image `ml-`");
        assert_eq!(with("image=\"a\""), "nothing");
        assert_eq!(with("image=\"a\" "), "Word of image base-image ``");
        assert_eq!(
            with("\"{{"),
            "Variable { is_spaced: false } of image base-image ``"
        );
        assert_eq!(
            with("\"x-{{ re"),
            "Variable { is_spaced: true } of image base-image `re`"
        );
        assert_eq!(
            with("\"{{ a }}-"),
            "Argument of image base-image `{{ a }}-`"
        );
        assert_eq!(with("\\\n  \"x"), "Argument of image base-image `x`");
        assert_eq!(with("\"x\"\n}\nte"), "Node of  `te`");
        assert_eq!(with("// a"), "nothing");
        assert_eq!(with("/* a"), "nothing");
        assert_eq!(with("/* a */ \"x"), "Argument of image base-image `x`");
        assert_eq!(found("}}}{ x"), "Node of  `x`");
        assert_eq!(
            found("image \"a\" extends=\"py"),
            "extends= true of image `py`"
        );
    }
}
