//! What becomes of the values in a TNEF stream: files, bodies, names.

use super::Reader;
use super::code_page::{CodePages, Kind};
use crate::limits;
use crate::mime::anomaly::Flag;
use crate::mime::charset::TextDecoder;
use crate::mime::compressed_rtf::Decompressor;
use crate::mime::embedded::{Body, Enclosed};

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Passed,
    /// What kind of mail this is.
    MessageClass,
    /// A number: what text is written in that is not UTF-16.
    CodePage(Kind),
    /// The attachment's name; the highest rank counts.
    Name {
        rank: u8,
        wide: bool,
    },
    /// The attachment's content.
    File,
    /// The same behind the GUID of an interface; a mail, if it is `IMessage`'s.
    Object,
    /// A body, with a NUL of so many bytes at its end: of two, if it is UTF-16.
    Text {
        media_type: &'static str,
        terminator: usize,
    },
    CompressedRtf,
}

const WIDE: usize = 2;

impl Purpose {
    pub(super) const PLAIN: Purpose = Purpose::Text {
        media_type: "text/plain",
        terminator: 1,
    };
}

/// The value under way, and the attachment that it belongs to.
#[derive(Debug)]
pub(super) struct Value {
    purpose: Purpose,
    /// The beginning of a short value; zeros at the end of a text, which may be the NUL behind it.
    held: Vec<u8>,
    /// The name of the attachment, and its rank.
    name: Option<(u8, String)>,
    /// Whether a file or body has begun and not ended.
    open: Open,
    rtf: Option<Box<Decompressor>>,
    /// A mail in the attachment.
    inner: Option<Box<Reader>>,
    code_pages: CodePages,
    /// The types of bodies that wait for their charset.
    waiting: Vec<&'static str>,
    depth: usize,
    pub(super) damaged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    File,
    Body,
}

/// `IID_IMessage`.
const MESSAGE: [u8; 16] = [0x07, 0x03, 0x02, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];

impl Value {
    pub(super) fn new(depth: usize) -> Value {
        Value {
            purpose: Purpose::Passed,
            held: Vec::new(),
            name: None,
            open: Open::Nothing,
            rtf: None,
            inner: None,
            code_pages: CodePages::default(),
            waiting: Vec::new(),
            depth,
            damaged: false,
        }
    }

