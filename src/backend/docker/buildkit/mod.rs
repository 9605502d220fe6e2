//! The daemon's own `BuildKit`, spoken to directly: one connection for all builds of a run, no process for any of them.
//!
//! Knows the daemon's socket and `BuildKit`'s protocol (<https://github.com/moby/buildkit/blob/master/api/services/control/control.proto>),
//! no recipes. The choice made: builds share one connection, and each has a session of its own for its files; numbers in
//! `docs/design/docker.md`.

mod connection;
mod image;
mod session;
mod transfer;
mod tree;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{
    Exporter, InfoRequest, SolveRequest, SolveResponse, StatusRequest, StatusResponse, VertexLog,
};
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use tonic::{Code, Response, Status, Streaming};

use super::build;
use super::endpoint::Endpoint;
use super::engine::NoEngine;
use super::progress::{Log, Progress, Told, Vertex};
use crate::asking::{Asker, GivenUp, Heard};
use crate::backend::oci::registry::{self, Access};
use crate::backend::{Cancel, Notes};
use crate::disk::system_words;
use crate::limits::Limits;
use session::{Lent, Session};
pub(super) use tree::Tree;

/// How often a build looks whether it should stop.
const TICK: Duration = Duration::from_millis(20);

/// A message with many log lines is longer than the 4 MiB that are usual.
const LONGEST_MESSAGE: usize = 64 << 20;

/// What frontends call the folder that is copied from.
pub(super) const CONTEXT: &str = "context";

/// What frontends call the folder that the Dockerfile is in.
const DOCKERFILE: &str = "dockerfile";

/// What `BuildKit` answers with: the digest of what it made, as `docker image inspect` calls it.
const DIGEST: &str = "containerimage.digest";

/// A daemon's `BuildKit`.
pub(super) struct BuildKit {
    socket: PathBuf,
    /// What the daemon is called.
    whom: String,
    limits: Limits,
    access: Access,
    // Only none while it is dropped.
    runtime: Option<Runtime>,
    channel: Mutex<Option<Channel>>,
}

/// What to build.
pub(super) struct Build<'a> {
    /// What the daemon knows the image's files by, in this run and the next.
    pub(super) files: String,
    /// The Dockerfile.
    pub(super) dockerfile: &'a str,
    /// The folders that it may copy from, by the names that the frontend knows them by: [`CONTEXT`] and others.
    pub(super) folders: Vec<(String, Arc<Tree>)>,
    /// What the result is called.
    pub(super) names: &'a [String],
    /// What the Dockerfile's frontend is told.
    pub(super) attributes: HashMap<String, String>,
    /// A last touch instead of a Dockerfile.
    pub(super) touch: Option<Touch<'a>>,
    /// What steps may be given, by id.
    pub(super) secrets: Vec<(String, Vec<u8>)>,
    /// The registries that it fetches from before its first step.
    pub(super) registries: Vec<String>,
}

/// Other words for what an image says of itself; its layers stay.
pub(super) struct Touch<'a> {
    /// What the image is called in the local store.
    pub(super) image: &'a str,
    /// What the result says of itself: OCI's image configuration, as JSON.
    pub(super) config: &'a str,
}

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was stopped.
    Cancelled,
    /// A file is not what was hashed.
    Moved(String),
    /// The daemon cannot be reached, or left: in words.
    Lost(String),
    /// The build failed: in `BuildKit`'s words.
    Failed(String),
}

impl std::fmt::Debug for BuildKit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "BuildKit at {}", self.socket.display())
    }
}

