//! Validation rules for values: one small predicate each, shared by manifests and library specs.
//!
//! A value is rejected if Docker, apt, pip or a file system would reject it or misinterpret it (as an option, an instruction or a
//! removal). Everything else is accepted.

mod mistakes;
mod names;
mod packages;
mod parts;
mod refused;
mod runtime;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use mistakes::{
    Mistake, check, check_called, check_entry, check_group, check_id, check_id_once,
    check_instance, check_names_once, check_once, check_platforms_once, empty_step, inside,
};
#[cfg(test)]
pub(crate) use names::check_tag;
pub(crate) use names::{
    also_tag, build_cache, check_name, check_reference, check_registry, check_tag_format,
    fill_braces, format_tag, has_registry,
};
pub(crate) use packages::*;
pub(crate) use parts::*;
pub(crate) use refused::{Refused, ValueRule};
pub(crate) use runtime::*;
pub(crate) use values::*;

/// The values that a field or a part takes, where they can be counted.
pub(crate) fn choices(name: &str) -> &'static [&'static str] {
    match name {
        "builder" => BUILDERS,
        "platform" => PLATFORMS,
        "compression" => COMPRESSIONS,
        "source-copy-mode" => COPY_MODES,
        "variant" => VARIANTS,
        _ => &[],
    }
}
