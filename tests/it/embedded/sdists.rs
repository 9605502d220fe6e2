//! Packages that have only sources, built in the sandbox by a real Python of this machine, from an index on the loopback interface.

mod hostile;
mod locked;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::packages::index::{Index, wheel_with};
use super::taken::{entries, layers};
use crate::browser::provided;
use crate::sandbox::{Ran, Sandbox};

/// The files of a Python of this machine: those that a small backend needs, or all of its library. Its path comes with them.
pub(super) fn python_of_this_machine(is_whole: bool) -> (BTreeSet<String>, String) {
    let script = "\
import base64, hashlib, importlib.metadata, json, os, socket, sys, sysconfig, time, zipfile, encodings.cp437, encodings.idna, encodings.latin_1
sysconfig.get_config_vars()
print(os.path.realpath(sys._base_executable))
home = os.path.dirname(os.__file__)
files = [getattr(module, '__file__', None) for module in list(sys.modules.values())]
if sys.argv[1:] == ['all']:
    for folder, below, names in os.walk(home):
        left = ('site-packages', 'dist-packages', 'test', 'idlelib', 'tkinter', '__pycache__')
        below[:] = [name for name in below if name not in left and not name.startswith('config-')]
        files += [os.path.join(folder, name) for name in names if name.endswith(('.py', '.so'))]
for file in sorted(file for file in set(files) if file and file.startswith(home)):
    print(file)
";
    let mut command = Command::new("python3");
    command.args(["-I", "-c", script]);
    command.args(is_whole.then_some("all"));
    let told = Ran::of(&mut command).success();
    let mut files: BTreeSet<String> = told.stdout.lines().map(str::to_owned).collect();
    let python = told.stdout.lines().next().unwrap().to_owned();
    let mut libraries = BTreeSet::new();
    for file in files
        .iter()
        .filter(|file| Path::new(file).extension() != Some("py".as_ref()))
    {
        let listed = Command::new("ldd").arg(file).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let words = listed.split_whitespace();
        libraries.extend(
            words
                .filter(|word| word.starts_with('/'))
                .map(str::to_owned),
        );
    }
    files.extend(libraries);
    (files, python)
}

/// A root file system with a Python of this machine, at its own paths, and the path of that Python.
fn base() -> &'static (Vec<u8>, String) {
    static BASE: OnceLock<(Vec<u8>, String)> = OnceLock::new();
    BASE.get_or_init(|| {
        let (files, python) = python_of_this_machine(false);
        let mut tar = tar::Builder::new(Vec::new());
        for file in &files {
            let name = Path::new(file).strip_prefix("/").unwrap();
            tar.append_path_with_name(file, name).unwrap();
        }
        (tar.into_inner().unwrap(), python)
    })
}

/// A source distribution with these files; `NAME-VERSION/` comes before each path.
fn sdist(name: &str, version: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut head = tar::Header::new_ustar();
        head.set_size(text.len() as u64);
        head.set_mode(0o644);
        let path = format!("{name}-{version}/{path}");
        tar.append_data(&mut head, path, text.as_bytes()).unwrap();
    }
    gzip(&tar.into_inner().unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A backend that needs nothing: the wheel has one module, whose text is that of `VALUE`.
const BACKEND: &str = r#"
import os, zipfile
NAME, VERSION, VALUE = "@NAME@", "@VERSION@", "'plain'"
def wheel(folder, name=None, version=None, value=None):
    name, version = name or NAME, version or VERSION
    info = "%s-%s.dist-info" % (name, version)
    files = [
        (name + ".py", "value = %s\n" % (value or VALUE)),
        (info + "/METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version)),
        (info + "/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    ]
    files.append((info + "/RECORD", "".join("%s,,\n" % path for path, _ in files) + info + "/RECORD,,\n"))
    file = "%s-%s-py3-none-any.whl" % (name, version)
    with zipfile.ZipFile(os.path.join(folder, file), "w") as archive:
        for path, text in files:
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), text)
    return file
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return wheel(folder)
"#;

/// A statement of a backend that asks the index for this path, so that the test knows when it runs.
fn tells(index: &Index, path: &str) -> String {
    let port = index.host.rsplit(':').next().unwrap();
    format!(
        "import socket\nwith socket.create_connection(('127.0.0.1', {port})) as stream:\n    \
         stream.sendall(b'GET {path} HTTP/1.1\\r\\n\\r\\n') or stream.recv(1)\n"
    )
}

/// Sources with a backend of their own, which `more` changes.
fn own(name: &str, version: &str, requires: &str, more: &str) -> Vec<u8> {
    let backend = BACKEND
        .replace("@NAME@", name)
        .replace("@VERSION@", version);
    let project = format!(
        "[build-system]\nrequires = [{requires}]\nbuild-backend = 'backend'\nbackend-path = ['in']\n"
    );
    sdist(
        name,
        version,
        &[
            ("pyproject.toml", &project),
            ("in/backend.py", &format!("{backend}{more}")),
        ],
    )
}

fn manifest(index: &Index, more: &str) -> String {
    let (host, python) = (&index.host, &base().1);
    format!(
        "image \"app\" {{\n    builder \"oci\"\n    base-image file=\"root.tar\"\n    python-exec \"{python}\"\n    \
         requirements \"all.txt\"\n    pip-index \"http://{host}/simple\"\n    {more}\n}}\n"
    )
}

/// A workspace whose image wants these requirements.
fn sandbox(index: &Index, requirements: &str) -> Sandbox {
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", &manifest(index, "")),
        ("all.txt", requirements),
    ]);
    std::fs::write(sandbox.path("root.tar"), &base().0).unwrap();
    sandbox
}

