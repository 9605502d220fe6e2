//! Plan → Events and Records: the scheduler, its workers, and the clean end of both.
pub mod event;
