//! The requests that are answered, with their parameters.

use gen_lsp_types::{
    CodeActionParams, CompletionParams, DefinitionParams, DocumentFormattingParams,
    DocumentSymbolParams, HoverParams, PrepareRenameParams, ReferenceParams, RenameParams, Uri,
    WorkspaceSymbolParams,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A request about documents.
pub(super) enum Ask {
    Actions(CodeActionParams),
    Complete(CompletionParams),
    Definition(DefinitionParams),
    Format(DocumentFormattingParams),
    Hover(HoverParams),
    Outline(DocumentSymbolParams),
    PrepareRename(PrepareRenameParams),
    References(ReferenceParams),
    Rename(RenameParams),
    Search(WorkspaceSymbolParams),
}

/// What an answer is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// The document, and whatever was found last.
    Document,
    /// The workspace as of now.
    Workspace,
    /// Also the keys of its images.
    Keys,
}

impl Ask {
    /// Reads a request; `None` if there is no such method.
    pub(super) fn read(method: &str, params: Value) -> Option<Result<Self, String>> {
        fn of<P: DeserializeOwned>(params: Value, ask: fn(P) -> Ask) -> Result<Ask, String> {
            let params = serde_json::from_value(params);
            params.map(ask).map_err(|error| error.to_string())
        }
        Some(match method {
            "textDocument/codeAction" => of(params, Self::Actions),
            "textDocument/completion" => of(params, Self::Complete),
            "textDocument/definition" => of(params, Self::Definition),
            "textDocument/formatting" => of(params, Self::Format),
            "textDocument/hover" => of(params, Self::Hover),
            "textDocument/documentSymbol" => of(params, Self::Outline),
            "textDocument/prepareRename" => of(params, Self::PrepareRename),
            "textDocument/references" => of(params, Self::References),
            "textDocument/rename" => of(params, Self::Rename),
            "workspace/symbol" => of(params, Self::Search),
            _ => return None,
        })
    }

    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::Complete(_) | Self::Outline(_) => Needs::Document,
            Self::Hover(_) => Needs::Keys,
            _ => Needs::Workspace,
        }
    }

    /// The document that it is about.
    pub(super) fn document(&self) -> Option<&Uri> {
        let document = match self {
            Self::Actions(params) => &params.text_document,
            Self::Format(params) => &params.text_document,
            Self::Outline(params) => &params.text_document,
            Self::Complete(params) => &params.text_document_position_params.text_document,
            Self::Definition(params) => &params.text_document_position_params.text_document,
            Self::Hover(params) => &params.text_document_position_params.text_document,
            Self::PrepareRename(params) => &params.text_document_position_params.text_document,
            Self::References(params) => &params.text_document_position_params.text_document,
            Self::Rename(params) => &params.text_document_position_params.text_document,
            Self::Search(_) => return None,
        };
        Some(&document.uri)
    }
}
