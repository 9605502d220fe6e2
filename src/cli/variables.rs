//! flytekit's variables, which stand in for our flags where images have `flytekit`: `FLYTE_PUSH_IMAGE_SPEC`,
//! `FLYTE_FORCE_PUSH_IMAGE_SPEC`, `FLYTE_IMG_FAST_FAIL`.
//!
//! They are read as flytekit reads them, but for one that is not set: flytekit then pushes whatever has a
//! registry, this program nothing that nobody asked it to push.

/// Whether images that flytekit names are pushed.
pub(super) fn pushes() -> bool {
    said("FLYTE_PUSH_IMAGE_SPEC").is_some_and(|value| is_one_of(&value, &["true", "1"]))
}

/// Whether they are built even if they are there.
pub(super) fn forces() -> bool {
    said("FLYTE_FORCE_PUSH_IMAGE_SPEC").is_some_and(|value| is_true(&value))
}

/// Whether nothing is built when nobody can say whether they are there.
pub(super) fn fails_fast() -> bool {
    said("FLYTE_IMG_FAST_FAIL").is_some_and(|value| is_true(&value))
}

fn said(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// flytekit's `str2bool`: the empty text is true.
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
