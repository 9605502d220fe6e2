//! Connections to a `BuildKit` at an address of its own. A wrong port is recognized by the first bytes, so that the error says
//! which of the two sides expects encryption, instead of how HTTP/2 failed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::tls::{self, Tls};
use crate::disk::system_words;
use crate::limits::{Limit, Limits};

/// The first byte of a TLS alert.
const ALERT: u8 = 0x15;

/// How long the other side is waited for before the client speaks. Some servers let the client speak first.
const GREETING: Duration = Duration::from_millis(200);

const REFUSED: &str =
    "it ended the encrypted connection at once: check `--buildkit-cert` and `--buildkit-key`";

/// Connects to a TCP port, with encryption if there is `tls`.
pub(super) async fn dial(
    host: &str,
    port: u16,
    tls: Option<&Tls>,
    limits: &Limits,
    reason: &Reason,
) -> io::Result<Greeted> {
    let dialled = async {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        match tls {
            None => Ok(Greeted::new(stream, true, limits.connect(), reason)),
            Some(tls) => {
                let mut stream = BufReader::new(tls.over(host, stream).await?);
                // A refused client learns so only after the handshake; and if it has sent something by then, perhaps never.
                if let Ok(first) = tokio::time::timeout(GREETING, stream.fill_buf()).await
                    && first.map_err(tls::told)?.is_empty()
                {
                    return Err(io::Error::other(REFUSED));
                }
                Ok(Greeted::new(stream, false, limits.connect(), reason))
            }
        }
    };
    let dialled = tokio::time::timeout(limits.connect, dialled).await;
    let late = |_| {
        let why = format!("no connection within {}", limits.connect());
        io::Error::new(io::ErrorKind::TimedOut, why)
    };
    dialled
        .map_err(late)?
        .map_err(|error: io::Error| io::Error::new(error.kind(), system_words(&error)))
}

/// Why a connection ended, for its user: HTTP/2 reports a connection that ends before the first request as closed, without a
/// reason.
#[derive(Debug, Clone, Default)]
pub(super) struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().take()
    }

    fn note(&self, error: &io::Error) {
        *self.0.lock() = Some(system_words(error));
    }
}

/// Reads and writes.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection on which the other side is to speak first, as every HTTP/2 server does.
pub(super) struct Greeted {
    stream: Box<dyn Stream>,
    is_plain: bool,
    limit: Limit,
    reason: Reason,
    /// Whether its first error is noted. Those that follow, such as of a farewell that can no longer be sent, explain nothing.
    is_told: bool,
    /// Until the first byte arrives.
    greeting: Option<Pin<Box<Sleep>>>,
}

impl Greeted {
    pub(super) fn new(
        stream: impl Stream + 'static,
        is_plain: bool,
        limit: Limit,
        reason: &Reason,
    ) -> Self {
        Self {
            stream: Box::new(stream),
            is_plain,
            limit,
            reason: reason.clone(),
            is_told: false,
            greeting: Some(Box::pin(tokio::time::sleep(limit.time))),
        }
    }
}

impl Greeted {
    fn note(&mut self, error: io::Error) -> io::Error {
        if !std::mem::replace(&mut self.is_told, true) {
            self.reason.note(&error);
        }
        error
    }

