use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::blobs::{BLOBS, UNFINISHED};
use super::*;
use crate::backend::oci::manifest::MANIFEST;
use crate::backend::oci::name::{Digest, Repository, Tag, Version};

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("oci")).unwrap()
}

fn fresh() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    (folder, store)
}

fn blob(folder: &Path, digest: Digest) -> PathBuf {
    folder.join(BLOBS).join(digest.hex())
}

fn unfinished(store: &Store) -> usize {
    let folder = store.folder().join(UNFINISHED);
    std::fs::read_dir(folder).unwrap().count()
}

fn repository(name: &str) -> Repository {
    Repository::read(name).unwrap()
}

fn tag(name: &str) -> Tag {
    Tag::read(name).unwrap()
}

/// Stores an image without layers.
fn image(store: &Store, config: &str) -> Stored {
    let config = store.put(config.as_bytes(), None).unwrap();
    let text = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"{}","size":{}}},"layers":[]}}"#,
        config.digest, config.size
    );
    Stored {
        digest: store.put(text.as_bytes(), None).unwrap().digest,
        media_type: MANIFEST.into(),
    }
}

#[test]
fn a_blob_is_read_as_it_was_put() {
    let (_folder, store) = fresh();
    let text = vec![1; 1_000_000];
    let digest = Digest::of(&text);
    assert_eq!(store.size(digest).unwrap(), None);
    let size = 1_000_000;
    let blob = store.put(text.as_slice(), Some(digest)).unwrap();
    assert_eq!(blob, Blob { digest, size });
    assert_eq!(store.size(digest).unwrap(), Some(size));
    let (mut file, length) = store.read(digest).unwrap();
    let mut read = Vec::new();
    file.read_to_end(&mut read).unwrap();
    assert_eq!((read, length), (text, size));
    assert_eq!(unfinished(&store), 0);
}

#[test]
fn what_is_not_what_was_promised_leaves_nothing() {
    let (_folder, store) = fresh();
    let (wanted, found) = (Digest::of(b"promised"), Digest::of(b"else"));
    let error = store.put(&b"else"[..], Some(wanted)).unwrap_err();
    let words = format!("expected blob `{wanted}`, but received `{found}`");
    assert_eq!(error.to_string(), words);
    assert_eq!(store.size(found).unwrap(), None);
    assert!(matches!(store.read(wanted), Err(StoreError::Unknown(_))));
    assert_eq!(unfinished(&store), 0);
}

#[test]
fn a_source_that_breaks_leaves_nothing() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let (_folder, store) = fresh();
    let error = store.put(b"half".chain(Broken), None).unwrap_err();
    assert!(error.to_string().ends_with("connection reset"), "{error}");
    assert_eq!(unfinished(&store), 0);
    assert_eq!(store.size(Digest::of(b"half")).unwrap(), None);
}

/// Changes a file, and not its time: a disk that fails.
fn rot(path: &Path, bytes: &[u8]) {
    let before = path.metadata().unwrap().modified().unwrap();
    std::fs::write(path, bytes).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(before).unwrap();
}

#[test]
fn the_end_of_a_damaged_blob_is_not_given_away() {
    let (_folder, store) = fresh();
    let whole = vec![7; 300_000];
    let digest = store.put(whole.as_slice(), None).unwrap().digest;
    let path = blob(store.folder(), digest);
    let sent = |store: &Store| {
        let (mut blob, size) = store.send(digest).unwrap();
        assert_eq!(size, 300_000);
        let mut sent = Vec::new();
        let result = blob.read_to_end(&mut sent).map(drop);
        (sent, result)
    };
    assert_eq!(sent(&store).0, whole);
    let mut flipped = whole.clone();
    flipped[150_000] ^= 1;
    rot(&path, &flipped);
    assert_eq!(store.size(digest).unwrap(), Some(300_000));
    let (part, result) = sent(&store);
    assert!(part.len() < 300_000);
    let why = result.unwrap_err().to_string();
    assert!(why.contains("was damaged and has been removed"), "{why}");
    assert!(matches!(store.send(digest), Err(StoreError::Unknown(_))));
}

