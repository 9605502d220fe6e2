//! flytekit's environment variables, which stand in for imgspec's flags for images with a `flytekit` field:
//! `FLYTE_PUSH_IMAGE_SPEC`, `FLYTE_FORCE_PUSH_IMAGE_SPEC`, `FLYTE_IMG_FAST_FAIL`.
//!
//! They are interpreted as in flytekit, except when unset: flytekit then pushes whatever has a registry, whereas
//! imgspec pushes nothing without being asked to.

/// Whether to push flytekit images.
pub(super) fn pushes() -> bool {
    said("FLYTE_PUSH_IMAGE_SPEC").is_some_and(|value| is_one_of(&value, &["true", "1"]))
}

/// Whether to build flytekit images even if they exist.
pub(super) fn forces() -> bool {
    said("FLYTE_FORCE_PUSH_IMAGE_SPEC").is_some_and(|value| is_true(&value))
}

/// Whether to fail instead of building when it cannot be determined whether flytekit images exist.
pub(super) fn fails_fast() -> bool {
    said("FLYTE_IMG_FAST_FAIL").is_some_and(|value| is_true(&value))
}

fn said(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// flytekit's `str2bool`, for which the empty string is true.
fn is_true(value: &str) -> bool {
    !is_one_of(value, &["false", "0", "off", "no"])
}

fn is_one_of(value: &str, words: &[&str]) -> bool {
    words.contains(&value.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::is_true;

    #[test]
    fn what_is_not_false_is_true() {
        assert!(is_true("") && is_true("1") && is_true("True") && is_true("2"));
        assert!(!is_true("FALSE") && !is_true("0") && !is_true("off") && !is_true("No"));
    }
}
