//! Compares packages of Debian installed by the embedded builder with `apt-get install` in `BuildKit`, and a system made of nothing but
//! packages with mmdebstrap; and times the images of the root manifest: from nothing, with nothing to do, after an edit.
//!
//! Each set of packages is installed four times on the same system, in turns: by both with the packages to be fetched, and by both with
//! packages that are there (`BuildKit`'s in cache mounts of the set's own). What is timed ends with an image in the store of each.
//!
//! Needs root, Debian's archive, `mmdebstrap` in `PATH`, and a Docker engine in `DOCKER_HOST`. Run it with `cargo bench --bench debian`;
//! `IMGSPEC_BENCH_SETS=6` installs only the first six sets. Prints medians and ratios, asserts nothing.

mod timing;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use timing::{imgspec, median, time};

/// How often a system is made from nothing.
const ROUNDS: usize = 5;

/// How many sets are installed; a test compares what they install.
const MANY: usize = 30;

/// One on each line.
const SETS: &str = include_str!("../tests/data/debian-sets.txt");

fn main() {
    // `cargo test --benches` only checks that this starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let bench = Bench {
        root: folder.path(),
    };
    bench.demo();
    bench.of_nothing_else();
    if std::env::var_os("DOCKER_HOST").is_none() {
        println!("no engine in DOCKER_HOST: sets of packages are left out");
        return;
    }
    bench.sets();
}

struct Bench<'a> {
    root: &'a Path,
}

