//! What other projects extracted from their TNEF files is what is found in them here; where not, a table says why.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use mailtap::mime::embedded::{Body, Enclosed};
use mailtap::mime::tnef::Reader;
use support::shared::{files_below, shared};

/// Stream, file, and why ours is not theirs to the byte. `LINES` is checked: the difference must be nothing else.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("MAPI_ATTACH_DATA_OBJ", "VIA_Nytt_14021.htm", LINES),
    ("MAPI_OBJECT", "Untitled_Attachment", GUID),
    ("attachments", "bookmark.htm", LINES),
    ("body", "message.html", LINES),
    ("christmas", "Untitled Attachment.2", MAIL),
    ("christmas", "Untitled Attachment.4", MAIL),
    ("data-before-name", "boot.ini", LINES),
    ("long-filename", "allproductsmar2000.dat", LINES),
    ("long-filename", "message.rtf", LINES),
    ("missing-filenames", "message.rtf", LINES),
    ("multi-value-attribute", "message.rtf", LINES),
    ("panic", "message.html", LINES),
    ("triples", "message.txt", LINES),
    ("unicode-mapi-attr-name", "message.html", LINES),
    ("unicode-mapi-attr", "message.html", LINES),
    ("winmail", "Untitled Attachment.1", GUID),
    ("winmail", "Untitled Attachment.2", GUID),
];
const LINES: &str = "their copy lost its CRs in a version control system; the length in the stream counts them";
const GUID: &str = "theirs begins with the 16 bytes that name the object's interface, which are not its content";
const MAIL: &str = "an attached mail: theirs is the TNEF stream, ours the files and bodies in it";

/// Streams that are damaged, and how.
const DAMAGED: &[(&str, &str)] = &[
    ("IPM-DistList.tnef", "two checksums are wrong"),
    ("bad_checksum.tnef", "a checksum is wrong"),
    ("duplicate_filename.tnef", "edited by hand: two checksums are wrong"),
    ("panic.tnef", "base64 text behind the last attribute"),
    (
        "ytnef-oob-TNEFVersion-SwapWord",
        "an attribute of a level that does not exist",
    ),
];

struct Found {
    name: String,
    bytes: Vec<u8>,
}

fn read(stream: &[u8]) -> (Vec<Found>, bool) {
    let mut files: Vec<Found> = Vec::new();
    let mut damaged = false;
    let mut take = |item: Enclosed<'_>| match item {
        Enclosed::Begin(body) => {
            let name = match body {
                Body::File => String::new(),
                Body::Text { media_type, .. } => media_type.replace("text/", "message.").replace(".plain", ".txt"),
            };
            files.push(Found {
                name,
                bytes: Vec::new(),
            });
        }
        Enclosed::Name(name) => files.last_mut().unwrap().name = String::from_utf8_lossy(name).into_owned(),
        Enclosed::Data(bytes) => files.last_mut().unwrap().bytes.extend(bytes),
        Enclosed::End | Enclosed::Charset { .. } => {}
        Enclosed::Finding(_) => damaged = true,
    };
    let mut reader = Reader::default();
    reader.feed(stream, &mut take);
    reader.finish(&mut take);
    (files, damaged)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Their names: spaces and parentheses become something else, repeats are numbered.
fn same_name(theirs: &str, ours: &str) -> bool {
    let plain = |name: &str| name.replace([' ', '(', ')'], "_");
    let (theirs, ours) = (plain(theirs), plain(ours));
    let numbered = theirs
        .rsplit_once('.')
        .is_some_and(|(name, number)| name == ours && number.parse::<u32>().is_ok());
    theirs == ours || numbered
}

fn without_cr(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.retain(|byte| *byte != b'\r');
    bytes
}

/// How one extracted file of theirs is found here: `None` to the byte, else the reason.
fn difference(theirs: &Path, ours: &[Found]) -> Option<&'static str> {
    let bytes = fs::read(theirs).unwrap();
    let name = file_name(theirs);
    let named = || ours.iter().filter(|found| same_name(&name, &found.name));
    if named().any(|found| found.bytes == bytes) {
        None
    } else if named().any(|found| without_cr(&found.bytes) == without_cr(&bytes)) {
        Some(LINES)
    } else if named().any(|found| bytes.get(16..) == Some(&found.bytes)) {
        Some(GUID)
    } else if bytes.starts_with(&[0x78, 0x9f, 0x3e, 0x22]) {
        let (inner, _) = read(&bytes);
        let all = inner
            .iter()
            .all(|inner| ours.iter().any(|found| found.bytes == inner.bytes));
        all.then_some(MAIL)
    } else {
        Some("missing")
    }
}

#[test]
fn what_mimekit_and_ytnef_extracted_is_found_and_every_difference_has_a_reason() {
    let Some(corpus) = shared("corpus") else { return };
    let mimekit = corpus.join("jstedfast+MimeKit/UnitTests/TestData/tnef");
    let (mut same, mut differences) = (0, Vec::new());
    for stream in streams(&mimekit) {
        let expected = stream.with_extension("");
        if !expected.is_dir() || stream.extension().is_none_or(|extension| extension != "tnef") {
            continue;
        }
        let (ours, _) = read(&fs::read(&stream).unwrap());
        for theirs in files_below(&expected) {
            match difference(&theirs, &ours) {
                None => same += 1,
                Some(reason) => differences.push((file_name(&expected), file_name(&theirs), reason)),
            }
        }
    }
    let found: Vec<_> = differences
        .iter()
        .map(|(stream, file, reason)| (stream.as_str(), file.as_str(), *reason))
        .collect();
    println!(
        "MimeKit: {same} files and bodies to the byte, {} otherwise, each explained",
        found.len()
    );
    assert_eq!(found, DIFFERENCES);

    let ytnef = corpus.join("Yeraze+ytnef/test-data");
    let ours: Vec<Found> = streams(&ytnef)
        .iter()
        .flat_map(|stream| read(&fs::read(stream).unwrap()).0)
        .collect();
    let theirs = files_below(&ytnef.join("results"));
    let same = theirs
        .iter()
        .filter(|theirs| difference(theirs, &ours).is_none())
        .count();
    println!("ytnef: {same} of {} files to the byte", theirs.len());
    assert_eq!(same, theirs.len());
}

