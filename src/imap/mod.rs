//! `IMAP4rev1` (RFC 3501), the part that a reader needs. Everything but `session` is pure.
//!
//! ```text
//! stream → framing → reader ← response ← fetch_items ← lexer        bytes in: lines, bodies, events
//!                      ↓
//!                    session (start_tls, log_in, compress, select, list, list_mailboxes, count, fetch, watch, store)
//!                      ↓      → command, uid, pace, mailbox_name, auth, action
//!                    stream
//! ```
//! Read `session.rs` first: it is the conversation, top to bottom. Then `reader.rs`, which promises that no mail can pass for
//! a response. `testdata/imap` holds the conversations that are tested.

pub mod action;
pub mod auth;
pub mod command;
pub mod fetch_items;
pub mod framing;
pub mod idle_cycle;
pub mod lexer;
pub mod mailbox_name;
pub mod pace;
pub mod reader;
pub mod response;
pub mod resume;
pub mod session;
pub mod uid;
pub mod wanted;

use self::auth::Mechanism;
use crate::net::Endpoint;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `server`, with `is_insecure` and `starttls` deciding where TLS begins.
    pub endpoint: Endpoint,
    /// `username`.
    pub username: String,
    /// `auth`: the only way to log in that is tried. Otherwise the best that the server offers.
    pub mechanism: Option<Mechanism>,
    /// `compress`: whether to ask for COMPRESS=DEFLATE.
    pub compress: bool,
}

impl Settings {
    /// `user@host:port`: names the account in event ids and checkpoints.
    pub fn account(&self) -> String {
        format!("{}@{}", self.username, self.endpoint)
    }
}
