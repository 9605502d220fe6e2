//! Transfers to and from a registry in this process, and from servers that lie, break off or refuse.

use std::sync::Mutex;

use super::*;
use crate::backend::oci::exchange::Exchange;
use crate::backend::oci::manifest::MANIFEST;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::{Pull, Transfer, TransferError};
use crate::backend::oci::store::Store;
use crate::cancel::Cancel;

/// A store of its own.
pub(super) fn store() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Store::open(&folder.path().join("oci")).unwrap(), folder)
}

pub(super) fn repository(exchange: &Exchange, name: &str) -> Reference {
    let name = exchange.repository(name).unwrap();
    Reference::read(&format!("{name}:1")).unwrap()
}

pub(super) fn quick() -> Access {
    let limits = Limits {
        idle: Duration::from_millis(500),
        answer: Duration::from_millis(500),
        ..Limits::default()
    };
    Access {
        limits,
        configuration: None,
        ..Access::default()
    }
}

#[test]
fn an_image_goes_to_a_registry_and_comes_back() {
    let (theirs, _theirs) = store();
    let exchange = Exchange::start(&theirs, &Limits::default()).unwrap();
    let (of, other) = (repository(&exchange, "a"), repository(&exchange, "b"));
    let cancel = Cancel::default();
    let (ours, _ours) = store();
    let big: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let layer = ours.put(big.as_slice(), None).unwrap();
    let config = ours.put(CONFIG.as_bytes(), None).unwrap();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "c", "digest": config.digest.to_string(), "size": config.size },
        "layers": [{ "mediaType": "l", "digest": layer.digest.to_string(), "size": layer.size }],
    });
    let manifest = manifest.to_string();
    let to = Transfer::new(&of, &access(), &cancel);
    assert_eq!(to.manifest("1").unwrap_err(), TransferError::Absent);
    for blob in [layer, config] {
        to.bring((blob.digest, blob.size), &ours, None, &|| Ok(()))
            .unwrap();
        assert!(to.has(blob.digest).unwrap());
    }
    to.put_manifest("1", MANIFEST, manifest.as_bytes()).unwrap();
    let mounted = Transfer::new(&other, &access(), &cancel);
    mounted
        .bring((layer.digest, layer.size), &ours, Some(&of.path), &|| {
            panic!("it is mounted")
        })
        .unwrap();

    let (digest, bytes) = to.manifest("1").unwrap();
    assert_eq!(bytes, manifest.as_bytes());
    assert_eq!(to.manifest(&digest.to_string()).unwrap().1, bytes);
    let (new, _new) = store();
    to.fetch((layer.digest, Some(layer.size)), &new).unwrap();
    assert_eq!(new.read_whole(layer.digest, 4 << 20).unwrap(), big);
}

#[test]
fn what_a_registry_sends_is_verified() {
    let (host, _) = serve(|path, _, _| {
        let found = |body: &str| (200, String::new(), body.to_owned());
        match path {
            "/v2/a/manifests/1" => found("{}"),
            path if path.starts_with("/v2/a/manifests/") => found("other"),
            path if path.starts_with("/v2/a/blobs/") => found("lies"),
            _ => (404, String::new(), String::new()),
        }
    });
    let of = Reference::read(&format!("{host}/a:1")).unwrap();
    let cancel = Cancel::default();
    let from = Transfer::new(&of, &quick(), &cancel);
    assert_eq!(from.manifest("1").unwrap().1, b"{}");
    let wrong = |error: TransferError| match error {
        TransferError::Passing(why) => why,
        other => panic!("{other:?}"),
    };
    let wanted = digest_of("wanted");
    let why = wrong(from.manifest(&wanted).unwrap_err());
    assert!(why.contains("instead of"), "{why}");
    let (store, _folder) = store();
    let digest = Digest::read(&wanted).unwrap();
    let why = wrong(from.fetch((digest, None), &store).unwrap_err());
    assert!(why.contains("expected blob"), "{why}");
    assert_eq!(store.size(digest).unwrap(), None);
}