/// Lets it resolve with uv (`IMGSPEC_TEST_UV`), which needs no network for what a loopback index has; `None` if there is none here.
pub(super) fn with_uv(sandbox: Sandbox) -> Option<Sandbox> {
    let uv = provided("IMGSPEC_TEST_UV")?;
    let folder = Path::new(&uv).parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap();
    Some(sandbox.env("PATH", &format!("{folder}:{path}")))
}

/// Offers sources, and pins them.
fn pinned(index: &Index, name: &str, version: &str, sources: &[u8]) -> String {
    let hash = index.offer(&format!("{name}-{version}.tar.gz"), sources);
    format!("{name}=={version} --hash=sha256:{hash}\n")
}

/// What the module `foo` of the topmost layer says.
fn value(sandbox: &Sandbox) -> String {
    let layers = layers(sandbox);
    let all = entries(sandbox, layers.last().unwrap());
    let module = all.iter().find(|entry| entry.contains("/foo.py "));
    let module = module.unwrap_or_else(|| panic!("{all:?}"));
    module.split_once("value = ").unwrap().1.trim().to_owned()
}

#[test]
fn sources_with_a_backend_of_their_own_are_built_once() {
    let index = Index::new();
    let sources = own("foo", "1.0", "", &tells(&index, "/ran"));
    let pins = pinned(&index, "foo", "1.0", &sources);
    let sandbox = sandbox(&index, &pins);
    let ran = sandbox.run(&["graph", "build"]).success();
    assert!(
        ran.stderr.contains("building wheel of foo 1.0"),
        "{}",
        ran.stderr
    );
    let mut asked = index.asked();
    asked.sort();
    // Each of the two hooks loads the backend.
    assert_eq!(
        asked,
        ["/files/foo-1.0.tar.gz", "/ran", "/ran", "/simple/foo/"]
    );
    assert_eq!(value(&sandbox), "'plain'");
    // Neither asked for nor built again, and the same once more from nothing.
    sandbox.write("imgspec.kdl", &manifest(&index, "labels a=\"1\""));
    sandbox.run(&["graph", "build"]).success();
    assert_eq!(index.asked(), [""; 0]);
    let first = layers(&sandbox);
    sandbox.run(&["graph", "build", "--force"]).success();
    let asked = index.asked();
    assert_eq!(asked.iter().filter(|path| *path == "/ran").count(), 2);
    assert_eq!(layers(&sandbox), first);
}

