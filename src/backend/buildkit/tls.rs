//! TLS to a `BuildKit`: the files of `--buildkit-ca`, `--buildkit-cert` and `--buildkit-key`, and what failed, in words.
//!
//! The only user of rustls, with the cryptography that the HTTP client brings along.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
};

use crate::backend::elsewhere;
use crate::disk::limits;
use crate::disk::read::{self, Links};

/// How to encrypt connections.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Tls")
    }
}

impl Tls {
    /// Reads the files. Without an authority, those count that this machine trusts.
    pub(crate) fn read(files: &elsewhere::Tls) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = match &files.ca {
            Some(file) => config.with_root_certificates(roots(file)?),
            None => config.with_platform_verifier().map_err(|error| {
                format!("the certificates that this machine trusts cannot be read: {error}")
            })?,
        };
        let mut config = match &files.client {
            None => config.with_no_client_auth(),
            Some((cert, key)) => {
                let pair = (certificates(cert)?, private_key(key)?);
                config
                    .with_client_auth_cert(pair.0, pair.1)
                    .map_err(|error| match error {
                        Error::InconsistentKeys(_) => format!(
                            "the key in `{}` does not belong to the certificate in `{}`",
                            key.display(),
                            cert.display()
                        ),
                        error => unusable(cert, &error),
                    })?
            }
        };
        // gRPC servers insist on it.
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// Encrypts a connection to this host.
    pub(super) async fn over(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::other(format!("`{host}` is not a host name")))?;
        TlsConnector::from(Arc::clone(&self.0))
            .connect(name, stream)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => io::Error::other(
                    "it closed the connection instead of answering in TLS: if it expects no encryption, leave out \
                     `--buildkit-ca`, `--buildkit-cert` and `--buildkit-key`",
                ),
                _ => told(error),
            })
    }
}

/// An error of an encrypted connection, in words where TLS is the cause.
pub(super) fn told(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    match cause.map(words) {
        Some(words) => io::Error::new(error.kind(), words),
        None => error,
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => distrust(why),
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "it does not offer gRPC (HTTP/2)".to_owned()
        }
        Error::AlertReceived(AlertDescription::CertificateExpired) => {
            "the certificate of `--buildkit-cert` has expired: renew it".to_owned()
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it asks for a certificate: name one with `--buildkit-cert` and `--buildkit-key`"
                .to_owned()
        }
        Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError),
        ) => format!(
            "it does not accept this client's certificate ({alert:?}): check `--buildkit-cert` and `--buildkit-key`"
        ),
        Error::AlertReceived(alert) => format!("it ended the encrypted connection ({alert:?})"),
        Error::InvalidMessage(_) => {
            "it does not speak TLS: leave out `--buildkit-ca`, `--buildkit-cert` and \
             `--buildkit-key`, or use its port for TLS"
                .to_owned()
        }
        error => error.to_string(),
    }
}

/// Why the server's certificate is not accepted, and what to do.
fn distrust(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: renew it there".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: compare the clocks of both machines".to_owned()
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is signed by an authority that is not trusted here: name the right one with `--buildkit-ca`"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host: use an address that the certificate names".to_owned()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}

fn roots(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| unusable(file, &error))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = bytes(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(unusable(file, &"it contains no certificate in PEM")),
        found => found.map_err(|error| unusable(file, &error)),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(&bytes(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => unusable(file, &"it contains no private key in PEM"),
        // The parser's error message might quote the key.
        _ => unusable(file, &"its private key cannot be parsed"),
    })
}

fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    read::bytes(file, Links::Follow, limits::CONFIGURATION)
        .map_err(|refusal| format!("`{}` cannot be read: {refusal}", file.display()))
}

fn unusable(file: &Path, why: &dyn fmt::Display) -> String {
    format!("`{}` cannot be used: {why}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_of_no_use_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let authority = elsewhere::Tls {
            ca: Some(file.clone()),
            client: None,
        };
        let why = |files| Tls::read(files).unwrap_err();
        assert!(why(&authority).contains("ca.pem` cannot be read: "));
        std::fs::write(&file, "not PEM").unwrap();
        assert!(why(&authority).ends_with("cannot be used: it contains no certificate in PEM"));
        let client = elsewhere::Tls {
            ca: None,
            client: Some((file.clone(), file)),
        };
        assert!(why(&client).ends_with("it contains no certificate in PEM"));
    }

    #[test]
    fn each_cause_comes_with_what_to_do() {
        let told = |error: Error| told(io::Error::other(error)).to_string();
        let expired = told(Error::InvalidCertificate(CertificateError::Expired));
        assert_eq!(expired, "its certificate has expired: renew it there");
        let unknown = told(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert!(unknown.ends_with("name the right one with `--buildkit-ca`"));
        let alert = told(Error::AlertReceived(AlertDescription::CertificateRequired));
        assert!(alert.ends_with("name one with `--buildkit-cert` and `--buildkit-key`"));
    }
}