impl BuildKit {
    /// The `BuildKit` of the daemon that listens on a Unix socket. Nothing is connected yet.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn new(endpoint: &Endpoint, access: Access) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("buildkit")
            .enable_io()
            .enable_time()
            .build()?;
        Ok(Self {
            socket: endpoint.socket().unwrap_or_default(),
            whom: endpoint.words(),
            limits: access.limits,
            access,
            runtime: Some(runtime),
            channel: Mutex::default(),
        })
    }

    /// Builds, and tells on what happens. Gives the digest of the result.
    pub(super) fn build(
        &self,
        build: &Build<'_>,
        progress: &mut Progress<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<String, Ended> {
        let runtime = self.runtime.as_ref().ok_or(Ended::Cancelled)?;
        let question = Asker::build(notes, cancel).ask(&self.whom, self.limits.answer());
        let ended = runtime.block_on(async {
            let begun = async {
                let channel = self.channel().await?;
                question.heard().now();
                Ok((channel, self.session(build).await?))
            };
            let (channel, session) = match question.wait(begun).await {
                Ok(begun) => begun?,
                Err(GivenUp::Cancelled) => return Err(Ended::Cancelled),
                Err(late) => return Err(self.lost(&late.into())),
            };
            self.solve(channel, session, build, progress, cancel).await
        });
        if matches!(ended, Err(Ended::Lost(_))) {
            // The next try is made on a new connection.
            *self.known() = None;
        }
        ended
    }

    /// The connection, made if there is none.
    async fn channel(&self) -> Result<Channel, Ended> {
        if let Some(channel) = self.known().clone() {
            return Ok(channel);
        }
        let connected = connection::channel(&self.socket, self.limits).await;
        let channel = connected.map_err(|error| self.lost(&io::Error::other(cause(&error))))?;
        // Whether it answers on it; what it says is of no interest, as some are too old for the question.
        let asked = ControlClient::new(channel.clone())
            .info(InfoRequest {})
            .await;
        if let Err(status) = asked
            && let lost @ Ended::Lost(_) = self.ended(&status)
        {
            return Err(lost);
        }
        // Of two builds that both come here, the later one's is kept; the other serves its build.
        *self.known() = Some(channel.clone());
        Ok(channel)
    }

    async fn session(&self, build: &Build<'_>) -> Result<Session, Ended> {
        let mut dockerfile = Tree::default();
        dockerfile.text(build::DOCKERFILE, build.dockerfile);
        // What may be copied was decided when it was hashed: the frontend must not apply an ignore file once more.
        dockerfile.text(build::IGNORE, build::NO_RULES);
        let mut folders = build.folders.clone();
        folders.push((DOCKERFILE.to_owned(), Arc::new(dockerfile)));
        let lent = Lent {
            folders,
            secrets: build.secrets.clone(),
            access: self.access.clone(),
        };
        Session::open(&self.socket, &self.limits, &build.files, lent)
            .await
            .map_err(|error| self.lost(&error))
    }

    fn known(&self) -> MutexGuard<'_, Option<Channel>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for BuildKit {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // No build runs any more; what is left are connections that nobody waits for.
            runtime.shutdown_background();
        }
    }
}

impl BuildKit {
    /// One build: what it is asked, what it tells, and its end.
    async fn solve(
        &self,
        channel: Channel,
        session: Session,
        build: &Build<'_>,
        progress: &mut Progress<'_>,
        cancel: &Cancel,
    ) -> Result<String, Ended> {
        let control = ControlClient::new(channel.clone());
        let mut control = control.max_decoding_message_size(LONGEST_MESSAGE);
        let request = request(build, session.id());
        let touched = image::touch(channel, request.r#ref.clone(), build.touch.as_ref());
        let mut touched = std::pin::pin!(touched);
        let mut is_touched = build.touch.is_none();
        let told = StatusRequest {
            r#ref: request.r#ref.clone(),
        };
        let mut teller = control.clone();
        let (life, is_fetching) = (Heard::default(), AtomicBool::new(true));
        let heard = async {
            // Progress is for people: without it the build is none the worse.
            if let Ok(told) = teller.status(told).await {
                listen(told.into_inner(), progress, &life, &is_fetching).await;
            }
        };
        let mut heard = std::pin::pin!(heard);
        let mut is_heard = false;
        let hopeless = self.hopeless(build, &life, &is_fetching);
        let mut hopeless = std::pin::pin!(hopeless);
        let answer = {
            let mut solved = std::pin::pin!(control.solve(request));
            let mut tick = tokio::time::interval(TICK);
            loop {
                tokio::select! {
                    answer = &mut solved => break answer,
                    () = &mut heard, if !is_heard => is_heard = true,
                    done = &mut touched, if !is_touched => match done {
                        Ok(()) => is_touched = true,
                        Err(status) => break Err(status),
                    },
                    why = &mut hopeless => return Err(Ended::Lost(why)),
                    _ = tick.tick() => if cancel.is_requested() { break Err(Status::cancelled("")) },
                }
            }
            // A call that is given up here is cancelled in the daemon.
        };
        // The daemon ends the telling when the last step is gone.
        if !is_heard && !cancel.is_urgent() {
            let _ = tokio::time::timeout(self.limits.grace / 2, heard).await;
        }
        self.judge(build, answer, cancel)
    }

    /// What an answer to a build means.
    fn judge(
        &self,
        build: &Build<'_>,
        answer: Result<Response<SolveResponse>, Status>,
        cancel: &Cancel,
    ) -> Result<String, Ended> {
        match answer {
            Ok(answer) => {
                let mut response = answer.into_inner().exporter_response;
                response.remove(DIGEST).ok_or_else(|| {
                    Ended::Failed("the builder succeeded and did not say what it made".to_owned())
                })
            }
            Err(_) if cancel.is_requested() => Err(Ended::Cancelled),
            Err(status) => Err(
                match build.folders.iter().find_map(|(_, tree)| tree.moved()) {
                    Some(path) => Ended::Moved(path),
                    None => self.ended(&status),
                },
            ),
        }
    }

    /// Ends when there is no hope for a build: why, in words. A daemon that does not answer breaks the connection; a registry
    /// that does not answer the daemon is the daemon's to wait for, without end.
    async fn hopeless(&self, build: &Build<'_>, life: &Heard, is_fetching: &AtomicBool) -> String {
        loop {
            let left = self.limits.idle.saturating_sub(life.silence());
            if !left.is_zero() {
                tokio::time::sleep(left).await;
                continue;
            }
            life.now();
            if !is_fetching.load(Ordering::Relaxed) {
                continue;
            }
            for host in build.registries.clone() {
                let access = self.access.clone();
                let asked = tokio::task::spawn_blocking(move || {
                    registry::is_silent(&host, &access)
                        .then(|| registry::silent_words(&host, &access))
                });
                if let Ok(Some(why)) = asked.await {
                    return why;
                }
            }
        }
    }

    /// What a refused call means: words of the transport's come with a cause, `BuildKit`'s with none.
    fn ended(&self, status: &Status) -> Ended {
        let is_transport = std::error::Error::source(status).is_some();
        if is_transport || status.code() == Code::Unavailable {
            self.lost(&io::Error::other(cause(status)))
        } else {
            Ended::Failed(status.message().to_owned())
        }
    }

    fn lost(&self, why: &io::Error) -> Ended {
        Ended::Lost(NoEngine::unreached(&self.whom, why).sentence())
    }
}

/// The innermost cause of an error: the others only say that there is one.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<io::Error>() {
        Some(error) => system_words(error),
        None => innermost.to_string(),
    }
}

