//! The wire contract: what one mail looks like to its receiver. This file imports nothing of ours.
//!
//! For ordinary mail the shape is LimaCharlie's own email event, to the letter; keys beyond it appear only where there
//! is something to say. `build.rs` makes an [`EmailEvent`] from a mail, `encode.rs` turns it into JSON.
//!
//! ```json
//! {"routing": {"event_type": "email", "event_time": 1700000000000, "event_id": "…", "hostname": "…", "oid": "…",
//!              "mailbox": "INBOX", "uidvalidity": 1, "uid": 7, "sha256": "…"},
//!  "event": {"headers": {"subject": ["more testing"]},
//!            "parts": [{"headers": {"content-type": ["text/plain"]}, "body_text": "…",
//!                       "hashes": {"md5": "…", "sha1": "…", "sha256": "…"}}]}}
//! ```

pub mod attachments;
pub mod build;
pub mod encode;
mod headers;
pub mod journal;
pub mod raw;
pub mod stub;

pub use headers::Headers;

/// One mail, as it is delivered: `{"routing": …, "event": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailEvent {
    /// `routing`: what the event is and where it came from.
    pub routing: Routing,
    /// `event`: what is in the mail.
    pub message: Message,
}

/// `routing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// `event_time`: milliseconds since 1970. INTERNALDATE; for files the Date header, else now.
    pub event_time: i64,
    /// `event_id`: the same for the same mail, however often it is sent.
    pub event_id: EventId,
    /// `hostname`: the mailbox, where an account has several; else `client_options.hostname`, else this machine's name.
    pub hostname: String,
    /// `oid`: `client_options.identity.oid`.
    pub oid: String,
    /// `mailbox`, `uidvalidity`, `uid`, or `source`.
    pub origin: Origin,
    /// `sha256`: of the mail as it was received, all of it.
    pub sha256: [u8; 32],
}

/// Where a mail came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An IMAP mailbox.
    Mailbox {
        /// Its name, decoded.
        mailbox: String,
        /// UIDVALIDITY at the time.
        uid_validity: u32,
        /// The mail's UID.
        uid: u32,
    },
    /// A file: its path, with `:N` behind it for the Nth mail of an mbox file, or `-` for standard input.
    File {
        /// `source`.
        source: String,
    },
}

/// A deterministic 128-bit identifier, written as a UUID (version 8, RFC 9562).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

/// `event`, and `parts[].message` for a mail inside a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// `headers`: lower-case name → unfolded, decoded values in order.
    pub headers: Headers,
    /// `parts`: the leaves of the MIME tree, flat, in order.
    pub parts: Vec<Part>,
    /// `anomalies`: what could be read two ways or was cut, of this message and everything in it. The outermost message has
    /// all of them, so nobody need look further; a mail inside the mail has those of the part that carries it and of all in
    /// it, numbered as in the whole mail.
    pub anomalies: Vec<Anomaly>,
    /// `journal`: the envelope, if the mail is a journal report; on the outermost message only.
    pub journal: Option<Box<Journal>>,
}

/// `parts[]`: one leaf of the MIME tree, or a mail inside the mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// `headers`: the part's own; absent fields are absent, an empty block is `{}`.
    pub headers: Headers,
    /// `body_text`: decoded text of a text part, as UTF-8.
    pub body_text: Option<String>,
    /// `hashes`: over the decoded bytes, before the charset; absent for a mail inside the mail.
    pub hashes: Option<Hashes>,
    /// `filename`: from Content-Disposition or Content-Type, decoded, without path and characters that do not show.
    pub filename: Option<String>,
    /// `filename_raw`: what was decoded, where it is not the same.
    pub filename_raw: Option<String>,
    /// `size`: decoded bytes; present on attachments and on whatever was truncated.
    pub size: Option<u64>,
    /// `content`: the decoded bytes in base64; only with `include_attachments`.
    pub content: Option<Vec<u8>>,
    /// `artifact`: the SHA-256 under which the decoded bytes are in LimaCharlie's artifact store, where they are.
    pub artifact: bool,
    /// `truncated`: `body_text` or `content` is not all of the part.
    pub truncated: bool,
    /// `message`: the mail that this part carries.
    pub message: Option<Box<Message>>,
}

/// `journal`: what a journal report says of the envelope of the mail in it. Nobody signs that: it is as true as the
/// mailbox is closed to mail from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// `kind`: `exchange` or `google`.
    pub kind: JournalKind,
    /// `sender`: who sent it, by its envelope; empty for the null sender of bounces.
    pub sender: Option<String>,
    /// `on_behalf_of`: in whose name, where a delegate was allowed to send as somebody else.
    pub on_behalf_of: Option<String>,
    /// `subject`: of the original, as the report repeats it.
    pub subject: Option<String>,
    /// `message_id`: of the original, with its angle brackets.
    pub message_id: Option<String>,
    /// `recipients`: whom it went to, Bcc included.
    pub recipients: Vec<JournalRecipient>,
    /// `spam`: whether Google's filter took it for spam (`X-Gm-Spam`), where it says so.
    pub spam: Option<bool>,
    /// `phishy`: whether Google's filter took it for phishing (`X-Gm-Phishy`), where it says so.
    pub phishy: Option<bool>,
    /// `decrypted`: `true` where the report carries a rights-protected original and its readable copy. The copy is the
    /// one on top.
    pub decrypted: bool,
    /// `report`: the mail around the original, where the original has been put on top (`unwrap_journal`).
    pub report: Option<JournalReport>,
}

/// `journal.kind`: who writes such reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalKind {
    /// `exchange`: Microsoft Exchange, on-premises or Online: the original inside a report.
    Exchange,
    /// `google`: Google Workspace: the original, with header fields added.
    Google,
}

/// `journal.recipients[]`: one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRecipient {
    /// `address`: where the mail went; an SMTP address, or an Exchange name (`/o=…`).
    pub address: String,
    /// `kind`: how it was addressed: `to`, `cc`, `bcc`, or `recipient` where the server could not verify it.
    pub kind: RecipientKind,
    /// `expanded`: the distribution list that it is a member of; a list of values, absent when empty, as the next one.
    pub expanded: Vec<String>,
    /// `forwarded`: the mailbox that forwards to it.
    pub forwarded: Vec<String>,
}

/// `journal.recipients[].kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientKind {
    /// `to`.
    To,
    /// `cc`.
    Cc,
    /// `bcc`.
    Bcc,
    /// `recipient`: how it was addressed is not known.
    Recipient,
}

/// `journal.report`: the report itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalReport {
    /// `headers`: its own.
    pub headers: Headers,
    /// `parts`: all of its parts. The one that carried the original has no `message`: it is on top.
    pub parts: Vec<Part>,
}

/// `hashes`: written in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-1.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// `anomalies[]`: one reading problem of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// `flag`: its name.
    pub flag: String,
    /// `severity`: `high`, `medium` or `info`.
    pub severity: &'static str,
    /// `part`: the path as IMAP numbers it (`1.2`), empty for the top-level header; always in the mail as it was received,
    /// so a part of an unwrapped original is `2.1`, not `1`.
    pub part: String,
    /// `offset`: byte offset of the first occurrence in the mail.
    pub offset: u64,
    /// `count`: how often.
    pub count: u64,
}
