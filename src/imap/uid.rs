//! UID sets and ranges.
