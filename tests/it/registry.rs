//! A registry in this process: it keeps what is pushed, writes down what is asked, and misbehaves on demand.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use imgspec::backend::oci::manifest::{CONFIG, INDEX, MANIFEST};
use imgspec::backend::oci::name::Digest;
use serde_json::json;

use crate::dice::Dice;

/// What it does instead of answering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Another status, with these headers.
    Status(u16, String),
    /// Half the answer; then the connection is closed after this time.
    Half(Duration),
    /// One byte of the body is another.
    Lie,
    HangUp,
    /// It takes its time.
    Late(Duration),
}

type Faults = Arc<dyn Fn(&str, &str) -> Option<Fault> + Send + Sync>;

#[derive(Default)]
struct State {
    blobs: BTreeMap<(String, String), Vec<u8>>,
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    asked: Vec<String>,
    faults: Option<Faults>,
    /// Whether it lists what refers to an image, as registries do since version 1.1 of the protocol.
    lists: bool,
}

/// The registry, until the tests end.
#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) host: String,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = Arc::default();
        let registry = Self { host, state };
        let own = registry.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                thread::spawn(move || own.serve(&stream));
            }
        });
        registry
    }

    /// Adds an image of these layers; returns its reference.
    pub(crate) fn image(&self, repository: &str, layers: &[Vec<u8>]) -> String {
        let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
        let config = json!({
            "os": "linux", "architecture": "amd64",
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = config.to_string().into_bytes();
        let describe = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() });
        let tar = "application/vnd.oci.image.layer.v1.tar";
        let described = layers.iter().map(|layer| describe(tar, layer));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": describe(CONFIG, &config),
            "layers": described.collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        let mut state = self.state.lock().unwrap();
        for blob in layers.iter().chain([&config]) {
            let key = (repository.to_owned(), digest(blob));
            state.blobs.insert(key, blob.clone());
        }
        for name in ["1".to_owned(), digest(&manifest)] {
            let said = (MANIFEST.to_owned(), manifest.clone());
            state.manifests.insert((repository.to_owned(), name), said);
        }
        format!("{}/{repository}:1", self.host)
    }

    /// From now on it lists what refers to an image.
    pub(crate) fn lists(&self) {
        self.state.lock().unwrap().lists = true;
    }

    /// The manifest under a tag.
    pub(crate) fn manifest(&self, repository: &str, tag: &str) -> serde_json::Value {
        let state = self.state.lock().unwrap();
        let (_, bytes) = &state.manifests[&(repository.to_owned(), tag.to_owned())];
        serde_json::from_slice(bytes).unwrap()
    }

    /// A blob of a repository.
    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Vec<u8> {
        let state = self.state.lock().unwrap();
        state.blobs[&(repository.to_owned(), digest.to_owned())].clone()
    }

    /// The tags of a repository.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let own = state.manifests.keys().filter(|(of, _)| of == repository);
        own.map(|(_, name)| name.clone())
            .filter(|name| !name.contains(':'))
            .collect()
    }

    /// Puts an artifact with one part there, whatever it says.
    pub(crate) fn put(&self, repository: &str, tag: &str, kind: &str, part: &[u8]) {
        let describe = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
            "config": describe("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [describe(kind, part)],
            "annotations": { "dev.imgspec.image": tag.trim_start_matches("imgspec-record-") },
        });
        let mut state = self.state.lock().unwrap();
        let of = |name: String| (repository.to_owned(), name);
        state.blobs.insert(of(digest(part)), part.to_owned());
        let said = (MANIFEST.to_owned(), manifest.to_string().into_bytes());
        state.manifests.insert(of(tag.to_owned()), said);
    }

    /// From now on it misbehaves like this, by method and path.
    pub(crate) fn faults(
        &self,
        faults: impl Fn(&str, &str) -> Option<Fault> + Send + Sync + 'static,
    ) {
        self.state.lock().unwrap().faults = Some(Arc::new(faults));
    }

    pub(crate) fn behaves(&self) {
        self.state.lock().unwrap().faults = None;
    }

    /// The requests since the last call, as `METHOD path`.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// Waits until a request begins like this.
    #[track_caller]
    pub(crate) fn until(&self, start: &str) {
        let begun = Instant::now();
        loop {
            let state = self.state.lock().unwrap();
            if state.asked.iter().any(|asked| asked.starts_with(start)) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "no `{start}`");
            drop(state);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Every blob and manifest is what its digest says.
    #[track_caller]
    pub(crate) fn is_whole(&self) {
        let state = self.state.lock().unwrap();
        for ((repository, name), bytes) in &state.blobs {
            assert_eq!(*name, digest(bytes), "in {repository}");
        }
        for ((repository, name), (_, bytes)) in &state.manifests {
            if name.contains(':') {
                assert_eq!(*name, digest(bytes), "in {repository}");
            }
        }
    }

    /// Makes a tag point to this manifest.
    pub(crate) fn name(&self, repository: &str, tag: &str, manifest: &str) {
        let said = (MANIFEST.to_owned(), manifest.as_bytes().to_owned());
        let place = (repository.to_owned(), tag.to_owned());
        self.state.lock().unwrap().manifests.insert(place, said);
    }

    /// Forgets the tags of a repository that begin like this.
    pub(crate) fn forget(&self, repository: &str, start: &str) {
        let mut state = self.state.lock().unwrap();
        let keeps = |of: &str, name: &str| of != repository || !name.starts_with(start);
        state.manifests.retain(|(of, name), _| keeps(of, name));
    }

    /// The blobs of a repository.
    pub(crate) fn blobs(&self, repository: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let own = state.blobs.keys().filter(|(of, _)| of == repository);
        own.map(|(_, digest)| digest.clone()).collect()
    }

    fn serve(&self, stream: &TcpStream) {
        let mut read = BufReader::new(stream.try_clone().unwrap());
        while let Some((method, path, range, body)) = request(&mut read) {
            let mut state = self.state.lock().unwrap();
            state.asked.push(format!("{method} {path}"));
            let fault = state
                .faults
                .as_ref()
                .and_then(|faults| faults(&method, &path));
            let answer = match &fault {
                Some(Fault::HangUp) => return,
                Some(Fault::Status(status, headers)) => (*status, headers.clone(), Vec::new()),
                _ => state.answer(&method, &path, range, body),
            };
            drop(state);
            if !say(stream, &method, answer, fault.as_ref()) {
                return;
            }
        }
    }
}

