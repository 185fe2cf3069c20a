//! Commands as bytes.
