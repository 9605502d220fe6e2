//! Compares the embedded builder with `docker buildx build` (uv, warm cache mount) and `docker push`: numpy, pandas, scipy and
//! scikit-learn on a Debian base, from known wheels to a finished image in a registry. Beside it, the least that must be
//! done: inflating and hashing the bytes of the wheels.
//!
//! Needs a Docker engine that has `debian:bookworm-slim` with Python and `ghcr.io/astral-sh/uv:0.9` (selected by
//! `DOCKER_HOST`), a registry in `IMGSPEC_BENCH_REGISTRY` (`host:port`, without TLS), and the package index. Run it with
//! `cargo bench --bench embedded`: about five minutes. Prints medians and ratios, asserts nothing.

mod memory;
mod timing;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use sha2::{Digest, Sha256};
use timing::{imgspec, median, time};

const ROUNDS: usize = 5;

/// How long the engine rests before a build: it keeps working after a build has returned.
const REST: Duration = Duration::from_secs(4);

const PACKAGES: [&str; 4] = [
    "numpy==2.2.6",
    "pandas==2.2.3",
    "scipy==1.15.3",
    "scikit-learn==1.6.1",
];

/// Other packages for other combinations.
const SMALL: [&str; 6] = ["click", "jinja2", "pyyaml", "tqdm", "httpx", "rich"];

fn main() {
    // `cargo test --benches` only checks that this starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let Ok(registry) = std::env::var("IMGSPEC_BENCH_REGISTRY") else {
        println!("no registry in IMGSPEC_BENCH_REGISTRY");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary directory");
    let bench = Bench::new(folder.path(), registry);
    bench.cold_to_registry();
    bench.combinations();
    bench.edited_file();
    bench.large_wheel();
}

