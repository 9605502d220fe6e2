//! Python packages without a daemon and without a network: synthetic wheels from an index on the loopback interface.

pub(super) mod index;
mod platforms;
mod replaced;
mod resolved;

use index::{Index, wheel, wheel_with};

use crate::sandbox::Sandbox;

/// What tells the version of the C library.
const LIBC: &str = "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n";

/// A root file system with the files by which a Python is found.
pub(super) fn root() -> Vec<u8> {
    root_with(&[])
}

/// The same with more files.
fn root_with(more: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let files = [
        ("usr/bin/python3.11", ""),
        ("usr/lib/python3.11/os.py", ""),
        ("lib/x86_64-linux-gnu/libc.so.6", LIBC),
    ];
    for (path, text) in files.iter().chain(more) {
        let mut head = tar::Header::new_ustar();
        head.set_size(text.len() as u64);
        head.set_mode(0o755);
        head.set_mtime(0);
        head.set_uid(0);
        head.set_gid(0);
        tar.append_data(&mut head, path, text.as_bytes()).unwrap();
    }
    let mut head = tar::Header::new_ustar();
    head.set_entry_type(tar::EntryType::Symlink);
    head.set_mode(0o777);
    head.set_size(0);
    head.set_uid(0);
    head.set_gid(0);
    head.set_mtime(0);
    tar.append_link(&mut head, "usr/bin/python3", "python3.11")
        .unwrap();
    tar.into_inner().unwrap()
}

fn manifest(index: &Index, more: &str) -> String {
    let host = &index.host;
    format!(
        "image \"app\" {{\n    builder \"oci\"\n    base-image file=\"root.tar\"\n    requirements \"all.txt\"\n    \
         pip-index \"http://{host}/simple\"\n    {more}\n}}\n"
    )
}

fn sandbox(index: &Index, requirements: &str) -> Sandbox {
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", &manifest(index, "")),
        ("all.txt", requirements),
    ]);
    std::fs::write(sandbox.path("root.tar"), root()).unwrap();
    sandbox
}

#[test]
fn pinned_packages_are_fetched_once_and_found_again_without_asking() {
    let index = Index::new();
    let (one, two) = (wheel("one", "1.0"), wheel("two", "2.0"));
    let one = index.offer("one-1.0-py3-none-any.whl", &one);
    let two = index.offer("two-2.0-py3-none-any.whl", &two);
    let text =
        format!("one==1.0 --hash=sha256:{one}\ntwo==2.0 \\\n  --hash=sha256:{two} # the second\n");
    let sandbox = sandbox(&index, &text);
    sandbox.run(&["graph", "build"]).success();
    let mut asked = index.asked();
    asked.sort();
    assert_eq!(
        asked,
        [
            "/files/one-1.0-py3-none-any.whl",
            "/files/two-2.0-py3-none-any.whl",
            "/simple/one/",
            "/simple/two/"
        ]
    );
    sandbox.write("imgspec.kdl", &manifest(&index, "env A=\"1\""));
    sandbox.run(&["graph", "build"]).success().says("built 1");
    assert_eq!(index.asked(), [""; 0]);
    sandbox.run(&["graph", "build", "--force"]).success();
    let mut asked = index.asked();
    asked.sort();
    assert_eq!(asked, ["/simple/one/", "/simple/two/"]);
}

