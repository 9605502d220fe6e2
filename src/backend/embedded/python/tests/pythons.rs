use super::*;

#[test]
fn the_python_of_a_debian() {
    let found = find(&tree(DEBIAN), &Interpreter::Base, &config(&[])).unwrap();
    assert_eq!(found.version, (3, 11));
    assert_eq!(found.full_version.as_deref(), Some("3.11.2"));
    assert_eq!(found.libc, Libc::Glibc(2, 36));
    assert_eq!(found.interpreter, "/usr/bin/python3");
    let packages = "/usr/local/lib/python3.11/dist-packages";
    assert_eq!(
        (found.scheme.purelib.as_str(), found.scheme.platlib.as_str()),
        (packages, packages)
    );
    assert_eq!(found.scheme.scripts, "/usr/local/bin");
    assert_eq!(found.scheme.data, "/usr/local");
    assert_eq!(found.scheme.headers, "/usr/include/python3.11");
}

/// Debian 11's C library.
const OLD_LIBC: &str = "lib/x86_64-linux-gnu/libc.so.6>libc-2.31.so lib/x86_64-linux-gnu/libc-2.31.so=GNU_C_Library_release_version_2.31,";

#[test]
fn the_python_of_other_images() {
    let libc = OLD_LIBC;
    let official = tree(&format!(
        "usr/local/bin/python3>python3.12 usr/local/bin/python3.12 usr/bin/python3>python3.9 usr/bin/python3.9 etc/os-release=ID=debian {libc}"
    ));
    let found = find(
        &official,
        &Interpreter::Base,
        &config(&[("PYTHON_VERSION", "3.12.4")]),
    )
    .unwrap();
    assert_eq!(
        (found.version, found.full_version.as_deref()),
        ((3, 12), Some("3.12.4"))
    );
    assert_eq!(found.libc, Libc::Glibc(2, 31));
    assert_eq!(
        found.scheme.purelib,
        "/usr/local/lib/python3.12/site-packages"
    );
    assert_eq!(found.scheme.headers, "/usr/local/include/python3.12");
    let other = find(
        &official,
        &Interpreter::Exec("/usr/bin/python3".into()),
        &config(&[("PYTHON_VERSION", "3.12.4")]),
    )
    .unwrap();
    assert_eq!((other.version, other.full_version), ((3, 9), None));
    assert_eq!(
        other.scheme.purelib,
        "/usr/local/lib/python3.9/dist-packages"
    );

    let alpine = tree(
        "usr/bin/python3>python3.12 usr/bin/python3.12 lib/apk/db/installed=musl_1.2.5-r0 lib/ld-musl-x86_64.so.1=1.2.5",
    );
    let found = find(&alpine, &Interpreter::Base, &config(&[])).unwrap();
    assert_eq!(found.libc, Libc::Musl(1, 2));
    assert_eq!(found.scheme.purelib, "/usr/lib/python3.12/site-packages");

    let fedora = tree(
        "usr/bin/python3>python3.13 usr/bin/python3.13 etc/os-release>../usr/lib/os-release usr/lib/os-release=ID=fedora usr/lib64/libc.so.6=GNU_C_Library_release_version_2.40.",
    );
    let found = find(&fedora, &Interpreter::Base, &config(&[])).unwrap();
    assert_eq!(
        found.scheme.purelib,
        "/usr/local/lib/python3.13/site-packages"
    );
    assert_eq!(
        found.scheme.platlib,
        "/usr/local/lib64/python3.13/site-packages"
    );

    let managed = "opt/python/bin>/opt/python/cpython-3.12.7-linux-x86_64-gnu/bin opt/python/lib>/opt/python/cpython-3.12.7-linux-x86_64-gnu/lib \
        opt/python/cpython-3.12.7-linux-x86_64-gnu/bin/python3>python3.12 opt/python/cpython-3.12.7-linux-x86_64-gnu/bin/python3.12";
    let found = find(
        &tree(&format!("{managed} {libc}")),
        &Interpreter::Managed,
        &config(&[]),
    )
    .unwrap();
    assert_eq!(
        (found.version, found.full_version.as_deref()),
        ((3, 12), Some("3.12.7"))
    );
    assert_eq!(
        found.scheme.purelib,
        "/opt/python/lib/python3.12/site-packages"
    );
    assert_eq!(found.interpreter, "/opt/python/bin/python3");

    let home = "opt/micromamba/envs/runtime";
    let conda = tree(&format!(
        "{home}/bin/python>python3.12 {home}/bin/python3.12 {home}/lib/python3.12/os.py {home}/conda-meta/python-3.12.4-h194c7f8_0_cpython.json \
         {home}/conda-meta/python-dateutil-2.9.0-py_0.json {home}/conda-meta/python_abi-3.12-5_cp312.json {libc}"
    ));
    let found = find(&conda, &Interpreter::Conda, &config(&[])).unwrap();
    assert_eq!(
        (found.version, found.full_version.as_deref()),
        ((3, 12), Some("3.12.4"))
    );
    assert_eq!(
        found.scheme.purelib,
        format!("/{home}/lib/python3.12/site-packages")
    );
    assert_eq!(found.libc, Libc::Glibc(2, 31));
}

#[test]
fn the_python_of_environments_and_of_a_path() {
    let venv = tree(&format!(
        "{DEBIAN} opt/venv/pyvenv.cfg opt/venv/bin/ opt/venv/bin/python>/usr/bin/python3 opt/venv/bin/python3>python"
    ));
    let found = find(
        &venv,
        &Interpreter::Base,
        &config(&[("PATH", "/opt/venv/bin:/usr/bin")]),
    )
    .unwrap();
    assert_eq!(found.interpreter, "/opt/venv/bin/python3");
    assert_eq!(
        found.scheme.purelib,
        "/opt/venv/lib/python3.11/site-packages"
    );
    assert_eq!(found.scheme.headers, "/opt/venv/include/site/python3.11");

    let unnamed = tree(&format!(
        "opt/x/bin/python opt/x/lib/python3.10/os.py opt/x/lib/python3.8/ {OLD_LIBC}"
    ));
    let found = find(
        &unnamed,
        &Interpreter::Exec("/opt/x/bin/python".into()),
        &config(&[]),
    )
    .unwrap();
    assert_eq!(found.version, (3, 10));
}

#[test]
fn a_missing_python_is_told_with_where_it_was_looked_for() {
    let why = |words: &str, interpreter| {
        find(&tree(words), &interpreter, &config(&[("PATH", "/a:b:/c")])).unwrap_err()
    };
    assert!(why("x", Interpreter::Base).contains("no `python3` in the image's PATH (`/a:b:/c`)"));
    assert!(why("x", Interpreter::Exec("/p/python".into())).contains("no Python `/p/python`"));
    assert!(why("a/python3/", Interpreter::Base).contains("no `python3`"));
    assert!(why("a/python3>python3", Interpreter::Base).contains("no `python3`"));
    assert!(
        why("opt/bin/py", Interpreter::Exec("/opt/bin/py".into()))
            .contains("`/opt/lib/python3.*/os.py`")
    );
    assert!(
        why("a/python3>python3.11 a/python3.11", Interpreter::Base)
            .contains("the C library is unknown")
    );
    assert!(
        why("x", Interpreter::Conda)
            .contains("no Python `/opt/micromamba/envs/runtime/bin/python`")
    );
}
