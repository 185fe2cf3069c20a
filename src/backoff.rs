//! Attempt number → delay.
