//! Python in images without any daemon: a managed Python from a mirror, and the packages of a lock file, all from a server
//! in the test.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::sandbox::Sandbox;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A tar of executable files; a target after `>` makes a symbolic link.
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut head = tar::Header::new_ustar();
        head.set_mode(0o755);
        head.set_uid(0);
        head.set_gid(0);
        if let Some((path, target)) = path.split_once("=>") {
            head.set_entry_type(tar::EntryType::Link);
            head.set_size(0);
            head.set_link_name(target).unwrap();
            head.set_path(path).unwrap();
            head.set_cksum();
            builder.append(&head, std::io::empty()).unwrap();
            continue;
        }
        if let Some((path, target)) = path.split_once('>') {
            head.set_entry_type(tar::EntryType::Symlink);
            head.set_size(0);
            builder.append_link(&mut head, path, target).unwrap();
            continue;
        }
        head.set_size(content.len() as u64);
        let content = content.as_bytes();
        builder.append_data(&mut head, path, content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A system with glibc and a Python of its own.
fn base() -> Vec<u8> {
    let libc = "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n";
    tar(&[
        ("usr/lib/x86_64-linux-gnu/libc.so.6", libc),
        ("etc/os-release", "ID=debian\n"),
        ("usr/bin/python3>python3.11", ""),
        ("usr/bin/python3.11", "an interpreter"),
    ])
}

/// A zip archive of stored files.
fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut crc = flate2::Crc::new();
        crc.update(content.as_bytes());
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let mut same = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        same.extend(crc.sum().to_le_bytes());
        same.extend([size, size].concat());
        same.extend(length);
        same.extend([0, 0]);
        list.extend(0x0201_4b50_u32.to_le_bytes());
        list.extend([20, 3]);
        list.extend(&same);
        list.extend([0; 6]);
        list.extend((0o100_644_u32 << 16).to_le_bytes());
        list.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        list.extend(name.as_bytes());
        bytes.extend(0x0403_4b50_u32.to_le_bytes());
        bytes.extend(&same);
        bytes.extend(name.as_bytes());
        bytes.extend(content.as_bytes());
    }
    let start = u32::try_from(bytes.len()).unwrap();
    bytes.extend(&list);
    bytes.extend(0x0605_4b50_u32.to_le_bytes());
    bytes.extend([0; 4]);
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    bytes.extend([count, count].concat());
    bytes.extend(u32::try_from(list.len()).unwrap().to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// Serves files by path until the test ends; returns its address.
fn serve(files: impl FnOnce(&str) -> BTreeMap<&'static str, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let files = Arc::new(files(&address));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let files = Arc::clone(&files);
            thread::spawn(move || answer(&stream, &files));
        }
    });
    address
}

fn answer(stream: &TcpStream, files: &BTreeMap<&'static str, Vec<u8>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match files.get(path) {
        Some(body) => ("200 OK", body.as_slice()),
        None => ("404 Not Found", b"".as_slice()),
    };
    let mut stream = stream;
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// The config of the built image, and the files of its layers by path, links with their targets.
fn built(sandbox: &Sandbox) -> (Value, BTreeMap<String, String>) {
    let flags = ["graph", "build", "--attempts", "1", "--output", "oci:out"];
    sandbox.run(&flags).success();
    crate::layout::is_layout(&sandbox.path("out"));
    let blob = |digest: &Value| {
        let digest = digest.as_str().unwrap().trim_start_matches("sha256:");
        std::fs::read(sandbox.path("out/blobs/sha256").join(digest)).unwrap()
    };
    let read = |digest: &Value| serde_json::from_slice::<Value>(&blob(digest)).unwrap();
    let index: Value = serde_json::from_str(&sandbox.read("out/index.json")).unwrap();
    let manifest = read(&index["manifests"][0]["digest"]);
    let mut files = BTreeMap::new();
    for layer in manifest["layers"].as_array().unwrap() {
        let bytes = blob(&layer["digest"]);
        if !bytes.starts_with(&[0x1f, 0x8b]) {
            continue;
        }
        let plain = flate2::read::MultiGzDecoder::new(bytes.as_slice());
        for entry in tar::Archive::new(plain).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            match entry.link_name().unwrap() {
                Some(target) => text = format!("> {}", target.display()),
                None => drop(entry.read_to_string(&mut text).unwrap()),
            }
            files.insert(path, text);
        }
    }
    (read(&manifest["config"]["digest"]), files)
}

fn on_base(manifest: &str, files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::with(files);
    sandbox.write("imgspec.kdl", manifest);
    std::fs::write(sandbox.path("base.tar"), base()).unwrap();
    sandbox
}

