//! Further names, in a registry of this process where others move the tag.

use super::transfer::{quick, repository, store};
use super::*;
use crate::backend::oci::exchange::Exchange;
use crate::backend::oci::manifest::MANIFEST;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::{Transfer, TransferError, retag};
use crate::cancel::Cancel;
use crate::fingerprint::Key;

/// Puts an image with this key under the tag; returns its manifest, and the digest of its config, as a daemon may call it.
fn push(of: &Reference, key: Key) -> (String, String) {
    let cancel = Cancel::default();
    let to = Transfer::new(of, &access(), &cancel);
    let config = serde_json::json!({ "config": { "Labels": { LABEL: key.to_string() } } });
    let config = config.to_string();
    to.bring_small(config.as_bytes(), true).unwrap();
    let called = digest_of(&config);
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": { "mediaType": "c", "digest": called, "size": config.len() },
    });
    let manifest = manifest.to_string();
    to.put_manifest(&of.tag, MANIFEST, manifest.as_bytes())
        .unwrap();
    (manifest, called)
}

#[test]
fn a_further_name_is_that_of_the_image_that_was_pushed() {
    let (theirs, _theirs) = store();
    let exchange = Exchange::start(&theirs, &Limits::default()).unwrap();
    let (of, other) = (repository(&exchange, "a"), repository(&exchange, "b"));
    let [own_key, their_key] = [Key::new([1; 32]), Key::new([2; 32])];
    let (own, own_id) = push(&of, own_key);
    // Another runner pushes to the same tag before the further name is given.
    let (theirs, their_id) = push(&of, their_key);
    let from = format!("{}:1", of.repository);
    let cancel = Cancel::default();
    let named = |to: &Reference, tag: &str, digest: &str, key: &Key| {
        let name = format!("{}:{tag}", to.repository);
        let is_given = retag((&from, &name), (Some(digest), key), &quick(), &cancel).unwrap();
        let found = Transfer::new(to, &quick(), &cancel).manifest(tag);
        assert_eq!(is_given, found.is_ok());
        match found {
            Ok((_, manifest)) => Some(String::from_utf8(manifest).unwrap()),
            Err(TransferError::Absent) => None,
            Err(error) => panic!("{error:?}"),
        }
    };
    let digest = digest_of(&own);
    assert_eq!(named(&of, "lasting", &digest, &own_key), Some(own.clone()));
    assert_eq!(named(&other, "lasting", &digest, &own_key), Some(own));
    // A daemon's own id says nothing to the registry, and the key tells whose the tag is.
    assert_eq!(named(&of, "by-key", &own_id, &own_key), None);
    assert_eq!(named(&of, "by-key", "", &own_key), None);
    assert_eq!(named(&of, "by-key", &their_id, &their_key), Some(theirs));
}
