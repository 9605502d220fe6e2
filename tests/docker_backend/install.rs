//! Steps that download: Debian packages, Python, Python packages.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use imgspec::backend::docker::Docker;
use imgspec::backend::{Artifact, BuildError};
use imgspec::recipe::{FileSet, Interpreter, Pip, Recipe, Step};
use imgspec::spec::WorkspacePath;

use crate::bench::{Bench, Heard, failed, on_each_store, recipe, run, unique};

/// What helpers must not leave behind: mounted binaries, caches, lists.
const CLEAN: &str = "test ! -e /run/imgspec && test -z \"$(ls -A /var/lib/apt/lists /var/cache/apt/archives 2>/dev/null | grep -v : | grep -v -e ^lock -e ^partial)\" && echo clean";

fn pip(interpreter: Interpreter, packages: &[&str], requirements: Option<&str>) -> Step {
    let path = |path: &str| WorkspacePath::resolve(&WorkspacePath::default(), path).unwrap();
    Step::Pip(Box::new(Pip {
        interpreter,
        requirements: requirements.map(|file| FileSet::Requirements { path: path(file) }),
        packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        index: None,
        extra_indexes: Vec::new(),
        extra_args: Vec::new(),
        bytecode: None,
        unless_named: None,
    }))
}

/// Builds like a run: transient failures (of the network) are retried.
fn again(bench: &Bench, backend: &Docker, recipe: &Recipe) -> Result<Artifact, BuildError> {
    let mut built = bench.build(backend, recipe);
    for _ in 0..2 {
        if built.as_ref().is_err_and(BuildError::is_transient) {
            built = bench.build(backend, recipe);
        }
    }
    built
}

