//! What sources say that they need, for whoever makes no wheels of them: a lock is made before there is an image that could, and on
//! machines that run nothing of its platform.

use parking_lot::Mutex;

use super::super::base::Source;
use super::super::common::failed;
use super::super::python::Wheel;
use super::super::python::given::Given;
use super::super::python::sources::Describe;
use super::archive;
use crate::backend::BuildError;

/// Sources as they describe themselves.
pub(in super::super) struct Described<'a> {
    given: &'a Given,
    source: &'a Source<'a>,
    /// Why the first sources that leave it open what they need cannot be described.
    open: Mutex<Option<String>>,
}

impl<'a> Described<'a> {
    pub(in super::super) fn new(given: &'a Given, source: &'a Source<'a>) -> Self {
        let open = Mutex::default();
        Self {
            given,
            source,
            open,
        }
    }

    /// Why something could not be described, if only building it shows what it needs.
    pub(in super::super) fn open(self) -> Option<String> {
        self.open.into_inner()
    }
}

impl Describe for Described<'_> {
    fn metadata(&self, sources: &Wheel) -> Result<String, BuildError> {
        if let Some(metadata) = archive::of(sources, self.given, self.source)?.promised() {
            return Ok(metadata);
        }
        let Wheel {
            name,
            version,
            file,
            ..
        } = sources;
        let why = format!(
            "{name} {version} has no wheel that fits, and only building its sources (`{file}`) shows what it needs"
        );
        self.open.lock().get_or_insert_with(|| why.clone());
        Err(failed(why))
    }
}
