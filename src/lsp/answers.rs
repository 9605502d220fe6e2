//! Answers requests from the desk: finds what is asked about, and calls the file that knows.

use gen_lsp_types::{Location, PrepareRenamePlaceholder};
use lsp_server::ErrorCode;
use serde::Serialize;
use serde_json::Value;

use super::actions;
use super::ask::Ask;
use super::complete::complete;
use super::desk::{Desk, Here};
use super::hover::hover;
use super::positions;
use super::rename::{self, Renamed};
use super::symbol;
use super::symbols;
use super::vocabulary::Vocabularies;
use crate::diagnostic::Sources;
use crate::edit;

/// Why a request is not answered.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(super) fn canceled() -> Self {
        Self::new(ErrorCode::RequestCanceled, "canceled")
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::RequestFailed, message)
    }
}

/// An answer, and what the user is told besides.
pub(super) struct Answer {
    pub(super) result: Value,
    pub(super) notes: Vec<String>,
}

impl Answer {
    fn of(result: impl Serialize) -> Result<Self, Fault> {
        let result = serde_json::to_value(result);
        let result =
            result.map_err(|error| Fault::new(ErrorCode::InternalError, error.to_string()))?;
        Ok(Self {
            result,
            notes: Vec::new(),
        })
    }
}

/// Answers a request. What is in no manifest has an empty answer.
pub(super) fn answer(
    desk: &Desk,
    vocabularies: &Vocabularies,
    has_versions: bool,
    ask: &Ask,
) -> Result<Answer, Fault> {
    match ask {
        Ask::Hover(params) => {
            let here = desk.here(&params.text_document_position_params);
            Answer::of(here.and_then(|here| hover(desk, here)))
        }
        Ask::Definition(params) => {
            let here = desk.here(&params.text_document_position_params);
            Answer::of(here.map(|here| definition(desk, here)))
        }
        Ask::References(params) => {
            let here = desk.here(&params.text_document_position_params);
            let is_whole = params.context.include_declaration;
            Answer::of(here.map(|here| references(desk, here, is_whole)))
        }
        Ask::Actions(params) => {
            let here = desk.place(&params.text_document.uri, params.range.start);
            let end = desk.place(&params.text_document.uri, params.range.end);
            let place = here.zip(end.map(|end| end.offset));
            Answer::of(place.map(|(here, end)| actions::actions(desk, here, end, &params.context)))
        }
        Ask::Search(params) => Answer::of(symbols::search(desk, &params.query)),
        Ask::Outline(params) => {
            let document = desk.manifest(&params.text_document.uri);
            Answer::of(document.map(|it| symbols::outline(&it.text, desk.encoding)))
        }
        Ask::Complete(params) => {
            let at = &params.text_document_position_params;
            let document = desk.manifest(&at.text_document.uri);
            Answer::of(document.and_then(|document| {
                let offset = positions::offset(&document.text, at.position, desk.encoding);
                complete(desk, vocabularies, document, offset)
            }))
        }
        Ask::Format(params) => format(desk, &params.text_document.uri),
        Ask::PrepareRename(params) => {
            let here = desk.here(&params.text_document_position_params);
            Answer::of(here.map(|here| prepare(desk, here)).transpose()?)
        }
        Ask::Rename(params) => {
            let here = desk.here(&params.text_document_position_params);
            let here =
                here.ok_or_else(|| Fault::failed("this file is no manifest of a workspace"))?;
            let renamed = rename::rename(desk, here, &params.new_name, has_versions);
            let Renamed { edit, notes } = renamed.map_err(Fault::failed)?;
            Ok(Answer {
                notes,
                ..Answer::of(edit)?
            })
        }
    }
}

fn definition(desk: &Desk, here: Here<'_>) -> Vec<Location> {
    let Some(symbol) = symbol::at(here) else {
        return Vec::new();
    };
    let mut ranges = desk.ranges(here.analysis);
    let places = symbol::declarations(here.analysis, &symbol.meant).into_iter();
    places
        .filter_map(|place| ranges.location_within(place))
        .collect()
}

fn references(desk: &Desk, here: Here<'_>, is_whole: bool) -> Vec<Location> {
    let Some(symbol) = symbol::at(here) else {
        return Vec::new();
    };
    let mut places = symbol::uses(here.analysis, &symbol.meant);
    if is_whole {
        places.extend(symbol::declarations(here.analysis, &symbol.meant));
    }
    let mut ranges = desk.ranges(here.analysis);
    let places = places.into_iter();
    places
        .filter_map(|place| ranges.location_within(place))
        .collect()
}

fn prepare(desk: &Desk, here: Here<'_>) -> Result<PrepareRenamePlaceholder, Fault> {
    let (image, place) = rename::prepare(here).map_err(Fault::failed)?;
    Ok(PrepareRenamePlaceholder {
        range: desk.ranges(here.analysis).range(place),
        placeholder: image.id.clone(),
    })
}

/// Formats a manifest as `imgspec fmt` does.
fn format(desk: &Desk, uri: &gen_lsp_types::Uri) -> Result<Answer, Fault> {
    let Some(document) = desk.manifest(uri) else {
        return Answer::of(Value::Null);
    };
    let text = &document.text;
    let formatted = edit::formatted("the manifest", text, &mut Sources::default());
    let formatted = formatted.map_err(|mistakes| {
        let first = mistakes.first().map_or("", |mistake| &mistake.message);
        Fault::failed(format!(
            "a manifest with errors cannot be formatted: {first}"
        ))
    })?;
    let change = actions::difference(text, &formatted, desk.encoding);
    Answer::of(Vec::from_iter(change))
}
