//! TLS by rustls: whom to trust.
