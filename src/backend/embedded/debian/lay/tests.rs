//! Packages on bases, by dpkg's rules.

use super::super::control;
use super::super::deb;
use super::super::sample::Sample;
use super::*;
use crate::backend::oci::layer::Node;

/// Packages that outlive what borrows from them.
struct Bench(Vec<Deb>);

impl Bench {
    fn of(samples: Vec<Sample>) -> Self {
        let read = |sample: Sample| deb::read(&*sample.bytes(), &mut |_| Ok(())).unwrap();
        Self(samples.into_iter().map(read).collect())
    }

    fn on(&self, nodes: Vec<Node>) -> Result<Laid, LayError> {
        let incoming = self.0.iter().map(|deb| {
            let text = std::str::from_utf8(&deb.control["control"].bytes).unwrap();
            Incoming::new(control::single(text).unwrap(), deb)
        });
        let incoming: Vec<Incoming<'_>> = incoming.collect();
        let mut tree = Tree::default();
        tree.apply(&nodes.into_iter().collect());
        let mut laid = Laid::on(tree);
        laid.lay(&incoming, &|| false)?;
        laid.add_parents();
        Ok(laid)
    }
}

fn node(path: &str, kind: NodeKind, mode: u32) -> Node {
    Node {
        path: path.into(),
        kind,
        mode,
        uid: 0,
        gid: 7,
    }
}

fn merged() -> Vec<Node> {
    vec![
        node("lib", NodeKind::Link("usr/lib".to_owned()), 0o777),
        node("usr", NodeKind::Folder, 0o755),
        node("usr/lib", NodeKind::Folder, 0o2750),
    ]
}

fn paths(laid: &Laid) -> Vec<&str> {
    laid.entries.keys().map(String::as_str).collect()
}

#[test]
fn paths_follow_the_links_of_the_base() {
    let sample = Sample::named("a", "1", "")
        .folder("./lib/")
        .folder("./lib/x/")
        .file("./lib/x/a", "");
    let laid = Bench::of(vec![sample]).on(merged()).unwrap();
    assert_eq!(paths(&laid), ["usr", "usr/lib", "usr/lib/x", "usr/lib/x/a"]);
    // Directories of the base keep their attributes.
    assert_eq!(
        (laid.entries["usr/lib"].mode, laid.entries["usr/lib"].gid),
        (0o2750, 7)
    );
}

#[test]
fn paths_follow_the_links_of_packages_before() {
    let first = Sample::named("a", "1", "")
        .folder("./usr/")
        .folder("./usr/lib/")
        .link("./lib", "usr/lib");
    let second = Sample::named("b", "1", "")
        .folder("./lib/")
        .file("./lib/b", "");
    let laid = Bench::of(vec![first, second]).on(Vec::new()).unwrap();
    assert_eq!(paths(&laid), ["lib", "usr", "usr/lib", "usr/lib/b"]);
}

#[test]
fn two_packages_with_one_file_are_an_error_as_with_dpkg() {
    let one = |name: &str, path: &str, more: &str| Sample::named(name, "1", more).file(path, name);
    let error = Bench::of(vec![one("a", "./lib/x", ""), one("b", "./usr/lib/x", "")]).on(merged());
    assert_eq!(
        error.err().unwrap().to_string(),
        "`b` has `/usr/lib/x`, which `a` has too, and neither replaces the other"
    );
    let wins = |a: &str, b: &str| {
        let bench = Bench::of(vec![one("a", "./x", a), one("b", "./x", b)]);
        bench
            .on(Vec::new())
            .ok()
            .map(|laid| match laid.entries["x"].content {
                Content::File(package, _) => (package, laid.lost.clone()),
                _ => panic!("a file"),
            })
    };
    assert_eq!(wins("", "Replaces: c, a\n"), Some((1, vec![(0, 0)])));
    assert_eq!(wins("Replaces: b (<< 2)\n", ""), Some((0, vec![(1, 0)])));
    assert_eq!(wins("Replaces: b (<< 1)\n", ""), None);
    assert_eq!(wins("Replaces: b (= 1~)\n", "Conflicts: a\n"), None);
}

#[test]
fn directories_of_several_packages_are_those_of_the_first() {
    let one = |name, mode| {
        Sample::named(name, "1", "").with(("./d/", tar::EntryType::Directory, mode), "", b"")
    };
    let laid = Bench::of(vec![one("a", 0o1777), one("b", 0o755)])
        .on(Vec::new())
        .unwrap();
    assert_eq!(laid.entries["d"].mode, 0o1777);
}

