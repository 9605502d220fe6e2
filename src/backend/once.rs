//! Values that are computed only once: concurrent callers wait for the first. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// Values by key. A failure is not stored: the next caller tries again.
#[derive(Debug)]
pub(in crate::backend) struct Once<A>(Mutex<BTreeMap<String, Slot<A>>>);

type Slot<A> = Arc<Mutex<Option<A>>>;

impl<A> Default for Once<A> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<A: Clone> Once<A> {
    pub(in crate::backend) fn get<E>(
        &self,
        question: &str,
        find: impl FnOnce() -> Result<A, E>,
    ) -> Result<A, E> {
        let slot = {
            let mut all = self.0.lock();
            Arc::clone(all.entry(question.to_owned()).or_default())
        };
        let mut slot = slot.lock();
        if let Some(answer) = &*slot {
            return Ok(answer.clone());
        }
        let answer = find()?;
        *slot = Some(answer.clone());
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn many_who_ask_have_one_answer_and_a_failure_is_none() {
        let once = Once::default();
        assert_eq!(once.get("a", || Err::<u8, _>("not yet")), Err("not yet"));
        let found = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let answer = once.get("a", || {
                        found.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, ()>(7)
                    });
                    assert_eq!(answer, Ok(7));
                });
            }
        });
        assert_eq!(found.into_inner(), 1);
        assert_eq!(once.get("b", || Ok::<_, ()>(8)), Ok(8));
    }
}
