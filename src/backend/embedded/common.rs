//! What the files of the embedded builder share: its name, limits, notes of images, and forms of errors.

use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::backend::BuildError;
use crate::backend::oci::lend::BUILDER;
use crate::backend::oci::store::StoreError;

/// The name by which manifests choose it.
pub(super) const NAME: &str = BUILDER;

/// The largest manifest or config, in bytes.
pub(super) const LARGEST: u64 = 16 << 20;

/// What is kept of a built image.
#[derive(Serialize, Deserialize)]
pub(super) struct ImageNote {
    pub(super) reference: String,
    pub(super) key: String,
    pub(super) digest: String,
}

impl ImageNote {
    pub(super) fn name(reference: &str) -> String {
        format!("image-{}", blake3::hash(reference.as_bytes()).to_hex())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
pub(super) fn failed(error: impl Display) -> BuildError {
    BuildError::Failed(error.to_string())
}

/// A damaged blob is removed when it is found, so the next attempt makes or fetches it again.
#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
pub(super) fn stored(error: StoreError) -> BuildError {
    let why = error.to_string();
    match error {
        StoreError::Damaged(_) => passing(why),
        _ => BuildError::Failed(why),
    }
}

pub(super) fn passing(why: String) -> BuildError {
    BuildError::Transient(why)
}

/// How many blobs of an image are transferred or read at once.
const AT_ONCE: usize = 4;

/// Does this with all items, a few at once; the results are in their order. After a failure no more are begun. Threads of
/// its own, because they wait for networks and disks.
pub(super) fn at_once<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<R, E>)>> = Mutex::default();
    let run = || {
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            let result = work(item);
            if result.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            results.lock().push((at, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..AT_ONCE.min(items.len()) {
            scope.spawn(run);
        }
        run();
    });
    let mut results = results.into_inner();
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::at_once;

    #[test]
    fn results_are_in_order_and_a_failure_ends_it() {
        let items: Vec<usize> = (0..50).collect();
        let doubled = at_once(&items, |item| Ok::<_, ()>(item * 2)).unwrap();
        assert_eq!(
            doubled,
            items.iter().map(|item| item * 2).collect::<Vec<_>>()
        );
        assert_eq!(at_once(&[] as &[u8], |_| Ok::<_, ()>(())), Ok(Vec::new()));
        let failed = at_once(&items, |item| if *item == 7 { Err(*item) } else { Ok(()) });
        assert_eq!(failed, Err(7));
    }
}
