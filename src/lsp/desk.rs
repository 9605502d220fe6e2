//! What requests are answered from: the open documents, and what was last found in their workspaces.

use std::collections::BTreeMap;
use std::ops::Range as Span;
use std::path::Path;

use gen_lsp_types::{Location, Position, Range, TextDocumentPositionParams, Uri};

use super::analysis::{Analysis, Found, is_manifest_name};
use super::documents::{Document, Documents, uri_of};
use super::positions::{self, Encoding, Lines};
use crate::diagnostic::{Place, SourceId};

pub(super) struct Desk {
    pub(super) encoding: Encoding,
    pub(super) documents: Documents,
    pub(super) found: Found,
}

/// A place in a manifest of a workspace.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) source: SourceId,
    pub(super) offset: usize,
}

impl Desk {
    /// The workspace that a file belongs to, and its source there.
    pub(super) fn workspace_of(&self, path: &Path) -> Option<(&Analysis, SourceId)> {
        let mut all = self.found.analyses.iter();
        all.find_map(|analysis| Some((analysis, analysis.source(path)?)))
    }

    /// An open document that is a manifest: other KDL files are none of our business.
    pub(super) fn manifest(&self, uri: &Uri) -> Option<&Document> {
        let document = self.documents.get(uri)?;
        let path = document.path.as_deref()?;
        let is_ours = is_manifest_name(path) || self.workspace_of(path).is_some();
        is_ours.then_some(document)
    }

    /// The position of a request in its workspace.
    pub(super) fn here(&self, at: &TextDocumentPositionParams) -> Option<Here<'_>> {
        self.place(&at.text_document.uri, at.position)
    }

    pub(super) fn place(&self, uri: &Uri, position: Position) -> Option<Here<'_>> {
        let document = self.documents.get(uri)?;
        let (analysis, source) = self.workspace_of(document.path.as_deref()?)?;
        let offset = positions::offset(&document.text, position, self.encoding);
        Some(Here {
            analysis,
            source,
            offset,
        })
    }

    pub(super) fn ranges<'a>(&'a self, analysis: &'a Analysis) -> Ranges<'a> {
        Ranges {
            desk: self,
            analysis,
            lines: BTreeMap::new(),
        }
    }

    /// The URI of a file, in the client's spelling if it has it open.
    pub(super) fn uri(&self, path: &Path) -> Option<Uri> {
        let open = self.documents.of(path).map(|document| document.uri.clone());
        open.or_else(|| uri_of(path))
    }
}

/// Converts places of one workspace to what the client understands.
pub(super) struct Ranges<'a> {
    desk: &'a Desk,
    analysis: &'a Analysis,
    lines: BTreeMap<SourceId, Lines<'a>>,
}

impl Ranges<'_> {
    pub(super) fn range(&mut self, place: Place) -> Range {
        self.range_of(place.source, place.span())
    }

    pub(super) fn range_of(&mut self, source: SourceId, span: Span<usize>) -> Range {
        let (analysis, encoding) = (self.analysis, self.desk.encoding);
        let lines = self.lines.entry(source);
        let lines = lines.or_insert_with(|| Lines::new(analysis.text(source), encoding));
        lines.range(span)
    }

    /// The location of a place; `None` if it is not in a file.
    pub(super) fn location(&mut self, place: Place) -> Option<Location> {
        let path = self.analysis.path(place.source)?;
        let uri = self.desk.uri(&path)?;
        let range = self.range(place);
        Some(Location { uri, range })
    }

    /// The location of the text within a value, without its quotes.
    pub(super) fn location_within(&mut self, place: Place) -> Option<Location> {
        let within = within(self.analysis.text(place.source), place);
        self.location(within)
    }
}

/// The place of the text within a value, without its quotes.
pub(super) fn within(text: &str, place: Place) -> Place {
    let Some(value) = text.get(place.span()) else {
        return place;
    };
    let bare = value.trim_matches('#');
    let quotes = if bare.starts_with("\"\"\"") && bare.len() >= 6 {
        3
    } else {
        usize::from(bare.starts_with('"') && bare.len() >= 2)
    };
    let hashes = value.len() - value.trim_start_matches('#').len();
    let edge = if quotes == 0 { 0 } else { hashes + quotes };
    Place::new(place.source, place.start() + edge..place.end() - edge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sources;

    #[test]
    fn names_are_within_their_quotes() {
        let source = Sources::default().add("imgspec.kdl", "");
        for (value, inner) in [
            ("\"a\"", "a"),
            ("#\"a\"#", "a"),
            ("##\"a\"##", "a"),
            ("\"\"\"\na\n\"\"\"", "\na\n"),
            ("a", "a"),
            ("\"\"", ""),
            ("#true", "#true"),
            ("\"", "\""),
        ] {
            let text = format!("x {value}");
            let place = within(&text, Place::new(source, 2..text.len()));
            assert_eq!(&text[place.span()], inner, "{value}");
        }
    }
}
