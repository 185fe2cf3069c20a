//! stalwartlabs/mail-parser: the whole parsed tree of 107 mails, each with LF and with CRLF.

use std::fs;
use std::path::Path;

use mailtap::mime::Kind;
use mailtap::mime::date::{days_from_civil, parse_mail_date};
use mailtap::mime::parameter::Parameterized;
use serde_json::Value;

use crate::reading::{Node, read};
use crate::set::Set;
use crate::shared::{files_below, shared};

#[test]
fn the_trees_that_stalwart_expects() {
    let Some(folder) = shared("corpus/stalwartlabs+mail-parser/resources/eml") else {
        return;
    };
    let mut set = Set::new("stalwart");
    let mut files = files_below(&folder);
    files.retain(|file| file.extension().is_some_and(|end| end == "eml"));
    assert_eq!(files.len(), 107);
    for file in files {
        let name = file.strip_prefix(&folder).unwrap().with_extension("");
        let name = name.to_str().unwrap();
        let mut mail = fs::read(&file).unwrap();
        let with_cr = with_cr(&mail);
        mail.retain(|byte| *byte != b'\r'); // as their test does
        compare(&mut set, name, &mail, &file.with_extension("json"));
        compare(&mut set, name, &with_cr, &file.with_extension("crlf.json"));
    }
    set.finish();
}

pub fn with_cr(mail: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(mail.len());
    for byte in mail {
        if *byte == b'\n' && lines.last() != Some(&b'\r') {
            lines.push(b'\r');
        }
        lines.push(*byte);
    }
    lines
}

/// One part of theirs.
struct Part<'v> {
    value: &'v Value,
    message: &'v Value,
}

fn compare(set: &mut Set, file: &str, mail: &[u8], expected: &Path) {
    let expected: Value = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    let reading = read(mail);
    set.flags(file, &reading.flags);
    let ours = &reading.root;
    let theirs = Part {
        value: &expected["parts"][0],
        message: &expected,
    };
    if !set.ask(file, "structure", &theirs.shape(), &ours.shape()) {
        assert!(
            reading.is_flagged_high(),
            "{file}: read in two ways, and not flagged: {:?}",
            reading.flags
        );
        return;
    }
    for (theirs, ours) in theirs.all().iter().zip(ours.all()) {
        let number = if ours.path.is_empty() { "0" } else { &ours.path };
        theirs.compare(set, file, number, ours);
    }
}

impl<'v> Part<'v> {
    fn children(&self) -> Vec<Part<'v>> {
        let body = &self.value["body"];
        if let Some(message) = body.get("Message") {
            let value = &message["parts"][0];
            return vec![Part { value, message }];
        }
        let inner = body["Multipart"].as_array().into_iter().flatten();
        let parts = inner.map(|number| Part {
            value: &self.message["parts"][usize::try_from(number.as_u64().unwrap()).unwrap()],
            message: self.message,
        });
        parts.collect()
    }

    fn all(&self) -> Vec<Part<'v>> {
        let this = Part { ..*self };
        let inner = self.children().into_iter().flat_map(|part| part.all());
        std::iter::once(this).chain(inner).collect()
    }

    fn shape(&self) -> String {
        let children: Vec<String> = self.children().iter().map(Part::shape).collect();
        let media_type = self.media_type();
        let body = &self.value["body"];
        if body.get("Multipart").is_some() || body.get("Message").is_some() {
            format!("{media_type}({})", children.join(", "))
        } else {
            media_type
        }
    }

    fn headers(&self) -> impl Iterator<Item = (String, &'v Value)> {
        let headers = self.value["headers"].as_array().into_iter().flatten();
        headers.map(|header| {
            let name = header["name"].as_str().or_else(|| header["name"]["other"].as_str());
            (name.unwrap().replace('_', "-").to_ascii_lowercase(), &header["value"])
        })
    }

    fn media_type(&self) -> String {
        let mut declared = self.headers().filter(|(name, _)| name == "content-type");
        let Some((_, value)) = declared.next() else {
            let mail = self.value["body"].get("Message").is_some();
            return if mail { "message/rfc822" } else { "text/plain" }.to_owned();
        };
        media_type(&value["ContentType"])
    }

    fn compare(&self, set: &mut Set, file: &str, number: &str, ours: &Node) {
        let offset = self.value["offset_header"].as_u64().unwrap();
        set.ask(file, &format!("{number} offset"), &offset, &ours.offset);
        if ours.kind == Kind::Leaf {
            let body = &self.value["body"];
            let text = body.get("Text").or_else(|| body.get("Html")).and_then(Value::as_str);
            let question = format!("{number} content");
            match (text, &ours.text) {
                (Some(theirs), Some(ours)) => set.ask(file, &question, &theirs, &ours.as_str()),
                _ => set.ask(file, &question, &binary(body), &ours.content),
            };
        }
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in self.headers() {
            let earlier = seen.iter().filter(|seen| **seen == name).count();
            let ours_value = ours.values(&name).get(earlier).copied();
            seen.push(name.clone());
            let question = format!("{number} {name}");
            let Some(ours_value) = ours_value else {
                set.ask(file, &question, &"a value", &"nothing");
                continue;
            };
            let parameters = match name.as_str() {
                "content-disposition" => ours.disposition.as_ref(),
                "content-type" => Some(&ours.content_type),
                _ => None,
            };
            header(
                set,
                file,
                &question,
                value,
                ours_value,
                parameters.filter(|_| earlier == 0),
            );
        }
    }
}