struct Bench<'a> {
    root: &'a Path,
    registry: String,
    /// The base, in the registry.
    base: String,
    cache: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(root: &'a Path, registry: String) -> Self {
        let base = format!("{registry}/imgspec-bench/python:1");
        time(Command::new("docker").args(["tag", "debian:bookworm-slim", &base]));
        time(Command::new("docker").args(["push", "--quiet", &base]));
        let cache = root.join("cache");
        Self {
            root,
            registry,
            base,
            cache,
        }
    }

    fn imgspec(&self, arguments: &[&str]) -> Command {
        let mut command = imgspec(self.root);
        command.args(arguments).env("IMGSPEC_CACHE", &self.cache);
        command
    }

    /// A repository of this bench that nobody else has used.
    fn fresh_name(&self, what: &str) -> String {
        let now = std::time::UNIX_EPOCH.elapsed().expect("a clock");
        format!("{}/imgspec-bench/{what}-{}", self.registry, now.as_nanos())
    }

    fn write(&self, text: &str) {
        let text = text.replace(&format!("name \"{}/", self.registry), "name \"");
        let registry = &self.registry;
        let text = format!("defaults {{ builder \"oci\"; registry \"{registry}\"; }}\n{text}");
        std::fs::write(self.root.join("imgspec.kdl"), text).expect("a manifest");
    }

    fn write_science(&self, name: &str) {
        let (base, packages) = (&self.base, PACKAGES.join("\" \""));
        self.write(&format!(
            "image \"science\" {{\n    name \"{name}\"\n    base-image \"{base}\"\n    packages \"{packages}\"\n}}\n"
        ));
    }

    /// Known wheels and a known base; every layer is made anew and sent to a new repository, as with Docker.
    fn cold_to_registry(&self) {
        self.write_science(&self.fresh_name("ours"));
        time(&mut self.imgspec(&["lock"]));
        time(&mut self.imgspec(&["graph", "build", "--push"]));
        self.docker_round();
        let (mut ours, mut theirs, mut limits) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            self.write_science(&self.fresh_name("ours"));
            std::thread::sleep(REST);
            ours.push(time(
                &mut self.imgspec(&["graph", "build", "--push", "--force"]),
            ));
            std::thread::sleep(REST);
            theirs.push(self.docker_round());
            limits.push(self.least());
        }
        let (ours, theirs, least) = (median(ours), median(theirs), median(limits));
        println!(
            "known wheels to the registry: {:.2} s; docker buildx build (uv, warm cache) and push: {:.2} s; ratio {:.3}",
            ours.as_secs_f64(),
            theirs.as_secs_f64(),
            ours.as_secs_f64() / theirs.as_secs_f64()
        );
        println!(
            "inflating and hashing the wheels' bytes on one core: {:.2} s",
            least.as_secs_f64()
        );
    }

    /// Builds and pushes with Docker; what uv downloads is in its cache after the first time.
    fn docker_round(&self) -> Duration {
        let (base, packages) = (&self.base, PACKAGES.join(" "));
        let name = self.fresh_name("docker");
        let dockerfile = format!(
            "FROM {base}\nARG ROUND\nRUN --mount=type=cache,target=/root/.cache/uv --mount=from=ghcr.io/astral-sh/uv:0.9,source=/uv,target=/bin/uv \
             echo $ROUND && UV_LINK_MODE=copy uv pip install --system --break-system-packages {packages}\n"
        );
        let context = self.root.join("docker");
        std::fs::create_dir_all(&context).expect("a directory");
        std::fs::write(context.join("Dockerfile"), dockerfile).expect("a Dockerfile");
        let built = time(
            Command::new("docker")
                .args([
                    "buildx",
                    "build",
                    "--builder",
                    "default",
                    "--provenance=false",
                ])
                .args([
                    "--quiet",
                    "--build-arg",
                    &format!("ROUND={name}"),
                    "--tag",
                    &name,
                ])
                .arg(&context),
        );
        built + time(Command::new("docker").args(["push", "--quiet", &name]))
    }

    /// Inflates every file of the wheels in the cache, and hashes the wheels and what is in them.
    fn least(&self) -> Duration {
        let wheels = wheels(&self.cache);
        let start = Instant::now();
        for wheel in &wheels {
            let mut hash = Sha256::new();
            hash.update(wheel);
            let mut inner = Sha256::new();
            let mut buffer = vec![0; 1 << 20];
            for (at, size) in members(wheel) {
                let mut from = DeflateDecoder::new(&wheel[at..at + size]);
                while let Ok(count) = from.read(&mut buffer)
                    && count > 0
                {
                    inner.update(&buffer[..count]);
                }
            }
            std::hint::black_box((hash.finalize(), inner.finalize()));
        }
        start.elapsed()
    }

    /// A set of known wheels that has not been asked for before.
    fn combinations(&self) {
        let image = |id: usize, packages: &[&str]| {
            let (base, packages) = (&self.base, packages.join("\" \""));
            let name = self.fresh_name("small");
            format!(
                "image \"i{id}\" {{\n    name \"{name}\"\n    base-image \"{base}\"\n    packages \"{packages}\"\n}}\n"
            )
        };
        let mut all = String::new();
        let mut sets = Vec::new();
        for at in 0..=ROUNDS {
            let mut set: Vec<&str> = SMALL.to_vec();
            set.remove(at);
            let _ = write!(all, "{}", image(at, &set));
            sets.push(set);
        }
        self.write(&all);
        time(&mut self.imgspec(&["lock"]));
        time(&mut self.imgspec(&["graph", "build", "i0", "i5"]));
        std::thread::sleep(REST);
        let times = (1..ROUNDS).map(|at| {
            let id = format!("i{at}");
            time(&mut self.imgspec(&["graph", "build", &id]))
        });
        println!(
            "a new combination of known wheels: {:.0} ms",
            median(times.collect()).as_secs_f64() * 1000.0
        );
    }

    /// One changed source file on all these packages, to the registry.
    fn edited_file(&self) {
        let (base, packages, name) = (
            &self.base,
            PACKAGES.join("\" \""),
            self.fresh_name("edited"),
        );
        self.write(&format!(
            "image \"science\" {{\n    name \"{name}\"\n    base-image \"{base}\"\n    packages \"{packages}\"\n    copy \"main.py\" to=\"/app/\"\n}}\n"
        ));
        let edit = |at: usize| {
            let text = format!("print({at})\n");
            std::fs::write(self.root.join("main.py"), text).expect("a file");
        };
        edit(0);
        time(&mut self.imgspec(&["lock"]));
        time(&mut self.imgspec(&["graph", "build", "--push"]));
        std::thread::sleep(REST);
        let times = (1..=ROUNDS).map(|at| {
            edit(at);
            time(&mut self.imgspec(&["graph", "build", "--push"]))
        });
        println!(
            "one changed source file, to the registry: {:.0} ms",
            median(times.collect()).as_secs_f64() * 1000.0
        );
    }
}

