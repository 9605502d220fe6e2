//! Detects passwords in URLs, which would end up in the image's history and in logs.

use crate::diagnostic::Diagnostic;
use crate::spec::{OwnStep, SecretStep};
use crate::workspace::Image;

/// Reports the fields of an image that contain passwords.
pub(super) fn check(image: &Image) -> Vec<Diagnostic> {
    let spec = &image.spec;
    let one = |field: &'static str| move |text| (field, None, text);
    let many = |field: &'static str| move |(at, text)| (field, Some(at), text);
    let extra = spec.pip_extra_index_url.iter().enumerate();
    let packages = spec.packages.iter().enumerate();
    let runtime = spec.runtime_packages.iter().enumerate();
    let channels = spec.conda_channels.iter().enumerate();
    let own = spec.steps.iter().enumerate().flat_map(|(at, step)| {
        let packages = match step {
            OwnStep::Pip { packages, .. } => packages.as_slice(),
            _ => &[],
        };
        packages.iter().map(move |text| (at, text))
    });
    let texts = spec.pip_index.iter().map(one("pip-index"));
    texts
        .chain(spec.pip_extra_args.iter().map(one("pip-extra-args")))
        .chain(extra.map(many("pip-extra-index-url")))
        .chain(packages.map(many("packages")))
        .chain(runtime.map(many("runtime-packages")))
        .chain(channels.map(many("conda-channels")))
        .chain(own.map(many("steps")))
        .filter(|(field, _, text)| has_password(text) || has_token(field, text))
        .filter_map(|(field, at, _)| {
            let mistake = Diagnostic::error("password", "a URL contains a password");
            let part = at.map_or(field.to_owned(), |at| format!("{field}[{at}]"));
            let place = *image.places.get(&part)?;
            let step = if field.starts_with("conda") {
                SecretStep::Conda
            } else {
                SecretStep::Pip
            };
            Some(
                mistake
                    .at(place, "it would end up in the image's history and in logs")
                    .help(format!(
                        "pass it to the step as a secret: `secret \"netrc\" file=\"~/.netrc\" {{ {} mount=\"/root/.netrc\" }}`",
                        step.field()
                    )),
            )
        })
        .collect()
}

/// Whether a text is a conda channel URL with a token.
fn has_token(field: &str, text: &str) -> bool {
    field.starts_with("conda") && text.contains("://") && text.contains("/t/")
}

/// Whether a URL in the text has a user and password, or, for HTTP, a user alone, which is then a token.
pub(crate) fn has_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let authority =
            text[at + 3..].split(|char: char| char.is_whitespace() || "/?#".contains(char));
        let user = authority
            .into_iter()
            .next()
            .and_then(|authority| authority.rsplit_once('@'));
        let is_http = ["http", "https"]
            .iter()
            .any(|scheme| text[..at].ends_with(scheme));
        user.is_some_and(|(user, _)| is_http || user.contains(':'))
    })
}
