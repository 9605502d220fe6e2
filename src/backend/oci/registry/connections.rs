//! What all who speak with registries share: connections, authorizations, and what the manifests are that were just put.
//!
//! A connection costs round trips, and with most registries a token costs more of them; and an image is looked for, sent and
//! recorded by different parts of the program.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use ureq::Agent;

use crate::backend::oci::hosts;
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::web::carrying;
use crate::limits::Limits;

/// How many connections are kept open, which is also how many queries are made at once: registries begin to refuse clients that
/// make more.
pub(super) const CONNECTIONS: usize = 16;

/// Shared by its clones.
#[derive(Clone, Default)]
pub(crate) struct Connections(Arc<Inner>);

#[derive(Default)]
struct Inner {
    agents: OnceLock<Agents>,
    tokens: Tokens,
    put: Mutex<BTreeMap<(String, Digest), Described>>,
}

/// The authorizations that registries accepted, by host and repository.
#[derive(Default)]
pub(super) struct Tokens(pub(super) Mutex<BTreeMap<(String, String), String>>);

pub(super) struct Agents {
    pub(super) far: Agent,
    /// For registries on this machine: a proxy's own `localhost` is a different one.
    pub(super) near: Agent,
}

/// A manifest's media type and its size in bytes.
pub(super) type Described = (String, usize);

impl Connections {
    /// The HTTP clients. What they ask may take any time as long as something moves, unless the question has a limit of its own.
    pub(super) fn agents(&self, limits: &Limits) -> &Agents {
        self.0.agents.get_or_init(|| {
            // As many as there are threads that ask, or most of them would connect anew for every question.
            let config = || {
                carrying(limits)
                    .max_idle_connections(CONNECTIONS)
                    .max_idle_connections_per_host(CONNECTIONS)
            };
            Agents {
                // Never redirect credentials to an unencrypted connection.
                far: hosts::agent(config().https_only(true)),
                near: hosts::agent(config().proxy(None)),
            }
        })
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Remembers a manifest that the repository of `of` has got.
    pub(super) fn note_put(&self, of: &Reference, manifest: Digest, described: Described) {
        let place = (repository(of), manifest);
        self.0.put.lock().insert(place, described);
    }

    /// A manifest that the repository of `of` has got in this run.
    pub(super) fn was_put(&self, of: &Reference, manifest: Digest) -> Option<Described> {
        let place = (repository(of), manifest);
        self.0.put.lock().get(&place).cloned()
    }
}

fn repository(of: &Reference) -> String {
    format!("{}/{}", of.host, of.path)
}

impl fmt::Debug for Connections {
    /// Tokens are secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Connections")
    }
}
