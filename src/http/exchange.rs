//! One request and its response over a kept connection.
