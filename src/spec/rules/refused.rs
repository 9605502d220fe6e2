//! Why a value is refused, and what it should be instead.

pub(crate) type ValueRule = fn(&str) -> Result<(), Refused>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Refused {
    /// What is wrong with it, in words.
    pub why: String,
    /// What it should probably be.
    pub fix: Option<String>,
}

impl Refused {
    /// Without a fix.
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

/// Refuses, without a fix, what does not meet a condition.
pub(super) fn require(is_met: bool, why: &str) -> Result<(), Refused> {
    if is_met { Ok(()) } else { refuse(why) }
}

/// Refuses, without a fix, what meets a condition.
pub(super) fn refuse_if(is_met: bool, why: &str) -> Result<(), Refused> {
    require(!is_met, why)
}

/// What is before the first of a separator, and what is after it.
pub(super) fn halves(text: &str, separator: char) -> (&str, Option<&str>) {
    let mut halves = text.splitn(2, separator);
    (halves.next().unwrap_or_default(), halves.next())
}

/// Refuses with a fix that nobody has checked.
pub(crate) fn refuse_for(why: impl Into<String>, fix: impl Into<String>) -> Result<(), Refused> {
    Err(Refused {
        why: why.into(),
        fix: Some(fix.into()),
    })
}

/// Refuses with a fix that `rule` accepts; where the fix is refused too, that refusal says more.
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
