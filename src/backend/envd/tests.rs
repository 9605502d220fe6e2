//! Tests that need no envd.

use super::*;

#[test]
fn versions_are_compared_by_their_numbers() {
    assert_eq!(numbers("1.3.6"), (1, 3, 6));
    assert_eq!(numbers("0.3.39-rc1"), (0, 3, 39));
    assert!(numbers("0.3.9") < OLDEST);
    assert!(numbers("1.0") > OLDEST);
}
