//! How far a server's life is.

/// Where in its life a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing but `initialize` is answered.
    New,
    Running,
    /// Nothing but `exit` is expected.
    Down,
}

/// How a client left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It asked for the end first.
    Orderly,
    /// It did not, or it is gone.
    Abrupt,
}
