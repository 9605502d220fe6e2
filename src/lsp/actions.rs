//! Quick fixes: the changes that diagnostics suggest, and permissions for lints.

use std::collections::HashMap;

use gen_lsp_types::{CodeAction, CodeActionContext, CodeActionKind, TextEdit, WorkspaceEdit};

use super::analysis::Analysis;
use super::desk::{Desk, Here, Ranges};
use super::positions::{Encoding, Lines};
use super::publish;
use super::symbol;
use super::tree;
use crate::diagnostic::{Diagnostic, Place, Sources, lint, shown};
use crate::manifest;

/// The quick fixes for a range of a manifest, which begins `here` and ends at `end`.
pub(super) fn actions(
    desk: &Desk,
    here: Here<'_>,
    end: usize,
    context: &CodeActionContext,
) -> Vec<CodeAction> {
    let wants =
        |kind: &CodeActionKind| matches!(kind, CodeActionKind::QuickFix | CodeActionKind::Empty);
    if context
        .only
        .as_ref()
        .is_some_and(|only| !only.iter().any(wants))
    {
        return Vec::new();
    }
    let Here {
        analysis,
        source,
        offset,
    } = here;
    let is_here = |it: &&Diagnostic| {
        let label = it.place.as_ref();
        label.is_some_and(|label| publish::is_at(label.place, source, &(offset..end)))
    };
    let mut ranges = desk.ranges(analysis);
    let mut actions = Vec::new();
    for diagnostic in analysis.diagnostics.iter().filter(is_here) {
        actions.extend(fix(analysis, &mut ranges, diagnostic));
        actions.extend(permission(analysis, &mut ranges, diagnostic));
    }
    actions
}

fn fix(
    analysis: &Analysis,
    ranges: &mut Ranges<'_>,
    diagnostic: &Diagnostic,
) -> Option<CodeAction> {
    let fix = diagnostic.fix.as_ref()?;
    let location = ranges.location(fix.place)?;
    let old = analysis.text(fix.place.source).get(fix.place.span())?;
    let title = match (old.is_empty(), fix.replacement.is_empty()) {
        (true, _) => format!("insert `{}`", shown(&fix.replacement)),
        (_, true) => format!("remove `{}`", shown(old)),
        _ => format!("replace with `{}`", shown(&fix.replacement)),
    };
    let edit = TextEdit {
        range: location.range,
        new_text: fix.replacement.clone(),
    };
    let told = publish::shown(analysis, ranges, diagnostic);
    Some(CodeAction {
        title: analysis.masked(&title),
        kind: Some(CodeActionKind::QuickFix),
        diagnostics: Some(vec![told]),
        is_preferred: Some(true),
        edit: Some(WorkspaceEdit {
            changes: Some(HashMap::from([(location.uri, vec![edit])])),
            ..WorkspaceEdit::default()
        }),
        ..CodeAction::default()
    })
}

/// Allows a lint in the image that it is about.
fn permission(
    analysis: &Analysis,
    ranges: &mut Ranges<'_>,
    diagnostic: &Diagnostic,
) -> Option<CodeAction> {
    let lint = lint::find(diagnostic.code).filter(|lint| lint.is_allowable)?;
    let place = diagnostic.place.as_ref()?.place;
    let text = analysis.text(place.source);
    let (nodes, _) = manifest::parse(text, Sources::default().add("", ""));
    let is_around = |node: &&manifest::Node| {
        node.name.place.start() <= place.start() && place.end() <= tree::end(node, text)
    };
    let node = nodes.iter().find(is_around);
    let node = node.filter(|node| node.name.text == "image")?;
    let open = node.block?;
    let declared = Place::new(place.source, node.args.first()?.place.span());
    let images = analysis.checked.workspace.images.iter();
    let mut images = images.filter(|image| symbol::declaration(image) == Some(&declared));
    let id = &images.next()?.id;
    let location = ranges.location(Place::new(place.source, open.end()..open.end()))?;
    let told = publish::shown(analysis, ranges, diagnostic);
    // A block on one line needs an end of the node.
    let rest = &text[open.end()..];
    let is_own_line = rest
        .trim_start_matches([' ', '\t'])
        .starts_with(['\n', '\r']);
    let new_text = if is_own_line {
        format!("\n    allow \"{}\"", lint.code)
    } else {
        format!(" allow \"{}\";", lint.code)
    };
    let edit = TextEdit {
        range: location.range,
        new_text,
    };
    Some(CodeAction {
        title: format!("allow `{}` in image `{}`", lint.code, shown(id)),
        kind: Some(CodeActionKind::QuickFix),
        diagnostics: Some(vec![told]),
        edit: Some(WorkspaceEdit {
            changes: Some(HashMap::from([(location.uri, vec![edit])])),
            ..WorkspaceEdit::default()
        }),
        ..CodeAction::default()
    })
}

/// The change from one text to another, as one edit of the lines that differ.
pub(super) fn difference(old: &str, new: &str, encoding: Encoding) -> Option<TextEdit> {
    if old == new {
        return None;
    }
    let old_lines: Vec<&str> = old.split_inclusive('\n').collect();
    let new_lines: Vec<&str> = new.split_inclusive('\n').collect();
    let pairs = old_lines.iter().zip(&new_lines);
    let before = pairs.take_while(|(old, new)| old == new).count();
    let pairs = old_lines[before..]
        .iter()
        .rev()
        .zip(new_lines[before..].iter().rev());
    let after = pairs.take_while(|(old, new)| old == new).count();
    let length = |lines: &[&str]| lines.iter().map(|line| line.len()).sum::<usize>();
    let start = length(&old_lines[..before]);
    let end = old.len() - length(&old_lines[old_lines.len() - after..]);
    let changed = &new_lines[before..new_lines.len() - after];
    Some(TextEdit {
        range: Lines::new(old, encoding).range(start..end),
        new_text: changed.concat(),
    })
}

#[cfg(test)]
mod tests {
    use super::difference;
    use crate::lsp::positions::{Encoding, span};

    #[test]
    fn a_difference_is_what_changed_and_no_more() {
        for (old, new) in [
            ("a\nb\nc\n", "a\nB\nc\n"),
            ("a\nb", "a\nb\n"),
            ("a\n\n\nb\n", "a\n\nb\n"),
            ("", "a\n"),
            ("a\n", ""),
            ("a\na\n", "a\na\na\n"),
            ("\u{1f980} a", "\u{1f980} b"),
        ] {
            let edit = difference(old, new, Encoding::Utf16).unwrap();
            let mut text = old.to_owned();
            text.replace_range(span(old, edit.range, Encoding::Utf16), &edit.new_text);
            assert_eq!(text, new);
        }
        assert_eq!(difference("a", "a", Encoding::Utf16), None);
        let edit = difference("a\nb\nc\n", "a\nB\nc\n", Encoding::Utf16).unwrap();
        assert_eq!((edit.range.start.line, edit.range.end.line), (1, 2));
    }
}
