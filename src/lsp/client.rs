//! What is known of the client: what it can do, what it has open, and whether it is still there.

use std::path::PathBuf;

use gen_lsp_types::{PositionEncodingKind, Uri};
use rustix::process::{Pid, test_kill_process};
use serde::Deserialize;
use serde_json::Value;

use super::documents::path_of;
use super::positions::Encoding;

/// A client, as it introduced itself.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) encoding: Encoding,
    /// The directories that it has open.
    pub(super) folders: Vec<PathBuf>,
    /// Whether edits of several files can name the versions that they are of.
    pub(super) has_versions: bool,
    /// Whether it can be asked to watch files.
    pub(super) watches: bool,
    /// Its process, if it can be watched.
    process: Option<Pid>,
}

impl Client {
    /// Reads the parameters of `initialize`. Of these only what is needed, and with patience: a client with a strange capability
    /// is served all the same.
    pub(super) fn of(params: &Value) -> Self {
        let capability = |path: &str| {
            let capabilities = &params["capabilities"];
            capabilities.pointer(path).cloned().unwrap_or_default()
        };
        let encodings = capability("/general/positionEncodings");
        let encodings: Vec<PositionEncodingKind> = read(encodings).unwrap_or_default();
        let process = params["processId"].as_i64();
        let process = process
            .and_then(|id| i32::try_from(id).ok())
            .filter(|id| *id > 0);
        let process = process.and_then(Pid::from_raw);
        Self {
            encoding: Encoding::of(encodings),
            folders: folders(params),
            has_versions: capability("/workspace/workspaceEdit/documentChanges") == true,
            watches: capability("/workspace/didChangeWatchedFiles/dynamicRegistration") == true,
            // One that cannot be seen from the start is in another container.
            process: process.filter(|process| is_there(*process)),
        }
    }

    /// Whether its process has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.process.is_some_and(|process| !is_there(process))
    }
}

fn is_there(process: Pid) -> bool {
    test_kill_process(process) != Err(rustix::io::Errno::SRCH)
}

fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

/// The directories that a client has open: `workspaceFolders`, or what older clients call `rootUri`.
fn folders(params: &Value) -> Vec<PathBuf> {
    let folders = params["workspaceFolders"].as_array();
    let mut uris: Vec<Value> = folders
        .into_iter()
        .flatten()
        .map(|it| it["uri"].clone())
        .collect();
    if uris.is_empty() {
        uris.push(params["rootUri"].clone());
    }
    let uris = uris.into_iter().filter_map(read::<Uri>);
    uris.filter_map(|uri| path_of(&uri)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whatever_a_client_says_of_itself_it_is_served() {
        for params in [
            json!(null),
            json!([]),
            json!({"capabilities": 1, "processId": "x", "workspaceFolders": {}}),
            json!({"processId": -1, "workspaceFolders": [1, {"uri": "nonsense"}], "rootUri": 7}),
            json!({"processId": i64::MAX, "capabilities": {"general": {"positionEncodings": 8}}}),
        ] {
            let client = Client::of(&params);
            assert!(client.folders.is_empty() && !client.is_gone(), "{params}");
            assert!(client.encoding == Encoding::Utf16 && !client.watches);
        }
        let own = std::process::id();
        let client = Client::of(&json!({
            "processId": own,
            "rootUri": "file:///",
            "capabilities": {
                "general": {"positionEncodings": ["utf-8", "utf-16"]},
                "workspace": {
                    "workspaceEdit": {"documentChanges": true},
                    "didChangeWatchedFiles": {"dynamicRegistration": true},
                },
            },
        }));
        assert_eq!(client.encoding, Encoding::Utf8);
        assert_eq!(client.folders, [PathBuf::from("/")]);
        assert!(client.has_versions && client.watches && !client.is_gone());
    }

    #[test]
    fn a_client_that_ends_is_noticed() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let client = Client::of(&json!({"processId": child.id()}));
        assert!(!client.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(client.is_gone());
    }
}
