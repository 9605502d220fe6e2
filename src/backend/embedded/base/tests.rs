//! Layers that steps see.

use super::*;

#[test]
fn steps_see_no_layer_that_is_empty_or_hidden_and_none_twice() {
    let mut image = Source::scratch("linux/amd64");
    let part = |text: &str| Part {
        media_type: LAYER.to_owned(),
        digest: Digest::of(text.as_bytes()),
        size: 1,
    };
    let node = |path: &str, kind: NodeKind| Node {
        path: path.into(),
        kind,
        mode: 0,
        uid: 0,
        gid: 0,
    };
    let of = |path: &str, kind: NodeKind| Index::from_iter([node(path, kind)]);
    let seen = |image: &Image| {
        image
            .seen
            .iter()
            .map(|part| part.digest)
            .collect::<Vec<_>>()
    };
    image.push(part("a"), &of("a", NodeKind::Folder));
    image.push(part("empty"), &Index::default());
    image.push(part("b"), &of("b", NodeKind::Folder));
    image.push(part("a"), &of("a", NodeKind::Folder));
    assert_eq!(seen(&image), [part("b").digest, part("a").digest]);
    image.push(part("c"), &of("c", NodeKind::Opaque));
    assert_eq!(image.seen.len(), 3);
    image.push(part("d"), &of("", NodeKind::Opaque));
    assert_eq!(seen(&image), [part("d").digest]);
    assert_eq!(image.parts.len(), 6);
}
