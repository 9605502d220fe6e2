//! What values may be: one small question a value, asked alike of manifests and of the specs of programs.
//!
//! A value is refused when Docker, apt, pip or a file system would refuse it, or would take it for something else (an option,
//! an instruction, a removal); everything else passes.

mod mistakes;
mod names;
mod packages;
mod parts;
mod refused;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use mistakes::{
    Mistake, check, check_called, check_entry, check_id, check_id_once, check_names_once,
    check_once, check_platforms_once, empty_step, inside,
};
#[cfg(test)]
pub(crate) use names::check_tag;
pub(crate) use names::{
    check_name, check_reference, check_registry, check_tag_format, fill_braces, format_tag,
};
pub(crate) use packages::*;
pub(crate) use parts::*;
pub(crate) use refused::{Refused, ValueRule};
pub(crate) use values::*;
