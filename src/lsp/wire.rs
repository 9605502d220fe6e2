//! Messages on the wire: a header with a length, then JSON.
//!
//! The types of messages are those of `lsp-server`. Its reader is not used: it allocates whatever a header announces, and ends
//! at the first message that it does not understand.

use std::io::{self, BufRead, Read, Write};

use lsp_server::{ErrorCode, Message};
use serde_json::json;

use crate::disk::read::size_words;
use crate::disk::system_words;

/// The maximum size of a message: a few of the largest manifests.
const LARGEST: u64 = 64 << 20;

const LONGEST_HEADER: u64 = 8 << 10;

/// What was read.
#[derive(Debug)]
pub(super) enum Incoming {
    Message(Message),
    /// A message that cannot be understood. Those after it may be.
    Malformed {
        code: ErrorCode,
        why: String,
    },
}

/// What is to be written.
#[derive(Debug)]
pub(super) enum Outgoing {
    Message(Message),
    /// The answer to a malformed message, whose id is not known.
    Refusal {
        code: ErrorCode,
        why: String,
    },
}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("this is not the language server protocol: a message begins with `Content-Length: …`")]
    Header,
    #[error("a message of more than {}", size_words(LARGEST))]
    TooLarge,
    #[error("the input ends within a message")]
    Cut,
    #[error("{}", system_words(.0))]
    System(#[from] io::Error),
}

/// Reads the next message; `None` at the end of the input.
pub(super) fn read(input: &mut impl BufRead) -> Result<Option<Incoming>, WireError> {
    let Some(length) = length(input)? else {
        return Ok(None);
    };
    if length > LARGEST {
        return Err(WireError::TooLarge);
    }
    // Grows as bytes arrive, whatever the header announces.
    let mut body = Vec::new();
    let count = input.by_ref().take(length).read_to_end(&mut body)?;
    if (count as u64) < length {
        return Err(WireError::Cut);
    }
    Ok(Some(match serde_json::from_slice(&body) {
        Ok(message) => Incoming::Message(message),
        Err(error) => Incoming::Malformed {
            code: if error.is_data() {
                ErrorCode::InvalidRequest
            } else {
                ErrorCode::ParseError
            },
            why: error.to_string(),
        },
    }))
}

/// The length that a header announces; `None` at the end of the input.
fn length(input: &mut impl BufRead) -> Result<Option<u64>, WireError> {
    let mut length = None;
    let mut line = Vec::new();
    for number in 0_u64.. {
        line.clear();
        input
            .by_ref()
            .take(LONGEST_HEADER)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() && number == 0 {
            return Ok(None);
        }
        let Some(header) = line.strip_suffix(b"\n") else {
            let is_long = line.len() as u64 == LONGEST_HEADER;
            return Err(if is_long || number == 0 {
                WireError::Header
            } else {
                WireError::Cut
            });
        };
        let header = str::from_utf8(header).map_err(|_| WireError::Header)?;
        let header = header.trim_end_matches('\r');
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or(WireError::Header)?;
        if name.trim().eq_ignore_ascii_case("content-length") {
            let value = value.trim().parse().map_err(|_| WireError::Header)?;
            length = Some(value);
        }
    }
    length.map(Some).ok_or(WireError::Header)
}

/// Writes a message.
pub(super) fn write(output: &mut impl Write, message: &Outgoing) -> io::Result<()> {
    match message {
        Outgoing::Message(message) => message.write(output),
        Outgoing::Refusal { code, why } => {
            let error = json!({"code": *code as i32, "message": why});
            let text = json!({"jsonrpc": "2.0", "id": null, "error": error}).to_string();
            write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
            output.flush()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: impl AsRef<[u8]>) -> Vec<String> {
        let mut input = text.as_ref();
        let mut found = Vec::new();
        loop {
            found.push(match read(&mut input) {
                Ok(None) => return found,
                Ok(Some(Incoming::Message(Message::Request(request)))) => request.method,
                Ok(Some(Incoming::Message(_))) => "another".to_owned(),
                Ok(Some(Incoming::Malformed { code, .. })) => format!("{code:?}"),
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            });
        }
    }

    #[test]
    fn messages_are_read_one_after_the_other() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"shutdown"}"#;
        let message = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(all(format!("{message}{message}")), ["shutdown", "shutdown"]);
        // Other headers, other spellings.
        let message = format!("content-type: x\ncontent-length:{}\n\n{body}", body.len());
        assert_eq!(all(message), ["shutdown"]);
    }

    #[test]
    fn what_is_not_understood_does_not_hide_what_follows() {
        let next = "Content-Length: 35\r\n\r\n{\"id\":1,\"method\":\"a\",\"jsonrpc\":\"2\"}";
        for (body, code) in [
            (&b"{oops"[..], "ParseError"),
            (b"\xff\xfe", "ParseError"),
            (b"[]", "InvalidRequest"),
            (b"{\"id\":{}}", "InvalidRequest"),
            (b"", "ParseError"),
        ] {
            let mut text = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
            text.extend(body);
            text.extend(next.as_bytes());
            assert_eq!(all(text), [code, "a"]);
        }
        let deep = "[".repeat(100_000);
        let deep = format!("Content-Length: {}\r\n\r\n{deep}", deep.len());
        assert_eq!(all(deep), ["ParseError"]);
    }

    #[test]
    fn headers_that_make_no_sense_end_the_reading() {
        for text in [
            "hello",
            "hello\n",
            "\r\n",
            "Content-Length: x\r\n\r\n",
            "Content-Length: -1\r\n\r\n",
            "Content-Length: 99999999999999999999\r\n\r\n",
            "Content-Type: x\r\n\r\n",
        ] {
            assert_eq!(all(text), [WireError::Header.to_string()], "{text}");
        }
        assert_eq!(all("a".repeat(10_000)), [WireError::Header.to_string()]);
        let huge = format!("Content-Length: {}\r\n\r\n", u64::MAX);
        assert_eq!(all(huge), [WireError::TooLarge.to_string()]);
        for text in ["Content-Length: 1\r\n", "Content-Length: 60000000\r\n\r\n{"] {
            assert_eq!(all(text), [WireError::Cut.to_string()], "{text}");
        }
    }

    #[test]
    fn a_refusal_has_no_id() {
        let mut out = Vec::new();
        let refusal = Outgoing::Refusal {
            code: ErrorCode::ParseError,
            why: "é".to_owned(),
        };
        write(&mut out, &refusal).unwrap();
        let text = String::from_utf8(out).unwrap();
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(header, format!("Content-Length: {}", body.len()));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error"]["code"], -32700);
        assert!(body["id"].is_null());
    }
}
