//! Conda packages without any daemon: the program comes from the image of a registry in this process, the packages from a channel in
//! this process, and what was downloaded is there for the next build.

use serde_json::Value;

use super::commands::base_of;
use super::packages::index::{Index, wheel};
use super::taken::{entries, layers};
use super::{digest, store};
use crate::registry::Registry;
use crate::sandbox::Sandbox;

/// A program in place of micromamba, in bash.
const PROGRAM: &str = include_str!("../../data/micromamba.sh");

const PYTHON: &str = "program\tbin/python3.12\techo 3.12\nlink\tbin/python\tpython3.12\nlink\tbin/python3\tpython3.12\n\
                      file\tlib/python3.12/os.py\tpass\nfile\tconda-meta/python-3.12.4-h0.json\t{}\n";

/// A channel, a registry with a helper image, and its reference.
struct Servers {
    index: Index,
    registry: Registry,
    image: String,
}

fn tar(files: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, content) in files {
        let mut head = tar::Header::new_ustar();
        head.set_entry_type(*kind);
        head.set_mode(0o755);
        head.set_uid(0);
        head.set_gid(0);
        if *kind == tar::EntryType::Symlink {
            head.set_size(0);
            builder.append_link(&mut head, path, content).unwrap();
            continue;
        }
        head.set_size(content.len() as u64);
        let content = content.as_bytes();
        builder.append_data(&mut head, path, content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The layer with the program, which is this entry.
fn program(kind: tar::EntryType, content: &str) -> Vec<u8> {
    use tar::EntryType::{Directory, Regular};
    tar(&[
        ("etc/", Directory, ""),
        ("etc/ssl/", Directory, ""),
        ("etc/ssl/certs/", Directory, ""),
        ("etc/ssl/certs/ca-certificates.crt", Regular, "certificates"),
        ("usr/", Directory, ""),
        ("usr/bin/", Directory, ""),
        ("usr/bin/micromamba", kind, content),
    ])
}

impl Servers {
    fn new() -> Self {
        let registry = Registry::new();
        let system = tar(&[("usr/lib/system", tar::EntryType::Regular, "large")]);
        let program = program(tar::EntryType::Regular, PROGRAM);
        let image = registry.image("tools/micromamba", &[system, program]);
        let index = Index::new();
        let offer = |name: &str, text: &str| {
            index.set(
                &format!("/channel/{name}"),
                200,
                "text/plain",
                text.as_bytes(),
            );
        };
        offer("python", PYTHON);
        offer("zlib", "file\tlib/libz.so\tz\n");
        offer("slow1", "file\tlib/slow1\t1\n");
        offer("slow2", "file\tlib/slow2\t2\n");
        Self {
            index,
            registry,
            image,
        }
    }

    /// The fields of an image with conda packages.
    fn fields(&self, more: &str) -> String {
        let (image, host) = (&self.image, &self.index.host);
        format!(
            "    builder \"oci\"\n    base-image file=\"files.tar\"\n    conda-channels \"http://{host}/channel\"\n    \
             builder-config micromamba-image=\"{image}\"\n{more}\n"
        )
    }

    fn manifest(&self, more: &str) -> String {
        format!("image \"app\" {{\n{}}}\n", self.fields(more))
    }

    fn sandbox(&self, more: &str) -> Sandbox {
        let sandbox = Sandbox::with(&[("imgspec.kdl", &self.manifest(more))]);
        let programs = [
            "sh", "bash", "chmod", "head", "ln", "mkdir", "rm", "sleep", "true",
        ];
        std::fs::write(sandbox.path("files.tar"), base_of(&programs, &[])).unwrap();
        sandbox
    }
}

/// Empties the store but for what programs keep there.
fn forget(sandbox: &Sandbox) {
    for part in ["blobs", "notes", "trees"] {
        std::fs::remove_dir_all(store(sandbox).join(part)).unwrap();
    }
}

#[test]
fn packages_and_a_python_are_installed_and_downloads_are_kept() {
    let servers = Servers::new();
    let more = "    python-version \"3.12\"\n    conda-packages \"zlib=1.3\"\n    commands \"python > /said\"";
    let sandbox = servers.sandbox(more);
    let all = layers(&sandbox);
    let home = "opt/micromamba/envs/runtime";
    let installed = entries(&sandbox, &all[all.len() - 2]);
    let paths = |path: &str, rest: &str| format!("{home}/{path} {rest}");
    assert_eq!(
        installed[4..],
        [
            paths("bin/", "Directory 755 0:0"),
            paths("bin/python", "Symlink 777 0:0 python3.12"),
            paths("bin/python3", "Symlink 777 0:0 python3.12"),
            paths("bin/python3.12", "Regular 755 0:0 #!/bin/sh\necho 3.12"),
            paths("conda-meta/", "Directory 755 0:0"),
            paths("conda-meta/python-3.12.4-h0.json", "Regular 644 0:0 {}"),
            paths("lib/", "Directory 755 0:0"),
            paths("lib/libz.so", "Regular 644 0:0 z"),
            paths("lib/python3.12/", "Directory 755 0:0"),
            paths("lib/python3.12/os.py", "Regular 644 0:0 pass"),
        ]
    );
    // Its commands come first in PATH.
    assert_eq!(
        entries(&sandbox, all.last().unwrap()),
        ["said Regular 644 0:0 3.12"]
    );
    let asked = |word: &str| {
        let asked = servers.registry.asked();
        asked.iter().filter(|asked| asked.contains(word)).count()
    };
    // A config and the layer with the program: nothing of the system below it.
    assert_eq!(asked("GET /v2/tools/micromamba/blobs/"), 2);
    assert_eq!(servers.index.asked(), ["/channel/python", "/channel/zlib"]);
    let first = digest(&sandbox, &["--force"]);
    assert_eq!(servers.index.asked(), [""; 0]);
    // What is above does not ask for it again.
    let more = more.replace("> /said", "> /other");
    sandbox.write("imgspec.kdl", &servers.manifest(&more));
    servers.registry.asked();
    sandbox.run(&["graph", "build"]).success();
    assert_eq!(asked(""), 0);
    // The layers are gone, the downloads are not.
    forget(&sandbox);
    let more = more.replace("> /other", "> /said");
    sandbox.write("imgspec.kdl", &servers.manifest(&more));
    assert_eq!(digest(&sandbox, &["--force"]), first);
    assert_eq!(servers.index.asked(), [""; 0]);
    let caches = || store(&sandbox).join("caches").read_dir().unwrap().count();
    assert_eq!(caches(), 2);
    sandbox
        .run(&["clean", "--dry-run", "--max-size", "1B"])
        .success();
    assert_eq!(caches(), 2);
    sandbox.run(&["clean", "--max-size", "1B"]).success();
    assert_eq!(caches(), 0);
}

#[test]
fn python_packages_go_into_condas_python() {
    let servers = Servers::new();
    let hash = servers
        .index
        .offer("one-1.0-py3-none-any.whl", &wheel("one", "1.0"));
    let host = &servers.index.host;
    let more = format!(
        "    python-version \"3.12\"\n    conda-packages \"zlib\"\n    requirements \"all.txt\"\n    pip-index \"http://{host}/simple\""
    );
    let sandbox = servers.sandbox(&more);
    sandbox.write("all.txt", &format!("one==1.0 --hash=sha256:{hash}\n"));
    let all = layers(&sandbox);
    let installed = entries(&sandbox, all.last().unwrap());
    let module = "opt/micromamba/envs/runtime/lib/python3.12/site-packages/one.py Regular 644 0:0 version = '1.0'";
    assert!(
        installed.iter().any(|entry| entry == module),
        "{installed:#?}"
    );
}

#[test]
fn the_image_of_the_program_is_locked() {
    let servers = Servers::new();
    let sandbox = servers.sandbox("    conda-packages \"zlib\"");
    sandbox.run(&["lock"]).success();
    let lock = sandbox.read("imgspec.lock");
    assert!(lock.contains("tools/micromamba"), "{lock}");
    servers.registry.asked();
    let locked = digest(&sandbox, &["--locked"]);
    let asked = servers.registry.asked();
    let is_by_tag = |asked: &&String| asked.ends_with("/manifests/1");
    assert_eq!(asked.iter().find(is_by_tag), None);
    // The tag moves; what is locked does not.
    let other = PROGRAM.replace(
        "kind path content; do",
        "kind path content; do content=moved",
    );
    let other = program(tar::EntryType::Regular, &other);
    servers.registry.image("tools/micromamba", &[other]);
    assert_eq!(digest(&sandbox, &["--locked", "--force"]), locked);
    sandbox.run(&["lock", "--update"]).success();
    assert_ne!(digest(&sandbox, &["--locked"]), locked);
}

#[test]
fn a_package_that_no_channel_has_is_told_with_the_channels() {
    let servers = Servers::new();
    let sandbox = servers.sandbox("    conda-packages \"absent=9\"");
    let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
    let channel = format!("http://{}/channel", servers.index.host);
    for words in [
        "`conda-packages: absent=9` failed with exit code 1",
        "nothing provides requested absent=9",
        &format!("the channels were `conda-forge`, `{channel}`"),
        "imgspec.kdl:6",
    ] {
        assert!(ran.stderr.contains(words), "`{words}`: {}", ran.stderr);
    }
    let working = store(&sandbox).join("working").read_dir().unwrap();
    assert_eq!(working.count(), 0);
}

#[test]
fn a_helper_image_leads_to_no_file_of_the_machine() {
    for (kind, content) in [
        (tar::EntryType::Symlink, "/etc/passwd"),
        (tar::EntryType::Symlink, "../../../../../../etc/passwd"),
        (tar::EntryType::Directory, ""),
    ] {
        let servers = Servers::new();
        servers
            .registry
            .image("tools/micromamba", &[program(kind, content)]);
        let sandbox = servers.sandbox("    conda-packages \"zlib\"");
        let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
        let words = format!(
            "the helper image `{}`: it has no file `/usr/bin/micromamba`",
            servers.image
        );
        assert!(ran.stderr.contains(&words), "{}", ran.stderr);
    }
}

#[test]
fn builds_at_once_wait_for_the_cache_with_a_word() {
    let servers = Servers::new();
    let sandbox = servers.sandbox("");
    let image = |at: usize| {
        let fields = servers.fields(&format!("    conda-packages \"slow{at}\""));
        format!("image \"app{at}\" {{\n{fields}}}\n")
    };
    sandbox.write("imgspec.kdl", &format!("{}{}", image(1), image(2)));
    let flags = ["--progress", "json", "graph", "build", "--jobs", "2"];
    let ran = sandbox.run(&flags).success();
    let events = ran.stderr.lines();
    let events = events.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let words = "waiting for another run that uses the cache for /run/imgspec/conda";
    let told = events.filter(|event| event.to_string().contains(words));
    assert!(told.count() >= 1, "{}", ran.stderr);
}

#[test]
fn programs_of_another_machine_are_refused_before_anything_is_built() {
    let servers = Servers::new();
    let more = "    platform \"linux/mips64le\"\n    conda-packages \"zlib\"";
    servers
        .sandbox(more)
        .run(&["check"])
        .code(2)
        .says("commands cannot run for linux/mips64le")
        .says("install an emulator");
}
