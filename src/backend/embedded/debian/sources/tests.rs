//! apt's sources, and what is no source.

use super::*;

fn files(each: &[(&str, &str)]) -> Files {
    let each = each.iter();
    each.map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn list(text: &str) -> Result<Vec<Archive>, String> {
    read(&files(&[("etc/apt/sources.list", text)]), "amd64")
}

fn deb822(text: &str) -> Result<Vec<Archive>, String> {
    read(
        &files(&[("etc/apt/sources.list.d/x.sources", text)]),
        "amd64",
    )
}

#[test]
fn lines_are_read_with_their_options() {
    let text = "# all\ndeb http://deb.example/debian bookworm main contrib # x\n\ndeb-src http://deb.example/debian bookworm main\n\
                deb [ arch=amd64,arm64 signed-by=/usr/share/keyrings/a.gpg check-valid-until=no ] https://b.example/$(ARCH)/ ./\n\
                deb [arch=arm64] http://c.example x main\ndeb [arch-=amd64] http://c.example x main\n\
                deb [trusted=yes lang=de] http://d.example/ stable main\n";
    let all = list(text).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(
        all[0].place("InRelease"),
        "http://deb.example/debian/dists/bookworm/InRelease"
    );
    assert_eq!(all[0].components, ["main", "contrib"]);
    assert!(all[1].is_flat() && all[1].options.ignores_expiry);
    assert_eq!(all[1].place("Packages"), "https://b.example/amd64/Packages");
    let key = SignedBy::File("usr/share/keyrings/a.gpg".to_owned());
    assert_eq!(all[1].options.signed_by, [key]);
    assert!(all[2].options.is_trusted && !all[2].options.ignores_expiry);
}

#[test]
fn stanzas_are_read_with_all_their_suites() {
    let text = "# Debian\nTypes: deb deb-src\nURIs: http://deb.example/debian http://mirror.example/debian/\n\
                Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
                Types: deb\nEnabled: no\nURIs: ftp://no\nSuites: x\nComponents: y\n\n\
                Types: deb-src\nURIs: ftp://no\nSuites: x\nComponents: y\n\n\
                Types: deb\nURIs: https://flat.example\nSuites: debs/\nArchitectures-Add: amd64\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDME\n -----END PGP PUBLIC KEY BLOCK-----\n";
    let all = deb822(text).unwrap();
    let places: Vec<String> = all.iter().map(|one| one.place("Release")).collect();
    let wanted = [
        "http://deb.example/debian/dists/bookworm/Release",
        "http://deb.example/debian/dists/bookworm-updates/Release",
        "http://mirror.example/debian/dists/bookworm/Release",
        "http://mirror.example/debian/dists/bookworm-updates/Release",
        "https://flat.example/debs/Release",
    ];
    assert_eq!(places, wanted);
    let SignedBy::Text(key) = &all[4].options.signed_by[0] else {
        panic!("{:?}", all[4].options);
    };
    assert_eq!(
        key,
        "\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n"
            .trim_start()
    );
}

#[test]
fn only_files_that_apt_reads_are_read_in_its_order() {
    let line = |host: &str| format!("deb http://{host} x y\n");
    let texts = ["c", "b", "a", "no", "no", "no"].map(line);
    let paths = [
        "etc/apt/sources.list",
        "etc/apt/sources.list.d/z.list",
        "etc/apt/sources.list.d/a.list",
        "etc/apt/sources.list.d/a.list.save",
        "etc/apt/sources.list.d/.a.list",
        "etc/apt/sources.list.d/a b.list",
    ];
    let each: Vec<(&str, &str)> = paths
        .into_iter()
        .zip(texts.iter().map(String::as_str))
        .collect();
    let all = read(&files(&each), "amd64").unwrap();
    let urls: Vec<&str> = all.iter().map(|one| one.url.as_str()).collect();
    assert_eq!(urls, ["http://c/", "http://a/", "http://b/"]);
}

#[test]
fn what_only_apt_understands_is_told_with_its_place() {
    let told = |text: &str| list(text).unwrap_err();
    assert_eq!(
        told("deb http://a x y\nrpm http://a x y"),
        "`/etc/apt/sources.list`: line 2: `rpm` is neither `deb` nor `deb-src`"
    );
    for wrong in [
        "deb",
        "deb http://a",
        "deb [arch=amd64 http://a x y",
        "deb [arch] http://a x y",
        "deb [inrelease-path=x] http://a x y",
        "deb [allow-insecure=yes] http://a x y",
        "deb [trusted=perhaps] http://a x y",
        "deb [signed-by=key] http://a x y",
        "deb http://a x",
        "deb http://a x/ y",
        "deb http://a ../ ",
        "deb http://.. x y",
        "deb http://a/../b x y",
        "deb file:/a x y",
        "deb cdrom:[a b]/ x y",
        "deb [snapshot=20250101T000000Z] http://a x y",
    ] {
        assert!(list(wrong).is_err(), "{wrong}");
    }
    for wrong in [
        "Types: deb\nSuites: x\nComponents: y\n",
        "Types: deb\nnothing",
        "Types: deb\nTypes: deb\n",
    ] {
        assert!(deb822(wrong).is_err(), "{wrong}");
    }
    assert!(
        read(&files(&[("etc/apt/sources.list", "")]), "amd64")
            .unwrap()
            .is_empty()
    );
    let binary = BTreeMap::from([("etc/apt/sources.list".to_owned(), vec![0xff])]);
    assert!(read(&binary, "amd64").is_err());
}
