//! Parses nodes, arguments, properties and blocks, and resynchronizes after mistakes.

use super::cursor::{
    Cursor, DEPTH_LIMIT, Noted, begins_forbidden, is_forbidden, is_newline, is_space, syntax,
};
use super::node::{Data, Node, Prop, Value};
use crate::diagnostic::{Diagnostic, Place, SourceId, Spanned};

pub(super) fn document(
    text: &str,
    source: SourceId,
    parts: &mut usize,
) -> (Vec<Node>, Vec<Diagnostic>) {
    let mut cursor = Cursor::new(text, source);
    cursor.parts = *parts;
    cursor.forbidden_characters();
    let mut nodes = cursor.nodes(None);
    if !cursor.sound {
        nodes.clear();
    }
    *parts = cursor.parts;
    (nodes, cursor.mistakes)
}

impl Cursor<'_> {
    fn forbidden_characters(&mut self) {
        let text = self.text;
        // Most texts have none. All bytes are looked at without a branch, which is many times as fast as stopping at the first.
        let bytes = text.bytes();
        if !bytes.fold(false, |found, byte| found | begins_forbidden(byte)) {
            return;
        }
        for (at, c) in text.char_indices().filter(|(_, c)| is_forbidden(*c)) {
            let place = self.place(at, at + c.len_utf8());
            let code = u32::from(c);
            let message = format!("the character U+{code:04X} is not allowed in a manifest");
            let help = format!("if it is intended, write `\\u{{{code:x}}}` in a quoted string");
            self.note(syntax(message, place, "an invisible control character").help(help));
            if self.given_up {
                return;
            }
        }
    }

    /// Parses nodes up to the end of the text, or of the block opened at `opened`.
    fn nodes(&mut self, opened: Option<Place>) -> Vec<Node> {
        let mut nodes = Vec::new();
        loop {
            self.line_space();
            match self.peek() {
                None => {
                    if let Some(opened) = opened
                        && !self.given_up
                    {
                        self.sound = false;
                        self.note(
                            syntax("a block is never closed", opened, "opened here")
                                .help("close it with `}`"),
                        );
                    }
                    return nodes;
                }
                Some(';') => self.at += 1,
                Some('}') => {
                    let place = self.here();
                    self.at += 1;
                    if opened.is_some() {
                        return nodes;
                    }
                    self.sound = false;
                    self.note(syntax("unmatched `}`", place, "no block is open here"));
                }
                Some(_) => nodes.extend(self.node()),
            }
        }
    }

    /// Parses a node with its terminator; `None` if it is commented out or has no name.
    fn node(&mut self) -> Option<Node> {
        self.count_part();
        if self.given_up {
            return None;
        }
        let commented = self.eat("/-");
        if commented {
            self.line_space();
        }
        self.annotation();
        let name = self.name();
        let mut whole = name.is_ok();
        let mut node = Node::named(name.unwrap_or_else(|Noted| Spanned::plain("", self.here())));
        if !whole {
            self.skip_line();
        }
        while let Some(part) = self.part(&mut node) {
            if part.is_err() {
                whole = false;
                self.skip_line();
            }
        }
        // A growing list has room for at least four: the nodes of 10,000 images would take twice the memory.
        node.args.shrink_to_fit();
        node.props.shrink_to_fit();
        node.children.shrink_to_fit();
        (whole && !commented).then_some(node)
    }

    fn name(&mut self) -> Result<Spanned, Noted> {
        if self.peek() == Some('{') {
            let place = self.here();
            return Err(self.note(
                syntax(
                    "a block without a node",
                    place,
                    "there is nothing before it",
                )
                .help("the `{` of a node must be on the same line as the node"),
            ));
        }
        let value = self.value()?;
        match value.data {
            Data::Text { text, .. } => Ok(Spanned::plain(text, value.place)),
            _ => Err(self.note(syntax(
                "a node must begin with a name",
                value.place,
                "this is a value",
            ))),
        }
    }

    /// Parses the next argument, property or block of a node; `None` at its end.
    fn part(&mut self, node: &mut Node) -> Option<Result<(), Noted>> {
        let spaced = self.node_space();
        match self.peek() {
            None | Some('}') => None,
            Some(';') => {
                self.at += 1;
                None
            }
            Some(c) if is_newline(c) => {
                self.newline();
                None
            }
            _ if self.starts("//") => None,
            _ if self.eat("/-") => {
                self.line_space();
                Some(if self.peek() == Some('{') {
                    self.block();
                    Ok(())
                } else {
                    self.entry(&mut Node::named(node.name.clone()))
                })
            }
            Some('{') if node.block.is_none() => {
                let (place, children) = self.block();
                node.block = Some(place);
                node.children = children;
                Some(Ok(()))
            }
            Some(c) if node.block.is_some() => {
                let place = self.here();
                if c == '{' {
                    self.block();
                }
                Some(Err(self.note(
                    syntax("nothing may follow a block on its line", place, "")
                        .help("arguments and properties come before the `{`; a new node begins on a new line or after `;`"),
                )))
            }
            Some(_) if !spaced => Some(self.unspaced()),
            Some(_) => Some(self.entry(node)),
        }
    }

    fn block(&mut self) -> (Place, Vec<Node>) {
        let place = self.here();
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            self.too_deep(place.start(), "blocks", "block");
        }
        let children = self.nodes(Some(place));
        self.depth -= 1;
        (place, children)
    }

    fn entry(&mut self, node: &mut Node) -> Result<(), Noted> {
        self.annotation();
        if self.peek() == Some('=') {
            return Err(self.lone_equals(node));
        }
        self.count_part();
        if self.given_up {
            return Ok(());
        }
        let value = self.value()?;
        let after = self.at;
        self.node_space();
        if self.peek() == Some('=') {
            return self.property(value, node);
        }
        self.at = after;
        node.args.push(value);
        Ok(())
    }

    fn property(&mut self, name: Value, node: &mut Node) -> Result<(), Noted> {
        self.at += 1;
        self.node_space();
        self.annotation();
        let Data::Text { text, .. } = name.data else {
            return Err(self.note(syntax(
                "a property must have a name",
                name.place,
                "this is a value",
            )));
        };
        let nothing = self
            .peek()
            .is_none_or(|c| is_newline(c) || matches!(c, ';' | '}' | '{'));
        if nothing {
            let place = self.place(name.place.start(), self.at);
            return Err(self.note(
                syntax(
                    format!("`{text}=` has no value"),
                    place,
                    "a value must follow the `=`",
                )
                .help(format!("for an empty string, write `{text}=\"\"`")),
            ));
        }
        let value = self.value()?;
        node.props.push(Prop {
            name: Spanned::plain(text, name.place),
            value,
        });
        Ok(())
    }

    /// Reports a `=` after a node's name, as in TOML.
    fn lone_equals(&mut self, node: &Node) -> Noted {
        let start = self.at;
        self.at += 1;
        self.take_while(is_space);
        let (place, gap) = (self.place(start, start + 1), self.place(start, self.at));
        self.note(
            syntax("a `=` has no property name before it", place, "")
                .help(format!(
                    "the values of `{}` follow it without a `=`",
                    node.name.text
                ))
                .fix(gap, ""),
        )
    }

    fn unspaced(&mut self) -> Result<(), Noted> {
        let place = self.here();
        let stray = match self.peek() {
            Some(',') => Some("values are separated by spaces, not by commas"),
            Some(':') => Some("a name is followed by its values without a `:`"),
            _ => None,
        };
        if let Some(message) = stray {
            self.at += 1;
            self.note(syntax(message, place, "").fix(place, ""));
            return Ok(());
        }
        let before = self.place(self.at, self.at);
        Err(self.note(syntax("a space is missing between two values", place, "").fix(before, " ")))
    }

    /// Reports a `(type)`, which KDL allows but manifests do not.
    fn annotation(&mut self) {
        if self.peek() != Some('(') {
            return;
        }
        let start = self.at;
        self.take_while(|c| c != ')' && !is_newline(c));
        self.eat(")");
        let place = self.place(start, self.at);
        self.node_space();
        let rest = self.place(start, self.at);
        self.note(syntax("manifests do not support type annotations", place, "").fix(rest, ""));
    }

    /// Resynchronizes after a mistake: skips to the end of the line, or to the next brace on it.
    fn skip_line(&mut self) {
        loop {
            self.take_while(|c| !is_newline(c) && !matches!(c, '{' | '}' | ';' | '"'));
            let closed_here = self.peek() == Some('"') && {
                self.at += 1;
                // Does not search for the end of the line first, which would scan the rest of a long line once for each quote.
                self.take_while(|c| c != '"' && !is_newline(c));
                self.eat("\"");
                true
            };
            if !closed_here {
                return;
            }
        }
    }
}
