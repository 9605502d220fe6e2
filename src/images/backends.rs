//! The backends available to a program's images, each registered under a kind and with a priority.
//!
//! The registered kind and priority override the backend's own, so that the same backend can be registered twice and the
//! program decides which one is preferred.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::asking::Asker;
use crate::backend::elsewhere::Elsewhere;
use crate::backend::{
    Artifact, Availability, Backend, BuildError, Cancel, CleanUp, Cleaned, Details, Existence,
    Export, Job, Notes, Outsider, Resolved, Subject, Unresolved, Unsupported, Wanted, packages,
};
use crate::fingerprint::Files;
use crate::recipe::Recipe;
use crate::session::{self, Refusal};
use crate::suggest::closest;

/// Backends by kind. An image that names a kind ([`ImageSpec::with_builder`](crate::ImageSpec::with_builder)) uses that
/// backend; all others use the one with the highest priority and, among equals, the one registered first.
///
/// ```
/// use std::sync::Arc;
/// use imgspec::{BackendRegistry, backend::docker::Docker};
///
/// let mut backends = BackendRegistry::new();
/// backends.register("docker", Arc::new(Docker::new()), 10);
/// backends.register("spare", Arc::new(Docker::new()), 1);
/// assert_eq!(backends.kinds().collect::<Vec<_>>(), ["docker", "spare"]);
/// ```
#[derive(Clone, Default)]
pub struct BackendRegistry(Vec<Arc<Registered>>);

struct Registered {
    kind: String,
    priority: u8,
    backend: Arc<dyn Backend>,
}

impl BackendRegistry {
    /// Creates an empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The backends of the `imgspec` command for images in this directory: `docker`, and `fake`, which builds nothing and is
    /// used only when named.
    pub fn usual(folder: &Path) -> Self {
        let mut all = Self::new();
        let env = |name: &str| std::env::var(name).ok();
        for backend in session::backends(folder, &env, &Elsewhere::default()) {
            let (kind, priority) = (backend.name().to_owned(), backend.priority());
            all.register(kind, backend, priority);
        }
        all
    }

    /// Registers a backend under a kind. It replaces any previous backend of that kind, taking over its position among equals.
    pub fn register(
        &mut self,
        kind: impl Into<String>,
        backend: Arc<dyn Backend>,
        priority: u8,
    ) -> &mut Self {
        let kind = kind.into();
        let new = |kind| {
            Arc::new(Registered {
                kind,
                priority,
                backend,
            })
        };
        match self.0.iter_mut().find(|known| known.kind == kind) {
            Some(known) => *known = new(kind),
            None => self.0.push(new(kind)),
        }
        self
    }

    /// The registered kinds, in order of registration.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|known| known.kind.as_str())
    }

    /// Returns the backend of a kind, with the registered name and priority.
    ///
    /// # Errors
    /// Fails if the kind is not registered, with a suggestion if it looks like a misspelling.
    pub fn get(&self, kind: &str) -> Result<Arc<dyn Backend>, Refusal> {
        let found = self.0.iter().find(|known| known.kind == kind);
        let found = found.map(|known| Arc::clone(known) as Arc<dyn Backend>);
        found.ok_or_else(|| {
            let help = match closest(kind, self.kinds()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("builders: {}", self.kinds().collect::<Vec<_>>().join(", ")),
            };
            Refusal::usage(format!("unknown builder `{kind}`"), help)
        })
    }

    pub(super) fn all(&self) -> Vec<Arc<dyn Backend>> {
        let all = self.0.iter();
        all.map(|known| Arc::clone(known) as Arc<dyn Backend>)
            .collect()
    }
}

impl fmt::Debug for BackendRegistry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter().map(|known| (&known.kind, known.priority));
        out.debug_map().entries(pairs).finish()
    }
}

impl Backend for Registered {
    fn name(&self) -> &str {
        &self.kind
    }

    fn priority(&self) -> u8 {
        self.priority
    }

    fn is_there(&self) -> bool {
        self.backend.is_there()
    }

    fn availability(&self, asker: Asker<'_>) -> Availability {
        self.backend.availability(asker)
    }

    fn clean(&self, wish: &CleanUp, asker: Asker<'_>) -> Result<Cleaned, String> {
        self.backend.clean(wish, asker)
    }

    fn check(&self, recipe: &Recipe) -> Vec<Unsupported> {
        self.backend.check(recipe)
    }

    fn check_files(&self, recipe: &Recipe, files: &[Arc<Files>]) -> Vec<Unsupported> {
        self.backend.check_files(recipe, files)
    }

