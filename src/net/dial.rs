//! Resolve, try addresses, connect.
