//! An authority, and the certificates that it signs for servers and clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// An authority, whose files are in a directory.
pub(crate) struct Authority {
    folder: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// For how long a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    Now,
    Past,
}

impl Authority {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        std::fs::create_dir_all(folder).expect("a directory");
        std::fs::write(folder.join("ca.pem"), &pem).expect("a file");
        Self {
            folder: folder.to_owned(),
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// Signs a certificate for this host or client.
    pub(crate) fn sign(&self, name: &str, time: Time) -> Signed {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        if time == Time::Past {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        Signed {
            certificate: signed.pem(),
            key: key.serialize_pem(),
        }
    }

    /// The file with its own certificate.
    pub(crate) fn file(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// The settings of a server with this certificate; with `clients`, only those are let in that this authority knows.
    pub(crate) fn server(&self, signed: &Signed, clients: bool) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes());
        let config = if clients {
            let mut roots = RootCertStore::empty();
            let own = certificate(&self.pem).expect("a certificate");
            roots.add(own).expect("an authority");
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.expect("a verifier"))
        } else {
            config.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).expect("a key");
        let chain = vec![certificate(&signed.certificate).expect("a certificate")];
        let mut config = config.with_single_cert(chain, key).expect("a pair");
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

impl Signed {
    /// Writes both files, and returns their paths.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (String, String) {
        let write = |kind: &str, text: &str| {
            let path = folder.join(format!("{name}.{kind}"));
            std::fs::write(&path, text).expect("a file");
            path.display().to_string()
        };
        (write("pem", &self.certificate), write("key", &self.key))
    }
}
