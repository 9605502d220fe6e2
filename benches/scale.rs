//! How the scheduler and the program behave with ten thousand images and more.
//!
//! `cargo bench --bench scale`. First, runs of 10,030 images in virtual time on 100 nodes, by the scheduler of real runs and by
//! two others, beside the lower bound; then real runs with the `fake` builder, whose images take no time: what is measured is
//! imgspec itself. Needs nothing but files. Prints figures; asserts nothing. See `docs/design/scale.md`.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts of thousands"
)]

#[allow(dead_code, reason = "only its shape is needed here")]
mod large;
mod memory;
#[allow(dead_code, reason = "times are taken here")]
mod timing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgspec::backend::Existence;
use imgspec::graph::{Graph, ImageId};
use imgspec::plan::{Action, Facts, Judgement, Plan, Planned};
use imgspec::run::simulation::{Ours, Outage, Scheduler, Simulated, simulate};
use imgspec::spec::{Base, Copy, CopyFrom, ImageSpec, WorkspacePath};
use imgspec::workspace::{Image, Places};
use timing::imgspec;

/// How often the shape of the large graph is repeated: 59 times 170 images.
const TIMES: usize = 59;

const NODES: usize = 100;

/// The seconds that the fifteen images of `examples/monorepo` took, one at a time.
const MEASURED: [f64; 15] = [
    42.6, 54.7, 0.3, 2.6, 0.7, 5.0, 5.0, 5.4, 9.7, 3.0, 0.2, 1.7, 3.0, 15.0, 1.4,
];

/// Different durations, and different failures.
const SEEDS: u64 = 5;

fn main() {
    // `cargo test --benches` only checks that this starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let graph = graph(&large::wider(TIMES));
    println!("{} images on {NODES} nodes, in virtual time:", graph.len());
    println!(
        "  what                               ours   unknown    levels      FIFO   (times the lower bound)"
    );
    for nodes in [10, NODES, 1000] {
        compare(&graph, nodes, 0.0);
    }
    for share in [0.1, 0.5] {
        compare(&graph, NODES, share);
    }
    for images in [10_000, 100_000] {
        beyond(images);
    }
    for images in [1_000, 10_000] {
        measure(images);
    }
}

/// A generator of numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("less than a limit")
    }
}

fn graph(needs: &[Vec<usize>]) -> Graph {
    let image = |(at, needs): (usize, &Vec<usize>)| {
        let base = needs
            .first()
            .map_or(Base::Scratch, |base| Base::Image(format!("i{base}")));
        let copy = |other: &usize| Copy {
            from: CopyFrom::Image {
                image: format!("i{other}"),
                path: "/src".into(),
            },
            to: None,
            owner: None,
        };
        Image {
            id: format!("i{at}"),
            spec: Box::new(ImageSpec {
                base_image: Some(base),
                copy: needs.iter().skip(1).map(copy).collect(),
                ..ImageSpec::default()
            }),
            folder: WorkspacePath::default(),
            places: Places::default(),
            allows: Vec::new(),
        }
    };
    Graph::new(&needs.iter().enumerate().map(image).collect::<Vec<_>>()).expect("no cycles")
}

/// A plan that builds everything, with these expected durations.
fn plan(graph: &Graph, seconds: impl Fn(ImageId) -> Option<f64>) -> Plan {
    let planned = |id: &ImageId| Planned {
        id: *id,
        action: Action::Build,
        reasons: Vec::new(),
        asked: true,
        seconds: seconds(*id),
    };
    Plan::of(graph, graph.order().iter().map(planned).collect())
}

