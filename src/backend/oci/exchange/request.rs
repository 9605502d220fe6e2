//! What every answer is made with: a request's body, and work on files that keeps nobody waiting.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::answer::Refusal;
use super::limits::HEARD;

/// How long a client that is refused may pause while it is heard out.
const PAUSE: Duration = Duration::from_secs(2);

/// A request's body, until somebody takes it.
pub(super) type Body = Option<Incoming>;

/// Takes in what is still sent, within limits: else the client sees a broken connection instead of the refusal.
pub(super) async fn hear_out(body: Body) {
    let Some(mut body) = body else { return };
    let mut heard = 0;
    while heard < HEARD {
        match tokio::time::timeout(PAUSE, body.frame()).await {
            Ok(Some(Ok(frame))) => heard += frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => return,
        }
    }
}

/// Does what reads or writes files where that keeps nobody waiting.
pub(super) async fn on_files<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Refusal>
where
    T: Send + 'static,
    E: Send + 'static,
    Refusal: From<E>,
{
    Ok(tokio::task::spawn_blocking(work).await??)
}
