//! Tests of pushing.

use super::{Bench, Digest, MANIFEST, manifest, refused};
use crate::backend::oci::manifest::INDEX;

#[test]
fn a_blob_is_pushed_at_once() {
    let bench = Bench::new();
    let digest = Digest::of(b"blob");
    let encoded = digest.to_string().replace(':', "%3A");
    let url = bench.of(&format!("blobs/uploads/?digest={encoded}"));
    let said = bench.send("POST", &url, &[], b"blob");
    assert_eq!(said.status, 201, "{}", said.text());
    assert_eq!(said.header("docker-content-digest"), digest.to_string());
    let there = bench.ask("GET", &bench.at(said.header("location")));
    assert_eq!(there.body, b"blob");
}

#[test]
fn a_blob_is_pushed_in_two_steps() {
    let bench = Bench::new();
    let digest = bench.push(b"blob");
    let said = bench.ask("GET", &bench.of(&format!("blobs/{digest}")));
    assert_eq!(said.body, b"blob");
}

#[test]
fn a_blob_is_pushed_in_chunks() {
    let bench = Bench::new();
    let url = bench.begin();
    let first = bench.send("PATCH", &url, &[("Content-Range", "0-3")], b"0123");
    assert_eq!(first.status, 202);
    assert_eq!(first.header("range"), "0-3");
    assert_eq!(bench.at(first.header("location")), url);
    let state = bench.ask("GET", &url);
    assert_eq!((state.status, state.header("range")), (204, "0-3"));
    assert_eq!(bench.at(state.header("location")), url);
    let second = bench.send("PATCH", &url, &[("Content-Range", "4-6")], b"456");
    assert_eq!((second.status, second.header("range")), (202, "0-6"));
    let digest = Digest::of(b"0123456789");
    let url = format!("{url}?digest={digest}");
    let last = bench.send("PUT", &url, &[("Content-Range", "7-9")], b"789");
    assert_eq!(last.status, 201, "{}", last.text());
    assert_eq!(bench.store().size(digest).unwrap(), Some(10));
}

#[test]
fn a_stream_without_ranges_is_appended() {
    // As `docker push` does it.
    let bench = Bench::new();
    let url = bench.begin();
    assert_eq!(bench.send("PATCH", &url, &[], b"01").status, 202);
    assert_eq!(bench.send("PATCH", &url, &[], b"23").status, 202);
    let url = format!("{url}?digest={}", Digest::of(b"0123"));
    assert_eq!(bench.send("PUT", &url, &[], b"").status, 201);
}

#[test]
fn chunks_out_of_order_are_refused_and_the_upload_goes_on() {
    let bench = Bench::new();
    let url = bench.begin();
    let early = bench.send("PATCH", &url, &[("Content-Range", "4-6")], b"456");
    refused(&early, 416, "BLOB_UPLOAD_INVALID");
    let first = bench.send("PATCH", &url, &[("Content-Range", "0-3")], b"0123");
    assert_eq!(first.status, 202);
    let again = bench.send("PATCH", &url, &[("Content-Range", "0-3")], b"0123");
    assert_eq!((again.status, again.header("range")), (416, "0-3"));
    let end = format!("{url}?digest={}", Digest::of(b"0123456"));
    let late = bench.send("PUT", &end, &[("Content-Range", "5-7")], b"456");
    assert_eq!(late.status, 416);
    let last = bench.send("PUT", &end, &[("Content-Range", "4-6")], b"456");
    assert_eq!(last.status, 201);
}

#[test]
fn a_chunk_that_is_not_its_range_is_refused() {
    let bench = Bench::new();
    let url = bench.begin();
    let short = bench.send("PATCH", &url, &[("Content-Range", "0-9")], b"0123");
    refused(&short, 400, "SIZE_INVALID");
    let wrong = bench.send("PATCH", &url, &[("Content-Range", "all")], b"0123");
    refused(&wrong, 400, "BLOB_UPLOAD_INVALID");
    let state = bench.ask("GET", &url);
    assert_eq!((state.status, state.header("range")), (204, "0-0"));
}

#[test]
fn what_is_not_its_digest_is_refused_and_gone() {
    let bench = Bench::new();
    let promised = Digest::of(b"promised");
    let url = bench.begin();
    let end = format!("{url}?digest={promised}");
    refused(
        &bench.send("PUT", &end, &[], b"else"),
        400,
        "DIGEST_INVALID",
    );
    refused(&bench.ask("GET", &url), 404, "BLOB_UPLOAD_UNKNOWN");
    let at_once = bench.of(&format!("blobs/uploads/?digest={promised}"));
    refused(
        &bench.send("POST", &at_once, &[], b"else"),
        400,
        "DIGEST_INVALID",
    );
    assert_eq!(bench.store().size(promised).unwrap(), None);
    assert_eq!(bench.store().size(Digest::of(b"else")).unwrap(), None);
}

