//! Inserts whole nodes into a manifest and removes them, line by line, without moving what surrounds them.

use std::ops::Range;

use super::target::Target;
use crate::manifest::write::rank;
use crate::manifest::{Node, Token, TokenKind};

#[derive(Debug)]
pub(super) struct Splice {
    pub span: Range<usize>,
    pub text: String,
}

impl Splice {
    fn insert(at: usize, text: String) -> Self {
        Self { span: at..at, text }
    }

    fn cut(span: Range<usize>) -> Self {
        Self {
            span,
            text: String::new(),
        }
    }
}

pub(super) fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| (splice.span.start, splice.span.end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for splice in splices {
        // Two adjacent cuts may both include the separator between them.
        out += text.get(at..splice.span.start).unwrap_or_default();
        out += &splice.text;
        at = at.max(splice.span.end);
    }
    out + &text[at..]
}

/// A node in a block, and the tokens around it.
struct Around<'a> {
    tokens: &'a [Token],
    first: usize,
    /// Index of the token after its last one.
    next: usize,
    /// End of its last token that is not a space.
    end: usize,
}

impl<'a> Around<'a> {
    fn new(tokens: &'a [Token], start: usize) -> Self {
        let first = tokens.partition_point(|token| token.span.start < start);
        let mut depth = 0;
        let (mut next, mut end) = (first, start);
        for token in &tokens[first..] {
            match token.kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close | TokenKind::Newline | TokenKind::End | TokenKind::LineComment
                    if depth == 0 =>
                {
                    break;
                }
                TokenKind::Close => depth -= 1,
                _ => {}
            }
            if !matches!(
                token.kind,
                TokenKind::Space | TokenKind::Continue | TokenKind::BlockComment
            ) {
                end = token.span.end;
            }
            next += 1;
        }
        Self {
            tokens,
            first,
            next,
            end,
        }
    }

    fn start(&self) -> usize {
        self.tokens[self.first].span.start
    }

    /// The first token at or after `from` that is not a space.
    fn behind(&self, from: usize) -> Option<&'a Token> {
        self.tokens[from..]
            .iter()
            .find(|token| token.kind != TokenKind::Space)
    }

    fn before(&self) -> Option<&'a Token> {
        self.tokens[..self.first]
            .iter()
            .rfind(|token| token.kind != TokenKind::Space)
    }

    fn is_line_start(&self) -> bool {
        self.before()
            .is_none_or(|token| token.kind == TokenKind::Newline)
    }
}

/// The indentation of the line, if nothing but spaces precedes `at` on it.
pub(super) fn indent(text: &str, at: usize) -> Option<&str> {
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let before = &text[line..at];
    before.trim().is_empty().then_some(before)
}

/// Inserts the field's new nodes, given as `lines`, at its usual place in the block.
pub(super) fn new_field(target: &Target<'_>, lines: &[String]) -> Splice {
    let usual = |name: &str| if name == "extends" { 0 } else { 1 + rank(name) };
    let holder = target.node();
    let new = usual(target.field.name);
    let above = holder
        .children
        .iter()
        .rposition(|child| usual(&child.name.text) <= new);
    match above {
        Some(at) => behind(target, &holder.children[at], lines),
        None => into(target, holder, lines),
    }
}

pub(super) fn behind(target: &Target<'_>, node: &Node, lines: &[String]) -> Splice {
    let around = Around::new(&target.tokens, node.name.place.start());
    let tokens = around.tokens;
    let mut at = around.next;
    // If the line continues after the node, the new nodes are added to it.
    if tokens.get(at).is_some_and(|it| it.kind == TokenKind::End) {
        let ended = tokens[at].span.end;
        at += 1;
        let beside =
            |token: &&Token| matches!(token.kind, TokenKind::Space | TokenKind::BlockComment);
        at += tokens[at..].iter().take_while(beside).count();
        let is_over = tokens
            .get(at)
            .is_none_or(|it| matches!(it.kind, TokenKind::Newline | TokenKind::LineComment));
        if !is_over {
            return Splice::insert(ended, format!(" {};", lines.join("; ")));
        }
    }
    if tokens
        .get(at)
        .is_some_and(|it| it.kind == TokenKind::LineComment)
    {
        at += 1;
    }
    match tokens.get(at) {
        Some(token) if token.kind == TokenKind::Newline => {
            let own = indent(target.text, around.start());
            let indent = own.map_or_else(|| inner_indent(target, target.node()), str::to_owned);
            Splice::insert(token.span.end, in_lines(target, lines, &indent))
        }
        _ => Splice::insert(around.end, format!("; {}", lines.join("; "))),
    }
}

