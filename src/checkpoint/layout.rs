//! What is in a checkpoint's file: one JSON object, for people to read as well.

use std::fmt;
use std::ops::Range;

use serde_json::{Value, json};

use crate::event::encode::hexadecimal;
use crate::imap::resume::{Known, Latest, Memory, Position, Recent, Rescan};

/// The layout that is written. A newer one is refused, so that an old program never misreads it; version 1, which had a
/// position and nothing else, is read.
const VERSION: u64 = 2;

/// Why a file is no checkpoint; says what to do.
#[derive(Debug)]
pub(super) enum Unread {
    /// It was cut or changed.
    Damaged,
    /// It has a version that this program does not know.
    Newer(u64),
}

impl fmt::Display for Unread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Damaged => formatter.write_str(
                "the checkpoint is damaged; restore it from a backup, or delete it to start over as on a first run \
                 (with from_zero: true everything is delivered again and nothing is lost)",
            ),
            Unread::Newer(version) => {
                write!(
                    formatter,
                    "written by a newer mailtap (version {version}); use that one"
                )
            }
        }
    }
}

pub(super) fn write(account: &str, mailbox: &str, memory: &Memory) -> String {
    let recent: Vec<Value> = memory.recent.mails().map(write_known).collect();
    let ranges = |ranges: &[Range<u64>]| -> Vec<[u64; 2]> {
        let ranges = ranges.iter();
        ranges.map(|range| [range.start, range.end]).collect()
    };
    let mut file = json!({
        "version": VERSION,
        "account": account,
        "mailbox": mailbox,
        "uidvalidity": memory.position.uid_validity,
        "next_uid": memory.position.next_uid,
        "done": ranges(&memory.done),
        "recent": recent,
    });
    if let (Some(latest), Some(file)) = (&memory.latest, file.as_object_mut()) {
        let latest = json!({"from": latest.from, "uids": latest.uids});
        file.insert("latest".to_owned(), latest);
    }
    if let Some(file) = file.as_object_mut().filter(|_| !memory.due.is_empty()) {
        file.insert("after_delivery".to_owned(), json!(ranges(&memory.due)));
    }
    if let (Some(rescan), Some(file)) = (&memory.rescan, file.as_object_mut()) {
        let hashes: Vec<String> = rescan.delivered.iter().map(|hash| hexadecimal(hash)).collect();
        let rescan = json!({
            "since": rescan.since_ms,
            "below": rescan.below,
            "presumed_below": rescan.presumed_below,
            "sha256": hashes,
        });
        file.insert("rescan".to_owned(), rescan);
    }
    let mut text = file.to_string();
    text.push('\n');
    text
}

fn write_known(known: &Known) -> Value {
    json!({
        "uid": known.uid,
        "size": known.size,
        "internal_date": known.internal_date_ms,
        "sha256": known.sha256.map(|hash| hexadecimal(&hash)),
    })
}

pub(super) fn read(text: &[u8]) -> Result<Memory, Unread> {
    let file: Value = serde_json::from_slice(text).map_err(|_| Unread::Damaged)?;
    match number(&file, "version") {
        Some(1..=VERSION) => read_memory(&file).ok_or(Unread::Damaged),
        Some(version) if version > VERSION => Err(Unread::Newer(version)),
        _ => Err(Unread::Damaged),
    }
}

/// Whose checkpoint it is: account and mailbox.
pub(super) fn read_owner(text: &[u8]) -> Option<(String, String)> {
    let file: Value = serde_json::from_slice(text).ok()?;
    let text = |key| file.get(key).and_then(Value::as_str).map(str::to_owned);
    Some((text("account")?, text("mailbox")?))
}

fn read_memory(file: &Value) -> Option<Memory> {
    let position = Position {
        uid_validity: u32::try_from(number(file, "uidvalidity")?).ok()?,
        next_uid: number(file, "next_uid")?,
    };
    let done = ranges(file, "done")?;
    let due = ranges(file, "after_delivery")?;
    // A position in a range that is done, or ranges in disorder: nobody wrote that.
    if !done.iter().map(|range| range.start).is_sorted() || done.iter().any(|range| range.start < position.next_uid) {
        return None;
    }
    let recent = list(file, "recent")?
        .iter()
        .map(read_known)
        .collect::<Option<Recent>>()?;
    let latest = match file.get("latest") {
        None => None,
        Some(latest) => Some(read_latest(latest)?),
    };
    let rescan = match file.get("rescan") {
        None => None,
        Some(rescan) => Some(read_rescan(rescan)?),
    };
    Some(Memory {
        position,
        done,
        latest,
        recent,
        rescan,
        due,
    })
}

fn ranges(file: &Value, key: &str) -> Option<Vec<Range<u64>>> {
    list(file, key)?.iter().map(read_range).collect()
}

fn read_range(range: &Value) -> Option<Range<u64>> {
    let [start, end] = range.as_array()?.as_slice() else {
        return None;
    };
    let (start, end) = (start.as_u64()?, end.as_u64()?);
    (start <= end).then_some(start..end)
}

fn read_latest(latest: &Value) -> Option<Latest> {
    let uids = list(latest, "uids")?.iter();
    let uids = uids.map(|uid| u32::try_from(uid.as_u64()?).ok());
    Some(Latest {
        from: number(latest, "from")?,
        uids: uids.collect::<Option<_>>()?,
    })
}

fn read_known(known: &Value) -> Option<Known> {
    Some(Known {
        uid: u32::try_from(number(known, "uid")?).ok()?,
        size: number(known, "size"),
        internal_date_ms: known.get("internal_date").and_then(Value::as_i64),
        sha256: match known.get("sha256")? {
            Value::Null => None,
            hash => Some(read_hash(hash)?),
        },
    })
}

fn read_rescan(rescan: &Value) -> Option<Rescan> {
    let below = number(rescan, "below")?;
    Some(Rescan {
        since_ms: rescan.get("since").and_then(Value::as_i64),
        below,
        presumed_below: number(rescan, "presumed_below").unwrap_or(below),
        delivered: list(rescan, "sha256")?.iter().map(read_hash).collect::<Option<_>>()?,
    })
}

fn read_hash(hash: &Value) -> Option<[u8; 32]> {
    let (pairs, []) = hash.as_str()?.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
    bytes.try_into().ok()
}

fn number(object: &Value, key: &str) -> Option<u64> {
    object.get(key).and_then(Value::as_u64)
}

/// An absent list is an empty one.
fn list<'v>(object: &'v Value, key: &str) -> Option<&'v [Value]> {
    object
        .get(key)
        .map_or(Some(&[]), |list| list.as_array().map(Vec::as_slice))
}
