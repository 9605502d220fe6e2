//! Diagnostics → excerpts of the manifest with the mistake underlined.
//!
//! annotate-snippets gets only the lines between the first and the last place of a file, so that a thousand mistakes in a
//! large manifest are drawn as fast as one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet,
};

use super::words::Count;
use crate::diagnostic::{Diagnostic, Fix, Label, Place, Severity, SourceId, Sources};

/// The most bytes of an excerpt: no screen shows a larger one, and drawing it takes seconds.
const EXCERPT_LIMIT: usize = 64 * 1024;

/// The most bytes of one of its lines: the time that drawing takes grows with the square of them.
const LINE_LIMIT: usize = 2 * 1024;

/// Draws diagnostics one below the other, and a line that counts them; of none an empty text.
#[must_use]
pub fn render(
    diagnostics: &[Diagnostic],
    sources: &Sources,
    color: bool,
    width: Option<usize>,
) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = width.map_or(renderer.clone(), |width| renderer.term_width(width));
    let mut out = String::new();
    for diagnostic in diagnostics {
        let _ = writeln!(out, "{}\n", renderer.render(&report(diagnostic, sources)));
    }
    if !diagnostics.is_empty() {
        let _ = writeln!(out, "{}", count(diagnostics));
    }
    out
}

/// `2 errors, 1 warning`.
fn count(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|it| it.is_error()).count();
    let errors = Count(errors, "error");
    let warnings = Count(diagnostics.len() - errors.0, "warning");
    let counts = [errors, warnings].into_iter().filter(|count| count.0 > 0);
    counts
        .map(|count| count.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

fn report<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Vec<Group<'a>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(
        level
            .primary_title(diagnostic.message.as_str())
            .id(diagnostic.code),
    );
    for (source, labels) in by_source(diagnostic) {
        let read = sources.get(source);
        let lines = lines(sources, source, &spans(sources, &labels));
        group = if !read.text.is_empty() && is_drawable(&read.text[lines]) {
            group.element(excerpt(sources, source, &labels))
        } else {
            group.element(origin(sources, source, &labels))
        };
    }
    let mut help = diagnostic.help.iter();
    // The first help is the title of the corrected line.
    let fix = diagnostic.fix.as_ref().filter(|fix| {
        let span = span(sources, &fix.place);
        let lines = lines(sources, fix.place.source, std::slice::from_ref(&span));
        is_drawable(&sources.get(fix.place.source).text[lines])
    });
    let mend = fix.map(|fix| {
        let title = help.next().map_or("write it like this", String::as_str);
        mended(sources, fix, title)
    });
    let mut groups = vec![group.elements(help.map(|help| Level::HELP.message(help.as_str())))];
    groups.extend(mend);
    groups
}

/// The labels of each source, those of the primary place's source first.
fn by_source(diagnostic: &Diagnostic) -> Vec<(SourceId, Vec<(AnnotationKind, &Label)>)> {
    let primary = diagnostic.place.iter();
    let primary = primary.map(|label| (AnnotationKind::Primary, label));
    let related = diagnostic.related.iter();
    let related = related.map(|label| (AnnotationKind::Context, label));
    let mut sources: BTreeMap<SourceId, Vec<_>> = BTreeMap::new();
    for (kind, label) in primary.chain(related) {
        let labels = sources.entry(label.place.source).or_default();
        labels.push((kind, label));
    }
    let first = diagnostic.place.as_ref().map(|label| label.place.source);
    let mut sources: Vec<_> = sources.into_iter().collect();
    sources.sort_by_key(|(source, _)| Some(*source) != first);
    sources
}

fn spans(sources: &Sources, labels: &[(AnnotationKind, &Label)]) -> Vec<Range<usize>> {
    labels
        .iter()
        .map(|(_, label)| span(sources, &label.place))
        .collect()
}

/// Whether an excerpt can be shown at all, and drawn in no time.
fn is_drawable(lines: &str) -> bool {
    lines.len() <= EXCERPT_LIMIT && lines.split('\n').all(|line| line.len() <= LINE_LIMIT)
}

/// The position alone, for texts that cannot be shown.
fn origin<'a>(
    sources: &'a Sources,
    source: SourceId,
    labels: &[(AnnotationKind, &Label)],
) -> Origin<'a> {
    let read = sources.get(source);
    let origin = Origin::path(read.path.as_str());
    match labels.first() {
        Some((_, label)) if !read.text.is_empty() => {
            let (line, column) = sources.line_column(&label.place);
            origin.line(line).char_column(column)
        }
        _ => origin,
    }
}

