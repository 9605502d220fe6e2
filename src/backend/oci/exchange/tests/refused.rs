//! Tests of requests that the registry rejects, and of clients that misbehave.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Bench, Digest, manifest, refused};
use crate::backend::oci::exchange::call::UPLOADS;
use crate::limits::Limits;

#[test]
fn nothing_is_removed_on_request() {
    let bench = Bench::new();
    let digest = bench.push_image(b"layer", "1");
    for what in [
        "manifests/1".into(),
        format!("manifests/{digest}"),
        format!("blobs/{digest}"),
    ] {
        let said = bench.ask("DELETE", &bench.of(&what));
        refused(&said, 405, "UNSUPPORTED");
        assert!(said.header("allow").starts_with("GET"));
    }
}

#[test]
fn names_are_those_of_the_grammar() {
    let bench = Bench::new();
    for name in ["A", "a//b", "..", "a/%2e%2e", "a%00"] {
        let url = bench
            .of("tags/list")
            .replace("/a/tags", &format!("/{name}/tags"));
        refused(&bench.ask("GET", &url), 400, "NAME_INVALID");
    }
    refused(&bench.put_manifest("-", b"{}"), 400, "MANIFEST_INVALID");
    for version in ["sha256:00", "md5:00"] {
        refused(&bench.put_manifest(version, b"{}"), 400, "DIGEST_INVALID");
        let url = bench.of(&format!("manifests/{version}"));
        refused(&bench.ask("GET", &url), 400, "DIGEST_INVALID");
        let url = bench.of(&format!("blobs/{version}"));
        refused(&bench.ask("GET", &url), 400, "DIGEST_INVALID");
    }
}

#[test]
fn repositories_without_the_secret_word_are_not_there() {
    let bench = Bench::new();
    bench.push_image(b"layer", "1");
    for path in [
        "/v2/a/manifests/1",
        "/v2/x/a/manifests/1",
        "/v2/a/tags/list",
        "/v2/_catalog",
        "/",
    ] {
        refused(&bench.ask("GET", &bench.at(path)), 404, "NAME_UNKNOWN");
    }
    let other = Bench::new();
    let word = other.exchange.repository("a").unwrap();
    let word = word.split('/').nth(1).unwrap();
    let url = bench.at(&format!("/v2/{word}/a/blobs/uploads/"));
    refused(&bench.ask("POST", &url), 404, "NAME_UNKNOWN");
}

#[test]
fn pages_in_browsers_are_sent_away() {
    let bench = Bench::new();
    let root = bench.at("/v2/");
    for header in [
        ("Host", "evil.example"),
        ("Host", "localhost:1"),
        ("Origin", "http://x"),
    ] {
        refused(&bench.send("GET", &root, &[header], b""), 403, "DENIED");
    }
    let port = bench.exchange.host().split_once(':').unwrap().1;
    let host = format!("localhost:{port}");
    let said = bench.send("GET", &root, &[("Host", &host)], b"");
    assert_eq!(said.status, 200);
}

#[test]
fn manifests_are_looked_at() {
    let bench = Bench::new();
    for text in [&b"{}"[..], b"", b"\xff", b"[[[["] {
        refused(&bench.put_manifest("1", text), 400, "MANIFEST_INVALID");
    }
    let text = manifest((bench.push(b"{}"), 2), &[]);
    let other = Digest::of(b"other").to_string();
    refused(&bench.put_manifest(&other, &text), 400, "DIGEST_INVALID");
    let kind = [("Content-Type", "text/plain; charset=utf-8")];
    let said = bench.send("PUT", &bench.of("manifests/1"), &kind, &text);
    refused(&said, 400, "MANIFEST_INVALID");
    let large = vec![b' '; (4 << 20) + 1];
    refused(&bench.put_manifest("1", &large), 413, "MANIFEST_INVALID");
    assert_eq!(bench.exchange.find("a", "1").unwrap(), None);
}

#[test]
fn so_many_uploads_and_no_more_go_on_at_once() {
    let bench = Bench::new();
    let all: Vec<String> = (0..UPLOADS).map(|_| bench.begin()).collect();
    let more = bench.ask("POST", &bench.of("blobs/uploads/"));
    refused(&more, 429, "TOOMANYREQUESTS");
    assert_eq!(more.header("retry-after"), "1");
    assert_eq!(bench.ask("DELETE", &all[0]).status, 204);
    bench.begin();
}

#[test]
fn a_client_that_leaves_in_the_middle_can_go_on() {
    let bench = Bench::new();
    let url = bench.begin();
    let path = url.strip_prefix("http://").unwrap();
    let (host, path) = path.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("PATCH /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"0123").unwrap();
    drop(stream);
    let until = Instant::now() + Duration::from_secs(10);
    while bench.ask("GET", &url).header("range") != "0-3" {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(5));
    }
    let end = format!("{url}?digest={}", Digest::of(b"0123456789"));
    let last = bench.send("PUT", &end, &[("Content-Range", "4-9")], b"456789");
    assert_eq!(last.status, 201, "{}", last.text());
}

#[test]
fn a_client_that_takes_nothing_or_sends_nothing_more_is_left() {
    let bench = Bench::within(Limits {
        idle: Duration::from_millis(300),
        ..Limits::default()
    });
    // More than fits into the system's buffers.
    let digest = bench.push(&vec![7; 32 << 20]);
    let (blob, upload) = (bench.of(&format!("blobs/{digest}")), bench.begin());
    for (method, url, more) in [
        ("GET", blob, ""),
        ("PATCH", upload, "Content-Length: 10\r\n"),
        ("PUT", bench.of("manifests/1"), "Content-Length: 10\r\n"),
    ] {
        let (host, path) = url
            .strip_prefix("http://")
            .unwrap()
            .split_once('/')
            .unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let limit = Duration::from_secs(10);
        stream.set_read_timeout(Some(limit)).unwrap();
        let head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        // Data already on its way, or an error; then the end.
        let (begun, mut said) = (Instant::now(), Vec::new());
        let ended = stream.read_to_end(&mut said);
        assert!(begun.elapsed() < limit, "{method}: {ended:?}");
        assert!(said.len() < 32 << 20, "{method}");
    }
    assert_eq!(bench.ask("GET", &bench.at("/v2/")).status, 200);
}

#[test]
fn what_is_not_http_breaks_only_its_own_connection() {
    let bench = Bench::new();
    // The first bytes of a client that tries TLS first.
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\0",
    ] {
        let mut stream = TcpStream::connect(bench.exchange.host()).unwrap();
        stream.write_all(noise).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(bench.ask("GET", &bench.at("/v2/")).status, 200);
}

#[test]
fn when_it_is_dropped_nothing_is_left_but_blobs() {
    let bench = Bench::new();
    let digest = bench.push_image(b"layer", "1");
    let waiting = bench.begin();
    bench.send("PATCH", &waiting, &[], b"half");
    let host = bench.exchange.host().to_owned();
    let store = bench.store().clone();
    // A client that stays connected must not delay the shutdown.
    let idle = TcpStream::connect(&host).unwrap();
    let begun = Instant::now();
    drop(bench.exchange);
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(TcpStream::connect(&host).is_err());
    drop(idle);
    let left = std::fs::read_dir(store.folder().join("unfinished")).unwrap();
    assert_eq!(left.count(), 0);
    assert!(store.size(digest).unwrap().is_some());
    drop(bench.folder);
}
