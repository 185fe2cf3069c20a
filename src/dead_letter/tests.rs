use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use super::{Content, DeadLetters, Letter, Reader, Unread};
use crate::limits;

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("mailtap-dead-letter-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn letters(&self) -> DeadLetters {
        DeadLetters::new(self.0.join("x.dead-letter.ndjson"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn letter(uid: u32, content: Option<Content<'_>>) -> Letter<'_> {
    Letter {
        id: "00000000-0000-8000-8000-000000000000".to_owned(),
        account: "journal@mail.example.org:993".to_owned(),
        mailbox: "Journal/ä\"\n".to_owned(),
        uid_validity: u32::MAX,
        uid,
        time: "2024-01-01T00:00:00.000Z".to_owned(),
        reason: "it says: \"too\nlarge\"".to_owned(),
        content,
    }
}

fn event(uid: u32) -> Letter<'static> {
    letter(uid, Some(Content::Event(br#"{"event":{},"routing":{"uid":1}}"#.into())))
}

fn line(letter: &Letter<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    letter.write(&mut line).unwrap();
    line
}

fn read(bytes: &[u8]) -> Vec<(u64, Result<Letter<'static>, Unread>)> {
    let mut reader = Reader::new(bytes);
    std::iter::from_fn(|| reader.next_letter().unwrap()).collect()
}

#[test]
fn what_is_appended_is_read_again_and_is_nobody_else_s() {
    let folder = Folder::new("append");
    let letters = folder.letters();
    let written = [
        event(1),
        letter(2, Some(Content::Message(vec![1, 0xff, b'\n'].into()))),
        letter(3, None),
    ];
    for letter in &written {
        letters.append(letter).unwrap();
    }
    assert!(!letters.mend().unwrap());
    let mode = fs::metadata(letters.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let found: Vec<_> = read(&fs::read(letters.path()).unwrap());
    let expected = (1..).zip(written.map(Ok)).collect::<Vec<_>>();
    assert_eq!(found, expected);
}

#[test]
fn matrix_1_a_kill_in_the_middle_of_a_line_spoils_that_line_only_wherever_it_struck() {
    let folder = Folder::new("torn");
    let letters = folder.letters();
    let line = line(&event(1));
    for cut in 1..line.len() {
        fs::write(letters.path(), &line[..cut]).unwrap();
        // By the check at the start, or by the next line where that check was impossible.
        if cut % 2 == 0 {
            assert!(letters.mend().unwrap());
            assert!(!letters.mend().unwrap(), "once is enough");
        }
        letters.append(&event(2)).unwrap();
        let found = read(&fs::read(letters.path()).unwrap());
        // All but the line end: it is whole.
        let torn = if cut == line.len() - 1 {
            Ok(event(1))
        } else {
            let begun = cut >= "{\"account\":".len();
            Err(if begun { Unread::Torn } else { Unread::Damaged })
        };
        assert_eq!(found, [(1, torn), (2, Ok(event(2)))], "{cut}");
    }
    fs::remove_file(letters.path()).unwrap();
    assert!(!letters.mend().unwrap(), "there is no file");
}

#[test]
fn matrix_12_a_full_disk_and_a_folder_that_is_gone_are_errors_and_leave_no_piece_of_a_line() {
    let folder = Folder::new("full");
    let letters = folder.letters();
    // The device that is always full.
    symlink("/dev/full", letters.path()).unwrap();
    let error = letters.append(&event(1)).unwrap_err().to_string();
    assert!(
        error.contains("state_dir") && error.contains("x.dead-letter.ndjson"),
        "{error}"
    );
    fs::remove_file(letters.path()).unwrap();
    letters.append(&event(2)).unwrap();
    assert_eq!(read(&fs::read(letters.path()).unwrap()), [(1, Ok(event(2)))]);
    fs::remove_dir_all(&folder.0).unwrap();
    letters.append(&event(3)).unwrap_err();
}

#[test]
fn a_file_that_is_moved_away_keeps_its_lines_and_a_new_one_begins() {
    let folder = Folder::new("moved");
    let letters = folder.letters();
    letters.append(&event(1)).unwrap();
    let moved = folder.0.join("moved");
    fs::rename(letters.path(), &moved).unwrap();
    letters.append(&event(2)).unwrap();
    assert_eq!(read(&fs::read(moved).unwrap()), [(1, Ok(event(1)))]);
    assert_eq!(read(&fs::read(letters.path()).unwrap()), [(1, Ok(event(2)))]);
}

#[test]
fn an_event_comes_back_to_the_byte_even_if_it_looks_like_a_letter() {
    for text in [
        r#"{"z":1,"a":",\"event\":{}}","m": {"event":{} , "event":[]}}"#,
        "{}",
        r#"{"\u0061":"\u2028"}"#,
    ] {
        let letter = letter(1, Some(Content::Event(text.as_bytes().into())));
        assert_eq!(read(&line(&letter)), [(1, Ok(letter))]);
    }
    // Written anew by another program, with its keys in another order.
    let line = String::from_utf8(line(&event(1))).unwrap();
    let (head, event_itself) = line.trim_end().split_once(",\"event\":").unwrap();
    let other = format!(
        "{{\"event\":{},{}}}",
        &event_itself[..event_itself.len() - 1],
        &head[1..]
    );
    assert_eq!(read(other.as_bytes()), [(1, Ok(event(1)))]);
}

#[test]
fn what_is_no_letter_is_told_by_its_line_and_the_next_one_is_read() {
    let good = line(&event(7));
    let text = |from: &str, to: &str| {
        let line = String::from_utf8(good.clone()).unwrap();
        assert!(line.contains(from));
        line.replace(from, to)
    };
    for (line, unread) in [
        ("[]\n".to_owned(), Unread::Damaged),
        ("{\n".to_owned(), Unread::Damaged),
        ("\u{0}\n".to_owned(), Unread::Damaged),
        ("{}\n".to_owned(), Unread::Key("id")),
        (text("\"uid\":7", "\"uid\":4294967296"), Unread::Key("uid")),
        (text("\"reason\"", "\"raison\""), Unread::Key("reason")),
        (text("\"event\":{\"event\":{}", "\"event\":[{}"), Unread::Damaged),
        (text(",\"event\":", ",\"message\":1,\"event\":"), Unread::Key("event")),
        (text(",\"event\":{", ",\"message\":{"), Unread::Key("message")),
    ] {
        let both = [line.as_bytes(), b"\n \r\n", &good].concat();
        assert_eq!(read(&both), [(1, Err(unread)), (4, Ok(event(7)))], "{line}");
    }
}

#[test]
fn a_line_of_the_limit_is_read_and_one_byte_more_is_not() {
    let good = line(&event(7));
    let padded = |length: usize| {
        let mut line = vec![b' '; length + 1 - good.len()];
        line.extend_from_slice(&good);
        line
    };
    for (length, fits) in [
        (limits::DEAD_LETTER_LINE - 1, true),
        (limits::DEAD_LETTER_LINE, true),
        (limits::DEAD_LETTER_LINE + 1, false),
        (limits::DEAD_LETTER_LINE + 100, false),
    ] {
        let mut lines = padded(length);
        lines.extend_from_slice(&good);
        let found = read(&lines);
        let first = if fits { Ok(event(7)) } else { Err(Unread::TooLong) };
        assert!(found == [(1, first), (2, Ok(event(7)))], "{length}");
    }
}

/// Notes what is written at a time.
#[derive(Default)]
struct Pieces {
    longest: usize,
    written: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.longest = self.longest.max(bytes.len());
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_message_of_any_size_is_written_in_small_pieces_and_read_again() {
    for length in [0, 1, 2, 3, 4, 767, 768, 769, 3072, 3073, 1 << 20] {
        let message = vec![0xfe; length];
        let letter = letter(1, Some(Content::Message(Cow::Borrowed(&message))));
        let mut pieces = Pieces::default();
        letter.write(&mut pieces).unwrap();
        assert!(pieces.longest <= 4096, "{} at a time", pieces.longest);
        let found = read(&pieces.written);
        assert!(found == [(1, Ok(letter))], "{length}");
    }
}
