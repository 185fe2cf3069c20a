//! Every bound on bytes from outside: its value, the reason, and what happens when it is reached.
//!
//! Grouped by who is on the other side. Tests take limits at N−1, N and N+1.

use std::time::Duration;

// ---- the network ----

/// Looking a host name up. Reached: the attempt fails, backoff.
pub const RESOLVE: Duration = Duration::from_secs(5);
/// TCP connection over all addresses of a host. Reached: the attempt fails, backoff.
pub const CONNECT: Duration = Duration::from_secs(30);
/// TLS handshake. Reached: the attempt fails, backoff.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);

// ---- imap ----

/// Mails in one listing. Reached: the lowest UIDs are given, and the caller asks again behind them.
pub const LISTED_MAILS: usize = 200_000;

// ---- mime: words, parameters, charsets ----

/// Bytes of a charset label that are looked at; the longest registered name has 45. Reached: the rest is ignored.
pub const CHARSET_LABEL: usize = 64;
/// Bytes of a parameter's name; real ones have under 20. Reached: the parameter is skipped and noted.
pub const PARAMETER_NAME: usize = 128;
/// Different parameters of one field; real ones have under 10. Reached: further ones are ignored and noted.
pub const PARAMETERS: usize = 4096;
/// RFC 2231 sections of one field; a file name of 255 characters needs 40. Reached: further ones are ignored and noted.
pub const PARAMETER_SECTIONS: usize = 4096;

// ---- config ----

/// A configuration file, in bytes: a thousand adapters fit. Reached: refused, so that a wrong path costs no memory.
pub const CONFIGURATION_BYTES: usize = 1 << 20;
/// Sections within sections; the deepest key of the original has 5. Reached: refused.
pub const CONFIGURATION_DEPTH: usize = 32;
/// A file that a `file://` or `credential://` value names. Reached: refused, it is not a password.
pub const SECRET_FILE_BYTES: u64 = 64 << 10;
