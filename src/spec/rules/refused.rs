//! The result of a failed rule: the reason and, where known, a fix.

pub(crate) type ValueRule = fn(&str) -> Result<(), Refused>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Refused {
    /// Why the value is not accepted.
    pub why: String,
    /// The value that was probably meant.
    pub fix: Option<String>,
}

impl Refused {
    /// A refusal without a fix.
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            fix: None,
        }
    }
}

pub(crate) fn refuse<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::new(why))
}

/// Refuses, without a fix, unless the condition holds.
pub(super) fn require(is_met: bool, why: &str) -> Result<(), Refused> {
    if is_met { Ok(()) } else { refuse(why) }
}

/// Refuses, without a fix, if the condition holds.
pub(super) fn refuse_if(is_met: bool, why: &str) -> Result<(), Refused> {
    require(!is_met, why)
}

/// Splits at the first separator; the second half is `None` if there is no separator.
pub(super) fn halves(text: &str, separator: char) -> (&str, Option<&str>) {
    let mut halves = text.splitn(2, separator);
    (halves.next().unwrap_or_default(), halves.next())
}

/// Refuses with an unchecked fix.
pub(crate) fn refuse_for(why: impl Into<String>, fix: impl Into<String>) -> Result<(), Refused> {
    Err(Refused {
        why: why.into(),
        fix: Some(fix.into()),
    })
}

/// Refuses with a fix, provided that `rule` accepts it; otherwise returns that rule's own refusal.
pub(crate) fn settled(why: &str, fix: impl Into<String>, rule: ValueRule) -> Result<(), Refused> {
    let fix = fix.into();
    match rule(&fix) {
        Ok(()) => refuse_for(why, fix),
        Err(Refused {
            fix: Some(better), ..
        }) => refuse_for(why, better),
        refused => refused,
    }
}
