//! A workspace on disk with changing manifests, which are checked, planned and rendered without running a builder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::grammar::FILES;
use crate::asking::Asker;
use crate::backend::daemon::Daemon;
use crate::backend::docker::Docker;
use crate::backend::envd::Envd;
use crate::backend::fake::{Fake, Wishes};
use crate::backend::{Artifact, Backend, Job};
use crate::check::{Checked, check};
use crate::fingerprint::Key;
use crate::graph::ImageId;
use crate::manifest::Overrides;
use crate::plan::Judgement;
use crate::run::Push;
use crate::session::{Reading, Session, Trust, Wrong, examine_checked};
use crate::view::{self, Drawing, Look};

/// The content of the workspace's Dockerfile.
pub(super) const DOCKERFILE: &str = "FROM scratch AS app\nCOPY a.py /\n";

pub(super) struct Bench {
    folder: tempfile::TempDir,
    backends: Vec<Arc<dyn Backend>>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for path in FILES
            .iter()
            .flat_map(|path| [(*path).to_owned(), format!("sub/{path}")])
        {
            let file = folder.path().join("workspace").join(&path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let text = match file.file_name().unwrap().to_str().unwrap() {
                "Dockerfile" => DOCKERFILE,
                "requirements.txt" => "numpy\n-r more.txt\n",
                _ => "x",
            };
            std::fs::write(&file, text).unwrap();
            std::fs::write(file.with_file_name("more.txt"), "six").unwrap();
        }
        let nowhere = folder.path().join("no.sock");
        let host = (
            "DOCKER_HOST".into(),
            format!("unix://{}", nowhere.display()).into(),
        );
        let daemon = Arc::new(Daemon::new(None, vec![host]));
        let docker = Arc::new(Docker::on(Arc::clone(&daemon)));
        let envd = Envd::new(daemon, folder.path(), &|_| None);
        let wishes = Wishes {
            folder: folder.path().join("fake"),
            ..Wishes::default()
        };
        let backends: Vec<Arc<dyn Backend>> =
            vec![docker, Arc::new(envd), Arc::new(Fake::new(wishes))];
        Self { folder, backends }
    }

    /// The directory of the manifests; rendered files are put beside it.
    fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// Replaces all manifests.
    pub(super) fn write(&self, manifests: &[(&Path, &str)]) {
        let sub = self.workspace().join("sub/imgspec.kdl");
        let _ = std::fs::remove_file(sub);
        for (path, text) in manifests {
            std::fs::write(self.workspace().join(path), text).unwrap();
        }
    }

    pub(super) fn check(
        &self,
        vars: &[(String, String)],
        sets: &[(String, String, String)],
        env: &[(String, String)],
    ) -> Checked {
        let overrides = Overrides {
            vars: vars.to_vec(),
            sets: sets.to_vec(),
        };
        let value = |name: &str| {
            env.iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        };
        check(&self.workspace().join("imgspec.kdl"), &overrides, &value)
    }

    /// Opens a session, unless builders or files are in error.
    pub(super) fn session(&self, checked: Checked) -> Result<Session, Box<Wrong>> {
        examine_checked(
            checked,
            self.backends.clone(),
            None,
            Reading::Anew(Trust::Nothing),
        )
    }

    /// Writes a file of the workspace.
    pub(super) fn put(&self, path: &str, bytes: &[u8]) {
        std::fs::write(self.workspace().join(path), bytes).unwrap();
    }

    /// Does everything that precedes a build.
    pub(super) fn plan(&self, session: &mut Session) {
        let all: BTreeSet<ImageId> = session.world.graph.ids().collect();
        for id in &all {
            let _ = session
                .prints
                .inputs(*id, &session.world.recipes[id.index()]);
        }
        let drawing = Drawing::new(&session.world.graph, &all, |id| view::Label {
            reference: session.reference(id),
            folder: String::new(),
        });
        for format in [
            view::Format::Tree,
            view::Format::Dot,
            view::Format::Mermaid,
            view::Format::Json,
            view::Format::Svg,
        ] {
            let _ = view::render(format, &drawing, Look::default());
        }
        // Avoids querying a daemon.
        let fake = &self.backends[2];
        let world = Arc::get_mut(&mut session.world).expect("a session that is not run");
        let chosen = std::mem::replace(&mut world.backends, vec![Arc::clone(fake); all.len()]);
        let planned = session.plan(&all, Judgement::default(), Push::default(), Asker::silent());
        assert_eq!(planned.plan.builds().count(), all.len(), "all is built");
        let world = Arc::get_mut(&mut session.world).expect("a session that is not run");
        world.backends = chosen;
    }

    /// Renders the build script for an image; `None` if the backend does not support the image.
    pub(super) fn render(
        &self,
        session: &Session,
        id: ImageId,
        backend: &str,
    ) -> Result<Option<String>, String> {
        let mut known = self.backends.iter();
        let backend = known.find(|known| known.name() == backend).unwrap();
        let recipe = &session.world.recipes[id.index()];
        if !backend.check(recipe).is_empty() {
            return Ok(None);
        }
        let to = self.folder.path().join("rendered");
        let _ = std::fs::remove_dir_all(&to);
        let (key, reference) = (session.prints.key(id), session.reference(id));
        let job = self.job(session, id, backend.name(), &key, &reference);
        let rendered = backend.render(&job, &to);
        rendered.map_err(|error| error.to_string())?;
        Ok(std::fs::read_to_string(to.join(backend.script())).ok())
    }
    /// The job that a backend would receive for an image.
    pub(super) fn job<'s>(
        &self,
        session: &'s Session,
        id: ImageId,
        backend: &str,
        key: &'s Key,
        reference: &'s str,
    ) -> Job<'s> {
        let artifact = |base: ImageId| Artifact {
            backend: backend.to_owned(),
            reference: session.reference(base),
            digest: String::new(),
            size: None,
        };
        let bases = session.world.graph.bases(id).iter().copied();
        Job {
            image: session.world.graph.name(id),
            recipe: &session.world.recipes[id.index()],
            key,
            reference,
            files: session.prints.files(id),
            bases: bases
                .map(|base| (session.world.graph.name(base).to_owned(), artifact(base)))
                .collect(),
            outside: session.prints.outside(id),
            no_cache: false,
            is_base: false,
            root: &session.world.workspace.root,
            scratch: self.folder.path().join("scratch"),
        }
    }
}
