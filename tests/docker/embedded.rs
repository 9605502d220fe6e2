//! The embedded builder beside Docker: the same manifest gives the same files and the same config, and its images run.

#[path = "embedded/conda.rs"]
mod conda;
#[path = "embedded/parity.rs"]
mod parity;
#[path = "embedded/reach.rs"]
mod reach;
#[path = "embedded/saved.rs"]
pub(crate) mod saved;
#[path = "embedded/taken.rs"]
mod taken;

use std::process::Command;

use crate::engine::{by_turns, engines};
use crate::sandbox::{Ran, Sandbox};
use crate::{docker, nonce, on};

/// A base with links between directories, a directory anybody may write to, accounts and settings of its own.
const BASE: &str = "
FROM busybox:1.36
RUN mkdir -p /usr/lib2 /var/open /srv/kept && ln -s usr/lib2 /lib2 && ln -s /srv /var/srv && chmod 1777 /var/open \\
 && echo old > /srv/kept/file && chmod 700 /srv/kept && chown 5:6 /srv/kept && echo app:x:70:71::/:/bin/sh >> /etc/passwd \\
 && echo crew:x:72: >> /etc/group && echo x > /usr/lib2/x && ln -s x /usr/lib2/link
ENV A=base B=base
WORKDIR /srv
ENTRYPOINT [\"/bin/sh\", \"-c\"]
CMD [\"echo base\"]
LABEL kept=yes
";

const IMAGES: &str = r#"
image "lib" {
    base-image "BASE"
    env A="own" C="with = and \"quotes\""
    copy "tree" to="/lib2"
    copy "tree" to="/var/open/"
    copy "one.txt" to="/var/open"
    copy "one.txt" to="/new/a/b/"
    copy "one.txt" to="/new/renamed.txt"
    commands "echo made > /made; ln /made /made2; mkdir /opened; chmod 1777 /opened; mknod /pipe p; chown 5:6 /pipe" \
        "rm -r /usr/lib2/two /var/open/sub; mkdir /usr/lib2/two; echo x > /usr/lib2/two/new; mv /srv/kept /srv/moved; cp -a /srv/moved /srv/kept" \
        "echo crew2:x:73: >> /etc/group; env | grep -v SOURCE_DATE_EPOCH | sort > /env; id > /id; umask >> /id; ls -a / > /root-of-it" \
        "true"
}
image "app" {
    base-image image="lib"
    workdir "/srv/work/place"
    copy "tree" to="here" owner="app"
    copy "tree" to="/srv/kept" owner="1234"
    copy "one.txt" to="/var/srv/through-a-link.txt" owner="app:crew"
    copy "one.txt" to="/lib2/link"
    copy "one.txt" to="/lib2/two/three.txt" owner="1:2"
    commands "pwd > /pwd; id >> /pwd; echo $HOME >> /pwd; chown app:crew2 /made; chmod 4755 /made2"
    entrypoint "/bin/echo" "hello"
    labels own="yes"
    user "app"
}
"#;

/// A registry and engine with a base, and a workspace.
struct Bench {
    sandbox: Sandbox,
    engine: String,
    base: String,
    prefix: String,
}

impl Bench {
    fn new(engine: &str) -> Self {
        let this = Self::on(engine, BASE);
        let write = |path: &str, text: &str| this.sandbox.write(path, text);
        write("one.txt", "one\n");
        write("tree/a.txt", "a\n");
        write("tree/sub/run.sh", "#!/bin/sh\n");
        write("tree/two/deep/b.txt", "b\n");
        let script = this.sandbox.path("tree/sub/run.sh");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(script, executable).unwrap();
        std::os::unix::fs::symlink("../a.txt", this.sandbox.path("tree/sub/link")).unwrap();
        this
    }

    /// With a base that this Dockerfile makes.
    fn on(engine: &str, base: &str) -> Self {
        let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
        let word = nonce();
        let prefix = format!("{registry}/imgspec-test/embedded-{word}");
        let this = Self {
            sandbox: on(engine),
            engine: engine.to_owned(),
            base: format!("{prefix}/base:1"),
            prefix,
        };
        this.image(&this.base, base);
        this
    }

    /// Makes an image with a Dockerfile and the files beside it in `../make`, and pushes it.
    fn image(&self, name: &str, dockerfile: &str) {
        self.sandbox.write("../make/Dockerfile", dockerfile);
        let folder = self.sandbox.path("../make").display().to_string();
        let build = [
            "buildx",
            "build",
            "--builder",
            "default",
            "--provenance=false",
            "-q",
            "-t",
            name,
        ];
        self.docker(&[&build[..], &[&folder]].concat());
        self.docker(&["push", "-q", name]);
    }

    fn docker(&self, arguments: &[&str]) -> String {
        docker(&self.engine, arguments).success().stdout
    }

    /// Builds the images with a builder, pushes them, and returns the reference of `app`.
    fn build(&self, builder: &str) -> String {
        self.build_of(IMAGES, builder)
    }

    fn build_of(&self, images: &str, builder: &str) -> String {
        let images = images.replace("BASE", &self.base);
        let head = format!(
            "defaults {{ registry \"{}/{builder}\"; builder \"{builder}\"; }}\n",
            self.prefix
        );
        self.sandbox
            .write("imgspec.kdl", &format!("{head}{images}"));
        let ran = self.sandbox.run(&["graph", "build", "--push"]);
        let ran = ran.success();
        assert!(ran.stderr.contains("built 2, pushed 2"), "{}", ran.stderr);
        self.sandbox
            .run(&["tag", "app"])
            .success()
            .stdout
            .trim()
            .to_owned()
    }

    /// Every file of an image with kind, mode, owner and content.
    fn files(&self, image: &str) -> Vec<String> {
        let script = "find / -xdev ! -path '/proc*' ! -path '/sys*' ! -path '/dev*' ! -path '/etc/hosts' ! -path /etc/hostname \
                      ! -path /etc/resolv.conf ! -path /etc/mtab ! -path '/.docker*' | sort | while read -r f; do \
                      echo \"$(stat -c '%n %F %a %u:%g' \"$f\") $(readlink \"$f\") $([ -f \"$f\" ] && md5sum < \"$f\")\"; done";
        let run = [
            "run",
            "--rm",
            "--user",
            "0",
            "--entrypoint",
            "/bin/sh",
            image,
            "-c",
            script,
        ];
        self.docker(&run).lines().map(str::to_owned).collect()
    }

    /// An image by Docker and a pushed one by the embedded builder have the same files and config.
    #[track_caller]
    fn are_equal(&self, by_docker: &str, embedded: &str) {
        self.docker(&["pull", "-q", embedded]);
        let (wanted, found) = (self.files(by_docker), self.files(embedded));
        let missing: Vec<_> = wanted.iter().filter(|line| !found.contains(line)).collect();
        let extra: Vec<_> = found.iter().filter(|line| !wanted.contains(line)).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "Docker: {missing:#?}\nembedded: {extra:#?}"
        );
        assert!(wanted.len() > 250, "{} files", wanted.len());
        assert_eq!(self.config(by_docker), self.config(embedded));
    }

    fn config(&self, image: &str) -> serde_json::Value {
        let text = self.docker(&["image", "inspect", "--format", "{{json .Config}}", image]);
        let config: serde_json::Value = serde_json::from_str(&text).unwrap();
        let of = ["Env", "Entrypoint", "Cmd", "User", "WorkingDir", "Labels"];
        let value = |name: &&str| {
            let mut value = config[*name].clone();
            if let Some(labels) = value.as_object_mut() {
                // These name keys and bases, which have the builder in their names here.
                labels.retain(|name, _| {
                    !name.starts_with("dev.imgspec.") && !name.starts_with("org.opencontainers.")
                });
            }
            value
        };
        of.iter().map(value).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let filter = format!("reference={}/*", self.prefix);
        let deep = format!("reference={}/*/*", self.prefix);
        let list = ["image", "ls", "-q", "--filter", &filter, "--filter", &deep];
        let images = docker(&self.engine, &list).stdout;
        let images: Vec<&str> = images.lines().collect();
        let _: Ran = docker(
            &self.engine,
            &[&["image", "rm", "--force"], images.as_slice()].concat(),
        );
    }
}

#[test]
fn the_embedded_builder_makes_what_docker_makes() {
    for (_, engine) in by_turns() {
        let bench = Bench::new(&engine);
        let by_docker = bench.build("docker");
        let embedded = bench.build("oci");
        bench.are_equal(&by_docker, &embedded);
        assert_eq!(bench.docker(&["run", "--rm", &embedded]), "hello\n");
    }
}

#[test]
fn archives_and_layouts_are_loaded() {
    for (store, engine) in by_turns() {
        let bench = Bench::new(&engine);
        let images = IMAGES.replace("BASE", &bench.base);
        let head = format!(
            "defaults {{ registry \"{}/files\"; builder \"oci\"; }}\n",
            bench.prefix
        );
        bench
            .sandbox
            .write("imgspec.kdl", &format!("{head}{images}"));
        bench
            .sandbox
            .run(&["graph", "build", "--output", "tar:images.tar"])
            .success();
        let archive = bench.sandbox.path("images.tar").display().to_string();
        let loaded = bench.docker(&["load", "-i", &archive]);
        assert_eq!(loaded.matches("Loaded image").count(), 2, "{loaded}");
        let app = bench.sandbox.run(&["tag", "app"]).success().stdout;
        assert_eq!(bench.docker(&["run", "--rm", app.trim()]), "hello\n");

        bench
            .sandbox
            .run(&["graph", "build", "app", "--output", "oci:layout"])
            .success();
        // Only containerd's store reads a layout as it is: the classic one wants the list that an archive has.
        if store == "containerd" {
            bench.docker(&["image", "rm", "--force", app.trim()]);
            let (layout, file) = (
                bench.sandbox.path("layout"),
                bench.sandbox.path("layout.tar"),
            );
            let mut tar = Command::new("tar");
            tar.arg("-cf").arg(&file).arg("-C").arg(&layout).arg(".");
            assert!(tar.status().unwrap().success());
            bench.docker(&["load", "-i", &file.display().to_string()]);
            assert_eq!(bench.docker(&["run", "--rm", app.trim()]), "hello\n");
        }
    }
}

#[test]
fn images_on_one_base_fetch_it_once() {
    let (_, engine) = engines().swap_remove(0);
    let bench = Bench::new(&engine);
    let image = |at: usize| {
        let base = &bench.base;
        format!("image \"i{at}\" {{ base-image \"{base}\"; env AT=\"{at}\"; }}\n")
    };
    let images = (0..8).map(image).collect::<Vec<_>>().concat();
    bench.sandbox.write(
        "imgspec.kdl",
        &format!("defaults {{ builder \"oci\"; }}\n{images}"),
    );
    let ran = bench
        .sandbox
        .run(&["--progress", "json", "graph", "build", "--jobs", "8"]);
    let said = ran.success().stderr;
    let lines = said.lines().filter(|line| line.contains("\"image-log\""));
    let mut fetched: Vec<&str> = lines
        .filter_map(|line| Some(line.split("fetching ").nth(1)?.trim_end_matches("\"}")))
        .collect();
    assert!(fetched.len() > 3, "{said}");
    fetched.sort_unstable();
    let all = fetched.len();
    fetched.dedup();
    assert_eq!(fetched.len(), all, "a blob was fetched twice: {said}");
}
