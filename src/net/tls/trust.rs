//! Whom to trust, and what a handshake says of us.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, Error as RustlsError, RootCertStore};

use super::pin::{Pin, PinnedKeys};
use crate::limits;

/// Whom to trust.
pub struct Trust(Whom);

enum Whom {
    /// Servers with a certificate of one of these authorities, for their name and not expired.
    Authorities(Arc<RootCertStore>),
    /// Servers that hold one of these keys.
    Keys(Vec<Pin>),
}

/// What is spoken inside TLS, as the server is told (ALPN, RFC 7301), so that no other protocol's server can be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `http/1.1`.
    Http,
    /// IMAP: no name is offered.
    Imap,
}

impl Trust {
    /// The public certificate authorities, and those of `ca_file`, if there is one.
    pub fn load(ca_file: Option<&Path>) -> Result<Trust, CaFileError> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        if let Some(path) = ca_file {
            add_certificates(&mut roots, path).map_err(|reason| CaFileError {
                path: path.to_owned(),
                reason,
            })?;
        }
        Ok(Trust(Whom::Authorities(Arc::new(roots))))
    }

    /// The holders of these keys, whatever their certificates say; see [`super::pin`].
    pub fn pinned(pins: &[Pin]) -> Trust {
        Trust(Whom::Keys(pins.to_vec()))
    }

    /// The configuration for connections that speak `protocol`. Make one and share it.
    pub fn client_config(&self, protocol: Protocol) -> Result<Arc<ClientConfig>, RustlsError> {
        // The provider is named here, not installed for the process: a library has no business with globals.
        let provider = rustls::crypto::ring::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let builder = match &self.0 {
            Whom::Authorities(roots) => builder.with_root_certificates(Arc::clone(roots)),
            Whom::Keys(pins) => {
                let pins = pins.clone();
                let verifier = Arc::new(PinnedKeys { pins, algorithms });
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = match protocol {
            Protocol::Http => vec![b"http/1.1".to_vec()],
            // A server that knows other names only would refuse the handshake (RFC 7301, 3.2), and no mail client offers one.
            Protocol::Imap => Vec::new(),
        };
        config.resumption = Resumption::in_memory_sessions(limits::TLS_SESSIONS);
        Ok(Arc::new(config))
    }
}

fn add_certificates(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut count: usize = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        count = count.saturating_add(1);
        certificate
            .map_err(|error| format!("certificate {count}: {error}"))
            .and_then(|certificate| {
                roots
                    .add(certificate)
                    .map_err(|error| format!("certificate {count}: {error}"))
            })?;
    }
    if count == 0 {
        return Err("no certificate in it (PEM: -----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(())
}

/// `ca_file` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFileError {
    /// Its path.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for CaFileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ca_file {}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for CaFileError {}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Trust, Whom};

    #[test]
    fn a_ca_file_adds_to_the_public_authorities() {
        let authorities = |ca_file| match Trust::load(ca_file).expect("trust").0 {
            Whom::Authorities(roots) => roots.len(),
            Whom::Keys(_) => 0,
        };
        let public = authorities(None);
        assert!(public > 50);
        let ca_file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/tls/ca.pem");
        assert_eq!(authorities(Some(Path::new(ca_file))), public + 1);
    }
}
