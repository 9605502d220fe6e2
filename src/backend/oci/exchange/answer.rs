//! Responses, and errors with the protocol's codes. Pure.

use std::io;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::http::response::Builder;
use hyper::{Response, StatusCode};

use crate::backend::oci::name::Digest;
use crate::backend::oci::store::StoreError;
use crate::loopback::Answer;

/// An error of the protocol: its status and its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(StatusCode, &'static str);

impl Code {
    pub(super) const BLOB_UNKNOWN: Self = Self(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
    pub(super) const DENIED: Self = Self(StatusCode::FORBIDDEN, "DENIED");
    pub(super) const DIGEST_INVALID: Self = Self(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
    pub(super) const MANIFEST_INVALID: Self = Self(StatusCode::BAD_REQUEST, "MANIFEST_INVALID");
    pub(super) const MANIFEST_LARGE: Self = Self(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID");
    pub(super) const MANIFEST_UNKNOWN: Self = Self(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN");
    pub(super) const NAME_INVALID: Self = Self(StatusCode::BAD_REQUEST, "NAME_INVALID");
    pub(super) const NAME_UNKNOWN: Self = Self(StatusCode::NOT_FOUND, "NAME_UNKNOWN");
    pub(super) const PART_UNKNOWN: Self = Self(StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN");
    pub(super) const RANGE: Self = Self(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID");
    pub(super) const SIZE_INVALID: Self = Self(StatusCode::BAD_REQUEST, "SIZE_INVALID");
    pub(super) const TOO_MANY: Self = Self(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS");
    pub(super) const UNSUPPORTED: Self = Self(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED");
    pub(super) const UPLOAD_INVALID: Self = Self(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID");
    pub(super) const UPLOAD_UNKNOWN: Self = Self(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN");
    /// The disk is full.
    pub(super) const FULL: Self = Self(StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN");
    /// A failure that the client cannot fix.
    pub(super) const INTERNAL: Self = Self(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN");
}

/// An error response under construction.
#[derive(Debug)]
pub(super) struct ErrorResponse {
    code: Code,
    words: String,
    headers: Vec<(&'static str, String)>,
}

impl ErrorResponse {
    pub(super) fn new(code: Code, words: impl Into<String>) -> Self {
        Self {
            code,
            words: words.into(),
            headers: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn answer(self) -> Answer {
        let Code(status, code) = self.code;
        let text = serde_json::json!({ "errors": [{ "code": code, "message": self.words }] });
        let head = head(status).header("Content-Type", "application/json");
        let each = self.headers.into_iter();
        let head = each.fold(head, |head, (name, value)| head.header(name, value));
        full(head, text.to_string().into())
    }
}

impl From<StoreError> for ErrorResponse {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Mismatch { .. } => Code::DIGEST_INVALID,
            StoreError::Unknown(_) => Code::BLOB_UNKNOWN,
            StoreError::Large { .. } => Code::MANIFEST_LARGE,
            error if error.is_full() => Code::FULL,
            StoreError::Damaged(_) | StoreError::Files(_) => Code::INTERNAL,
        };
        Self::new(code, error.to_string())
    }
}

impl From<tokio::task::JoinError> for ErrorResponse {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::new(Code::INTERNAL, error.to_string())
    }
}

pub(super) fn head(status: StatusCode) -> Builder {
    Response::builder()
        .status(status)
        .header("Docker-Distribution-API-Version", "registry/2.0")
        .header("X-Content-Type-Options", "nosniff")
}

pub(super) fn empty(head: Builder) -> Answer {
    with(head, Empty::new().map_err(|never| match never {}).boxed())
}

pub(super) fn full(head: Builder, body: Bytes) -> Answer {
    with(
        head,
        Full::new(body).map_err(|never| match never {}).boxed(),
    )
}

pub(super) fn with(head: Builder, body: BoxBody<Bytes, io::Error>) -> Answer {
    head.body(body)
        .expect("headers are made of names that follow the grammar")
}

/// The response to a request that created something, with its location.
pub(super) fn created(location: &str, digest: Digest) -> Answer {
    empty(
        head(StatusCode::CREATED)
            .header("Location", location)
            .header("Docker-Content-Digest", digest.to_string())
            .header("Content-Length", 0),
    )
}
