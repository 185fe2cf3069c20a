//! What a file name in a mail becomes in an event: nothing that a receiver could take for a path, nothing that shows
//! another extension than the one that counts.

use crate::limits;
use crate::mime::file_name::{clean, is_invisible};
use crate::mime::header::unfold;
use crate::mime::{Entity, Kind, encoded_word};

/// A part's file name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::event) struct FileName {
    /// The last component of the path, cleaned; `None` where nothing is left of it.
    pub(in crate::event) filename: Option<String>,
    /// The decoded value, where it differs.
    pub(in crate::event) filename_raw: Option<String>,
    /// Whether it was longer than the limit; its end was kept.
    pub(in crate::event) cut: bool,
    /// Whether there were characters in it that turn the direction of text.
    pub(in crate::event) bidi: bool,
}

impl FileName {
    /// Content-Disposition's `filename`, else Content-Type's `name` (RFC 2183, 2.3), else what single readers take for it.
    /// `charset` is for raw 8-bit bytes. With it comes the field that has it.
    pub(in crate::event) fn read(entity: &Entity<'_>, charset: Option<&[u8]>) -> (FileName, &'static str) {
        match find(entity, charset) {
            Some((field, name)) => (FileName::of(name), field),
            None => (FileName::default(), "content-type"),
        }
    }

    /// From a decoded name, with its control characters.
    pub(in crate::event) fn of(decoded: String) -> FileName {
        let mut raw = decoded;
        let excess = raw.len().saturating_sub(limits::FILE_NAME);
        if excess > 0 {
            let start = (excess..=raw.len()).find(|start| raw.is_char_boundary(*start));
            raw.drain(..start.unwrap_or_default());
        }
        let filename = clean(&raw);
        let bidi = !raw.is_ascii() && raw.contains(is_bidi_control);
        FileName {
            filename_raw: (filename != raw).then_some(raw),
            filename: (!filename.is_empty()).then_some(filename),
            cut: excess > 0,
            bidi,
        }
    }
}

/// The name, not cleaned, and the field that has it.
fn find(entity: &Entity<'_>, charset: Option<&[u8]>) -> Option<(&'static str, String)> {
    let disposed = |name| Some(("content-disposition", entity.disposition?.raw_text(name, charset)?));
    let typed = || Some(("content-type", entity.content_type.raw_text("name", charset)?));
    let described = || Some(("content-description", described(entity, charset)?));
    disposed("filename")
        .or_else(typed)
        .or_else(|| disposed("name"))
        .or_else(described)
}

/// Content-Description where it reads as a file name: Exchange's last resort (MS-OXCMAIL, 2.2.3.4.1.1). What bounces and
/// digests say there of the mails and reports in them is none.
fn described(entity: &Entity<'_>, charset: Option<&[u8]>) -> Option<String> {
    if entity.kind == Kind::Multipart || entity.is_of_the_mail() && !entity.is_attached() {
        return None;
    }
    let (mut unfolded, mut text) = (Vec::new(), String::new());
    let value = unfold(entity.fields.first("content-description")?, &mut unfolded);
    encoded_word::decode_with_controls(value, charset, &mut text);
    let extension = text.rsplit_once('.')?.1.as_bytes();
    let is_extension = (1..=limits::DESCRIBED_EXTENSION).contains(&extension.len())
        && extension.iter().all(u8::is_ascii_alphanumeric)
        && extension.iter().any(u8::is_ascii_alphabetic);
    is_extension.then_some(text)
}