#[test]
fn a_refusal_is_final_and_a_failure_is_tried_again() {
    for (status, is_final, asked) in [
        (403, true, 1),
        (400, true, 1),
        (500, false, 3),
        (429, false, 3),
    ] {
        let (host, count) = serve(move |_, _, _| (status, String::new(), String::new()));
        let of = Reference::read(&format!("{host}/a:1")).unwrap();
        let cancel = Cancel::default();
        let from = Transfer::new(&of, &quick(), &cancel);
        let error = from.manifest("1").unwrap_err();
        assert_eq!(
            matches!(error, TransferError::Final(_)),
            is_final,
            "{status}: {error:?}"
        );
        assert_eq!(count.load(Ordering::SeqCst), asked, "{status}");
    }
}

/// A server that breaks off in the middle of a blob, as often as it is told.
fn breaking(body: &'static [u8], times: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            let range = head.iter().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("range: bytes=")
                    .map(str::to_owned)
            });
            let from: usize = range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
            let status = if from == 0 {
                "200 OK"
            } else {
                "206 Partial Content"
            };
            let rest = &body[from..];
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                rest.len()
            );
            let is_broken = counted.fetch_add(1, Ordering::SeqCst) < times;
            let _ = stream.write_all(if is_broken {
                &rest[..rest.len() / 2]
            } else {
                rest
            });
        }
    });
    (host, count)
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    static BODY: [u8; 100_000] = [7; 100_000];
    let digest = Digest::of(&BODY);
    let (host, count) = breaking(&BODY, 2);
    let of = Reference::read(&format!("{host}/a:1")).unwrap();
    let cancel = Cancel::default();
    let (store, _folder) = store();
    Transfer::new(&of, &quick(), &cancel)
        .fetch((digest, Some(100_000)), &store)
        .unwrap();
    assert_eq!(store.size(digest).unwrap(), Some(100_000));
    assert_eq!(count.load(Ordering::SeqCst), 3);
    let (host, _) = breaking(&BODY, 100);
    let of = Reference::read(&format!("{host}/a:1")).unwrap();
    let error = Transfer::new(&of, &quick(), &cancel).fetch((digest, Some(100_000)), &store);
    assert!(matches!(error, Err(TransferError::Passing(_))), "{error:?}");
}

/// A registry that appends what it is sent to an upload, and takes the upload as a whole when all of a request has arrived. It breaks off
/// this many of these requests half way, and has forgotten the uploads of as many that follow.
fn appending(broken: usize, forgotten: usize) -> (String, Arc<Mutex<Uploads>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let uploads: Arc<Mutex<Uploads>> = Arc::default();
    let own = Arc::clone(&uploads);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut read = BufReader::new(stream.try_clone().unwrap());
            let head: Vec<String> = read
                .by_ref()
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            let length = head.iter().find_map(|line| {
                let line = line.to_ascii_lowercase();
                line.strip_prefix("content-length: ")?.parse().ok()
            });
            let mut uploads = own.lock().unwrap();
            let answer = |head: String| {
                let head =
                    format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = (&stream).write_all(head.as_bytes());
            };
            let Some((_, put)) = head[0].split_once("PUT /v2/a/blobs/uploads/") else {
                if head[0].starts_with("POST") {
                    uploads.open.push(Some(Vec::new()));
                    let id = uploads.open.len() - 1;
                    answer(format!("202 x\r\nlocation: /v2/a/blobs/uploads/{id}"));
                } else {
                    answer("404 x".to_owned());
                }
                continue;
            };
            let (id, wanted) = put
                .trim_end_matches(" HTTP/1.1")
                .split_once("?digest=")
                .unwrap();
            let id: usize = id.parse().unwrap();
            let length: u64 = length.unwrap();
            let at = uploads.puts;
            uploads.puts += 1;
            let is_broken = at < broken;
            let arriving = if is_broken { length / 2 } else { length };
            let mut body = Vec::new();
            let _ = read.take(arriving).read_to_end(&mut body);
            if (broken..broken + forgotten).contains(&at) {
                uploads.open[id] = None;
            }
            let Some(mut all) = uploads.open[id].take() else {
                answer("404 x".to_owned());
                continue;
            };
            all.extend(body);
            if is_broken {
                uploads.open[id] = Some(all);
            } else if Digest::of(&all).to_string() == wanted.replace("%3A", ":") {
                uploads.whole.push(all);
                answer("201 x".to_owned());
            } else {
                answer("400 x".to_owned());
            }
        }
    });
    (host, uploads)
}

#[derive(Default)]
struct Uploads {
    puts: usize,
    open: Vec<Option<Vec<u8>>>,
    whole: Vec<Vec<u8>>,
}

