//! Compares builds with envd to plain envd, called for one image after another as flytekit does; and the exchange,
//! through which bases reach envd, to a registry and to the disk.
//!
//! Needs a Docker engine that has `debian:bookworm-slim` (selected by `DOCKER_HOST`), `envd` in PATH, and for
//! comparison a registry in `IMGSPEC_BENCH_REGISTRY` (`host:port`, without TLS); run with `cargo bench --bench envd`.
//! Prints ratios and asserts nothing. Both sides are timed alternately and medians compared; both build identical
//! `build.envd` files, none of which is in a cache.

mod timing;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use imgspec::backend::oci::exchange::Exchange;
use imgspec::backend::oci::name::Digest;
use imgspec::backend::oci::store::Store;
use timing::{imgspec, median, time};

const IMAGES: usize = 8;
const ROUNDS: usize = 5;

/// How long the engine rests before a build: it keeps working after a build returns, which would be attributed to the
/// other side.
const REST: Duration = Duration::from_secs(4);

/// Size of a blob, in MiB.
const SIZE: u32 = 256;
const BLOB: usize = (SIZE as usize) << 20;

fn main() {
    // `cargo test --benches` only checks that this starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    exchange();
    images();
}

/// Eight images on one base with trivial commands, so that the tools' overhead dominates.
fn images() {
    let Some(registry) = registry() else {
        println!("no registry in IMGSPEC_BENCH_REGISTRY: skipping images");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary directory");
    let root = folder.path();
    let base = format!("{registry}/imgspec-bench-base:1");
    time(Command::new("docker").args(["tag", "debian:bookworm-slim", &base]));
    time(Command::new("docker").args(["push", "--quiet", &base]));
    let envd = Alone::prepare(&registry);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // envd's HOME is set up once, outside the measurement.
    write_images(root, &base);
    time(imgspec(root).args(["graph", "build"]));
    for _ in 0..ROUNDS {
        write_images(root, &base);
        std::thread::sleep(REST);
        ours.push(time(imgspec(root).args(["graph", "build"])));
        write_images(root, &base);
        std::thread::sleep(REST);
        theirs.push(envd.build_all(root));
    }
    let (ours, theirs) = (median(ours).as_secs_f64(), median(theirs).as_secs_f64());
    let ratio = theirs / ours;
    println!(
        "{IMAGES} images with envd, cold: {ours:.2} s; `envd build` one after another: {theirs:.2} s ({ratio:.1} times as fast)"
    );
    clean_up();
}

fn registry() -> Option<String> {
    let said = std::env::var("IMGSPEC_BENCH_REGISTRY").ok();
    said.filter(|said| !said.is_empty())
}

/// Writes a manifest whose images are in no cache.
fn write_images(root: &Path, base: &str) {
    let since = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    let mut manifest = String::new();
    for at in 0..IMAGES {
        let _ = writeln!(
            manifest,
            "image \"imgspec-bench-{at}\" {{\n    builder \"envd\"\n    base-image \"{base}\"\n    commands \"echo {since} > /a\" \"cat /a > /b\"\n}}"
        );
    }
    std::fs::write(root.join("imgspec.kdl"), manifest).expect("a manifest");
}

/// envd as used without imgspec, in a HOME that is already set up.
struct Alone(tempfile::TempDir);

impl Alone {
    fn prepare(registry: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let containers = home.path().join(".config/containers");
        std::fs::create_dir_all(&containers).expect("a directory");
        let text = format!("[[registry]]\nlocation = \"{registry}\"\ninsecure = true\n");
        std::fs::write(containers.join("registries.conf"), text).expect("a file");
        let alone = Self(home);
        let create = ["context", "create", "--name", "bench", "--builder"];
        time(alone.envd().args(create).args(["moby-worker", "--use"]));
        alone
    }

    fn envd(&self) -> Command {
        let mut envd = Command::new("envd");
        envd.env("HOME", self.0.path())
            .env("ENVD_ANALYTICS", "false");
        envd
    }

    /// Builds the files that imgspec renders for envd; the rendering is not timed.
    fn build_all(&self, root: &Path) -> Duration {
        let all = tempfile::tempdir().expect("a temporary directory");
        let names = (0..IMAGES).map(|at| format!("imgspec-bench-{at}"));
        let names: Vec<String> = names.collect();
        for name in &names {
            let folder = all.path().join(name);
            time(imgspec(root).args(["render", name, "-o"]).arg(folder));
        }
        let began = Instant::now();
        for name in &names {
            let mut build = self.envd();
            build.args(["build", "--force", "--tag", &format!("{name}:alone")]);
            time(build.arg("--path").arg(all.path().join(name)));
        }
        began.elapsed()
    }
}

fn clean_up() {
    let mut list = Command::new("docker");
    list.args(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
    let said = list.output().expect("docker starts");
    let names = String::from_utf8_lossy(&said.stdout).into_owned();
    let names = names.lines().filter(|name| name.contains("imgspec-bench-"));
    let mut remove = Command::new("docker");
    remove.args(["image", "rm", "--force"]).args(names);
    let _ = remove.output();
}

/// Writes and reads one blob, with the exchange, a registry and the plain disk.
fn exchange() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&folder.path().join("oci")).expect("a store");
    let exchange =
        Exchange::start(&store, &imgspec::limits::Limits::default()).expect("an exchange");
    let own = exchange.repository("bench").expect("a name");
    let peer = registry().map(|host| format!("{host}/imgspec-bench"));
    let mut blob = noise();
    let mut times: [Vec<Duration>; 6] = Default::default();
    for round in 0..ROUNDS {
        blob[..8].copy_from_slice(&(round as u64).to_le_bytes());
        for (at, to) in [Some(&own), peer.as_ref()].into_iter().enumerate() {
            let Some(to) = to else { continue };
            times[at * 2].push(push(to, &blob));
            times[at * 2 + 1].push(pull(to, &blob));
        }
        let path = folder.path().join("limit");
        times[4].push(write(&path, &blob));
        times[5].push(read(&path));
    }
    let speed = |times: &[Duration]| {
        let seconds = median(times.to_vec()).as_secs_f64();
        f64::from(SIZE) / seconds
    };
    for (what, at) in [("push", 0), ("pull", 1)] {
        let (ours, limit) = (speed(&times[at]), speed(&times[at + 4]));
        let theirs = if times[at + 2].is_empty() {
            "no registry in IMGSPEC_BENCH_REGISTRY".to_owned()
        } else {
            let theirs = speed(&times[at + 2]);
            let ratio = ours / theirs;
            format!("the registry: {theirs:.0} MiB/s ({ratio:.1} times as fast)")
        };
        println!(
            "exchange, {what} of a blob: {ours:.0} MiB/s; {theirs}; the disk: {limit:.0} MiB/s"
        );
    }
}

