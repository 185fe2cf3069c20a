//! COMPRESS=DEFLATE (RFC 4978), behind the login: before it, what is compressed together with a password could betray it.

use super::connection::trouble;
use super::{Session, SessionError, quick};
use crate::clock::Phase;
use crate::imap::command::Command;
use crate::log;

impl Session {
    /// Compresses from here on, where the server can. Where not, everything works as well, and takes longer.
    pub(super) fn compress(&mut self, offered: bool) -> Result<(), SessionError> {
        let refused = if offered {
            // Until the answer is read, nobody knows whether a LOGOUT would have to be compressed: none is sent (section 3).
            let goodbye = self.connection.goodbye.take();
            let condition = self.run(&Command::Compress, quick(Phase::Login), |_| {})?;
            self.connection.goodbye = goodbye;
            if condition.is_ok() {
                self.connection.compress();
                return Ok(());
            }
            if let Some(error) = trouble(&condition) {
                return Err(error);
            }
            condition.to_string()
        } else {
            "not offered".to_owned()
        };
        let server = self.peer().to_owned();
        log::info(
            "the server does not compress (COMPRESS=DEFLATE); going on without",
            &[("server", &server), ("reason", &refused)],
        );
        Ok(())
    }
}