fn listed(url: &str, patch: u32, archive: &[u8]) -> Value {
    json!({
        "name": "cpython", "arch": {"family": "x86_64", "variant": null}, "os": "linux", "libc": "gnu", "major": 3,
        "minor": 12, "patch": patch, "prerelease": "", "variant": null, "url": url, "sha256": sha256(archive),
    })
}

const RELEASES: &str = "https://github.com/astral-sh/python-build-standalone/releases/download";

const MANAGED: &str = r#"image "app" {
    builder "oci"
    base-image file="base.tar"
    python-version "3.12"
}
"#;

#[test]
fn a_managed_python_comes_from_the_list_and_the_mirror() {
    let archive = gzip(&tar(&[
        ("python/bin/python3.12", "the interpreter"),
        ("python/bin/python3>python3.12", ""),
        ("python/bin/same=>python/bin/python3.12", ""),
        ("python/bin/python3.12-config", "prefix=/install\n"),
        ("python/lib/pkgconfig/python3.pc", "prefix=/install\nx"),
        ("python/lib/python3.12/os.py", "import sys  # /install"),
        (
            "python/lib/python3.12/__pycache__/_sysconfigdata__linux.cpython-312.pyc",
            "old",
        ),
        (
            "python/lib/python3.12/_sysconfigdata__linux.py",
            "# system configuration generated and used by the sysconfig module\nbuild_time_vars = {'BINDIR': '/install/bin'}\n",
        ),
        ("python/share/man/man1/python3.1>python3.12.1", ""),
    ]));
    let address = serve(|_| {
        let list = json!({
            "new": listed(&format!("{RELEASES}/1/new.tar.gz"), 7, &archive),
            "old": listed(&format!("{RELEASES}/1/old.tar.gz"), 4, b"old"),
        });
        BTreeMap::from([
            ("/list", list.to_string().into()),
            ("/mirror/1/new.tar.gz", archive),
        ])
    });
    let sandbox = on_base(MANAGED, &[])
        .env("UV_PYTHON_DOWNLOADS_JSON_URL", &format!("{address}/list"))
        .env("UV_PYTHON_INSTALL_MIRROR", &format!("{address}/mirror"));
    let (image, files) = built(&sandbox);
    let own = "opt/python/cpython-3.12.7-linux-x86_64-gnu";
    assert_eq!(files[&format!("{own}/bin/python3.12")], "the interpreter");
    assert_eq!(files[&format!("{own}/bin/python3")], "> python3.12");
    let same = format!("> {own}/bin/python3.12");
    assert_eq!(files[&format!("{own}/bin/same")], same);
    assert_eq!(files[&format!("{own}/bin/python")], "> python3.12");
    // What names the directory that the build was made for names this one, as with uv.
    let settings = &files[&format!("{own}/lib/python3.12/_sysconfigdata__linux.py")];
    assert!(
        settings.contains(&format!("\"BINDIR\": \"/{own}/bin\"")),
        "{settings}"
    );
    assert!(!files.keys().any(|path| path.contains("__pycache__/_sys")));
    let config = &files[&format!("{own}/bin/python3.12-config")];
    assert_eq!(config, &format!("prefix=/{own}\n"));
    let package = &files[&format!("{own}/lib/pkgconfig/python3.pc")];
    assert_eq!(package, "prefix=${pcfiledir}/../..\nx");
    let other = &files[&format!("{own}/lib/python3.12/os.py")];
    assert_eq!(other, "import sys  # /install");
    assert_eq!(files["opt/python/bin"], format!("> /{own}/bin"));
    assert_eq!(files["opt/python/lib"], format!("> /{own}/lib"));
    assert_eq!(
        files["opt/python/cpython-3.12-linux-x86_64-gnu"],
        format!("> /{own}")
    );
    assert!(files[&format!("{own}/lib/python3.12/EXTERNALLY-MANAGED")].contains("managed by uv"));
    let path = image["config"]["Env"][0].as_str().unwrap();
    assert!(
        path.starts_with("PATH=/opt/python/bin:/usr/local/sbin:"),
        "{path}"
    );
}

