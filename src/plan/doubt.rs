//! Images whose existence could not be determined, grouped by cause.

use std::fmt;

use super::{Facts, Plan, Planned, Reason, WhenUnknown};
use crate::graph::{Graph, ImageId};

/// Images whose existence could not be determined, all for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The reason, such as the error of the daemon or registry that was queried.
    pub why: String,
    /// Ids of the affected images.
    pub images: Vec<String>,
}

impl Doubt {
    /// Groups `(image, reason)` pairs by reason, in order of first appearance.
    fn group<'a>(images: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (image, why) in images {
            let image = image.to_owned();
            match all.iter_mut().find(|doubt| doubt.why == why) {
                Some(doubt) => doubt.images.push(image),
                None => all.push(Self {
                    why: why.to_owned(),
                    images: vec![image],
                }),
            }
        }
        all
    }

    /// The warning line: the doubt, and what `what` makes of it.
    pub fn warning(&self, what: WhenUnknown) -> String {
        let they_are = if self.images.len() == 1 {
            "it is"
        } else {
            "they are"
        };
        match what {
            WhenUnknown::Build => format!("{self}; {they_are} built (`--when-unknown build`)"),
            WhenUnknown::Fail => format!("{self}; nothing is built (`--when-unknown fail`)"),
            WhenUnknown::Assume => {
                format!("{self}; the record is trusted (`--when-unknown assume`)")
            }
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.images.as_slice() {
            [one] => write!(out, "could not determine whether `{one}` exists")?,
            many => write!(
                out,
                "could not determine whether {} images exist",
                many.len()
            )?,
        }
        write!(out, ": {}", self.why)
    }
}

/// All images of a plan whose existence could not be determined, under any `--when-unknown` policy.
pub fn doubts(graph: &Graph, plan: &Plan, facts: &[Facts]) -> Vec<Doubt> {
    let doubted = plan.images.iter().filter_map(|image| {
        // An image assumed to exist has no reasons in the plan, so its facts are consulted.
        let assumed = facts[image.id.index()].doubt();
        let assumed = assumed.filter(|_| !image.is_forced());
        Some((graph.name(image.id), image.doubt().or(assumed)?))
    });
    Doubt::group(doubted)
}

/// The images that `--when-unknown fail` stops at: those with [`Reason::Unknown`] for which `counts` returns true.
pub fn unknown(graph: &Graph, plan: &Plan, counts: impl Fn(ImageId) -> bool) -> Vec<Doubt> {
    let unknown = plan.images.iter().filter(|image| counts(image.id));
    Doubt::group(unknown.filter_map(|image| Some((graph.name(image.id), image.doubt()?))))
}

impl Planned {
    /// The text of this image's [`Reason::Unknown`], if it has one.
    fn doubt(&self) -> Option<&str> {
        self.reasons.iter().find_map(|reason| match reason {
            Reason::Unknown { why } => Some(why.as_str()),
            _ => None,
        })
    }
}
