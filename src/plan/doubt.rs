//! What nobody could say of what exists, each cause once for all images.

use std::fmt;

use super::{Facts, Plan, Planned, Reason, WhenUnknown};
use crate::graph::{Graph, ImageId};

/// Images of which nobody could say whether they are there, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Why.
    pub why: String,
    /// Their ids.
    pub images: Vec<String>,
}

impl Doubt {
    /// Groups images, each with its reason, by the reasons.
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

    /// What `--when-unknown` does now, in one line with the cause.
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
                format!("{self}; what was recorded is believed (`--when-unknown assume`)")
            }
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.images.as_slice() {
            [one] => write!(out, "nobody can say whether `{one}` exists")?,
            many => write!(out, "nobody can say whether {} images exist", many.len())?,
        }
        write!(out, ": {}", self.why)
    }
}

/// The images of a plan of which nobody could say whether they are there, whatever is done about that.
pub fn doubts(graph: &Graph, plan: &Plan, facts: &[Facts]) -> Vec<Doubt> {
    let doubted = plan.images.iter().filter_map(|image| {
        // What is assumed to be there has no reasons.
        let assumed = facts[image.id.index()].doubt();
        let assumed = assumed.filter(|_| !image.is_forced());
        Some((graph.name(image.id), image.doubt().or(assumed)?))
    });
    Doubt::group(doubted)
}

/// The images of which nobody could say whether they are there, for `--when-unknown fail`: those among these.
pub fn unknown(graph: &Graph, plan: &Plan, counts: impl Fn(ImageId) -> bool) -> Vec<Doubt> {
    let unknown = plan.images.iter().filter(|image| counts(image.id));
    Doubt::group(unknown.filter_map(|image| Some((graph.name(image.id), image.doubt()?))))
}

impl Planned {
    /// Why nobody could say whether it is there, where that is a reason.
    fn doubt(&self) -> Option<&str> {
        self.reasons.iter().find_map(|reason| match reason {
            Reason::Unknown { why } => Some(why.as_str()),
            _ => None,
        })
    }
}