fn media_type(value: &Value) -> String {
    let words = [&value["c_type"], &value["c_subtype"]];
    let words: Vec<&str> = words.iter().filter_map(|word| word.as_str()).collect();
    words.join("/").to_ascii_lowercase()
}

fn binary(body: &Value) -> Vec<u8> {
    let bytes = body.get("Binary").or_else(|| body.get("InlineBinary"));
    let bytes = bytes.and_then(Value::as_array).into_iter().flatten();
    bytes
        .map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap())
        .collect()
}

/// Compares one header as far as both read it.
fn header(set: &mut Set, file: &str, question: &str, theirs: &Value, ours: &str, parameters: Option<&Parameterized>) {
    if let Some(text) = theirs.get("Text").and_then(Value::as_str) {
        if question.ends_with("-id") || question.ends_with("return-path") {
            set.ask(file, question, &text, &ours.trim_matches(['<', '>']));
        } else {
            set.ask(file, question, &plain(text), &plain(ours));
        }
    } else if let Some(list) = theirs.get("TextList").and_then(Value::as_array) {
        let ids: Vec<_> = ours.split_whitespace().map(|id| id.trim_matches(['<', '>'])).collect();
        let theirs: Vec<_> = list.iter().filter_map(Value::as_str).collect();
        set.ask(file, question, &theirs, &ids);
    } else if let Some(addresses) = theirs.get("Address") {
        set.ask(file, question, &None, &missing(&strings(addresses), ours));
    } else if let Some(date) = theirs.get("DateTime") {
        set.ask(file, question, &Some(instant(date)), &parse_mail_date(ours.as_bytes()));
    } else if let (Some(value), Some(ours)) = (theirs.get("ContentType"), parameters) {
        set.ask(file, question, &parameterized(value), &ours_parameterized(ours));
    }
}

/// Addresses are not taken apart here: every word that theirs reads must stand in our value. The first that does not.
pub fn missing<'t>(theirs: &[&'t str], ours: &str) -> Option<(&'t str, String)> {
    let ours = unquoted(ours);
    let words = theirs.iter().flat_map(|text| text.split_whitespace());
    let there = |word: &str| ours.contains(unquoted(word).trim_matches(['(', ')', '<', '>']));
    words
        .into_iter()
        .find(|word| !there(word))
        .map(|word| (word, ours.clone()))
}

pub fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unquoted(text: &str) -> String {
    plain(&text.replace(['\\', '"'], ""))
}

/// Every string in `value`: names and addresses.
pub fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        Value::Object(values) => {
            let keys = ["List", "Group", "name", "address", "addresses"];
            keys.iter()
                .filter_map(|key| values.get(*key))
                .flat_map(strings)
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Milliseconds since 1970.
pub fn instant(date: &Value) -> i64 {
    let number = |key: &str| date[key].as_i64().unwrap();
    let days = days_from_civil(number("year"), number("month"), number("day"));
    let west = date["tz_before_gmt"].as_bool().unwrap();
    let zone = (number("tz_hour") * 60 + number("tz_minute")) * if west { 1 } else { -1 };
    let minutes = (days * 24 + number("hour")) * 60 + number("minute") + zone;
    (minutes * 60 + number("second")) * 1000
}

pub type Described = (String, Vec<(String, String)>);

pub fn parameterized(value: &Value) -> Described {
    let attributes = value["attributes"].as_array().into_iter().flatten();
    let mut parameters: Vec<(String, String)> = attributes
        .map(|attribute| {
            // Mails have objects here, single fields pairs.
            let text = |key: &str, place: usize| attribute.get(key).or_else(|| attribute.get(place));
            let text = |key, place| text(key, place).and_then(Value::as_str).unwrap().to_owned();
            (text("name", 0).to_ascii_lowercase(), text("value", 1))
        })
        .filter(|(name, _)| !name.ends_with("-language")) // RFC 2231's, which ours does not tell
        .collect();
    parameters.sort();
    (media_type(value), parameters)
}

pub fn ours_parameterized(ours: &Parameterized) -> Described {
    let parameters = ours.names().map(|name| {
        let text = ours.text(name, None).unwrap_or_default();
        (name.to_owned(), text)
    });
    (ours.value.clone(), parameters.collect())
}
