//! The HTTPS poster: HTTP/1.1 requests and responses (RFC 9112). Everything but `exchange.rs` is pure.
//!
//! Read `exchange.rs` first: it is the conversation, top to bottom.

pub mod exchange;
pub mod request;
pub mod response;
pub mod retry_after;
pub mod url;

#[cfg(test)]
pub(crate) mod script;
