//! `/metrics`: Prometheus' text format, version 0.0.4, by its naming rules. Pure.
//!
//! Every family is in [`families`], README and the dashboard are checked against it.

use std::fmt::Write as _;

use super::report::{Mailbox, Report};
use crate::hidden::is_hidden;
use crate::metrics::{Counter, Moment};

/// What the format is called.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One name and what stands under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// All families, in the order in which they are told.
pub fn families() -> Vec<Family> {
    let counters = Counter::ALL.iter().map(|counter| {
        let (name, help) = counter.about();
        Family {
            name,
            kind: "counter",
            labels: OF_A_MAILBOX,
            help,
        }
    });
    counters
        .chain(GAUGES.iter().map(|gauge| gauge.family))
        .chain(PROCESS.iter().map(|gauge| gauge.family))
        .chain([TIMEOUTS])
        .collect()
}

const TIMEOUTS: Family = Family {
    name: "mailtap_timeouts_total",
    kind: "counter",
    labels: &["phase"],
    help: "Waits for IMAP servers and receivers that took too long, by what was waited for.",
};

const OF_A_MAILBOX: &[&str] = &["server", "username", "mailbox"];

/// A number of `T`; `None` where there is none yet.
struct Gauge<T: 'static> {
    family: Family,
    value: fn(&T) -> Option<String>,
}

const GAUGES: [Gauge<Mailbox>; 5] = [
    Gauge {
        family: of_a_mailbox(
            "mailtap_mailbox_up",
            "1 while /healthz has nothing against the mailbox, else 0.",
        ),
        value: |mailbox| Some(u8::from(mailbox.complaints.is_empty()).to_string()),
    },
    Gauge {
        family: of_a_mailbox(
            "mailtap_behind_mails",
            "Mails that are there and not done, at the most.",
        ),
        value: |mailbox| mailbox.vitals.behind.map(|behind| behind.to_string()),
    },
    Gauge {
        family: of_a_mailbox(
            "mailtap_lag_seconds",
            "For how long mail may have been waiting; 0 while all is delivered and the mailbox is watched.",
        ),
        value: |mailbox| Some(format!("{:.3}", mailbox.lag.as_secs_f64())),
    },
    Gauge {
        family: of_a_mailbox(
            "mailtap_last_round_trip_timestamp_seconds",
            "When the IMAP server last answered a session that was logged in.",
        ),
        value: |mailbox| mailbox.vitals.round_trip.map(seconds),
    },
    Gauge {
        family: of_a_mailbox(
            "mailtap_last_acknowledgement_timestamp_seconds",
            "When the receiver last acknowledged a batch.",
        ),
        value: |mailbox| mailbox.vitals.acknowledged.map(seconds),
    },
];

const PROCESS: [Gauge<Report>; 4] = [
    Gauge {
        family: of_the_process("mailtap_up", "1 while /healthz answers 200, else 0."),
        value: |report| Some(u8::from(report.is_well()).to_string()),
    },
    Gauge {
        family: Family {
            name: "mailtap_build_info",
            kind: "gauge",
            labels: &["version"],
            help: "1; the label says which mailtap this is.",
        },
        value: |_| Some("1".to_owned()),
    },
    Gauge {
        family: of_the_process("process_start_time_seconds", "When the process began."),
        value: |report| Some(seconds(report.started)),
    },
    Gauge {
        family: of_the_process(
            "process_resident_memory_bytes",
            "Memory of the process that is resident.",
        ),
        value: |report| report.resident_memory.map(|bytes| bytes.to_string()),
    },
];

const fn of_a_mailbox(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: "gauge",
        labels: OF_A_MAILBOX,
        help,
    }
}

const fn of_the_process(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: "gauge",
        labels: &[],
        help,
    }
}

/// The whole page.
pub fn write(report: &Report) -> String {
    let mut page = String::new();
    // The account's listing has nothing to count: it is in `/healthz` and in `mailtap_up`.
    let mailboxes = || {
        report
            .mailboxes
            .iter()
            .filter(|mailbox| mailbox.entry.mailbox.is_some())
    };
    for counter in Counter::ALL {
        let (name, help) = counter.about();
        head(&mut page, name, "counter", help);
        for mailbox in mailboxes() {
            let value = mailbox.entry.counters.get(counter);
            sample(&mut page, name, &labels(mailbox), &value.to_string());
        }
    }
    for gauge in &GAUGES {
        let name = gauge.family.name;
        head(&mut page, name, gauge.family.kind, gauge.family.help);
        for mailbox in mailboxes() {
            if let Some(value) = (gauge.value)(mailbox) {
                sample(&mut page, name, &labels(mailbox), &value);
            }
        }
    }
    for gauge in &PROCESS {
        let family = gauge.family;
        head(&mut page, family.name, family.kind, family.help);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        let labels = if family.labels.is_empty() { &[] } else { &version[..] };
        if let Some(value) = (gauge.value)(report) {
            sample(&mut page, family.name, labels, &value);
        }
    }
    head(&mut page, TIMEOUTS.name, TIMEOUTS.kind, TIMEOUTS.help);
    for (phase, times) in &report.timeouts {
        let phase = phase.to_string();
        sample(&mut page, TIMEOUTS.name, &[("phase", &phase)], &times.to_string());
    }
    page
}

fn labels(mailbox: &Mailbox) -> [(&'static str, &str); 3] {
    let entry = &mailbox.entry;
    [
        ("server", &entry.server),
        ("username", &entry.username),
        ("mailbox", entry.mailbox.as_deref().unwrap_or_default()),
    ]
}

fn head(page: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(page: &mut String, name: &str, labels: &[(&str, &str)], value: &str) {
    page.push_str(name);
    for (place, (label, text)) in labels.iter().enumerate() {
        let before = if place == 0 { '{' } else { ',' };
        let _ = write!(page, "{before}{label}=\"");
        value_of_a_label(page, text);
        page.push('"');
    }
    if !labels.is_empty() {
        page.push('}');
    }
    let _ = writeln!(page, " {value}");
}

/// Names of mailboxes are the server's: whatever they hold, they stay inside the quotes, steer no terminal, and two stay two, or
/// Prometheus would refuse the page.
fn value_of_a_label(page: &mut String, text: &str) {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => page.push_str("\\\""),
            // As what is hidden is written; it would be taken for that.
            '\\' if characters.peek() == Some(&'u') => page.push_str("\\\\u{5c}"),
            '\\' => page.push_str("\\\\"),
            _ if is_hidden(character) => {
                let _ = write!(page, "\\{}", character.escape_unicode());
            }
            _ => page.push(character),
        }
    }
}

/// Seconds since 1970, as Prometheus has all times.
fn seconds(moment: Moment) -> String {
    let milliseconds = moment.unix_milliseconds.max(0);
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

#[cfg(test)]
mod tests;
