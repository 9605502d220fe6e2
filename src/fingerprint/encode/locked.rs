//! How locked images and packages enter the key: by their digests, and without a lock not at all.

use super::super::listing::inputs;
use super::super::outside::Pins;
use super::super::packages::Installing;
use super::*;
use crate::recipe::{Interpreter, OutsideImage, Pip};
use crate::spec::Base;
use crate::workspace::{
    DebianField, Lock as LockFile, Locked, LockedDeb, LockedImage, LockedWheel, PlatformDebs,
    PlatformPackages, StepPackages,
};

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

fn pip(packages: &[&str]) -> Step {
    Step::Pip(Box::new(Pip {
        interpreter: Interpreter::Base,
        requirements: None,
        packages: packages.iter().map(|&name| name.to_owned()).collect(),
        index: Some("https://me:pw@index.test/simple".to_owned()),
        extra_indexes: Vec::new(),
        extra_args: Vec::new(),
        bytecode: None,
        unless_named: None,
    }))
}

fn recipe(packages: &[&str]) -> Recipe {
    Recipe {
        base: Base::Registry("python:3.12".to_owned()),
        steps: vec![pip(packages)],
        ..Recipe::default()
    }
}

/// A lock of the packages of the image `app`, as they would be resolved from this recipe.
fn lock(recipe: &Recipe, version: &str, base: Option<&str>) -> LockFile {
    let image = Installing {
        id: "app",
        recipe,
        others: &|_| None,
        read: &|_| None,
    };
    let (pip, _) = recipe.pips().next().unwrap();
    let wheel = LockedWheel {
        name: "numpy".to_owned(),
        version: version.to_owned(),
        file: format!("numpy-{version}-py3-none-any.whl"),
        sha256: format!("sha256:{version}"),
        size: None,
        url: "https://files.test/numpy.whl".to_owned(),
        is_requested: true,
    };
    let platform = PlatformPackages {
        target: "python 3.12".to_owned(),
        base: base.map(str::to_owned),
        wheels: vec![wheel],
    };
    let step = StepPackages {
        inputs: image.inputs(pip, None),
        platforms: BTreeMap::from([("linux/amd64".to_owned(), platform)]),
    };
    LockFile {
        packages: BTreeMap::from([("app".to_owned(), BTreeMap::from([(1, Arc::new(step))]))]),
        ..LockFile::default()
    }
}

fn found(recipe: &Recipe, lock: Option<&LockFile>) -> Outside {
    let image = Installing {
        id: "app",
        recipe,
        others: &|_| None,
        read: &|_| None,
    };
    Outside {
        packages: image.pins(&[], lock),
        debian: image.debian_pins(lock),
        ..Outside::find(recipe, &[], lock)
    }
}

#[test]
fn locked_packages_are_named_with_their_versions() {
    let recipe = recipe(&["numpy"]);
    let of = |lock: Option<&LockFile>| {
        let outside = found(&recipe, lock);
        let listed = inputs(&recipe, &[], &[], &outside);
        (key(&recipe, &[], &[], &outside), listed)
    };
    let (unlocked, _) = of(None);
    let (one, before) = of(Some(&lock(&recipe, "2.2.5", None)));
    let (two, after) = of(Some(&lock(&recipe, "2.2.6", None)));
    assert!(unlocked != one && one != two);
    let changes = super::super::diff(&before, &after);
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        changes,
        ["locked numpy for linux/amd64 changed: 2.2.5 sha256:2.2.5 -> 2.2.6 sha256:2.2.6"]
    );
}

