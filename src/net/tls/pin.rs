//! Pinned public keys: a server of one's own is known by its key, whoever signed its certificate.
//!
//! A pinned key takes the place of every other check of the certificate: authority, names and dates count for nothing, so
//! that a self-signed or expired certificate of a private server does. What cannot be forged is checked as ever: the server
//! signs the handshake with the pinned key. Only the server's own key counts, not those of authorities it sends along.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error as RustlsError, OtherError, SignatureScheme};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a public key (`SubjectPublicKeyInfo`, RFC 5280 section 4.1), as RFC 7469 pins them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Reads base64 (with or without its padding) or 64 hexadecimal digits (with or without colons); `None` when it is
    /// neither.
    pub fn parse(text: &str) -> Option<Pin> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let bytes = if digits.len() == 64 {
            hexadecimal(&digits)?
        } else {
            BASE64_STANDARD
                .decode(text)
                .or_else(|_| BASE64_STANDARD_NO_PAD.decode(text))
                .ok()?
        };
        bytes.try_into().ok().map(Pin)
    }

    /// The pin of a key.
    pub fn of(subject_public_key_info: &[u8]) -> Pin {
        Pin(Sha256::digest(subject_public_key_info).into())
    }
}

/// In base64, as `tls_pin_sha256` takes it.
impl fmt::Display for Pin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// Trusts servers that hold one of the keys.
#[derive(Debug)]
pub(super) struct PinnedKeys {
    pub(super) pins: Vec<Pin>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedKeys {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let presented = Pin::of(&certificate.subject_public_key_info());
        if self.pins.contains(&presented) {
            return Ok(ServerCertVerified::assertion());
        }
        let other = OtherError(Arc::new(OtherKey(presented)));
        Err(RustlsError::InvalidCertificate(CertificateError::Other(other)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The server has a key, but not one that was named.
#[derive(Debug)]
struct OtherKey(Pin);

impl fmt::Display for OtherKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the server's key is not one of tls_pin_sha256; it is {}: set that if the server's owner confirms it, \
             otherwise somebody else answers",
            self.0
        )
    }
}

impl std::error::Error for OtherKey {}

/// Any text is refused, or is a pin that reads back as itself in all its spellings.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some(pin) = Pin::parse(text) else { return };
    let written = pin.to_string();
    let hexadecimal: Vec<String> = pin.0.iter().map(|byte| format!("{byte:02X}")).collect();
    for spelling in [
        written.trim_end_matches('=').to_owned(),
        hexadecimal.concat(),
        hexadecimal.concat().to_lowercase(),
        hexadecimal.join(":"),
        written,
    ] {
        assert_eq!(Pin::parse(&spelling), Some(pin), "{spelling}");
    }
}

#[cfg(test)]
mod tests {
    use super::Pin;

    #[test]
    fn a_pin_has_three_spellings_and_no_other() {
        // SHA-256 of nothing.
        let base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let hexadecimal = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let nothing = Pin::of(b"");
        assert_eq!(nothing.to_string(), base64);
        let pairs: Vec<&str> = (0..64).step_by(2).map(|at| &hexadecimal[at..at + 2]).collect();
        for good in [
            base64.to_owned(),
            base64.trim_end_matches('=').to_owned(),
            hexadecimal.to_owned(),
            hexadecimal.to_uppercase(),
            pairs.join(":"),
        ] {
            assert_eq!(Pin::parse(&good), Some(nothing), "{good}");
        }
        for bad in [
            "",
            "=",
            &base64[1..],
            &base64[..42],
            &format!("{base64}="),
            &format!("A{base64}"),
            &format!("sha256//{base64}"),
            &base64.replace('+', "-"),
            &hexadecimal[1..],
            &hexadecimal.replace('b', "g"),
            &format!("{hexadecimal}00"),
            &format!(" {base64}"),
        ] {
            assert_eq!(Pin::parse(bad), None, "{bad}");
        }
    }
}
