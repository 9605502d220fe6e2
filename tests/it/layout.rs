//! A strict reading of OCI layouts: everything that the specification demands of a directory, with all violations told at once.
//!
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Fails if a directory is not an OCI layout and nothing else.
#[track_caller]
pub(crate) fn is_layout(folder: &Path) {
    let found = violations(folder);
    assert!(
        found.is_empty(),
        "{}:\n{}",
        folder.display(),
        found.join("\n")
    );
}

/// A layout that is being read.
struct Layout<'a> {
    folder: &'a Path,
    wrong: Vec<String>,
}

fn violations(folder: &Path) -> Vec<String> {
    let mut layout = Layout {
        folder,
        wrong: Vec::new(),
    };
    layout.top();
    layout.strays();
    layout.wrong
}

impl Layout<'_> {
    fn demand(&mut self, is_met: bool, what: impl Into<String>) {
        if !is_met {
            self.wrong.push(what.into());
        }
    }

    fn json(&mut self, bytes: &[u8], what: &str) -> Value {
        serde_json::from_slice(bytes).unwrap_or_else(|error| {
            self.wrong.push(format!("{what}: {error}"));
            Value::Null
        })
    }

    fn file(&mut self, path: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(path)).unwrap_or_else(|error| {
            self.wrong.push(format!("{path}: {error}"));
            Vec::new()
        })
    }

    fn top(&mut self) {
        let text = self.file("oci-layout");
        let marked = self.json(&text, "oci-layout");
        let version = serde_json::json!({ "imageLayoutVersion": "1.0.0" });
        self.demand(marked == version, format!("oci-layout is {marked}"));
        let text = self.file("index.json");
        let index = self.json(&text, "index.json");
        self.index(&index, "index.json", true);
    }

    fn index(&mut self, index: &Value, what: &str, is_top: bool) {
        self.demand(
            index["schemaVersion"] == 2,
            format!("{what}: schemaVersion"),
        );
        self.demand(index["mediaType"] == INDEX, format!("{what}: mediaType"));
        let Some(manifests) = index["manifests"].as_array() else {
            return self.wrong.push(format!("{what}: no manifests"));
        };
        let mut names = BTreeSet::new();
        for descriptor in manifests {
            let Some(bytes) = self.blob(descriptor, what) else {
                continue;
            };
            self.annotations(descriptor, what, is_top.then_some(&mut names));
            let digest = descriptor["digest"].to_string();
            let found = self.json(&bytes, &digest);
            match descriptor["mediaType"].as_str() {
                Some(INDEX) => self.index(&found, &digest, false),
                Some(MANIFEST) => self.manifest(&found, &digest, &descriptor["platform"]),
                other => self.wrong.push(format!("{what}: media type {other:?}")),
            }
        }
    }

    /// Names are texts; those of the layout follow the grammar, and each names one image.
    fn annotations(
        &mut self,
        descriptor: &Value,
        what: &str,
        names: Option<&mut BTreeSet<String>>,
    ) {
        let Some(annotations) = descriptor["annotations"].as_object() else {
            self.demand(
                descriptor["annotations"].is_null(),
                format!("{what}: annotations"),
            );
            return self.demand(names.is_none(), format!("{what}: an image has no name"));
        };
        for (key, value) in annotations {
            self.demand(
                !key.is_empty() && value.is_string(),
                format!("{what}: {key}"),
            );
        }
        let Some(names) = names else { return };
        let name = annotations.get("org.opencontainers.image.ref.name");
        let name = name.and_then(Value::as_str).unwrap_or_default();
        self.demand(is_ref_name(name), format!("{what}: the name `{name}`"));
        let whole = annotations.get("io.containerd.image.name");
        let whole = whole.and_then(Value::as_str).unwrap_or(name).to_owned();
        self.demand(
            names.insert(whole),
            format!("{what}: two images have the name `{name}`"),
        );
    }

    /// The bytes of what a descriptor names, if they are what it says.
    fn blob(&mut self, descriptor: &Value, what: &str) -> Option<Vec<u8>> {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != 64 || !hex.bytes().all(is_hex) {
            self.wrong.push(format!("{what}: the digest {digest:?}"));
            return None;
        }
        let bytes = std::fs::read(self.folder.join("blobs/sha256").join(hex));
        let Ok(bytes) = bytes else {
            self.wrong.push(format!("{what}: {digest} is not there"));
            return None;
        };
        let size = descriptor["size"].as_u64();
        self.demand(
            size == Some(bytes.len() as u64),
            format!("{what}: the size of {digest}"),
        );
        self.demand(
            sha256(&bytes) == hex,
            format!("{what}: the bytes of {digest}"),
        );
        Some(bytes)
    }

    fn manifest(&mut self, manifest: &Value, what: &str, platform: &Value) {
        self.demand(
            manifest["schemaVersion"] == 2,
            format!("{what}: schemaVersion"),
        );
        self.demand(
            manifest["mediaType"] == MANIFEST,
            format!("{what}: mediaType"),
        );
        self.demand(
            manifest["config"]["mediaType"] == CONFIG,
            format!("{what}: config"),
        );
        let Some(config) = self.blob(&manifest["config"], what) else {
            return;
        };
        let config = self.json(&config, &format!("{what}: config"));
        let Some(layers) = manifest["layers"].as_array() else {
            return self.wrong.push(format!("{what}: no layers"));
        };
        let found = layers.iter().filter_map(|layer| {
            let bytes = self.blob(layer, what)?;
            self.layer(layer, &bytes, what)
        });
        let found: Vec<Value> = found.map(Value::from).collect();
        let diff_ids = &config["rootfs"]["diff_ids"];
        self.demand(
            *diff_ids == Value::from(found),
            format!("{what}: diff_ids {diff_ids}"),
        );
        self.config(&config, layers.len(), what);
        for part in ["os", "architecture", "variant"] {
            let is_same = platform.is_null() || platform[part] == config[part];
            self.demand(is_same, format!("{what}: {part} of its platform"));
        }
    }

    fn config(&mut self, config: &Value, layers: usize, what: &str) {
        for part in ["os", "architecture"] {
            let is_said = config[part].as_str().is_some_and(|text| !text.is_empty());
            self.demand(is_said, format!("{what}: {part} of its config"));
        }
        self.demand(
            config["rootfs"]["type"] == "layers",
            format!("{what}: rootfs.type"),
        );
        let Some(history) = config["history"].as_array() else {
            return;
        };
        let made = history.iter().filter(|step| step["empty_layer"] != true);
        self.demand(
            made.count() == layers,
            format!("{what}: its history has other layers"),
        );
    }

    /// The digest of a layer's tar, all of whose entries can be read.
    fn layer(&mut self, descriptor: &Value, bytes: &[u8], what: &str) -> Option<String> {
        let media_type = descriptor["mediaType"].as_str().unwrap_or_default();
        let mut tar = Vec::new();
        let read = match media_type.strip_prefix(LAYER) {
            Some("") => std::io::Cursor::new(bytes).read_to_end(&mut tar),
            Some("+gzip") => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut tar),
            Some("+zstd") => zstd::Decoder::new(bytes).and_then(|mut it| it.read_to_end(&mut tar)),
            _ => {
                self.wrong
                    .push(format!("{what}: a layer of type {media_type:?}"));
                return None;
            }
        };
        self.demand(read.is_ok(), format!("{what}: a layer: {read:?}"));
        let mut archive = tar::Archive::new(tar.as_slice());
        let mut seen: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for entry in archive.entries().into_iter().flatten() {
            match entry.and_then(|entry| entry.path().map(std::borrow::Cow::into_owned)) {
                Ok(path) => *seen.entry(path).or_default() += 1,
                Err(error) => self.wrong.push(format!("{what}: an entry: {error}")),
            }
        }
        for (path, count) in seen {
            let path = path.display();
            self.demand(
                count == 1,
                format!("{what}: `{path}` {count} times in a layer"),
            );
        }
        Some(format!("sha256:{}", sha256(&tar)))
    }

    /// Files that a layout does not have.
    fn strays(&mut self) {
        let mut names = names(self.folder);
        names.retain(|name| !matches!(name.as_str(), "blobs" | "index.json" | "oci-layout"));
        self.demand(names.is_empty(), format!("it also has {names:?}"));
        let algorithms = self::names(&self.folder.join("blobs"));
        self.demand(algorithms == ["sha256"], format!("blobs: {algorithms:?}"));
        // Blobs that nothing refers to may be there, but each is what its name says.
        for name in self::names(&self.folder.join("blobs/sha256")) {
            let bytes = self.file(&format!("blobs/sha256/{name}"));
            self.demand(
                sha256(&bytes) == name,
                format!("the name of the blob {name}"),
            );
        }
    }
}

