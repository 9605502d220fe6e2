//! A test package index, optionally with a password: indexes, lock files, and secrets for the installer.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use crate::{by_turns, nonce, on, printed, references, remove};

/// A wheel with one module, `imgspec_probe`, whose `PLACE` is `the index`.
const WHEEL: &[u8] = include_bytes!("../data/imgspec_probe-1.0-py3-none-any.whl");

const FILE: &str = "imgspec_probe-1.0-py3-none-any.whl";

/// `me:canary-of-the-index`, as sent in a request.
const LOGIN: &str = "Basic bWU6Y2FuYXJ5LW9mLXRoZS1pbmRleA==";

pub(crate) const PASSWORD: &str = "canary-of-the-index";

/// The index, on its own port until the test ends.
pub(crate) struct Index {
    pub(crate) port: u16,
    /// The paths that were requested and served.
    asked: Arc<Mutex<Vec<String>>>,
    /// Requests without the required password.
    refused: Arc<AtomicUsize>,
}

impl Index {
    pub(crate) fn new(wants_login: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let refused: Arc<AtomicUsize> = Arc::default();
        let (heard, sent_away) = (Arc::clone(&asked), Arc::clone(&refused));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (heard, sent_away) = (Arc::clone(&heard), Arc::clone(&sent_away));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some((path, login)) = request(&stream) else {
                        return;
                    };
                    let (status, body) = if wants_login && login.as_deref() != Some(LOGIN) {
                        sent_away.fetch_add(1, Ordering::SeqCst);
                        (401, Vec::new())
                    } else {
                        answer(&path)
                    };
                    if status == 200 {
                        heard.lock().unwrap().push(path);
                    }
                    let kind = if body.starts_with(b"<") {
                        "text/html"
                    } else {
                        "application/octet-stream"
                    };
                    let first = format!(
                        "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nWWW-Authenticate: Basic realm=\"x\"\r\nConnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all(first.as_bytes());
                    let _ = stream.write_all(&body);
                });
            }
        });
        Self {
            port,
            asked,
            refused,
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/simple", self.port)
    }

    fn gave(&self, path: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|asked| asked == path)
    }

    fn uv_lock(&self) -> String {
        let (url, port, hash) = (self.url(), self.port, hash());
        format!(
            "version = 1\nrevision = 3\nrequires-python = \">=3.9\"\n\n[[package]]\nname = \"imgspec-probe\"\nversion = \"1.0\"\n\
             source = {{ registry = \"{url}\" }}\nwheels = [\n    {{ url = \"http://127.0.0.1:{port}/{FILE}\", hash = \"sha256:{hash}\" }},\n]\n\n\
             [[package]]\nname = \"probe\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\ndependencies = [\n    {{ name = \"imgspec-probe\" }},\n]\n\n\
             [package.metadata]\nrequires-dist = [{{ name = \"imgspec-probe\", specifier = \"==1.0\" }}]\n"
        )
    }

    fn pylock(&self) -> String {
        let (port, hash) = (self.port, hash());
        format!(
            "lock-version = \"1.0\"\ncreated-by = \"hand\"\nrequires-python = \">=3.9\"\n\n[[packages]]\nname = \"imgspec-probe\"\nversion = \"1.0\"\n\
             wheels = [{{ url = \"http://127.0.0.1:{port}/{FILE}\", hashes = {{ sha256 = \"{hash}\" }} }}]\n"
        )
    }

    /// Poetry's two files; Poetry checks by hash whether they match.
    fn poetry(&self) -> (String, String) {
        let (url, hash) = (self.url(), hash());
        let project = format!(
            "[tool.poetry]\nname = \"probe\"\nversion = \"1\"\ndescription = \"\"\nauthors = []\npackage-mode = false\n\
             [tool.poetry.dependencies]\npython = \">=3.9\"\nimgspec-probe = \"1.0\"\n\
             [[tool.poetry.source]]\nname = \"own\"\nurl = \"{url}/\"\npriority = \"primary\"\n"
        );
        let content = format!(
            "{{\"dependencies\": {{\"imgspec-probe\": \"1.0\", \"python\": \">=3.9\"}}, \"dev-dependencies\": null, \"extras\": null, \
             \"source\": [{{\"name\": \"own\", \"priority\": \"primary\", \"url\": \"{url}/\"}}]}}"
        );
        let content = hex(&Sha256::digest(content));
        let lock = format!(
            "[[package]]\nname = \"imgspec-probe\"\nversion = \"1.0\"\ndescription = \"\"\noptional = false\npython-versions = \"*\"\n\
             groups = [\"main\"]\nfiles = [\n    {{file = \"{FILE}\", hash = \"sha256:{hash}\"}},\n]\n\n\
             [package.source]\ntype = \"legacy\"\nurl = \"{url}\"\nreference = \"own\"\n\n\
             [metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.9\"\ncontent-hash = \"{content}\"\n"
        );
        (project, lock)
    }
}

fn request(stream: &TcpStream) -> Option<(String, Option<String>)> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut login = None;
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("authorization") {
            login = Some(value.to_owned());
        }
    }
    Some((first.split(' ').nth(1)?.to_owned(), login))
}

