//! From `initialize` to `exit`: what is answered when.

use std::ops::ControlFlow;

use lsp_server::{ErrorCode, Message, Request};
use serde_json::{Value, json};

use super::Server;
use crate::lsp::answers::Fault;
use crate::lsp::ask::Ask;
use crate::lsp::client::Client;
use crate::lsp::stage::{Leave, Stage};

impl Server {
    pub(super) fn message(&mut self, message: Message) -> ControlFlow<Result<Leave, String>> {
        match message {
            Message::Request(request) => self.request(request),
            Message::Notification(notification) if notification.method == "exit" => {
                return ControlFlow::Break(Ok(match self.stage {
                    Stage::Down => Leave::Orderly,
                    Stage::New | Stage::Running => Leave::Abrupt,
                }));
            }
            Message::Notification(notification) if self.stage == Stage::Running => {
                self.notification(notification);
            }
            // Answers to what was asked of the client change nothing.
            Message::Notification(_) | Message::Response(_) => {}
        }
        ControlFlow::Continue(())
    }

    fn request(&mut self, request: Request) {
        let Request { id, method, params } = request;
        let result = match (self.stage, method.as_str()) {
            (Stage::New, "initialize") => Ok(self.initialize(&params)),
            (Stage::New, _) => Err(Fault::new(
                ErrorCode::ServerNotInitialized,
                "the first request has to be `initialize`",
            )),
            (Stage::Running, "shutdown") => {
                self.stage = Stage::Down;
                for waiting in std::mem::take(&mut self.waiting) {
                    self.reply(waiting.id, Err(Fault::canceled()));
                }
                Ok(Value::Null)
            }
            (Stage::Running, "initialize") | (Stage::Down, _) => Err(Fault::new(
                ErrorCode::InvalidRequest,
                format!("`{method}` is not expected now"),
            )),
            (Stage::Running, _) => match Ask::read(&method, params) {
                Some(Ok(ask)) => return self.ask(id, ask),
                Some(Err(why)) => Err(Fault::new(ErrorCode::InvalidParams, why)),
                None => Err(Fault::new(
                    ErrorCode::MethodNotFound,
                    format!("there is no method `{method}`"),
                )),
            },
        };
        self.reply(id, result);
    }

    fn initialize(&mut self, params: &Value) -> Value {
        self.client = Client::of(params);
        self.desk.encoding = self.client.encoding;
        self.stage = Stage::Running;
        json!({
            "capabilities": {
                "positionEncoding": self.desk.encoding.kind(),
                "textDocumentSync": {"openClose": true, "change": 2, "save": true},
                "hoverProvider": true,
                "definitionProvider": true,
                "referencesProvider": true,
                "documentSymbolProvider": true,
                "workspaceSymbolProvider": true,
                "documentFormattingProvider": true,
                "codeActionProvider": {"codeActionKinds": ["quickfix"]},
                "renameProvider": {"prepareProvider": true},
                "completionProvider": {"triggerCharacters": ["\"", "=", "{", "/"]},
                "workspace": {
                    "workspaceFolders": {"supported": true, "changeNotifications": true},
                },
            },
            "serverInfo": {"name": "imgspec", "version": env!("CARGO_PKG_VERSION")},
        })
    }
}
