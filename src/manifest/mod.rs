//! KDL text → Workspace; all mistakes of all files at once, with their places.
mod syntax;
