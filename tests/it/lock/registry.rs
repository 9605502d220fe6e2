//! A loopback registry whose tags tests can move.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use imgspec::backend::oci::name::Digest;

use crate::faults::server::{Answer, Request, Server};

/// The contents of the registry, by path.
type Held = Arc<Mutex<BTreeMap<String, String>>>;

/// A registry that serves named images and nothing else.
pub(crate) struct Registry {
    pub(crate) host: String,
    server: Server,
    held: Held,
}

impl Registry {
    pub(crate) fn new() -> Self {
        let held = Held::default();
        let own = Arc::clone(&held);
        let (server, host) = Server::tcp(move |request| answer(&own, request));
        Self { host, server, held }
    }

    /// Points a tag to an image with this content for these platforms; returns the digest of its index.
    pub(crate) fn tag(&self, name: &str, tag: &str, platforms: &[&str], content: &str) -> String {
        let each = platforms.iter().map(|platform| {
            let (os, architecture) = platform.split_once('/').unwrap();
            let manifest = self.manifest(name, platform, content);
            let digest = Digest::of(manifest.as_bytes());
            let platform = format!(r#"{{"os":"{os}","architecture":"{architecture}"}}"#);
            format!(
                r#"{{"digest":"{digest}","size":{},"platform":{platform}}}"#,
                manifest.len()
            )
        });
        let each: Vec<String> = each.collect();
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, each.join(","));
        self.hold(name, tag, &index)
    }

    /// The same for a single platform, without an index.
    pub(crate) fn tag_one(&self, name: &str, tag: &str, platform: &str, content: &str) -> String {
        let manifest = self.manifest(name, platform, content);
        self.hold(name, tag, &manifest)
    }

    /// Removes all contents.
    pub(crate) fn forget(&self) {
        self.held.lock().unwrap().clear();
    }

    /// Stops answering from now on.
    pub(crate) fn fail(&self) {
        self.server.now(|_| Answer::status(503));
    }

    /// The number of requests for a path.
    pub(crate) fn asked(&self) -> usize {
        self.server.asked().len()
    }

    /// Stores the manifest of a platform and everything it refers to.
    fn manifest(&self, name: &str, platform: &str, content: &str) -> String {
        let (os, architecture) = platform.split_once('/').unwrap();
        let config =
            format!(r#"{{"os":"{os}","architecture":"{architecture}","content":"{content}"}}"#);
        let digest = Digest::of(config.as_bytes());
        self.held
            .lock()
            .unwrap()
            .insert(format!("/v2/{name}/blobs/{digest}"), config.clone());
        let size = config.len();
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":{size}}},"layers":[]}}"#
        );
        let digest = Digest::of(manifest.as_bytes()).to_string();
        self.hold(name, &digest, &manifest);
        manifest
    }

    fn hold(&self, name: &str, tag: &str, text: &str) -> String {
        let digest = Digest::of(text.as_bytes()).to_string();
        let mut held = self.held.lock().unwrap();
        for called in [tag, digest.as_str()] {
            held.insert(format!("/v2/{name}/manifests/{called}"), text.to_owned());
        }
        digest
    }
}

fn answer(held: &Held, request: &Request) -> Answer {
    match held.lock().unwrap().get(&request.path) {
        Some(text) => Answer::json(text.as_str()),
        None => Answer::status(404),
    }
}
