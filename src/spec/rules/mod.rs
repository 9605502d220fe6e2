//! What values may be: one small question a value, asked alike of manifests and of the specs of programs.
//!
//! Pure. A value is refused when Docker, apt, pip or a file system would refuse it, or would take it for something else (an
//! option, an instruction, a removal); everything else passes.

mod mistakes;
mod names;
mod packages;
mod parts;
mod refused;
mod tag;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use mistakes::{
    Mistake, check, check_called, check_entry, check_id, check_id_once, check_names_once,
    check_once, check_platforms_once, empty_step, inside,
};
pub(crate) use names::{check_name, check_reference, check_registry};
pub(crate) use packages::*;
pub(crate) use parts::*;
pub(crate) use refused::{Refused, ValueRule};
#[cfg(test)]
pub(crate) use tag::check_tag;
pub(crate) use tag::{check_tag_format, format_tag};
pub(crate) use values::*;
