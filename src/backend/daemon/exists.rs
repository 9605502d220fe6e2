//! Checks which references exist: in the local store by querying the daemon, in registries by querying those.

use super::endpoint::Endpoint;
use super::engine::NoEngine;
use super::{Daemon, inspect, round};
use crate::asking::Asker;
use crate::backend::oci::registry;
use crate::backend::{Existence, StoreKind, Wanted, labels};

impl Daemon {
    /// The existence of each of these references, in order; the daemon and the registries are queried concurrently.
    pub(crate) fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence> {
        let (local, remote): (Vec<_>, Vec<_>) = wanted
            .iter()
            .cloned()
            .partition(|wanted| wanted.place == StoreKind::Local);
        let (local, remote) = std::thread::scope(|scope| {
            let answered =
                scope.spawn(|| registry::exists(&remote, labels::KEY, &self.registries(), asker));
            let local = self.exists_here(&local, asker);
            let remote = answered
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (local, remote)
        });
        let (mut local, mut remote) = (local.into_iter(), remote.into_iter());
        let each = wanted.iter().map(|wanted| match wanted.place {
            StoreKind::Local => local.next(),
            StoreKind::Registry => remote.next(),
        });
        each.map(|found| found.expect("one answer for each reference"))
            .collect()
    }

    /// Queries the daemon directly, or through the `docker` command, which supports more transports.
    fn exists_here(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let found = match self.endpoint() {
            Err(none) => Err(none),
            Ok(endpoint) if self.may_be_direct(&endpoint) => {
                round::exists(&endpoint, wanted, &self.limits, asker)
            }
            Ok(endpoint) => {
                let mut parts = wanted.chunks(inspect::AT_ONCE);
                parts.try_fold(Vec::new(), |mut found, some| {
                    found.extend(self.inspect(&endpoint, some, asker)?);
                    Ok(found)
                })
            }
        };
        found.unwrap_or_else(|none| {
            let none = if self.program.is_none() {
                NoEngine::no_program()
            } else {
                none
            };
            let why = none.sentence();
            vec![Existence::Unknown { why }; wanted.len()]
        })
    }

    fn inspect(
        &self,
        endpoint: &Endpoint,
        wanted: &[Wanted<'_>],
        asker: Asker<'_>,
    ) -> Result<Vec<Existence>, NoEngine> {
        let head = ["image", "inspect", "--format", "{{json .}}", "--"];
        let arguments: Vec<&str> = head
            .into_iter()
            .chain(wanted.iter().map(|wanted| wanted.reference))
            .collect();
        let whom = endpoint.words();
        let said = self
            .ask(&arguments, asker)
            .map_err(|error| NoEngine::unreached(&whom, &error))?;
        inspect::read(&whom, wanted, &said)
    }
}
