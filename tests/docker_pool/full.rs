//! A `BuildKit` whose disk is full: it answers, and every build fails.

use bollard_buildkit_proto::moby::buildkit::v1::control_server::{Control, ControlServer};
use bollard_buildkit_proto::moby::buildkit::v1::types::WorkerRecord;
use bollard_buildkit_proto::moby::buildkit::v1::{
    BuildHistoryEvent, BuildHistoryRequest, BytesMessage, DiskUsageRequest, DiskUsageResponse,
    InfoRequest, InfoResponse, ListWorkersRequest, ListWorkersResponse, PruneRequest, SolveRequest,
    SolveResponse, StatusRequest, StatusResponse, UpdateBuildHistoryRequest,
    UpdateBuildHistoryResponse, UsageRecord,
};
use bollard_buildkit_proto::pb::Platform;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

/// The server; it ends with the test.
pub(crate) struct Full {
    address: String,
    runtime: Option<Runtime>,
}

impl Full {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = format!("tcp://{}", listener.local_addr().expect("an address"));
        let (accepted, incoming) = tokio::sync::mpsc::channel(8);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = accepted.send(Ok::<_, std::io::Error>(stream)).await;
            }
        });
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(ControlServer::new(Node))
                .serve_with_incoming(ReceiverStream::new(incoming)),
        );
        Self {
            address,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Node;

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = ReceiverStream<Result<T, Status>>;

fn none<T>() -> Answer<T> {
    Err(Status::unimplemented("nobody asks"))
}

#[async_trait]
impl Control for Node {
    type PruneStream = Answers<UsageRecord>;
    type StatusStream = Answers<StatusResponse>;
    type SessionStream = Answers<BytesMessage>;
    type ListenBuildHistoryStream = Answers<BuildHistoryEvent>;

    async fn solve(&self, _: Request<SolveRequest>) -> Answer<SolveResponse> {
        let why = "failed to copy: write /var/lib/buildkit/content/1: no space left on device";
        Err(Status::unknown(why))
    }

    async fn session(&self, _: Request<Streaming<BytesMessage>>) -> Answer<Self::SessionStream> {
        let (kept, answers) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move { kept.closed().await });
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Answer<Self::StatusStream> {
        let (_, answers) = tokio::sync::mpsc::channel(1);
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn list_workers(&self, _: Request<ListWorkersRequest>) -> Answer<ListWorkersResponse> {
        let platform = Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            ..Platform::default()
        };
        let worker = WorkerRecord {
            platforms: vec![platform],
            ..WorkerRecord::default()
        };
        let record = vec![worker];
        Ok(Response::new(ListWorkersResponse { record }))
    }

    async fn info(&self, _: Request<InfoRequest>) -> Answer<InfoResponse> {
        Ok(Response::new(InfoResponse::default()))
    }

    async fn disk_usage(&self, _: Request<DiskUsageRequest>) -> Answer<DiskUsageResponse> {
        none()
    }

    async fn prune(&self, _: Request<PruneRequest>) -> Answer<Self::PruneStream> {
        none()
    }

    async fn listen_build_history(
        &self,
        _: Request<BuildHistoryRequest>,
    ) -> Answer<Self::ListenBuildHistoryStream> {
        none()
    }

    async fn update_build_history(
        &self,
        _: Request<UpdateBuildHistoryRequest>,
    ) -> Answer<UpdateBuildHistoryResponse> {
        none()
    }
}
