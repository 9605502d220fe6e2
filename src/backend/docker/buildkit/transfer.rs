//! Sends a folder to `BuildKit`: first what there is, then what it asks for.
//!
//! Source: the protocol of <https://github.com/tonistiigi/fsutil> (`send.go`). Entries come in the order of their paths' parts,
//! each numbered from 0; a request names a number; contents come in pieces, an empty one at the end. The choice made:
//! owners are left out and modes are what they are, as `docker buildx build` has it.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use tokio::sync::mpsc::{self, Sender, UnboundedReceiver, UnboundedSender};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// What is sent of a file at once.
const CHUNK: usize = 64 * 1024;

/// How many packets may wait for the daemon.
const QUEUE: usize = 64;

/// What a folder is in the modes of Go's `io/fs`.
const GO_FOLDER: u32 = 1 << 31;

/// What a link is there.
const GO_LINK: u32 = 1 << 27;

type Packets = Sender<Result<Packet, Status>>;

/// A file, folder or link.
#[derive(Debug)]
struct Item {
    stat: Stat,
    path: PathBuf,
}

/// Sends what is in a folder below the paths asked for (all, if none is).
pub(super) fn send(
    folder: PathBuf,
    follow: Vec<String>,
    asked: Streaming<Packet>,
) -> ReceiverStream<Result<Packet, Status>> {
    let (packets, sent) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let listed = tokio::task::spawn_blocking(move || list(&folder, &follow)).await;
        let items = match listed {
            Ok(Ok(items)) => Arc::new(items),
            Ok(Err(error)) => {
                let _ = packets.send(Err(unreadable(&error))).await;
                return;
            }
            Err(_) => return,
        };
        let (wanted, wishes) = mpsc::unbounded_channel();
        let contents = (Arc::clone(&items), packets.clone());
        tokio::task::spawn_blocking(move || send_contents(&contents.0, wishes, &contents.1));
        let stats = tokio::spawn(send_stats(Arc::clone(&items), packets.clone()));
        hear(asked, &wanted, &packets).await;
        stats.abort();
    });
    ReceiverStream::new(sent)
}

/// Passes on what the daemon asks for, until it says that it has all.
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

fn send_contents(items: &[Item], mut wishes: UnboundedReceiver<u32>, packets: &Packets) {
    while let Some(id) = wishes.blocking_recv() {
        let item = usize::try_from(id).ok().and_then(|at| items.get(at));
        let sent = match item {
            Some(item) => send_content(&item.path, id, packets),
            None => Err(io::Error::other(format!("there is no entry {id}"))),
        };
        if let Err(error) = sent {
            let _ = packets.blocking_send(Err(unreadable(&error)));
            return;
        }
    }
}

fn send_content(path: &Path, id: u32, packets: &Packets) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = file.read(&mut buffer)?;
        let packet = Packet {
            id,
            data: buffer[..read].to_vec(),
            ..of(PacketType::PacketData)
        };
        let is_gone = packets.blocking_send(Ok(packet)).is_err();
        // Nobody waits for the rest of a build that was stopped.
        if read == 0 || is_gone {
            return Ok(());
        }
    }
}

fn of(kind: PacketType) -> Packet {
    Packet {
        r#type: kind.into(),
        ..Packet::default()
    }
}

fn unreadable(error: &io::Error) -> Status {
    Status::internal(format!("cannot read what is to be sent: {error}"))
}

/// All entries below a folder, in the order of the protocol.
fn list(folder: &Path, follow: &[String]) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    list_into(folder, "", follow, &mut items)?;
    Ok(items)
}

fn list_into(
    folder: &Path,
    within: &str,
    follow: &[String],
    items: &mut Vec<Item>,
) -> io::Result<()> {
    let entries = folder.read_dir()?.collect::<io::Result<Vec<_>>>()?;
    let mut names = entries
        .iter()
        .map(|entry| utf8(entry.file_name()))
        .collect::<io::Result<Vec<String>>>()?;
    names.sort_unstable();
    for name in names {
        let path = folder.join(&name);
        let told = if within.is_empty() {
            name
        } else {
            format!("{within}/{name}")
        };
        if !is_followed(&told, follow) {
            continue;
        }
        let metadata = path.symlink_metadata()?;
        items.push(Item {
            stat: stat(&told, &path, &metadata)?,
            path: path.clone(),
        });
        if metadata.is_dir() {
            list_into(&path, &told, follow, items)?;
        }
    }
    Ok(())
}

fn utf8(name: std::ffi::OsString) -> io::Result<String> {
    name.into_string().map_err(|name| {
        io::Error::other(format!("`{}` is no name in UTF-8", name.to_string_lossy()))
    })
}

fn stat(told: &str, path: &Path, metadata: &Metadata) -> io::Result<Stat> {
    let rights = metadata.permissions().mode() & 0o777;
    let (kind, linkname) = if metadata.is_dir() {
        (GO_FOLDER, String::new())
    } else if metadata.is_symlink() {
        (GO_LINK, utf8(path.read_link()?.into_os_string())?)
    } else {
        (0, String::new())
    };
    Ok(Stat {
        path: told.to_owned(),
        mode: rights | kind,
        size: if metadata.is_file() {
            i64::try_from(metadata.len()).map_err(io::Error::other)?
        } else {
            0
        },
        mod_time: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
        linkname,
        ..Stat::default()
    })
}

/// Whether a path leads to, is, or lies below one that was asked for. Patterns are not followed but sent all: more than
/// asked for does no harm.
fn is_followed(path: &str, follow: &[String]) -> bool {
    let is_within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    follow.is_empty()
        || follow.iter().any(|asked| {
            let asked = asked.trim_matches('/');
            asked.is_empty()
                || asked == "."
                || asked.contains(['*', '?', '[', '\\'])
                || is_within(path, asked)
                || is_within(asked, path)
        })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn entries_come_in_the_order_of_their_parts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["a/b", "a-b", "a.c/d/e"] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12345").unwrap();
        }
        std::os::unix::fs::symlink("../x", root.join("a/link")).unwrap();
        let items = list(root, &[]).unwrap();
        let paths: Vec<&str> = items.iter().map(|item| item.stat.path.as_str()).collect();
        assert_eq!(
            paths,
            ["a", "a/b", "a/link", "a-b", "a.c", "a.c/d", "a.c/d/e"]
        );
        assert_eq!(items[0].stat.mode & GO_FOLDER, GO_FOLDER);
        assert_eq!((items[1].stat.size, items[1].stat.mode & 0o600), (5, 0o600));
        assert_eq!(items[2].stat.linkname, "../x");
        assert_eq!((items[2].stat.size, items[2].stat.mode >> 27), (0, 1));
    }

    #[test]
    fn only_what_is_asked_for_is_sent() {
        let asked = |paths: &[&str]| -> Vec<String> {
            paths.iter().map(|path| (*path).to_owned()).collect()
        };
        assert!(is_followed("any", &[]));
        assert!(!is_followed("context", &asked(&["Dockerfile"])));
        assert!(is_followed("Dockerfile", &asked(&["Dockerfile"])));
        assert!(!is_followed("Dockerfile.old", &asked(&["Dockerfile"])));
        assert!(is_followed("0", &asked(&["/0/a"])));
        assert!(is_followed("0/a/b", &asked(&["/0/a"])));
        assert!(is_followed("0", &asked(&["."])));
        assert!(is_followed("0", &asked(&["1*"])));
    }
}
