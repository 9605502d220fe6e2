//! Talks to `BuildKit` directly: one connection for all builds of a run, and no process for any of them.
//!
//! Source: <https://github.com/moby/buildkit/blob/master/api/services/control/control.proto>. Builds share one
//! connection, but each has its own session for its files; measurements are in `docs/design/docker.md`.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{
    InfoRequest, ListWorkersRequest, SolveResponse, StatusRequest, StatusResponse,
};
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use tonic::{Code, Response, Status, Streaming};

use super::address::Address;
use super::connection::cause;
use super::direct::{self, Export, Trees};
use super::progress::{Form, Progress};
use super::remote::Reason;
use super::request::Request;
use super::session::{Offered, Session};
use super::{connection, failure, gateway};
use crate::asking::{Asker, GivenUp, LastSign};
use crate::backend::BuildError;
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::{self, Access};
use crate::backend::platform::Platform;

/// How often a build checks for a cancel.
const TICK: Duration = Duration::from_millis(20);

/// Maximum message size in bytes: many log lines exceed the default of 4 MiB.
const LONGEST_MESSAGE: usize = 64 << 20;

/// The key of the result's digest in `BuildKit`'s response; it equals the id in `docker image inspect`.
const DIGEST: &str = "containerimage.digest";

type Answer = Result<Response<SolveResponse>, Status>;

/// A `BuildKit` at an address.
#[derive(Debug)]
pub(crate) struct BuildKit {
    address: Address,
    name: String,
    access: Access,
    /// Build arguments added to every build.
    proxies: Vec<(String, String)>,
    // `None` only while being dropped.
    runtime: Option<Runtime>,
    channel: Mutex<Option<Channel>>,
}

/// Why a build ended without a result.
#[derive(Debug)]
pub(crate) enum Ended {
    /// `BuildKit` cannot be reached, or the connection broke.
    Lost(io::Error),
    /// The build can no longer finish, for the given reason.
    Stuck(String),
    /// Any other error.
    Error(BuildError),
}

impl BuildKit {
    /// The `BuildKit` at this address, which messages call `name`. Does not connect yet.
    pub(crate) fn new(
        address: Address,
        name: String,
        access: Access,
        proxies: Vec<(String, String)>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("buildkit")
            .enable_io()
            .enable_time()
            .build()?;
        Ok(Self {
            address,
            name,
            access,
            proxies,
            runtime: Some(runtime),
            channel: Mutex::default(),
        })
    }

    /// Builds an image, reporting progress. Returns the digest of the result.
    pub(crate) fn build(&self, request: &Request<'_>) -> Result<String, Ended> {
        let cancelled = || Ended::Error(BuildError::Cancelled);
        let runtime = self.runtime.as_ref().ok_or_else(cancelled)?;
        let asker = Asker::build(request.notes, request.cancel);
        let question = asker.ask(&self.name, self.access.limits.answer());
        let trees = direct::trees(request);
        let mut progress = Progress::new(Form::Raw, &request.dockerfile.steps, request.notes);
        let ended = runtime.block_on(async {
            let begun = async {
                let channel = self.channel().await?;
                question.heard().now();
                let session = self.session(&channel, request, &trees).await?;
                Ok((channel, session))
            };
            let (channel, session) = match question.wait(begun).await {
                Ok(begun) => begun?,
                Err(GivenUp::Cancelled) => return Err(cancelled()),
                Err(late) => return Err(Ended::Lost(late.into())),
            };
            self.solve(channel, session, request, &mut progress).await
        });
        let ended = ended.and_then(|answer| judge(&trees, request, answer, progress));
        if matches!(ended, Err(Ended::Lost(_) | Ended::Stuck(_))) {
            // The next attempt uses a new connection.
            *self.channel.lock() = None;
        }
        ended
    }

    /// The platforms that it builds for, its own first. Asked over a new connection, so that the answer tells whether it is
    /// there now.
    pub(crate) fn platforms(&self, asker: Asker<'_>) -> io::Result<Vec<Platform>> {
        let gone = || io::Error::from(io::ErrorKind::Interrupted);
        let runtime = self.runtime.as_ref().ok_or_else(gone)?;
        *self.channel.lock() = None;
        let question = asker.ask(&self.name, self.access.limits.answer());
        let listed = async {
            let channel = self.channel().await.map_err(|ended| match ended {
                Ended::Lost(why) => why,
                Ended::Stuck(_) | Ended::Error(_) => gone(),
            })?;
            let workers = ControlClient::new(channel)
                .list_workers(ListWorkersRequest::default())
                .await;
            workers.map_err(|status| io::Error::other(cause(&status)))
        };
        let answer = runtime.block_on(question.wait(listed))??.into_inner();
        let workers = answer.record.into_iter();
        let platforms = workers.flat_map(|worker| worker.platforms);
        let platforms = platforms.map(|platform| Platform {
            os: platform.os,
            architecture: platform.architecture,
            variant: platform.variant,
        });
        Ok(platforms.collect())
    }

    async fn channel(&self) -> Result<Channel, Ended> {
        if let Some(channel) = self.channel.lock().clone() {
            return Ok(channel);
        }
        let reason = Reason::default();
        let connected = connection::channel(&self.address, self.access.limits, &reason).await;
        let lost = |error| Ended::Lost(io::Error::other(cause(&error)));
        let channel = connected.map_err(lost)?;
        // Any response will do: some daemons are too old to support this call.
        let asked = ControlClient::new(channel.clone())
            .info(InfoRequest {})
            .await;
        if let Some(lost) = asked.err().as_ref().and_then(lost_by) {
            // The reason is read by another task.
            tokio::time::sleep(TICK).await;
            return Err(Ended::Lost(reason.take().map_or(lost, io::Error::other)));
        }
        // If two builds connect concurrently, the later connection is kept; the other one serves its own build.
        *self.channel.lock() = Some(channel.clone());
        Ok(channel)
    }

