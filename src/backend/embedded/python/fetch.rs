//! Gets wheels.

use super::Wheel;
use super::given::Given;
use super::web::Web;
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::fetch::{self, Wanted};

/// Fetches the wheels that the store lacks.
pub(in super::super) fn all(
    wheels: &[Wheel],
    given: &Given,
    source: &Source<'_>,
) -> Result<(), BuildError> {
    let wanted = wheels.iter().map(|wheel| Wanted {
        name: &wheel.file,
        url: wheel.url.clone(),
        sha256: wheel.sha256,
        size: wheel.size,
    });
    let wanted: Vec<Wanted<'_>> = wanted.collect();
    if wanted.is_empty() {
        return Ok(());
    }
    fetch::all(&wanted, &Web::new(&given.logins, source), source)
}
