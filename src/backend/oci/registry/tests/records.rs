//! Records beside images, in a registry of this process that lists nothing, and from servers that list, lie or refuse.

use super::transfer::{quick, repository, store};
use super::*;
use crate::backend::oci::exchange::Exchange;
use crate::backend::oci::manifest::MANIFEST;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::records::Recalled;
use crate::backend::oci::registry::{Memo, Memory, Recall, Transfer};
use crate::cancel::Cancel;

const TYPE: &str = "application/vnd.imgspec.record.v1+json";

/// An exchange with an image `1` in the repository `a`; returns the image's digest.
fn with_image(exchange: &Exchange) -> (Reference, String) {
    let of = repository(exchange, "a");
    let cancel = Cancel::default();
    let to = Transfer::new(&of, &access(), &cancel);
    to.bring_small(CONFIG.as_bytes(), false).unwrap();
    let (digest, size) = (digest_of(CONFIG), CONFIG.len());
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": { "mediaType": "c", "digest": digest, "size": size },
    });
    let manifest = manifest.to_string();
    assert!(!to.put_manifest("1", MANIFEST, manifest.as_bytes()).unwrap());
    (of, digest_of(&manifest))
}

fn memo<'a>(image: &'a str, finished: &'a str, record: &'a str) -> Memo<'a> {
    Memo {
        image,
        digest: None,
        key: "k",
        finished,
        record: record.as_bytes(),
        inputs: b"inputs",
    }
}

/// Keeps a record beside the image of this name.
fn keep(of: &str, memo: &Memo<'_>) {
    let (of, cancel) = (Reference::read(of).unwrap(), Cancel::default());
    let kept = Memory::new(quick()).keeping(&of, &cancel).finish(memo);
    kept.unwrap();
}

fn recall(of: &str, image: &str, digest: Option<&str>) -> Option<Recalled> {
    let wanted = Recall {
        image: image.to_owned(),
        reference: of.to_owned(),
        digest: digest.map(str::to_owned),
    };
    Memory::new(quick())
        .recall(&[wanted], Asker::silent())
        .remove(0)
        .unwrap()
}

fn sent(record: &str, inputs: Option<&str>) -> Recalled {
    let bytes = |text: &str| text.as_bytes().to_owned();
    Recalled {
        record: bytes(record),
        inputs: inputs.map(bytes),
    }
}

#[test]
fn the_last_record_of_an_image_is_found_and_that_of_exactly_one() {
    let (theirs, _theirs) = store();
    let exchange = Exchange::start(&theirs, &Limits::default()).unwrap();
    let (of, digest) = with_image(&exchange);
    let name = format!("{}:1", of.repository);
    // An id that is not a tag: of a matrix, say.
    for image in ["app", "app ü@3.11"] {
        assert_eq!(recall(&name, image, None), None);
        assert_eq!(recall(&name, image, Some(&digest)), None);
        let first = memo(image, "2026-01-01T00:00:00Z", "first");
        keep(&name, &first);
        assert_eq!(
            recall(&name, image, None),
            Some(sent("first", Some("inputs")))
        );
        assert_eq!(
            recall(&name, image, Some(&digest)),
            Some(sent("first", None))
        );
    }
    // A newer one of another image under the same id: by the list of clients, the older one is still found.
    let cancel = Cancel::default();
    let to = Transfer::new(&of, &access(), &cancel);
    let (_, bytes) = to.manifest("1").unwrap();
    let other = String::from_utf8(bytes).unwrap().replace("\"c\"", "\"d\"");
    to.put_manifest("2", MANIFEST, other.as_bytes()).unwrap();
    let newer = format!("{}:2", of.repository);
    let second = memo("app", "2026-01-02T00:00:00Z", "second");
    keep(&newer, &second);
    assert_eq!(
        recall(&name, "app", None),
        Some(sent("second", Some("inputs")))
    );
    assert_eq!(
        recall(&name, "app", Some(&digest)),
        Some(sent("first", None))
    );
    let digest_of_other = digest_of(&other);
    assert_eq!(
        recall(&name, "app", Some(&digest_of_other)),
        Some(sent("second", None))
    );
    // Written again for the same image, the older entry is gone from the list.
    let third = memo("app", "2026-01-03T00:00:00Z", "third");
    keep(&newer, &third);
    let list = format!("sha256-{}", &digest_of_other["sha256:".len()..]);
    let (_, index) = to.manifest(&list).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "{index}");
}

/// What was seen to while an image was on its way is not sent again, and what was not known then still is.
#[test]
fn a_record_that_was_prepared_is_the_same_with_less_to_send() {
    let (theirs, _theirs) = store();
    let exchange = Exchange::start(&theirs, &Limits::default()).unwrap();
    let (of, digest) = with_image(&exchange);
    let name = format!("{}:1", of.repository);
    let cancel = Cancel::default();
    let memory = Memory::new(quick());
    let memo = Memo {
        digest: Some(&digest),
        ..memo("app", "2026-01-01T00:00:00Z", "early")
    };
    let keeping = memory.keeping(&of, &cancel);
    keeping.prepare(&memo);
    assert_eq!(recall(&name, "app", None), None);
    let late = Memo {
        record: b"late",
        ..memo
    };
    keeping.finish(&late).unwrap();
    assert_eq!(
        recall(&name, "app", None),
        Some(sent("late", Some("inputs")))
    );
    assert_eq!(
        recall(&name, "app", Some(&digest)),
        Some(sent("late", None))
    );
}

