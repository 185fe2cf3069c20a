//! What `mail-parser` does on its own: differences that are no fault of mailtap's, each with its reason. All of them leave
//! what it shows a part of what mailtap shows, or change characters that no rule fixes.

use crate::difference::{Difference, Verdict, judge, squeezed};
use crate::reading::Mail;

/// One habit of `mail-parser`.
pub struct Peculiarity {
    /// What it does, and why our reading is the better one or as good.
    pub reason: &'static str,
    /// Whether it explains a difference.
    pub explains: fn(&Difference<'_>, &Mail<'_>) -> bool,
}

/// All that are known.
pub const PECULIARITIES: &[Peculiarity] = &[
    Peculiarity {
        reason: "comments in an address (RFC 5322, 3.4.1) are removed; our event has the field as it is",
        explains: |difference, _| matches!(difference, Difference::From(ours, _) if ours.contains('(')),
    },
    Peculiarity {
        reason: "backslashes in an address are undone outside of quotes as well",
        explains: |difference, _| match difference {
            Difference::From(ours, theirs) => {
                let undone = |address: &str| squeezed(&address.replace('\\', ""));
                undone(ours).contains(&undone(theirs))
            }
            _ => false,
        },
    },
    Peculiarity {
        reason: "an encoded word without an end is left in a file name; ours is decoded as far as it goes, and flagged",
        explains: |difference, mail| match difference {
            Difference::FileName(_, theirs) => {
                let flagged = mail.flags.iter().any(|(flag, _)| flag == "ew_malformed");
                flagged && theirs.file_name.as_ref().is_some_and(|name| name.contains("=?"))
            }
            _ => false,
        },
    },
    Peculiarity {
        reason: "an enclosed mail that is a header and nothing else is a file",
        explains: |difference, _| match difference {
            Difference::Missing(theirs) => {
                let has_body = |text: &str| ["\n\n", "\n\r\n"].iter().any(|blank| text.contains(blank));
                theirs.media_type == "message/rfc822" && !theirs.texts().any(|text| has_body(&text))
            }
            _ => false,
        },
    },
    Peculiarity {
        reason: "broken UTF-7 has no reading that is right; that a text is in it, is flagged",
        explains: |difference, mail| {
            mail.flags.iter().any(|(flag, _)| flag == "charset_stateful")
                && pairs(difference, mail, |ours, theirs| {
                    ours.chars().next() == theirs.chars().next()
                })
        },
    },
    Peculiarity {
        reason: "of a part without header fields, what stands before the first blank line is taken for a header",
        explains: |difference, mail| {
            pairs(difference, mail, |ours, theirs| {
                let header = trimmed(ours).strip_suffix(trimmed(theirs));
                header.is_some_and(|header| header.ends_with("\n") || header.ends_with("\r"))
            })
        },
    },
    Peculiarity {
        reason: "a soft line break in front of a boundary line takes the last byte of quoted-printable with it",
        explains: |difference, mail| {
            let lines: Vec<&[u8]> = mail.bytes.split(|byte| *byte == b'\n').collect();
            let soft = |two: &[&[u8]]| two[0].trim_ascii_end().ends_with(b"=") && two[1].starts_with(b"--");
            lines.windows(2).any(soft)
                && pairs(difference, mail, |ours, theirs| {
                    let mut shorter = ours.chars();
                    shorter.next_back().is_some() && trimmed(shorter.as_str()) == trimmed(theirs)
                })
        },
    },
    Peculiarity {
        reason: "CR that ends no line, and a form feed that ends one, are dropped from quoted-printable",
        explains: |difference, mail| {
            pairs(difference, mail, |ours, theirs| {
                ours.contains(['\r', '\x0C']) && without_line_controls(ours) == without_line_controls(theirs)
            })
        },
    },
    Peculiarity {
        reason: "a subject ends before `=?` that begins no encoded word",
        explains: |difference, _| match difference {
            Difference::Subject(ours, theirs) => ours
                .strip_prefix(theirs)
                .is_some_and(|rest| rest.trim_start().starts_with("=?")),
            _ => false,
        },
    },
    Peculiarity {
        reason: "8-bit text that its charset does not explain is read by the letter; ours is a guess, UTF-8 before windows-1252",
        explains: |difference, _| matches!(difference, Difference::Content(..)),
    },
    Peculiarity {
        reason: "raw 8-bit file names are read as UTF-8 only",
        explains: |difference, _| matches!(difference, Difference::FileNameCharacters(..)),
    },
    Peculiarity {
        reason: "UTF-16 without a byte order mark is read as little-endian, against RFC 2781, 4.3",
        explains: |difference, _| match difference {
            Difference::FileName(ours, theirs) => {
                let swapped = |name: &str| name.encode_utf16().map(u16::swap_bytes).collect::<Vec<_>>();
                let units = |name: &str| name.encode_utf16().collect::<Vec<_>>();
                let [ours, theirs] = [ours, theirs].map(|leaf| leaf.file_name.as_deref().unwrap_or_default());
                units(ours) == swapped(theirs)
            }
            _ => false,
        },
    },
    // These two read another mail, and so come after what is quick to tell.
    Peculiarity {
        reason: "a date that it cannot read takes the lines behind it along, the blank one as well",
        explains: |_, mail| agrees_on(&without_dates(mail.bytes), mail),
    },
    Peculiarity {
        reason: "a field whose line does not end, as the mail does there, is dropped",
        explains: |_, mail| !mail.bytes.ends_with(b"\n") && agrees_on(&[mail.bytes, b"\n"].concat(), mail),
    },
];

/// Whether one side of a content that only one of them reads is, by `same`, a content of the other's.
fn pairs(difference: &Difference<'_>, mail: &Mail<'_>, same: impl Fn(&str, &str) -> bool) -> bool {
    let (ours, theirs) = match difference {
        Difference::Missing(theirs) => (mail.ours.leaves.as_slice(), std::slice::from_ref(*theirs)),
        Difference::Surplus(ours) => (std::slice::from_ref(*ours), mail.theirs.leaves.as_slice()),
        _ => return false,
    };
    ours.iter().any(|ours| {
        let of = |ours: &str| {
            theirs
                .iter()
                .any(|theirs| theirs.texts().any(|theirs| same(ours, &theirs)))
        };
        ours.texts().any(|ours| of(&ours))
    })
}

fn trimmed(text: &str) -> &str {
    text.trim_end()
}

fn without_line_controls(text: &str) -> String {
    trimmed(text).replace(['\r', '\x0C'], "")
}

/// Whether nothing is silent in another mail, made of this one.
fn agrees_on(changed: &[u8], mail: &Mail<'_>) -> bool {
    let is_told = |(_, verdict): &(Difference<'_>, Verdict)| *verdict != Verdict::Silent;
    changed != mail.bytes && judge(&Mail::read(changed)).iter().all(is_told)
}

/// The fields in which it looks for a date have other names.
fn without_dates(mail: &[u8]) -> Vec<u8> {
    let mut mail = mail.to_vec();
    for line in mail.split_mut(|byte| *byte == b'\n') {
        let dated = [&b"date"[..], b"resent-date", b"received"].iter().any(|name| {
            let begins = line.split_at_checked(name.len());
            begins.is_some_and(|(begin, _)| begin.eq_ignore_ascii_case(name))
        });
        if dated && let Some(first) = line.first_mut() {
            *first = b'x';
        }
    }
    mail
}
