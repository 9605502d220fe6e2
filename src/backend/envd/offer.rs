//! Makes images of the local store pullable by pushing them to a registry: the user's or a private one.
//!
//! The private one, the exchange, runs inside this process. It is started when the first base needs it and stopped with
//! the backend; the daemon sends the layers, whatever its image store. A base is named by its digest, so it is sent
//! only once for all images built on it.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::asking::Asker;
use crate::backend::BuildError;
use crate::backend::daemon::Daemon;
use crate::backend::oci::exchange::Exchange;
use crate::backend::oci::store::Store;
use crate::backend::once::Once;
use crate::disk::dir::Rooted;
use crate::notes::Quiet;

/// The variable that names a registry to which images are pushed so that envd can pull them: `host`, or `host/path`.
pub const REGISTRY: &str = "IMGSPEC_ENVD_REGISTRY";

const REPOSITORY: &str = "imgspec-base";

/// The text between the name and the reason in the error message of a failed push.
const PUSHED: &str = " cannot be pushed: ";

/// How often an image is given its name and pushed by it: other runs that offer the same image to the same registry remove
/// the name when they are done.
const TRIES: usize = 4;

/// How long to wait for this machine to refuse a connection.
const PATIENCE: Duration = Duration::from_millis(200);

/// Whether a push failed because its name was removed.
fn is_gone(error: &BuildError) -> bool {
    let why = error.to_string().to_lowercase();
    why.contains("does not exist") || why.contains("no such image")
}

/// Pushes images of the local store to a registry, each once.
#[derive(Debug)]
pub(super) struct Offer {
    daemon: Arc<Daemon>,
    to: Target,
    /// The names of pushed images, by digest: all images built on a base wait for a single push.
    pushed: Once<String>,
}

/// The registry that images are pushed to.
#[derive(Debug)]
enum Target {
    /// A registry named by the user.
    Registry(String),
    /// The exchange, with its store in this directory; started when needed.
    Exchange(Rooted, Mutex<Option<Exchange>>),
}

impl Offer {
    /// Offers images through `registry`, or else through an exchange with its store in this directory.
    pub(super) fn new(daemon: Arc<Daemon>, registry: Option<String>, store: Rooted) -> Self {
        let to = match registry {
            Some(registry) => Target::Registry(registry),
            None => Target::Exchange(store, Mutex::default()),
        };
        Self {
            daemon,
            to,
            pushed: Once::default(),
        }
    }

    /// Returns a reference under which both envd and its builder can pull an image of the local store; `what` is its
    /// name in messages.
    pub(super) fn offer(
        &self,
        digest: &str,
        what: &str,
        asker: Asker<'_>,
    ) -> Result<String, BuildError> {
        self.pushed.get(digest, || {
            asker.step(&format!("making {what} available to envd"));
            let hex = digest.trim_start_matches("sha256:");
            let tag = hex.get(..32).unwrap_or(hex);
            let name = format!("{}:{tag}", self.repository(asker)?);
            let quiet = Quiet(asker.notes());
            let asker = Asker::build(&quiet, asker.cancel());
            let mut done = Ok(None);
            for _ in 0..TRIES {
                self.daemon.name(digest, &name, asker)?;
                done = self.daemon.push_name(&name, asker);
                self.daemon.forget(&name);
                if !done.as_ref().is_err_and(is_gone) {
                    break;
                }
            }
            done.map_err(|error| self.explain(what, error))?;
            Ok(name)
        })
    }

    /// Explains a build failure caused by an unreachable exchange: envd's `BuildKit` runs elsewhere, or in a network of
    /// its own.
    pub(super) fn unreached(&self, error: BuildError) -> BuildError {
        error.reworded(|why| {
            let is_ours = matches!(self.to, Target::Exchange(..)) && why.contains(REPOSITORY);
            if is_ours && why.contains("dial tcp") {
                format!(
                    "{why}: envd's BuildKit cannot reach 127.0.0.1 on this machine; set {REGISTRY} to a registry that it can reach"
                )
            } else {
                why
            }
        })
    }

    /// Removes names of closed exchanges, which killed runs left in the local store; returns their number.
    pub(super) fn clean(&self, asker: Asker<'_>) -> Result<usize, String> {
        self.daemon.clean_names(is_left, asker)
    }

