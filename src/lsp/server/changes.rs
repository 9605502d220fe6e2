//! What the client tells of documents, directories and files, each of which is a reason to look again.

use std::path::PathBuf;
use std::time::Instant;

use gen_lsp_types::{
    DidChangeTextDocumentParams, DidChangeWorkspaceFoldersParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, WorkspaceFolder,
};
use lsp_server::{Message, Notification, Request, RequestId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Server;
use crate::lsp::answers::Fault;
use crate::lsp::documents::path_of;
use crate::lsp::wire::Outgoing;

impl Server {
    pub(super) fn notification(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        let encoding = self.desk.encoding;
        let documents = &mut self.desk.documents;
        match method.as_str() {
            "initialized" => self.watch_files(),
            "textDocument/didOpen" => match read(params) {
                Some(DidOpenTextDocumentParams { text_document }) => documents.open(text_document),
                None => return,
            },
            "textDocument/didChange" => match read(params) {
                Some(DidChangeTextDocumentParams {
                    text_document: of,
                    content_changes,
                }) => {
                    let uri = &of.text_document_identifier.uri;
                    documents.change(uri, of.version, content_changes, encoding);
                }
                None => return,
            },
            "textDocument/didClose" => match read(params) {
                Some(DidCloseTextDocumentParams { text_document }) => {
                    documents.close(&text_document.uri);
                }
                None => return,
            },
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => {}
            "workspace/didChangeWorkspaceFolders" => match read(params) {
                Some(DidChangeWorkspaceFoldersParams { event }) => {
                    let gone = paths(event.removed);
                    let folders = &mut self.client.folders;
                    folders.retain(|folder| !gone.contains(folder));
                    folders.extend(paths(event.added));
                }
                None => return,
            },
            "$/cancelRequest" => return self.cancel(&params),
            _ => return,
        }
        self.schedule.change(Instant::now());
    }

    /// Asks the client to tell of changes to files that are not open.
    fn watch_files(&mut self) {
        if !self.client.watches {
            return;
        }
        let globs = ["**/*.kdl", "**/imgspec.lock", "**/*.dockerignore"];
        let watchers = globs.map(|glob| json!({"globPattern": glob}));
        let watched = json!({
            "id": "files",
            "method": "workspace/didChangeWatchedFiles",
            "registerOptions": {"watchers": watchers},
        });
        self.say(Outgoing::Message(Message::Request(Request {
            id: RequestId::from("watch".to_owned()),
            method: "client/registerCapability".to_owned(),
            params: json!({"registrations": [watched]}),
        })));
    }

    fn cancel(&mut self, params: &Value) {
        let Ok(id) = serde_json::from_value::<RequestId>(params["id"].clone()) else {
            return;
        };
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.id == id) {
            self.waiting.remove(at);
            self.reply(id, Err(Fault::canceled()));
        }
    }
}

/// Reads the parameters of a notification, which has no answer that could say what is wrong with them.
fn read<T: DeserializeOwned>(params: Value) -> Option<T> {
    serde_json::from_value(params).ok()
}

fn paths(folders: Vec<WorkspaceFolder>) -> Vec<PathBuf> {
    let uris = folders.into_iter().map(|folder| folder.uri);
    uris.filter_map(|uri| path_of(&uri)).collect()
}
