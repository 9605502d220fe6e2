//! Fuzzes requests as bytes, sent to the same handler that serves the exchange's connections, without a network:
//! nothing nonexistent is served, nothing leaves the store's directory, and no request causes a server error.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use super::call::{Served, Uploads};
use super::serve;
use crate::backend::oci::manifest::MANIFEST;
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::{Links, Store};
use crate::fuzz::{Fuzz, Random};

/// Blobs that exist from the start, so that some requests succeed.
const BLOBS: [&str; 3] = ["", "{}", "0123456789abcdef"];

const HOST: &str = "127.0.0.1:5000";

const PIECES: &[&str] = &[
    "/v2",
    "/",
    "/",
    "w",
    "a",
    "b/c",
    "blobs",
    "uploads",
    "/blobs/uploads/",
    "manifests",
    "tags/list",
    "..",
    ".",
    "%2e%2e",
    "%2f",
    "%00",
    "%",
    "%zz",
    "//",
    "\\",
    "é",
    "sha256:",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha512:00",
    "latest",
    "?",
    "&",
    "=",
    "digest=",
    "mount=",
    "n=",
    "n=1",
    "last=",
    "from=a",
    "99999999999999999999",
    "-1",
    "{0}",
    "{1}",
    "{2}",
    "{upload}",
    "etc/passwd",
    "~",
    "_catalog",
    "referrers/",
    " ",
    "\t",
    "#",
    "A",
    "-",
    "__",
];

const HEADERS: &[&str] = &[
    "Range: bytes=0-3",
    "Range: bytes=1-99",
    "Range: bytes=0-0",
    "Range: bytes=3-",
    "Range: bytes=-4",
    "Range: bytes=99-",
    "Range: bytes=18446744073709551615-18446744073709551615",
    "Range: bytes=5-2",
    "Range: bytes=0-1,3-4",
    "Range: x",
    "Content-Range: 0-3",
    "Content-Range: 0-15/16",
    "Content-Range: bytes 4-7",
    "Content-Range: 18446744073709551615-0",
    "Content-Range: 0-18446744073709551615",
    "Content-Range: é",
    "Content-Type: application/vnd.oci.image.manifest.v1+json",
    "Content-Type: application/vnd.oci.image.index.v1+json",
    "Content-Type: text/plain",
    "Content-Type: ;",
    "Origin: http://evil",
    "Host: evil:5000",
    "Expect: 100-continue",
    "Transfer-Encoding: chunked",
    "Content-Length: 3",
    "Accept: */*",
    "X: \u{1}",
    "If-None-Match: x",
    "Authorization: Basic eA==",
];

const BODIES: &[&str] = &[
    "",
    "{}",
    "0123",
    "0123456789abcdef",
    "abc",
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"x\",\"digest\":\"{1}\",\"size\":2},\"layers\":[]}",
    "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x\",\"digest\":\"{2}\",\"size\":16},\"layers\":[{\"mediaType\":\"x\",\"digest\":\"{0}\",\"size\":0}]}",
    "{\"schemaVersion\":2,\"manifests\":[]}",
    "[[[[[",
    "3\r\nabc\r\n0\r\n\r\n",
    "ffffffffffffffff\r\n",
];

/// Valid combinations of methods, paths and bodies.
const GOOD: &[(&str, &str, &str)] = &[
    ("GET", "/v2/", ""),
    ("GET", "/v2/w/a/blobs/{0}", ""),
    ("GET", "/v2/w/a/blobs/{2}", ""),
    ("HEAD", "/v2/w/b/c/blobs/{1}", ""),
    ("POST", "/v2/w/a/blobs/uploads/", ""),
    ("POST", "/v2/w/a/blobs/uploads/?mount={2}&from=w/b", ""),
    ("POST", "/v2/w/a/blobs/uploads/?digest={body}", "abc"),
    ("PATCH", "/v2/w/a/blobs/uploads/{upload}", "0123"),
    ("GET", "/v2/w/a/blobs/uploads/{upload}", ""),
    ("DELETE", "/v2/w/a/blobs/uploads/{upload}", ""),
    ("PUT", "/v2/w/a/blobs/uploads/{upload}?digest={body}", "xyz"),
    ("PUT", "/v2/w/a/manifests/latest", BODIES[5]),
    ("PUT", "/v2/w/a/manifests/{body}", BODIES[6]),
    ("GET", "/v2/w/a/manifests/latest", ""),
    ("GET", "/v2/w/a/tags/list?n=1&last=0", ""),
];