/// Unicode's `Bidi_Control`. In a name even the marks of direction move a dot.
fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whatever a mail calls a file: no path, nothing that does not show, not too long, and clean the second time.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let decoded = String::from_utf8_lossy(data).into_owned();
    let name = FileName::of(decoded.clone());
    let shown = name.filename_raw.as_ref().or(name.filename.as_ref());
    assert!(shown.is_none_or(|shown| decoded.ends_with(shown.as_str())));
    assert_eq!(name.cut, shown.is_some_and(|shown| shown.len() < decoded.len()));
    let Some(filename) = name.filename else { return };
    assert!(!filename.is_empty() && filename.len() <= limits::FILE_NAME && filename != "." && filename != "..");
    assert!(!filename.contains(|character| matches!(character, '/' | '\\') || is_invisible(character)));
    let again = FileName::of(filename.clone());
    assert_eq!((again.filename, again.filename_raw), (Some(filename), None));
}

#[cfg(test)]
mod tests {
    use super::FileName;
    use crate::limits;

    #[test]
    fn an_ordinary_name_stays_and_has_no_raw_form() {
        for name in [
            "file.txt",
            ".htaccess",
            "a b (1).pdf",
            "résumé.doc",
            "1:2.txt",
            "x..y",
            "👩‍💻.png",
        ] {
            let expected = FileName {
                filename: Some(name.to_owned()),
                ..FileName::default()
            };
            assert_eq!(FileName::of(name.to_owned()), expected);
        }
    }

    #[test]
    fn nothing_of_a_path_is_left_and_nothing_that_hides_an_extension() {
        for (raw, name) in [
            ("../../etc/passwd", "passwd"),
            ("..\\..\\autoexec.bat", "autoexec.bat"),
            ("C:\\Windows\\x.dll", "x.dll"),
            ("c:evil.exe", "evil.exe"),
            ("a: b:c:evil.exe", "evil.exe"),
            ("/tmp/c: evil.exe", "evil.exe"),
            ("folder/", "folder"),
            ("name/..", "name"),
            ("evil.exe. . .", "evil.exe"),
            ("evil.exe\u{A0}", "evil.exe"),
            (" evil.exe", "evil.exe"),
            ("photo_\u{202E}gpj.exe", "photo_gpj.exe"),
            ("a\u{2066}b\u{2069}\u{200F}.txt", "ab.txt"),
            ("a\u{200B}.e\u{FEFF}x\u{AD}e", "a.exe"),
            ("a\r\n\0b\u{85}.txt", "ab.txt"),
            (".\u{202E}./x", "x"),
            ("x/.\u{202E}.", "x"),
        ] {
            let found = FileName::of(raw.to_owned());
            let expected = FileName {
                filename: Some(name.to_owned()),
                filename_raw: Some(raw.to_owned()),
                cut: false,
                bidi: raw.contains(['\u{202E}', '\u{2066}']),
            };
            assert_eq!(found, expected);
            assert_eq!(
                FileName::of(name.to_owned()).filename.as_deref(),
                Some(name),
                "cleaned twice"
            );
        }
    }

    #[test]
    fn a_name_of_which_nothing_is_left_is_only_raw() {
        for raw in ["..", "/", "C:\\", " . ", "\u{202E}"] {
            let found = FileName::of(raw.to_owned());
            assert_eq!((found.filename, found.filename_raw.as_deref()), (None, Some(raw)));
        }
        assert_eq!(FileName::of(String::new()), FileName::default());
    }

    #[test]
    fn of_a_long_name_the_end_is_kept_which_has_the_extension() {
        for (length, cut) in [
            (limits::FILE_NAME - 1, false),
            (limits::FILE_NAME, false),
            (limits::FILE_NAME + 1, true),
        ] {
            let found = FileName::of(format!("{}.exe", "y".repeat(length - 4)));
            let name = found.filename.unwrap();
            assert_eq!((found.cut, name.len()), (cut, length.min(limits::FILE_NAME)));
            assert!(name.ends_with("y.exe"));
        }
        let name = FileName::of("é".repeat(limits::FILE_NAME)).filename.unwrap();
        assert_eq!(name.len(), limits::FILE_NAME);
        let name = FileName::of(format!("{}x", "é".repeat(limits::FILE_NAME)))
            .filename
            .unwrap();
        assert_eq!(name.len(), limits::FILE_NAME - 1, "no half character");
    }
}
