//! The network of a test (to come).