#[test]
fn a_wheel_is_built_again_where_its_tools_come_from_another_index() {
    let (index, other) = (Index::new(), Index::new());
    let sources = own("foo", "1.0", "", &tells(&index, "/ran"));
    let pins = pinned(&index, "foo", "1.0", &sources);
    pinned(&other, "foo", "1.0", &sources);
    let sandbox = sandbox(&index, &pins);
    let url = format!("pip-index \"http://{}/simple\"", index.host);
    let secret = "secret \"index\" env=\"MY_INDEX\" { packages env=\"UV_DEFAULT_INDEX\"; }";
    let mut number = 0;
    let mut builds = |sandbox: &Sandbox| {
        number += 1;
        let more = format!("labels a=\"{number}\"");
        let text = manifest(&index, &more).replace(&url, secret);
        sandbox.write("imgspec.kdl", &text);
        sandbox.run(&["graph", "build"]).success();
        index.asked().iter().any(|path| path == "/ran")
    };
    let at = |login: &str, index: &Index| format!("http://{login}{}/simple", index.host);
    let sandbox = sandbox.env("MY_INDEX", &at("", &index));
    assert!(builds(&sandbox));
    assert!(!builds(&sandbox));
    // Another login is the same index.
    let sandbox = sandbox.env("MY_INDEX", &at("me:word@", &index));
    assert!(!builds(&sandbox));
    let sandbox = sandbox.env("MY_INDEX", &at("", &other));
    assert!(builds(&sandbox));
}

#[test]
fn images_with_the_same_base_build_the_same_sources_once() {
    let index = Index::new();
    let slow = tells(&index, "/ran") + "import time\ntime.sleep(1)\n";
    let pins = pinned(&index, "foo", "1.0", &own("foo", "1.0", "", &slow));
    let sandbox = sandbox(&index, &pins);
    let one = manifest(&index, "");
    let other = manifest(&index, "labels a=\"1\"").replace("\"app\"", "\"other\"");
    sandbox.write("imgspec.kdl", &format!("{one}{other}"));
    sandbox.run(&["graph", "build", "--jobs", "2"]).success();
    let asked = index.asked();
    assert_eq!(asked.iter().filter(|path| *path == "/ran").count(), 2);
}

#[test]
fn what_a_build_needs_is_installed_for_it_alone() {
    let index = Index::new();
    let tool = wheel_with("tool", "1.0", "value = 'from a tool'\n");
    index.offer("tool-1.0-py3-none-any.whl", &tool);
    let more = wheel_with("more", "2.0", "value = 'and more'\n");
    index.offer("more-2.0-py3-none-any.whl", &more);
    let backend = "\
def get_requires_for_build_wheel(config_settings=None):
    import tool
    return ['more>=1 ; python_version > \"3\"']
def build_wheel(folder, config_settings=None, metadata_directory=None):
    import more, tool
    return wheel(folder, value=repr(tool.value + ' ' + more.value))
";
    let sources = own("foo", "1.0", "'tool >= 1'", backend);
    let Some(sandbox) = with_uv(sandbox(&index, &pinned(&index, "foo", "1.0", &sources))) else {
        return;
    };
    sandbox.run(&["graph", "build"]).success();
    assert_eq!(value(&sandbox), "'from a tool and more'");
    let layers = layers(&sandbox);
    let all = entries(&sandbox, layers.last().unwrap());
    let path = |entry: &String| entry.split(' ').next().unwrap().to_owned();
    let is_left = |path: &String| {
        ["tool", "more", ".imgspec"]
            .iter()
            .any(|name| path.contains(name))
    };
    assert_eq!(all.iter().map(path).find(is_left), None);
}

#[test]
fn a_backend_may_be_a_wheel_or_sources_themselves() {
    let index = Index::new();
    // The backend of `foo` is a package that has only sources, too.
    let text = BACKEND.replace("@NAME@", "foo").replace("@VERSION@", "1.0");
    let more = format!(
        "def build_wheel(folder, *more):\n    return wheel(folder, value={})\n",
        serde_json::to_string("'nested'").unwrap()
    );
    let module = format!("{text}{more}");
    let tool = format!(
        "def build_wheel(folder, *more):\n    file = wheel(folder)\n    path = os.path.join(folder, file)\n    \
         with zipfile.ZipFile(path, 'a') as archive:\n        archive.writestr('maker.py', {})\n    return file\n",
        serde_json::to_string(&module).unwrap()
    );
    index.offer("tool-3.0.tar.gz", &own("tool", "3.0", "", &tool));
    let project = "[build-system]\nrequires = ['tool']\nbuild-backend = 'maker'\n";
    let sources = sdist("foo", "1.0", &[("pyproject.toml", project)]);
    let Some(sandbox) = with_uv(sandbox(&index, &pinned(&index, "foo", "1.0", &sources))) else {
        return;
    };
    let ran = sandbox.run(&["graph", "build"]).success();
    assert!(
        ran.stderr.contains("building wheel of tool 3.0"),
        "{}",
        ran.stderr
    );
    assert_eq!(value(&sandbox), "'nested'");
}

