//! The claims of a run in registries: which images it builds for all runners, and which it leaves to others.
//!
//! Workers make claims (`claiming.rs`). One thread, the keeper, does the rest, one request after another: it renews the claims
//! of this run, gives them up once the images are pushed, and watches the claims that images wait for. What it
//! waits for takes minutes, so the pace of its questions does not matter, and no worker is kept from building.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::backend::oci::name::Digest;
use crate::backend::{Artifact, Backend, Claim, ClaimError, Claimant, Place, Seen};
use crate::cancel::Cancel;

/// How often a claim is renewed within its lifetime.
const RENEWALS: u32 = 4;

/// The pauses between two looks at a claim of another runner.
const PAUSES: RangeInclusive<Duration> = Duration::from_millis(250)..=Duration::from_secs(5);

/// Within that range, a pause is the time that the claim has been waited for, divided by this.
const PART: u32 = 4;

/// How often a claim is looked at within its lifetime, at least: a change must not be missed.
const LOOKS: u32 = 6;

/// After this time nobody is waited for any more: a claim can be renewed by a runner that will never finish.
const LONGEST: Duration = Duration::from_hours(2);

/// How long the keeper sleeps when it has nothing to do.
const IDLE: Duration = Duration::from_hours(1);

/// What a worker found out about an image.
pub(super) enum Turn {
    /// This run builds it.
    Own,
    /// Another runner is building it.
    Other(Watched),
    /// Another runner has built and pushed it.
    Built(Artifact),
}

/// Why an image is no longer waited for although it has not been pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The other runner gave it up.
    Released,
    /// The other runner gives no sign any more; the content of its claim, and how long it lasted.
    Dead(Digest, Duration),
    /// It was waited for too long.
    Late,
}

/// The end of waiting for an image.
pub(crate) struct Unclaimed {
    pub(crate) image: String,
    pub(crate) how: Result<Artifact, Left>,
}

/// Looks for an image in its registry.
pub(super) type Find = Box<dyn Fn(&Cancel) -> Option<Artifact> + Send>;

/// An image that another runner has claimed.
pub(super) struct Watched {
    pub(super) claimant: Arc<Claimant>,
    pub(super) place: Place,
    pub(super) seen: Seen,
    pub(super) find: Find,
}

/// Passes news to the run; false if it has to be tried again later.
pub(super) type Tell = Box<dyn Fn(Unclaimed) -> bool + Send>;

/// The claims of one run.
pub(crate) struct Claims {
    claimants: Mutex<BTreeMap<String, Option<Arc<Claimant>>>>,
    /// The registries whose trouble was told, and whether they refuse claims for good.
    troubled: Mutex<BTreeMap<String, bool>>,
    keeper: Sender<Order>,
}

enum Order {
    /// Renew this claim on an image until it is released.
    Keep(String, Arc<Claimant>, Claim),
    /// Give up the claim on this image, if there is one.
    Release(String),
    /// Give up a claim that is not kept.
    Drop(Arc<Claimant>, Claim),
    Watch(String, Box<Watched>),
    /// Release everything; the sender is dropped when that is done.
    End(Sender<()>),
}

impl Claims {
    /// Starts the keeper, which passes its news to `tell`.
    pub(super) fn start(tell: Tell) -> std::io::Result<Self> {
        let (keeper, orders) = channel();
        let thread = std::thread::Builder::new().name("claims".to_owned());
        thread.spawn(move || Keeper::new(orders, tell).run())?;
        Ok(Self {
            claimants: Mutex::default(),
            troubled: Mutex::default(),
            keeper,
        })
    }

    /// Who claims the images of a builder, and where; `None` where nothing can be claimed.
    pub(super) fn way(
        &self,
        backend: &dyn Backend,
        reference: &str,
        key: &str,
    ) -> Option<(Arc<Claimant>, Place)> {
        let mut claimants = self.claimants.lock();
        let known = claimants.entry(backend.name().to_owned());
        let claimant = known.or_insert_with(|| backend.claimant().map(Arc::new));
        let claimant = claimant.clone()?;
        let place = Place::of(reference, key)?;
        let refuses = self.troubled.lock().get(place.host()).copied();
        (refuses != Some(true)).then_some((claimant, place))
    }

    /// Notes that a claim failed. Returns a warning, once for each registry.
    pub(super) fn trouble(&self, place: &Place, error: &ClaimError) -> Option<String> {
        let is_final = matches!(error, ClaimError::Refused(_));
        let mut troubled = self.troubled.lock();
        let known = troubled.insert(place.host().to_owned(), is_final);
        if known == Some(true) {
            troubled.insert(place.host().to_owned(), true);
        }
        known.is_none().then(|| {
            format!("images cannot be claimed, so other runners may build the same ones: {error}")
        })
    }