#[test]
fn packages_that_were_locked_for_something_else_are_stale_and_add_nothing() {
    let locked = recipe(&["numpy"]);
    let fits = lock(&locked, "2.2.5", None);
    assert!(matches!(
        found(&locked, Some(&fits)).packages.as_slice(),
        [Pins::Locked(_)]
    ));
    let stale = |recipe: &Recipe, lock: &LockFile| {
        let outside = found(recipe, Some(lock));
        assert_eq!(outside.packages, [Pins::Stale]);
        assert_eq!(
            key(recipe, &[], &[], &outside),
            key(recipe, &[], &[], &found(recipe, None))
        );
    };
    stale(&recipe(&["numpy", "six"]), &fits);
    let further = Recipe {
        platforms: vec!["linux/amd64".to_owned(), "linux/arm64".to_owned()],
        ..locked.clone()
    };
    stale(&further, &fits);
    let elsewhere = Recipe {
        base: Base::Registry("python:3.13".to_owned()),
        ..locked.clone()
    };
    stale(&elsewhere, &fits);
    // The base moved in the lock, but not the packages that were resolved for it.
    let mut moved = lock(&locked, "2.2.5", Some("sha256:a"));
    let base = |digest: &str| Locked {
        image: LockedImage::Digest("sha256:i".to_owned()),
        platforms: BTreeMap::from([("linux/amd64".to_owned(), digest.to_owned())]),
    };
    moved
        .bases
        .insert("python:3.12".to_owned(), base("sha256:b"));
    assert_eq!(found(&locked, Some(&moved)).packages, [Pins::Stale]);
    moved
        .bases
        .insert("python:3.12".to_owned(), base("sha256:a"));
    assert!(matches!(
        found(&locked, Some(&moved)).packages.as_slice(),
        [Pins::Locked(_)]
    ));
}

#[test]
fn credentials_of_an_index_are_no_input_of_its_packages() {
    let with = recipe(&["numpy"]);
    let mut without = with.clone();
    if let Some(Step::Pip(pip)) = without.steps.first_mut() {
        pip.index = Some("https://index.test/simple".to_owned());
    }
    let fits = lock(&with, "1", None);
    assert!(matches!(
        found(&without, Some(&fits)).packages.as_slice(),
        [Pins::Locked(_)]
    ));
}

/// A lock of one Debian package of the image `app`, as it would be resolved from this recipe.
fn debian(recipe: &Recipe, version: &str, base: Option<&str>) -> LockFile {
    let image = Installing {
        id: "app",
        recipe,
        others: &|_| None,
        read: &|_| None,
    };
    let deb = LockedDeb {
        name: "git".to_owned(),
        version: version.to_owned(),
        architecture: "amd64".to_owned(),
        sha256: format!("sha256:{version}"),
        size: 1,
        url: "https://deb.test/git.deb".to_owned(),
        is_requested: true,
    };
    let platform = PlatformDebs {
        base: base.map(str::to_owned),
        debs: vec![deb],
    };
    let step = StepPackages {
        inputs: image.debian_inputs(&image.debian()[0]),
        platforms: BTreeMap::from([("linux/amd64".to_owned(), platform)]),
    };
    let fields = BTreeMap::from([(DebianField::Apt, Arc::new(step))]);
    LockFile {
        debian: BTreeMap::from([("app".to_owned(), fields)]),
        ..LockFile::default()
    }
}

#[test]
fn debian_packages_count_by_name_and_only_if_they_fit() {
    let with = |packages: &[&str]| Recipe {
        base: Base::Registry("debian:12".to_owned()),
        platforms: vec!["linux/amd64".to_owned()],
        steps: vec![Step::Apt {
            packages: packages.iter().map(|&name| name.to_owned()).collect(),
        }],
        ..Recipe::default()
    };
    let locked = with(&["git"]);
    let listed = |lock: &LockFile| {
        let outside = found(&locked, Some(lock));
        inputs(&locked, &[], &[], &outside)
    };
    let changes = super::super::diff(
        &listed(&debian(&locked, "1", None)),
        &listed(&debian(&locked, "2", None)),
    );
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        changes,
        ["locked git for linux/amd64 (apt-packages) changed: 1 sha256:1 -> 2 sha256:2"]
    );
    let mut lock = debian(&locked, "1", Some("sha256:a"));
    let base = |digest: &str| Locked {
        image: LockedImage::Digest("sha256:i".to_owned()),
        platforms: BTreeMap::from([("linux/amd64".to_owned(), digest.to_owned())]),
    };
    lock.bases.insert("debian:12".to_owned(), base("sha256:a"));
    let fits = |recipe: &Recipe, lock: &LockFile| {
        matches!(
            found(recipe, Some(lock)).debian[&DebianField::Apt],
            Pins::Locked(_)
        )
    };
    assert!(fits(&locked, &lock));
    assert!(!fits(&with(&["git", "curl"]), &lock));
    let further = Recipe {
        platforms: vec!["linux/amd64".to_owned(), "linux/arm64".to_owned()],
        ..locked.clone()
    };
    assert!(!fits(&further, &lock));
    lock.bases.insert("debian:12".to_owned(), base("sha256:b"));
    assert!(!fits(&locked, &lock));
}
