//! Against a server in this process that answers as a registry would.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{Existence, Wanted};
use crate::backend::StoreKind;

const LABEL: &str = "dev.imgspec.key";

/// Serves `answer(path, authorization)` on a port of its own until the test ends; returns `host:port` and the count of requests.
fn serve(
    answer: impl Fn(&str, Option<&str>, &str) -> (u16, String, String) + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, own) = (Arc::clone(&count), host.clone());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            let headers: Vec<String> = lines
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            let authorization = headers.iter().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("authorization").then_some(value)
            });
            counted.fetch_add(1, Ordering::SeqCst);
            let path = first.split(' ').nth(1).unwrap();
            let (status, headers, body) = answer(path, authorization, &own);
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
            );
        }
    });
    (host, count)
}

const DIGEST: &str = "docker-content-digest: sha256:m\r\n";

fn image(path: &str) -> (u16, String, String) {
    let found = |body: &str| (200, DIGEST.to_owned(), body.to_owned());
    match path {
        "/v2/a/manifests/1" | "/v2/a/manifests/sha256:l" => {
            found(r#"{"config":{"digest":"sha256:c"}}"#)
        }
        "/v2/a/manifests/many" => found(
            r#"{"manifests":[{"digest":"sha256:u","platform":{"os":"unknown"}},{"digest":"sha256:l","platform":{"os":"linux"}}]}"#,
        ),
        "/v2/a/blobs/sha256:c" => found(r#"{"config":{"Labels":{"dev.imgspec.key":"k"}}}"#),
        _ => (404, String::new(), String::new()),
    }
}

fn exists(references: &[&str], label: &str) -> Vec<Existence> {
    exists_for(references, &[], label)
}

fn exists_for(references: &[&str], platforms: &[String], label: &str) -> Vec<Existence> {
    let wanted = references.iter().map(|reference| Wanted {
        reference,
        place: StoreKind::Registry,
        platforms,
    });
    super::exists(&wanted.collect::<Vec<_>>(), label)
}

fn present() -> Existence {
    Existence::Present {
        key: Some("k".into()),
        digest: "sha256:m".into(),
    }
}

#[test]
fn images_and_indexes_are_found_with_their_key_and_in_order() {
    let (host, _) = serve(|path, _, _| image(path));
    let names = ["a:none", "a:1", "a:many"].map(|name| format!("{host}/{name}"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(
        exists(&names, LABEL),
        [Existence::Absent, present(), present()]
    );
}

#[test]
fn an_image_of_another_platform_is_not_the_one() {
    let (host, _) = serve(|path, _, _| {
        match path {
        "/v2/a/blobs/sha256:c" => (
            200,
            String::new(),
            r#"{"os":"linux","architecture":"amd64","config":{"Labels":{"dev.imgspec.key":"k"}}}"#
                .into(),
        ),
        "/v2/a/manifests/both" => (
            200,
            DIGEST.into(),
            r#"{"manifests":[{"digest":"sha256:l","platform":{"os":"linux","architecture":"amd64"}},
                {"digest":"sha256:l","platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]}"#
                .into(),
        ),
        path => image(path),
    }
    });
    let [one, both] = ["1", "both"].map(|tag| format!("{host}/a:{tag}"));
    let found = |platforms: &[&str]| {
        let platforms: Vec<String> = platforms.iter().map(|&each| each.to_owned()).collect();
        exists_for(&[&one, &both], &platforms, LABEL)
    };
    let lacks = |platform: &str| Existence::Incomplete {
        missing: vec![platform.to_owned()],
    };
    assert_eq!(found(&["linux/amd64"]), [present(), present()]);
    assert_eq!(
        found(&["linux/amd64", "linux/arm64"]),
        [lacks("linux/arm64"), present()]
    );
    assert_eq!(
        found(&["linux/s390x"]),
        [lacks("linux/s390x"), lacks("linux/s390x")]
    );
}

#[test]
fn a_token_is_fetched_once_and_shown() {
    let (host, count) = serve(|path, authorization, own| match (path, authorization) {
        (path, _) if path.starts_with("/token") => {
            assert!(path.contains("scope=repository%3Aa%3Apull") && path.contains("service=s"));
            (200, String::new(), r#"{"token":"t"}"#.into())
        }
        (path, Some("Bearer t")) => image(path),
        _ => (
            401,
            format!(
                "www-authenticate: Bearer realm=\"http://{own}/token\",service=\"s\",scope=\"repository:a:pull\"\r\n"
            ),
            String::new(),
        ),
    });
    assert_eq!(exists(&[&format!("{host}/a:1")], LABEL), [present()]);
    // Refused, token, manifest, config.
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[test]
fn what_is_no_answer_is_not_absent() {
    // flyte-sdk: a registry that did not answer was read as "it exists"; flytekit#1717.
    for status in [401, 403, 500, 503, 429] {
        let (host, count) = serve(move |_, _, _| (status, String::new(), String::new()));
        let found = exists(&[&format!("{host}/a:1")], LABEL);
        let [Existence::Unknown { why }] = found.as_slice() else {
            panic!("{status}: {found:?}");
        };
        assert!(why.contains(&host), "{why}");
        let tries = if status == 401 || status == 403 { 1 } else { 3 };
        assert_eq!(count.load(Ordering::SeqCst), tries);
    }
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let found = exists(&[&format!("{gone}/a:1")], LABEL);
    assert!(matches!(found[0], Existence::Unknown { .. }));
}

#[test]
fn a_server_that_stumbles_is_asked_again() {
    let first = AtomicUsize::new(0);
    let (host, _) = serve(
        move |path, _, _| match first.fetch_add(1, Ordering::SeqCst) {
            0 => (503, String::new(), String::new()),
            _ => image(path),
        },
    );
    assert_eq!(exists(&[&format!("{host}/a:1")], LABEL), [present()]);
}

/// flytekit's answers to "does it exist?", asked of a registry: the same, or a difference with its reason.
#[test]
fn flytekits_answers_are_ours_but_where_the_registry_itself_knows_better() {
    let golden = include_str!("../../../../tests/data/imagespec-golden.json");
    let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
    let mut rows: Vec<(&str, Option<bool>)> = Vec::new();
    for row in golden["tables"]["exist"].as_array().unwrap() {
        let answer = (row["behaviour"].as_str().unwrap(), row["exist"].as_bool());
        // Which registry it is makes no difference to us: each is asked by the same protocol.
        if !rows.contains(&answer) {
            rows.push(answer);
        }
    }
    assert_eq!(rows.len(), 7, "{rows:?}");
    for (behaviour, flytekits) in rows {
        let status = match behaviour {
            "found" => 200,
            "404 ImageNotFound" | "no daemon, hub 404 not found" => 404,
            _ => 500,
        };
        let (host, _) = serve(move |path, _, _| match status {
            200 => image(path),
            status => (
                status,
                String::new(),
                r#"{"errors":[{"message":"unknown: repository a not found"}]}"#.to_owned(),
            ),
        });
        let found = exists(&[&format!("{host}/a:1")], LABEL).remove(0);
        let ours = match found {
            Existence::Present { .. } => Some(true),
            Existence::Absent => Some(false),
            _ => None,
        };
        let expected = match (behaviour, flytekits) {
            // Harbor's 500 reaches flytekit through the daemon, which it believes; to us it is no answer. Both build.
            ("500 harbor repository", Some(false)) => None,
            // flytekit cannot ask without a daemon, or asks Docker Hub instead; we ask the registry.
            ("no daemon, hub 404 not found", None) => Some(false),
            (_, flytekits) => flytekits,
        };
        assert_eq!(ours, expected, "{behaviour}");
    }
}

#[test]
fn who_can_do_without_an_answer_asks_once() {
    let (host, count) = serve(|path, _, _| match path {
        "/v2/b/manifests/1" => (503, String::new(), String::new()),
        path => image(path),
    });
    let asked = |name: &str| super::digest(&format!("{host}/{name}"));
    assert_eq!(asked("a:1").as_deref(), Some("sha256:m"));
    assert_eq!(asked("a:none"), None);
    assert_eq!(count.load(Ordering::SeqCst), 2);
    assert_eq!(asked("b:1"), None);
    assert_eq!(count.load(Ordering::SeqCst), 3);
}