fn excerpt<'a>(
    sources: &'a Sources,
    source: SourceId,
    labels: &[(AnnotationKind, &'a Label)],
) -> Snippet<'a, Annotation<'a>> {
    let spans = spans(sources, labels);
    let lines = lines(sources, source, &spans);
    let annotations = labels.iter().zip(&spans).map(|((kind, label), span)| {
        let span = span.start - lines.start..span.end - lines.start;
        let annotation = kind.span(span);
        if label.text.is_empty() {
            annotation
        } else {
            annotation.label(label.text.as_str())
        }
    });
    snippet(sources, source, &lines).annotations(annotations)
}

fn mended<'a>(sources: &'a Sources, fix: &'a Fix, title: &'a str) -> Group<'a> {
    let span = span(sources, &fix.place);
    let lines = lines(sources, fix.place.source, std::slice::from_ref(&span));
    let patch = Patch::new(
        span.start - lines.start..span.end - lines.start,
        fix.replacement.as_str(),
    );
    Level::HELP
        .secondary_title(title)
        .element(snippet(sources, fix.place.source, &lines).patch(patch))
}

fn snippet<'a, T: Clone>(
    sources: &'a Sources,
    source: SourceId,
    lines: &Range<usize>,
) -> Snippet<'a, T> {
    let source = sources.get(source);
    let before = &source.text[..lines.start];
    // A carriage return would be drawn as a character.
    Snippet::source(source.text[lines.clone()].replace('\r', " "))
        .path(source.path.as_str())
        .line_start(before.matches('\n').count() + 1)
}

/// The place's bytes, moved to character boundaries inside the text.
fn span(sources: &Sources, place: &Place) -> Range<usize> {
    let text = &sources.get(place.source).text;
    let start = text.floor_char_boundary(place.span.start);
    start..text.floor_char_boundary(place.span.end).max(start)
}

/// The bytes of whole lines from the first span to the last.
fn lines(sources: &Sources, source: SourceId, spans: &[Range<usize>]) -> Range<usize> {
    let text = &sources.get(source).text;
    let start = spans.iter().map(|span| span.start).min().unwrap_or(0);
    let end = spans.iter().map(|span| span.end).max().unwrap_or(0);
    let start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[end..].find('\n').map_or(text.len(), |at| end + at);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> (Sources, Place) {
        let mut sources = Sources::default();
        sources.add("other.kdl", "x");
        let source = sources.add("imgspec.kdl", "image \"é\"\n  usr 1\n");
        let span = 13..16;
        (sources, Place { source, span })
    }

    #[test]
    fn a_place_outside_of_its_text_is_drawn_at_its_end() {
        let (sources, mut place) = sources();
        for (start, end) in [(0, 0), (7, 8), (900, 1000), (3, 2)] {
            place.span = start..end;
            let diagnostic = Diagnostic::error("x", "y")
                .at(place.clone(), "z")
                .fix(place.clone(), "w");
            assert!(render(&[diagnostic], &sources, false, None).contains("error[x]: y"));
        }
    }

    #[test]
    fn a_line_that_no_screen_shows_is_named_and_not_drawn() {
        // Found by fuzzing: one line of 64 KiB took seconds, for each mistake in it.
        let mut sources = Sources::default();
        let text = format!("ok\n[{}\nok", "\"a\" ".repeat(1000));
        let source = sources.add("imgspec.kdl", text);
        let place = Place { source, span: 3..4 };
        let diagnostic = Diagnostic::error("x", "y")
            .at(place.clone(), "z")
            .fix(place, "w");
        let drawn = render(&[diagnostic], &sources, false, Some(80));
        assert_eq!(drawn, "error[x]: y\n--> imgspec.kdl:2:1\n\n1 error\n");
    }

    #[test]
    fn colour_and_width_are_the_caller_s_choice() {
        let (sources, place) = sources();
        let diagnostic = [Diagnostic::error("x", "y").at(place, "z")];
        assert!(render(&diagnostic, &sources, true, Some(40)).contains('\u{1b}'));
        assert!(!render(&diagnostic, &sources, false, None).contains('\u{1b}'));
        assert_eq!(render(&[], &sources, true, None), "");
    }
}
