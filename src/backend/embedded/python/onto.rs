//! What wheels are installed onto, and the layers that come of it.

use super::Target;
use crate::backend::embedded::base::Image;
use crate::backend::embedded::made::Made;
use crate::backend::oci::layer::Encoding;

/// Where the layers go, and how they are written.
pub(in crate::backend::embedded) struct Place<'a> {
    pub(in crate::backend::embedded) target: &'a Target,
    /// The image below.
    pub(in crate::backend::embedded) image: &'a Image,
    pub(in crate::backend::embedded) encoding: Encoding,
    /// Whether layers of earlier builds are used.
    pub(in crate::backend::embedded) use_known: bool,
}

/// A layer and the wheels that it has.
#[derive(Debug)]
pub(in crate::backend::embedded) struct Installed {
    pub(in crate::backend::embedded) made: Made,
    /// `numpy 2.2.6, pytz 2025.2`
    pub(in crate::backend::embedded) words: String,
}