#[test]
fn archives_of_python_that_are_none_are_refused() {
    let proper = ("python/bin/python3.12", "x");
    let archives: [(&[(&str, &str)], &str); 9] = [
        (
            &[proper, ("python/x=>/etc/shadow", "")],
            "is not in its directory `python`",
        ),
        (
            &[proper, ("python/x=>python/../y", "")],
            "is not in its directory `python`",
        ),
        (
            &[("python/x=>python/bin/python3.12", ""), proper],
            "which is no file before it",
        ),
        (
            &[("other/bin/python3.12", "x")],
            "is not in its directory `python`",
        ),
        (
            &[
                proper,
                ("python/lib/python3.12/_sysconfigdata__linux.py", "x"),
            ],
            "cannot be read: it does not begin with a dictionary",
        ),
        (&[proper, proper], "twice"),
        (&[("python/bin>/etc", ""), proper], "which is no directory"),
        (&[("python/lib/x", "x")], "has no `bin/python3.12`"),
        (&[], "has no `bin/python3.12`"),
    ];
    for (files, words) in archives {
        let archive = gzip(&tar(files));
        let address = serve(|address| {
            let list = json!({ "it": listed(&format!("{address}/it.tar.gz"), 7, &archive) });
            BTreeMap::from([("/list", list.to_string().into()), ("/it.tar.gz", archive)])
        });
        let sandbox =
            on_base(MANAGED, &[]).env("UV_PYTHON_DOWNLOADS_JSON_URL", &format!("{address}/list"));
        let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
        assert!(ran.stderr.contains(words), "`{words}`: {}", ran.stderr);
    }
    let address = serve(|address| {
        let list = json!({ "it": listed(&format!("{address}/it.tar.gz"), 7, b"what was listed") });
        BTreeMap::from([
            ("/list", list.to_string().into()),
            ("/it.tar.gz", b"another".to_vec()),
        ])
    });
    let sandbox =
        on_base(MANAGED, &[]).env("UV_PYTHON_DOWNLOADS_JSON_URL", &format!("{address}/list"));
    let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
    assert!(
        ran.stderr.contains("cpython-3.12.7-linux-x86_64-gnu"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_lock_file_becomes_an_environment_with_its_packages() {
    let info = "demo-1.0.dist-info";
    let wheel = zip(&[
        ("demo.py", "x = 1\n"),
        (
            &format!("{info}/METADATA"),
            "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        ),
        (
            &format!("{info}/WHEEL"),
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        (
            &format!("{info}/entry_points.txt"),
            "[console_scripts]\ndemo = demo:main\n",
        ),
        (&format!("{info}/RECORD"), "demo.py,,\n"),
    ]);
    let hash = sha256(&wheel);
    let size = wheel.len();
    let address = serve(|_| BTreeMap::from([("/demo-1.0-py3-none-any.whl", wheel)]));
    let lock = format!(
        "version = 1\nrevision = 3\nrequires-python = \">=3.11\"\n\n\
         [[package]]\nname = \"app\"\nversion = \"0.1.0\"\nsource = {{ virtual = \".\" }}\ndependencies = [{{ name = \"demo\" }}]\n\n\
         [package.metadata]\nrequires-dist = [{{ name = \"demo\" }}]\n\n\
         [[package]]\nname = \"demo\"\nversion = \"1.0\"\nsource = {{ registry = \"https://pypi.org/simple\" }}\n\
         wheels = [{{ url = \"{address}/demo-1.0-py3-none-any.whl\", hash = \"sha256:{hash}\", size = {size} }}]\n"
    );
    let project = "[project]\nname = \"app\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\ndependencies = [\"demo\"]\n";
    let manifest = r#"image "app" {
    builder "oci"
    base-image file="base.tar"
    requirements "uv.lock"
}
"#;
    let sandbox = on_base(manifest, &[("uv.lock", &lock), ("pyproject.toml", project)]);
    let (config, files) = built(&sandbox);
    assert_eq!(files["opt/venv/bin/python"], "> /usr/bin/python3");
    assert_eq!(files["opt/venv/bin/python3"], "> python");
    assert_eq!(files["opt/venv/lib64"], "> lib");
    assert_eq!(
        files["opt/venv/pyvenv.cfg"],
        "home = /usr/bin\nimplementation = CPython\nversion_info = 3.11\ninclude-system-site-packages = false\n"
    );
    let installed = "opt/venv/lib/python3.11/site-packages";
    assert_eq!(files[&format!("{installed}/demo.py")], "x = 1\n");
    assert!(files["opt/venv/bin/demo"].starts_with("#!/opt/venv/bin/python3\n"));
    let variables: Vec<&str> = config["config"]["Env"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        variables.contains(&"VIRTUAL_ENV=/opt/venv"),
        "{variables:?}"
    );
    assert!(
        variables[0].starts_with("PATH=/opt/venv/bin:"),
        "{variables:?}"
    );
}
