//! Fuzzes registry answers: manifests, indexes, configs, challenges, tokens, redirects and invalid HTTP. Whatever is
//! received, the query ends soon with a readable result, and reports "present" only if an image with a digest was
//! found; and whatever a list of artifacts is, one can be added to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::artifact::{NewArtifact, with_entry};
use super::client::{Client, LookupError};
use super::login::Access;
use crate::backend::oci::manifest::Manifest;
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::fuzz::{Case, Fuzz, Random};
use crate::limits::Limits;

/// Maximum number of requests that a query may need: manifest, index and config, each repeated with a token.
const MOST_REQUESTS: usize = 40;

const LAYER: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const OTHER: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const CONFIG: &str = LAYER;

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "0",
    "\"config\":{\"digest\":\"sha256:c\"}",
    "\"config\":{\"digest\":\"../../x\"}",
    "\"manifests\":[{\"digest\":\"sha256:l\"}]",
    "\"manifests\":[]",
    "\"manifests\":[{\"digest\":\"é\\r\\n\"}]",
    "\"platform\":{\"os\":\"unknown\"}",
    "\"Labels\":{\"k\":1}",
    "\"token\":\"t\"",
    "\"access_token\":\"a\\r\\nX: y\"",
    "\"schemaVersion\":2",
    "\"size\":-1",
    "\"size\":1e99",
    "\\ud800",
    "é",
    "\u{0}",
];

const HEADERS: &[&str] = &[
    "docker-content-digest: sha256:m",
    "docker-content-digest: ",
    "docker-content-digest: é",
    "www-authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"",
    "www-authenticate: Bearer realm=\"x\"",
    "www-authenticate: Bearer realm=",
    "www-authenticate: Basic realm=\"x\"",
    "www-authenticate: Bearer realm=\"http://{host}/token",
    "www-authenticate: =,=\"",
    "www-authenticate: Bearer a=b,c=d,,=\"\",\"",
    "location: http://{host}/v2/a/manifests/1",
    "location: /",
    "location: http://127.0.0.1:1/",
    "location: x://y",
    "location: ",
    "content-type: text/html; charset=é",
    "content-encoding: gzip",
    "transfer-encoding: chunked",
    "retry-after: 99999999999",
    "set-cookie: a=b",
    "x: y",
];

/// Responses in order; the last one is repeated.
#[derive(Clone)]
struct Answers(Vec<Vec<u8>>);

impl Case for Answers {
    fn shown(&self) -> String {
        let each: Vec<String> = self
            .0
            .iter()
            .map(|answer| answer.escape_ascii().to_string())
            .collect();
        each.join("\n")
    }

    fn without(&self, part: usize, of: usize) -> Option<Self> {
        let gone = self.0.len() * part / of..self.0.len() * (part + 1) / of;
        let kept = self
            .0
            .iter()
            .enumerate()
            .filter(|(at, _)| !gone.contains(at));
        (!gone.is_empty()).then(|| Self(kept.map(|(_, answer)| answer.clone()).collect()))
    }
}

fn body(random: &mut Random) -> String {
    let descriptor = |digest: &str| json!({ "mediaType": "x", "digest": digest, "size": 2, "platform": { "os": "linux", "architecture": "amd64" } });
    let good = match random.below(4) {
        0 => {
            json!({ "schemaVersion": 2, "manifests": [descriptor(LAYER), descriptor(OTHER)] })
        }
        1 => {
            json!({ "os": "linux", "architecture": "amd64", "config": { "Labels": { "key": "k" } } })
        }
        2 => json!({ "token": "t", "expires_in": 300 }),
        _ => json!({ "schemaVersion": 2, "config": descriptor(CONFIG), "layers": [] }),
    };
    match random.below(6) {
        0 => random.spoilt(&good.to_string(), WORDS),
        1 => format!("{{{}}}", random.soup(WORDS, 5)),
        2 if random.chance(1, 3) => random.soup(WORDS, 8),
        _ => good.to_string(),
    }
}

fn answer(random: &mut Random) -> Vec<u8> {
    let body = random.long(WORDS).unwrap_or_else(|| body(random));
    let status = *random.pick(&[
        "200 OK", "200 OK", "200 OK", "200 OK", "401 x", "403 x", "404 x", "429 x", "500 x",
        "301 x", "307 x", "999 x", "206 x", "204 x", "100 x",
    ]);
    let mut headers = vec!["docker-content-digest: sha256:m".to_owned()];
    if random.chance(1, 2) {
        headers = (0..random.few(0, 3))
            .map(|_| (*random.pick(HEADERS)).to_owned())
            .collect();
    }
    let length = if random.chance(1, 20) {
        body.len() + 3
    } else {
        body.len()
    };
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{}\r\nconnection: close\r\n\r\n{body}",
        headers.join("\r\n")
    );
    if random.chance(1, 12) {
        random.spoilt(&text, HEADERS).into_bytes()
    } else {
        text.into_bytes()
    }
}

