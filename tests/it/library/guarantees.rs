//! Custom backends, concurrent runs, stopped runs.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgspec::asking::Asker;
use imgspec::backend::{
    Artifact, Availability, Backend, BuildError, Cancel, Existence, Job, Notes, Unsupported, Wanted,
};
use imgspec::recipe::Recipe;
use imgspec::run::Mailbox;
use imgspec::{BackendRegistry, Event, ImageSpec, Images, Request};

use super::{built, fake, no_images, slow_images, three, three_files};
use crate::sandbox::Sandbox;

/// A custom backend that remembers what it built.
#[derive(Default)]
struct Mine {
    kept: Mutex<Vec<(String, String)>>,
    builds: AtomicUsize,
    is_missing: bool,
}

impl Backend for Mine {
    fn name(&self) -> &'static str {
        "called otherwise"
    }

    fn priority(&self) -> u8 {
        0
    }

    fn availability(&self, _: Asker<'_>) -> Availability {
        if self.is_missing {
            return Availability::Missing {
                why: "its oven is cold".into(),
                mend: "light it".into(),
            };
        }
        Availability::Ready {
            versions: Vec::new(),
            remarks: Vec::new(),
        }
    }

    fn check(&self, recipe: &Recipe) -> Vec<Unsupported> {
        let user = recipe.config.user.iter().map(|_| Unsupported {
            field: "user".into(),
            why: "it bakes for everybody".into(),
        });
        user.collect()
    }

    fn render(&self, _: &Job<'_>, _: &Path) -> Result<(), BuildError> {
        Ok(())
    }

    fn exists(&self, wanted: &[Wanted<'_>], _: Asker<'_>) -> Vec<Existence> {
        let kept = self.kept.lock().unwrap();
        let find = |wanted: &Wanted<'_>| {
            let found = kept.iter().find(|(name, _)| name == wanted.reference);
            found.map_or(Existence::Absent, |(_, key)| Existence::Present {
                key: Some(key.clone()),
                digest: "sha256:0".into(),
                size: None,
            })
        };
        wanted.iter().map(find).collect()
    }

    fn build(&self, job: &Job<'_>, notes: &dyn Notes, _: &Cancel) -> Result<Artifact, BuildError> {
        notes.log("baking");
        self.builds.fetch_add(1, Ordering::SeqCst);
        let kept = (job.reference.to_owned(), job.key.to_string());
        self.kept.lock().unwrap().push(kept);
        Ok(Artifact {
            backend: self.name().into(),
            reference: job.reference.into(),
            digest: "sha256:0".into(),
            size: None,
        })
    }

    fn push(
        &self,
        _: &Job<'_>,
        _: &Artifact,
        _: &dyn Notes,
        _: &Cancel,
    ) -> Result<Option<String>, BuildError> {
        Ok(None)
    }
}

fn bakery(sandbox: &Sandbox, first: &Arc<Mine>, second: &Arc<Mine>) -> Images {
    let mut backends = BackendRegistry::new();
    backends.register("oven", Arc::clone(first) as Arc<dyn Backend>, 7);
    backends.register("stove", Arc::clone(second) as Arc<dyn Backend>, 7);
    Images::with_backends(sandbox.root(), backends)
}

#[test]
fn a_backend_of_the_programs_own_builds_under_its_kind() {
    let sandbox = three_files();
    let (oven, stove) = (Arc::new(Mine::default()), Arc::new(Mine::default()));
    let mut images = bakery(&sandbox, &oven, &stove);
    images
        .add("bread", ImageSpec::default())
        .add("soup", ImageSpec::default().with_builder("stove"));
    let mut heard = Vec::new();
    let done = images.build(&Request::all(), |event| match event {
        Event::ImageBuilt { image, backend, .. } => heard.push(format!("{image} by {backend}")),
        Event::ImageLog { image, line } => assert!(line == "baking", "{image}: {line}"),
        _ => {}
    });
    let done = done.unwrap();
    heard.sort();
    // On equal priority the first one is used; each is queried for its own images only.
    assert_eq!(heard, ["bread by oven", "soup by stove"]);
    assert_eq!(done.image("soup").unwrap().artifact.backend, "stove");
    let builds = |mine: &Mine| mine.builds.load(Ordering::SeqCst);
    assert_eq!((builds(&oven), builds(&stove)), (1, 1));
    assert!(images.plan(&Request::all()).unwrap().is_fresh());
    // Another backend does not have it.
    *images.get_mut("soup").unwrap() = ImageSpec::default().with_builder("oven");
    assert_eq!(built(&images, &Request::all()), ["soup"]);
    assert_eq!((builds(&oven), builds(&stove)), (2, 1));
}