impl Bench<'_> {
    /// How much memory a wheel of 800 MB takes, and how long it takes to become a layer.
    fn large_wheel(&self) {
        let path = self.root.join("big-1.0-py3-none-any.whl");
        let sha256 = write_wheel(&path);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let served = path.clone();
        std::thread::spawn(move || serve(&listener, &served));
        let lock = format!(
            "lock-version = \"1.0\"\ncreated-by = \"bench\"\n[[packages]]\nname = \"big\"\nversion = \"1.0\"\n\
             wheels = [{{ url = \"http://{address}/big-1.0-py3-none-any.whl\", hashes = {{ sha256 = \"{sha256}\" }} }}]\n"
        );
        std::fs::write(self.root.join("pylock.toml"), lock).expect("a lock");
        let (base, name) = (&self.base, self.fresh_name("big"));
        self.write(&format!(
            "image \"big\" {{\n    name \"{name}\"\n    base-image \"{base}\"\n    requirements \"pylock.toml\"\n}}\n"
        ));
        let memory = memory::peak(&mut self.imgspec(&["graph", "build", "--quiet"]));
        let again = time(&mut self.imgspec(&["graph", "build", "--force"]));
        let size = std::fs::metadata(&path).expect("a file").len() / 1_000_000;
        println!(
            "a wheel of {size} MB: {memory} MiB of memory, fetched first; {:.1} s to become a layer",
            again.as_secs_f64()
        );
    }
}

/// Answers every request with the file.
fn serve(listener: &TcpListener, path: &Path) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let mut file = File::open(path).expect("a file");
        let size = file.metadata().expect("a file").len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(head.as_bytes());
        let _ = std::io::copy(&mut file, &mut stream);
    }
}

/// Writes a wheel with eight files of 200 MB, half of which cannot be compressed; returns its sha256.
fn write_wheel(path: &Path) -> String {
    let mut out = BufWriter::new(File::create(path).expect("a file"));
    let (mut directory, mut at, mut count) = (Vec::new(), 0_u32, 0_u16);
    let mut record = String::new();
    let mut add = |name: &str, content: &[u8], record: Option<&mut String>| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).expect("memory");
        let data = encoder.finish().expect("memory");
        let mut crc = Crc::new();
        crc.update(content);
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).expect("small");
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 33, 0];
        for number in [crc.sum(), size(&data), size(content)] {
            common.extend(number.to_le_bytes());
        }
        common.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
        common.extend([0, 0]);
        let local = [b"PK\x03\x04".as_slice(), &common, name.as_bytes()].concat();
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend((0o100_644_u32 << 16).to_le_bytes());
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
        out.write_all(&local).expect("a disk");
        out.write_all(&data).expect("a disk");
        at += size(&local) + size(&data);
        count += 1;
        if let Some(record) = record {
            let _ = writeln!(record, "{name},,{}", content.len());
        }
    };
    let mut state = 88_172_645_463_325_252_u64;
    for file in 0..8 {
        let mut content = vec![b'x'; 200 << 20];
        for piece in content[..100 << 20].chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            piece.copy_from_slice(&state.to_le_bytes());
        }
        add(&format!("big/data{file}.bin"), &content, Some(&mut record));
    }
    let wheel = b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let metadata = b"Metadata-Version: 2.1\nName: big\nVersion: 1.0\n";
    add("big-1.0.dist-info/WHEEL", wheel, Some(&mut record));
    add("big-1.0.dist-info/METADATA", metadata, Some(&mut record));
    record.push_str("big-1.0.dist-info/RECORD,,\n");
    add("big-1.0.dist-info/RECORD", record.as_bytes(), None);
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    end.extend(u32::try_from(directory.len()).expect("small").to_le_bytes());
    end.extend(at.to_le_bytes());
    end.extend([0, 0]);
    out.write_all(&directory).expect("a disk");
    out.write_all(&end).expect("a disk");
    out.flush().expect("a disk");
    drop(out);
    let mut hash = Sha256::new();
    std::io::copy(
        &mut BufReader::new(File::open(path).expect("a file")),
        &mut hash,
    )
    .expect("a file");
    hex::encode(hash.finalize())
}

/// The wheels that imgspec keeps.
fn wheels(cache: &Path) -> Vec<Vec<u8>> {
    let blobs = cache.join("images/blobs/sha256");
    let files = std::fs::read_dir(blobs).expect("a store");
    let read = files.map(|file| std::fs::read(file.expect("an entry").path()).expect("a blob"));
    read.filter(|bytes| bytes.starts_with(b"PK\x03\x04"))
        .collect()
}

/// The deflated members of a zip, by its directory: where each begins, and its size.
fn members(zip: &[u8]) -> Vec<(usize, usize)> {
    let number = |at: usize, size: usize| {
        let bytes = &zip[at..at + size];
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let end = zip.windows(4).rposition(|bytes| bytes == b"PK\x05\x06");
    let end = end.expect("the end of a zip");
    let mut at = number(end + 16, 4);
    let mut members = Vec::new();
    for _ in 0..number(end + 10, 2) {
        let (method, size, local) = (number(at + 10, 2), number(at + 20, 4), number(at + 42, 4));
        if method == 8 {
            let data = local + 30 + number(local + 26, 2) + number(local + 28, 2);
            members.push((data, size));
        }
        at += 46 + number(at + 28, 2) + number(at + 30, 2) + number(at + 32, 2);
    }
    members
}
