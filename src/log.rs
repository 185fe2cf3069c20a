//! One line for each fact, to standard error: time, level, what happened, `key=value`; or the same as a line of JSON.
//! Nothing that came from outside is printed unescaped, so a mail or a server cannot forge a line or steer a terminal.
//!
//! Where standard error is systemd's journal, each line begins with its priority (`<4>`), which the journal takes off, and
//! has no time, which the journal knows better.

use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::clock::system_unix_milliseconds;
use crate::hidden::{escaped, escaped_json, is_hidden};
use crate::mime::date;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// An operator must do something.
    Error,
    /// Handled, worth a look.
    Warn,
    /// As it should be.
    Info,
    /// As it should be, and there is a lot of it.
    Debug,
}

impl Level {
    /// All of them, the most important first.
    pub const ALL: [Level; 4] = [Level::Error, Level::Warn, Level::Info, Level::Debug];

    /// As it is written in a line, and after `--log-level`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    /// syslog's priority (sd-daemon(3)).
    fn priority(self) -> u8 {
        match self {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug => 7,
        }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Time, level, what happened, `key=value`.
    #[default]
    Text,
    /// An object with `time`, `level`, `message` and the keys.
    Json,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 2] = [Format::Text, Format::Json];

    /// As it is written after `--log-format`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

/// What is written, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How a line looks.
    pub format: Format,
    /// The least important lines that are written.
    pub level: Level,
    /// Standard error is the journal.
    pub journal: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            format: Format::Text,
            level: Level::Info,
            journal: false,
        }
    }
}

impl Settings {
    /// Whether lines are for whoever sits in front of them, and not for a program.
    pub fn is_for_people(self) -> bool {
        self.format == Format::Text && !self.journal
    }
}

/// The process has one standard error, and so one way to write to it.
static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// Decides for the whole process; the first call counts, and lines before it are written by default.
pub fn begin(settings: Settings) {
    // Whoever comes second, as in a test that runs the program twice, finds the log as it is.
    let _ = SETTINGS.set(settings);
}

/// Whether standard error is the journal: `$JOURNAL_STREAM` is device and inode of what systemd gave us (systemd.exec(5)),
/// and standard error may have been redirected since.
pub fn is_journal(journal_stream: Option<&str>) -> bool {
    let stream = || -> Option<(u64, u64)> {
        let (device, inode) = journal_stream?.split_once(':')?;
        Some((device.parse().ok()?, inode.parse().ok()?))
    };
    let ours = || -> io::Result<(u64, u64)> {
        let file = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let metadata = file.metadata()?;
        Ok((metadata.dev(), metadata.ino()))
    };
    stream().is_some_and(|stream| ours().is_ok_and(|ours| ours == stream))
}

/// The facts of a line, in order.
pub type Fields<'a> = [(&'a str, &'a dyn Display)];

/// As it should be, and there is a lot of it.
pub fn debug(what: &str, fields: &Fields<'_>) {
    write(Level::Debug, what, fields);
}

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

/// What was decided.
pub fn settings() -> Settings {
    SETTINGS.get().copied().unwrap_or_default()
}

/// Whether people sit in front of it: lines of text on a terminal.
pub fn is_on_terminal() -> bool {
    settings().is_for_people() && io::stderr().is_terminal()
}

/// A line of progress stands where the next line is written.
static OVERWRITES: AtomicBool = AtomicBool::new(false);

/// Whether a line of progress, of a terminal that can blank the rest of a line, stands where the next line is written.
pub fn overwrites(progress: bool) {
    OVERWRITES.store(progress, Ordering::Relaxed);
}

/// A line of a level that the caller decides.
pub fn write(level: Level, what: &str, fields: &Fields<'_>) {
    let settings = settings();
    if level > settings.level {
        return;
    }
    let mut line = line(settings, system_unix_milliseconds(), level, what, fields);
    // A hostile server that plays a million times would fill the disk.
    if cfg!(fuzzing) {
        return;
    }
    let mut stderr = io::stderr().lock();
    if OVERWRITES.load(Ordering::Relaxed) {
        // The rest of the line of progress is blanked.
        line.insert_str(line.len().saturating_sub(1), "\x1b[K");
    }
    // A log that cannot be written must not stop delivery.
    let _ = stderr.write_all(line.as_bytes());
}

/// The line itself, with its line end.
pub fn line(settings: Settings, unix_milliseconds: i64, level: Level, what: &str, fields: &Fields<'_>) -> String {
    let time = (!settings.journal).then(|| date::rfc3339(unix_milliseconds));
    let mut line = String::new();
    if settings.journal {
        let _ = write!(line, "<{}>", level.priority());
    }
    match settings.format {
        Format::Text => text(&mut line, time.as_deref(), level, what, fields),
        Format::Json => json(&mut line, time.as_deref(), level, what, fields),
    }
    line.push('\n');
    line
}

fn text(line: &mut String, time: Option<&str>, level: Level, what: &str, fields: &Fields<'_>) {
    if let Some(time) = time {
        let _ = write!(line, "{time} ");
    }
    let _ = write!(line, "{:5} {}", level.name(), escaped(what));
    for (key, value) in fields {
        let value = value.to_string();
        if value.is_empty() || value.contains([' ', '"', '=']) || value.contains(is_hidden) {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let _ = write!(line, " {key}=\"{}\"", escaped(&quoted));
        } else {
            let _ = write!(line, " {key}={value}");
        }
    }
}

/// Keys whose values are numbers, whatever the mailbox is called that another key names.
const NUMBERS: [&str; 20] = [
    "acknowledged",
    "batch_bytes",
    "behind",
    "bytes",
    "bytes_per_second",
    "delivered",
    "events",
    "first_uid",
    "in_seconds",
    "mails",
    "mails_per_minute",
    "next_uid",
    "not_stored",
    "seconds_left",
    "times",
    "uid",
    "uidnext",
    "uidvalidity",
    "uidvalidity_before",
    "left",
];

fn json(line: &mut String, time: Option<&str>, level: Level, what: &str, fields: &Fields<'_>) {
    let mut before = '{';
    let mut pair = |key: &str, value: &str| {
        let _ = write!(line, "{before}{}:{value}", quoted(key));
        before = ',';
    };
    if let Some(time) = time {
        pair("time", &quoted(time));
    }
    pair("level", &quoted(level.name()));
    pair("message", &quoted(what));
    for (key, value) in fields {
        let value = value.to_string();
        let number = NUMBERS.contains(key).then(|| value.parse::<u64>().ok()).flatten();
        let value = number.map_or_else(|| quoted(&value), |number| number.to_string());
        pair(key, &value);
    }
    line.push('}');
}

/// A string of JSON in which nothing is hidden.
fn quoted(text: &str) -> String {
    escaped_json(&Value::from(text).to_string()).into_owned()
}

#[cfg(test)]
mod tests;
