//! Mailbox names and modified UTF-7.