#[test]
fn a_login_goes_to_its_host_and_into_no_message() {
    let index = Index::new();
    let hash = index.offer("one-1.0-py3-none-any.whl", &wheel("one", "1.0"));
    let sandbox = sandbox(&index, &format!("one==1.0 --hash=sha256:{hash}\n"));
    let secret = "secret \"netrc\" file=\"netrc\" { packages mount=\"/root/.netrc\"; }";
    sandbox.write("imgspec.kdl", &manifest(&index, secret));
    sandbox.write("netrc", "machine 127.0.0.1 login me password hush-hush\n");
    let ran = sandbox.run(&["graph", "build"]).success();
    assert_eq!(
        index.asked(),
        [
            "/simple/one/ Basic bWU6aHVzaC1odXNo",
            "/files/one-1.0-py3-none-any.whl Basic bWU6aHVzaC1odXNo"
        ]
    );
    assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
    index.set("/simple/one/", 401, "text/plain", b"");
    let ran = sandbox.run(&["graph", "build", "--force"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("it refuses access (401"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
}

#[test]
fn indexes_that_lie_or_lack_something_are_told() {
    let index = Index::new();
    let hash = index.offer("one-1.0-py3-none-any.whl", &wheel("one", "1.0"));
    let pinned = format!("one==1.0 --hash=sha256:{hash}\n");
    let sandbox = sandbox(&index, &pinned);
    let refused = |words: &str| {
        let ran = sandbox.run(&["graph", "build", "--attempts", "1"]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains("imgspec.kdl:4"), "{}", ran.stderr);
    };
    index.set(
        "/files/one-1.0-py3-none-any.whl",
        200,
        "application/zip",
        b"lies",
    );
    refused("expected blob `sha256:");
    index.set("/files/one-1.0-py3-none-any.whl", 503, "text/plain", b"");
    refused("`one-1.0-py3-none-any.whl`: `http://127.0.0.1");
    index.set(
        "/simple/one/",
        200,
        "application/vnd.pypi.simple.v1+json",
        b"{\"meta\":{\"api-version\":\"9.0\"}}",
    );
    sandbox.write("all.txt", &format!("# new\n{pinned}"));
    refused("it is not the page of an index");
    index.set("/simple/one/", 404, "text/plain", b"");
    refused("one is not found at `http://127.0.0.1");
    let file = "one-1.0-cp312-cp312-win_amd64.whl";
    let hash = index.offer(file, &wheel_with("one", "1.0", "other"));
    sandbox.write("all.txt", &format!("one==1.0 --hash=sha256:{hash}\n"));
    refused(
        "one 1.0 has no wheel for cp311-cp311-manylinux_2_36_x86_64 (only one-1.0-cp312-cp312-win_amd64.whl)",
    );
}

#[test]
fn a_pylock_needs_no_index() {
    let index = Index::new();
    let hash = index.offer("one-1.0-py3-none-any.whl", &wheel("one", "1.0"));
    let sandbox = sandbox(&index, "");
    let own = manifest(&index, "").replace("all.txt", "pylock.toml");
    sandbox.write("imgspec.kdl", &own);
    let url = format!("http://{}/files/one-1.0-py3-none-any.whl", index.host);
    sandbox.write(
        "pylock.toml",
        &format!(
            "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"one\"\nversion = \"1.0\"\n\
             wheels = [{{ url = \"{url}\", hashes = {{ sha256 = \"{hash}\" }} }}]\n"
        ),
    );
    sandbox.run(&["graph", "build"]).success();
    assert_eq!(index.asked(), ["/files/one-1.0-py3-none-any.whl"]);
}

/// The digests of an image's layers, as `inspect` tells them.
fn layers(sandbox: &Sandbox) -> Vec<String> {
    let told = sandbox.run(&["inspect", "app", "--format", "json"]);
    let told = told.success().json();
    let layers = told["layers"].as_array().unwrap().iter();
    layers
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_same_wheels_give_the_same_layers_everywhere() {
    let index = Index::new();
    let built = |variables: &[(&str, &str)]| {
        let big = wheel_with("big", "1.0", &noise(1_500_000, 7));
        let big = index.offer("big-1.0-py3-none-any.whl", &big);
        let one = index.offer("one-1.0-py3-none-any.whl", &wheel("one", "1.0"));
        let pins = format!("one==1.0 --hash=sha256:{one}\nbig==1.0 --hash=sha256:{big}\n");
        let mut sandbox = sandbox(&index, &pins);
        for (name, value) in variables {
            sandbox = sandbox.env(name, value);
        }
        sandbox.run(&["graph", "build"]).success();
        layers(&sandbox)
    };
    let first = built(&[]);
    // The base, the large wheel, and the small one.
    assert_eq!(
        first,
        [
            "sha256:8c06e78e002b14c540426b5b29ee6386d5464f34647b71b1e284653895b6f254",
            "sha256:6ca405a145c954adfebb3f85dd3773faf80d4c66cb5c4fce6fbd406c7a35e9ec",
            "sha256:3395d5ab1656c286271f08cf9606f4bafeac9748f0165557a2b445071bd97a3e"
        ],
        "a change of these bytes needs another version in the keys of layers"
    );
    for variable in [
        ("RAYON_NUM_THREADS", "1"),
        ("TZ", "Pacific/Auckland"),
        ("LC_ALL", "tr_TR.UTF-8"),
    ] {
        assert_eq!(built(&[variable]), first, "{variable:?}");
    }
}

/// A text that hardly anything can compress.
fn noise(length: usize, seed: u64) -> String {
    let bytes = crate::registry::noise(length, seed);
    let letter = |byte: &u8| char::from(b' ' + byte % 95);
    bytes.iter().map(letter).collect()
}

#[test]
fn two_hundred_images_make_and_send_each_wheel_once() {
    const WHEELS: usize = 12;
    let index = Index::new();
    let registry = crate::registry::Registry::new();
    let mut pins = Vec::new();
    let mut size = 0;
    for at in 0..WHEELS {
        let name = format!("big{at}");
        let bytes = wheel_with(&name, "1.0", &noise(1_100_000, at as u64 + 1));
        size += bytes.len();
        let hash = index.offer(&format!("{name}-1.0-py3-none-any.whl"), &bytes);
        pins.push(format!("{name}==1.0 --hash=sha256:{hash}\n"));
    }
    let host = &index.host;
    let mut manifest = format!(
        "defaults {{ builder \"oci\"; registry \"{}\"; pip-index \"http://{host}/simple\"; }}\n\
         image \"base\" {{ base-image file=\"root.tar\"; }}\n",
        registry.host
    );
    // The blobs of images are counted.
    let sandbox = Sandbox::with(&[]).env("IMGSPEC_REMOTE_RECORDS", "0");
    std::fs::write(sandbox.path("root.tar"), root()).unwrap();
    for at in 0..200 {
        let three = [
            at % WHEELS,
            (at + 1 + at / WHEELS % 5) % WHEELS,
            (at + 7) % WHEELS,
        ];
        let chosen: std::collections::BTreeSet<usize> = three.into();
        let text: String = chosen.into_iter().map(|at| pins[at].as_str()).collect();
        sandbox.write(&format!("r{at}.txt"), &text);
        manifest += &format!(
            "image \"i{at}\" {{ base-image image=\"base\"; requirements \"r{at}.txt\"; env AT=\"{at}\"; }}\n"
        );
    }
    sandbox.write("imgspec.kdl", &manifest);
    let ran = sandbox.run(&["graph", "build", "--push"]).success();
    assert!(
        ran.stderr.contains("built 201, pushed 201"),
        "{}",
        ran.stderr
    );
    // The base's layer, and one a wheel; what else is large are the wheels themselves.
    let blobs = sandbox
        .root()
        .join("../home/.cache/imgspec/images/blobs/sha256");
    let sizes = blobs
        .read_dir()
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len());
    let large: Vec<u64> = sizes.filter(|size| *size > 100_000).collect();
    assert_eq!(large.len(), 2 * WHEELS);
    let stored = usize::try_from(large.iter().sum::<u64>()).unwrap();
    assert!(
        stored < size * 21 / 10,
        "{stored} bytes for wheels of {size}"
    );
    let asked = registry.asked();
    let sent = asked
        .iter()
        .filter(|line| line.starts_with("PUT") && line.contains("/blobs/uploads/"));
    // Each image has a config of its own, and each wheel's layer is sent once.
    assert_eq!(sent.count(), 201 + 1 + WHEELS, "{asked:#?}");
    registry.is_whole();
}
