//! Sends a tree to `BuildKit`: first the list of entries, then the requested contents.
//!
//! Source: the protocol of <https://github.com/tonistiigi/fsutil> (`send.go`). Entries are ordered by the components of
//! their paths and numbered from 0; a request is a number; contents are sent in pieces, the last one empty. A thread
//! reads contents while the list is still being sent.

use std::io;
use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::Packet;
use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use tokio::sync::mpsc::{self, Sender, UnboundedReceiver, UnboundedSender};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::tree::{Item, Tree};

/// How many packets may be queued for the daemon.
const QUEUE: usize = 64;

type Packets = Sender<Result<Packet, Status>>;

/// Sends the part of a tree below the requested paths; all of it if there are none.
pub(super) fn send(
    tree: Arc<Tree>,
    follow: &[String],
    asked: Streaming<Packet>,
) -> ReceiverStream<Result<Packet, Status>> {
    let (packets, sent) = mpsc::channel(QUEUE);
    let items = Arc::new(tree.items(follow));
    let (wanted, wishes) = mpsc::unbounded_channel();
    let contents = (Arc::clone(&items), packets.clone());
    tokio::task::spawn_blocking(move || send_contents(&tree, &contents.0, wishes, &contents.1));
    let stats = tokio::spawn(send_stats(items, packets.clone()));
    tokio::spawn(async move {
        hear(asked, &wanted, &packets).await;
        stats.abort();
    });
    ReceiverStream::new(sent)
}

/// Forwards the daemon's requests until it has received everything.
async fn hear(mut asked: Streaming<Packet>, wanted: &UnboundedSender<u32>, packets: &Packets) {
    while let Ok(Some(packet)) = asked.message().await {
        match packet.r#type() {
            PacketType::PacketReq => {
                let _ = wanted.send(packet.id);
            }
            PacketType::PacketFin => {
                let _ = packets.send(Ok(of(PacketType::PacketFin))).await;
                return;
            }
            PacketType::PacketErr => return,
            PacketType::PacketStat | PacketType::PacketData => {}
        }
    }
}

async fn send_stats(items: Arc<Vec<Item>>, packets: Packets) {
    for item in items.iter() {
        let packet = Packet {
            stat: Some(item.stat.clone()),
            ..of(PacketType::PacketStat)
        };
        if packets.send(Ok(packet)).await.is_err() {
            return;
        }
    }
    let _ = packets.send(Ok(of(PacketType::PacketStat))).await;
}

fn send_contents(
    tree: &Tree,
    items: &[Item],
    mut wishes: UnboundedReceiver<u32>,
    packets: &Packets,
) {
    while let Some(id) = wishes.blocking_recv() {
        let item = usize::try_from(id).ok().and_then(|at| items.get(at));
        let mut give = |data: &[u8]| {
            let packet = Packet {
                id,
                data: data.to_vec(),
                ..of(PacketType::PacketData)
            };
            // After a build was stopped, there is no receiver for the rest.
            let is_taken = packets.blocking_send(Ok(packet)).is_ok();
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            is_taken.then_some(()).ok_or_else(gone)
        };
        let sent = match item {
            // An empty piece marks the end: send it only once the content has been verified.
            Some(item) => tree.read(item, &mut give).and_then(|()| give(&[])),
            None => Err(io::Error::other(format!("there is no entry {id}"))),
        };
        if let Err(error) = sent {
            let _ = packets.blocking_send(Err(Status::internal(error.to_string())));
            return;
        }
    }
}

fn of(kind: PacketType) -> Packet {
    Packet {
        r#type: kind.into(),
        ..Packet::default()
    }
}
