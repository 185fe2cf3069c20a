//! https:// URLs of receivers.
