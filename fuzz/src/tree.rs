//! Random bytes seldom make a mail of many nested parts; here they choose one. Their first bit makes it tidy, and then
//! everything in it must come out again, without a HIGH flag; else it is wild: odd header lines, boundaries and encodings.

use crate::reading::Mail;

/// Fuzz entry: what a tidy mail holds comes out; a wild one has the properties that all mails have.
pub fn fuzz(data: &[u8]) {
    let written = write(data);
    let mail = Mail::read(&written.mail);
    if written.tidy {
        let leaves: Vec<&[u8]> = mail.ours.leaves.iter().map(|leaf| leaf.bytes.as_slice()).collect();
        assert_eq!(leaves, written.leaves, "{}", written.mail.escape_ascii());
        let mut high = mail.flags.iter().filter(|(_, severity)| *severity == "high");
        // Bytes that somebody chose can be uuencode, or begin like UTF-16.
        let alarm = high.find(|(flag, _)| !matches!(flag.as_str(), "embedded_encoding" | "charset_byte_order"));
        assert_eq!(alarm, None, "{}", written.mail.escape_ascii());
    }
    mailtap::mime::entity::fuzz(&written.mail);
    mailtap::event::build::fuzz(&written.mail);
}

/// A mail, and what is in its leaves.
pub struct Written {
    /// Its bytes.
    pub mail: Vec<u8>,
    /// Decoded content, in order.
    pub leaves: Vec<Vec<u8>>,
    /// Whether nothing in it is odd.
    pub tidy: bool,
}

/// Writes the mail that `choices` choose.
pub fn write(choices: &[u8]) -> Written {
    let mut writer = Writer {
        choices,
        mail: Vec::new(),
        leaves: Vec::new(),
        multiparts: 0,
        tidy: true,
        line_end: b"\r\n",
    };
    let first = writer.choice();
    writer.tidy = first & 1 == 0;
    writer.line_end = if first & 2 == 0 { b"\r\n" } else { b"\n" };
    writer.mail_header();
    writer.entity(0);
    Written {
        mail: writer.mail,
        leaves: writer.leaves,
        tidy: writer.tidy,
    }
}

/// How deep multiparts and mails are nested, and how many there are.
const DEPTH: usize = 8;
const MULTIPARTS: usize = 40;

const MEDIA_TYPES: &[&str] = &[
    "text/plain; charset=utf-8",
    "text/html; charset=iso-8859-1",
    "image/png; name=a.png",
    "application/zip",
];
const SUBTYPES: &[&str] = &["mixed", "alternative", "related", "signed; micalg=sha-256", "digest"];

const WILD_FIELDS: &[&str] = &[
    "Content-Type: text/plain",
    "Content-Type : multipart/mixed; boundary=x",
    "Content-Type: multipart/mixed; boundary=\"=0000=\"; boundary=x",
    "Content-Type: multipart/mixed; boundary*=us-ascii''x",
    "Content-Type: multipart/mixed; boundary*0=\"=00\"; boundary*1=\"01=\"",
    "Content-Type: multipart/mixed boundary==0001=",
    "Content-Type: multipart",
    "Content-Type: message/rfc822",
    "Content-Type: message/partial; id=a; number=1",
    "Content-Type: application/ms-tnef; name=winmail.dat",
    "Content-Type: application/pkcs7-mime; name=smime.p7m",
    "Content-Transfer-Encoding: base64",
    "Content-Transfer-Encoding: quoted-printable",
    "Content-Transfer-Encoding: x-uuencode",
    "Content-Transfer-Encoding: bas\r\n e64",
    "Content-Disposition: attachment; filename*0*=utf-8''%E2%82; filename*1*=%AC",
    "Content-Disposition: attachment; filename=\"=?utf-8?B?w6k=?=.exe\"",
    "Subject: =?utf-8?Q?a=0D=0AContent-Type:_text/html?=",
    " folded first",
    "no colon",
    ":",
    "",
    " ",
    "\r",
];
const WILD_BOUNDARIES: &[&str] = &["", "x", "=0000=", "=0001=", "=0000==0001=", "a b", "--", "=0000=--"];

struct Writer<'c> {
    choices: &'c [u8],
    mail: Vec<u8>,
    leaves: Vec<Vec<u8>>,
    multiparts: usize,
    tidy: bool,
    line_end: &'static [u8],
}

impl<'c> Writer<'c> {
    /// The next byte; 0 when there is none.
    fn choice(&mut self) -> u8 {
        let (first, rest) = self.choices.split_first().unwrap_or((&0, &[]));
        self.choices = rest;
        *first
    }

    fn of<T: Copy>(&mut self, table: &[T]) -> T {
        table[usize::from(self.choice()) % table.len()]
    }

    /// Up to 63 bytes as they are; at times, where the choices have them, some hundred times as many.
    fn raw(&mut self) -> Vec<u8> {
        let choice = self.choice();
        let length = usize::from(choice & 63).min(self.choices.len());
        let (raw, rest) = self.choices.split_at(length);
        self.choices = rest;
        raw.repeat(if choice & 0xC0 == 0xC0 { 200 } else { 1 })
    }

    /// In a wild mail, now and then.
    fn wildly(&mut self) -> bool {
        !self.tidy && !self.choices.is_empty() && self.choice() & 3 == 0
    }

