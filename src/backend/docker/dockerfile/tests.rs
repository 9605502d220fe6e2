//! Whole Dockerfiles.
