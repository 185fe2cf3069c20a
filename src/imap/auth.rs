//! Logging in: SASL PLAIN and LOGIN.
