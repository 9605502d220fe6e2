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

/// The engines for a test that both kinds of store pass alike: one of them for each test, so that each is used by half of the
/// tests; all of them with `IMGSPEC_TEST_ALL=1`.
#[allow(dead_code, reason = "some programs need all of them")]
pub(crate) fn by_turns() -> Vec<(&'static str, String)> {
    let mut all = engines();
    if wants_all() {
        return all;
    }
    // The name of a test.
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let sum: usize = name.bytes().map(usize::from).sum();
    let at = sum % all.len();
    vec![all.swap_remove(at)]
}

/// Whether everything is tested in every way, which takes hours.
pub(crate) fn wants_all() -> bool {
    std::env::var("IMGSPEC_TEST_ALL").is_ok_and(|value| value == "1")
}
