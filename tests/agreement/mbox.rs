//! jstedfast's `MimeKit` and `GMime`: mbox files with summaries, and with the places of every part.

use std::fs;

use mailtap::mime::date::parse_mail_date;
use serde_json::Value;

use crate::expected::Expected;
use crate::reading::Node;
use crate::set::Set;
use crate::shared::shared;
use crate::stalwart::{missing, plain, with_cr};

#[test]
fn the_places_and_summaries_that_mimekit_expects() {
    let Some(folder) = shared("corpus/jstedfast+MimeKit/UnitTests/TestData/mbox") else {
        return;
    };
    let mut set = Set::new("mimekit");
    for (name, mails) in [("content-length", 29), ("issue1189", 4)] {
        let file = |end: &str| fs::read(folder.join(format!("{name}{end}"))).unwrap();
        let unix = file(".mbox.txt");
        let summary = String::from_utf8(file("-summary.txt")).unwrap();
        let summaries = summaries(&summary);
        assert_eq!(summaries.len(), mails);
        for (end, mbox) in [(".unix-offsets.json", &unix), (".dos-offsets.json", &with_cr(&unix))] {
            let places: Value = serde_json::from_slice(&file(end)).unwrap();
            let places = places.as_array().unwrap();
            assert_eq!(places.len(), mails);
            for (number, (place, summary)) in places.iter().zip(&summaries).enumerate() {
                let [begin, end] = ["beginOffset", "endOffset"].map(|key| at(place, key));
                let file = format!("{name} {}", number + 1);
                let ours = part(&place["body"], begin).compare(&mut set, &file, &mbox[begin..end]);
                set.ask(&file, "summary", &summary.parts.shape(), &ours.shape());
                summary.compare(&mut set, &file, &ours);
            }
        }
    }
    set.finish();
}

#[test]
fn the_boundaries_inside_boundaries_that_gmime_expects() {
    let Some(folder) = shared("corpus/jstedfast+gmime/tests/data/mbox") else {
        return;
    };
    let mut set = Set::new("gmime");
    let mbox = fs::read(folder.join("input/substring.mbox")).unwrap();
    let summary = fs::read_to_string(folder.join("output/substring.mbox")).unwrap();
    let summaries = summaries(&summary);
    assert_eq!(summaries.len(), 3);
    for (number, summary) in summaries.iter().enumerate() {
        let file = format!("substring {}", number + 1);
        let mail = &mbox[summary.begin..summary.end];
        let ours = summary.parts.compare(&mut set, &file, mail);
        summary.compare(&mut set, &file, &ours);
    }
    set.finish();
}

fn at(value: &Value, key: &str) -> usize {
    usize::try_from(value[key].as_u64().unwrap()).unwrap()
}

/// `MimeKit`'s places count in the mbox; ours in the mail that begins at `begin`.
fn part(value: &Value, begin: usize) -> Expected {
    let [start, header_end, end] = ["beginOffset", "headersEndOffset", "endOffset"].map(|key| at(value, key) - begin);
    let inner = value["children"].as_array().into_iter().flatten();
    let mail = value.get("message").map(|message| part(&message["body"], begin));
    Expected {
        media_type: value["mimeType"].as_str().unwrap().to_ascii_lowercase(),
        place: Some((u64::try_from(start).unwrap(), header_end..end)),
        file_name: None,
        children: inner.map(|value| part(value, begin)).chain(mail).collect(),
    }
}

/// One mail of a summary: four fields, and the content types, indented.
#[derive(Default)]
struct Summary {
    /// Where the header begins and the mail ends, in `GMime`'s only.
    begin: usize,
    end: usize,
    fields: Vec<(String, String)>,
    parts: Expected,
}

fn summaries(text: &str) -> Vec<Summary> {
    let mut summaries = Vec::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let mut summary = Summary::default();
        let mut types = Vec::new();
        for line in block.lines() {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            let numbers = || value.split(", ").map(|number| number.parse().unwrap());
            match name.trim_start() {
                "message offsets" => summary.end = numbers().nth(1).unwrap(),
                "header offsets" => summary.begin = numbers().next().unwrap(),
                "Content-Type" => types.push((name.len() - name.trim_start().len(), value)),
                "From" | "To" | "Subject" | "Date" => summary.fields.push((name.to_owned(), value.to_owned())),
                marker => assert!(marker.starts_with("From "), "{line}"),
            }
        }
        summary.parts = tree(&mut types.into_iter().peekable());
        summaries.push(summary);
    }
    summaries
}

/// The first type and those that are indented deeper.
fn tree<'t>(types: &mut std::iter::Peekable<impl Iterator<Item = (usize, &'t str)>>) -> Expected {
    let (depth, media_type) = types.next().unwrap();
    let mut children = Vec::new();
    while types.peek().is_some_and(|(inner, _)| *inner > depth) {
        children.push(tree(types));
    }
    Expected {
        media_type: media_type.to_ascii_lowercase(),
        children,
        ..Expected::default()
    }
}

impl Summary {
    fn compare(&self, set: &mut Set, file: &str, ours: &Node) {
        for (name, theirs) in &self.fields {
            let values = ours.values(&name.to_ascii_lowercase());
            let value = values.first().copied().unwrap_or_default();
            match name.as_str() {
                "Subject" => set.ask(file, name, &plain(theirs), &plain(value)),
                "Date" => set.ask(
                    file,
                    name,
                    &parse_mail_date(theirs.as_bytes()),
                    &parse_mail_date(value.as_bytes()),
                ),
                // They write addresses anew: what counts is that every word is in ours.
                _ => set.ask(file, name, &None, &missing(&[theirs.as_str()], value)),
            };
        }
    }
}
