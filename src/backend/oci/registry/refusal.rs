//! What a registry says when it refuses a request.
//!
//! Format: <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#error-codes>.

use std::io::Read;

use serde::Deserialize;
use ureq::Body;
use ureq::http::{Response, StatusCode};

use crate::backend::oci::web::is_passing;

/// How much of an answer is read for its words, and in how many pieces: each may take its time.
const LARGEST: usize = 16 << 10;
const PIECES: usize = 4;

/// The longest message that is shown, in characters.
const LONGEST: usize = 300;

/// What may be answered otherwise a moment later: where several send the same blob at once, a registry may not see for that long
/// what it has just taken.
const RACES: [&str; 6] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "SIZE_INVALID",
];

/// Why a request was refused, in words, and whether it may pass.
pub(super) struct Refusal {
    pub(super) words: String,
    pub(super) is_passing: bool,
}

#[derive(Deserialize)]
struct Said {
    errors: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Refusal {
    /// Reads an answer of the registry at `host`, or of a token server for it.
    pub(super) fn read(mut answer: Response<Body>, host: &str) -> Self {
        let status = answer.status();
        let said = said(&mut answer.body_mut().as_reader());
        let message = said.as_ref().map(One::shown).filter(|it| !it.is_empty());
        let words = match (status, message) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, message) => {
                let message = message.map(|it| format!(": {it}")).unwrap_or_default();
                format!("it refused access ({status}{message}); `docker login {host}` may help")
            }
            (status, Some(message)) => format!("it answers {status} ({message})"),
            (status, None) => format!("it answers {status}"),
        };
        let is_race = said.is_some_and(|one| RACES.contains(&one.code.as_str()));
        Self {
            words,
            is_passing: is_race || is_passing(status),
        }
    }
}

impl One {
    /// Its words, or else its code, without what a terminal would obey.
    fn shown(&self) -> String {
        let text = [&self.message, &self.code].into_iter();
        let text = text.map(|text| text.trim()).find(|text| !text.is_empty());
        let letters = text.unwrap_or_default().chars();
        let letters = letters.map(|one| if one.is_control() { ' ' } else { one });
        letters.take(LONGEST).collect()
    }
}

/// The first error of an answer; `None` if it says nothing that can be read.
fn said(body: &mut dyn Read) -> Option<One> {
    let mut bytes = vec![0; LARGEST];
    let mut end = 0;
    for _ in 0..PIECES {
        match body.read(&mut bytes[end..]) {
            Ok(count) if count > 0 => end += count,
            _ => break,
        }
    }
    let said: Said = serde_json::from_slice(&bytes[..end]).ok()?;
    said.errors.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> (String, bool) {
        let answer = Response::builder().status(status);
        let answer = answer.body(Body::builder().data(body)).unwrap();
        let refusal = Refusal::read(answer, "r.example");
        (refusal.words, refusal.is_passing)
    }

    #[test]
    fn its_own_words_are_shown() {
        let name =
            r#"{"errors":[{"code":"NAME_UNKNOWN","message":"there is no\u001b[31m project"}]}"#;
        let shown = "it answers 404 Not Found (there is no [31m project)";
        assert_eq!(read(404, name), (shown.to_owned(), false));
        let denied = r#"{"errors":[{"code":"DENIED"}]}"#;
        let shown = "it refused access (403 Forbidden: DENIED); `docker login r.example` may help";
        assert_eq!(read(403, denied), (shown.to_owned(), false));
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "x".repeat(5000));
        assert!(read(400, &long).0.len() < 400);
    }

    #[test]
    fn what_it_says_otherwise_is_not_shown() {
        for body in ["", "<html>", "[]", r#"{"errors":[]}"#, r#"{"errors":{}}"#] {
            let shown = "it answers 400 Bad Request".to_owned();
            assert_eq!(read(400, body), (shown, false), "{body}");
        }
        assert_eq!(
            read(503, "busy"),
            ("it answers 503 Service Unavailable".to_owned(), true)
        );
    }

    #[test]
    fn a_part_that_is_not_seen_yet_may_be_seen_later() {
        let blob = r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}"#;
        let shown = "it answers 400 Bad Request (blob unknown)".to_owned();
        assert_eq!(read(400, blob), (shown, true));
    }
}
