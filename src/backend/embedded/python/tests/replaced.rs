//! What is removed of packages that are replaced. What real uv removes is compared in `tests/it/embedded/uv.rs`.

use super::super::present;
use super::super::removal::{Removal, Texts, wanted};
use super::super::zip::sample::Part;
use super::*;

const PREFIX: &str = "/env/lib/python3.11/site-packages";
const LIBRARY: &str = "env/lib/python3.11/site-packages";

fn scheme() -> Scheme {
    Scheme {
        purelib: PREFIX.to_owned(),
        platlib: PREFIX.to_owned(),
        scripts: "/env/bin".to_owned(),
        headers: "/env/include/site/python3.11".to_owned(),
        data: "/env".to_owned(),
    }
}

/// An image with these files below the library, and others by absolute paths.
fn image(files: &str) -> Tree {
    let paths = files
        .split_whitespace()
        .map(|path| match path.strip_prefix('/') {
            Some(path) => path.to_owned(),
            None => format!("{LIBRARY}/{path}"),
        });
    tree(&paths.collect::<Vec<_>>().join(" "))
}

/// What is removed of the packages of this name, by paths from the library, and what is told.
fn removed(
    tree: &Tree,
    name: &str,
    texts: &[(&str, &str)],
) -> Result<(Vec<String>, String), String> {
    let scheme = scheme();
    let found = present::find(tree, &scheme).unwrap();
    let of: Vec<_> = found[name].iter().collect();
    let texts: Texts = texts
        .iter()
        .map(|(path, text)| (format!("{LIBRARY}/{path}"), (*text).to_owned()))
        .collect();
    let asked = wanted(tree, &of);
    assert!(asked.iter().eq(texts.keys()), "{asked:?}");
    let mut removal = Removal::new(tree.clone(), &scheme, &texts);
    for present in of {
        removal.remove(present)?;
    }
    let told = removal.told.join("; ");
    let gone = removal.finish().into_iter();
    let start = format!("{LIBRARY}/");
    let short = |path: String| path.strip_prefix(&start).unwrap_or(&path).to_owned();
    Ok((gone.map(short).collect(), told))
}

#[test]
fn what_a_record_lists_goes_with_directories_left_empty() {
    let tree = image(
        "demo/__init__.py demo/sub/deep/x.py demo/__pycache__/other.pyc mine/a.py mine/own.txt mine/__pycache__/a.pyc \
         six.py __pycache__/six.pyc demo-1.0.dist-info/RECORD demo-1.0.dist-info/METADATA /env/bin/demo /env/bin/other \
         /env/share/demo/manual /env/share/demo/",
    );
    let record = "demo/__init__.py,,\ndemo/sub/deep/x.py,,\nmine/a.py,,\nsix.py,,\ngone.py,,\n\
                  demo-1.0.dist-info/RECORD,,\ndemo-1.0.dist-info/METADATA,,\n../../../bin/demo,,\n../../../share/demo/manual,,\n";
    let (gone, told) = removed(&tree, "demo", &[("demo-1.0.dist-info/RECORD", record)]).unwrap();
    // Directories outside the library stay, as does what is not listed; bytecode beside what was listed does not.
    let expected = [
        "env/bin/demo",
        "demo",
        "demo-1.0.dist-info",
        "mine/__pycache__",
        "mine/a.py",
        "six.py",
        "env/share/demo/manual",
    ];
    assert_eq!(gone, expected);
    assert_eq!(told, "");
}

#[test]
fn files_of_other_packages_stay_and_so_does_what_no_package_installs() {
    let tree = image(
        "both/__init__.py both/one.py both/two.py one-1.0.dist-info/RECORD two-1.0.dist-info/RECORD /etc/passwd /env/pyvenv.cfg",
    );
    let one = "both/__init__.py,,\nboth/one.py,,\none-1.0.dist-info/RECORD,,\n../../../../etc/passwd,,\n/etc/passwd,,\n";
    let two = "both/__init__.py,,\nboth/two.py,,\ntwo-1.0.dist-info/RECORD,,\n";
    let texts = [
        ("one-1.0.dist-info/RECORD", one),
        ("two-1.0.dist-info/RECORD", two),
    ];
    let (gone, told) = removed(&tree, "one", &texts).unwrap();
    assert_eq!(gone, ["both/one.py", "one-1.0.dist-info"]);
    assert!(
        told.contains("lists `../../../../etc/passwd`, which no package installs"),
        "{told}"
    );
    assert!(told.contains("lists `/etc/passwd`"), "{told}");
}