#[test]
fn a_note_is_whole_or_none() {
    let (_folder, store) = fresh();
    assert_eq!(store.note("a").unwrap(), None);
    store.keep_note("a", b"text").unwrap();
    assert_eq!(store.note("a").unwrap().unwrap(), b"text");
    let path = store.folder().join(super::blobs::NOTES).join("a");
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        assert_eq!(store.note("a").unwrap(), None, "{at}");
        std::fs::write(&path, &whole[..at]).unwrap();
        assert_eq!(store.note("a").unwrap(), None, "{at}");
    }
    store.keep_note("a", b"").unwrap();
    assert_eq!(store.note("a").unwrap().unwrap(), b"");
}

#[test]
fn a_damaged_blob_is_noticed_and_replaced() {
    let (_folder, store) = fresh();
    let digest = store.put(&b"blob"[..], None).unwrap().digest;
    let path = blob(store.folder(), digest);
    std::fs::write(&path, b"blot").unwrap();
    assert_eq!(store.size(digest).unwrap(), None);
    assert!(!path.exists());
    store.put(&b"blob"[..], None).unwrap();
    // One that is as it was is believed again.
    std::fs::write(&path, b"blob").unwrap();
    assert_eq!(store.size(digest).unwrap(), Some(4));
    rot(&path, b"blot");
    assert!(matches!(
        store.read_whole(digest, 9),
        Err(StoreError::Damaged(_))
    ));
    assert!(!path.exists());
    store.put(&b"blob"[..], None).unwrap();
    std::fs::write(&path, b"").unwrap();
    store.put(&b"blob"[..], None).unwrap();
    assert_eq!(store.read_whole(digest, 9).unwrap(), b"blob");
    assert!(matches!(
        store.read_whole(digest, 3),
        Err(StoreError::Large { .. })
    ));
}

#[test]
fn nobody_else_may_look_inside() {
    let (_folder, store) = fresh();
    let meta = std::fs::metadata(store.folder()).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_folder_that_cannot_be_used_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&file).unwrap_err().to_string();
    assert!(
        error.contains("file` is a file, not a directory: imgspec keeps its cache"),
        "{error}"
    );
}

#[test]
fn tags_stand_for_manifests() {
    let (_folder, store) = fresh();
    let links = Links::new(&store);
    let (of, one, two) = (repository("a/b"), image(&store, "1"), image(&store, "2"));
    let find = |version: Version| links.find(&of, &version).unwrap();
    assert_eq!(links.tags(&of), None);
    links.tag(&of, &tag("t"), &one).unwrap();
    links.tag(&of, &tag("t"), &two).unwrap();
    assert_eq!(find(Version::Tag(tag("t"))), Some(two));
    assert_eq!(find(Version::Digest(one.digest)), Some(one));
    assert_eq!(links.tags(&of), Some(vec![tag("t")]));
}

#[test]
fn repositories_do_not_meet() {
    let (_folder, store) = fresh();
    let links = Links::new(&store);
    let one = image(&store, "1");
    links.tag(&repository("a"), &tag("tags"), &one).unwrap();
    links.tag(&repository("a/tags"), &tag("t"), &one).unwrap();
    let tags = links.tags(&repository("a"));
    assert_eq!(tags, Some(vec![tag("tags")]));
    let tags = links.tags(&repository("a/tags"));
    assert_eq!(tags, Some(vec![tag("t")]));
}

#[test]
fn a_link_needs_its_manifest() {
    let (_folder, store) = fresh();
    let links = Links::new(&store);
    let (of, one) = (repository("a"), image(&store, "1"));
    links.tag(&of, &tag("t"), &one).unwrap();
    std::fs::remove_file(blob(store.folder(), one.digest)).unwrap();
    assert_eq!(links.find(&of, &Version::Tag(tag("t"))).unwrap(), None);
    assert!(links.tag(&of, &tag("t"), &one).is_err());
}

#[test]
fn exchanges_do_not_see_each_others_names() {
    let (folder, store) = fresh();
    let of = repository("a");
    let (first, second) = (Links::new(&store), Links::new(&store));
    let one = image(&store, "1");
    first.tag(&of, &tag("t"), &one).unwrap();
    let wanted = Version::Tag(tag("t"));
    assert_eq!(second.find(&of, &wanted).unwrap(), None);
    // Opening the store sweeps it, but leaves what is in use.
    open(&folder);
    assert_eq!(first.find(&of, &wanted).unwrap(), Some(one));
}