    /// An error in words. A connection that is reset before the first byte says nothing of its own.
    fn ended(&mut self, error: io::Error) -> io::Error {
        let is_first = self.greeting.take().is_some();
        let is_reset = matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        );
        let closed = (is_first && is_reset).then(|| stranger(&[], self.is_plain));
        let error = closed
            .flatten()
            .map_or_else(|| tls::told(error), io::Error::other);
        self.note(error)
    }

    /// The error of a write in words: what arrived before it may say more.
    fn unsent(&mut self, context: &mut Context<'_>, error: io::Error) -> io::Error {
        let mut bytes = [0; 16];
        let mut first = ReadBuf::new(&mut bytes);
        if self.greeting.is_none() {
            return self.ended(error);
        }
        match Pin::new(&mut self.stream).poll_read(context, &mut first) {
            Poll::Ready(Ok(())) => match stranger(first.filled(), self.is_plain) {
                Some(why) => self.ended(io::Error::other(why)),
                None => self.ended(error),
            },
            Poll::Ready(Err(error)) => self.ended(error),
            Poll::Pending => self.ended(error),
        }
    }
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, into) {
            Poll::Ready(Ok(())) => {
                let is_first = self.greeting.take().is_some();
                let first = is_first.then(|| &into.filled()[before..]);
                let wrong = first.and_then(|first| stranger(first, self.is_plain));
                Poll::Ready(match wrong {
                    Some(why) => Err(self.note(io::Error::other(why))),
                    None => Ok(()),
                })
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.ended(error))),
            Poll::Pending => {
                let limit = self.limit;
                let Some(greeting) = &mut self.greeting else {
                    return Poll::Pending;
                };
                ready!(greeting.as_mut().poll(context));
                let why = format!("it accepts connections, but sends nothing within {limit}");
                let late = io::Error::new(io::ErrorKind::TimedOut, why);
                Poll::Ready(Err(self.note(late)))
            }
        }
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        sent.map_err(|error| self.unsent(context, error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.stream).poll_flush(context);
        sent.map_err(|error| self.unsent(context, error))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What a connection that begins like this leads to instead of a `BuildKit`.
fn stranger(first: &[u8], is_plain: bool) -> Option<&'static str> {
    const TLS: &str =
        "it expects TLS: name the authority that signed its certificate with `--buildkit-ca`";
    match first {
        [] if !is_plain => Some(REFUSED),
        [] => Some(
            "it closed the connection at once: if it expects TLS, name the authority that signed its certificate with \
             `--buildkit-ca`",
        ),
        [ALERT, ..] if is_plain => Some(TLS),
        first if first.starts_with(b"HTTP/") => {
            Some("it answers in HTTP/1.1, so it is not a BuildKit")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    /// What is read first from a server that sends these bytes, and then waits unless it closes the connection.
    async fn first(sent: &[u8], closes: bool) -> String {
        let (mut server, client) = tokio::io::duplex(64);
        server.write_all(sent).await.unwrap();
        if closes {
            server.shutdown().await.unwrap();
        }
        let mut client = Greeted::new(client, true, SOON.into(), &Reason::default());
        let mut bytes = [0; 16];
        match client.read(&mut bytes).await {
            Ok(read) => format!("{read} bytes"),
            Err(error) => error.to_string(),
        }
    }

    /// A server on TCP that closed the connection: what it had sent can be read or not yet, and nothing can be written.
    struct Closed(Option<&'static [u8]>);

    impl AsyncRead for Closed {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let Some(sent) = self.0.take() else {
                return Poll::Pending;
            };
            into.put_slice(sent);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Closed {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_pipe_that_breaks_before_or_after_the_first_byte_hides_no_reason() {
        let reason = Reason::default();
        let mut before = Greeted::new(Closed(None), true, SOON.into(), &reason);
        assert!(before.write_all(b"PRI").await.is_err());
        assert!(
            reason
                .take()
                .unwrap()
                .starts_with("it closed the connection at once: if it expects TLS")
        );

        let mut after = Greeted::new(Closed(Some(b"\x15")), true, SOON.into(), &reason);
        assert!(after.read_u8().await.is_err());
        assert!(after.write_all(b"GOAWAY").await.is_err());
        assert!(reason.take().unwrap().starts_with("it expects TLS"));
    }

    #[tokio::test]
    async fn a_wrong_port_is_recognized() {
        assert_eq!(first(b"\0\0\x12\x04", false).await, "4 bytes");
        assert!(
            first(b"\x15\x03\x03", true)
                .await
                .starts_with("it expects TLS: ")
        );
        assert!(
            first(b"HTTP/1.1 400", true)
                .await
                .ends_with("not a BuildKit")
        );
        assert!(
            first(b"", true)
                .await
                .starts_with("it closed the connection at once")
        );
        let silent = "it accepts connections, but sends nothing within 0.05 s";
        assert_eq!(first(b"", false).await, silent);
    }
}