#[test]
fn an_upload_that_breaks_off_is_begun_anew() {
    let (store, _folder) = store();
    let big: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let blob = store.put(big.as_slice(), None).unwrap();
    let cancel = Cancel::default();
    let bring = |host: &str| {
        let of = Reference::read(&format!("{host}/a:1")).unwrap();
        let to = Transfer::new(&of, &quick(), &cancel);
        to.bring((blob.digest, blob.size), &store, None, &|| Ok(()))
    };
    for (broken, forgotten) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let (host, uploads) = appending(broken, forgotten);
        bring(&host).unwrap();
        let uploads = uploads.lock().unwrap();
        assert!(uploads.whole == [big.clone()], "{broken} {forgotten}");
        assert_eq!(uploads.open.len(), broken + forgotten + 1);
    }
    let (host, uploads) = appending(100, 0);
    let error = bring(&host).unwrap_err();
    assert!(matches!(error, TransferError::Passing(_)), "{error:?}");
    assert_eq!(uploads.lock().unwrap().open.len(), 3);
}

/// The disk would be full before the digest is known to be another.
#[test]
fn a_registry_that_sends_more_than_the_manifest_says_is_left_early() {
    const ALL: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let _ = lines
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .count();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {ALL}\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let piece = vec![7; 1 << 16];
            while counted.load(Ordering::SeqCst) < ALL && stream.write_all(&piece).is_ok() {
                counted.fetch_add(1 << 16, Ordering::SeqCst);
            }
        }
    });
    let (store, _folder) = store();
    let of = Reference::read(&format!("{host}/a:1")).unwrap();
    let cancel = Cancel::default();
    let from = Pull::new(&of, true, &quick(), &cancel).unwrap();
    let wanted = Digest::of(b"ten bytes.");
    let error = from.fetch((wanted, Some(10)), &store).unwrap_err();
    let TransferError::Passing(why) = &error else {
        panic!("{error:?}");
    };
    assert!(why.ends_with("it sent more than 10 bytes"), "{why}");
    let taken = taken.load(Ordering::SeqCst);
    assert!(taken < ALL / 2, "{taken} bytes");
}

#[test]
fn what_a_registry_says_about_a_push_is_told() {
    let (host, _) = serve(|path, _, _| {
        let (status, code) = match path.strip_prefix("/v2/a/").unwrap() {
            "blobs/uploads/" => (404, "NAME_UNKNOWN"),
            _ => (400, "MANIFEST_BLOB_UNKNOWN"),
        };
        let said = format!(r#"{{"errors":[{{"code":"{code}","message":"so it is"}}]}}"#);
        (status, String::new(), said)
    });
    let of = Reference::read(&format!("{host}/a:1")).unwrap();
    let cancel = Cancel::default();
    let to = Transfer::new(&of, &quick(), &cancel);
    let no_project = to.bring_small(b"bytes", true).unwrap_err();
    let words = format!("registry `{host}`: it answers 404 Not Found (so it is)");
    assert!(matches!(&no_project, TransferError::Final(why) if *why == words));
    let no_part = to.put_manifest("1", MANIFEST, b"{}").unwrap_err();
    let words = format!("registry `{host}`: it answers 400 Bad Request (so it is)");
    assert!(matches!(&no_part, TransferError::Passing(why) if *why == words));
}

#[test]
fn a_part_that_another_run_has_just_sent_too_is_seen_in_the_end() {
    let count = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&count);
    let (host, _) = serve(move |_, _, _| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => (
            400,
            String::new(),
            r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#.into(),
        ),
        _ => (201, String::new(), String::new()),
    });
    let of = Reference::read(&format!("{host}/a:1")).unwrap();
    let cancel = Cancel::default();
    let to = Transfer::new(&of, &quick(), &cancel);
    to.put_manifest("1", MANIFEST, b"{}").unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn a_cancelled_transfer_ends() {
    let (host, _) = serve(|_, _, _| (500, String::new(), String::new()));
    let of = Reference::read(&format!("{host}/a:1")).unwrap();
    let cancel = Cancel::default();
    let asking = cancel.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        asking.request();
    });
    let begun = Instant::now();
    let error = Transfer::new(&of, &access(), &cancel).manifest("1");
    assert_eq!(error.unwrap_err(), TransferError::Cancelled);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