/// A request as bytes; `{0}` and the like stand for digests of existing blobs, `{body}` for that of the body,
/// `{upload}` for the last upload.
fn make(random: &mut Random) -> String {
    let (mut method, path, mut body) = *random.pick(GOOD);
    let mut path = path.to_owned();
    let long = random.long(&["0123", "{", "[", "\"a\"", ","]);
    if random.chance(1, 3) {
        match random.below(4) {
            0 => {
                method = *random.pick(&[
                    "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "get", "",
                ]);
            }
            1 => path = random.spoilt(&path, PIECES),
            2 => path = format!("/v2/w/{}", random.soup(PIECES, 6)),
            _ => body = *random.pick(BODIES),
        }
    }
    let body = long.as_deref().unwrap_or(body);
    let mut headers = vec![format!("Host: {HOST}")];
    if random.chance(19, 20) {
        headers.push("Content-Length: {length}".to_owned());
    }
    while random.chance(1, 2) {
        headers.push((*random.pick(HEADERS)).to_owned());
    }
    let text = format!(
        "{method} {path} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n{body}",
        headers.join("\r\n")
    );
    if random.chance(1, 16) {
        random.spoilt(&text, PIECES)
    } else {
        text
    }
}

/// A parsed response.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        };
        // What follows may be the response to a second request.
        let length = answer.header("content-length");
        let length = length.and_then(|length| length.parse::<usize>().ok());
        if let Some(length) = length
            && answer
                .body
                .get(length..)
                .is_some_and(|rest| rest.starts_with(b"HTTP/1.1 "))
        {
            answer.body.truncate(length);
        }
        Some(answer)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The exchange without its listener.