#[test]
fn what_is_not_pinned_is_resolved_with_what_sources_say_and_what_their_wheels_say() {
    let index = Index::new();
    let backend = "\
def build_wheel(folder, *more):
    file = wheel(folder)
    path = os.path.join(folder, file)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    files['foo-1.0.dist-info/METADATA'] += 'Requires-Dist: bar>=1\\n'
    with zipfile.ZipFile(path, 'w') as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return file
";
    index.offer("foo-1.0.tar.gz", &own("foo", "1.0", "", backend));
    // One of which the metadata are known: it is not built for a version that is not taken.
    let metadata =
        "Metadata-Version: 2.2\nName: bar\nVersion: 2.0\nRequires-Dist: nothing-has-it\n";
    let wrong = sdist("bar", "2.0", &[("PKG-INFO", metadata), ("setup.py", "1/0")]);
    index.offer("bar-2.0.tar.gz", &wrong);
    index.also_offer(
        "bar-1.5-py3-none-any.whl",
        &wheel_with("bar", "1.5", "value = 'bar'\n"),
    );
    let Some(sandbox) = with_uv(sandbox(&index, "foo\n")) else {
        return;
    };
    let ran = sandbox.run(&["graph", "build"]).success();
    assert!(
        ran.stderr.contains("building wheel of foo 1.0"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("wheel of bar"), "{}", ran.stderr);
    let layers = layers(&sandbox);
    let all = entries(&sandbox, layers.last().unwrap());
    assert!(
        all.iter()
            .any(|entry| entry.contains("/bar-1.5.dist-info/")),
        "{all:?}"
    );
    assert_eq!(value(&sandbox), "'plain'");
    // Whoever wants wheels alone gets no others.
    sandbox.write(
        "imgspec.kdl",
        &manifest(&index, "pip-extra-args \"--no-build\""),
    );
    let refused = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
    assert!(
        refused.stderr.contains("building from source is disabled"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_build_has_the_network_that_the_image_gives_it() {
    let index = Index::new();
    let backend = "\
def build_wheel(folder, *more):
    with open('/proc/net/dev') as file:
        names = [line.split(':')[0].strip() for line in file if ':' in line]
    return wheel(folder, value=repr(sorted(names)))
";
    let pins = pinned(&index, "foo", "1.0", &own("foo", "1.0", "", backend));
    let sandbox = sandbox(&index, &pins);
    let none = manifest(&index, "builder-options network=\"none\"");
    sandbox.write("imgspec.kdl", &none);
    sandbox.run(&["graph", "build"]).success();
    assert_eq!(value(&sandbox), "['lo']");
}

#[test]
fn lock_files_that_name_only_sources_are_enough() {
    let index = Index::new();
    let sources = own("foo", "1.0", "", "");
    let hash = index.offer("foo-1.0.tar.gz", &sources);
    let url = format!("http://{}/files/foo-1.0.tar.gz", index.host);
    let sandbox = sandbox(&index, "");
    let own = manifest(&index, "").replace("all.txt", "pylock.toml");
    sandbox.write("imgspec.kdl", &own);
    for kind in ["sdist", "archive"] {
        sandbox.write(
            "pylock.toml",
            &format!(
                "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"foo\"\nversion = \"1.0\"\n\
                 {kind} = {{ url = \"{url}\", hashes = {{ sha256 = \"{hash}\" }} }}\n"
            ),
        );
        sandbox.run(&["graph", "build"]).success();
        assert_eq!(value(&sandbox), "'plain'", "{kind}");
    }
    sandbox.write("all.txt", &format!("foo @ {url} --hash=sha256:{hash}\n"));
    sandbox.write("imgspec.kdl", &manifest(&index, ""));
    sandbox.run(&["graph", "build"]).success();
    assert_eq!(value(&sandbox), "'plain'");
}
