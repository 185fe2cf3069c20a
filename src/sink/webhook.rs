//! Events to an HTTPS webhook: newline-separated JSON, acknowledged by a 2xx.

use std::path::PathBuf;

use crate::secret::Secret;

/// A webhook receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `client_options.dest_url`. Its path may hold a secret: it is never logged.
    pub url: Secret<String>,
    /// `client_options.lc_secret`: sent as the header `lc-secret`.
    pub lc_secret: Option<Secret<String>>,
    /// `is_insecure`: allows `http://` to hosts other than loopback.
    pub allow_clear_text: bool,
    /// `ca_file`: certificate authorities trusted beside the public ones.
    pub ca_file: Option<PathBuf>,
}
