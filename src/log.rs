//! One line for each fact, to standard error: time, level, what happened, `key=value`. Nothing that came from outside is
//! printed unescaped, so a mail or a server cannot forge a line or steer a terminal.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

use crate::clock::system_unix_milliseconds;
use crate::mime::date;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Info,
    /// Handled, worth a look.
    Warn,
    /// An operator must do something.
    Error,
}

/// The facts of a line, in order.
pub type Fields<'a> = [(&'a str, &'a dyn Display)];

/// As it should be.
pub fn info(what: &str, fields: &Fields<'_>) {
    write(Level::Info, what, fields);
}

/// Handled, worth a look.
pub fn warn(what: &str, fields: &Fields<'_>) {
    write(Level::Warn, what, fields);
}

/// An operator must do something.
pub fn error(what: &str, fields: &Fields<'_>) {
    write(Level::Error, what, fields);
}

/// A line of a level that the caller decides.
pub fn write(level: Level, what: &str, fields: &Fields<'_>) {
    let line = line(system_unix_milliseconds(), level, what, fields);
    // A log that cannot be written must not stop delivery.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// The line itself, with its line end.
pub fn line(unix_milliseconds: i64, level: Level, what: &str, fields: &Fields<'_>) -> String {
    let level = match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let mut line = date::rfc3339(unix_milliseconds);
    let _ = write!(line, " {level:5} {}", escaped(what));
    for (key, value) in fields {
        let value = escaped(&value.to_string());
        if value.is_empty() || value.contains([' ', '"', '=']) {
            let _ = write!(line, " {key}=\"{}\"", value.replace('"', "\\\""));
        } else {
            let _ = write!(line, " {key}={value}");
        }
    }
    line.push('\n');
    line
}

/// Control characters, line separators and bidirectional controls as `\u{…}`.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if character.is_control() || invisible {
            let _ = write!(out, "{}", character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Level, line};

    #[test]
    fn a_value_from_outside_cannot_forge_a_line() {
        let hostile = "x\nerror forged \u{1b}[2J\u{202e}\"";
        let line = line(
            0,
            Level::Warn,
            "refused",
            &[("text", &hostile), ("uid", &7), ("empty", &"")],
        );
        assert_eq!(
            line,
            "1970-01-01T00:00:00.000Z warn  refused text=\"x\\u{a}error forged \\u{1b}[2J\\u{202e}\\\"\" uid=7 empty=\"\"\n"
        );
    }
}