#[test]
fn blobs_stay_until_they_are_pruned_and_nothing_is_pruned_in_use() {
    let (folder, store) = fresh();
    let path = store.folder().to_owned();
    let one = image(&store, "1");
    drop(store);
    let store = open(&folder);
    assert!(store.size(one.digest).unwrap().is_some());
    assert_eq!(Store::prune(&path).unwrap(), None);
    drop(store);
    // Between fork and exec, a process started by another test has our files open, and so holds their locks.
    let mut tries = (0..200).map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        Store::prune(&path).unwrap()
    });
    let pruned = tries.find_map(|pruned| pruned).unwrap();
    assert_eq!(pruned, 2);
    assert_eq!(open(&folder).size(one.digest).unwrap(), None);
    let nowhere = folder.path().join("nowhere");
    assert_eq!(Store::prune(&nowhere).unwrap(), Some(0));
}

/// Runs the test `child` in a process of its own.
fn other(folder: &Path, what: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "backend::oci::store::tests::child",
        ])
        .env("IMGSPEC_TEST_STORE", folder)
        .env("IMGSPEC_TEST_DO", what)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test of its own: the part that runs in another process.
#[test]
fn child() {
    let Some(folder) = std::env::var_os("IMGSPEC_TEST_STORE") else {
        return;
    };
    let store = Store::open(Path::new(&folder)).unwrap();
    if std::env::var("IMGSPEC_TEST_DO").unwrap() == "hang" {
        let mut writer = store.writer().unwrap();
        writer.add(b"half").unwrap();
        println!("ready");
        std::thread::sleep(std::time::Duration::from_mins(1));
    }
    let links = Links::new(&store);
    for number in 0..100_u32 {
        let text = number.to_le_bytes().repeat(1000);
        store.put(text.as_slice(), None).unwrap();
        let name = tag(&format!("t{number}"));
        let one = image(&store, &number.to_string());
        links.tag(&repository("a"), &name, &one).unwrap();
    }
    let tags = links.tags(&repository("a")).unwrap();
    assert_eq!(tags.len(), 100);
}

#[test]
fn processes_share_a_store() {
    let (_folder, store) = fresh();
    let mut others = [(); 3].map(|()| other(store.folder(), "put"));
    for other in &mut others {
        assert!(other.wait().unwrap().success());
    }
    for number in 0..100_u32 {
        let text = number.to_le_bytes().repeat(1000);
        assert_eq!(store.read_whole(Digest::of(&text), 1 << 20).unwrap(), text);
    }
    assert_eq!(unfinished(&store), 0);
}

#[test]
fn what_a_killed_process_left_is_swept_and_nothing_of_a_living_one() {
    let (folder, store) = fresh();
    let mut other = other(store.folder(), "hang");
    let mut told = io::BufReader::new(other.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(io::BufRead::read_line(&mut told, &mut line).unwrap() > 0);
    }
    open(&folder);
    assert_eq!(unfinished(&store), 1);
    other.kill().unwrap();
    other.wait().unwrap();
    open(&folder);
    assert_eq!(unfinished(&store), 0);
    assert_eq!(store.size(Digest::of(b"half")).unwrap(), None);
}

#[test]
fn a_turn_is_for_one_and_leaves_nothing() {
    let (_folder, store) = fresh();
    let never = || std::ops::ControlFlow::Break(());
    let own = store.turn("a", &mut || never()).unwrap().unwrap();
    assert!(store.turn("a", &mut || never()).unwrap().is_none());
    let other = store.turn("b", &mut || never()).unwrap().unwrap();
    drop((own, other));
    let count = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let go_on = &mut || std::ops::ControlFlow::Continue(());
                    let _turn = store.turn("a", go_on).unwrap().unwrap();
                    let before = count.load(std::sync::atomic::Ordering::SeqCst);
                    std::thread::yield_now();
                    count.store(before + 1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 160);
    let left = store.folder().join(super::blobs::TURNS);
    assert_eq!(left.read_dir().unwrap().count(), 0);
}
