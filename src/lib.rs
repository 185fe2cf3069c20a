//! mailtap watches IMAP mailboxes and delivers every mail as one JSON event to LimaCharlie or any HTTPS receiver.
//!
//! **In**: an IMAP server, which is hostile until proven otherwise, and mail, which is hostile. **Out**: events whose shape
//! is LimaCharlie's own ([`event`]). **Refused**: to write to a mailbox unasked, to drop a mail in silence, to hold in memory
//! a mail that does not go out as it is, to send a password in clear text unasked, to follow a redirect.
//!
//! ```text
//!            one thread a mailbox, one straight line; back-pressure is the call stack
//!
//!  IMAP      net        imap            mime              event            sink          HTTPS
//!  server ─▶ Stream ─▶ Session::fetch ─▶ Machine::feed ─▶ EventBuilder ─▶ Batch ─▶ Sink ─▶ receiver
//!            TLS,       lines, literals   parts, decoded   text, hashes,    NDJSON   POST     │
//!            deadlines  lent in chunks    bytes            attachments                        │ 2xx
//!                                                                                             ▼
//!                                              disk ◀── Checkpoint::advance ◀── lowest UID not done
//! ```
//!
//! # Reading order
//!
//! 1. [`mailbox`]: one mailbox's life on one page, and the table of what each failure leads to.
//! 2. [`imap::session`]: the conversation; then the pure files beside it, which never wait.
//! 3. [`mime::entity`]: bytes to parts; then [`event::build`]: parts to an event.
//! 4. [`sink`], [`http::exchange`], [`websocket`], [`net`]: how an event gets out, and what a connection is; [`oauth`]:
//!    who gets in.
//! 5. [`checkpoint`], [`dead_letter`], [`attempts`]: what survives a crash. [`limits`]: every bound on bytes from outside.
//! 6. [`turns`], [`account`]: several mailboxes of one account. [`metrics`], [`health`]: how they are, for whoever asks.
//!    [`config`], [`command_line`], [`supervisor`]: how all of it is started.
//!
//! A module uses what stands above it in the list below, never what stands under it.
//!
//! # As a library
//!
//! [`mime`] and [`event`] need no network: [`event::build::EventBuilder`] turns a mail, fed in pieces of any size, into an
//! [`event::EmailEvent`]; [`mime::entity::Machine`] tells a visitor of your own what a mail consists of.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used,
        reason = "a test that panics has failed, which is what it is for"
    )
)]

pub mod limits;

pub mod backoff;
pub mod clock;
mod deflate;
pub mod hidden;
pub mod quantity;
mod replace;
pub mod secret;

pub mod mime;

pub mod spool;

pub mod event;

pub mod log;
pub mod metrics;

pub mod net;

pub mod http;
pub mod oauth;

pub mod imap;
pub mod websocket;

pub mod attempts;
pub mod checkpoint;
pub mod dead_letter;
pub mod sink;

pub mod turns;

pub mod mailbox;

pub mod account;

pub mod health;

pub mod config;

pub mod supervisor;

pub mod cloud;

pub mod archive;
pub mod command_line;
