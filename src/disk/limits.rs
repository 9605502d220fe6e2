//! Size limits for files that are read into memory. Files that are copied have no limit, because they are streamed.

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// `imgspec.kdl`: written by people, or generated, with a few hundred bytes for each of 10,000 images.
pub(crate) const MANIFEST: u64 = 16 * MIB;

/// `.dockerignore`: written by people; each rule is evaluated for each file.
pub(crate) const IGNORE: u64 = MIB;

/// Requirements: written by tools; with hashes, a thousand packages take a few MiB.
pub(crate) const REQUIREMENTS: u64 = 16 * MIB;

/// Lock files: written by tools; they list each wheel for each platform.
pub(crate) const LOCK: u64 = 64 * MIB;

/// `pyproject.toml`: written by people, sometimes with generated tables.
pub(crate) const PROJECT: u64 = 16 * MIB;

/// A Dockerfile: the limit of a `BuildKit` message.
pub(crate) const DOCKERFILE: u64 = 16 * MIB;

/// Files to import: YAML and bake files, whose parsers need many times their size.
pub(crate) const IMPORT: u64 = 4 * MIB;

/// Files that name images: what a chart renders for a whole cluster has a few MiB.
pub(crate) const DEPLOYMENT: u64 = 64 * MIB;

/// Docker's and other container tools' configuration: written by tools; one login per registry.
pub(crate) const CONFIGURATION: u64 = 16 * MIB;

/// A secret: the limit of builders.
pub(crate) const SECRET: u64 = 500 * KIB;

/// The index of file times; enough for about three million files.
pub(crate) const INDEX: u64 = 256 * MIB;

/// A `.git` file: contains a single path.
pub(crate) const GIT_FILE: u64 = 64 * KIB;
