//! Graph × keys × records × what exists → what is to be done, and why.
//!
//! [`facts`] gathers what it judges. An image that exists under its reference with its key is fresh whatever the records say,
//! so a switched branch or an empty state directory builds nothing that is already there; records tell what changed, and on
//! what a base was built.

mod doubt;
pub mod facts;
mod judging;
mod model;

pub use doubt::{Doubt, doubts, unknown};
pub(crate) use judging::Judging;
pub use model::{Action, Facts, Judgement, Plan, Planned, Push, Reason, WhenUnknown};