#[test]
fn a_record_that_is_missing_is_told_and_one_that_is_none_is_an_error() {
    let tree = image("demo.py demo-1.0.dist-info/METADATA");
    let (gone, told) = removed(&tree, "demo", &[]).unwrap();
    assert_eq!(gone, [""; 0]);
    assert!(told.contains("demo-1.0.dist-info` has no RECORD"), "{told}");
    let tree = image("demo-1.0.dist-info/RECORD");
    let why = removed(&tree, "demo", &[("demo-1.0.dist-info/RECORD", "a\nb\n")]);
    assert!(why.unwrap_err().contains("is no list of files"));
}

#[test]
fn eggs_go_by_their_modules_and_distutils_do_not() {
    let tree = image(
        "demo/x.py single.py shared/y.py Demo-1.0-py3.11.egg-info/top_level.txt \
         Demo-1.0-py3.11.egg-info/namespace_packages.txt Demo-1.0-py3.11.egg-info/PKG-INFO",
    );
    let texts = [
        (
            "Demo-1.0-py3.11.egg-info/namespace_packages.txt",
            "shared\n",
        ),
        (
            "Demo-1.0-py3.11.egg-info/top_level.txt",
            "demo\nsingle\nshared\n\n../evil\n..\n",
        ),
    ];
    let (gone, told) = removed(&tree, "demo", &texts).unwrap();
    assert_eq!(gone, ["Demo-1.0-py3.11.egg-info", "demo", "single.py"]);
    assert!(
        told.contains("lists `../evil`, which is no module"),
        "{told}"
    );
    let bare = image("demo.py demo-1.0.egg-info/PKG-INFO");
    let (gone, told) = removed(&bare, "demo", &[]).unwrap();
    assert_eq!(gone, [""; 0]);
    assert!(told.contains("has no `top_level.txt`"), "{told}");
    for (file, words) in [
        ("demo-1.0.egg-info", "distutils"),
        ("demo.egg-link", "from its sources"),
    ] {
        let why = removed(&image(&format!("demo.py {file}")), "demo", &[]).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn the_layers_of_wheels_do_not_depend_on_what_they_replace() {
    let info = "demo-1.0.dist-info";
    let new = |bench: &Bench| bench.put("demo-2.0", vec![Part::new("demo/new.py", b"2")]);
    let clean = Bench::new();
    let plain = clean.install(&[new(&clean)]).unwrap();
    let mut bench = Bench::new();
    let old = bench.put("demo-1.0", vec![Part::new("demo/old.py", b"1")]);
    let first = bench.install(&[old]).unwrap().pop().unwrap();
    bench.put_below(first);
    let second = bench.install(&[new(&bench)]).unwrap();
    let [removal, wheel] = second.as_slice() else {
        panic!("{second:?}");
    };
    assert_eq!(removal.words, "removed: demo 1.0");
    let files = bench.files(removal);
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    let site = format!("{SITE}/");
    let own: Vec<&str> = paths
        .iter()
        .filter_map(|path| path.strip_prefix(&site))
        .collect();
    assert_eq!(own, ["", ".wh.demo", &format!(".wh.{info}")]);
    // As the base has it.
    assert_eq!(files["usr/local/lib/"].1, 50);
    assert_eq!(wheel.made.part, plain[0].made.part);
    // Found again without the blob of what was replaced.
    let blob = bench.parts[0].digest;
    std::fs::remove_file(bench.store.folder().join("blobs/sha256").join(blob.hex())).unwrap();
    let again = bench.install(&[new(&bench)]).unwrap();
    assert_eq!(again[0].made.part, removal.made.part);
}
