//! Bytes → a response, read strictly.
