//! The registry as its clients see it: one test for each applicable case of the protocol's conformance tests.

mod crowd;
mod pull;
mod push;
mod refused;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Request, Response};

use super::Exchange;
use crate::backend::oci::manifest::{CONFIG, MANIFEST};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::Store;
use crate::limits::Limits;

/// An exchange with a store of its own, and a client.
struct Bench {
    exchange: Exchange,
    agent: Agent,
    folder: tempfile::TempDir,
}

/// A received response.
struct Reply {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        Self::within(Limits::default())
    }

    fn within(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("oci")).unwrap();
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false);
        Self {
            exchange: Exchange::start(&store, &limits).unwrap(),
            agent: config.build().into(),
            folder,
        }
    }

    fn store(&self) -> &Store {
        self.exchange.store()
    }

    /// The URL of a resource of repository `a`.
    fn of(&self, what: &str) -> String {
        self.of_repository("a", what)
    }

    fn of_repository(&self, name: &str, what: &str) -> String {
        let full = self.exchange.repository(name).unwrap();
        let (host, path) = full.split_once('/').unwrap();
        format!("http://{host}/v2/{path}/{what}")
    }

    fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.exchange.host())
    }

    fn ask(&self, method: &str, url: &str) -> Reply {
        self.send(method, url, &[], b"")
    }

    fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let request = Request::builder().method(method).uri(url);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let answer = if matches!(method, "POST" | "PUT" | "PATCH") {
            self.agent.run(request.body(body).unwrap())
        } else {
            self.agent.run(request.body(()).unwrap())
        };
        Reply::of(answer.unwrap())
    }

    /// Starts an upload and returns its URL.
    fn begin(&self) -> String {
        let said = self.ask("POST", &self.of("blobs/uploads/"));
        assert_eq!(said.status, 202);
        self.at(said.header("location"))
    }

    /// Uploads a blob.
    fn push(&self, blob: &[u8]) -> Digest {
        let digest = Digest::of(blob);
        let url = format!("{}?digest={digest}", self.begin());
        assert_eq!(self.send("PUT", &url, &[], blob).status, 201);
        digest
    }

    /// Pushes an image with a single layer under this tag.
    fn push_image(&self, layer: &[u8], tag: &str) -> Digest {
        let config = self.push(b"{}");
        let text = manifest((config, 2), &[(self.push(layer), layer.len())]);
        let said = self.put_manifest(tag, &text);
        assert_eq!(said.status, 201, "{}", said.text());
        Digest::of(&text)
    }

    fn put_manifest(&self, version: &str, text: &[u8]) -> Reply {
        let kind = [("Content-Type", MANIFEST)];
        self.send(
            "PUT",
            &self.of(&format!("manifests/{version}")),
            &kind,
            text,
        )
    }
}

impl Reply {
    fn of(answer: Response<ureq::Body>) -> Self {
        let (head, mut body) = answer.into_parts();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.with_config().limit(1 << 30).read_to_vec().unwrap(),
        }
    }

    #[track_caller]
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The status and code of an error response.
    #[track_caller]
    fn refusal(&self) -> (u16, String) {
        let text: Value = serde_json::from_slice(&self.body).unwrap();
        let first = &text["errors"][0];
        assert!(!first["message"].as_str().unwrap().is_empty());
        (self.status, first["code"].as_str().unwrap().to_owned())
    }
}

fn manifest(config: (Digest, usize), layers: &[(Digest, usize)]) -> Vec<u8> {
    let piece = |kind: &str, (digest, size): &(Digest, usize)| json!({ "mediaType": kind, "digest": digest, "size": size });
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| piece("application/vnd.oci.image.layer.v1.tar", layer))
        .collect();
    let text = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": piece(CONFIG, &config), "layers": layers });
    text.to_string().into_bytes()
}

#[track_caller]
fn refused(said: &Reply, status: u16, code: &str) {
    assert_eq!(said.refusal(), (status, code.to_owned()), "{}", said.text());
}
