//! The engines provided by `tests/run`, for all test binaries that need a real one.

/// The engines to test on, by the name of their image store: at least one, so that tests are never skipped silently.
pub(crate) fn engines() -> Vec<(&'static str, String)> {
    let known = [
        ("classic", "IMGSPEC_TEST_DOCKER_CLASSIC"),
        ("containerd", "IMGSPEC_TEST_DOCKER_CONTAINERD"),
    ];
    let found: Vec<_> = known
        .into_iter()
        .filter_map(|(name, variable)| Some((name, std::env::var(variable).ok()?)))
        .collect();
    assert!(
        !found.is_empty(),
        "no engine: run these tests through tests/run"
    );
    found
}