/// A list that is JSON of another shape was an internal error, after the image had been pushed.
#[test]
fn what_a_registry_sends_instead_of_a_list_is_replaced() {
    for sent in ["[]", r#""list""#, "1", "null", r#"{"manifests":{}}"#] {
        let image = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
            "config": { "mediaType": "c", "digest": digest_of(CONFIG), "size": CONFIG.len() },
        });
        let (image, lists) = (image.to_string(), Arc::new(AtomicUsize::new(0)));
        let (digest, counted) = (digest_of(&image), Arc::clone(&lists));
        let (host, _) = serve(
            move |path, _, _| match path.strip_prefix("/v2/a/").unwrap() {
                "blobs/uploads/" => (
                    202,
                    "location: /v2/a/blobs/uploads/1\r\n".into(),
                    String::new(),
                ),
                path if path.starts_with("manifests/sha256-") => {
                    counted.fetch_add(1, Ordering::SeqCst);
                    (200, String::new(), sent.into())
                }
                path if path.starts_with("manifests/sha256:") => {
                    (200, String::new(), image.clone())
                }
                _ => (201, String::new(), String::new()),
            },
        );
        let memo = Memo {
            digest: Some(&digest),
            ..memo("app", "2026-01-01T00:00:00Z", "record")
        };
        keep(&format!("{host}/a:1"), &memo);
        // Read and written.
        assert_eq!(lists.load(Ordering::SeqCst), 2, "{sent}");
    }
}

#[test]
fn inputs_that_are_too_long_are_left_out() {
    let (theirs, _theirs) = store();
    let exchange = Exchange::start(&theirs, &Limits::default()).unwrap();
    let (of, _) = with_image(&exchange);
    let name = format!("{}:1", of.repository);
    let long = vec![b'x'; (8 << 20) + 1];
    let memo = Memo {
        inputs: &long,
        ..memo("app", "2026-01-01T00:00:00Z", "record")
    };
    keep(&name, &memo);
    assert_eq!(recall(&name, "app", None), Some(sent("record", None)));
}

#[test]
fn a_registry_that_lists_is_asked_for_its_own_list() {
    let record = "the record";
    let image = digest_of("image");
    let subject = image.clone();
    let (host, count) = serve(move |path, _, _| {
        let found = |body: String| (200, digest_header(&digest_of(&body)), body);
        let part = format!(
            r#"{{"mediaType":"{TYPE}","digest":"{}","size":{}}}"#,
            digest_of(record),
            record.len()
        );
        let artifact = format!(r#"{{"artifactType":"{TYPE}","layers":[{part}]}}"#);
        let entry = |kind: &str, id: &str, time: &str, digest: &str| {
            format!(
                r#"{{"digest":"{digest}","artifactType":"{kind}","annotations":{{"dev.imgspec.image":"{id}","org.opencontainers.image.created":"{time}"}}}}"#
            )
        };
        let path = path.strip_prefix("/v2/a/").unwrap();
        if let Some(asked) = path.strip_prefix("referrers/") {
            let wanted =
                format!("{subject}?artifactType=application%2Fvnd.imgspec.record.v1%2Bjson");
            assert_eq!(asked, wanted);
            let none = digest_of("none");
            let entries = [
                entry("application/x", "app", "2027", &none),
                entry(TYPE, "other", "2027", &none),
                entry(TYPE, "app", "2025", &none),
                entry(TYPE, "app", "2026", &digest_of(&artifact)),
            ];
            return (
                200,
                String::new(),
                format!(r#"{{"manifests":[{}]}}"#, entries.join(",")),
            );
        }
        match path {
            path if path == format!("manifests/{}", digest_of(&artifact)) => found(artifact),
            path if path == format!("blobs/{}", digest_of(record)) => found(record.to_owned()),
            _ => (404, String::new(), String::new()),
        }
    });
    let found = recall(&format!("{host}/a:1"), "app", Some(&image));
    assert_eq!(found, Some(sent(record, None)));
    // The tag, the list, the artifact, the record.
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[test]
fn an_annotated_image_takes_one_question() {
    let index = |platforms: &str| {
        let one = digest_of("one");
        format!(
            r#"{{"annotations":{{"{LABEL}":"k"}},"manifests":[{{"digest":"{one}"{platforms}}}]}}"#
        )
    };
    let single = |platform: &str| {
        let config = digest_of(CONFIG);
        format!(r#"{{"annotations":{{"{LABEL}":"k"{platform}}},"config":{{"digest":"{config}"}}}}"#)
    };
    let amd = r#","platform":{"os":"linux","architecture":"amd64"}"#;
    let cases = [
        (single(r#","dev.imgspec.platform":"linux/amd64""#), true, 1),
        (single(r#","dev.imgspec.platform":"linux/arm64""#), false, 1),
        (index(amd), true, 1),
        // Without a platform, the config has to say it.
        (single(""), true, 2),
    ];
    for (manifest, is_present, asked) in cases {
        let sent = manifest.clone();
        let (host, count) = serve(move |path, _, _| {
            let body = if path.contains("/manifests/1") {
                &sent
            } else {
                CONFIG
            };
            (200, digest_header(&digest_of(body)), body.to_owned())
        });
        let found = exists_for(
            &[&format!("{host}/a:1")],
            &["linux/amd64".to_owned()],
            LABEL,
        );
        if is_present {
            assert_eq!(found, [present(&manifest)]);
        } else {
            let missing = vec!["linux/amd64".to_owned()];
            assert_eq!(found, [Existence::Incomplete { missing }]);
        }
        assert_eq!(count.load(Ordering::SeqCst), asked, "{manifest}");
    }
}
