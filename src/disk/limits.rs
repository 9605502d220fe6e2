//! How much is read at most of each kind of file that is read whole. Files that are copied have no limit: they are passed on
//! in pieces.

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// `imgspec.kdl`: written by people, and the parser needs many times its size.
pub(crate) const MANIFEST: u64 = MIB;

/// `.dockerignore`: written by people, and each rule is asked about each file.
pub(crate) const IGNORE: u64 = MIB;

/// Requirements: written by tools, with hashes a few MiB for a thousand packages.
pub(crate) const REQUIREMENTS: u64 = 16 * MIB;

/// Lock files: written by tools, with each wheel of each platform.
pub(crate) const LOCK: u64 = 64 * MIB;

/// `pyproject.toml`: written by people, at times with tables made by tools.
pub(crate) const PROJECT: u64 = 16 * MIB;

/// A Dockerfile: what `BuildKit` takes in one message.
pub(crate) const DOCKERFILE: u64 = 16 * MIB;

/// What is imported: YAML and bake files, whose readers need many times their size.
pub(crate) const IMPORT: u64 = 4 * MIB;

/// Docker's and containers' configuration: a login for each registry, written by tools.
pub(crate) const CONFIGURATION: u64 = 16 * MIB;

/// A secret: what builders take.
pub(crate) const SECRET: u64 = 500 * KIB;

/// A `.git` that is a file: one path.
pub(crate) const GIT_FILE: u64 = 64 * KIB;