    pub(super) fn begin(&mut self, purpose: Purpose, found: &mut dyn FnMut(Enclosed<'_>)) {
        self.purpose = purpose;
        self.held.clear();
        match purpose {
            Purpose::File => self.open_file(found),
            Purpose::CompressedRtf => self.rtf = Some(Box::default()),
            _ => {}
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8], found: &mut dyn FnMut(Enclosed<'_>)) {
        match self.purpose {
            Purpose::CodePage(_) => self.hold(bytes, 4),
            Purpose::MessageClass => self.hold(bytes, limits::TNEF_CLASS),
            Purpose::Name { .. } => self.hold(bytes, limits::TNEF_NAME),
            Purpose::File if !bytes.is_empty() => match &mut self.inner {
                Some(inner) => inner.feed(bytes, found),
                None => found(Enclosed::Data(bytes)),
            },
            Purpose::File | Purpose::Passed => {}
            Purpose::Object => self.object(bytes, found),
            Purpose::Text { media_type, terminator } => self.text(bytes, media_type, terminator, found),
            Purpose::CompressedRtf => self.compressed(bytes, found),
        }
    }

    pub(super) fn end(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        match self.purpose {
            Purpose::CodePage(kind) if self.held.len() == 4 => {
                self.damaged |= !self.code_pages.say(kind, super::number(&self.held));
            }
            Purpose::MessageClass if is_smime(&self.held) => found(Enclosed::Finding(Flag::SmimeUnread)),
            Purpose::Name { rank, wide } => self.name_ends(rank, wide),
            Purpose::Text { terminator, .. } => {
                if self.held.len() < terminator && self.open == Open::Body {
                    found(Enclosed::Data(&self.held));
                }
                self.close(found);
            }
            Purpose::CompressedRtf => {
                self.damaged |= !self.rtf.take().is_some_and(|rtf| rtf.whole());
                self.close(found);
            }
            Purpose::File if self.inner.is_some() => {
                if let Some(mut inner) = self.inner.take() {
                    inner.finish(found);
                }
            }
            // An object shorter than its GUID.
            Purpose::Object => self.damaged = true,
            _ => {}
        }
        self.purpose = Purpose::Passed;
        self.held.clear();
    }

    /// An attribute is over, and with it all that says what the bodies in it are written in.
    pub(super) fn tell_charsets(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        for media_type in std::mem::take(&mut self.waiting) {
            let charset = self.code_pages.charset(media_type);
            found(Enclosed::Charset {
                media_type,
                charset: &charset,
            });
        }
    }

    /// Another attachment begins.
    pub(super) fn next_attachment(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        self.close(found);
        self.name = None;
    }

    pub(super) fn finish(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        self.close(found);
    }

    /// An attachment with two contents becomes two files.
    fn open_file(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        self.close(found);
        self.open = Open::File;
        found(Enclosed::Begin(Body::File));
    }

    fn close(&mut self, found: &mut dyn FnMut(Enclosed<'_>)) {
        let open = std::mem::replace(&mut self.open, Open::Nothing);
        if open == Open::File
            && let Some((_, name)) = &self.name
        {
            found(Enclosed::Name(name.as_bytes()));
        }
        if open != Open::Nothing {
            found(Enclosed::End);
        }
    }

    fn hold(&mut self, bytes: &[u8], most: usize) {
        let room = most.saturating_sub(self.held.len());
        self.held.extend(bytes.iter().take(room));
    }

    fn name_ends(&mut self, rank: u8, wide: bool) {
        let charset = if wide {
            "utf-16le".to_owned()
        } else {
            self.code_pages.charset_of_strings()
        };
        let mut decoder = TextDecoder::new(Some(charset.as_bytes()));
        let mut name = String::new();
        decoder.feed(&self.held, &mut name);
        decoder.finish(&mut name);
        let name = name.trim_end_matches('\0');
        if !name.is_empty() && self.name.as_ref().is_none_or(|(known, _)| *known <= rank) {
            self.name = Some((rank, name.to_owned()));
        }
    }

    /// The GUID decides what the rest is.
    fn object(&mut self, bytes: &[u8], found: &mut dyn FnMut(Enclosed<'_>)) {
        let missing = MESSAGE.len().saturating_sub(self.held.len());
        let (guid, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        self.held.extend_from_slice(guid);
        if self.held.len() < MESSAGE.len() {
            return;
        }
        self.purpose = Purpose::File;
        if self.held == MESSAGE && self.depth < limits::TNEF_DEPTH {
            self.close(found);
            self.inner = Some(Box::new(Reader::inside(self.depth.saturating_add(1))));
        } else {
            if self.held == MESSAGE {
                found(Enclosed::Finding(Flag::LimitDepth));
            }
            self.open_file(found);
        }
        self.bytes(rest, found);
    }

    /// A body begins with its first byte that is no NUL at the end.
    fn text(&mut self, bytes: &[u8], media_type: &'static str, terminator: usize, found: &mut dyn FnMut(Enclosed<'_>)) {
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let solid = bytes.len().saturating_sub(zeros);
        let zeros_before = self.held.len();
        let (content, excess) = if solid > 0 {
            (solid, zeros.saturating_sub(terminator))
        } else {
            (0, zeros_before.saturating_add(zeros).saturating_sub(terminator))
        };
        if content > 0 {
            self.body_begins(media_type, terminator == WIDE, found);
            found(Enclosed::Data(&self.held));
            self.held.clear();
            found(Enclosed::Data(bytes.get(..content).unwrap_or_default()));
        }
        self.held
            .resize(self.held.len().saturating_add(zeros).saturating_sub(excess), 0);
        if excess > 0 {
            self.body_begins(media_type, terminator == WIDE, found);
            for zeros in vec![0; excess].chunks(limits::DECODE_STEP) {
                found(Enclosed::Data(zeros));
            }
        }
    }

    fn body_begins(&mut self, media_type: &'static str, wide: bool, found: &mut dyn FnMut(Enclosed<'_>)) {
        if self.open == Open::Body {
            return;
        }
        self.close(found);
        self.open = Open::Body;
        if !wide && !self.waiting.contains(&media_type) {
            self.waiting.push(media_type);
        }
        let charset = wide.then_some("utf-16le");
        found(Enclosed::Begin(Body::Text { media_type, charset }));
    }

    fn compressed(&mut self, bytes: &[u8], found: &mut dyn FnMut(Enclosed<'_>)) {
        let Some(mut rtf) = self.rtf.take() else { return };
        let mut output = Vec::new();
        for piece in bytes.chunks(limits::RTF_STEP) {
            output.clear();
            rtf.feed(piece, &mut output);
            if !output.is_empty() {
                self.body_begins("text/rtf", false, found);
                found(Enclosed::Data(&output));
            }
        }
        self.rtf = Some(rtf);
    }
}

/// `IPM.Note.SMIME`, `IPM.Note.SMIME.MultipartSigned`, in one byte a character or two: an S/MIME object is attached, which
/// Outlook opens as the mail itself (MS-OXOSMIME, section 2.1).
fn is_smime(class: &[u8]) -> bool {
    let known = b"IPM.Note.SMIME";
    let written: Vec<u8> = class.iter().copied().filter(|byte| *byte != 0).collect();
    written
        .get(..known.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(known))
}