/// Stream, name, and why the list of names beside it does not have it, or has one that is not here. `UNLISTED` is checked.
const LISTED: &[(&str, &str, &str)] = &[
    ("christmas", "Untitled Attachment", MAIL),
    ("christmas", "Untitled Attachment", MAIL),
    ("christmas", "body.txt", MAIL),
    ("christmas", "body.rtf", MAIL),
    ("christmas", "body.txt", MAIL),
    ("christmas", "body.rtf", MAIL),
    ("christmas", "kitten-playing-with-a-christmas-tree.jpg", MAIL),
    ("long-filename", "allproductsmar2000.dat", UNLISTED),
    ("missing-filenames", "generpts.src", UNLISTED),
    ("missing-filenames", "TechlibDEC99.doc", UNLISTED),
    ("missing-filenames", "TechlibDEC99-JAN00.doc", UNLISTED),
    ("missing-filenames", "TechlibNOV99.doc", UNLISTED),
    ("triples", "body.txt", UNLISTED),
    ("unicode-mapi-attr-name", "body.html", UNLISTED),
    ("unicode-mapi-attr", "body.html", UNLISTED),
    ("winmail", "body.rtf", UNLISTED),
];
const UNLISTED: &str = "their list leaves it out; the folder that they extracted has it";

/// The `.list` beside a stream has the names that its tests expect, a body's among them.
#[test]
fn the_names_that_mimekit_lists_are_those_found_and_every_difference_has_a_reason() {
    let Some(corpus) = shared("corpus") else { return };
    let (mut same, mut lists, mut differences) = (0, 0, Vec::new());
    for stream in streams(&corpus.join("jstedfast+MimeKit/UnitTests/TestData/tnef")) {
        let Ok(list) = fs::read_to_string(stream.with_extension("list")) else {
            continue;
        };
        lists += 1;
        let stream_name = file_name(&stream.with_extension(""));
        let found = read(&fs::read(&stream).unwrap()).0;
        let mut ours: Vec<String> = found
            .into_iter()
            .map(|found| found.name.replace("message.", "body."))
            .collect();
        for theirs in list.lines().filter(|line| !line.is_empty()) {
            match ours.iter().position(|ours| ours == theirs) {
                Some(position) => {
                    same += 1;
                    ours.remove(position);
                }
                None => differences.push((stream_name.clone(), theirs.to_owned(), MAIL)),
            }
        }
        let attached_mail = differences.iter().any(|(stream, ..)| *stream == stream_name);
        for ours in ours {
            let extracted = stream.with_extension("").join(ours.replace("body.", "message."));
            let unlisted = extracted.exists() && !attached_mail;
            differences.push((stream_name.clone(), ours, if unlisted { UNLISTED } else { MAIL }));
        }
    }
    println!(
        "{lists} lists of MimeKit: {same} names as listed, {} otherwise, each explained",
        differences.len()
    );
    assert!(lists > 15);
    let found: Vec<_> = differences
        .iter()
        .map(|(stream, name, reason)| (stream.as_str(), name.as_str(), *reason))
        .collect();
    assert_eq!(found, LISTED);
}

#[test]
fn damaged_streams_are_told_from_whole_ones() {
    let Some(corpus) = shared("corpus") else { return };
    let mut damaged = Vec::new();
    let mut all = 0;
    for folder in [
        "koodaamo+tnefparse",
        "jstedfast+MimeKit/UnitTests/TestData/tnef",
        "Yeraze+ytnef",
    ] {
        for stream in streams(&corpus.join(folder)) {
            all += 1;
            if read(&fs::read(&stream).unwrap()).1 {
                damaged.push(file_name(&stream));
            }
        }
    }
    println!("{} of {all} streams are damaged", damaged.len());
    let expected: Vec<&str> = DAMAGED.iter().map(|(name, _)| *name).collect();
    assert_eq!(damaged, expected);
}

/// The names that tnefparse's own tests expect.
#[test]
fn names_that_tnefparse_expects() {
    let Some(corpus) = shared("corpus") else { return };
    let folder = corpus.join("koodaamo+tnefparse/tests/examples");
    for (stream, names) in [
        (
            "umlaut.tnef",
            &["TBZ PARIV GmbH.jpg", "image003.jpg", "UmlautAnhang-äüö.txt"][..],
        ),
        ("unicode-mapi-attr.tnef", &["example.dat"]),
        ("two-files.tnef", &["AUTHORS", "README"]),
        ("data-before-name.tnef", &["AUTOEXEC.BAT", "CONFIG.SYS", "boot.ini"]),
        ("minimal_attachment.tnef", &[""]),
        ("garbage-at-end.tnef", &[]),
    ] {
        let (ours, _) = read(&fs::read(folder.join(stream)).unwrap());
        let ours: Vec<&str> = ours
            .iter()
            .map(|found| found.name.as_str())
            .filter(|name| !name.starts_with("message."))
            .collect();
        assert_eq!(ours, names, "{stream}");
    }
}

/// The TNEF streams below a folder.
fn streams(folder: &Path) -> Vec<PathBuf> {
    let mut streams = files_below(folder);
    streams.retain(|path| fs::read(path).unwrap().starts_with(&[0x78, 0x9f, 0x3e, 0x22]));
    streams
}