#[test]
fn what_a_backend_cannot_do_is_refused_and_a_missing_one_is_said() {
    let sandbox = three_files();
    let cold = Arc::new(Mine {
        is_missing: true,
        ..Mine::default()
    });
    let mut images = bakery(&sandbox, &cold, &Arc::default());
    images.add("bread", ImageSpec::default());
    let refused = images.build(&Request::all(), |_| ()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`oven` cannot build here: its oven is cold: light it"
    );
    assert!(!sandbox.path(".imgspec").exists(), "nothing was begun");
    images.set_builder("stove");
    images.add("soup", ImageSpec::default().with_user("app"));
    let refused = images.plan(&Request::all()).err().unwrap();
    insta::assert_snapshot!(refused.to_string(), @r#"
    error[unsupported-field]: image `soup`: the `stove` builder does not support `user`: it bakes for everybody
     --> ImageSpec soup:2:10
      |
    2 |     user "app"
      |          ^^^^^

    1 error
    "#);
}

#[test]
fn everything_that_happens_is_heard_in_its_order() {
    let sandbox = three_files();
    let mut images = no_images(&sandbox);
    images
        .add("debian", ImageSpec::default())
        .add("app", ImageSpec::default().with_base("debian"));
    let mut heard = Vec::new();
    let done = images.build(&Request::of(["app"]), |event| {
        let said = serde_json::to_value(event).unwrap();
        heard.push(said["event"].as_str().unwrap().to_owned());
    });
    assert!(done.unwrap().is_done());
    assert_eq!(
        heard,
        [
            "warning",
            "run-started",
            "image-started",
            "image-log",
            "image-built",
            "run-finished"
        ]
    );
}

#[test]
fn two_runs_at_once_build_each_image_once() {
    let sandbox = three_files();
    let images = three(slow_images(&sandbox, Duration::from_millis(100)));
    let build = || {
        let done = images.build(&Request::all(), |_| ()).unwrap();
        assert!(done.is_done());
        assert_eq!(done.images.len(), 3);
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(build);
        }
    });
    assert_eq!(builds(&sandbox), ["base", "left", "right"]);
}

#[test]
fn the_program_and_the_library_at_once_build_each_image_once() {
    let sandbox = three_files().env("IMGSPEC_FAKE_SECONDS", "0.3");
    sandbox.write(
        "imgspec.kdl",
        "image \"left\" { base-image image=\"base\"; copy \"a.txt\" to=\"/a.txt\" }\n\
         image \"right\" { base-image image=\"base\" }\n\
         image \"base\" { copy \"b.txt\" to=\"/b.txt\" }\n",
    );
    let mut program = sandbox.spawn(&["graph", "build", "--builder", "fake"]);
    let images = three(slow_images(&sandbox, Duration::from_millis(300)));
    assert!(images.build(&Request::all(), |_| ()).unwrap().is_done());
    assert!(program.wait().unwrap().success());
    assert_eq!(builds(&sandbox), ["base", "left", "right"]);
}

/// The images that the fake backend was asked to build, sorted.
fn builds(sandbox: &Sandbox) -> Vec<String> {
    let log = sandbox.read(".imgspec/fake/builds.log");
    let mut builds: Vec<String> = log.lines().map(str::to_owned).collect();
    builds.sort();
    builds
}

#[test]
fn a_run_that_is_stopped_records_nothing_and_goes_on_later() {
    let sandbox = three_files();
    let slow = three(slow_images(&sandbox, Duration::from_mins(1)));
    let mailbox = Mailbox::default();
    let interrupter = mailbox.interrupter();
    let started = std::time::Instant::now();
    let done = slow.plan(&Request::all()).unwrap().run(mailbox, |event| {
        if matches!(event, Event::ImageStep { .. }) {
            interrupter.interrupt();
        }
    });
    let done = done.unwrap();
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(done.interrupted && !done.is_done());
    assert!(done.images.is_empty());
    let images = three(no_images(&sandbox));
    assert_eq!(built(&images, &Request::all()), ["base", "left", "right"]);
}

#[test]
fn a_failure_is_in_the_summary_and_its_reason_in_an_event() {
    let sandbox = three_files();
    let mut backends = BackendRegistry::new();
    let wishes = imgspec::backend::fake::Wishes {
        fail: vec!["base".into()],
        folder: sandbox.path(".imgspec/fake"),
        ..Default::default()
    };
    backends.register(
        "fake",
        Arc::new(imgspec::backend::fake::Fake::new(wishes)),
        1,
    );
    let images = three(Images::with_backends(sandbox.root(), backends));
    let mut why = Vec::new();
    let done = images.build(&Request::all(), |event| {
        if let Event::ImageFailed { image, error, .. } = event {
            why.push(format!("{image}: {error}"));
        }
    });
    let done = done.unwrap();
    assert_eq!(done.failed, ["base"]);
    assert_eq!(done.skipped, ["left", "right"]);
    assert_eq!(why, ["base: told to fail"]);
    // A replaced backend is a different one.
    let mut backends = BackendRegistry::new();
    backends.register("fake", fake(&sandbox.root(), Duration::ZERO), 1);
    let images = three(Images::with_backends(sandbox.root(), backends));
    assert_eq!(built(&images, &Request::all()).len(), 3);
}
