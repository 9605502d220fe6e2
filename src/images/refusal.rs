//! Formats a refusal as text, so that it can be used as an error.
//!
//! Mistakes in images are rendered as on the command line, with an excerpt of each spec.

use std::fmt;

use crate::backend::Unresolved;
use crate::report::diagnostics;
use crate::session::{Obstacle, Refusal, Session};
use crate::suggest::closest;

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(mistakes, sources) => {
                let told = diagnostics::render(mistakes, sources, false, None);
                out.write_str(told.trim_end())
            }
            Self::Other { message, help } => {
                out.write_str(message)?;
                help.iter().try_for_each(|help| write!(out, ": {help}"))
            }
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Obstacle> for Refusal {
    fn from(obstacle: Obstacle) -> Self {
        let help = match &obstacle {
            Obstacle::NoRegistry => "give them a registry, or do not push",
            Obstacle::Unknown(_) => "restore access, or allow unknown images to be built",
            Obstacle::Unlocked(_) => "lock them with `imgspec lock`, or name them by digest",
            Obstacle::Bases(_) => "build them first, or allow bases to be built",
            Obstacle::Backend { mend, .. } | Obstacle::State { mend, .. } => mend,
            Obstacle::Foreign(_) => Unresolved::MEND_FOREIGN,
            Obstacle::Secrets(_) => "set the variable or make the file readable",
        };
        Refusal::usage(obstacle.to_string(), help)
    }
}

pub(super) fn unknown_image(id: &str, session: &Session) -> Refusal {
    let ids = session.world.workspace.images.iter();
    let help = match closest(id, ids.map(|image| image.id.as_str())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => known_images(session),
    };
    Refusal::usage(format!("unknown image `{id}`"), help)
}

pub(super) fn known_images(session: &Session) -> String {
    let images = session.world.workspace.images.iter();
    let ids: Vec<&str> = images.map(|image| image.id.as_str()).collect();
    format!("images: {}", ids.join(", "))
}
