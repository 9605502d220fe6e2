//! The images in an archive of `docker save`: their layers put on each other, every file with all its attributes but its
//! times, and their configs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tar::EntryType;

/// The properties of a file or of a part of a config, by name.
pub(crate) type Properties = BTreeMap<&'static str, String>;

/// The files of an image by path, and the parts of its config by `config:NAME`.
pub(crate) type Image = BTreeMap<String, Properties>;

/// An entry of a layer.
#[derive(Clone)]
enum Entry {
    Own(Properties),
    /// Another name of this path.
    Link(String),
}

/// The files of the layers so far, with a number for each file that may have several names.
#[derive(Default)]
struct Tree {
    files: BTreeMap<String, (usize, Properties)>,
    count: usize,
}

/// The images by their tags.
pub(crate) fn read(archive: &Path) -> BTreeMap<String, Image> {
    let mut file = File::open(archive).unwrap();
    let mut tar = tar::Archive::new(file.try_clone().unwrap());
    let places: BTreeMap<String, (u64, u64)> = tar
        .entries_with_seek()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            (path, (entry.raw_file_position(), entry.size()))
        })
        .collect();
    let mut open = |name: &Value| {
        let (at, size) = places[name.as_str().unwrap()];
        file.seek(SeekFrom::Start(at)).unwrap();
        let mut bytes = Vec::new();
        file.try_clone()
            .unwrap()
            .take(size)
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    };
    let manifest: Value = serde_json::from_slice(&open(&"manifest.json".into())).unwrap();
    let mut layers: BTreeMap<String, Vec<(String, Entry)>> = BTreeMap::new();
    let mut images = BTreeMap::new();
    for image in manifest.as_array().unwrap() {
        let config: Value = serde_json::from_slice(&open(&image["Config"])).unwrap();
        let mut tree = Tree::default();
        for name in image["Layers"].as_array().unwrap() {
            let known = layers.entry(name.to_string());
            tree.put(known.or_insert_with(|| entries(open(name))));
        }
        let mut all = tree.files();
        all.extend(parts(&config));
        for tag in image["RepoTags"].as_array().unwrap() {
            images.insert(tag.as_str().unwrap().to_owned(), all.clone());
        }
    }
    images
}

/// The entries of a layer, compressed or not, in order.
fn entries(layer: Vec<u8>) -> Vec<(String, Entry)> {
    let head: [u8; 4] = layer[..4].try_into().unwrap();
    let bytes = Cursor::new(layer);
    let bytes: Box<dyn Read> = match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::new(bytes).unwrap()),
        _ => Box::new(bytes),
    };
    let mut tar = tar::Archive::new(BufReader::new(bytes));
    let each = tar.entries().unwrap();
    each.map(|entry| entry_of(entry.unwrap())).collect()
}

fn entry_of(mut entry: tar::Entry<'_, impl Read>) -> (String, Entry) {
    let path = path_of(&entry.path_bytes());
    let link = entry.link_name_bytes();
    let link = link.map(|link| String::from_utf8(link.into_owned()).unwrap());
    let header = entry.header();
    let kind = header.entry_type();
    if kind == EntryType::Link {
        return (path, Entry::Link(path_of(link.unwrap().as_bytes())));
    }
    let mut found = directory(
        header.mode().unwrap(),
        header.uid().unwrap(),
        header.gid().unwrap(),
    );
    let device = || format!("{:?} {:?}", header.device_major(), header.device_minor());
    let (kind, target) = match kind {
        EntryType::Directory => ("directory", None),
        EntryType::Regular | EntryType::Continuous => ("regular file", None),
        EntryType::Symlink => ("symbolic link", link),
        EntryType::Fifo => ("fifo", None),
        EntryType::Char => ("character device", Some(device())),
        EntryType::Block => ("block device", Some(device())),
        other => panic!("{path}: {other:?}"),
    };
    found.insert("kind", kind.to_owned());
    found.extend(target.map(|target| ("target", target)));
    let attributes: Vec<String> = entry
        .pax_extensions()
        .unwrap()
        .into_iter()
        .flatten()
        .map(|pair| pair.unwrap())
        .filter(|pair| pair.key_bytes().starts_with(b"SCHILY.xattr."))
        .map(|pair| {
            format!(
                "{} {}",
                pair.key().unwrap(),
                hex::encode(pair.value_bytes())
            )
        })
        .collect();
    if !attributes.is_empty() {
        found.insert("attributes", attributes.join(", "));
    }
    if kind == "regular file" {
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let bytes = compared(&path, bytes);
        found.insert("content", hex::encode(Sha256::digest(&bytes)));
    }
    (path, Entry::Own(found))
}

