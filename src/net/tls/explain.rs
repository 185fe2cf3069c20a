//! TLS errors in an operator's words, with the setting to change where there is one.

use rustls::{AlertDescription, CertificateError, Error as RustlsError, InvalidMessage, OtherError};

use crate::limits;
use crate::mime::date;

/// What breaks a handshake.
pub(super) fn handshake(error: &RustlsError) -> String {
    match error {
        RustlsError::InvalidCertificate(error) => explain_certificate(error),
        RustlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the port answers in clear text, not in TLS; check the port, or whether the server wants TLS at all"
                .to_owned()
        }
        RustlsError::AlertReceived(AlertDescription::ProtocolVersion) | RustlsError::PeerIncompatible(_) => {
            format!("the server does not offer TLS 1.2 or 1.3 as needed here ({error})")
        }
        RustlsError::AlertReceived(alert) => format!("the server refused the TLS handshake ({alert:?})"),
        other => other.to_string(),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired on {}", day(not_after.as_secs()))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is valid only from {}; check this machine's clock",
            day(not_before.as_secs())
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented
                .iter()
                .take(limits::CERTIFICATE_NAMES)
                .map(|name| bare_name(name))
                .collect();
            let more = match presented.len().saturating_sub(limits::CERTIFICATE_NAMES) {
                0 if names.is_empty() => "nobody".to_owned(),
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let names = names.join(", ");
            format!(
                "the server's certificate is not for {}; it is for {names}{more}",
                expected.to_str()
            )
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate is signed by an authority that is not trusted; set ca_file to the server's CA"
                .to_owned()
        }
        // Ours, of `pin.rs`.
        CertificateError::Other(OtherError(reason)) => reason.to_string(),
        other => format!("the server's certificate is refused: {other}"),
    }
}

/// `mail.example` from `DnsName("mail.example")`, which is how the verifier words it.
fn bare_name(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

/// What breaks a stream after the handshake.
pub(super) fn record(error: &RustlsError) -> String {
    match error {
        RustlsError::InvalidMessage(_) | RustlsError::DecryptError => {
            format!("bytes were changed or put in between on the way ({error})")
        }
        RustlsError::AlertReceived(alert) => format!("the server ended the TLS connection ({alert:?})"),
        other => other.to_string(),
    }
}

fn day(unix_seconds: u64) -> String {
    let milliseconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    date::rfc3339(milliseconds)
}