#[test]
fn what_the_base_has_is_left_to_dpkg() {
    let why = |sample: Sample, base: Vec<Node>| {
        Bench::of(vec![sample]).on(base).err().unwrap().to_string()
    };
    let base = || {
        vec![
            node("x", NodeKind::File(None), 0o644),
            node("d", NodeKind::Folder, 0o755),
        ]
    };
    let sample = || Sample::named("a", "1", "");
    assert_eq!(
        why(sample().file("./x", ""), base()),
        "`/x` of `a` is there already"
    );
    assert_eq!(
        why(sample().folder("./x/"), base()),
        "`/x` of `a` is a file already"
    );
    assert_eq!(
        why(sample().file("./d", ""), base()),
        "`/d` of `a` is a directory already"
    );
    assert_eq!(
        why(sample().link("./d", "e"), base()),
        "`/d` of `a` is a directory already"
    );
    assert_eq!(
        why(sample().file("./x/y", ""), base()),
        "`/x` is not a directory in the image"
    );
    let same = Bench::of(vec![sample().link("./d", "./d")])
        .on(base())
        .unwrap();
    assert_eq!(paths(&same), [""; 0]);
}

#[test]
fn settings_and_diversions_of_the_base_count() {
    let files = [(
        "etc/dpkg/dpkg.cfg.d/docker".to_owned(),
        b"path-exclude /usr/share/man/*".to_vec(),
    )];
    let settings = || Settings::of(&files.clone().into()).unwrap();
    let deb = |sample: Sample| deb::read(&*sample.bytes(), &mut |_| Ok(())).unwrap();
    let lay = |deb: &Deb| {
        let text = std::str::from_utf8(&deb.control["control"].bytes).unwrap();
        let incoming = [Incoming::new(control::single(text).unwrap(), deb)];
        let mut laid = Laid::on(Tree::default()).by(settings(), vec!["bin/sh".to_owned()]);
        laid.lay(&incoming, &|| false)
            .map(|()| paths(&laid).join(" "))
    };
    let sample = Sample::named("a", "1", "")
        .folder("./usr/")
        .file("./usr/share/man/a", "")
        .file("./usr/a", "");
    assert_eq!(lay(&deb(sample)).unwrap(), "usr usr/a");
    let sample = Sample::named("a", "1", "").file("./bin/sh", "");
    assert_eq!(
        lay(&deb(sample)).unwrap_err().to_string(),
        "`/bin/sh` of `a` is diverted"
    );
}

#[test]
fn hard_links_of_a_file_stay_links_of_it() {
    let sample = Sample::named("a", "1", "").file("./z", "").with(
        ("./b", tar::EntryType::Link, 0o644),
        "./z",
        b"",
    );
    let laid = Bench::of(vec![sample]).on(Vec::new()).unwrap();
    assert_eq!(laid.entries["b"].content, Content::File(0, 0));
    assert_eq!(laid.entries["z"].content, Content::File(0, 0));
}

#[test]
fn on_a_base_configuration_files_wait_for_their_package() {
    let sample = |name: &str, more: &str| {
        Sample::named(name, "1", more)
            .script("conffiles", "/etc/a.d/a\n")
            .folder("./etc/")
            .folder("./etc/a.d/")
            .file("./etc/a.d/a", "")
            .file("./etc/a.d/b", "")
    };
    let lay = |samples: Vec<Sample>| {
        let bench = Bench::of(samples);
        let incoming = bench.0.iter().map(|deb| {
            let text = std::str::from_utf8(&deb.control["control"].bytes).unwrap();
            Incoming::new(control::single(text).unwrap(), deb)
        });
        let incoming: Vec<Incoming<'_>> = incoming.collect();
        let mut laid = Laid::on(Tree::default()).by(Settings::default(), Vec::new());
        laid.lay(&incoming, &|| false)?;
        Ok::<_, LayError>(paths(&laid).join(" "))
    };
    let laid = lay(vec![sample("a", "")]).unwrap();
    assert_eq!(laid, "etc etc/a.d etc/a.d/a.dpkg-new etc/a.d/b");
    // Which of the two dpkg would take is not decided here.
    let both = lay(vec![sample("a", ""), sample("b", "Replaces: a\n")]);
    let LayError::Unclear(why) = both.unwrap_err() else {
        panic!("not left to dpkg");
    };
    assert_eq!(
        why,
        "`/etc/a.d/a` is a configuration file of several packages"
    );
}

#[test]
fn laying_ends_when_asked() {
    let sample = Sample::named("a", "1", "").file("./a", "");
    let bench = Bench::of(vec![sample]);
    let text = std::str::from_utf8(&bench.0[0].control["control"].bytes).unwrap();
    let incoming = [Incoming::new(control::single(text).unwrap(), &bench.0[0])];
    let mut laid = Laid::on(Tree::default());
    let ended = laid.lay(&incoming, &|| true);
    assert_eq!(ended, Err(LayError::Cancelled));
}
