//! Answers, and refusals with the protocol's codes; which HTTP status a code has is decided here alone. Pure.

use std::io;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::http::response::Builder;
use hyper::{Response, StatusCode};

use crate::backend::oci::name::Digest;
use crate::backend::oci::store::StoreError;

/// The answer to a request.
pub(super) type Answer = Response<BoxBody<Bytes, io::Error>>;

/// What the protocol calls an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    /// A manifest of more bytes than are allowed.
    ManifestLarge,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    /// A range that does not follow what is there, or is not there.
    Range,
    SizeInvalid,
    TooManyRequests,
    Unsupported,
    /// The disk is full.
    Full,
    /// Something that is not the client's to mend.
    Unknown,
}

impl Code {
    fn told(self) -> (StatusCode, &'static str) {
        match self {
            Self::BlobUnknown => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
            Self::BlobUploadInvalid => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
            Self::BlobUploadUnknown => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            Self::Denied => (StatusCode::FORBIDDEN, "DENIED"),
            Self::DigestInvalid => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            Self::ManifestBlobUnknown => (StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN"),
            Self::ManifestInvalid => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
            Self::ManifestLarge => (StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID"),
            Self::ManifestUnknown => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            Self::NameInvalid => (StatusCode::BAD_REQUEST, "NAME_INVALID"),
            Self::NameUnknown => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
            Self::Range => (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
            Self::SizeInvalid => (StatusCode::BAD_REQUEST, "SIZE_INVALID"),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
            Self::Unsupported => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
            Self::Full => (StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN"),
            Self::Unknown => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        }
    }
}

/// Why a request is not fulfilled.
#[derive(Debug)]
pub(super) struct Refusal {
    code: Code,
    words: String,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(code: Code, words: impl Into<String>) -> Self {
        Self {
            code,
            words: words.into(),
            headers: Vec::new(),
        }
    }

    /// Adds a header to the answer.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn answer(self) -> Answer {
        let (status, code) = self.code.told();
        let text = serde_json::json!({ "errors": [{ "code": code, "message": self.words }] });
        let head = head(status).header("Content-Type", "application/json");
        let each = self.headers.into_iter();
        let head = each.fold(head, |head, (name, value)| head.header(name, value));
        full(head, text.to_string().into())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Mismatch { .. } => Code::DigestInvalid,
            StoreError::Unknown(_) => Code::BlobUnknown,
            StoreError::Large { .. } => Code::ManifestLarge,
            error if error.is_full() => Code::Full,
            StoreError::Damaged(_) | StoreError::Files { .. } => Code::Unknown,
        };
        Self::new(code, error.to_string())
    }
}

impl From<tokio::task::JoinError> for Refusal {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::new(Code::Unknown, error.to_string())
    }
}

/// Begins an answer.
pub(super) fn head(status: StatusCode) -> Builder {
    Response::builder()
        .status(status)
        .header("Docker-Distribution-API-Version", "registry/2.0")
        .header("X-Content-Type-Options", "nosniff")
}

/// Ends an answer that has no body.
pub(super) fn empty(head: Builder) -> Answer {
    with(head, Empty::new().map_err(|never| match never {}).boxed())
}

/// Ends an answer with a small body.
pub(super) fn full(head: Builder, body: Bytes) -> Answer {
    with(
        head,
        Full::new(body).map_err(|never| match never {}).boxed(),
    )
}

/// Ends an answer.
pub(super) fn with(head: Builder, body: BoxBody<Bytes, io::Error>) -> Answer {
    head.body(body)
        .expect("headers are made of names that follow the grammar")
}

/// The answer to what made something: where it is.
pub(super) fn created(location: &str, digest: Digest) -> Answer {
    empty(
        head(StatusCode::CREATED)
            .header("Location", location)
            .header("Docker-Content-Digest", digest.to_string())
            .header("Content-Length", 0),
    )
}