/// The grammar of `org.opencontainers.image.ref.name`.
fn is_ref_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let words = part.split(['-', '.', '_', ':', '@', '+']);
        let mut words = words.filter(|word| !word.is_empty());
        let has_ends = |end: Option<char>| end.is_some_and(|it| it.is_ascii_alphanumeric());
        has_ends(part.chars().next())
            && has_ends(part.chars().last())
            && words.all(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    name.split('/').all(is_part)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_no_layout_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        std::fs::write(blobs.join(sha256(bytes)), bytes).unwrap();
        serde_json::json!({ "digest": format!("sha256:{}", sha256(bytes)), "size": bytes.len() })
    };
    let typed = |media_type: &str, mut descriptor: Value| {
        descriptor["mediaType"] = media_type.into();
        descriptor
    };
    let write = |config: &Value, name: &str| {
        let config = typed(CONFIG, put(&serde_json::to_vec(config).unwrap()));
        let layer = typed(LAYER, put(&[0; 1024]));
        let manifest = serde_json::json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        let mut listed = typed(MANIFEST, put(&serde_json::to_vec(&manifest).unwrap()));
        listed["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": name });
        let index =
            serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [listed] });
        std::fs::write(folder.path().join("index.json"), index.to_string()).unwrap();
    };
    let diff_id = format!("sha256:{}", sha256(&[0; 1024]));
    let config = |diff_id: &str| {
        serde_json::json!({ "os": "linux", "architecture": "amd64",
            "rootfs": { "type": "layers", "diff_ids": [diff_id] }, "history": [{}] })
    };
    std::fs::write(
        folder.path().join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    write(&config(&diff_id), "a:1");
    is_layout(folder.path());
    write(&config(&format!("sha256:{}", sha256(b""))), "-a");
    std::fs::write(blobs.join(sha256(&[0; 1024])), "damaged").unwrap();
    std::fs::write(folder.path().join("manifest.json"), "[]").unwrap();
    let told = violations(folder.path()).join("\n");
    for words in [
        "the name `-a`",
        "the size of",
        "the bytes of",
        "diff_ids",
        "manifest.json",
        "the name of the blob",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}
