//! Tokens of a response line.
