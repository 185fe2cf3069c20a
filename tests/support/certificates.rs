//! The throw-away certificates of `testdata/tls`, ready for rustls.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// For localhost, 127.0.0.1 and `::1`, signed by [`authority`].
    Good,
    /// The same, expired in 2021.
    Expired,
    /// Signed by [`authority`], for another host.
    WrongHost,
    /// For api.limacharlie.io, signed by itself; [`with_directory`] trusts it.
    Directory,
    /// As [`Certificate::Good`], signed by [`renewed_authority`].
    Renewed,
}

/// The file of the authority that signed them all: the `ca_file` of a right configuration.
pub fn authority() -> PathBuf {
    folder().join("ca.pem")
}

/// [`authority`], and the certificate of LimaCharlie's directory: what a `ca_file` may hold.
pub fn with_directory() -> String {
    let files = [authority(), folder().join("directory.pem")];
    files.map(|file| std::fs::read_to_string(file).unwrap()).concat()
}

/// The file of the authority that comes after it.
pub fn renewed_authority() -> PathBuf {
    folder().join("renewed_ca.pem")
}

/// The file of an authority that signed none of them.
pub fn other_authority() -> PathBuf {
    folder().join("other_ca.pem")
}

/// A server's side of TLS with this certificate.
pub fn server_config(certificate: Certificate) -> Arc<ServerConfig> {
    let file = match certificate {
        Certificate::Good => "server.pem",
        Certificate::Expired => "expired.pem",
        Certificate::WrongHost => "wrong_host.pem",
        Certificate::Directory => "directory.pem",
        Certificate::Renewed => "renewed.pem",
    };
    let chain = vec![CertificateDer::from_pem_file(folder().join(file)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder().join("server_key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// Where they are, and the key of all of them.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/tls")
}