/// Compares schedules on so many nodes, of which this share fails once, for ten minutes each.
fn compare(graph: &Graph, nodes: usize, share: f64) {
    let mut ratios: [Vec<f64>; 4] = Default::default();
    let (mut bounds, mut lost) = (Vec::new(), 0);
    for seed in 1..=SEEDS {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let times: Vec<Duration> = (0..graph.len())
            .map(|_| Duration::from_secs_f64(MEASURED[dice.below(MEASURED.len())]))
            .collect();
        let known = plan(graph, |id| Some(times[id.index()].as_secs_f64()));
        let path = known.critical_path(graph).1;
        let work: f64 = times.iter().map(Duration::as_secs_f64).sum();
        let bound = path.max(work / nodes as f64);
        let fails = (nodes as f64 * share) as usize;
        let outages: Vec<Outage> = (0..fails)
            .map(|node| Outage {
                node,
                at: Duration::from_secs_f64(bound * dice.below(1000) as f64 / 1000.0),
                lasts: Duration::from_mins(10),
            })
            .collect();
        let run = |scheduler: &mut dyn Scheduler| simulate(scheduler, &times, nodes, &outages);
        let runs: [Simulated; 4] = [
            run(&mut Ours::new(graph, known)),
            run(&mut Ours::new(graph, plan(graph, |_| None))),
            run(&mut Levels::new(graph, &times)),
            run(&mut Fifo::new(graph)),
        ];
        for (ratios, run) in ratios.iter_mut().zip(&runs) {
            assert_eq!(run.built, graph.len(), "every image is built");
            ratios.push(run.end.as_secs_f64() / bound);
        }
        lost += runs[0].lost;
        bounds.push(bound);
    }
    let what = format!(
        "{nodes} nodes, {:.0} % fail, bound {:.0} s",
        share * 100.0,
        mean(&bounds)
    );
    let ratios = ratios.map(|ratios| format!("{:8.3}", mean(&ratios)));
    println!(
        "  {what:<32} {}   {} builds lost",
        ratios.join("  "),
        lost / SEEDS as usize
    );
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// How many bases of each image are not built yet.
fn open_bases(graph: &Graph) -> Vec<usize> {
    graph.ids().map(|id| graph.bases(id).len()).collect()
}

/// Starts what was ready first.
struct Fifo<'g> {
    graph: &'g Graph,
    open: Vec<usize>,
    ready: VecDeque<ImageId>,
}

impl<'g> Fifo<'g> {
    fn new(graph: &'g Graph) -> Self {
        let open = open_bases(graph);
        let ready = graph.ids().filter(|id| open[id.index()] == 0).collect();
        Self { graph, open, ready }
    }
}

impl Scheduler for Fifo<'_> {
    fn next(&mut self) -> Option<ImageId> {
        self.ready.pop_front()
    }

    fn ended(&mut self, image: ImageId) {
        for above in self.graph.dependents(image) {
            self.open[above.index()] -= 1;
            if self.open[above.index()] == 0 {
                self.ready.push_back(*above);
            }
        }
    }

    fn lost(&mut self, image: ImageId) {
        self.ready.push_front(image);
    }
}

/// Builds one level after the other, within each the longest images first.
struct Levels {
    /// The images of each level; the first one is being built.
    levels: VecDeque<BTreeSet<(std::cmp::Reverse<Duration>, ImageId)>>,
    times: BTreeMap<ImageId, Duration>,
    running: usize,
}

impl Levels {
    fn new(graph: &Graph, times: &[Duration]) -> Self {
        let mut level = vec![0; graph.len()];
        let mut levels = VecDeque::new();
        for id in graph.order() {
            let below = graph.bases(*id).iter().map(|base| level[base.index()] + 1);
            let own: usize = below.max().unwrap_or(0);
            level[id.index()] = own;
            if levels.len() == own {
                levels.push_back(BTreeSet::new());
            }
            levels[own].insert((std::cmp::Reverse(times[id.index()]), *id));
        }
        Self {
            levels,
            times: graph.ids().map(|id| (id, times[id.index()])).collect(),
            running: 0,
        }
    }
}

impl Scheduler for Levels {
    fn next(&mut self) -> Option<ImageId> {
        while self.running == 0 && self.levels.front().is_some_and(BTreeSet::is_empty) {
            self.levels.pop_front();
        }
        let (_, image) = self.levels.front_mut()?.pop_first()?;
        self.running += 1;
        Some(image)
    }

    fn ended(&mut self, _: ImageId) {
        self.running -= 1;
    }