fn apt(packages: &[&str]) -> Step {
    Step::Apt {
        packages: packages.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// buildkit#1662
#[test]
fn debian_packages_are_installed_by_siblings_at_once_and_leave_nothing_else() {
    on_each_store(|bench| {
        let backend = bench.backend();
        let images = std::thread::scope(|scope| {
            let build = |package: &'static str| {
                let backend = &backend;
                let steps = vec![run(&format!("echo {}", unique())), apt(&[package])];
                scope.spawn(move || again(bench, backend, &recipe("debian:bookworm-slim", steps)))
            };
            [build("tree"), build("less")].map(|build| build.join().unwrap().unwrap())
        });
        assert!(bench.sh(&images[0], "tree --version").starts_with("tree"));
        assert!(bench.sh(&images[1], "less --version").starts_with("less"));
        for image in &images {
            assert_eq!(bench.sh(image, CLEAN), "clean\n");
        }
        assert_eq!(bench.sh(&images[0], "apt-mark showmanual tree"), "tree\n");
    });
}

#[test]
fn a_package_that_does_not_exist_is_final_and_no_shell_reads_its_name() {
    on_each_store(|bench| {
        let steps = vec![apt(&["$(touch /tmp/pwned)", "; touch /tmp/pwned"])];
        let built = again(
            bench,
            &bench.backend(),
            &recipe("debian:bookworm-slim", steps),
        );
        let (_, why) = failed(built);
        assert!(why.starts_with("`apt-packages: $(touch"), "{why}");
        let built = again(
            bench,
            &bench.backend(),
            &recipe("busybox:1.36", vec![apt(&["git"])]),
        );
        let (_, why) = failed(built);
        assert!(
            why.ends_with("the base is not Debian: `apt-packages` needs `apt-get`"),
            "{why}"
        );
    });
}

#[test]
fn python_packages_go_into_the_site_of_the_bases_python() {
    on_each_store(|bench| {
        bench.write("py/requirements.txt", "-r more/other.txt\nsix==1.17.0\n");
        bench.write(
            "py/more/other.txt",
            "iniconfig>=2 ; python_version >= '3'\n",
        );
        let steps = vec![pip(
            Interpreter::Base,
            &["idna >= 3, < 4"],
            Some("py/requirements.txt"),
        )];
        let heard = Heard::default();
        let recipe_ = recipe("debian:bookworm-slim", steps);
        let image = bench
            .build_on(
                &bench.backend(),
                &recipe_,
                &BTreeMap::new(),
                &bench.reference(),
                &heard,
            )
            .unwrap();
        let said = bench.sh(
            &image,
            "python3 -c 'import six, iniconfig, idna; print(six.__version__, idna.__file__)'",
        );
        assert!(said.starts_with("1.17.0 /usr/local/lib/python3."), "{said}");
        assert!(said.contains("/dist-packages/idna/"), "{said}");
        assert_eq!(bench.sh(&image, CLEAN), "clean\n");
        assert!(
            bench
                .sh(
                    &image,
                    "ls /usr/local/lib/python3*/dist-packages/__pycache__"
                )
                .contains("six")
        );
        let words = "requirements: py/requirements.txt, packages: idna >= 3, < 4".to_owned();
        let steps = heard.steps.into_inner().unwrap();
        let cached = heard.cached.into_inner().unwrap();
        assert!(
            steps.contains(&words) || cached.contains(&words),
            "{steps:?} {cached:?}"
        );
    });
}

#[test]
fn a_base_without_python_is_said() {
    on_each_store(|bench| {
        let steps = vec![
            run("rm /usr/bin/python3"),
            pip(Interpreter::Base, &["six"], None),
        ];
        let built = again(
            bench,
            &bench.backend(),
            &recipe("debian:bookworm-slim", steps),
        );
        let (_, why) = failed(built);
        assert!(
            why.ends_with(
                "the base has no Python: set `python-version`, or use a base that has one"
            ),
            "{why}"
        );
    });
}

#[test]
fn uvs_managed_python_is_installed_from_where_the_user_says() {
    on_each_store(|bench| {
        let server = PythonServer::start(bench);
        let backend = bench.backend_with(&[("UV_PYTHON_DOWNLOADS_JSON_URL", &server.list)]);
        let steps = vec![
            Step::Python {
                version: server.version.clone(),
            },
            Step::Env(vec![("PYTHONUNBUFFERED".into(), "1".into())]),
            run(
                "python3 --version > /version; command -v python > /where; command -v python3 >> /where",
            ),
            pip(Interpreter::Managed, &["six"], None),
        ];
        let image = bench
            .build(&backend, &recipe("debian:bookworm-slim", steps))
            .unwrap();
        assert_eq!(
            bench.sh(&image, "cat /where"),
            "/opt/python/bin/python\n/opt/python/bin/python3\n"
        );
        let said = bench.sh(
            &image,
            "python3 -c 'import six, sys; print(sys.prefix, six.__file__)'",
        );
        let site = server.version.rsplit_once('.').unwrap().0;
        // Below the prefix, where Debian's Python, used here as a stand-in, has its site.
        let module = format!("/opt/python/local/lib/python{site}/dist-packages/six.py");
        assert_eq!(said, format!("/opt/python {module}\n"));
        assert_eq!(bench.sh(&image, CLEAN), "clean\n");
        let history = bench.docker(&["history", "--no-trunc", &image.digest]);
        let inside = bench.sh(&image, "env");
        assert!(
            !history.contains(&server.list) && !inside.contains("UV_"),
            "{history} {inside}"
        );
    });
}

/// A list of one Python, and that Python: the base's own, packed as uv expects it.
struct PythonServer {
    list: String,
    version: String,
    process: std::process::Child,
}

impl PythonServer {
    fn start(bench: &Bench) -> Self {
        let folder = bench.root.path().join("pythons");
        std::fs::create_dir_all(&folder).unwrap();
        let digest = pack(bench, &folder);
        let version = python(bench, "'.'.join(map(str, sys.version_info[:3]))");
        let (major, minor, patch) = {
            let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap());
            (parts.next(), parts.next(), parts.next())
        };
        let address = bench.docker(&[
            "network",
            "inspect",
            "bridge",
            "--format",
            "{{(index .IPAM.Config 0).Gateway}}",
        ]);
        let address = match address.trim() {
            "" => bridge(bench),
            address => address.to_owned(),
        };
        let port = std::net::TcpListener::bind("0.0.0.0:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let origin = format!("http://{address}:{port}");
        let list = serde_json::json!({format!("cpython-{version}-linux-x86_64-gnu"): {
            "name": "cpython", "arch": {"family": "x86_64", "variant": null}, "os": "linux", "libc": "gnu",
            "major": major, "minor": minor, "patch": patch, "prerelease": "", "url": format!("{origin}/python.tar.gz"),
            "sha256": digest, "variant": null, "build": "20260101"}});
        std::fs::write(folder.join("list.json"), list.to_string()).unwrap();
        let process = Command::new("python3")
            .args([
                "-m",
                "http.server",
                &port.to_string(),
                "--bind",
                "0.0.0.0",
                "--directory",
            ])
            .arg(&folder)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(std::time::Instant::now() < until, "no server");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Self {
            list: format!("{origin}/list.json"),
            version,
            process,
        }
    }
}

impl Drop for PythonServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Evaluates an expression with the base's Python.
fn python(bench: &Bench, expression: &str) -> String {
    let script = format!("import sys; print({expression})");
    let head = [
        "run",
        "--rm",
        "--network=none",
        "--entrypoint",
        "python3",
        "debian:bookworm-slim",
        "-c",
    ];
    let arguments: Vec<&str> = head.into_iter().chain([script.as_str()]).collect();
    bench.docker(&arguments).trim().to_owned()
}

/// The machine's address as seen by containers.
fn bridge(bench: &Bench) -> String {
    let said = bench.docker(&["run", "--rm", "busybox:1.36", "ip", "route"]);
    let mut words = said.split_whitespace().skip_while(|word| *word != "via");
    words.nth(1).expect("a default route").to_owned()
}

/// Packs the base's Python below `python/`, like an `install` archive, and returns the archive's sha256.
fn pack(bench: &Bench, folder: &Path) -> String {
    let script = "set -e; v=$(python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'); d=/tmp/p/python; \
        mkdir -p $d/bin $d/lib; cp /usr/bin/python$v $d/bin/; ln -s python$v $d/bin/python3; ln -s python$v $d/bin/python; \
        cp -a /usr/lib/python$v $d/lib/; rm -rf $d/lib/python$v/sitecustomize.py $d/lib/python$v/EXTERNALLY-MANAGED; \
        mkdir -p $d/lib/python$v/site-packages; tar -C /tmp/p -czf - python | base64";
    let head = [
        "run",
        "--rm",
        "--network=none",
        "--entrypoint",
        "/bin/sh",
        "debian:bookworm-slim",
        "-c",
        script,
    ];
    let text = folder.join("python.b64");
    std::fs::write(&text, bench.docker(&head)).unwrap();
    let archive = folder.join("python.tar.gz");
    let decode = format!(
        "base64 -d {} > {} && sha256sum < {}",
        text.display(),
        archive.display(),
        archive.display()
    );
    let said = Command::new("/bin/sh")
        .args(["-c", &decode])
        .output()
        .unwrap();
    assert!(said.status.success());
    String::from_utf8(said.stdout)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}
