//! An archive on the loopback interface: what is asked of it, what is believed, and what is refused.

#[cfg(feature = "engine-tests")]
mod with_apt;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;

use parking_lot::Mutex;

use super::choose::choose;
use super::files::fetch;
use super::*;
use crate::backend::Notes;
use crate::backend::embedded::base::Source;
use crate::backend::oci::registry::Access;
use crate::backend::oci::store::Store;
use crate::cancel::Cancel;

/// The files of an archive by path, and the paths that were asked for.
type Archive = (BTreeMap<String, Vec<u8>>, Vec<String>);

#[derive(Clone, Default)]
struct Served(Arc<Mutex<Archive>>);

impl Served {
    /// Serves until the test ends; returns the URL.
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/debian", listener.local_addr().unwrap());
        let served = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let lines: Vec<String> = lines
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty())
                    .collect();
                let path = lines[0]
                    .split(' ')
                    .nth(1)
                    .unwrap()
                    .trim_start_matches("/debian/")
                    .to_owned();
                let mut state = served.0.lock();
                let (status, body) = match state.0.get(&path) {
                    Some(body) => (200, body.clone()),
                    None => (404, Vec::new()),
                };
                state.1.push(path);
                drop(state);
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                let _ = stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(&body));
            }
        });
        url
    }

    fn put(&self, path: &str, body: impl AsRef<[u8]>) {
        self.0
            .lock()
            .0
            .insert(path.to_owned(), body.as_ref().to_vec());
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut self.0.lock().1);
        asked.sort();
        asked
    }
}

const DEB: &str = "a package";
const LIST: &str = "dists/stable/main/binary-amd64/Packages";

struct Bench {
    served: Served,
    store: Store,
    _folder: tempfile::TempDir,
    files: BTreeMap<String, Vec<u8>>,
    log: Log,
}

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Notes for Log {
    fn log(&self, line: &str) {
        self.0.lock().push(line.to_owned());
    }
}

impl Bench {
    /// An archive with `app`, which needs `lib`, in a suite `stable`.
    fn new() -> Self {
        let served = Served::default();
        let url = served.start();
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Self {
            served,
            store: Store::open(&folder.path().join("images")).unwrap(),
            _folder: folder,
            files: BTreeMap::new(),
            log: Log::default(),
        };
        bench.source(&format!("deb [trusted=yes] {url} stable main"));
        bench.list("pool/l/lib_1_amd64.deb");
        bench.served.put("pool/l/lib_1_amd64.deb", DEB);
        bench
    }

    fn source(&mut self, line: &str) {
        self.files
            .insert("etc/apt/sources.list".to_owned(), line.as_bytes().to_vec());
    }

    /// Offers the list, with `lib` at this path.
    fn list(&self, filename: &str) {
        let digest = Digest::of(DEB.as_bytes()).hex();
        let place =
            |name: &str| format!("Filename: {name}\nSize: {}\nSHA256: {digest}\n", DEB.len());
        let list = format!(
            "Package: app\nVersion: 2\nArchitecture: all\nDepends: lib\n{}\nPackage: lib\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\n{}",
            place("./pool/a/app_2_all.deb"),
            place(filename)
        );
        self.release("", &list);
        self.served.put(LIST, list);
    }

    /// Offers the head of the suite, for this list.
    fn release(&self, more: &str, list: &str) {
        let digest = Digest::of(list.as_bytes()).hex();
        let text = format!(
            "Suite: stable\nCodename: fine\n{more}SHA256:\n {digest} {} main/binary-amd64/Packages\n",
            list.len()
        );
        self.served.put("dists/stable/InRelease", text);
    }