fn request(read: &mut impl BufRead) -> Option<(String, String, Option<usize>, Vec<u8>)> {
    let mut line = String::new();
    read.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut range) = (0, None);
    loop {
        let mut line = String::new();
        read.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if let Some(value) = line.strip_prefix("range: bytes=") {
            range = value.trim_end_matches('-').parse().ok();
        }
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).ok()?;
    Some((method, path, range, body))
}

/// Whether the connection stays open.
fn say(
    mut stream: &TcpStream,
    method: &str,
    (status, headers, mut body): (u16, String, Vec<u8>),
    fault: Option<&Fault>,
) -> bool {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{headers}\r\n");
    if method == "HEAD" {
        body.clear();
    }
    match fault {
        Some(Fault::Late(time)) => thread::sleep(*time),
        Some(Fault::Lie) if !body.is_empty() => {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        Some(Fault::Half(time)) => {
            body.truncate(length / 2);
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            thread::sleep(*time);
            return false;
        }
        _ => {}
    }
    stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

type Answer = (u16, String, Vec<u8>);

impl State {
    fn answer(&mut self, method: &str, path: &str, range: Option<usize>, body: Vec<u8>) -> Answer {
        let none = || (404, String::new(), Vec::new());
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(own, _)| *own == name);
            found.map(|(_, value)| value.replace("%3A", ":").replace("%2F", "/"))
        };
        let path = path.strip_prefix("/v2/").unwrap_or("");
        if let Some((repository, subject)) = path.split_once("/referrers/") {
            return self.referrers(repository, subject);
        }
        if let Some((repository, name)) = path.split_once("/manifests/") {
            return self.manifest(method, (repository.to_owned(), name.to_owned()), &body);
        }
        if let Some((repository, upload)) = path.split_once("/blobs/uploads/") {
            let own = |digest| (repository.to_owned(), digest);
            if let (Some(mount), Some(from)) = (value("mount"), value("from"))
                && let Some(blob) = self.blobs.get(&(from, mount.clone())).cloned()
            {
                self.blobs.insert(own(mount), blob);
                return (201, String::new(), Vec::new());
            }
            if upload.is_empty() {
                let place = format!("location: /v2/{repository}/blobs/uploads/1\r\n");
                return (202, place, Vec::new());
            }
            let wanted = value("digest").unwrap_or_default();
            if wanted != digest(&body) {
                return (400, String::new(), Vec::new());
            }
            self.blobs.insert(own(wanted), body);
            return (201, String::new(), Vec::new());
        }
        let Some((repository, wanted)) = path.split_once("/blobs/") else {
            return (200, String::new(), Vec::new());
        };
        let found = self.blobs.get(&(repository.to_owned(), wanted.to_owned()));
        match (found, range) {
            (None, _) => none(),
            (Some(blob), None) => (200, String::new(), blob.clone()),
            (Some(blob), Some(from)) if from < blob.len() => {
                (206, String::new(), blob[from..].to_vec())
            }
            (Some(_), Some(_)) => (416, String::new(), Vec::new()),
        }
    }

    fn referrers(&self, repository: &str, subject: &str) -> Answer {
        if !self.lists {
            return (404, String::new(), b"404 page not found".to_vec());
        }
        let each = self
            .manifests
            .iter()
            .filter_map(|((of, name), (_, bytes))| {
                let manifest: serde_json::Value = serde_json::from_slice(bytes).ok()?;
                let is_it = of == repository
                    && name.contains(':')
                    && manifest["subject"]["digest"] == subject;
                is_it.then(|| json!({
                "mediaType": MANIFEST, "digest": name, "size": bytes.len(),
                "artifactType": manifest["artifactType"], "annotations": manifest["annotations"],
            }))
            });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": each.collect::<Vec<_>>() });
        (
            200,
            format!("content-type: {INDEX}\r\n"),
            index.to_string().into_bytes(),
        )
    }

    fn manifest(&mut self, method: &str, name: (String, String), body: &[u8]) -> Answer {
        let told = |bytes: &[u8]| format!("docker-content-digest: {}\r\n", digest(bytes));
        if method == "PUT" {
            let manifest: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            let mut told = told(body);
            if let Some(subject) = manifest["subject"]["digest"]
                .as_str()
                .filter(|_| self.lists)
            {
                told += &format!("oci-subject: {subject}\r\n");
            }
            let by_digest = (name.0.clone(), digest(body));
            for name in [name, by_digest] {
                self.manifests
                    .insert(name, (MANIFEST.to_owned(), body.to_owned()));
            }
            return (201, told, Vec::new());
        }
        if method == "DELETE" {
            let (of, digest_of) = (&name.0, |bytes: &[u8]| digest(bytes));
            let before = self.manifests.len();
            self.manifests
                .retain(|(other, _), (_, bytes)| other != of || digest_of(bytes) != name.1);
            let status = if self.manifests.len() < before {
                202
            } else {
                404
            };
            return (status, String::new(), Vec::new());
        }
        match self.manifests.get(&name) {
            None => (404, String::new(), Vec::new()),
            Some((media_type, bytes)) => {
                let headers = format!("content-type: {media_type}\r\n{}", told(bytes));
                (200, headers, bytes.clone())
            }
        }
    }
}

/// A layer of these files, as a tar.
pub(crate) fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut head = tar::Header::new_ustar();
        head.set_size(content.len() as u64);
        head.set_mode(0o644);
        head.set_mtime(0);
        head.set_uid(0);
        head.set_gid(0);
        tar.append_data(&mut head, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Bytes that do not compress, different for each seed.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let next = || dice.next().to_le_bytes()[0];
    std::iter::repeat_with(next).take(length).collect()
}
