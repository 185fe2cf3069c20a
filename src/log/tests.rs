use serde_json::Value;

use crate::hidden::is_hidden;

use super::{Fields, Format, Level, Settings, is_journal, line};

const TEXT: Settings = Settings {
    format: Format::Text,
    level: Level::Debug,
    journal: false,
};

const JSON: Settings = Settings {
    format: Format::Json,
    ..TEXT
};

fn in_journal(settings: Settings) -> Settings {
    Settings {
        journal: true,
        ..settings
    }
}

#[test]
fn a_value_from_outside_cannot_forge_a_line() {
    let hostile = "x\nerror forged \u{1b}[2J\u{202e}\"";
    let fields: &Fields<'_> = &[("text", &hostile), ("uid", &7), ("empty", &"")];
    assert_eq!(
        line(TEXT, 0, Level::Warn, "refused", fields),
        "1970-01-01T00:00:00.000Z warn  refused text=\"x\\u{a}error forged \\u{1b}[2J\\u{202e}\\\"\" uid=7 empty=\"\"\n"
    );
    assert_eq!(
        line(JSON, 0, Level::Warn, "refused", fields),
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"message\":\"refused\",\
         \"text\":\"x\\nerror forged \\u001b[2J\\u202e\\\"\",\"uid\":7,\"empty\":\"\"}\n"
    );
}

#[test]
fn whatever_a_mail_says_stays_in_one_visible_line_and_json_gives_it_back() {
    // Every character that hides or steers, and every one that means something to either format.
    let mut canaries: Vec<char> = (0..=0xa0_u32)
        .chain(0x2000..0x2070)
        .filter_map(char::from_u32)
        .collect();
    canaries.extend(['\u{61c}', '\u{feff}', '\u{e0041}', '\u{e9}', '\u{10ffff}', '\u{fffd}']);
    for settings in [TEXT, JSON, in_journal(TEXT), in_journal(JSON)] {
        for canary in &canaries {
            let value = format!("a{canary}b\\");
            let line = line(settings, 0, Level::Info, &value, &[("reason", &value)]);
            let body = line.strip_suffix('\n').unwrap();
            assert!(!body.contains(is_hidden), "{canary:?}: {line:?}");
            if settings.format == Format::Json {
                let body = body.strip_prefix("<6>").unwrap_or(body);
                let read: Value = serde_json::from_str(body).unwrap();
                assert_eq!(
                    (&read["message"], &read["reason"]),
                    (&value.as_str().into(), &value.as_str().into())
                );
            }
        }
    }
}

#[test]
fn a_quoted_value_ends_where_it_ends() {
    for (value, expected) in [
        ("DOMAIN\\user", "v=DOMAIN\\user"),
        ("a b\\", "v=\"a b\\\\\""),
        ("\\\" x=y", "v=\"\\\\\\\" x=y\""),
        ("", "v=\"\""),
    ] {
        let line = line(TEXT, 0, Level::Info, "x", &[("v", &value)]);
        assert_eq!(line.trim_end(), format!("1970-01-01T00:00:00.000Z info  x {expected}"));
    }
}

#[test]
fn the_journal_gets_priorities_and_no_time() {
    let written = |level| line(in_journal(TEXT), 0, level, "what", &[]);
    assert_eq!(
        Level::ALL.map(written),
        [
            "<3>error what\n",
            "<4>warn  what\n",
            "<6>info  what\n",
            "<7>debug what\n"
        ]
    );
    assert_eq!(
        line(in_journal(JSON), 0, Level::Error, "what", &[]),
        "<3>{\"level\":\"error\",\"message\":\"what\"}\n"
    );
}

#[test]
fn a_mailbox_named_by_a_number_stays_a_name() {
    let fields: &Fields<'_> = &[
        ("mailbox", &"2024"),
        ("mails", &"2024"),
        ("uid", &"-1"),
        ("bytes", &"x"),
    ];
    let line = line(JSON, 0, Level::Info, "x", fields);
    assert!(
        line.ends_with("\"mailbox\":\"2024\",\"mails\":2024,\"uid\":\"-1\",\"bytes\":\"x\"}\n"),
        "{line}"
    );
}

#[test]
fn the_journal_is_recognised_by_device_and_inode_of_standard_error() {
    use std::os::unix::fs::MetadataExt as _;
    let ours = std::fs::metadata("/proc/self/fd/2").unwrap();
    let (device, inode) = (ours.dev(), ours.ino());
    assert!(is_journal(Some(&format!("{device}:{inode}"))));
    let other = format!("{device}:{}", inode + 1);
    for stream in [None, Some(""), Some("1"), Some(":"), Some(other.as_str())] {
        assert!(!is_journal(stream), "{stream:?}");
    }
}