    fn with<T>(&self, run: impl FnOnce(&Source<'_>) -> T) -> T {
        run(&Source {
            store: &self.store,
            access: &Access::default(),
            cancel: &Cancel::default(),
            notes: &self.log,
        })
    }

    fn choose(&self, packages: &[&str]) -> Result<Vec<Package>, String> {
        let packages: Vec<String> = packages.iter().map(|&name| name.to_owned()).collect();
        let request = Request {
            files: &self.files,
            architecture: "amd64",
            packages: &packages,
            set: None,
            below: &[],
            preferred: &[],
        };
        let chosen = self.with(|source| choose(&request, source));
        chosen
            .map(|chosen| chosen.packages)
            .map_err(|error| match error {
                ChooseError::Unclear(why) => format!("unclear: {why}"),
                ChooseError::Failed(error) => error.to_string(),
            })
    }

    fn why(&self) -> String {
        let why = self.choose(&["app"]).unwrap_err();
        // The port differs each time.
        let start = why.find("http://127.0.0.1:");
        let port = start.map(|start| {
            why[start + 17..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        });
        port.map_or(why.clone(), |port| why.replace(&port, "PORT"))
    }
}

#[test]
fn packages_are_chosen_and_fetched_and_the_list_is_read_once() {
    let bench = Bench::new();
    let chosen = bench.choose(&["app"]).unwrap();
    let names: Vec<&str> = chosen.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["lib", "app"]);
    assert_eq!(
        (chosen[0].multi_arch.as_str(), chosen[0].is_requested),
        ("same", false)
    );
    assert_eq!(
        (chosen[1].filename.as_str(), chosen[1].is_requested),
        ("pool/a/app_2_all.deb", true)
    );
    assert!(chosen[1].stanza.contains("Depends: lib\n"));
    assert_eq!(bench.served.asked(), ["dists/stable/InRelease", LIST]);
    bench.choose(&["lib"]).unwrap();
    assert_eq!(bench.served.asked(), ["dists/stable/InRelease"]);
    bench
        .with(|source| fetch(&chosen[..1], source, &|_| {}))
        .unwrap();
    assert_eq!(
        bench.store.read_whole(chosen[0].sha256, 100).unwrap(),
        DEB.as_bytes()
    );
    bench
        .with(|source| fetch(&chosen[..1], source, &|_| {}))
        .unwrap();
    assert_eq!(bench.served.asked(), ["pool/l/lib_1_amd64.deb"]);
}

#[test]
fn a_list_is_asked_for_by_its_hash_where_the_archive_knows_that() {
    let bench = Bench::new();
    let list = String::from_utf8(bench.served.0.lock().0.remove(LIST).unwrap()).unwrap();
    bench.release("Acquire-By-Hash: yes\n", &list);
    let digest = Digest::of(list.as_bytes()).hex();
    let place = format!("dists/stable/main/binary-amd64/by-hash/SHA256/{digest}");
    bench.served.put(&place, list);
    assert_eq!(bench.choose(&["app"]).unwrap().len(), 2);
    assert_eq!(
        bench.served.asked(),
        ["dists/stable/InRelease", place.as_str()]
    );
}

#[test]
fn a_mirror_that_answers_with_something_else_is_told_with_both_hashes() {
    let bench = Bench::new();
    let list = String::from_utf8(bench.served.0.lock().0[LIST].clone()).unwrap();
    let other = list.replace("Version: 2", "Version: 3");
    bench.served.put(LIST, &other);
    let why = bench.why();
    let [wanted, found] = [&list, &other].map(|text| Digest::of(text.as_bytes()).to_string());
    assert!(
        why.contains("dists/stable/main/binary-amd64/Packages")
            && why.contains(&wanted)
            && why.contains(&found),
        "{why}"
    );
    // So with packages.
    bench.served.put(LIST, &list);
    let chosen = bench.choose(&["lib"]).unwrap();
    bench.served.put("pool/l/lib_1_amd64.deb", "a PACKAGE");
    let why = bench
        .with(|source| fetch(&chosen, source, &|_| {}))
        .unwrap_err()
        .to_string();
    let found = Digest::of(b"a PACKAGE").to_string();
    assert!(
        why.contains("`lib_1_amd64.deb`")
            && why.contains(&chosen[0].sha256.to_string())
            && why.contains(&found),
        "{why}"
    );
    bench
        .served
        .put("pool/l/lib_1_amd64.deb", vec![b'x'; 2 << 20]);
    let why = bench
        .with(|source| fetch(&chosen, source, &|_| {}))
        .unwrap_err()
        .to_string();
    assert!(why.contains("it sent more than 9 bytes"), "{why}");
    assert_eq!(bench.store.size(chosen[0].sha256).unwrap(), None);
}

#[test]
fn heads_of_suites_that_must_not_be_believed_are_refused() {
    let mut bench = Bench::new();
    let head = "`http://127.0.0.1:PORT/debian/dists/stable/InRelease`";
    bench.served.put(
        "dists/stable/InRelease",
        "Suite: old\nCodename: older\nSHA256:\n",
    );
    assert_eq!(
        bench.why(),
        format!("{head}: it is `older` (`old`), not `stable`")
    );
    bench.release("Valid-Until: Sat, 11 Jul 2020 10:16:37 UTC\n", "");
    assert!(
        bench.why().contains("it held until 2020-07-11T10:16:37Z"),
        "{}",
        bench.why()
    );
    bench.served.put("dists/stable/InRelease", [0xff]);
    assert_eq!(bench.why(), format!("{head}: it is no UTF-8"));
    bench.served.0.lock().0.clear();
    assert_eq!(bench.why(), format!("unclear: {head} is not found"));
    // Not trusted as it is.
    let line = String::from_utf8(bench.files["etc/apt/sources.list"].clone()).unwrap();
    bench.source(&line.replace("[trusted=yes] ", ""));
    bench.list("pool/l/lib_1_amd64.deb");
    let keys = "the base has no keys that could verify it; `/etc/apt/sources.list` may name some with `signed-by`";
    assert_eq!(bench.why(), format!("{head}: {keys}"));
    bench.files.insert(
        "etc/apt/trusted.gpg.d/debian.gpg".to_owned(),
        keyring::DEBIAN.to_vec(),
    );
    assert_eq!(
        bench.why(),
        format!("{head}: it does not begin as a signed text does")
    );
    bench.source(&line.replace("trusted=yes", "signed-by=/usr/share/keyrings/no.gpg"));
    assert_eq!(
        bench.why(),
        "unclear: `/usr/share/keyrings/no.gpg`: the base has no such keys, which `/etc/apt/sources.list` names"
    );
}

#[test]
fn what_only_apt_understands_is_left_to_it() {
    let mut bench = Bench::new();
    for (path, text, why) in [
        (
            "etc/apt/preferences.d/x",
            "Package: *\nPin: release a=x\nPin-Priority: 9\n",
            "preferences",
        ),
        (
            "etc/apt/apt.conf.d/x",
            "APT { Default-Release \"x\"; };",
            "default-release",
        ),
        ("etc/apt/auth.conf", "machine x", "logins"),
        ("var/lib/dpkg/arch", "amd64\ni386\n", "i386"),
        (
            "var/lib/dpkg/status",
            "Package: x\nStatus: install ok unpacked\nVersion: 1\n",
            "not wholly installed",
        ),
        (
            "etc/apt/sources.list.d/x.list",
            "deb cdrom:x y z",
            "`https` and `http` only",
        ),
        (
            "etc/apt/sources.list.d/x.list",
            "deb https://me:hush-hush@packages.test/debian y z",
            "has a login",
        ),
    ] {
        bench
            .files
            .insert(path.to_owned(), text.as_bytes().to_vec());
        let told = bench.why();
        assert!(
            told.starts_with("unclear: ") && told.contains(why) && !told.contains("hush-hush"),
            "{told}"
        );
        bench.files.remove(path);
    }
    bench.files.insert(
        "etc/apt/apt.conf.d/docker".to_owned(),
        b"// proxy\nAcquire::Languages \"none\";".to_vec(),
    );
    assert_eq!(bench.choose(&["app"]).unwrap().len(), 2);
}

#[test]
fn paths_that_lead_elsewhere_and_bases_without_sources_are_refused() {
    let mut bench = Bench::new();
    for path in [
        "../x.deb",
        "/x.deb",
        "http://other/x.deb",
        "a//x.deb",
        "a/?x",
        "é.deb",
    ] {
        bench.list(path);
        assert!(
            bench.why().contains("is no path in an archive"),
            "{path}: {}",
            bench.why()
        );
    }
    bench.source("deb [trusted=yes] http://127.0.0.1:1/ stable x");
    assert!(bench.choose(&["app"]).is_err());
    bench.source("");
    assert!(bench.why().contains("has no sources of packages"));
}
