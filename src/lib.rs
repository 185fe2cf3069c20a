//! mailtap: watches IMAP mailboxes and delivers every mail as a JSON event.
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

pub mod clock;
pub mod log;
pub mod secret;

pub mod mime;

pub mod event;

pub mod net;

pub mod http;
pub mod imap;

pub mod sink;

pub mod checkpoint;

pub mod config;

pub mod archive;
pub mod backoff;
pub mod command_line;
pub mod mailbox;
pub mod supervisor;
