//! Bytes → response lines and literals.