    fn repository(&self, asker: Asker<'_>) -> Result<String, BuildError> {
        let (folder, exchange) = match &self.to {
            Target::Registry(registry) => return Ok(format!("{registry}/{REPOSITORY}")),
            Target::Exchange(folder, exchange) => (folder, exchange),
        };
        let failed = |error: &dyn fmt::Display| {
            BuildError::Failed(format!(
                "envd pulls bases only from registries, and the one on this machine cannot be started: {error}"
            ))
        };
        let mut exchange = exchange.lock();
        if exchange.is_none() {
            let mut waiting = asker.waiting("waiting for another run that is deleting blobs");
            let store = Store::open_at(folder, &mut waiting).map_err(|error| failed(&error))?;
            let started = Exchange::start(&store, &self.daemon.limits);
            *exchange = Some(started.map_err(|error| failed(&error))?);
        }
        let open = exchange.as_ref().expect("it was opened above");
        open.repository(REPOSITORY).map_err(|error| failed(&error))
    }

    /// Rewords a failed push in terms of its purpose, and adds what to do.
    fn explain(&self, what: &str, error: BuildError) -> BuildError {
        error.reworded(|why| {
            // The name under which it was pushed means nothing to the user.
            let why = why.split_once(PUSHED).map_or(why.as_str(), |(_, why)| why);
            format!(
                "`{what}` cannot be made available to envd: {why}{}",
                self.help(why)
            )
        })
    }

    fn help(&self, why: &str) -> String {
        match &self.to {
            Target::Registry(registry) => {
                format!(": {REGISTRY} names `{registry}` as the registry to use")
            }
            Target::Exchange(folder, _) if why.contains("507 Insufficient Storage") => {
                format!(": there is not enough space in {}", folder.path().display())
            }
            Target::Exchange(..) => format!(
                ": envd pulls bases only from registries, so the Docker daemon must reach one at 127.0.0.1 on this machine; \
                 if it runs elsewhere, set {REGISTRY} to a registry that both can reach"
            ),
        }
    }
}

fn is_left(name: &str) -> bool {
    let name = name
        .rsplit_once(':')
        .map_or(name, |(repository, _)| repository);
    let Some((host, rest)) = name.split_once('/') else {
        return false;
    };
    let is_ours = rest.split_once('/').is_some_and(|(word, last)| {
        last == REPOSITORY && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    let address: Option<SocketAddr> = host.parse().ok();
    let address = address.filter(|address| is_ours && address.ip().is_loopback());
    address.is_some_and(|address| TcpStream::connect_timeout(&address, PATIENCE).is_err())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::dir::Terms;

    #[test]
    fn a_buildkit_elsewhere_is_told_from_other_failures() {
        let daemon = Arc::new(Daemon::new(None, Vec::new()));
        let store = Rooted::new(Path::new("/cache"), "", Terms::default());
        let offer = Offer::new(daemon, None, store);
        let words = |why: &str| {
            offer
                .unreached(BuildError::Failed(why.to_owned()))
                .to_string()
        };
        let refused =
            "127.0.0.1:5/00ff/imgspec-base:00: dial tcp 127.0.0.1:5: connect: connection refused";
        assert!(
            words(refused).ends_with("set IMGSPEC_ENVD_REGISTRY to a registry that it can reach")
        );
        let other = "registry.test/a:1: dial tcp 192.0.2.1:443: i/o timeout";
        assert_eq!(words(other), other);
    }

    #[test]
    fn only_names_of_closed_exchanges_are_taken_away() {
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let of = |host: &str, rest: &str| is_left(&format!("{host}/{rest}:00"));
        let host = open.local_addr().unwrap().to_string();
        let name = format!("00ff/{REPOSITORY}");
        assert!(!of(&host, &name));
        drop(open);
        assert!(of(&host, &name));
        assert!(!of(&host, "00ff/app") && !of(&host, REPOSITORY));
        assert!(!of(&host, &format!("team/{REPOSITORY}")));
        assert!(!of("192.0.2.1:5000", &name) && !of("registry.test", &name));
    }
}
