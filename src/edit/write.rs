//! Turns changed values into splices. Each affected node is rewritten in its existing style.

use super::item::{Entry, Fate, Item, Part, is_reset};
use super::piece::{Piece, Written};
use super::splice::{self, Splice};
use super::target::{Shape, Target};
use crate::diagnostic::{Diagnostic, Place};
use crate::manifest::write::{self, WIDTH, in_line, word};
use crate::manifest::{Node, TokenKind};
use crate::session::Refusal;

/// The maximum number of commented-out parts in a node that is passed to the crate, since they may be nested.
const DASHES: usize = 8;

const DEPTH: usize = 1;

pub(super) struct Writer<'a> {
    target: &'a Target<'a>,
    items: &'a [Item],
    pushed: &'a [Entry],
    own: Vec<&'a Node>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(target: &'a Target<'a>, items: &'a [Item], pushed: &'a [Entry]) -> Self {
        Self {
            target,
            items,
            pushed,
            own: target.own(),
        }
    }

    pub(super) fn splices(&self) -> Result<Vec<Splice>, Refusal> {
        let Some(last) = self.own.len().checked_sub(1) else {
            let lines = self.lines(self.pushed)?;
            let new = (!lines.is_empty()).then(|| splice::new_field(self.target, &lines));
            return Ok(new.into_iter().collect());
        };
        let mut splices = Vec::new();
        for (at, node) in self.own.iter().enumerate() {
            let pushed = if at == last { self.pushed } else { &[] };
            self.node(at, node, pushed, &mut splices)?;
        }
        Ok(splices)
    }

    fn of(&self, node: usize) -> impl Iterator<Item = &'a Item> {
        self.items.iter().filter(move |item| item.node == node)
    }

    /// Adds the splices for one of its nodes; `pushed` are appended to its values.
    fn node(
        &self,
        at: usize,
        node: &Node,
        pushed: &[Entry],
        splices: &mut Vec<Splice>,
    ) -> Result<(), Refusal> {
        let is_empty = self.of(at).all(|item| item.fate == Fate::Goes);
        if is_empty && self.of(at).next().is_some() && pushed.is_empty() && !is_reset(node) {
            splices.push(self.without(node)?);
            return Ok(());
        }
        let is_changed = |item: &&Item| item.fate != Fate::Stays;
        for item in self.of(at).filter(is_changed) {
            if let Part::Child(child) = item.part {
                splices.push(self.child(&node.children[child], item)?);
            }
        }
        if node.block.is_some() && !pushed.is_empty() {
            let lines = entries(pushed)?;
            splices.push(match node.children.last() {
                Some(child) => splice::behind(self.target, child, &lines),
                None => splice::into(self.target, node, &lines),
            });
            return Ok(());
        }
        let changed = self
            .of(at)
            .filter(is_changed)
            .any(|item| !matches!(item.part, Part::Child(_)));
        if !changed && pushed.is_empty() {
            return Ok(());
        }
        let span = node.head().span();
        let mut piece = self.piece(node)?;
        self.exchange(at, &mut piece)?;
        let over = self.push(at, span.start, &mut piece, pushed)?;
        if !over.is_empty() {
            splices.push(splice::behind(self.target, node, &self.lines(&over)?));
        }
        let text = piece.text();
        if text != self.target.written(span.clone()) {
            splices.push(Splice { span, text });
        }
        Ok(())
    }

    fn piece(&self, node: &Node) -> Result<Piece, Refusal> {
        let place = node.head();
        let tokens = self.target.tokens.iter();
        let inside = tokens.skip_while(|token| token.span.start < place.start());
        let inside = inside.take_while(|token| token.span.end <= place.end());
        let dashes = inside.filter(|token| token.kind == TokenKind::Dash).count();
        let written = self.target.written(place.span());
        let piece = (dashes <= DASHES).then(|| Piece::read(written)).flatten();
        piece.ok_or_else(|| self.by_hand(place, "commands cannot preserve the way this is written"))
    }

    fn exchange(&self, at: usize, piece: &mut Piece) -> Result<(), Refusal> {
        // In reverse, so that removals do not shift the others.
        let items: Vec<&Item> = self.of(at).collect();
        for item in items.into_iter().rev() {
            let (part, is_named) = match item.part {
                Part::Argument(part) => (part, false),
                Part::Property(part) => (part, true),
                Part::Child(_) => continue,
            };
            match &item.fate {
                Fate::Stays => {}
                Fate::Goes => piece.remove(part, is_named),
                Fate::Becomes(new) => piece.replace(part, is_named, &written(new)?),
            }
        }
        Ok(())
    }

    /// Appends values in the style of the existing ones. Returns those that need additional nodes.
    fn push(
        &self,
        at: usize,
        start: usize,
        piece: &mut Piece,
        pushed: &[Entry],
    ) -> Result<Vec<Entry>, Refusal> {
        let is_several = matches!(self.target.shape, Shape::List | Shape::Map);
        let is_one_each = is_several
            && self.own.len() > 1
            && (0..self.own.len()).all(|node| self.of(node).count() == 1);
        let line = self.target.text[..start]
            .rfind('\n')
            .map_or(0, |end| end + 1);
        let column = self.target.text[line..start].chars().count();
        for (done, (key, text)) in pushed.iter().enumerate() {
            let value = written(text)?;
            let own_line = piece.own_line();
            let key_length = key.as_ref().map_or(0, |key| word(key).chars().count() + 1);
            let before = piece.text();
            let length =
                column + before.chars().count() + 1 + key_length + value.written.chars().count();
            // A value of several lines gets a node of its own.
            let is_tall =
                before.contains('\n') || (self.target.shape == Shape::List && text.contains('\n'));
            let has_room = length <= WIDTH && !(is_several && is_tall);
            let is_first = self.of(at).all(|item| item.fate == Fate::Goes) && done == 0;
            let before = match own_line {
                Some(own_line) => own_line,
                None if is_first || (has_room && !is_one_each) => " ".to_owned(),
                None if is_several => return Ok(pushed[done..].to_vec()),
                None => self.next_line(start),
            };
            piece.push(key.as_deref(), &value, &before);
        }
        Ok(Vec::new())
    }

    fn next_line(&self, start: usize) -> String {
        let end = super::layout::line_end(self.target.text, &self.target.tokens);
        let indent = splice::indent(self.target.text, start).unwrap_or("    ");
        format!(" \\{end}{indent}    ")
    }

    fn child(&self, child: &Node, item: &Item) -> Result<Splice, Refusal> {
        let Fate::Becomes(new) = &item.fate else {
            return self.without(child);
        };
        let mut piece = self.piece(child)?;
        piece.replace(0, false, &written(new)?);
        Ok(Splice {
            span: child.head().span(),
            text: piece.text(),
        })
    }

    fn without(&self, node: &Node) -> Result<Splice, Refusal> {
        splice::without(self.target, node).map_err(|span| {
            let place = Place::new(self.target.source, span);
            self.by_hand(place, "this would be removed with it")
        })
    }

    fn lines(&self, values: &[Entry]) -> Result<Vec<String>, Refusal> {
        let shape = self.target.shape;
        let is_list = matches!(shape, Shape::List | Shape::Map);
        let ends = super::layout::line_end(self.target.text, &self.target.tokens);
        let part = |(key, text): &Entry| {
            let several = (shape == Shape::List && ends == "\n")
                .then(|| write::text(text, DEPTH))
                .flatten();
            let value = several.map_or_else(|| written(text).map(|it| it.written), Ok)?;
            Ok(key
                .as_ref()
                .map_or(value.clone(), |key| format!("{}={value}", word(key))))
        };
        let parts: Vec<String> = values.iter().map(part).collect::<Result<_, Refusal>>()?;
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let lines = write::node_lines(self.target.field.name, &parts, DEPTH, is_list);
        Ok(lines
            .into_iter()
            .map(|line| {
                if ends == "\n" {
                    line
                } else {
                    line.replace('\n', ends)
                }
            })
            .collect())
    }

    fn by_hand(&self, place: Place, why: &str) -> Refusal {
        let message = format!(
            "`{}` of {} must be edited by hand",
            self.target.field.name, self.target.of
        );
        self.target
            .refuse(Diagnostic::error("by-hand", message).at(place, why))
    }
}

fn written(text: &str) -> Result<Written, Refusal> {
    let written = in_line(text).ok_or_else(|| {
        Refusal::usage(
            "commands cannot write a value that has both `{{` and invisible characters",
            "write it into the manifest by hand",
        )
    })?;
    Ok(Written {
        text: text.to_owned(),
        written,
    })
}

fn entries(values: &[Entry]) -> Result<Vec<String>, Refusal> {
    let entry = |(key, text): &Entry| {
        Ok(format!(
            "{} {}",
            word(key.as_deref().unwrap_or_default()),
            written(text)?.written
        ))
    };
    values.iter().map(entry).collect()
}