/// The part of a file that is compared: all of it, but for what `docs/design/parity.md` says of parts of files. A package's
/// list of its files is without the installer's name and bytecode, and passwords without the day on which they were set.
fn compared(path: &str, content: Vec<u8>) -> Vec<u8> {
    let keep: &dyn Fn(&str) -> Option<String> = if path.ends_with(".dist-info/RECORD") {
        &|line| {
            let is_listed = line.contains(".dist-info/INSTALLER,") || line.contains("__pycache__/");
            (!is_listed).then(|| line.to_owned())
        }
    } else if path == "/etc/shadow" {
        &|line| {
            let mut fields: Vec<&str> = line.split(':').collect();
            fields.remove(2);
            Some(fields.join(":"))
        }
    } else {
        return content;
    };
    let text = String::from_utf8(content).unwrap();
    let lines: Vec<String> = text.lines().filter_map(keep).collect();
    lines.join("\n").into_bytes()
}

fn directory(mode: u32, user: u64, group: u64) -> Properties {
    Properties::from([
        ("kind", "directory".to_owned()),
        ("mode", format!("{:o}", mode & 0o7777)),
        ("owner", format!("{user}:{group}")),
    ])
}

fn path_of(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).unwrap();
    let text = text.strip_prefix("./").unwrap_or(text).trim_matches('/');
    format!("/{}", if text == "." { "" } else { text })
}

impl Tree {
    /// Puts a layer on top. What it removes is removed from the layers below it.
    fn put(&mut self, layer: &[(String, Entry)]) {
        for (path, _) in layer {
            let (parent, name) = path.rsplit_once('/').unwrap();
            if name == ".wh..wh..opq" {
                self.empty(parent);
            } else if let Some(gone) = name.strip_prefix(".wh.") {
                self.remove(&format!("{parent}/{gone}"));
            }
        }
        let real = layer.iter().filter(|(path, _)| !path.contains("/.wh."));
        for (path, entry) in real {
            let file = match entry {
                Entry::Link(to) => self.files[to].clone(),
                Entry::Own(found) => {
                    self.count += 1;
                    (self.count, found.clone())
                }
            };
            if file.1["kind"] != "directory" {
                self.remove(path);
            }
            self.files.insert(path.clone(), file);
        }
    }

    fn remove(&mut self, path: &str) {
        self.files.remove(path);
        self.empty(path);
    }

    fn empty(&mut self, directory: &str) {
        let (first, past) = (format!("{directory}/"), format!("{directory}0"));
        let below: Vec<String> = self
            .files
            .range(first..past)
            .map(|(path, _)| path.clone())
            .collect();
        for path in below {
            self.files.remove(&path);
        }
    }

    /// All files, those with several names with the first of these, and directories that no layer mentions.
    fn files(self) -> Image {
        let mut names: BTreeMap<usize, Vec<&String>> = BTreeMap::new();
        for (path, (number, _)) in &self.files {
            names.entry(*number).or_default().push(path);
        }
        let mut all = Image::from([("/".to_owned(), directory(0o755, 0, 0))]);
        for (path, (number, found)) in &self.files {
            let mut found = found.clone();
            if let [first, _, ..] = names[number].as_slice() {
                found.insert("links", (*first).clone());
            }
            for (at, _) in path.match_indices('/').skip(1) {
                let above = all.entry(path[..at].to_owned());
                above.or_insert_with(|| directory(0o755, 0, 0));
            }
            all.insert(path.clone(), found);
        }
        all
    }
}

/// The parts of a config that say something, each label by itself.
fn parts(config: &Value) -> Image {
    let mut all = Image::new();
    let mut put = |name: String, value: &Value| {
        let is_empty = match value {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if !is_empty {
            let value = Properties::from([("content", value.to_string())]);
            all.insert(format!("config:{name}"), value);
        }
    };
    for name in ["architecture", "variant", "os"] {
        put(name.to_owned(), &config[name]);
    }
    for (name, value) in config["config"].as_object().into_iter().flatten() {
        match value.as_object().filter(|_| name == "Labels") {
            Some(labels) => labels
                .iter()
                .for_each(|(label, value)| put(format!("{name}.{label}"), value)),
            None => put(name.clone(), value),
        }
    }
    all
}

/// What an image of Docker's and one of ours do not have in common: a path or part, and the names of the properties that
/// differ, or who alone has it.
pub(crate) fn differences(docker: &Image, ours: &Image) -> BTreeMap<String, Vec<&'static str>> {
    let paths = docker.keys().chain(ours.keys());
    let each = paths.filter_map(|path| {
        let differ = match (docker.get(path), ours.get(path)) {
            (Some(one), Some(other)) => {
                let mut names: Vec<_> = one.keys().chain(other.keys()).copied().collect();
                names.sort_unstable();
                names.dedup();
                names.retain(|name| one.get(name) != other.get(name));
                names
            }
            (Some(_), None) => vec!["only docker"],
            (None, Some(_)) => vec!["only oci"],
            (None, None) => unreachable!("it is in one of them"),
        };
        (!differ.is_empty()).then(|| (path.clone(), differ))
    });
    each.collect()
}