    /// Renews this claim until it is released.
    pub(super) fn keep(&self, image: &str, claimant: Arc<Claimant>, claim: Claim) {
        self.order(Order::Keep(image.to_owned(), claimant, claim));
    }

    /// Gives up a claim that is not kept.
    pub(super) fn give_up(&self, claimant: Arc<Claimant>, claim: Claim) {
        self.order(Order::Drop(claimant, claim));
    }

    /// Gives up the claim on this image, if there is one.
    pub(super) fn release(&self, image: &str) {
        self.order(Order::Release(image.to_owned()));
    }

    /// Watches the claim of another runner on this image.
    pub(super) fn watch(&self, image: &str, watched: Watched) {
        self.order(Order::Watch(image.to_owned(), Box::new(watched)));
    }

    /// Releases everything. A registry that does not answer is not waited for longer than for one answer; what is not released
    /// lapses. A second interrupt ends the wait.
    pub(super) fn end(&self, cancel: &Cancel) {
        let claimants = self.claimants.lock();
        let limits = claimants.values().flatten().map(|one| one.answer_limit());
        let limit = limits.max().unwrap_or_default();
        drop(claimants);
        let (done, ended) = channel();
        self.order(Order::End(done));
        let begun = Instant::now();
        while begun.elapsed() < limit && !cancel.is_urgent() {
            match ended.recv_timeout(Duration::from_millis(20)) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
        }
    }

    fn order(&self, order: Order) {
        // A keeper that is gone has released everything.
        let _ = self.keeper.send(order);
    }
}

/// A claim of this run, and when it is to be renewed.
struct Kept {
    claimant: Arc<Claimant>,
    claim: Claim,
    next: Instant,
}

/// The thread that renews and watches.
struct Keeper {
    orders: Receiver<Order>,
    tell: Tell,
    /// Never requested: requests have limits of their own.
    cancel: Cancel,
    kept: BTreeMap<String, Kept>,
    watched: BTreeMap<String, (Watched, Patience)>,
}

impl Keeper {
    fn new(orders: Receiver<Order>, tell: Tell) -> Self {
        Self {
            orders,
            tell,
            cancel: Cancel::default(),
            kept: BTreeMap::new(),
            watched: BTreeMap::new(),
        }
    }

    fn run(mut self) {
        loop {
            let pause = self.next().saturating_duration_since(Instant::now());
            match self.orders.recv_timeout(pause) {
                Ok(Order::End(_done)) => return self.release_all(),
                Err(RecvTimeoutError::Disconnected) => return self.release_all(),
                Ok(order) => self.take(order),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.renew();
            self.look();
        }
    }

    /// When there is something to do.
    fn next(&self) -> Instant {
        let kept = self.kept.values().map(|kept| kept.next);
        let watched = self.watched.values().map(|(_, patience)| patience.next);
        let next = kept.chain(watched).min();
        next.unwrap_or_else(|| Instant::now() + IDLE)
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Keep(image, claimant, claim) => {
                let next = Instant::now() + claim.lifetime() / RENEWALS;
                let kept = Kept {
                    claimant,
                    claim,
                    next,
                };
                self.kept.insert(image, kept);
            }
            Order::Release(image) => {
                if let Some(kept) = self.kept.remove(&image) {
                    self.release(&kept.claimant, kept.claim);
                }
            }
            Order::Drop(claimant, claim) => self.release(&claimant, claim),
            Order::Watch(image, watched) => {
                let patience = Patience::new(watched.seen, Instant::now());
                self.watched.insert(image, (*watched, patience));
            }
            Order::End(_) => {}
        }
    }

    fn renew(&mut self) {
        let now = Instant::now();
        let cancel = &self.cancel;
        self.kept.retain(|_, kept| {
            if kept.next > now {
                return true;
            }
            kept.next = now + kept.claim.lifetime() / RENEWALS;
            // A claim that is lost is not fought for: the worst is an image that is built twice.
            !matches!(
                kept.claimant.renew(&mut kept.claim, cancel),
                Ok(false) | Err(ClaimError::Refused(_))
            )
        });
    }