/// Inserts nodes at the start of a node's block.
pub(super) fn into(target: &Target<'_>, parent: &Node, lines: &[String]) -> Splice {
    let indent = inner_indent(target, parent);
    let end = super::layout::line_end(target.text, &target.tokens);
    let outer = indent.strip_suffix("    ").unwrap_or_default();
    let Some(open) = &parent.block else {
        let around = Around::new(&target.tokens, parent.name.place.start());
        let inside = in_lines(target, lines, &indent);
        return Splice::insert(around.end, format!(" {{{end}{inside}{outer}}}"));
    };
    let first = target
        .tokens
        .partition_point(|token| token.span.start < open.end());
    let inside = &target.tokens[first..];
    let beside = |token: &&Token| {
        matches!(
            token.kind,
            TokenKind::Space | TokenKind::BlockComment | TokenKind::LineComment
        )
    };
    let beside_count = inside.iter().take_while(beside).count();
    match inside
        .get(beside_count)
        .map(|token| (token.kind, token.span.clone()))
    {
        Some((TokenKind::Newline, span)) => {
            let child = parent
                .children
                .first()
                .map(|child| child.name.place.start());
            let own = child.and_then(|at| self::indent(target.text, at));
            let indent = own.map_or(indent, str::to_owned);
            Splice::insert(span.end, in_lines(target, lines, &indent))
        }
        Some((TokenKind::Close, span))
            if inside[..beside_count]
                .iter()
                .all(|it| it.kind == TokenKind::Space) =>
        {
            Splice {
                span: open.end()..span.start,
                text: format!("{end}{}{outer}", in_lines(target, lines, &indent)),
            }
        }
        _ => Splice::insert(open.end(), format!(" {};", lines.join("; "))),
    }
}

fn inner_indent(target: &Target<'_>, parent: &Node) -> String {
    let start = parent.name.place.start();
    format!("{}    ", indent(target.text, start).unwrap_or_default())
}

fn in_lines(target: &Target<'_>, lines: &[String], indent: &str) -> String {
    let end = super::layout::line_end(target.text, &target.tokens);
    let lines = lines.iter().flat_map(|line| [indent, line, end]);
    lines.collect()
}

/// Removes a node, along with its line if it has one of its own; comments beside it stay. Fails with the first comment inside
/// the node, which would be lost.
pub(super) fn without(target: &Target<'_>, node: &Node) -> Result<Splice, Range<usize>> {
    let around = Around::new(&target.tokens, node.name.place.start());
    let (tokens, start, end) = (around.tokens, around.start(), around.end);
    let keeps = |token: &&Token| match token.kind {
        TokenKind::LineComment | TokenKind::BlockComment | TokenKind::Dash => true,
        TokenKind::Continue => {
            super::layout::comment_in(&target.text[token.span.clone()]).is_some()
        }
        _ => false,
    };
    let mut inside = tokens[around.first..]
        .iter()
        .take_while(|token| token.span.end <= end);
    if let Some(comment) = inside.find(keeps) {
        return Err(comment.span.clone());
    }
    let after = tokens.partition_point(|token| token.span.end <= end);
    let next = around.behind(after);
    let ended = next.filter(|token| token.kind == TokenKind::End);
    let beyond = match ended {
        Some(token) => around.behind(tokens.partition_point(|it| it.span.end <= token.span.end)),
        None => next,
    };
    let is_line_end = beyond.is_none_or(|token| token.kind == TokenKind::Newline);
    let whole_end = ended.map_or(end, |token| token.span.end);
    if around.is_line_start() && is_line_end {
        let line = start - indent(target.text, start).map_or(0, str::len);
        return Ok(Splice::cut(
            line..beyond.map_or(target.text.len(), |token| token.span.end),
        ));
    }
    let parted = around.before().filter(|token| token.kind == TokenKind::End);
    Ok(Splice::cut(match (parted, ended) {
        // The last of several nodes on a line.
        (Some(before), _)
            if is_line_end || beyond.is_some_and(|it| it.kind == TokenKind::Close) =>
        {
            before.span.start..whole_end
        }
        (_, Some(_)) | (None, None) => start..beyond.map_or(whole_end, |token| token.span.start),
        (Some(_), None) => start..end,
    }))
}
