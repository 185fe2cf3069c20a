//! The HTTPS poster: HTTP/1.1 requests and responses (RFC 9112). Everything but `exchange.rs` is pure.

pub mod exchange;
pub mod request;
pub mod response;
pub mod url;
