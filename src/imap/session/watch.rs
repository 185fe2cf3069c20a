//! Waiting for news: IDLE (RFC 2177), or NOOP now and then.

/// What a watch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// The server announced a change: look at UIDNEXT now.
    News,
    /// Nothing was announced. Look at UIDNEXT all the same: some servers never announce anything.
    Quiet,
}