    fn forbidden(&self, recipe: &Recipe) -> Vec<Unsupported> {
        self.backend.forbidden(recipe)
    }

    fn render(&self, job: &Job<'_>, to: &Path) -> Result<(), BuildError> {
        self.backend.render(job, to)
    }

    fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence> {
        let mut found = self.backend.exists(wanted, asker);
        // Missing answers count as unknown.
        found.resize_with(wanted.len(), || Existence::Unknown {
            why: format!("the builder `{}` gave no answer", self.kind),
        });
        found
    }

    fn resolve(
        &self,
        wanted: &[Outsider<'_>],
        asker: Asker<'_>,
    ) -> Vec<Result<Resolved, Unresolved>> {
        let mut found = self.backend.resolve(wanted, asker);
        found.resize_with(wanted.len(), || {
            let why = format!("the builder `{}` gave no answer", self.kind);
            Err(Unresolved::Unknown(why))
        });
        found
    }

    fn foreign(&self, wanted: &[Outsider<'_>], asker: Asker<'_>) -> Vec<Option<Unresolved>> {
        let mut found = self.backend.foreign(wanted, asker);
        found.resize(wanted.len(), None);
        found
    }

    fn script(&self) -> &'static str {
        self.backend.script()
    }

    fn resolves_packages_of(&self, other: &dyn Backend) -> bool {
        self.backend.resolves_packages_of(other)
    }

    fn packages(
        &self,
        wanted: &[packages::Requested<'_>],
        asker: Asker<'_>,
    ) -> Vec<Result<packages::Found, packages::NotFound>> {
        let mut found = self.backend.packages(wanted, asker);
        found.resize_with(wanted.len(), || {
            let why = format!("the builder `{}` gave no answer", self.kind);
            Err(packages::NotFound::Unknowable(why))
        });
        found
    }

    fn uses_helper(&self, recipe: &Recipe, name: &str) -> bool {
        self.backend.uses_helper(recipe, name)
    }

    fn is_store_own(&self) -> bool {
        self.backend.is_store_own()
    }

    fn borrows(&self) -> bool {
        self.backend.borrows()
    }

    fn leaves(&self) -> bool {
        self.backend.leaves()
    }

    fn loads(&self) -> bool {
        self.backend.loads()
    }

    fn load(&self, artifact: &Artifact, asker: Asker<'_>) -> Result<&'static str, BuildError> {
        self.backend.load(artifact, asker)
    }

    fn exports(&self) -> bool {
        self.backend.exports()
    }

    fn export(
        &self,
        artifacts: &[Artifact],
        to: Export<'_>,
        cancel: &Cancel,
    ) -> Result<(), BuildError> {
        self.backend.export(artifacts, to, cancel)
    }

    fn inspect(
        &self,
        subject: Subject<'_>,
        platform: Option<&str>,
        cancel: &Cancel,
    ) -> Option<Result<Details, BuildError>> {
        self.backend.inspect(subject, platform, cancel)
    }

    fn measure(&self, details: &mut Details) {
        self.backend.measure(details);
    }

    fn build(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let artifact = self.backend.build(job, notes, cancel)?;
        Ok(Artifact {
            backend: self.kind.clone(),
            ..artifact
        })
    }

    fn push(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Option<String>, BuildError> {
        self.backend.push(job, artifact, notes, cancel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::fake::Fake;

    fn three() -> BackendRegistry {
        let mut all = BackendRegistry::new();
        for (kind, priority) in [("a", 1), ("bakery", 7), ("c", 7)] {
            all.register(kind, Arc::new(Fake::default()), priority);
        }
        all
    }

    #[test]
    fn a_kind_that_is_registered_again_keeps_its_place() {
        let mut all = three();
        all.register("a", Arc::new(Fake::default()), 9);
        assert_eq!(all.kinds().collect::<Vec<_>>(), ["a", "bakery", "c"]);
        assert_eq!(all.get("a").unwrap().priority(), 9);
        assert_eq!(format!("{all:?}"), r#"{"a": 9, "bakery": 7, "c": 7}"#);
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_one_that_was_meant() {
        let refused = three().get("bakry").err().unwrap();
        assert_eq!(
            refused.to_string(),
            "unknown builder `bakry`: did you mean `bakery`?"
        );
        let refused = three().get("envd").err().unwrap();
        assert_eq!(
            refused.to_string(),
            "unknown builder `envd`: builders: a, bakery, c"
        );
    }
}