#[test]
fn an_upload_without_a_digest_does_not_end() {
    let bench = Bench::new();
    let url = bench.begin();
    for query in ["", "?digest=", "?digest=md5:00", "?digest=sha512:00"] {
        let said = bench.send("PUT", &format!("{url}{query}"), &[], b"blob");
        refused(&said, 400, "DIGEST_INVALID");
    }
    assert_eq!(bench.ask("GET", &url).status, 204);
}

#[test]
fn an_upload_can_be_given_up() {
    let bench = Bench::new();
    let url = bench.begin();
    assert_eq!(bench.ask("DELETE", &url).status, 204);
    refused(
        &bench.send("PATCH", &url, &[], b"x"),
        404,
        "BLOB_UPLOAD_UNKNOWN",
    );
    assert_eq!(bench.ask("DELETE", &url).status, 404);
}

#[test]
fn an_upload_is_of_its_repository() {
    let bench = Bench::new();
    let url = bench.begin().replace("/a/blobs/", "/b/blobs/");
    refused(&bench.ask("GET", &url), 404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_blob_that_is_there_is_mounted() {
    let bench = Bench::new();
    let digest = bench.push(b"blob");
    for from in ["&from=x/a", ""] {
        let url = bench.of_repository("b", &format!("blobs/uploads/?mount={digest}{from}"));
        let said = bench.ask("POST", &url);
        assert_eq!(said.status, 201);
        let location = said.header("location");
        assert!(
            location.ends_with(&format!("/b/blobs/{digest}")),
            "{location}"
        );
        assert_eq!(bench.ask("GET", &bench.at(location)).body, b"blob");
    }
}

#[test]
fn a_mount_of_what_is_not_there_begins_an_upload() {
    let bench = Bench::new();
    let digest = Digest::of(b"blob");
    let url = bench.of(&format!("blobs/uploads/?mount={digest}&from=x/a"));
    let said = bench.ask("POST", &url);
    assert_eq!(said.status, 202);
    let end = format!("{}?digest={digest}", bench.at(said.header("location")));
    assert_eq!(bench.send("PUT", &end, &[], b"blob").status, 201);
}

#[test]
fn a_manifest_is_pushed_by_tag_and_by_digest() {
    let bench = Bench::new();
    let text = manifest((bench.push(b"{}"), 2), &[]);
    let digest = Digest::of(&text);
    for version in ["1", &digest.to_string()] {
        let said = bench.put_manifest(version, &text);
        assert_eq!(said.status, 201);
        assert_eq!(said.header("docker-content-digest"), digest.to_string());
        assert_eq!(
            bench.ask("GET", &bench.at(said.header("location"))).body,
            text
        );
    }
}

#[test]
fn a_tag_moves() {
    let bench = Bench::new();
    let first = bench.push_image(b"one", "1");
    let second = bench.push_image(b"two", "1");
    let now = bench.exchange.find("a", "1").unwrap().unwrap();
    assert_eq!(now.digest, second);
    let old = bench.of(&format!("manifests/{first}"));
    assert_eq!(bench.ask("GET", &old).status, 200);
}

#[test]
fn a_manifest_is_taken_only_with_all_that_it_refers_to() {
    let bench = Bench::new();
    let config = bench.push(b"{}");
    let gone = (Digest::of(b"gone"), 4);
    let said = bench.put_manifest("1", &manifest((config, 2), &[gone]));
    refused(&said, 404, "MANIFEST_BLOB_UNKNOWN");
    let said = bench.put_manifest("1", &manifest((config, 3), &[]));
    refused(&said, 400, "SIZE_INVALID");
    let index = |digest: Digest| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{{"mediaType":"{MANIFEST}","digest":"{digest}","size":1}}]}}"#
        )
    };
    let put = |digest| {
        let kind = [("Content-Type", INDEX)];
        bench.send(
            "PUT",
            &bench.of("manifests/1"),
            &kind,
            index(digest).as_bytes(),
        )
    };
    refused(&put(gone.0), 404, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(put(bench.push_image(b"layer", "one")).status, 201);
}

#[test]
fn layers_that_are_elsewhere_need_not_be_here() {
    let bench = Bench::new();
    let config = bench.push(b"{}");
    let text = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"{config}","size":2}},"layers":[{{"mediaType":"x","digest":"{}","size":4,"urls":["https://r.example/l"]}}]}}"#,
        Digest::of(b"gone")
    );
    assert_eq!(bench.put_manifest("1", text.as_bytes()).status, 201);
}
