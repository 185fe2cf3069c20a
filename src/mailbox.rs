//! One mailbox, from connection to acknowledgement.
