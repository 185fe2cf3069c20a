//! Which code page a TNEF stream's text is in. A mail says so in up to three places, in any order, and they need not agree:
//! each kind of text has one that counts first.

use crate::mime::charset::Charset;

/// Where a code page is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `attOemCodepage` (MS-OXTNEF, section 2.1.3.3.2): of strings.
    Stream,
    /// `PidTagMessageCodepage` (MS-OXPROPS): of strings that are properties.
    Message,
    /// `PidTagInternetCodepage`: of HTML, which is binary.
    Internet,
}

/// Those said so far.
#[derive(Debug, Default)]
pub(super) struct CodePages {
    stream: Option<u32>,
    message: Option<u32>,
    internet: Option<u32>,
    /// What strings and HTML have been read in.
    used_for_strings: Option<u32>,
    used_for_html: Option<u32>,
}

/// Western European, where nothing is said.
const DEFAULT: u32 = 1252;

impl CodePages {
    /// One is said. False when it contradicts one that was, or comes too late.
    pub(super) fn say(&mut self, kind: Kind, page: u32) -> bool {
        let slot = match kind {
            Kind::Stream => &mut self.stream,
            Kind::Message => &mut self.message,
            Kind::Internet => &mut self.internet,
        };
        let agrees = |before: Option<u32>, now: u32| before.is_none_or(|before| before == now);
        // Strings are in that of HTML only for want of another.
        agrees(slot.replace(page), page)
            && (kind == Kind::Internet || agrees(self.used_for_strings, self.strings()))
            && agrees(self.used_for_html, self.html())
    }

    /// The charset of what a media type is written in, for good.
    pub(super) fn charset(&mut self, media_type: &str) -> String {
        if media_type == "text/html" {
            self.used_for_html = Some(self.html());
            return label(self.html());
        }
        let label = self.charset_of_strings();
        // RTF is ASCII in any case; it escapes what is not, or should.
        let ascii = || Charset::from_label(label.as_bytes()).is_some_and(Charset::keeps_ascii);
        if media_type == "text/rtf" && !ascii() {
            return "us-ascii".to_owned();
        }
        label
    }

    /// The charset of strings, for good.
    pub(super) fn charset_of_strings(&mut self) -> String {
        self.used_for_strings = Some(self.strings());
        label(self.strings())
    }

    fn strings(&self) -> u32 {
        self.message.or(self.stream).or(self.internet).unwrap_or(DEFAULT)
    }

    fn html(&self) -> u32 {
        self.internet.or(self.message).or(self.stream).unwrap_or(DEFAULT)
    }
}

fn label(page: u32) -> String {
    match page {
        1200 => "utf-16le".to_owned(),
        65001 => "utf-8".to_owned(),
        page => format!("cp{page}"),
    }
}
