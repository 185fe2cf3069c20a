//! One thread for each mailbox.