impl Bench<'_> {
    fn imgspec(&self, cache: &str, arguments: &[&str]) -> Command {
        let mut command = imgspec(self.root);
        command.args(["graph", "build"]).args(arguments);
        command.env("IMGSPEC_CACHE", self.path(cache));
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn remove(&self, name: &str) {
        time(Command::new("rm").arg("-rf").arg(self.path(name)));
    }

    /// A manifest with a system and with a set of packages on it.
    fn write(&self, set: &str) {
        let packages: Vec<String> = set.split(' ').map(|name| format!("\"{name}\"")).collect();
        let text = format!(
            "defaults {{ builder \"oci\" }}\nimage \"base\" {{ name \"imgspec-bench/base\"; base-image debian=\"bookworm\"; }}\n\
             image \"set\" {{ name \"imgspec-bench/set\"; base-image image=\"base\"; apt-packages {}; }}\n",
            packages.join(" ")
        );
        std::fs::write(self.path("imgspec.kdl"), text).expect("a manifest");
    }

    /// The root manifest with an empty store, then as it is, then after edits of a source
    /// that an image copies and compiles.
    fn demo(&self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in ["imgspec.kdl", "stack"] {
            time(
                Command::new("cp")
                    .arg("-a")
                    .args([root.join(name), self.path(name)]),
            );
        }
        let cold = time(&mut self.imgspec("demo", &[]));
        let (mut fresh, mut edited) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            fresh.push(time(&mut self.imgspec("demo", &[])));
            let file = self.path("stack/report/model.py");
            let text = std::fs::read_to_string(&file).expect("a source");
            std::fs::write(file, format!("{text}\n# edit {round}\n")).expect("a file");
            edited.push(time(&mut self.imgspec("demo", &[])));
        }
        let [fresh, edited] = [fresh, edited].map(|times| median(times).as_secs_f64());
        let cold = cold.as_secs_f64();
        println!(
            "the root manifest: from nothing {cold:.2} s, nothing to do {fresh:.3} s, after an edit {edited:.2} s"
        );
    }

    /// Into an empty store and into an empty directory; both fetch everything.
    fn of_nothing_else(&self) {
        self.write("tini");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            self.remove("empty");
            ours.push(time(&mut self.imgspec("empty", &["base", "--force"])));
            let out = self.path("system.tar");
            let mut command = Command::new("mmdebstrap");
            command.args(["--variant=minbase", "--quiet", "bookworm"]);
            theirs.push(time(command.arg(&out)));
            std::fs::remove_file(out).expect("a tar");
        }
        row(
            "a system from nothing, mmdebstrap",
            median(ours),
            median(theirs),
        );
    }

    fn sets(&self) {
        let count = std::env::var("IMGSPEC_BENCH_SETS").map(|count| count.parse::<usize>());
        let count = count.map_or(MANY, |count| count.expect("a number"));
        time(&mut self.imgspec("known", &["base", "--load"]));
        let base = imgspec(self.root).args(["tag", "base"]).output();
        let base = String::from_utf8(base.expect("it starts").stdout).expect("text");
        println!("set: fetched, BuildKit's; known, BuildKit's");
        let (mut cold, mut warm) = (Vec::new(), Vec::new());
        for set in SETS.lines().take(count) {
            self.write(set);
            // The system is known, the packages are not.
            self.remove("cold");
            time(
                Command::new("cp")
                    .arg("-a")
                    .args([self.path("known"), self.path("cold")]),
            );
            let fetched = time(&mut self.imgspec("cold", &["set"]));
            let by_apt = self.by_apt(base.trim(), set);
            cold.push((fetched, by_apt));
            let known = time(&mut self.imgspec("cold", &["set", "--force"]));
            let known_by_apt = self.by_apt(base.trim(), set);
            warm.push((known, known_by_apt));
            let all = [fetched, by_apt, known, known_by_apt];
            let [a, b, c, d] = all.map(|took| took.as_secs_f64());
            println!("{set}: {a:.2} s, {b:.2} s; {c:.2} s, {d:.2} s");
        }
        summary("packages to be fetched, BuildKit", &cold);
        summary("packages that are there, BuildKit", &warm);
    }

    /// How long `BuildKit` takes for a set. What apt fetches is kept for the next time.
    fn by_apt(&self, base: &str, set: &str) -> Duration {
        let own = format!("{}-{}", self.path("").display(), set.replace(' ', "-"));
        let kept = |target: &str| {
            format!("--mount=type=cache,id={own}-{target},target=/var/{target},sharing=locked")
        };
        let (archives, lists) = (kept("cache/apt"), kept("lib/apt/lists"));
        let text = format!(
            "FROM {base}\nRUN {archives} {lists} apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends {set}\n"
        );
        let context = self.path("context");
        std::fs::create_dir_all(&context).expect("a directory");
        std::fs::write(context.join("Dockerfile"), text).expect("a Dockerfile");
        let mut command = Command::new("docker");
        command.args(["buildx", "build", "--builder=default", "--provenance=false"]);
        command.args([
            "--quiet",
            "--no-cache",
            "--network=host",
            "--tag=imgspec-bench/apt",
        ]);
        let took = time(command.arg(&context));
        let mut remove = Command::new("docker");
        let _ = remove
            .args(["image", "rm", "--force", "imgspec-bench/apt"])
            .stdout(Stdio::null())
            .status();
        took
    }
}

fn row(what: &str, ours: Duration, theirs: Duration) {
    let (ours, theirs) = (ours.as_secs_f64(), theirs.as_secs_f64());
    println!(
        "{what}: {ours:.2} s, {theirs:.2} s, ratio {:.2}",
        ours / theirs
    );
}

/// The medians of both, and of their ratios; and where the ratio is above a half.
fn summary(what: &str, pairs: &[(Duration, Duration)]) {
    let ours = median(pairs.iter().map(|(ours, _)| *ours).collect());
    let theirs = median(pairs.iter().map(|(_, theirs)| *theirs).collect());
    row(what, ours, theirs);
    let ratios = pairs.iter();
    let mut ratios: Vec<f64> = ratios
        .map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64())
        .collect();
    ratios.sort_by(f64::total_cmp);
    let above = ratios.iter().filter(|ratio| **ratio > 0.5).count();
    println!(
        "  ratios of each set: {:.2} to {:.2}, median {:.2}; above a half: {above} of {}",
        ratios[0],
        ratios[ratios.len() - 1],
        ratios[ratios.len() / 2],
        ratios.len()
    );
}
