//! The same for what counts only with `flytekit`.

use super::Part::{In, Out};
use super::Row;

pub(super) const ROWS: &[Row] = &[
    // With `flytekit`, the image contains its id, so everything that the id is computed from counts.
    (
        "flytekit",
        "packages \"x\"",
        "packages \"x\"; flytekit \"1.16.31\"",
        In,
    ),
    (
        "flytekit",
        "flytekit \"1.16.30\"",
        "flytekit \"1.16.31\"",
        In,
    ),
    (
        "flytekit-id",
        "flytekit \"1.16.31\"",
        "flytekit \"1.16.31\"; flytekit-id \"3kQmFH5d_tZ0aR5b0wF-2A\"",
        In,
    ),
    (
        "flytekit-python",
        "flytekit \"1.16.31\"",
        "flytekit \"1.16.31\"; flytekit-python \"3.12\"",
        In,
    ),
    (
        "source-files",
        "source-root \".\"; source-files \"a.txt\"",
        "source-root \".\"; source-files \"a.txt\" \"b.txt\"",
        In,
    ),
    (
        "runtime-packages",
        "flytekit \"1.16.31\"",
        "flytekit \"1.16.31\"; runtime-packages \"numpy\"",
        In,
    ),
    (
        "name",
        "flytekit \"1.16.31\"",
        "flytekit \"1.16.31\"; name \"x\"",
        In,
    ),
    (
        "builder",
        "flytekit \"1.16.31\"",
        "flytekit \"1.16.31\"; builder \"docker\"",
        Out,
    ),
    (
        "tag-format",
        "flytekit \"1.16.31\"",
        "flytekit \"1.16.31\"; tag-format \"{spec_hash}-x\"",
        In,
    ),
    (
        "secret",
        "flytekit \"1.16.31\"; secret \"a\" env=\"A\"",
        "flytekit \"1.16.31\"; secret \"a\" env=\"B\"",
        Out,
    ),
];