    fn lost(&mut self, image: ImageId) {
        self.running -= 1;
        let key = (std::cmp::Reverse(self.times[&image]), image);
        if let Some(level) = self.levels.front_mut() {
            level.insert(key);
        }
    }
}

/// The parts of a run that see all images at once, in this process: a workspace may have 10,000 images, these may have more.
fn beyond(images: usize) {
    let needs = large::wider(images.div_ceil(large::graph().len()));
    let mut last = Instant::now();
    let mut lap = || {
        let seconds = last.elapsed().as_secs_f64();
        last = Instant::now();
        seconds
    };
    let graph = graph(&needs);
    let made = lap();
    let facts: Vec<Facts> = graph.ids().map(|_| nothing()).collect();
    let asked: BTreeSet<ImageId> = graph.ids().collect();
    lap();
    let plan = Plan::new(&graph, &asked, &facts, Judgement::default());
    let planned = lap();
    let times = vec![Duration::from_secs(1); graph.len()];
    let run = simulate(&mut Ours::new(&graph, plan), &times, NODES, &[]);
    let scheduled = lap();
    assert_eq!(run.built, graph.len());
    println!(
        "{} images: the graph takes {made:.2} s, the plan {planned:.2} s, all decisions of a run on {NODES} nodes {scheduled:.2} s",
        graph.len()
    );
}

/// An image that nobody has ever built.
fn nothing() -> Facts {
    Facts {
        key: "0".repeat(64).parse().expect("a key"),
        record: None,
        unreadable: None,
        local: Existence::Absent,
        registry: None,
        names: Vec::new(),
        is_flytekit: false,
        changes: Vec::new(),
    }
}

/// Whole processes with so many images that take no time.
fn measure(images: usize) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let root = folder.path();
    workspace(root, images);
    println!("{images} images, with the builder `fake` and no time for builds:");
    let plan = &["graph", "plan"][..];
    let steps = [
        ("check", &["check"][..]),
        ("graph plan, nothing built yet", plan),
        ("graph build", &["graph", "build"]),
        ("graph plan, nothing to do", plan),
        ("graph build, nothing to do", &["graph", "build"]),
    ];
    for (what, words) in steps {
        let start = Instant::now();
        let memory = memory::peak(&mut quiet(root, words));
        println!(
            "  {what}: {:.2} s, {memory} MiB",
            start.elapsed().as_secs_f64()
        );
    }
    let (files, bytes) = size(&root.join(".imgspec"));
    println!("  state directory: {files} files, {} MiB", bytes >> 20);
}

fn quiet(root: &Path, words: &[&str]) -> Command {
    let mut command = imgspec(root);
    command.args(words).arg("--quiet");
    if words[0] == "graph" {
        command.args(["--builder", "fake"]);
    }
    command.env("IMGSPEC_FAKE_SECONDS", "0");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The shape of the large graph again, with one small file that all images copy.
fn workspace(root: &Path, images: usize) {
    let needs = large::wider(images.div_ceil(large::graph().len()));
    std::fs::create_dir(root.join("parts")).expect("a directory");
    write(&root.join("parts/f"), "file\n");
    write(
        &root.join("imgspec.kdl"),
        "workspace { include \"parts/*.kdl\"; }\n",
    );
    for (part, some) in needs[..images].chunks(10_000).enumerate() {
        let mut text = String::new();
        for (at, needs) in (part * 10_000..).zip(some) {
            let base = needs.first().map_or("\"scratch\"".to_owned(), |base| {
                format!("image=\"i{base}\"")
            });
            let _ = writeln!(
                text,
                "image \"i{at}\" {{ base-image {base}; copy \"f\" to=\"/f{at}\"; }}"
            );
        }
        write(&root.join(format!("parts/{part:02}.kdl")), &text);
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
}

fn size(folder: &Path) -> (usize, u64) {
    let (mut files, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let about = entry.metadata().expect("it is there");
        if about.is_dir() {
            let (more, larger) = size(&entry.path());
            (files, bytes) = (files + more, bytes + larger);
        } else {
            (files, bytes) = (files + 1, bytes + about.len());
        }
    }
    (files, bytes)
}