/// Incompressible bytes.
fn noise() -> Vec<u8> {
    let mut bytes = vec![0; BLOB];
    let mut source = File::open("/dev/urandom").expect("randomness");
    source.read_exact(&mut bytes).expect("randomness");
    bytes
}

fn push(to: &str, blob: &[u8]) -> Duration {
    let (host, name) = to.split_once('/').expect("a host");
    let digest = Digest::of(blob);
    let began = Instant::now();
    let answer = ureq::post(&format!("http://{host}/v2/{name}/blobs/uploads/")).send_empty();
    let answer = answer.expect("an upload");
    let place = answer.headers()["location"].to_str().expect("text");
    let place = if place.starts_with('/') {
        format!("http://{host}{place}")
    } else {
        place.to_owned()
    };
    let sign = if place.contains('?') { '&' } else { '?' };
    let done = ureq::put(&format!("{place}{sign}digest={digest}")).send(blob);
    assert_eq!(done.expect("a blob").status(), 201);
    began.elapsed()
}

fn pull(from: &str, blob: &[u8]) -> Duration {
    let (host, name) = from.split_once('/').expect("a host");
    let digest = Digest::of(blob);
    let began = Instant::now();
    let answer = ureq::get(&format!("http://{host}/v2/{name}/blobs/{digest}")).call();
    let mut reader = answer.expect("a blob").into_body().into_reader();
    let size = std::io::copy(&mut reader, &mut std::io::sink()).expect("a blob");
    assert_eq!(size, BLOB as u64);
    began.elapsed()
}

/// The minimum that a store has to do: hash and write to disk.
fn write(path: &Path, blob: &[u8]) -> Duration {
    let began = Instant::now();
    let mut file = File::create(path).expect("a file");
    for piece in blob.chunks(256 << 10) {
        file.write_all(piece).expect("room");
    }
    std::hint::black_box(Digest::of(blob));
    file.sync_data().expect("a disk");
    began.elapsed()
}

fn read(path: &Path) -> Duration {
    let began = Instant::now();
    let mut file = File::open(path).expect("a file");
    std::io::copy(&mut file, &mut std::io::sink()).expect("a file");
    began.elapsed()
}
