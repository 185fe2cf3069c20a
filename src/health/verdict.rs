//! What makes `/healthz` red, and in which words. Pure: time is an argument.
//!
//! | a mailbox is red | from when on |
//! |---|---|
//! | it was never open | the start, until it is |
//! | login, certificate, mailbox name, receiver or a setting refused; nothing can be written | at once |
//! | server or receiver away, or in trouble that may pass | [`limits::HEALTH_GRACE`] after the first failure |
//! | its thread hears nothing, whoever it waits for | after [`limits::HEALTH_SILENCE`] |
//!
//! Green again: when the mailbox is open; when reading it got on; when the receiver took a batch; when the file is written.

use std::time::Instant;

use crate::limits;
use crate::metrics::{Concern, Doing, Entry, Trouble, Vitals};

/// Why `entry` is red at `now`; nothing, when it is green.
pub fn complaints(entry: &Entry, vitals: &Vitals, now: Instant) -> Vec<String> {
    let mut complaints: Vec<String> = vitals
        .troubles
        .iter()
        .filter(|(_, trouble)| {
            let lasts = now.saturating_duration_since(trouble.since.at) >= limits::HEALTH_GRACE;
            trouble.grave || lasts || !vitals.opened
        })
        .map(|(concern, trouble)| in_trouble(entry, *concern, trouble, now))
        .collect();
    complaints.extend(silence(vitals, now));
    if complaints.is_empty() && !vitals.opened {
        complaints.push(match (&entry.mailbox, vitals.doing) {
            (None, _) => "the account's mailboxes are not listed yet".to_owned(),
            (Some(_), Some((Doing::Turn, _))) => "not opened yet: it waits for its turn".to_owned(),
            (Some(_), _) => "not opened yet".to_owned(),
        });
    }
    complaints
}

fn in_trouble(entry: &Entry, concern: Concern, trouble: &Trouble, now: Instant) -> String {
    let what = match (concern, &entry.mailbox) {
        (Concern::Opening, None) => "the account's mailboxes cannot be listed",
        (Concern::Opening, Some(_)) => "the mailbox cannot be opened",
        (Concern::Configuring, _) => "the configuration is not that which is wanted",
        (Concern::Watching, _) => "mailboxes are not watched",
        (Concern::Reading, _) => "the mailbox cannot be read",
        (Concern::Delivering, _) => "the receiver does not take events",
        (Concern::Storing, _) => "attachments cannot be stored",
        (Concern::Writing, _) => "the state directory cannot be written",
    };
    let seconds = now.saturating_duration_since(trouble.since.at).as_secs();
    format!("{what} for {seconds} s: {}", trouble.reason)
}

/// A thread that hears nothing for longer than any of its deadlines is stuck, whatever it believes.
fn silence(vitals: &Vitals, now: Instant) -> Option<String> {
    let (doing, since) = vitals.doing?;
    let age = now.saturating_duration_since(since.at);
    if age < limits::HEALTH_SILENCE {
        return None;
    }
    let seconds = age.as_secs();
    match doing {
        Doing::Turn => Some(format!("it waits for its turn for {seconds} s: raise max_connections")),
        Doing::Server => Some(format!("no answer of the IMAP server for {seconds} s")),
        Doing::Receiver => Some(format!("no acknowledgement of the receiver for {seconds} s")),
        // Of any length: attachments have any size, and a pause is somebody's wish.
        Doing::Attachments | Doing::Pause => None,
    }
}

#[cfg(test)]
mod tests;
