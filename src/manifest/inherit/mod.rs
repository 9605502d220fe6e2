//! Combines layers of fields into an image's spec: which layers an image has, their order, and how they are merged.
//!
//! From lowest to highest: `defaults` of all files above, templates in order, the image, `--set`.

mod matrix;
mod merge;
mod overrides;
mod templates;

pub(super) use matrix::{axes, combinations, names_axes};
pub(super) use merge::merge;
pub use overrides::Overrides;
pub(super) use overrides::Sets;
pub(super) use templates::{NO_TEMPLATES, Template, Templates};
