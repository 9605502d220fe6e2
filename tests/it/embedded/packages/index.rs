//! A package index on the loopback interface, and synthetic wheels for it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A zip of these files, not compressed.
fn zip(files: &[(String, String)]) -> Vec<u8> {
    let (mut zip, mut list) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        let mut head = Vec::new();
        for number in [20u16, 0, 0, 0, 33] {
            head.extend(number.to_le_bytes());
        }
        let length = u32::try_from(text.len()).unwrap();
        for number in [crc.sum(), length, length] {
            head.extend(number.to_le_bytes());
        }
        head.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        head.extend(0u16.to_le_bytes());
        let at = u32::try_from(zip.len()).unwrap();
        zip.extend(b"PK\x03\x04");
        zip.extend(&head);
        zip.extend(name.as_bytes());
        zip.extend(text.as_bytes());
        list.extend(b"PK\x01\x02\x14\x03");
        list.extend(&head);
        list.extend([0; 6]);
        list.extend((0o100_644u32 << 16).to_le_bytes());
        list.extend(at.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let (start, length) = (zip.len(), list.len());
    zip.extend(list);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    let count = u16::try_from(files.len()).unwrap();
    zip.extend(count.to_le_bytes());
    zip.extend(count.to_le_bytes());
    zip.extend(u32::try_from(length).unwrap().to_le_bytes());
    zip.extend(u32::try_from(start).unwrap().to_le_bytes());
    zip.extend([0, 0]);
    zip
}

/// A wheel with one module.
pub(in crate::embedded) fn wheel(name: &str, version: &str) -> Vec<u8> {
    wheel_with(name, version, &format!("version = '{version}'\n"))
}

/// A wheel whose module has this text.
pub(in crate::embedded) fn wheel_with(name: &str, version: &str, text: &str) -> Vec<u8> {
    made(name, version, text, "")
}

/// A wheel that needs another package.
pub(in crate::embedded) fn wheel_needing(name: &str, version: &str, other: &str) -> Vec<u8> {
    made(name, version, "", &format!("Requires-Dist: {other}\n"))
}

fn made(name: &str, version: &str, text: &str, more: &str) -> Vec<u8> {
    let info = format!("{name}-{version}.dist-info");
    let files = [
        (format!("{name}.py"), text.to_owned()),
        (
            format!("{info}/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"),
        ),
        (
            format!("{info}/WHEEL"),
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
        ),
    ];
    let mut record = String::new();
    for (path, _) in &files {
        record += &format!("{path},,\n");
    }
    record += &format!("{info}/RECORD,,\n");
    zip(&[&files[..], &[(format!("{info}/RECORD"), record)]].concat())
}

type Answers = BTreeMap<String, (u16, String, Vec<u8>)>;

/// A package index.
pub(in crate::embedded) struct Index {
    pub(in crate::embedded) host: String,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Index {
    pub(in crate::embedded) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let answers = Arc::new(Mutex::new(Answers::new()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (own, noted) = (Arc::clone(&answers), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (own, noted) = (Arc::clone(&own), Arc::clone(&noted));
                std::thread::spawn(move || answer(&stream.unwrap(), &own, &noted));
            }
        });
        Self {
            host,
            answers,
            asked,
        }
    }

    pub(in crate::embedded) fn set(&self, path: &str, status: u16, kind: &str, body: &[u8]) {
        let answer = (status, kind.to_owned(), body.to_vec());
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Answers no more.
    pub(in crate::embedded) fn remove(&self, path: &str) {
        self.answers.lock().unwrap().remove(path);
    }

    /// Offers a wheel; returns its hash.
    pub(in crate::embedded) fn offer(&self, file: &str, bytes: &[u8]) -> String {
        let name = file.split('-').next().unwrap();
        let hash = sha256(bytes);
        self.set(&format!("/files/{file}"), 200, "application/zip", bytes);
        let page =
            format!("<!DOCTYPE html><a href=\"../../files/{file}#sha256={hash}\">{file}</a>");
        self.set(
            &format!("/simple/{name}/"),
            200,
            "text/html",
            page.as_bytes(),
        );
        hash
    }

    /// Offers a further wheel of a project.
    pub(in crate::embedded) fn also_offer(&self, file: &str, bytes: &[u8]) -> String {
        let page = format!("/simple/{}/", file.split('-').next().unwrap());
        let before = self.answers.lock().unwrap().get(&page).cloned();
        let hash = self.offer(file, bytes);
        if let Some((status, kind, before)) = before {
            let own = self.answers.lock().unwrap()[&page].2.clone();
            self.set(&page, status, &kind, &[before, own].concat());
        }
        hash
    }

    /// What was asked for since the last time.
    pub(in crate::embedded) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn answer(mut stream: &TcpStream, answers: &Mutex<Answers>, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut line = String::new();
        let mut login = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            if line.to_lowercase().starts_with("authorization:") {
                login = format!(" {}", line["authorization:".len()..].trim());
            }
            line.clear();
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        asked.lock().unwrap().push(format!("{path}{login}"));
        let found = answers.lock().unwrap().get(&path).cloned();
        let (status, kind, body) = found.unwrap_or((404, "text/plain".to_owned(), Vec::new()));
        let length = body.len();
        let is_head = first.starts_with("HEAD ");
        let body = if is_head { Vec::new() } else { body };
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        );
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(&body))
            .is_err()
        {
            return;
        }
    }
}
