//! Archives for tests: proper ones, and such as no tool would write.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::backend::embedded::python::record;

/// An entry of an archive, with what its headers say.
#[derive(Clone)]
pub(in crate::backend::embedded::python) struct Part {
    pub(in crate::backend::embedded::python) name: Vec<u8>,
    pub(in crate::backend::embedded::python) local_name: Vec<u8>,
    pub(in crate::backend::embedded::python) data: Vec<u8>,
    pub(in crate::backend::embedded::python) method: u16,
    pub(in crate::backend::embedded::python) flags: u16,
    pub(in crate::backend::embedded::python) crc: u32,
    pub(in crate::backend::embedded::python) size: u32,
    pub(in crate::backend::embedded::python) local_size: u32,
    pub(in crate::backend::embedded::python) mode: u32,
    /// What follows the data.
    pub(in crate::backend::embedded::python) after: Vec<u8>,
    /// Whether the sizes are in zip64 records.
    pub(in crate::backend::embedded::python) is_64: bool,
    /// Where the header is said to be, if not where it is.
    pub(in crate::backend::embedded::python) header: Option<u32>,
}

impl Part {
    pub(in crate::backend::embedded::python) fn new(name: &str, content: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(content).unwrap();
        let data = encoder.finish().unwrap();
        let part = Self::stored(name, content);
        Self {
            data,
            method: 8,
            ..part
        }
    }

    pub(in crate::backend::embedded::python) fn stored(name: &str, content: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        let size = u32::try_from(content.len()).unwrap();
        Self {
            name: name.into(),
            local_name: name.into(),
            data: content.to_vec(),
            method: 0,
            flags: if name.is_ascii() { 0 } else { 1 << 11 },
            crc: crc.sum(),
            size,
            local_size: size,
            mode: if name.ends_with('/') {
                0o040_755
            } else {
                0o100_644
            },
            after: Vec::new(),
            is_64: false,
            header: None,
        }
    }

    /// With its sizes after its data.
    pub(in crate::backend::embedded::python) fn followed(mut self, has_signature: bool) -> Self {
        self.flags |= 1 << 3;
        if has_signature {
            self.after.extend(0x0807_4b50_u32.to_le_bytes());
        }
        self.after.extend(self.crc.to_le_bytes());
        let packed = u32::try_from(self.data.len()).unwrap();
        self.after.extend(packed.to_le_bytes());
        self.after.extend(self.size.to_le_bytes());
        self
    }

    fn sizes(&self, size: u32) -> (Vec<u8>, Vec<u8>) {
        let packed = u32::try_from(self.data.len()).unwrap();
        if self.is_64 {
            let mut extra = vec![1, 0, 16, 0];
            extra.extend(u64::from(size).to_le_bytes());
            extra.extend(u64::from(packed).to_le_bytes());
            (vec![0xff; 8], extra)
        } else {
            (
                [packed.to_le_bytes(), size.to_le_bytes()].concat(),
                Vec::new(),
            )
        }
    }

    fn fields(&self) -> Vec<u8> {
        let mut bytes = vec![20, 0];
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.method.to_le_bytes());
        bytes.extend([0; 4]);
        bytes
    }

    fn local(&self) -> Vec<u8> {
        let mut bytes = 0x0403_4b50_u32.to_le_bytes().to_vec();
        bytes.extend(self.fields());
        let is_untold = self.flags & 1 << 3 != 0;
        let (sizes, extra) = self.sizes(self.local_size);
        if is_untold {
            bytes.extend([0; 12]);
        } else {
            bytes.extend(self.crc.to_le_bytes());
            bytes.extend(sizes);
        }
        bytes.extend(u16::try_from(self.local_name.len()).unwrap().to_le_bytes());
        bytes.extend(u16::try_from(extra.len()).unwrap().to_le_bytes());
        bytes.extend(&self.local_name);
        bytes.extend(extra);
        bytes.extend(&self.data);
        bytes.extend(&self.after);
        bytes
    }

    fn central(&self, at: u32) -> Vec<u8> {
        let mut bytes = 0x0201_4b50_u32.to_le_bytes().to_vec();
        bytes.extend([20, 3]);
        bytes.extend(self.fields());
        bytes.extend(self.crc.to_le_bytes());
        let (sizes, extra) = self.sizes(self.size);
        bytes.extend(sizes);
        bytes.extend(u16::try_from(self.name.len()).unwrap().to_le_bytes());
        bytes.extend(u16::try_from(extra.len()).unwrap().to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend((self.mode << 16).to_le_bytes());
        bytes.extend(self.header.unwrap_or(at).to_le_bytes());
        bytes.extend(&self.name);
        bytes.extend(extra);
        bytes
    }
}

/// An archive of these entries.
pub(in crate::backend::embedded::python) fn zip(parts: &[Part]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut list = Vec::new();
    for part in parts {
        list.extend(part.central(u32::try_from(bytes.len()).unwrap()));
        bytes.extend(part.local());
    }
    let start = u32::try_from(bytes.len()).unwrap();
    bytes.extend(&list);
    bytes.extend(0x0605_4b50_u32.to_le_bytes());
    bytes.extend([0; 4]);
    let count = u16::try_from(parts.len()).unwrap().to_le_bytes();
    bytes.extend([count, count].concat());
    bytes.extend(u32::try_from(list.len()).unwrap().to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// A wheel of these files, with metadata; later entries of one name replace the metadata.
pub(in crate::backend::embedded::python) fn wheel(stem: &str, mut parts: Vec<Part>) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let info = format!("{stem}.dist-info");
    let has = |parts: &[Part], name: &str| parts.iter().any(|part| part.name == name.as_bytes());
    let about = format!("{info}/WHEEL");
    if !has(&parts, &about) {
        let text =
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        parts.push(Part::new(&about, text));
    }
    let own = format!("{info}/RECORD");
    if !has(&parts, &own) {
        let mut text = String::new();
        for part in &parts {
            let name = String::from_utf8(part.name.clone()).unwrap();
            if name.ends_with('/') {
                continue;
            }
            let plain = if part.method == 8 {
                let mut plain = Vec::new();
                let mut decoder = flate2::write::DeflateDecoder::new(&mut plain);
                decoder.write_all(&part.data).unwrap();
                decoder.finish().unwrap();
                plain
            } else {
                part.data.clone()
            };
            let hash = Sha256::digest(&plain).into();
            text.push_str(&record::line(&name, &hash, plain.len() as u64));
        }
        writeln!(text, "{own},,").unwrap();
        parts.push(Part::new(&own, text.as_bytes()));
    }
    zip(&parts)
}
