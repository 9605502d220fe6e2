//! A `BuildKit` at a TCP address: a bridge to the one behind a daemon's socket, in plain text or TLS, that can be cut.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// The bridge; it ends with the test.
pub(crate) struct Bridge {
    at: SocketAddr,
    way: Arc<Way>,
    runtime: Option<Runtime>,
    listening: Option<JoinHandle<()>>,
}

/// How connections are carried on.
struct Way {
    daemon: PathBuf,
    tls: Option<TlsAcceptor>,
    /// Whether the daemon's amd64 is called arm64.
    is_foreign: bool,
    /// Whether accepted connections get no answer.
    is_silent: AtomicBool,
    accepted: AtomicUsize,
}

impl Bridge {
    /// To the daemon at this `unix://` address, unencrypted.
    pub(crate) fn new(daemon: &str) -> Self {
        Self::with(daemon, None, false)
    }

    /// In TLS.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn with_tls(daemon: &str, config: ServerConfig) -> Self {
        Self::with(daemon, Some(TlsAcceptor::from(Arc::new(config))), false)
    }

    /// As a machine of another kind: it says that its platform is linux/arm64.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn foreign(daemon: &str) -> Self {
        Self::with(daemon, None, true)
    }

    fn with(daemon: &str, tls: Option<TlsAcceptor>, is_foreign: bool) -> Self {
        let daemon = daemon.strip_prefix("unix://").expect("a Unix socket");
        let way = Way {
            daemon: daemon.into(),
            tls,
            is_foreign,
            is_silent: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let mut bridge = Self {
            at: "127.0.0.1:0".parse().expect("an address"),
            way: Arc::new(way),
            runtime: Some(runtime),
            listening: None,
        };
        bridge.restore();
        bridge
    }

    pub(crate) fn address(&self) -> String {
        format!("tcp://{}", self.at)
    }

    /// From now on, connections are accepted, and get no answer.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn silence(&self) {
        self.way.is_silent.store(true, Ordering::SeqCst);
    }

    /// How many connections were accepted.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn accepted(&self) -> usize {
        self.way.accepted.load(Ordering::SeqCst)
    }

    /// Ends all connections, and refuses new ones: the machine is gone.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn cut(&mut self) {
        if let (Some(runtime), Some(listening)) = (&self.runtime, self.listening.take()) {
            listening.abort();
            let _ = runtime.block_on(listening);
        }
    }

    /// Listens, again after a cut at the same port.
    pub(crate) fn restore(&mut self) {
        let runtime = self.runtime.as_ref().expect("until the end");
        let listener = runtime
            .block_on(TcpListener::bind(self.at))
            .expect("the port is ours");
        self.at = listener.local_addr().expect("an address");
        let way = Arc::clone(&self.way);
        self.listening = Some(runtime.spawn(async move {
            // Dropping the set ends all connections.
            let mut open = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                way.accepted.fetch_add(1, Ordering::SeqCst);
                let way = Arc::clone(&way);
                open.spawn(async move {
                    let _ = way.take(client).await;
                });
                while open.try_join_next().is_some() {}
            }
        }));
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Way {
    async fn take(&self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        if self.is_silent.load(Ordering::SeqCst) {
            let _kept = client;
            return std::future::pending().await;
        }
        match &self.tls {
            Some(tls) => self.carry(tls.accept(client).await?).await,
            None => self.carry(client).await,
        }
    }

    async fn carry(&self, client: impl AsyncRead + AsyncWrite) -> io::Result<()> {
        let mut daemon = UnixStream::connect(&self.daemon).await?;
        daemon
            .write_all(
                b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n",
            )
            .await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(daemon.read_u8().await?);
        }
        let (from_client, to_client) = tokio::io::split(client);
        let (from_daemon, to_daemon) = daemon.into_split();
        // Whichever side ends first ends the other one.
        tokio::select! {
            done = pump(from_client, to_daemon, false) => done,
            done = pump(from_daemon, to_client, self.is_foreign) => done,
        }
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    is_foreign: bool,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        if is_foreign {
            rename(&mut bytes[..read]);
        }
        to.write_all(&bytes[..read]).await?;
    }
}

/// Calls amd64 arm64, which is as long: messages of `BuildKit` are not compressed.
fn rename(bytes: &mut [u8]) {
    let (own, other) = (b"amd64", b"arm64");
    for at in 0..bytes.len().saturating_sub(own.len() - 1) {
        if bytes[at..].starts_with(own) {
            bytes[at..at + own.len()].copy_from_slice(other);
        }
    }
}
