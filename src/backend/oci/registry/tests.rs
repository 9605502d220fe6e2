//! Tests against a server in this process that answers like a registry.

mod logins;
mod records;
mod resolve;
mod retag;
mod transfer;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Access, Existence, Wanted};
use crate::asking::Asker;
use crate::backend::StoreKind;
use crate::backend::oci::name::Digest;
use crate::limits::Limits;

const LABEL: &str = "dev.imgspec.key";

/// Serves `answer(path, authorization, host)` on a port of its own until the test ends; returns `host:port` and the
/// number of requests.
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
            let mut read = BufReader::new(stream.try_clone().unwrap());
            let mut lines = read.by_ref().lines();
            let first = lines.next().unwrap().unwrap();
            let headers: Vec<String> = lines
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            let header = |wanted: &str| {
                headers.iter().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case(wanted).then_some(value)
                })
            };
            let length = header("content-length").map_or(0, |length| length.parse().unwrap());
            let _ = read.take(length).read_to_end(&mut Vec::new());
            let authorization = header("authorization");
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

const CONFIG: &str = r#"{"config":{"Labels":{"dev.imgspec.key":"k"}}}"#;

fn digest_of(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

/// The header with a manifest's digest.
fn digest_header(digest: &str) -> String {
    format!("docker-content-digest: {digest}\r\n")
}

fn manifest(config: &str) -> String {
    format!(r#"{{"config":{{"digest":"{}"}}}}"#, digest_of(config))
}

/// An index of these platforms, all with the same manifest.
fn index(platforms: &[&str]) -> String {
    let one = digest_of(&manifest(CONFIG));
    let each = |platform: &&str| format!(r#"{{"digest":"{one}","platform":{platform}}}"#);
    let all: Vec<String> = platforms.iter().map(each).collect();
    format!(r#"{{"manifests":[{}]}}"#, all.join(","))
}

fn many() -> String {
    index(&[r#"{"os":"unknown"}"#, r#"{"os":"linux"}"#]).replacen(
        &digest_of(&manifest(CONFIG)),
        &digest_of("an attestation"),
        1,
    )
}

fn image(path: &str) -> (u16, String, String) {
    let found = |body: String| (200, digest_header(&digest_of(&body)), body);
    let one = manifest(CONFIG);
    match path.strip_prefix("/v2/a/") {
        Some("manifests/1") => found(one),
        Some("manifests/many") => found(many()),
        Some(path) if path == format!("manifests/{}", digest_of(&one)) => found(one),
        Some(path) if path == format!("blobs/{}", digest_of(CONFIG)) => found(CONFIG.to_owned()),
        _ => (404, String::new(), String::new()),
    }
}

fn access() -> Access {
    Access {
        limits: Limits::default(),
        configuration: None,
        ..Access::default()
    }
}

fn exists(references: &[&str], label: &str) -> Vec<Existence> {
    exists_for(references, &[], label)
}

fn exists_for(references: &[&str], platforms: &[String], label: &str) -> Vec<Existence> {
    exists_within(references, platforms, label, &access())
}

fn exists_within(
    references: &[&str],
    platforms: &[String],
    label: &str,
    access: &Access,
) -> Vec<Existence> {
    let wanted = references.iter().map(|reference| Wanted {
        reference,
        place: StoreKind::Registry,
        platforms,
    });
    super::exists(&wanted.collect::<Vec<_>>(), label, access, Asker::silent())
}

fn present(manifest: &str) -> Existence {
    Existence::Present {
        key: Some("k".into()),
        digest: digest_of(manifest),
        size: None,
    }
}

fn one() -> Existence {
    present(&manifest(CONFIG))
}

/// The reason for an unknown existence.
fn why(found: &Existence) -> &str {
    match found {
        Existence::Unknown { why } => why,
        found => panic!("{found:?}"),
    }
}

#[test]
fn images_and_indexes_are_found_with_their_key_and_in_order() {
    let (host, _) = serve(|path, _, _| image(path));
    let names = ["a:none", "a:1", "a:many"].map(|name| format!("{host}/{name}"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(
        exists(&names, LABEL),
        [Existence::Absent, one(), present(&many())]
    );
}

#[test]
fn an_image_of_another_platform_is_not_the_one() {
    const CONFIG: &str =
        r#"{"os":"linux","architecture":"amd64","config":{"Labels":{"dev.imgspec.key":"k"}}}"#;
    let amd = r#"{"os":"linux","architecture":"amd64"}"#;
    let arm = r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#;
    let both_of = index(&[amd, arm]);
    let two = both_of.replace(
        &digest_of(&manifest(super::tests::CONFIG)),
        &digest_of(&manifest(CONFIG)),
    );
    let told = two.clone();
    let (host, _) = serve(move |path, _, _| {
        let found = |body: &str| (200, digest_header(&digest_of(body)), body.to_owned());
        let one = manifest(CONFIG);
        match path.rsplit('/').next().unwrap() {
            "both" => found(&two),
            "1" => found(&one),
            name if name == digest_of(&one) => found(&one),
            _ => found(CONFIG),
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
    let (is_one, is_both) = (present(&manifest(CONFIG)), present(&told));
    assert_eq!(found(&["linux/amd64"]), [is_one, is_both.clone()]);
    assert_eq!(
        found(&["linux/amd64", "linux/arm64"]),
        [lacks("linux/arm64"), is_both]
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
    assert_eq!(exists(&[&format!("{host}/a:1")], LABEL), [one()]);
    // Refused, token, manifest, config.
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[test]
fn a_token_has_either_name_or_both() {
    let found = |sent: &'static str| {
        let (host, _) = serve(
            move |path, authorization, own| match (path, authorization) {
                ("/token?scope=repository%3Aa%3Apull", _) => (200, String::new(), sent.into()),
                (path, Some("Bearer t")) => image(path),
                _ => {
                    let header =
                        format!("www-authenticate: Bearer realm=\"http://{own}/token\"\r\n");
                    (401, header, String::new())
                }
            },
        );
        exists(&[&format!("{host}/a:1")], LABEL).remove(0)
    };
    for sent in [
        r#"{"token":"t"}"#,
        r#"{"access_token":"t","expires_in":300}"#,
        r#"{"token":"t","access_token":"t"}"#,
        r#"{"token":"","access_token":"t"}"#,
        r#"{"token":null,"access_token":"t"}"#,
    ] {
        assert_eq!(found(sent), one(), "{sent}");
    }
    for none in ["{}", r#"{"token":""}"#] {
        let found = found(none);
        let words = why(&found);
        assert!(words.ends_with("/token`: it sent none"), "{none}: {words}");
    }
}

#[test]
fn what_is_no_answer_is_not_absent() {
    // flyte-sdk: a registry that did not answer was taken as "it exists"; flytekit#1717.
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
    assert_eq!(exists(&[&format!("{host}/a:1")], LABEL), [one()]);
}

/// Compares flytekit's answers to "does it exist?" with ours: they must agree, or differ for a known reason.
#[test]
fn flytekits_answers_are_ours_but_where_the_registry_itself_knows_better() {
    let golden = include_str!("../../../../tests/data/imagespec-golden.json");
    let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
    let mut rows: Vec<(&str, Option<bool>)> = Vec::new();
    for row in golden["tables"]["exist"].as_array().unwrap() {
        let answer = (row["behaviour"].as_str().unwrap(), row["exist"].as_bool());
        // The kind of registry does not matter here: all are queried through the same protocol.
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
            // flytekit believes Harbor's 500, which it receives through the daemon; here it is not an answer. Both
            // build.
            ("500 harbor repository", Some(false)) => None,
            // flytekit cannot query without a daemon, or queries Docker Hub instead; here the registry is queried.
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
    let asked = |name: &str| super::digest(&format!("{host}/{name}"), &access());
    assert_eq!(asked("a:1"), Some(digest_of(&manifest(CONFIG))));
    assert_eq!(asked("a:none"), None);
    assert_eq!(count.load(Ordering::SeqCst), 2);
    assert_eq!(asked("b:1"), None);
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[test]
fn what_is_not_what_its_digest_says_is_no_answer() {
    // A registry or an intermediary that sends other content.
    for lie in ["manifests/1", "blobs/"] {
        let (host, _) = serve(move |path, _, _| {
            let (status, headers, body) = image(path);
            let is_lie = path.contains(lie);
            (
                status,
                headers,
                if is_lie { format!("{body} ") } else { body },
            )
        });
        let found = exists(&[&format!("{host}/a:1")], LABEL).remove(0);
        assert!(why(&found).contains("it sent `sha256:"), "{found:?}");
    }
}

#[test]
fn a_registry_that_says_nothing_is_waited_for_once_for_all() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let access = Access {
        limits: Limits {
            answer: Duration::from_millis(300),
            ..Limits::default()
        },
        ..access()
    };
    let names: Vec<String> = (0..100).map(|at| format!("{host}/a:{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let begun = Instant::now();
    let found = exists_within(&names, &[], LABEL, &access);
    assert!(begun.elapsed() < Duration::from_secs(4));
    let expected =
        format!("registry `{host}`: no answer within 0.3 s (IMGSPEC_ANSWER_TIMEOUT sets the time)");
    assert!(
        found.iter().all(|found| why(found) == expected),
        "{:?}",
        found[0]
    );
    assert!(super::is_silent(&host, &access));
    drop(listener);
    assert!(!super::is_silent(&host, &access));
}

#[test]
fn a_registry_is_left_alone_as_long_as_it_asks_if_there_is_time() {
    let first = AtomicUsize::new(0);
    let (host, _) = serve(
        move |path, _, _| match first.fetch_add(1, Ordering::SeqCst) {
            0 => (429, "retry-after: 1\r\n".into(), String::new()),
            _ => image(path),
        },
    );
    let begun = Instant::now();
    assert_eq!(exists(&[&format!("{host}/a:1")], LABEL), [one()]);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    for (header, said) in [("3600", "1 h"), ("Wed, 21 Oct 2111 07:28:00 GMT", " s")] {
        let (host, count) =
            serve(move |_, _, _| (429, format!("retry-after: {header}\r\n"), String::new()));
        let begun = Instant::now();
        let found = exists(&[&format!("{host}/a:1")], LABEL).remove(0);
        let words = why(&found);
        assert!(
            words.contains("asks to retry in") && words.contains(said),
            "{words}"
        );
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