fn make(random: &mut Random) -> Answers {
    let digest = |body: &serde_json::Value| Digest::of(body.to_string().as_bytes()).to_string();
    let good = |body: &serde_json::Value| {
        let told = digest(body);
        let body = body.to_string();
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\ndocker-content-digest: {told}\r\nconnection: close\r\n\r\n{body}").into_bytes()
    };
    let config = json!({ "config": { "Labels": { "key": "k" } } });
    let manifest =
        json!({ "schemaVersion": 2, "config": { "digest": digest(&config) }, "layers": [] });
    let index = json!({ "manifests": [{ "digest": digest(&manifest) }] });
    let mut answers = match random.below(3) {
        0 => vec![good(&manifest), good(&config)],
        1 => vec![good(&index), good(&manifest), good(&config)],
        _ => (0..random.few(1, 6)).map(|_| answer(random)).collect(),
    };
    if random.chance(1, 3) {
        let at = random.below(answers.len());
        answers[at] = answer(random);
    }
    Answers(answers)
}

/// A registry that sends the given responses.
struct Registry {
    host: String,
    answers: Arc<Mutex<Vec<Vec<u8>>>>,
    asked: Arc<AtomicUsize>,
}

impl Registry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let answers: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let asked = Arc::new(AtomicUsize::new(0));
        let (said, count, own) = (Arc::clone(&answers), Arc::clone(&asked), host.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let at = count.fetch_add(1, Ordering::SeqCst);
                let answer = {
                    let said = said.lock().unwrap();
                    said.get(at).or(said.last()).cloned().unwrap_or_default()
                };
                let _ = one(stream, &answer, &own);
            }
        });
        Self {
            host,
            answers,
            asked,
        }
    }

    fn judge(&self, answers: &Answers) -> bool {
        answers.0.clone_into(&mut self.answers.lock().unwrap());
        self.asked.store(0, Ordering::SeqCst);
        let reference = Reference::read(&format!("{}/a:1", self.host)).unwrap();
        let access = Access {
            limits: Limits::default(),
            configuration: None,
            ..Access::default()
        };
        let client = Client::hasty(&access, access.limits.answer());
        let found = client.inquiry(&reference).image("key");
        assert!(
            self.asked.load(Ordering::SeqCst) <= MOST_REQUESTS,
            "it is not asked again and again"
        );
        match found {
            Ok(found) => {
                assert!(!found.platforms.is_empty());
                true
            }
            Err(LookupError::Absent) => false,
            Err(LookupError::Unknown(why)) => {
                assert!(why.contains(&self.host), "it says who: {why}");
                false
            }
        }
    }
}

fn one(mut stream: TcpStream, answer: &[u8], own: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let text = String::from_utf8_lossy(answer).replace("{host}", own);
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

#[test]
fn registry_answers() {
    let registry = Registry::start();
    let fuzz = Fuzz {
        name: "registry answers",
        runs: 1500,
        make,
        judge: |answers: &Answers| registry.judge(answers),
    };
    fuzz.run().accepts(34);
}

#[test]
fn lists_of_artifacts() {
    let make = |random: &mut Random| match random.below(4) {
        0 => (*random.pick(&["[]", "[{}]", "\"\"", "0", "null", "true", "{}"])).to_owned(),
        _ => random.long(WORDS).unwrap_or_else(|| body(random)),
    };
    let artifact = NewArtifact {
        kind: "application/x",
        parts: &[],
        about: None,
        annotations: &[],
    };
    let judge = |text: &String| {
        let sent: Value = serde_json::from_str(text).unwrap_or_default();
        let before = sent["manifests"].as_array().map_or(0, Vec::len);
        let list = with_entry(sent, &artifact, b"{}", &|_| false);
        let list: Value = serde_json::from_slice(&list).unwrap();
        let all = list["manifests"].as_array().unwrap();
        assert_eq!(all.last().unwrap()["artifactType"], artifact.kind);
        assert!(all.len() == before + 1 || before >= 256);
        before > 0
    };
    Fuzz {
        name: "lists of artifacts",
        runs: 30_000,
        make,
        judge,
    }
    .run()
    .accepts(8);
}

#[test]
fn manifest_texts() {
    let make = |random: &mut Random| random.long(WORDS).unwrap_or_else(|| body(random));
    let judge = |text: &String| match Manifest::read(text.as_bytes(), None) {
        Ok(manifest) => {
            assert_ne!(
                manifest.media_type.contains("index") || manifest.media_type.contains("list"),
                !manifest.blobs.is_empty(),
                "it is one of both"
            );
            true
        }
        Err(none) => {
            assert!(!none.to_string().is_empty());
            false
        }
    };
    Fuzz {
        name: "image manifests",
        runs: 30_000,
        make,
        judge,
    }
    .run()
    .accepts(20);
}
