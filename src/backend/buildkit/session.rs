//! Services that `BuildKit` calls during a build: files, registry credentials, secrets, health checks.
//!
//! Each build has its own session, because frontends before `BuildKit` 0.14 always call the context `context`; a
//! session offers only what its build may access.

use std::io;
use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::Packet;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_check_response::ServingStatus,
};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::{FileSync, FileSyncServer};
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::address::Address;
use super::direct::Trees;
use super::{connection, transfer, tunnel};
use crate::backend::oci::registry::{Access, Login};
use crate::limits::Limits;

const METHODS: &[&str] = &[
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/grpc.health.v1.Health/Check",
];

pub(super) struct Session {
    pub(super) id: String,
    served: JoinHandle<()>,
}

/// Everything that a session provides to the daemon.
pub(super) struct Offered {
    /// File trees by the names that frontends use.
    pub(super) trees: Trees,
    /// Secret values by id.
    pub(super) secrets: Vec<(String, Vec<u8>)>,
    pub(super) access: Access,
}

impl Session {
    /// Opens a session: from now on `BuildKit` calls services over it. The key lets it recognize directories that it received
    /// in earlier sessions.
    pub(super) async fn open(
        (address, channel): (&Address, Channel),
        limits: &Limits,
        key: &str,
        offered: Offered,
    ) -> io::Result<Self> {
        let id = connection::random();
        let mut headers = vec![
            ("X-Docker-Expose-Session-Uuid", id.as_str()),
            ("X-Docker-Expose-Session-Name", "imgspec"),
            ("X-Docker-Expose-Session-Sharedkey", key),
        ];
        let methods = METHODS.iter();
        headers.extend(methods.map(|method| ("X-Docker-Expose-Session-Grpc-Method", *method)));
        let services = Services(Arc::new(offered));
        let served = match address {
            Address::Daemon(socket) => {
                let stream = connection::upgraded(socket, limits, "/session", &headers).await?;
                tokio::spawn(services.serve(stream))
            }
            Address::Own { .. } => {
                let stream = tunnel::open(channel, &headers).await;
                let refused = |status: Status| io::Error::other(connection::cause(&status));
                tokio::spawn(services.serve(stream.map_err(refused)?))
            }
        };
        Ok(Self { id, served })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.served.abort();
    }
}

#[derive(Clone)]
struct Services(Arc<Offered>);

impl Services {
    /// Serves one connection until it ends.
    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
    {
        let server = tonic::transport::Server::builder()
            .add_service(FileSyncServer::new(self.clone()))
            .add_service(AuthServer::new(self.clone()))
            .add_service(SecretsServer::new(self.clone()))
            .add_service(HealthServer::new(self));
        // If it ended early, the build that depends on it reports an error.
        let _ = server
            .serve_with_incoming(tokio_stream::once(io::Result::Ok(stream)))
            .await;
    }
}

type Reply<T> = Result<Response<T>, Status>;

#[async_trait]
impl FileSync for Services {
    type DiffCopyStream = ReceiverStream<Result<Packet, Status>>;
    type TarStreamStream = Self::DiffCopyStream;

    async fn diff_copy(&self, request: Request<Streaming<Packet>>) -> Reply<Self::DiffCopyStream> {
        let values = |name: &str| {
            let all = request.metadata().get_all(name).iter();
            let texts = all.filter_map(|value| value.to_str().ok().map(str::to_owned));
            texts.collect::<Vec<String>>()
        };
        let name = values("dir-name").pop().unwrap_or_default();
        let mut trees = self.0.trees.iter();
        let (_, tree) = trees
            .find(|(known, _)| *known == name)
            .ok_or_else(|| Status::not_found(format!("no directory `{name}` is being built")))?;
        let mut follow = values("followpaths");
        if !values("followpaths-encoded").is_empty() {
            // Non-ASCII paths arrive in another encoding. Sending more than requested does no harm.
            follow.clear();
        }
        let packets = transfer::send(Arc::clone(tree), &follow, request.into_inner());
        Ok(Response::new(packets))
    }

    async fn tar_stream(&self, _: Request<Streaming<Packet>>) -> Reply<Self::TarStreamStream> {
        Err(Status::unimplemented("files are sent by DiffCopy"))
    }
}

#[async_trait]
impl Auth for Services {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Reply<CredentialsResponse> {
        let host = request.into_inner().host;
        let offered = Arc::clone(&self.0);
        // Credential helpers are processes, so they block.
        let found = tokio::task::spawn_blocking(move || offered.access.login(&host)).await;
        let login = found
            .map_err(|error| Status::internal(error.to_string()))?
            .map_err(Status::unauthenticated)?;
        let (username, secret) = match login {
            Some(Login::Password(user, password)) => (user, password),
            Some(Login::Token(token)) => (String::new(), token),
            None => (String::new(), String::new()),
        };
        Ok(Response::new(CredentialsResponse { username, secret }))
    }

    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Reply<FetchTokenResponse> {
        Err(Status::unimplemented("the daemon fetches tokens itself"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Reply<GetTokenAuthorityResponse> {
        Err(Status::unimplemented("the daemon fetches tokens itself"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Reply<VerifyTokenAuthorityResponse> {
        Err(Status::unimplemented("the daemon fetches tokens itself"))
    }
}

#[async_trait]
impl Secrets for Services {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Reply<GetSecretResponse> {
        let id = request.into_inner().id;
        let mut secrets = self.0.secrets.iter();
        // `BuildKit` interprets exactly this code as a missing secret, which a step may allow.
        let (_, value) = secrets
            .find(|(known, _)| *known == id)
            .ok_or_else(|| Status::not_found(format!("secret `{id}` is not set")))?;
        let data = value.clone();
        Ok(Response::new(GetSecretResponse { data }))
    }
}

#[async_trait]
impl Health for Services {
    type WatchStream = ReceiverStream<Result<HealthCheckResponse, Status>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Reply<HealthCheckResponse> {
        let status = ServingStatus::Serving.into();
        Ok(Response::new(HealthCheckResponse { status }))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Reply<HealthListResponse> {
        Err(Status::unimplemented("ask by Check"))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Reply<Self::WatchStream> {
        Err(Status::unimplemented("ask by Check"))
    }
}
