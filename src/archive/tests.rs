use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{Piece, fuzz, mails_of, read};

/// A folder of its own for `test`, emptied.
fn folder(test: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("mailtap-archive-{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// What `path` yields, as one line for each mail or complaint; `root` is cut off the names.
fn told(path: &Path, root: &Path) -> Vec<String> {
    let root = format!("{}/", root.display());
    let mut lines = Vec::new();
    let read = read(path, &mut |piece| {
        match piece {
            Piece::Begin(source) => lines.push(format!("{} = ", source.replace(&root, ""))),
            Piece::Bytes(bytes) => lines.last_mut().unwrap().push_str(&String::from_utf8_lossy(bytes)),
            Piece::End => {}
            Piece::Unreadable { source, reason } => lines.push(format!("{} ! {reason}", source.replace(&root, ""))),
        }
        ControlFlow::Continue(())
    });
    assert!(read.is_continue());
    lines
}

/// The mails of an mbox, whole and at every cut.
fn mails(mbox: &str) -> Vec<String> {
    fuzz(mbox.as_bytes());
    mails_of(&[mbox.as_bytes()])
        .into_iter()
        .map(|(_, bytes)| String::from_utf8(bytes).unwrap())
        .collect()
}

/// The whole mbox at once, line by line, without any state machine: what the splitter must agree with.
fn reference(mbox: &[u8]) -> Vec<Vec<u8>> {
    let mut mails: Vec<Vec<Vec<u8>>> = Vec::new();
    let is_empty = |line: &[u8]| line == b"\n" || line == b"\r\n";
    for line in mbox.split_inclusive(|byte| *byte == b'\n') {
        let separates = match mails.last() {
            None => true,
            // A separator line itself is not kept, so the first line of a mail follows something.
            Some(mail) => mail.last().is_some_and(|previous| is_empty(previous)),
        };
        let unquoted = line.iter().position(|byte| *byte != b'>').unwrap_or(line.len());
        if line.starts_with(b"From ") && separates {
            mails.push(Vec::new());
        } else {
            let quoted = unquoted > 0 && line[unquoted..].starts_with(b"From ");
            mails.last_mut().unwrap().push(line[usize::from(quoted)..].to_vec());
        }
    }
    for mail in &mut mails {
        if mail.last().is_some_and(|line| is_empty(line)) {
            mail.pop();
        }
    }
    mails.into_iter().map(|mail| mail.concat()).collect()
}

#[test]
fn a_from_line_behind_an_empty_line_separates() {
    assert_eq!(
        mails("From a\nS: 1\n\nbody\n\nFrom b\nS: 2\n\nbody\n"),
        ["S: 1\n\nbody\n", "S: 2\n\nbody\n"]
    );
    assert_eq!(
        mails("From a\r\nS: 1\r\n\r\nbody\r\n\r\nFrom b\r\nS: 2\r\n"),
        ["S: 1\r\n\r\nbody\r\n", "S: 2\r\n"]
    );
    assert_eq!(mails("From a\nS: 1\n\nFrom b\nS: 2\n\n"), ["S: 1\n", "S: 2\n"]);
}

#[test]
fn a_from_line_inside_a_paragraph_is_text() {
    assert_eq!(
        mails("From a\nS: 1\n\nbody\nFrom b\nmore\n"),
        ["S: 1\n\nbody\nFrom b\nmore\n"]
    );
    assert_eq!(mails("From a\nFrom b\n"), ["From b\n"]);
    assert_eq!(
        mails("From a\n\n From b\n\nfrom c\n\nFrom: d\n"),
        ["\n From b\n\nfrom c\n\nFrom: d\n"]
    );
    assert_eq!(mails("From a\nx\n\nFrom"), ["x\n\nFrom"]);
}

#[test]
fn one_level_of_quoting_is_taken_away() {
    assert_eq!(
        mails("From a\n\n>From x\n>>From y\n>>>From z\n> From\n>from\n>"),
        ["\nFrom x\n>From y\n>>From z\n> From\n>from\n>"]
    );
    assert_eq!(mails("From a\n\n>>x\n\n>From x\n"), ["\n>>x\n\nFrom x\n"]);
}

#[test]
fn only_the_separators_own_empty_line_is_taken_away() {
    assert_eq!(mails("From a\nx\n\n\n\nFrom b\ny\n\n\n"), ["x\n\n\n", "y\n\n"]);
    assert_eq!(mails("From a\nx\n\r\n\nFrom b\ny\r"), ["x\n\r\n", "y\r"]);
    assert_eq!(mails("From a\n\rx\n\r"), ["\rx\n\r"]);
}

#[test]
fn a_mail_without_anything_is_still_a_mail() {
    assert_eq!(mails("From "), [""]);
    assert_eq!(mails("From a\n\nFrom b\n\n"), ["", ""]);
    assert_eq!(mails(""), [""]);
}

#[test]
fn what_does_not_begin_as_an_mbox_is_one_mail() {
    for mail in ["S: 1\n\nFrom a\n\nFrom b\n", ">From a\n", "From", "\nFrom a\n"] {
        assert_eq!(mails(mail), [mail]);
    }
}

#[test]
fn the_mails_of_an_mbox_are_numbered() {
    let names: Vec<_> = mails_of(&[b"From a\n\nFrom b\n"])
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["-:1", "-:2"]);
}

#[test]
fn every_short_mbox_is_split_as_the_reference_splits_it() {
    // All sequences of seven of these lines: separators, quotes, empty lines and near misses in every order.
    let lines = [&b"From \n"[..], b"\n", b"\r\n", b">From \n", b"x\n", b"\r"];
    for number in 0..lines.len().pow(6) {
        let mut mbox = b"From a\n".to_vec();
        let mut rest = number;
        for _ in 0..6 {
            mbox.extend_from_slice(lines[rest % lines.len()]);
            rest /= lines.len();
        }
        let found: Vec<_> = mails_of(&[&mbox]).into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(found, reference(&mbox), "{:?}", String::from_utf8_lossy(&mbox));
    }
}

#[test]
fn the_seeds_of_the_fuzzer_hold_at_every_truncation() {
    let seeds = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/fuzz/archive")).unwrap();
    let seeds: Vec<_> = seeds.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        (0..=seed.len()).for_each(|end| fuzz(&seed[..end]));
    }
}

