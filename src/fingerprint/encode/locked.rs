//! How locked images enter the key: by their digests, and without a lock not at all.

use super::super::listing::inputs;
use super::*;
use crate::recipe::OutsideImage;
use crate::workspace::{Locked, LockedImage};

/// Locked images, each given as name, whether any platform will do, and digest or id.
fn outside(images: &[(&str, bool, LockedImage)]) -> Outside {
    let platforms = [("linux/amd64", "sha256:a"), ("linux/arm64", "sha256:b")];
    let platforms = platforms.map(|(name, digest)| (name.to_owned(), digest.to_owned()));
    let image = |(name, any_platform, _): &(&str, bool, LockedImage)| OutsideImage {
        name: (*name).to_owned(),
        any_platform: *any_platform,
    };
    let locked = |(_, _, image): &(&str, bool, LockedImage)| {
        Some(Locked {
            image: image.clone(),
            platforms: BTreeMap::from(platforms.clone()),
        })
    };
    Outside {
        images: images.iter().map(image).collect(),
        locked: images.iter().map(locked).collect(),
        ..Outside::default()
    }
}

#[test]
fn what_is_locked_counts_for_the_platforms_that_are_wanted_and_what_floats_does_not() {
    let of = |outside: &Outside| {
        let (recipe, files, bases) = (Recipe::default(), [], []);
        let listed = inputs(&recipe, &files, &bases, outside);
        let listed = listed
            .into_iter()
            .filter(|input| input.name.starts_with("locked"));
        let listed: Vec<String> = listed
            .map(|input| format!("{} = {}", input.name, input.value))
            .collect();
        (key(&recipe, &files, &bases, outside), listed)
    };
    let unlocked = of(&Outside::default()).0;
    let digest = |text: &str| LockedImage::Digest(text.to_owned());
    let (first, listed) = of(&outside(&[("debian:12", false, digest("sha256:i"))]));
    assert_eq!(listed, ["locked debian:12 for linux/amd64 = sha256:a"]);
    assert_ne!(first, unlocked);
    // A different index with the same manifests.
    assert_eq!(
        of(&outside(&[("debian:12", false, digest("sha256:j"))])).0,
        first
    );
    let (any, listed) = of(&outside(&[("debian:12", true, digest("sha256:i"))]));
    assert_eq!(listed, ["locked debian:12 = sha256:i"]);
    let (local, listed) = of(&outside(&[(
        "debian:12",
        false,
        LockedImage::Id("sha256:k".into()),
    )]));
    assert_eq!(listed, ["locked debian:12 = sha256:k"]);
    assert!(any != first && local != any && local != first);
    let mut floating = outside(&[("debian:12", false, digest("sha256:i"))]);
    floating.locked = vec![None];
    floating.unread = vec!["FROM $X".to_owned()];
    assert_eq!(of(&floating), (unlocked, Vec::new()));
}
