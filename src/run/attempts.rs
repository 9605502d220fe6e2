//! Attempts: what fails for a reason that may pass is tried again, after a pause.

use std::thread;
use std::time::{Duration, Instant};

use super::event::Event;
use super::log::{JobError, Log};
use crate::backend::BuildError;
use crate::cancel::Cancel;

/// Delays between attempts; the last one repeats.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
];

/// How often something is tried, and who hears of it.
pub(crate) struct Attempts<'a> {
    /// Maximum number of attempts, at least 1.
    pub(crate) most: u32,
    pub(crate) log: &'a Log<'a>,
    pub(crate) cancel: &'a Cancel,
}

impl Attempts<'_> {
    /// Does the work until it succeeds, fails for good, or has been tried often enough.
    pub(crate) fn at<T>(&self, work: impl Fn() -> Result<T, BuildError>) -> Result<T, JobError> {
        let (mut attempt, mut before) = (1, String::new());
        loop {
            match work() {
                Err(error) if error.is_transient() && attempt < self.most => {
                    self.log.begin_again();
                    let wait = WAITS[(attempt as usize - 1).min(WAITS.len() - 1)];
                    attempt += 1;
                    let why = error.to_string();
                    let is_known = why == before;
                    before.clone_from(&why);
                    self.log.send(Event::ImageRetry {
                        image: self.log.image().to_owned(),
                        attempt,
                        of: self.most,
                        wait_ms: u64::try_from(wait.as_millis()).expect("seconds fit"),
                        why: if is_known {
                            "same as before".to_owned()
                        } else {
                            why
                        },
                    });
                    sleep(wait, self.cancel)?;
                }
                result => return result.map_err(|error| self.log.trouble(error)),
            }
        }
    }
}

/// Sleeps, unless it is cancelled.
pub(super) fn sleep(wait: Duration, cancel: &Cancel) -> Result<(), JobError> {
    let end = Instant::now() + wait;
    while Instant::now() < end {
        if cancel.is_requested() {
            return Err(JobError::plain(BuildError::Cancelled));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
