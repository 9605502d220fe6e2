//! Gets wheels: each becomes a blob of the store under its sha256, which is verified while it arrives.

use super::Wheel;
use super::given::Given;
use super::web::{Web, failure};
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::{at_once, failed, stored};

/// Fetches the wheels that the store lacks, a few at once. Of all builds, one fetches each.
pub(in super::super) fn all(
    wheels: &[Wheel],
    given: &Given,
    source: &Source<'_>,
) -> Result<(), BuildError> {
    let mut missing = Vec::new();
    for wheel in wheels {
        if !is_there(wheel, source)? {
            missing.push(wheel);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    // The largest first, so that none of them is left for the end.
    missing.sort_by_key(|wheel| std::cmp::Reverse(wheel.size));
    let web = Web::new(&given.logins, source);
    at_once(&missing, |wheel| {
        let what = format!("`{}`", wheel.file);
        let whom = format!("another run that is fetching {what}");
        let turn = source.turn(&wheel.sha256.hex(), &whom).map_err(stored)?;
        let _turn = turn.ok_or(BuildError::Cancelled)?;
        if is_there(wheel, source)? {
            return Ok(());
        }
        source.notes.log(&format!("fetching {}", wheel.file));
        let at = super::address::read(&wheel.url);
        let (at, _) = at.map_err(|why| failed(format!("{}: {why}", wheel.file)))?;
        web.fetch(&at, wheel.sha256, wheel.size)
            .map_err(|error| failure(&what, error))
    })?;
    Ok(())
}

fn is_there(wheel: &Wheel, source: &Source<'_>) -> Result<bool, BuildError> {
    Ok(source.store.size(wheel.sha256).map_err(stored)?.is_some())
}
