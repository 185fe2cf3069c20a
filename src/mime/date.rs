//! Dates: RFC 5322 `date-time` as mail has it, INTERNALDATE as IMAP has it, RFC 3339 for people.

/// `1970-01-01T00:00:00.000Z`.
pub fn rfc3339(unix_milliseconds: i64) -> String {
    let _ = unix_milliseconds;
    String::new()
}
