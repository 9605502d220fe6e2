//! Events and diagnostics → text: the one part of the library that knows screens.
pub mod diagnostics;
