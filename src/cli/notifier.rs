//! Messages that a command prints besides its result, outside of a run: pending waits and warnings.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::context::Context;
use super::options::Progress;
use crate::asking::{Asker, Waiting};
use crate::backend::Cancel;
use crate::report::{self, Report};
use crate::run::Event;

/// Prints messages and makes queries on behalf of a command.
pub(super) struct Notifier {
    report: Arc<Mutex<Box<dyn Report>>>,
    tell: Box<dyn Fn(&Waiting) + Send + Sync>,
    cancel: Cancel,
}

impl Notifier {
    /// Creates a notifier without live lines, since no run is in progress.
    pub(super) fn new(context: &Context) -> Self {
        let settings = context.screen.settings();
        let progress = match context.screen.progress {
            Progress::Json => report::Progress::Json,
            Progress::Auto if !report::is_live(settings.progress) => report::Progress::Auto,
            Progress::Auto | Progress::Tty | Progress::Plain => report::Progress::Plain,
        };
        let report = report::reporter(report::Settings {
            progress,
            ..settings
        });
        let report = Arc::new(Mutex::new(report));
        let (screen, told) = (Arc::clone(&report), Mutex::new(BTreeSet::new()));
        let tell = move |waiting: &Waiting| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            // A daemon may be queried more than once.
            if told.insert(waiting.to_string()) {
                let mut screen = screen.lock().unwrap_or_else(PoisonError::into_inner);
                screen.event(&waiting.into());
            }
        };
        Self {
            report,
            tell: Box::new(tell),
            // Never requested: a signal ends the process first.
            cancel: Cancel::default(),
        }
    }

    /// An asker that reports slow answers on the screen.
    pub(super) fn asker(&self) -> Asker<'_> {
        Asker::new(&*self.tell, &self.cancel)
    }

    /// Prints a warning.
    pub(super) fn warn(&self, message: String) {
        let mut screen = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        screen.event(&Event::Warning { message });
    }
}