#[test]
fn a_maildir_is_read_by_name_across_cur_and_new() {
    let root = folder("maildir");
    for (name, text) in [
        ("cur/1700000002.a:2,S", "two"),
        ("cur/.hidden", "hidden"),
        ("new/1700000001.b", "one"),
        ("new/1700000003.c", "three"),
        ("tmp/1700000000.d", "unfinished"),
        ("cur/folder/x", "nested"),
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let expected = [
        "new/1700000001.b = one",
        "cur/1700000002.a:2,S = two",
        "new/1700000003.c = three",
    ];
    assert_eq!(told(&root, &root), expected);
    fs::remove_dir_all(root.join("new")).unwrap();
    assert_eq!(told(&root, &root), ["cur/1700000002.a:2,S = two"]);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn what_cannot_be_read_is_told_and_a_maildir_goes_on_behind_it() {
    let root = folder("unreadable");
    let reason = "a folder without cur and new is not a Maildir; name the files in it";
    assert_eq!(
        told(&root, root.parent().unwrap()),
        [format!("{} ! {reason}", root.file_name().unwrap().display())]
    );
    assert!(told(&root.join("gone"), &root)[0].starts_with("gone ! No such file"));
    fs::create_dir_all(root.join("cur")).unwrap();
    assert_eq!(told(&root, &root), [""; 0]);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_taker_that_has_enough_is_not_told_more() {
    let root = folder("enough");
    fs::write(root.join("two.mbox"), "From a\nx\n\nFrom b\ny\n").unwrap();
    let mut pieces = 0;
    let read = read(&root.join("two.mbox"), &mut |piece| {
        pieces += 1;
        if piece == Piece::End {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(read.is_break());
    assert_eq!(pieces, 3);
    fs::remove_dir_all(root).unwrap();
}