    fn line(&mut self, line: &[u8]) {
        self.mail.extend_from_slice(line);
        self.mail.extend_from_slice(self.line_end);
        if self.wildly() {
            self.line_end = self.of(&[b"\r\n", b"\n", b"\r", b"\r\r\n"]);
        }
    }

    fn mail_header(&mut self) {
        self.line(b"From: a@x.example");
        self.line(b"Subject: s");
    }

    /// Fields that are odd.
    fn wild_fields(&mut self) {
        while self.wildly() {
            let field = self.of(WILD_FIELDS);
            let raw = self.raw();
            self.line(&[field.as_bytes(), &raw].concat());
        }
    }

    /// The rest of a header, and the content.
    fn entity(&mut self, depth: usize) {
        self.wild_fields();
        let kind = if depth >= DEPTH || self.multiparts >= MULTIPARTS {
            0
        } else {
            self.choice() % 8
        };
        match kind {
            0..=3 => self.leaf(kind),
            4..=6 => self.multipart(depth),
            _ => {
                self.line(b"Content-Type: message/rfc822");
                self.wild_fields();
                self.line(b"");
                self.mail_header();
                self.entity(depth + 1);
            }
        }
    }

    fn multipart(&mut self, depth: usize) {
        let mut boundary = format!("={:04}=", self.multiparts);
        self.multiparts += 1;
        if self.wildly() {
            boundary = self.of(WILD_BOUNDARIES).to_owned();
        }
        let subtype = self.of(SUBTYPES);
        self.line(format!("Content-Type: multipart/{subtype}; boundary=\"{boundary}\"").as_bytes());
        self.wild_fields();
        self.line(b"");
        self.line(b"preamble");
        for part in 0..=self.choice() % 4 {
            if self.wildly() {
                boundary = self.of(WILD_BOUNDARIES).to_owned();
            }
            if part > 0 {
                self.mail.extend_from_slice(self.line_end);
            }
            let delimiter = format!("--{boundary}");
            self.line(delimiter.as_bytes());
            self.entity(depth + 1);
        }
        self.mail.extend_from_slice(self.line_end);
        if !self.wildly() {
            self.line(format!("--{boundary}--").as_bytes());
        }
        self.mail.extend_from_slice(b"epilogue");
    }

    fn leaf(&mut self, encoding: u8) {
        let media_type = self.of(MEDIA_TYPES);
        self.line(format!("Content-Type: {media_type}").as_bytes());
        let mut content = self.raw();
        let encoded = match encoding {
            0 => {
                self.line(b"Content-Transfer-Encoding: base64");
                base64(&content, self.line_end)
            }
            1 => {
                self.line(b"Content-Transfer-Encoding: quoted-printable");
                quoted_printable(&content, self.line_end)
            }
            _ => {
                self.line(b"Content-Transfer-Encoding: binary");
                if self.tidy {
                    // No boundary in it, nor anything like one.
                    content
                        .iter_mut()
                        .filter(|byte| **byte == b'-')
                        .for_each(|byte| *byte = b'_');
                    // Before LF it would be half of a line end.
                    while content.pop_if(|last| *last == b'\r').is_some() {}
                }
                content.clone()
            }
        };
        self.wild_fields();
        self.line(b"");
        self.mail.extend_from_slice(&encoded);
        self.leaves.push(content);
    }
}

fn base64(content: &[u8], line_end: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = Vec::new();
    for (position, group) in content.chunks(3).enumerate() {
        let octet = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        let digit = |shift: u32| ALPHABET[(bits >> shift & 63) as usize];
        let mut four = [digit(18), digit(12), digit(6), digit(0)];
        four[group.len() + 1..].fill(b'=');
        encoded.extend_from_slice(&four);
        if position % 19 == 18 {
            encoded.extend_from_slice(line_end);
        }
    }
    encoded
}

fn quoted_printable(content: &[u8], line_end: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (position, byte) in content.iter().enumerate() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(*byte);
        } else {
            encoded.extend_from_slice(format!("={byte:02X}").as_bytes());
        }
        if position % 24 == 23 {
            encoded.push(b'=');
            encoded.extend_from_slice(line_end);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{fuzz, write};

    /// A multipart of a base64 leaf and a mail that is a multipart of a quoted-printable and a binary leaf.
    const CHOICES: &[u8] = b"\0\x04\x00\x01\x00\x00\x05hello\x07\x04\x01\x01\x01\x02\x02\xC3\xA9\x02\x03\x03-\n-";

    #[test]
    fn choices_make_nested_mails() {
        let written = write(CHOICES);
        let mail = String::from_utf8_lossy(&written.mail);
        assert_eq!(written.leaves, [&b"hello"[..], "é".as_bytes(), b"_\n_"]);
        for expected in [
            "aGVsbG8=",
            "=C3=A9",
            "--=0000=\r\nContent-Type: message/rfc822\r\n\r\nFrom:",
            "--=0001=--",
        ] {
            assert!(mail.contains(expected), "{expected} in {mail}");
        }
        assert!(written.tidy);
    }

    #[test]
    fn tidy_and_wild_mails_hold() {
        for first in 0..4 {
            for end in 0..CHOICES.len() {
                let mut choices = CHOICES[..end].to_vec();
                if let Some(byte) = choices.first_mut() {
                    *byte = first;
                }
                fuzz(&choices);
            }
        }
    }
}