struct Bench {
    folder: tempfile::TempDir,
    runtime: Runtime,
    served: RefCell<Arc<Served>>,
    /// The id of the last upload that was started.
    upload: RefCell<String>,
    asked: RefCell<u64>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "nobody's").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let served = RefCell::new(Self::served(folder.path()));
        Self {
            folder,
            runtime,
            served,
            upload: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    fn served(folder: &Path) -> Arc<Served> {
        let store = Store::open(&folder.join("oci")).unwrap();
        for blob in BLOBS {
            store.put(blob.as_bytes(), None).unwrap();
        }
        Arc::new(Served {
            links: Links::new(&store),
            store,
            host: HOST.to_owned(),
            word: "w".to_owned(),
            uploads: Uploads::default(),
            idle: crate::limits::Limits::default().idle,
        })
    }

    /// The request with its placeholders filled in.
    fn filled(&self, request: &str) -> Vec<u8> {
        let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
        let digests: Vec<String> = BLOBS
            .iter()
            .map(|blob| Digest::of(blob.as_bytes()).to_string())
            .collect();
        let fill = |text: &str| {
            let text = text.replace("{upload}", &self.upload.borrow());
            digests.iter().enumerate().fold(text, |text, (at, digest)| {
                text.replace(&format!("{{{at}}}"), digest)
            })
        };
        let body = fill(body);
        let head = fill(head)
            .replace("{length}", &body.len().to_string())
            .replace("{body}", &Digest::of(body.as_bytes()).to_string());
        format!("{head}\r\n\r\n{body}").into_bytes()
    }

    /// The response; `None` if the connection just ends.
    fn ask(&self, request: &[u8]) -> Option<Answer> {
        let served = Arc::clone(&self.served.borrow());
        let bytes =
            self.runtime.block_on(async {
                let (mut client, other) = tokio::io::duplex(4 << 20);
                let service = service_fn(move |request| {
                    let served = Arc::clone(&served);
                    async move {
                        Ok::<_, std::convert::Infallible>(serve::answer(&served, request).await)
                    }
                });
                let mut http = http1::Builder::new();
                // A client that has sent everything still waits for the response.
                http.half_close(true);
                let connection = tokio::spawn(http.serve_connection(TokioIo::new(other), service));
                client.write_all(request).await.unwrap();
                client.shutdown().await.unwrap();
                let mut bytes = Vec::new();
                client.read_to_end(&mut bytes).await.unwrap();
                let _ = connection.await;
                bytes
            });
        Answer::read(&bytes)
    }

    fn judge(&self, request: &str) -> bool {
        let bytes = self.filled(request);
        let Some(answer) = self.ask(&bytes) else {
            return false;
        };
        Self::look(&answer, &bytes);
        if let Some((_, upload)) = answer
            .header("location")
            .and_then(|place| place.split_once("/uploads/"))
        {
            *self.upload.borrow_mut() = upload.to_owned();
        }
        *self.asked.borrow_mut() += 1;
        if self.asked.borrow().is_multiple_of(100) {
            self.renew();
        }
        answer.status < 400
    }

    fn look(answer: &Answer, request: &[u8]) {
        let Answer { status, body, .. } = answer;
        let is_head = request.starts_with(b"HEAD");
        assert!(*status < 500, "{status}: {}", String::from_utf8_lossy(body));
        if let (Some(length), false) = (answer.header("content-length"), is_head || *status == 204)
        {
            assert_eq!(length, body.len().to_string(), "the length is right");
        }
        if (200..300).contains(status) && !is_head && request.starts_with(b"GET") {
            Self::given(answer);
        }
        let is_ours = answer.header("docker-distribution-api-version").is_some();
        if is_ours && *status >= 400 && !is_head {
            let said: Value = serde_json::from_slice(body).expect("a refusal is JSON");
            assert!(
                said["errors"][0]["message"]
                    .as_str()
                    .is_some_and(|words| !words.is_empty())
            );
        }
    }

    /// Checks that content served for a digest has that digest.
    fn given(answer: &Answer) {
        let Some(digest) = answer.header("docker-content-digest") else {
            return;
        };
        if answer.status == 200 {
            assert_eq!(
                digest,
                Digest::of(&answer.body).to_string(),
                "it is what was asked for"
            );
        } else if let Some(range) = answer.header("content-range") {
            let whole = BLOBS
                .iter()
                .find(|blob| Digest::of(blob.as_bytes()).to_string() == digest);
            let (range, _) = range
                .strip_prefix("bytes ")
                .and_then(|range| range.split_once('/'))
                .unwrap();
            let (first, last) = range.split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            if let Some(whole) = whole {
                assert_eq!(
                    answer.body,
                    whole.as_bytes()[first..=last],
                    "it is this part"
                );
            }
        }
    }

    /// Starts over with the same store; also checks that nothing outside of it has changed.
    fn renew(&self) {
        let beside: Vec<String> = self
            .folder
            .path()
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(
            beside
                .iter()
                .all(|name| matches!(name.as_str(), "oci" | "secret")),
            "{beside:?}"
        );
        assert_eq!(
            std::fs::read(self.folder.path().join("secret")).unwrap(),
            b"nobody's"
        );
        self.upload.borrow_mut().clear();
        *self.served.borrow_mut() = Self::served(self.folder.path());
    }
}

#[test]
fn exchange_requests() {
    let bench = Bench::new();
    assert_eq!(MANIFEST, "application/vnd.oci.image.manifest.v1+json");
    let fuzz = Fuzz {
        name: "exchange requests",
        runs: 8000,
        make,
        judge: |request: &String| bench.judge(request),
    };
    fuzz.run().accepts(34);
}
