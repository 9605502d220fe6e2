//! Combines graph, keys, records and what exists into a plan: what to do for each image, and why.
//!
//! [`facts`] gathers the input. An image that exists under its reference with its key is fresh whatever the records
//! contain, so switching branches or losing the state directory rebuilds nothing that already exists. Records only tell
//! what changed, and which base an image was built on.

mod doubt;
pub mod facts;
mod judging;
pub mod memory;
mod model;

pub use doubt::{Doubt, doubts, unknown};
pub(crate) use judging::Judging;
pub use model::{Action, Facts, Judgement, Name, Plan, Planned, Push, Reason, WhenUnknown};
