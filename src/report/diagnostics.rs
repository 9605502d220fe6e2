//! Renders diagnostics as excerpts of the manifest with the error underlined.
//!
//! annotate-snippets receives only the lines between the first and the last place in a file, so that a thousand errors
//! in a large manifest are rendered as fast as one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet};

use super::words::Count;
use crate::diagnostic::{Diagnostic, Label, Place, Severity, Source, SourceId, Sources};

/// Maximum size of an excerpt in bytes: no screen shows more, and rendering it would take seconds.
const EXCERPT_LIMIT: usize = 64 * 1024;

/// Maximum length of a line in an excerpt, in bytes: rendering time grows with the square of it.
const LINE_LIMIT: usize = 2 * 1024;

/// The maximum number of rendered diagnostics: loading a manifest reports 1,000, and how many more there are.
const DRAWN: usize = 1001;

/// Renders diagnostics one below the other, followed by a line with their counts; empty for no diagnostics.
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
    let drawn = drawn(diagnostics);
    for diagnostic in &drawn {
        let _ = writeln!(out, "{}\n", renderer.render(&report(diagnostic, sources)));
    }
    if diagnostics.len() > drawn.len() {
        let more = diagnostics.len() - drawn.len();
        let _ = writeln!(out, "and {more} more\n");
    }
    if !diagnostics.is_empty() {
        let _ = writeln!(out, "{}", count(diagnostics));
    }
    out
}

/// Selects the diagnostics to render, in order; when there are too many, errors take precedence over warnings.
fn drawn(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let errors = diagnostics.iter().filter(|it| it.is_error()).count();
    let (mut errors, mut warnings) = (errors.min(DRAWN), DRAWN.saturating_sub(errors));
    let mut is_drawn = |it: &&Diagnostic| {
        let left = if it.is_error() {
            &mut errors
        } else {
            &mut warnings
        };
        let fits = *left > 0;
        *left = left.saturating_sub(1);
        fits
    };
    diagnostics.iter().filter(|it| is_drawn(it)).collect()
}

/// Formats the counts as `2 errors, 1 warning`.
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
        let excerpt = Excerpt::of(read, labels.iter().map(|(_, label)| &label.place));
        group = match excerpt.filter(|_| !read.text.is_empty()) {
            Some(excerpt) => {
                let annotations = labels.iter().map(|(kind, label)| {
                    let text = Some(label.text.as_str()).filter(|text| !text.is_empty());
                    kind.span(excerpt.span(&label.place)).label(text)
                });
                group.element(excerpt.snippet().annotations(annotations))
            }
            // An excerpt is not possible: show only the position.
            None => group.element(origin(sources, read, labels[0].1)),
        };
    }
    let mut help = diagnostic.help.iter();
    let mend = diagnostic.fix.as_ref().and_then(|fix| {
        let read = sources.get(fix.place.source);
        let excerpt = Excerpt::of(read, std::iter::once(&fix.place))?;
        // The first help text becomes the title of the corrected line.
        let title = help.next().map_or("write it like this", String::as_str);
        let patch = Patch::new(excerpt.span(&fix.place), fix.replacement.as_str());
        let corrected = excerpt.snippet().patch(patch);
        Some(Level::HELP.secondary_title(title).element(corrected))
    });
    let mut groups = vec![group.elements(help.map(|help| Level::HELP.message(help.as_str())))];
    groups.extend(mend);
    groups
}

/// The labels grouped by source, starting with the source of the primary place.
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

fn origin<'a>(sources: &Sources, read: &'a Source, label: &Label) -> Origin<'a> {
    let origin = Origin::path(read.path.as_str());
    if read.text.is_empty() {
        return origin;
    }
    let (line, column) = sources.line_column(&label.place);
    origin.line(line).char_column(column)
}

/// Whole lines of a source, from the first of some places to the last.
struct Excerpt<'a> {
    source: &'a Source,
    lines: Range<usize>,
}

impl<'a> Excerpt<'a> {
    /// `None` if there is no place, or if the excerpt is too large to render quickly.
    fn of<'p>(source: &'a Source, places: impl Iterator<Item = &'p Place>) -> Option<Self> {
        let (text, spans) = (&source.text, places.map(|place| span(source, place)));
        let reach =
            |all: Range<usize>, one: Range<usize>| all.start.min(one.start)..all.end.max(one.end);
        let reach = spans.reduce(reach)?;
        let (start, end) = (
            source.line(reach.start).1.start,
            source.line(reach.end).1.end,
        );
        let mut lines = text[start..end].split('\n');
        let is_drawable =
            end - start <= EXCERPT_LIMIT && lines.all(|line| line.len() <= LINE_LIMIT);
        let lines = start..end;
        is_drawable.then_some(Self { source, lines })
    }

    /// The place's byte range relative to the start of the excerpt.
    fn span(&self, place: &Place) -> Range<usize> {
        let span = span(self.source, place);
        span.start - self.lines.start..span.end - self.lines.start
    }

    fn snippet<T: Clone>(&self) -> Snippet<'a, T> {
        let (text, lines) = (&self.source.text, self.lines.clone());
        let (first, _) = self.source.line(lines.start);
        // A carriage return would be drawn as a character.
        Snippet::source(text[lines].replace('\r', " "))
            .path(self.source.path.as_str())
            .line_start(first)
    }
}

/// The place's byte range, clamped to character boundaries within the text.
fn span(source: &Source, place: &Place) -> Range<usize> {
    let start = source.text.floor_char_boundary(place.start());
    start..source.text.floor_char_boundary(place.end()).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> (Sources, Place) {
        let mut sources = Sources::default();
        sources.add("other.kdl", "x");
        let source = sources.add("imgspec.kdl", "image \"é\"\n  usr 1\n");
        let span = 13..16;
        (sources, Place::new(source, span))
    }

    #[test]
    fn a_place_outside_of_its_text_is_drawn_at_its_end() {
        let (sources, place) = sources();
        for (start, end) in [(0, 0), (7, 8), (900, 1000), (3, 2)] {
            let place = Place::new(place.source, start..end);
            let diagnostic = Diagnostic::error("x", "y").at(place, "z").fix(place, "w");
            assert!(render(&[diagnostic], &sources, false, None).contains("error[x]: y"));
        }
    }

    #[test]
    fn a_line_that_no_screen_shows_is_named_and_not_drawn() {
        // Found by fuzzing: one line of 64 KiB took seconds, for each mistake in it.
        let mut sources = Sources::default();
        let text = format!("ok\n[{}\nok", "\"a\" ".repeat(1000));
        let source = sources.add("imgspec.kdl", text);
        let place = Place::new(source, 3..4);
        let diagnostic = Diagnostic::error("x", "y").at(place, "z").fix(place, "w");
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
