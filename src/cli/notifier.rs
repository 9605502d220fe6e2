//! What a command says on the screen beside its result, outside of a run: what is waited for, and what nobody could say.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::context::Context;
use super::options::Progress;
use crate::asking::{Asker, Waiting};
use crate::backend::Cancel;
use crate::report::{self, Report};
use crate::run::Event;

/// Tells, and asks on behalf of the command.
pub(super) struct Notifier {
    report: Arc<Mutex<Box<dyn Report>>>,
    tell: Box<dyn Fn(&Waiting) + Send + Sync>,
    cancel: Cancel,
}

impl Notifier {
    /// A screen without live lines: there is no run yet.
    pub(super) fn new(context: &Context) -> Self {
        let settings = context.screen.settings();
        let progress = match context.screen.progress {
            Progress::Json => report::Progress::Json,
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
            // One daemon is asked more than one question.
            if told.insert(waiting.to_string()) {
                let mut screen = screen.lock().unwrap_or_else(PoisonError::into_inner);
                screen.event(&waiting.into());
            }
        };
        Self {
            report,
            tell: Box::new(tell),
            // A signal ends the program before it is needed.
            cancel: Cancel::default(),
        }
    }

    /// Who hears what is waited for.
    pub(super) fn asker(&self) -> Asker<'_> {
        Asker::new(&*self.tell, &self.cancel)
    }

    /// Says something that the user should know.
    pub(super) fn warn(&self, message: String) {
        let mut screen = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        screen.event(&Event::Warning { message });
    }
}
