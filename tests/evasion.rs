//! Mails that hide a file from readers: it is recovered, or the mail is flagged HIGH. Ordinary mail is not flagged.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mailtap::event::build::{Arrival, EventBuilder, Settings};
use mailtap::event::{Message, Origin, Part};
use support::shared::{files_below, shared};

/// MD5 of the 186-byte archive that every mail of `evasion/content` carries.
const PAYLOAD: &str = "806fb117d8a368d81c613f0f81bb99f5";

fn event(path: &Path) -> Message {
    let settings = Settings::default();
    let mut builder = EventBuilder::new(&settings);
    builder.feed(&std::fs::read(path).unwrap());
    let origin = Origin::File {
        source: path.display().to_string(),
    };
    builder
        .finish(
            &settings,
            Arrival {
                origin,
                account: String::new(),
                internal_date: None,
                now: 0,
            },
        )
        .message
}

fn high(message: &Message) -> BTreeSet<String> {
    let high = message.anomalies.iter().filter(|anomaly| anomaly.severity == "high");
    high.map(|anomaly| anomaly.flag.clone()).collect()
}

/// The leaves of a mail and of the mails in it.
fn leaves(message: &Message) -> Vec<&Part> {
    let mut found = Vec::new();
    for part in &message.parts {
        match &part.message {
            Some(message) => found.extend(leaves(message)),
            None => found.push(part),
        }
    }
    found
}

fn has_payload(part: &Part) -> bool {
    let md5 = |text: &str| -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    part.hashes
        .as_ref()
        .is_some_and(|hashes| hashes.md5.to_vec() == md5(PAYLOAD))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn no_hidden_file_is_missed_in_silence() {
    let Some(folder) = shared("corpus/evasion/content") else {
        return;
    };
    let files = files_below(&folder);
    let (mut recovered, mut flagged, mut silent) = (0, 0, Vec::new());
    for file in &files {
        let message = event(file);
        if leaves(&message).into_iter().any(has_payload) {
            recovered += 1;
        } else if !high(&message).is_empty() {
            flagged += 1;
        } else {
            silent.push(name(file));
        }
    }
    println!(
        "hidden files: {} mails, {recovered} recovered, {flagged} flagged only, {} silent",
        files.len(),
        silent.len()
    );
    assert_eq!(files.len(), 372);
    assert_eq!(silent, Vec::<String>::new());
    assert!(recovered * 100 >= files.len() * 70, "only {recovered} recovered");
}

#[test]
fn no_hidden_file_name_is_missed_in_silence() {
    let Some(folder) = shared("corpus/evasion/filename") else {
        return;
    };
    let files = files_below(&folder);
    let (mut shown, mut flagged, mut silent) = (0, 0, Vec::new());
    for file in &files {
        let message = event(file);
        let leaves = leaves(&message);
        let ends = |end: &str| {
            leaves
                .iter()
                .any(|part| part.filename.as_ref().is_some_and(|name| name.ends_with(end)))
        };
        if ends(".txt") && ends(".zip") {
            shown += 1;
        } else if !high(&message).is_empty() {
            flagged += 1;
        } else {
            silent.push(name(file));
        }
    }
    println!(
        "hidden names: {} mails, {shown} shown, {flagged} flagged only, {} silent",
        files.len(),
        silent.len()
    );
    assert_eq!(files.len(), 176);
    assert_eq!(silent, SILENT_NAMES);
}

/// Two mails hide nothing: the only name of each part, in the one place where it stands, is `file.png`.
const SILENT_NAMES: [&str; 2] = ["M4wJ.eml", "zDZ1.eml"];

/// HIGH flags on ordinary mail, each with its reason.
const HAM: [(&str, &str, &str); 11] = [
    (
        "easy-ham-1/00986",
        "conflict_param:filename",
        "`patch` in Content-Type, `PATCH` in Content-Disposition",
    ),
    (
        "easy-ham-2/00720",
        "boundary_odd",
        "nmh's boundary with a space in it, where some readers take it to end",
    ),
    (
        "hard-ham-1/00005",
        "qp_bad_escape",
        "`=` in text that was never encoded",
    ),
    ("hard-ham-1/00021", "multipart_unclosed", "cut before its last boundary"),
    (
        "hard-ham-1/00150",
        "param_separator",
        "`charset = \"iso-8859-1\"`: white space around `=`",
    ),
    (
        "hard-ham-1/00151",
        "boundary_odd",
        "`--` at the end of the boundary: its parts look like the end",
    ),
    ("hard-ham-1/00157", "hdr_empty_or_double_name", "`Subject: Subject: …`"),
    (
        "hard-ham-1/00183",
        "b64_bad_pad",
        "base64 with a padding character missing",
    ),
    (
        "hard-ham-1/00189",
        "embedded_encoding",
        "a uuencoded file in a newsletter's text",
    ),
    (
        "hard-ham-1/00200",
        "param_unreadable",
        "`text/plain; Windows-1252`: a charset without `charset=`",
    ),
    (
        "hard-ham-1/00250",
        "boundary_odd",
        "`= Multipart Boundary 1030021620`: spaces in the boundary",
    ),
];

#[test]
fn ordinary_mail_is_hardly_ever_flagged() {
    let Some(folder) = shared("corpus/ham") else { return };
    let files = files_below(&folder);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &files {
        let high = high(&event(file));
        if !high.is_empty() {
            let short = file.strip_prefix(&folder).unwrap().display().to_string();
            found.insert(short.split('.').next().unwrap().to_owned(), high);
        }
    }
    println!("ordinary mail: {} of {} flagged HIGH", found.len(), files.len());
    let expected: BTreeMap<String, BTreeSet<String>> = HAM
        .iter()
        .map(|(mail, flag, _)| ((*mail).to_owned(), BTreeSet::from([(*flag).to_owned()])))
        .collect();
    assert_eq!(found, expected);
    assert!(found.len() * 1000 <= files.len() * 5);
}