fn request(build: &Build<'_>, session: &str) -> SolveRequest {
    let named = HashMap::from([("name".to_owned(), build.names.join(","))]);
    // Without a frontend, it is the client that says what the result is.
    let request = match build.touch {
        None => frontend(build),
        Some(_) => SolveRequest::default(),
    };
    SolveRequest {
        r#ref: connection::random(),
        session: session.to_owned(),
        // The daemon's own store, whichever it is. Daemons before 25 read the older fields, later ones the newer.
        exporter_deprecated: "moby".into(),
        exporter_attrs_deprecated: named.clone(),
        exporters: vec![Exporter {
            r#type: "moby".into(),
            attrs: named,
        }],
        ..request
    }
}

/// What is asked of the Dockerfile's frontend.
fn frontend(build: &Build<'_>) -> SolveRequest {
    let mut attributes = build.attributes.clone();
    attributes.insert("filename".into(), build::DOCKERFILE.into());
    let network = attributes.get("force-network-mode");
    let is_host = network.is_some_and(|mode| mode == "host");
    SolveRequest {
        frontend: "dockerfile.v0".into(),
        frontend_attrs: attributes,
        entitlements: is_host
            .then(|| "network.host".to_owned())
            .into_iter()
            .collect(),
        ..SolveRequest::default()
    }
}

/// Tells on what a build says, to its end.
async fn listen(
    mut told: Streaming<StatusResponse>,
    progress: &mut Progress<'_>,
    life: &Heard,
    is_fetching: &AtomicBool,
) {
    while let Ok(Some(status)) = told.message().await {
        life.now();
        progress.told(self::told(status));
        is_fetching.store(progress.is_fetching(), Ordering::Relaxed);
    }
}

/// A message in the words of the progress.
pub(super) fn told(status: StatusResponse) -> Told {
    let log = |log: VertexLog| Log {
        vertex: log.vertex,
        data: log.msg,
    };
    Told {
        vertexes: status.vertexes.into_iter().map(vertex).collect(),
        logs: status.logs.into_iter().map(log).collect(),
        warnings: status.warnings.into_iter().map(|said| said.short).collect(),
    }
}

fn vertex(vertex: bollard_buildkit_proto::moby::buildkit::v1::Vertex) -> Vertex {
    Vertex {
        digest: vertex.digest,
        name: vertex.name,
        started: vertex.started.is_some(),
        cached: vertex.cached,
        error: vertex.error,
    }
}
