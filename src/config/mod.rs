//! Configuration: LimaCharlie's files and `key=value` arguments → each module's own settings. Unknown keys are refused.

use std::path::PathBuf;

use crate::{event, imap, sink};

/// One mailbox to watch and the receiver of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Where mail comes from.
    pub imap: imap::Settings,
    /// `from_zero`: the first start delivers what is already there; otherwise it starts from now.
    pub from_zero: bool,
    /// `ca_file`: certificate authorities trusted beside the public ones, for the IMAP server and the receiver.
    pub ca_file: Option<PathBuf>,
    /// `state_dir`: where the checkpoint lives.
    pub state_dir: PathBuf,
    /// What events say.
    pub event: event::build::Settings,
    /// Where events go.
    pub receiver: Receiver,
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// `client_options.dest_url: https://…`.
    Webhook(sink::webhook::Settings),
    /// `client_options.dest_url: "stdout:"`.
    Stdout,
}