fn answer(path: &str) -> (u16, Vec<u8>) {
    match path.trim_end_matches('/') {
        "/simple/imgspec-probe" => {
            let page = format!(
                "<html><body><a href=\"/{FILE}#sha256={}\">{FILE}</a></body></html>",
                hash()
            );
            (200, page.into_bytes())
        }
        path if path == format!("/{FILE}") => (200, WHEEL.to_vec()),
        _ => (404, Vec::new()),
    }
}

fn hash() -> String {
    hex(&Sha256::digest(WHEEL))
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from_digit(u32::from(digit), 16).unwrap())
        .collect()
}

const PRINT: &str = "python3 -c 'import imgspec_probe; print(imgspec_probe.PLACE)'";

#[test]
fn packages_come_from_the_index_that_is_named_with_the_password_that_is_lent() {
    for (store, engine) in by_turns() {
        let (index, nonce) = (Index::new(true), nonce());
        let sandbox = on(&engine).env(
            "NETRC_TEXT",
            &format!("machine 127.0.0.1 login me password {PASSWORD}\n"),
        );
        sandbox.write(
            "netrc",
            &format!("machine 127.0.0.1 login me password {PASSWORD}\n"),
        );
        let url = index.url();
        let host = "builder-options network=\"host\"";
        let label = format!("labels nonce=\"{nonce}\"");
        sandbox.write(
            "imgspec.kdl",
            &format!(
                "image \"index\" {{ name \"imgspec-index-{nonce}\"; {label}; {host}; packages \"imgspec-probe\"; pip-index \"{url}\"
                     pip-secret-mounts \"netrc\" to=\"/root/.netrc\" }}
                 image \"extra\" {{ name \"imgspec-extra-{nonce}\"; {label}; {host}; packages \"imgspec-probe==1.0\" \"iniconfig\"; pip-extra-index-url \"{url}\"
                     secret \"netrc\" env=\"NETRC_TEXT\" {{ packages mount=\"/root/.netrc\" }} }}\n"
            ),
        );
        sandbox.run(&["graph", "build"]).success();
        let references = references(&sandbox);
        for (id, reference) in &references {
            assert_eq!(
                printed(&engine, reference, PRINT),
                "the index",
                "{store}: {id}"
            );
            // The file was mounted, not copied.
            let found = printed(
                &engine,
                reference,
                "ls -A /root; grep -rs canary-of-the /root /etc /run /tmp || echo nothing",
            );
            assert!(
                found.ends_with("nothing") && !found.contains(".netrc"),
                "{store}: {id}: {found}"
            );
        }
        assert!(index.gave(&format!("/{FILE}")), "{store}");
        remove(&engine, &references);
    }
}

#[test]
fn without_the_password_the_index_gives_nothing() {
    for (store, engine) in by_turns() {
        let (index, nonce) = (Index::new(true), nonce());
        let sandbox = on(&engine);
        sandbox.write(
            "imgspec.kdl",
            &format!(
                "image \"it\" {{ name \"imgspec-index-{nonce}\"; labels nonce=\"{nonce}\"; builder-options network=\"host\"
                     packages \"imgspec-probe\"; pip-index \"{}\" }}\n",
                index.url()
            ),
        );
        assert_eq!(sandbox.run(&["graph", "build"]).code, Some(1), "{store}");
        assert!(index.refused.load(Ordering::SeqCst) > 0 && !index.gave(&format!("/{FILE}")));
    }
}

#[test]
fn lock_files_are_installed_by_their_tools() {
    for (store, engine) in by_turns() {
        let (index, nonce) = (Index::new(false), nonce());
        let sandbox = on(&engine);
        let (project, lock) = index.poetry();
        let files = [
            (
                "uv/pyproject.toml",
                "[project]\nname = \"probe\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"imgspec-probe==1.0\"]\n",
            ),
            ("uv/uv.lock", &index.uv_lock()),
            ("pylock.toml", &index.pylock()),
            ("poetry/pyproject.toml", &project),
            ("poetry/poetry.lock", &lock),
        ];
        for (path, text) in files {
            sandbox.write(path, text);
        }
        let image = |id: &str, nodes: &str| {
            format!(
                "image \"{id}\" {{ name \"imgspec-lock-{nonce}-{id}\"; labels nonce=\"{nonce}\"; builder-options network=\"host\"; {nodes} }}\n"
            )
        };
        let url = index.url();
        sandbox.write(
            "imgspec.kdl",
            &[
                image(
                    "uv",
                    &format!("requirements \"uv/uv.lock\"; pip-index \"{url}\""),
                ),
                image("pylock", "requirements \"pylock.toml\""),
                image("poetry", "requirements \"poetry/poetry.lock\""),
            ]
            .concat(),
        );
        sandbox.run(&["graph", "build"]).success();
        let references = references(&sandbox);
        let prefix =
            "python3 -c 'import imgspec_probe, sys; print(imgspec_probe.PLACE, sys.prefix)'";
        for (id, expected) in [
            ("uv", "the index /opt/venv"),
            ("pylock", "the index /usr"),
            ("poetry", "the index /opt/venv"),
        ] {
            assert_eq!(
                printed(&engine, &references[id], prefix),
                expected,
                "{store}: {id}"
            );
        }
        // A project that does not match the lock file.
        sandbox.write("uv/pyproject.toml", "[project]\nname = \"probe\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"imgspec-probe==2.0\"]\n");
        let changed = sandbox.run(&["graph", "build", "uv"]);
        assert_eq!(changed.code, Some(1), "{store}: {}", changed.stderr);
        remove(&engine, &references);
    }
}
