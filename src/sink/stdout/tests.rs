use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use super::{Stdout, ends_within_line};
use crate::event::EventId;
use crate::sink::{Batch, DeliveryError, Sink};

/// Takes a few bytes at a time and fails once, after `before` bytes.
struct Faulty {
    taken: Vec<u8>,
    before: usize,
    error: Option<ErrorKind>,
    flushed: usize,
}

impl Write for Faulty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = if self.error.is_some() {
            self.before - self.taken.len()
        } else {
            usize::MAX
        };
        if room == 0 {
            return Err(self.error.take().expect("an error").into());
        }
        let count = bytes.len().min(room).min(3);
        self.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed = self.taken.len();
        Ok(())
    }
}

fn batch(lines: &[&str]) -> Batch {
    let mut batch = Batch::default();
    for line in lines {
        batch.push(EventId([0; 16]), |out| {
            out.extend_from_slice(format!("{line}\n").as_bytes());
        });
    }
    batch
}

fn faulty(before: usize, error: ErrorKind) -> Stdout<Faulty> {
    Stdout::behind(
        false,
        Faulty {
            taken: Vec::new(),
            before,
            error: Some(error),
            flushed: 0,
        },
        false,
    )
}

fn written(sink: &Stdout<Faulty>) -> Vec<u8> {
    sink.0.lock().expect("unharmed").writer.taken.clone()
}

#[test]
fn lines_are_written_and_flushed_before_they_are_acknowledged() {
    let mut sink = faulty(usize::MAX, ErrorKind::Other);
    assert_eq!(sink.deliver(&batch(&["{\"a\":1}", "{\"b\":2}"])), Ok(()));
    assert_eq!(sink.deliver(&batch(&["{}"])), Ok(()));
    let lines = sink.0.lock().expect("unharmed");
    assert_eq!(lines.writer.taken, b"{\"a\":1}\n{\"b\":2}\n{}\n");
    assert_eq!(lines.writer.flushed, lines.writer.taken.len());
}

#[test]
fn a_failure_within_a_line_spoils_only_that_line() {
    let events = ["{\"a\":1}", "{\"b\":2}"];
    for before in 0..16 {
        let mut sink = faulty(before, ErrorKind::StorageFull);
        assert!(matches!(
            sink.deliver(&batch(&events)),
            Err(DeliveryError::Retry { after: None, .. })
        ));
        assert_eq!(sink.deliver(&batch(&events)), Ok(()), "{before}");
        let text = String::from_utf8(written(&sink)).expect("text");
        assert!(
            text.ends_with("\n{\"a\":1}\n{\"b\":2}\n") || before == 0,
            "{before}: {text}"
        );
        // Cut just before its line end, a line is whole.
        let spoilt = text.lines().filter(|line| !events.contains(line)).count();
        assert_eq!(spoilt, usize::from(!matches!(before % 8, 0 | 7)), "{before}: {text}");
    }
}

#[test]
fn a_failure_within_a_line_of_one_mailbox_spoils_no_line_of_another() {
    let mut sink = faulty(3, ErrorKind::StorageFull);
    let mut other = sink.clone();
    assert!(sink.deliver(&batch(&["{\"a\":1}"])).is_err());
    assert_eq!(other.deliver(&batch(&["{\"b\":2}"])), Ok(()));
    assert_eq!(sink.deliver(&batch(&["{\"a\":1}"])), Ok(()));
    assert_eq!(written(&sink), b"{\"a\n{\"b\":2}\n{\"a\":1}\n");
}

#[test]
fn two_mailboxes_share_a_slow_reader_and_every_line_stays_whole() {
    // The writer takes three bytes at a time: without the lock the lines would be cut into each other.
    let sink = faulty(usize::MAX, ErrorKind::Other);
    let line = "x".repeat(1000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut sink = sink.clone();
            let line = &line;
            scope.spawn(move || assert_eq!(sink.deliver(&batch(&[line.as_str(); 20])), Ok(())));
        }
    });
    let text = String::from_utf8(written(&sink)).expect("text");
    assert_eq!(text.lines().filter(|found| *found == line).count(), 80);
    assert_eq!(text.lines().count(), 80);
}

#[test]
fn a_signal_does_not_end_a_write() {
    let mut sink = faulty(5, ErrorKind::Interrupted);
    assert_eq!(sink.deliver(&batch(&["{\"a\":1}"])), Ok(()));
    assert_eq!(written(&sink), b"{\"a\":1}\n");
}

#[test]
fn a_reader_that_has_ended_is_a_matter_of_configuration() {
    match faulty(3, ErrorKind::BrokenPipe).deliver(&batch(&["{\"a\":1}"])) {
        Err(DeliveryError::Configuration { reason }) => assert!(reason.contains("standard output"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn standard_output_that_is_open_for_reading_only_is_a_matter_of_configuration() {
    let outcome = Stdout::behind(false, File::open("/dev/null").expect("opened"), false).deliver(&batch(&["{}"]));
    assert!(
        matches!(outcome, Err(DeliveryError::Configuration { .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_full_disk_is_tried_again_and_named() {
    let result = faulty(3, ErrorKind::StorageFull).deliver(&batch(&["{\"a\":1}"]));
    let error = result.expect_err("full").to_string();
    assert!(
        error.contains("dest_url is stdout:") && error.contains("no storage space"),
        "{error}"
    );
}

#[test]
fn on_a_terminal_a_mail_steers_nothing_and_elsewhere_it_stays_as_it_is() {
    let event = "{\"subject\":\"\u{9b}2J\u{202e}\"}";
    for (on_terminal, expected) in [
        (true, "{\"subject\":\"\\u009b2J\\u202e\"}\n"),
        (false, &format!("{event}\n")),
    ] {
        let mut sink = Stdout::behind(false, Vec::new(), on_terminal);
        assert_eq!(sink.deliver(&batch(&[event])), Ok(()));
        assert_eq!(sink.0.lock().expect("unharmed").writer, expected.as_bytes());
    }
}

#[test]
fn a_line_that_an_earlier_process_left_unfinished_spoils_no_event() {
    let path = std::env::temp_dir().join(format!("mailtap-stdout-{}", std::process::id()));
    for (before, expected) in [
        ("", "{\"b\":2}\n"),
        ("{\"a\":1}\n", "{\"a\":1}\n{\"b\":2}\n"),
        ("{\"a\":1}\n{\"a", "{\"a\":1}\n{\"a\n{\"b\":2}\n"),
    ] {
        fs::write(&path, before).expect("written");
        // As `>>` opens it: not for reading.
        let file = OpenOptions::new().append(true).open(&path).expect("opened");
        let torn = ends_within_line(&file, &path);
        assert_eq!(
            Stdout::behind(torn, file, false).deliver(&batch(&["{\"b\":2}"])),
            Ok(())
        );
        assert_eq!(fs::read_to_string(&path).expect("text"), expected);
    }
    let file = OpenOptions::new().append(true).open(&path).expect("opened");
    assert!(ends_within_line(&file, Path::new("/nonexistent")), "cannot be told");
    let null = OpenOptions::new().write(true).open("/dev/null").expect("opened");
    assert!(!ends_within_line(&null, Path::new("/nonexistent")));
    fs::remove_file(path).expect("removed");
}
