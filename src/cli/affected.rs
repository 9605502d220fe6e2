//! Which images a command works on: those that are selected or, with `--affected`, those of them that differ from a revision of git, and why.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::failure::Failure;
use super::notifier::Notifier;
use super::options::{self, Progress};
use super::screen::eprint_text;
use crate::graph::ImageId;
use crate::report;
use crate::report::line::{Line, Style};
use crate::report::words::Count;
use crate::session::{Affected, Cause, Refusal, Session, Since};

/// How many reasons per image are listed before the rest is only counted.
const SHOWN: usize = 8;

/// Which images a command works on.
#[derive(Args, Clone)]
pub(super) struct ImageArgs {
    #[command(flatten)]
    selection: options::Selection,
    /// Of the selected images, only those that differ from a revision of git, with all that is built on them; `REV...` is its
    /// merge base with HEAD [default: the merge base with the upstream branch]
    #[arg(long, value_name = "REV", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    affected: Option<String>,
}

/// The images that a command works on.
pub(super) struct Chosen {
    pub(super) images: BTreeSet<ImageId>,
    /// The number of images that were selected.
    selected: usize,
    affected: Option<Affected>,
}

/// What `--affected` adds to a JSON result.
#[derive(Serialize)]
pub(super) struct AffectedDocument<'a> {
    since: &'a str,
    commit: &'a str,
    images: Vec<ImageDocument<'a>>,
    removed: &'a [String],
}

#[derive(Serialize)]
struct ImageDocument<'a> {
    image: &'a str,
    reasons: &'a [Cause],
}

impl ImageArgs {
    /// Whether images are named.
    pub(super) fn are_named(&self) -> bool {
        !self.selection.images.is_empty()
    }

    /// The selected images, or the affected ones among them.
    pub(super) fn choose(
        &self,
        session: &Session,
        notifier: &Notifier,
        context: &Context,
    ) -> Result<Chosen, Failure> {
        let root = &session.world.workspace.root;
        let selection = context.selection(root, &self.selection.images);
        context.tell_selection(session, &selection);
        let mut images = session
            .select(&selection)
            .map_err(|refusal| self.refused(refusal))?;
        let selected = images.len();
        let affected = match &self.affected {
            None => None,
            Some(revision) => {
                let revision = Some(revision.as_str()).filter(|it| !it.is_empty());
                Some(compare(session, revision, notifier, context)?)
            }
        };
        if let Some(affected) = &affected {
            if let Some(warning) = &affected.warning {
                notifier.warn(warning.clone());
            }
            images.retain(|id| affected.images.contains_key(id));
        }
        Ok(Chosen {
            images,
            selected,
            affected,
        })
    }

    /// A word that is no image may be meant as the revision.
    fn refused(&self, refusal: Refusal) -> Refusal {
        match (refusal, &self.affected, self.selection.images.as_slice()) {
            (Refusal::Other { message, .. }, Some(revision), [word]) if revision.is_empty() => {
                let help = format!("to compare with a revision, attach it: `--affected={word}`");
                Refusal::usage(message, help)
            }
            (refusal, ..) => refusal,
        }
    }
}

/// Compares with a revision. A signal meanwhile removes what was written for it before it ends the process.
fn compare(
    session: &Session,
    revision: Option<&str>,
    notifier: &Notifier,
    context: &Context,
) -> Result<Affected, Failure> {
    let manifest = context.manifest()?;
    let since = Since {
        revision,
        manifest: &manifest,
        overrides: &context.overrides,
        env: &context.env(),
    };
    let cancel = context.signals.cancel();
    let affected = session.affected(&since, notifier.asker().or(&cancel));
    context.signals.end_at_once();
    context.signals.verify(&cancel)?;
    Ok(affected?)
}

impl Chosen {
    /// Says on standard error how many images are affected, where the result does not tell.
    pub(super) fn tell(&self, context: &Context) {
        let screen = context.screen;
        if screen.quiet || screen.progress == Progress::Json {
            return;
        }
        if let Some(affected) = &self.affected {
            eprint_text(&self.headline(affected));
        }
    }

    fn headline(&self, affected: &Affected) -> String {
        let selected = Count(self.selected, "image");
        let mut line = format!("{} of {selected} affected", self.images.len());
        line.push_str(&format!(" since {}", affected.since));
        if !affected.removed.is_empty() {
            line.push_str(&format!("; removed: {}", affected.removed.join(", ")));
        }
        line.push('\n');
        line
    }

    /// Which images are affected, and why; empty without `--affected`.
    pub(super) fn text(&self, session: &Session, context: &Context) -> String {
        let Some(affected) = &self.affected else {
            return String::new();
        };
        let color = context.screen.color_out;
        let name = |id: &ImageId| session.world.graph.name(*id);
        let width = report::widest(self.images.iter().map(name));
        let mut text = self.headline(affected);
        for id in &self.images {
            let causes = &affected.images[id];
            for (at, cause) in causes.iter().take(SHOWN).enumerate() {
                let name = if at == 0 { name(id) } else { "" };
                let line = Line::new()
                    .add(Style::Plain, "  ")
                    .column(Style::Bold, name, width)
                    .add(Style::Plain, format!("  {cause}"));
                text.push_str(&format!("{}\n", line.paint(color)));
            }
            if causes.len() > SHOWN {
                let more = causes.len() - SHOWN;
                text.push_str(&format!("  {:width$}  and {more} more\n", ""));
            }
        }
        text.push('\n');
        text
    }

    /// The same for programs.
    pub(super) fn document<'a>(&'a self, session: &'a Session) -> Option<AffectedDocument<'a>> {
        let affected = self.affected.as_ref()?;
        let images = self.images.iter().map(|id| ImageDocument {
            image: session.world.graph.name(*id),
            reasons: &affected.images[id],
        });
        Some(AffectedDocument {
            since: &affected.since.name,
            commit: &affected.since.commit,
            images: images.collect(),
            removed: &affected.removed,
        })
    }
}
