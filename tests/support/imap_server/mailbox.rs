//! A mailbox of the in-process server: mails by UID, with UIDVALIDITY and UIDNEXT (RFC 3501, section 2.3.1.1).

use std::sync::Arc;

pub(super) struct Mailbox {
    /// On the wire (modified UTF-7).
    pub name: String,
    /// As LIST tells them.
    pub attributes: String,
    pub uid_validity: u32,
    pub uid_next: u32,
    mails: Vec<Mail>,
    /// Mails ever stored; dates are made from it.
    stored: u32,
}

#[derive(Clone)]
pub(super) struct Mail {
    pub uid: u32,
    pub bytes: Arc<[u8]>,
    pub flags: Vec<String>,
    /// Day of November 2023 and second of that day.
    date: (u32, u32),
}

impl Mailbox {
    pub fn new(name: &str) -> Mailbox {
        Mailbox {
            name: name.to_owned(),
            attributes: "\\HasNoChildren".to_owned(),
            uid_validity: 1_700_000_001,
            uid_next: 1,
            mails: Vec::new(),
            stored: 0,
        }
    }

    pub fn append(&mut self, bytes: &[u8]) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.insert(uid, bytes);
        uid
    }

    pub fn insert(&mut self, uid: u32, bytes: &[u8]) {
        let place = self.mails.partition_point(|mail| mail.uid < uid);
        let mail = Mail {
            uid,
            bytes: bytes.into(),
            flags: Vec::new(),
            date: (1 + self.stored / 2000 % 30, self.stored % 2000),
        };
        self.mails.insert(place, mail);
        self.stored += 1;
    }

    pub fn remove(&mut self, uid: u32) {
        self.mails.retain(|mail| mail.uid != uid);
    }

    pub fn flag(&mut self, uids: &[u32], flag: &str) {
        for mail in self.mails.iter_mut().filter(|mail| uids.contains(&mail.uid)) {
            if !mail.flags.iter().any(|own| own == flag) {
                mail.flags.push(flag.to_owned());
            }
        }
    }

    pub fn flags(&self, uid: u32) -> Vec<String> {
        let mail = self.mails.iter().find(|mail| mail.uid == uid);
        mail.map(|mail| mail.flags.clone()).unwrap_or_default()
    }

    pub fn clear(&mut self) {
        self.mails.clear();
    }

    pub fn recreate(&mut self) {
        self.uid_validity += 1;
        self.uid_next = 1;
        for mail in &mut self.mails {
            mail.uid = self.uid_next;
            self.uid_next += 1;
        }
    }

    pub fn uids(&self) -> Vec<u32> {
        self.mails.iter().map(|mail| mail.uid).collect()
    }

    /// The mails of a UID set (`1:3,7,9:*`), in order; `*` is the last one. `None` when it is not a set.
    pub fn select(&self, set: &str) -> Option<Vec<Mail>> {
        let last = self.mails.last().map_or(0, |mail| mail.uid);
        let number = |text: &str| match text {
            "*" => Some(last),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse::<u32>().ok().filter(|number| *number > 0)
            }
            _ => None,
        };
        let mut ranges = Vec::new();
        for range in set.split(',') {
            let (first, second) = range.split_once(':').unwrap_or((range, range));
            let (first, second) = (number(first)?, number(second)?);
            ranges.push(first.min(second)..=first.max(second));
        }
        Some(
            self.mails
                .iter()
                .filter(|mail| ranges.iter().any(|range| range.contains(&mail.uid)))
                .cloned()
                .collect(),
        )
    }

    /// UIDs of mails on or after a date as SEARCH writes it (`1-Nov-2023`).
    pub fn since(&self, date: &str) -> Option<Vec<u32>> {
        let [day, month, year] = date.split('-').collect::<Vec<_>>().try_into().ok()?;
        let month = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        .iter()
        .position(|name| name.eq_ignore_ascii_case(month))?;
        let wanted = (year.parse::<u32>().ok()?, month, day.parse::<u32>().ok()?);
        Some(
            self.mails
                .iter()
                .filter(|mail| (2023, 10, mail.date.0) >= wanted)
                .map(|mail| mail.uid)
                .collect(),
        )
    }
}

impl Mail {
    /// As FETCH writes it, the day padded with a space (RFC 3501, section 9, `date-day-fixed`).
    pub fn internal_date(&self) -> String {
        let (day, second) = self.date;
        format!(
            "{day:2}-Nov-2023 {:02}:{:02}:{:02} +0000",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}
