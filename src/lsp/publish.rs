//! Diagnostics as the client shows them: those of `imgspec check`, for all files of a workspace, open or not.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use gen_lsp_types::{
    Code, Diagnostic as Shown, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag,
    Message, PublishDiagnosticsParams, Range as ShownRange, Uri,
};

use super::analysis::Analysis;
use super::desk::{Desk, Ranges};
use crate::diagnostic::{Diagnostic, Place, Severity, SourceId};

/// Lints about what could as well not be there.
const UNNECESSARY: [&str; 5] = [
    "no-effect",
    "unused-allow",
    "unused-secret",
    "unused-template",
    "unused-variable",
];

/// What the client shows, by URI.
#[derive(Default)]
pub(super) struct Published(BTreeMap<String, PublishDiagnosticsParams>);

impl Published {
    /// What has to be published for the client to show what is wrong now: files that changed, and those that are mended.
    pub(super) fn update(&mut self, desk: &Desk) -> Vec<PublishDiagnosticsParams> {
        let mut now: BTreeMap<String, PublishDiagnosticsParams> = BTreeMap::new();
        let mut add = |uri: Uri, path: PathBuf, diagnostics: Vec<Shown>| {
            let entry = now.entry(uri.0.clone());
            let entry = entry.or_insert_with(|| PublishDiagnosticsParams {
                uri,
                version: desk.found.versions.get(&path).copied(),
                diagnostics: Vec::new(),
            });
            entry.diagnostics.extend(diagnostics);
        };
        for analysis in &desk.found.analyses {
            let mut ranges = desk.ranges(analysis);
            for diagnostic in &analysis.diagnostics {
                // One that is in no file is shown where the workspace begins.
                let place = diagnostic.place.as_ref().map(|label| label.place);
                let path = place.and_then(|place| analysis.path(place.source));
                let path = path.unwrap_or_else(|| analysis.root_manifest());
                if let Some(uri) = desk.uri(&path) {
                    add(uri, path, vec![shown(analysis, &mut ranges, diagnostic)]);
                }
            }
            // Documents without problems are told so once, with their version.
            for path in desk.found.versions.keys() {
                if analysis.source(path).is_some()
                    && let Some(uri) = desk.uri(path)
                {
                    add(uri, path.clone(), Vec::new());
                }
            }
        }
        for (path, mistakes) in &desk.found.astray {
            if let Some(uri) = desk.uri(path) {
                add(uri, path.clone(), mistakes.iter().map(unplaced).collect());
            }
        }
        self.replace(now)
    }

    fn replace(
        &mut self,
        now: BTreeMap<String, PublishDiagnosticsParams>,
    ) -> Vec<PublishDiagnosticsParams> {
        let gone = self
            .0
            .values()
            .filter(|before| !now.contains_key(&before.uri.0) && !before.diagnostics.is_empty());
        let mut told: Vec<PublishDiagnosticsParams> = gone
            .map(|before| PublishDiagnosticsParams {
                uri: before.uri.clone(),
                version: None,
                diagnostics: Vec::new(),
            })
            .collect();
        let is_new = |it: &&PublishDiagnosticsParams| self.0.get(&it.uri.0) != Some(*it);
        told.extend(now.values().filter(is_new).cloned());
        self.0 = now;
        told
    }
}

/// A diagnostic as the client shows it.
pub(super) fn shown(
    analysis: &Analysis,
    ranges: &mut Ranges<'_>,
    diagnostic: &Diagnostic,
) -> Shown {
    let place = diagnostic.place.as_ref();
    let place = place.filter(|label| analysis.path(label.place.source).is_some());
    let related = diagnostic.related.iter().filter_map(|label| {
        Some(DiagnosticRelatedInformation {
            location: ranges.location(label.place)?,
            message: analysis.masked(&label.text),
        })
    });
    let related: Vec<_> = related.collect();
    let range = place.map_or_else(ShownRange::default, |label| ranges.range(label.place));
    Shown {
        range,
        related_information: (!related.is_empty()).then_some(related),
        message: Message::String(analysis.masked(&message(diagnostic))),
        ..unplaced(diagnostic)
    }
}

/// A diagnostic that is shown at the beginning of a file.
fn unplaced(diagnostic: &Diagnostic) -> Shown {
    let is_unnecessary = UNNECESSARY.contains(&diagnostic.code);
    Shown {
        range: ShownRange::default(),
        severity: Some(match diagnostic.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
        }),
        code: Some(Code::String(diagnostic.code.to_owned())),
        code_description: None,
        source: Some("imgspec".to_owned()),
        message: Message::String(message(diagnostic)),
        tags: is_unnecessary.then(|| vec![DiagnosticTag::Unnecessary]),
        related_information: None,
        data: None,
    }
}

/// Everything that the command line says of it.
fn message(diagnostic: &Diagnostic) -> String {
    let label = diagnostic.place.as_ref().map(|label| label.text.as_str());
    let label = label.filter(|label| !label.is_empty());
    let mut message = diagnostic.message.clone();
    message.extend(label.map(|label| format!(": {label}")));
    for help in &diagnostic.help {
        message += &format!("\nhelp: {help}");
    }
    message
}

/// Whether a place touches this part of a source.
pub(super) fn is_at(place: Place, source: SourceId, part: &Range<usize>) -> bool {
    place.source == source && place.start() <= part.end && part.start <= place.end()
}
