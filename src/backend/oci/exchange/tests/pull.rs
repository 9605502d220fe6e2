//! Tests of pulling.

use super::{Bench, Digest, MANIFEST, refused};

#[test]
fn the_root_says_that_this_is_a_registry() {
    let bench = Bench::new();
    for path in ["/v2/", "/v2"] {
        let said = bench.ask("GET", &bench.at(path));
        assert_eq!(said.status, 200);
        let version = said.header("docker-distribution-api-version");
        assert_eq!(version, "registry/2.0");
    }
}

#[test]
fn a_blob_is_had_whole_with_its_digest_and_size() {
    let bench = Bench::new();
    let blob = vec![7; 1_000_000];
    let digest = bench.push(&blob);
    let url = bench.of(&format!("blobs/{digest}"));
    let (head, get) = (bench.ask("HEAD", &url), bench.ask("GET", &url));
    for said in [&head, &get] {
        assert_eq!(said.status, 200);
        assert_eq!(said.header("docker-content-digest"), digest.to_string());
        assert_eq!(said.header("content-length"), "1000000");
    }
    assert!(head.body.is_empty());
    assert_eq!(get.body, blob);
}

#[test]
fn an_empty_blob_is_one() {
    let bench = Bench::new();
    let digest = bench.push(b"");
    let said = bench.ask("GET", &bench.of(&format!("blobs/{digest}")));
    assert_eq!((said.status, said.body.len()), (200, 0));
}

#[test]
fn a_blob_that_is_not_there_is_unknown() {
    let bench = Bench::new();
    let url = bench.of(&format!("blobs/{}", Digest::of(b"nothing")));
    assert_eq!(bench.ask("HEAD", &url).status, 404);
    refused(&bench.ask("GET", &url), 404, "BLOB_UNKNOWN");
}

#[test]
fn a_part_of_a_blob_is_had() {
    let bench = Bench::new();
    let blob: Vec<u8> = (0..=255).cycle().take(700_000).collect();
    let url = bench.of(&format!("blobs/{}", bench.push(&blob)));
    let part = |range: &str| bench.send("GET", &url, &[("Range", range)], b"");
    let said = part("bytes=300000-699998");
    assert_eq!(said.status, 206);
    assert_eq!(said.header("content-range"), "bytes 300000-699998/700000");
    assert_eq!(said.body, blob[300_000..699_999]);
    assert_eq!(part("bytes=-3").body, blob[699_997..]);
    assert_eq!(part("bytes=699999-").body, blob[699_999..]);
    let none = part("bytes=700000-");
    assert_eq!(none.status, 416);
    assert_eq!(none.header("content-range"), "bytes */700000");
    assert_eq!(part("bytes=0-1,5-6").status, 200);
}

#[test]
fn a_manifest_is_had_by_tag_and_by_digest() {
    let bench = Bench::new();
    let digest = bench.push_image(b"layer", "1");
    for version in ["1", &digest.to_string()] {
        let url = bench.of(&format!("manifests/{version}"));
        let (head, get) = (bench.ask("HEAD", &url), bench.ask("GET", &url));
        for said in [&head, &get] {
            assert_eq!(said.status, 200);
            assert_eq!(said.header("docker-content-digest"), digest.to_string());
            assert_eq!(said.header("content-type"), MANIFEST);
            assert_eq!(said.header("content-length"), get.body.len().to_string());
        }
        assert_eq!(Digest::of(&get.body), digest);
    }
}

#[test]
fn a_manifest_that_is_not_there_is_unknown() {
    let bench = Bench::new();
    let digest = Digest::of(b"nothing").to_string();
    for version in ["1", ".INVALID_MANIFEST_NAME", &digest] {
        let url = bench.of(&format!("manifests/{version}"));
        assert_eq!(bench.ask("HEAD", &url).status, 404);
        refused(&bench.ask("GET", &url), 404, "MANIFEST_UNKNOWN");
    }
}

#[test]
fn a_manifest_is_another_repositorys_only_when_pushed_there() {
    let bench = Bench::new();
    let digest = bench.push_image(b"layer", "1");
    let url = bench.of_repository("b", &format!("manifests/{digest}"));
    refused(&bench.ask("GET", &url), 404, "MANIFEST_UNKNOWN");
}

#[test]
fn tags_are_listed_in_order_and_by_pages() {
    let bench = Bench::new();
    let none = bench.ask("GET", &bench.of("tags/list"));
    refused(&none, 404, "NAME_UNKNOWN");
    for tag in ["b", "a", "c"] {
        bench.push_image(b"layer", tag);
    }
    let tags = |query: &str| {
        let said = bench.ask("GET", &bench.of(&format!("tags/list{query}")));
        let list: serde_json::Value = serde_json::from_slice(&said.body).unwrap();
        (list["tags"].to_string(), said)
    };
    assert_eq!(tags("").0, r#"["a","b","c"]"#);
    assert_eq!(tags("?n=0").0, "[]");
    let (first, said) = tags("?n=2");
    assert_eq!(first, r#"["a","b"]"#);
    let link = said.header("link");
    assert!(
        link.ends_with("tags/list?n=2&last=b>; rel=\"next\""),
        "{link}"
    );
    let (second, said) = tags("?n=2&last=b");
    assert_eq!(second, r#"["c"]"#);
    assert!(!said.headers.contains_key("link"));
}