    fn look(&mut self) {
        let (tell, cancel) = (&self.tell, &self.cancel);
        self.watched.retain(|image, (watched, patience)| {
            if patience.next > Instant::now() {
                return true;
            }
            // No answer is no change.
            let seen = watched.claimant.look(&watched.place, cancel);
            let seen = seen.unwrap_or(Some(patience.seen));
            let Some(left) = patience.judge(seen, Instant::now()) else {
                return true;
            };
            let image = image.clone();
            let how = (watched.find)(cancel).ok_or(left);
            !tell(Unclaimed { image, how })
        });
    }

    /// A claim that cannot be released lapses.
    fn release(&self, claimant: &Claimant, claim: Claim) {
        let _ = claimant.release(claim, &self.cancel);
    }

    fn release_all(mut self) {
        // Backends clean up when the last one who has them drops them.
        self.watched.clear();
        for kept in std::mem::take(&mut self.kept).into_values() {
            self.release(&kept.claimant, kept.claim);
        }
        while let Ok(order) = self.orders.try_recv() {
            if let Order::Drop(claimant, claim) | Order::Keep(_, claimant, claim) = order {
                self.release(&claimant, claim);
            }
        }
    }
}

/// How long a claim of another runner is believed, by what was seen of it: nobody's clock counts but ours.
struct Patience {
    seen: Seen,
    /// When it was first seen as it is.
    changed: Instant,
    begun: Instant,
    next: Instant,
}

impl Patience {
    fn new(seen: Seen, now: Instant) -> Self {
        let mut this = Self {
            seen,
            changed: now,
            begun: now,
            next: now,
        };
        this.rest(now);
        this
    }

    /// What the claim as it is now means; `None` to go on waiting.
    fn judge(&mut self, seen: Option<Seen>, now: Instant) -> Option<Left> {
        let Some(seen) = seen.filter(|seen| !seen.is_released()) else {
            return Some(Left::Released);
        };
        if seen.digest != self.seen.digest {
            (self.seen, self.changed) = (seen, now);
        }
        if now - self.changed > self.seen.lifetime {
            return Some(Left::Dead(self.seen.digest, self.seen.lifetime));
        }
        if now - self.begun > LONGEST {
            return Some(Left::Late);
        }
        self.rest(now);
        None
    }

    fn rest(&mut self, now: Instant) {
        let waited = now - self.begun;
        let pause = (waited / PART).clamp(*PAUSES.start(), *PAUSES.end());
        self.next = now + pause.min(self.seen.lifetime / LOOKS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(content: &str, seconds: u32) -> Seen {
        Seen::of_another(Digest::of(content.as_bytes()), SECOND * seconds)
    }

    #[test]
    fn a_claim_counts_as_long_as_it_is_seen_to_change() {
        let begun = Instant::now();
        let mut patience = Patience::new(seen("a", 30), begun);
        let mut judge = |content, at| patience.judge(Some(seen(content, 30)), begun + SECOND * at);
        assert_eq!(judge("a", 29), None);
        assert_eq!(judge("b", 30), None);
        assert_eq!(judge("b", 59), None);
        let dead = Left::Dead(seen("b", 30).digest, SECOND * 30);
        assert_eq!(judge("b", 61), Some(dead));
    }

    #[test]
    fn a_claim_that_is_released_or_gone_counts_no_more() {
        let begun = Instant::now();
        let mut patience = Patience::new(seen("a", 30), begun);
        assert_eq!(patience.judge(None, begun), Some(Left::Released));
        let released = Some(seen("b", 0));
        assert_eq!(patience.judge(released, begun), Some(Left::Released));
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let begun = Instant::now();
        let mut patience = Patience::new(seen("0", 30), begun);
        let steps = LONGEST.as_secs() / 20 + 2;
        let mut now = begun;
        let ends = (1..=steps).find_map(|step| {
            now += SECOND * 20;
            patience.judge(Some(seen(&step.to_string(), 30)), now)
        });
        assert_eq!(ends, Some(Left::Late));
    }

    #[test]
    fn looks_become_rarer_but_never_too_rare_for_the_lifetime() {
        let begun = Instant::now();
        let pauses = |lifetime: u32| {
            let mut patience = Patience::new(seen("a", lifetime), begun);
            let mut pause = |waited| {
                let (now, content) = (begun + waited, format!("{waited:?}"));
                assert_eq!(patience.judge(Some(seen(&content, lifetime)), now), None);
                patience.next - now
            };
            [0, 4, 60].map(|seconds| pause(SECOND * seconds))
        };
        assert_eq!(pauses(600), [SECOND / 4, SECOND, SECOND * 5]);
        assert_eq!(pauses(1), [SECOND / 6; 3]);
    }
}
