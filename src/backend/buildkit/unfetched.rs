//! The error message for an image that could not be fetched: its name as in the manifest, the cause, and what to try.
//! Pure.

use super::passing::says;
use crate::backend::oci::reference::Reference;
use crate::backend::steps::StepName;

/// The manifest field that names an image which could not be fetched, and the error message.
pub(super) fn unfetched(image: &str, said: &str, steps: &[StepName]) -> (Option<String>, String) {
    let is_it = |written: &&str| Reference::read(written).is_some_and(|read| read.is_also(image));
    let base = steps
        .first()
        .and_then(|step| step.words.strip_prefix("base-image: "));
    let base = base.filter(is_it);
    let field = match base {
        Some(_) => Some("base-image"),
        None => steps.is_empty().then_some("dockerfile"),
    };
    // The image and the request, possibly repeated, precede the cause.
    let cause = said
        .rsplit_once(&format!("{image}: "))
        .map_or(said, |(_, cause)| cause);
    let cause = cause
        .strip_prefix("failed to do request: ")
        .unwrap_or(cause);
    let short = image.strip_prefix("docker.io/library/").unwrap_or(image);
    let name = base.unwrap_or(short);
    let message = format!(
        "`{name}` cannot be fetched: {cause}: {}",
        try_for(image, said)
    );
    (field.map(str::to_owned), message)
}

/// What to try when an image cannot be fetched.
fn try_for(image: &str, error: &str) -> String {
    let host = Reference::read(image).map_or_else(String::new, |read| read.host);
    let known: &[(&[&str], &str)] = &[
        (
            &["no match for platform", "no matching manifest"],
            "choose a base that is built for this platform",
        ),
        (
            &[
                "401 unauthorized",
                "authorization failed",
                "no basic auth",
                "access denied",
                "denied:",
            ],
            "check its name, or log in with `docker login HOST`",
        ),
        (
            &["x509:", "server gave http response"],
            "the builder does not trust this registry: see `insecure-registries` of its daemon",
        ),
        (&["not found", "manifest unknown"], "check its name and tag"),
        (
            &[
                "no such host",
                "failure in name resolution",
                "server misbehaving",
            ],
            "check the name `HOST` and the network",
        ),
        (
            &["429", "toomanyrequests"],
            "log in with `docker login HOST`, or try again later",
        ),
    ];
    let fitting = known.iter().find(|(words, _)| says(error, words));
    let words = fitting.map_or(
        "check that `HOST` is running and can be reached",
        |(_, words)| words,
    );
    words.replace("HOST", &host)
}
