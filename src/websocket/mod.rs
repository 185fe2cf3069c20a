//! Our own WebSocket client (RFC 6455): bytes both ways over one connection, nothing negotiated beyond the protocol itself.
//!
//! [`handshake`] and [`frame`] are pure; [`message`] puts frames together; [`connection`] waits.

pub mod connection;
pub mod frame;
pub mod handshake;
pub mod message;
