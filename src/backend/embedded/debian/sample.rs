//! Packages for tests, good ones and hostile ones.

use std::io::Write;

use tar::{Builder, EntryType, Header};

/// A package under construction.
pub(super) struct Sample {
    control: Builder<Vec<u8>>,
    data: Builder<Vec<u8>>,
}

/// An entry of a tar as it is said to be, with no checks of its name.
pub(super) fn entry(
    tar: &mut Builder<Vec<u8>>,
    (path, kind, mode): (&str, EntryType, u32),
    target: &str,
    content: &[u8],
) {
    let mut header = Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    if !target.is_empty() {
        header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
    }
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    header.set_size(content.len() as u64);
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

impl Sample {
    /// A package with this file `control`.
    pub(super) fn new(control: &str) -> Self {
        let sample = Self {
            control: Builder::new(Vec::new()),
            data: Builder::new(Vec::new()),
        };
        sample.script("control", control)
    }

    /// `name version`, for all architectures.
    pub(super) fn named(name: &str, version: &str, more: &str) -> Self {
        Self::new(&format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: a\n{more}"
        ))
    }

    pub(super) fn script(mut self, name: &str, text: &str) -> Self {
        let path = format!("./{name}");
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        entry(
            &mut self.control,
            (&path, EntryType::Regular, mode),
            "",
            text.as_bytes(),
        );
        self
    }

    pub(super) fn folder(self, path: &str) -> Self {
        self.with((path, EntryType::Directory, 0o755), "", b"")
    }

    pub(super) fn file(self, path: &str, content: &str) -> Self {
        self.with((path, EntryType::Regular, 0o644), "", content.as_bytes())
    }

    pub(super) fn link(self, path: &str, target: &str) -> Self {
        self.with((path, EntryType::Symlink, 0o777), target, b"")
    }

    pub(super) fn with(
        mut self,
        head: (&str, EntryType, u32),
        target: &str,
        content: &[u8],
    ) -> Self {
        entry(&mut self.data, head, target, content);
        self
    }

    /// The package, with parts that are not compressed.
    pub(super) fn bytes(self) -> Vec<u8> {
        let (control, data) = self.parts();
        archive(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar", &control),
            ("data.tar", &data),
        ])
    }

    /// The package, with parts compressed in this way.
    pub(super) fn compressed(self, how: &str) -> Vec<u8> {
        let (control, data) = self.parts();
        let [control, data] = [control, data].map(|part| compress(&part, how));
        archive(&[
            ("debian-binary", b"2.0\n"),
            (&format!("control.tar.{how}"), &control),
            (&format!("data.tar.{how}"), &data),
        ])
    }

    pub(super) fn parts(self) -> (Vec<u8>, Vec<u8>) {
        let control = self.control.into_inner().unwrap();
        (control, self.data.into_inner().unwrap())
    }
}

pub(super) fn compress(part: &[u8], how: &str) -> Vec<u8> {
    match how {
        "gz" => {
            let to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            finish(to, part, |to| to.finish().unwrap())
        }
        "xz" => {
            let to = liblzma::write::XzEncoder::new(Vec::new(), 1);
            finish(to, part, |to| to.finish().unwrap())
        }
        _ => zstd::bulk::compress(part, 1).unwrap(),
    }
}

fn finish<W: Write>(mut to: W, part: &[u8], done: impl FnOnce(W) -> Vec<u8>) -> Vec<u8> {
    to.write_all(part).unwrap();
    done(to)
}

/// The outer archive of these parts.
pub(super) fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all = b"!<arch>\n".to_vec();
    for (name, part) in parts {
        all.extend(
            format!(
                "{name:<16}0           0     0     100644  {:<10}`\n",
                part.len()
            )
            .bytes(),
        );
        all.extend_from_slice(part);
        if part.len() % 2 == 1 {
            all.push(b'\n');
        }
    }
    all
}