    async fn session(
        &self,
        channel: &Channel,
        request: &Request<'_>,
        trees: &Trees,
    ) -> Result<Session, Ended> {
        let secrets = request.secrets.iter();
        let offered = Offered {
            trees: trees.clone(),
            secrets: secrets
                .map(|secret| (secret.id.clone(), secret.value.clone()))
                .collect(),
            access: self.access.clone(),
        };
        let key = direct::files_key(request.job);
        let to = (&self.address, channel.clone());
        Session::open(to, &self.access.limits, &key, offered)
            .await
            .map_err(Ended::Lost)
    }

    /// Where results go: from a `BuildKit` whose store nobody here can read, to their registry.
    fn export(&self, request: &Request<'_>) -> Export {
        match self.address {
            Address::Daemon(_) => Export::Store,
            Address::Own { .. } => {
                let registry = Reference::read(request.job.reference);
                let is_insecure =
                    registry.is_some_and(|read| registry::is_plain(&read.host, &self.access));
                Export::Registry { is_insecure }
            }
        }
    }
}

impl Drop for BuildKit {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // No build is running; at most connections that nothing waits for are left.
            runtime.shutdown_background();
        }
    }
}

impl BuildKit {
    async fn solve(
        &self,
        channel: Channel,
        session: Session,
        request: &Request<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Answer, Ended> {
        let control = ControlClient::new(channel.clone());
        let mut control = control.max_decoding_message_size(LONGEST_MESSAGE);
        let export = self.export(request);
        let solve = direct::solve(request, &session.id, &self.proxies, export);
        let touched = gateway::touch(channel, solve.r#ref.clone(), request.touch.as_ref());
        let mut touched = std::pin::pin!(touched);
        let mut is_touched = request.touch.is_none();
        let status = StatusRequest {
            r#ref: solve.r#ref.clone(),
        };
        let mut observer = control.clone();
        let (life, is_fetching) = (LastSign::default(), AtomicBool::new(true));
        let heard = async {
            // Progress is informational: a build without it is just as good.
            if let Ok(status) = observer.status(status).await {
                listen(status.into_inner(), progress, &life, &is_fetching).await;
            }
        };
        let mut heard = std::pin::pin!(heard);
        let mut is_heard = false;
        let mut stalled = std::pin::pin!(self.stalled(request, &life, &is_fetching));
        let answer = {
            let mut solved = std::pin::pin!(control.solve(solve));
            let mut tick = tokio::time::interval(TICK);
            loop {
                tokio::select! {
                    answer = &mut solved => break answer,
                    () = &mut heard, if !is_heard => is_heard = true,
                    done = &mut touched, if !is_touched => match done {
                        Ok(()) => is_touched = true,
                        Err(status) => break Err(status),
                    },
                    why = &mut stalled => return Err(Ended::Stuck(why)),
                    _ = tick.tick() => if request.cancel.is_requested() { break Err(Status::cancelled("")) },
                }
            }
            // Dropping the call here cancels it in the daemon.
        };
        // The daemon closes the status stream after the last step.
        if !is_heard && !request.cancel.is_urgent() {
            let _ = tokio::time::timeout(self.access.limits.grace / 2, heard).await;
        }
        Ok(answer)
    }

    /// Completes, with the reason, when the build can no longer finish. A daemon that does not answer breaks the
    /// connection, but a registry that does not answer the daemon would keep it waiting forever.
    async fn stalled(
        &self,
        request: &Request<'_>,
        life: &LastSign,
        is_fetching: &AtomicBool,
    ) -> String {
        let registries = request.registries();
        loop {
            let left = self.access.limits.idle.saturating_sub(life.silence());
            if !left.is_zero() {
                tokio::time::sleep(left).await;
                continue;
            }
            life.now();
            if !is_fetching.load(Ordering::Relaxed) {
                continue;
            }
            for host in registries.clone() {
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
}

fn judge(
    trees: &Trees,
    request: &Request<'_>,
    answer: Answer,
    progress: Progress<'_>,
) -> Result<String, Ended> {
    let why = match answer {
        Ok(answer) => match answer.into_inner().exporter_response.remove(DIGEST) {
            Some(digest) if Digest::read(&digest).is_some() => return Ok(digest),
            _ => "the builder succeeded without reporting the image's digest".to_owned(),
        },
        Err(_) if request.cancel.is_requested() => return Err(Ended::Error(BuildError::Cancelled)),
        Err(status) => {
            if let Some(path) = trees.iter().find_map(|(_, tree)| tree.moved()) {
                return Err(Ended::Error(BuildError::Moved { path }));
            }
            if let Some(lost) = lost_by(&status) {
                return Err(Ended::Lost(lost));
            }
            status.message().to_owned()
        }
    };
    let mut failure = progress.failure();
    if failure.error.is_empty() {
        failure.error = why;
    }
    let error = failure::build(&failure, &request.dockerfile.steps);
    Err(Ended::Error(error))
}

/// The cause if the failed call means that the connection was lost. Transport errors have a source, errors from
/// `BuildKit` have none.
fn lost_by(status: &Status) -> Option<io::Error> {
    let is_transport = std::error::Error::source(status).is_some();
    (is_transport || status.code() == Code::Unavailable).then(|| io::Error::other(cause(status)))
}

async fn listen(
    mut statuses: Streaming<StatusResponse>,
    progress: &mut Progress<'_>,
    life: &LastSign,
    is_fetching: &AtomicBool,
) {
    while let Ok(Some(status)) = statuses.message().await {
        life.now();
        progress.status(status);
        is_fetching.store(progress.is_fetching(), Ordering::Relaxed);
    }
}
