//! Where the live page is: a port, and a word in the path that only the user knows.
//!
//! Both are remembered for each workspace, so that a page that is still open finds the next run. They are kept in the user's
//! own cache rather than in the workspace: a checkout could bring a word that somebody else knows.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::cache;
use crate::disk::dir::Rooted;
use crate::loopback::random_word;

/// The directory in the user's cache.
const PAGES: &str = "pages";

/// More than a remembered address needs.
const LIMIT: u64 = 4096;

/// What is remembered of a workspace's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    pub(super) port: u16,
    pub(super) word: String,
}

/// Listens where the page of this workspace was last, or at `port`, and remembers it. A port that is taken is an error only
/// if it was asked for.
pub(super) fn listen(
    root: &Path,
    port: Option<u16>,
    env: &dyn Fn(&str) -> Option<String>,
) -> io::Result<(TcpListener, Address)> {
    let place = cache::folder(env).map(|folder| folder.join(PAGES));
    let name = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
    let last = place.as_ref().and_then(|place| recall(place, &name));
    let listener = match (port, &last) {
        (Some(port), _) => bind(port)?,
        (None, Some(last)) => bind(last.port).or_else(|_| bind(0))?,
        (None, None) => bind(0)?,
    };
    let word = match &last {
        Some(last) => last.word.clone(),
        None => random_word()?,
    };
    let address = Address {
        port: listener.local_addr()?.port(),
        word,
    };
    if last.as_ref() != Some(&address)
        && let Some(place) = place
    {
        // Without it, the next run has another address: a page that is open does not find it.
        let _ = remember(&place, &name, &address);
    }
    Ok((listener, address))
}

fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

fn recall(place: &Rooted, name: &str) -> Option<Address> {
    let bytes = place.open().ok()??.read(name, LIMIT).ok()??;
    let address: Address = serde_json::from_slice(&bytes).ok()?;
    let is_word =
        address.word.len() == 32 && address.word.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_word.then_some(address)
}

fn remember(place: &Rooted, name: &str, address: &Address) -> io::Result<()> {
    let text = serde_json::to_vec(address)?;
    place.make()?.replace(name, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_workspace_stays_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let cache = tempfile::tempdir().unwrap();
        let env = |name: &str| {
            (name == "XDG_CACHE_HOME").then(|| cache.path().to_str().unwrap().to_owned())
        };
        let at = |root: &str, port| listen(Path::new(root), port, &env);
        let (listener, first) = at("/a", None).unwrap();
        let (_, meanwhile) = at("/a", None).unwrap();
        assert_eq!(meanwhile.word, first.word);
        assert_ne!(meanwhile.port, first.port);
        assert!(at("/a", Some(first.port)).is_err());
        drop(listener);
        let (_, again) = at("/a", Some(first.port)).unwrap();
        assert_eq!(again, first);
        assert_ne!(at("/b", None).unwrap().1.word, first.word);
        let pages = cache.path().join("imgspec/pages");
        for entry in pages.read_dir().unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
    }

    #[test]
    fn a_damaged_memory_is_none() {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().to_str().unwrap().to_owned();
        let env = |name: &str| (name == "XDG_CACHE_HOME").then(|| path.clone());
        let (_, first) = listen(Path::new("/a"), None, &env).unwrap();
        let pages = cache.path().join("imgspec/pages");
        let file = pages.read_dir().unwrap().next().unwrap().unwrap().path();
        for bad in [
            "",
            "{}",
            r#"{"port":1,"word":"x"}"#,
            r#"{"port":1,"word":"../../../../../../../../../../x"}"#,
        ] {
            std::fs::write(&file, bad).unwrap();
            let (_, address) = listen(Path::new("/a"), None, &env).unwrap();
            assert_ne!(address.word, first.word, "{bad}");
            assert_eq!(address.word.len(), 32);
        }
    }
}
