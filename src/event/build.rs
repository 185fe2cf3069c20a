//! A mail's bytes → [`EmailEvent`](super::EmailEvent).

/// What the configuration says about events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `include_attachments`: attachments travel in the event as `content`.
    pub include_attachments: bool,
    /// `max_body_size`: the largest part, in decoded bytes, whose `content` is included; 0 is no limit but memory's.
    pub max_body_size: u64,
    /// `client_options.hostname`, else this machine's name.
    pub hostname: String,
    /// `client_options.identity.oid`.
    pub oid: String,
}
