//! Every flag that an event can carry: its name, its severity and its reason, in one table.

use super::encoded_word::Note;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Two readers can see different content.
    High,
    /// Unusual in ordinary mail.
    Medium,
    /// Said for completeness.
    Info,
}

impl Severity {
    /// As the event writes it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::High => "high",
            Severity::Medium => "medium",
            Severity::Info => "info",
        }
    }
}

macro_rules! flags {
    ($($variant:ident $name:literal $severity:ident $reason:literal)*) => {
        /// A way in which a mail can be read twice, or was cut.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Flag { $(#[doc = $reason] $variant,)* }

        /// All of them.
        pub const FLAGS: &[Flag] = &[$(Flag::$variant,)*];

        impl Flag {
            /// As the event writes it.
            pub fn name(self) -> &'static str {
                match self { $(Flag::$variant => $name,)* }
            }
            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Flag::$variant => Severity::$severity,)* }
            }
            /// Why it is flagged.
            pub fn reason(self) -> &'static str {
                match self { $(Flag::$variant => $reason,)* }
            }
        }
    };
}

flags! {
    BoundaryInsideHeaders "boundary_inside_headers" High "a boundary line ends a header block that has no blank line"
    MultipartNoBoundary "multipart_no_boundary" High "a multipart without a boundary parameter: its parts cannot be told apart"
    MultipartNoPart "multipart_no_part" High "a multipart in which no part begins"
    EncodedComposite "encoded_composite" High "a multipart or message with a transfer encoding, which RFC 2045 forbids"
    TransferUnknown "cte_unknown" High "a transfer encoding that nobody defined: some readers decode it, others do not"
    Base64Junk "b64_junk" High "characters outside the base64 alphabet"
    Base64AfterPadding "b64_after_pad" High "base64 data after its padding"
    Base64Truncated "b64_truncated" High "base64 that stops inside a group"
    EmbeddedEncoding "embedded_encoding" High "uuencode, yEnc or BinHex, in text or as a transfer encoding: some readers decode it, others do not"
    Smime "smime" Info "a signed or encrypted S/MIME object"
    SmimeUnread "smime_unread" High "an S/MIME object whose content could not be read to its end: damaged, compressed or none"
    Encrypted "encrypted" Medium "encrypted content (S/MIME or PGP), which nobody without the key can look into"
    QuotedPrintableBadEscape "qp_bad_escape" High "a `=` that is neither an escape nor a soft line break"
    EncodedWordMalformed "ew_malformed" Medium "an encoded-word that breaks RFC 2047 and was read as far as possible"
    EncodedWordUnknownCharset "ew_unknown_charset" Medium "an encoded-word in a charset that nobody defined"
    EncodedWordSplitCharacter "ew_split_char" Info "a character split over two encoded-words"
    EncodedWordInQuotes "ew_in_quotes" Info "an encoded-word inside a quoted string: some readers decode it, others do not"
    EncodedWordOver75 "ew_over_75" Info "an encoded-word longer than 75 characters"
    EncodedWordYieldsEncodedWord "ew_yields_encoded_word" Medium "an encoded-word that decodes to another one; it is decoded once"
    EncodedWordYieldsControl "ew_yields_control" Medium "an encoded-word that decodes to CR, LF, NUL or another control character"
    RawEightBitHeader "raw_8bit_header" Medium "header text beyond ASCII without an encoded-word"
    ControlInHeader "hdr_ctl_in_value" Medium "a control character in a field's value"
    CharsetUnknown "charset_unknown" Medium "a charset that nobody defined: read as UTF-8, else as windows-1252"
    CharsetStateful "charset_stateful" Info "a charset in which ASCII after an escape is other text: UTF-7, ISO-2022-JP, HZ"
    ReplacementCharacters "replacement_chars" Info "bytes that the charset does not define were replaced"
    JournalAmbiguous "journal_ambiguous" High "a mail that says it is a journal report but has not the shape of one; it is left as it is"
    JournalOtherMessageId "journal_other_message_id" High "a journal report that names another Message-Id than the mail in it has"
    JournalOtherLine "journal_other_line" High "a line of a journal report that is none of its fields, or a field that comes twice"
    JournalUnknownField "journal_unknown_field" Medium "a field of a journal report that nobody documents"
    JournalNested "journal_nested" Medium "a journal report inside a journal report; the outer one is unwrapped"
    LimitHeader "limit_header" High "a header block longer than the limit; its first bytes were read"
    LimitDepth "limit_depth" High "nested deeper than the limit; the rest was read as one leaf"
    LimitParts "limit_parts" High "more parts than the limit; the rest is hashed into the last one"
    LimitText "limit_text" Medium "more text than the limit; the rest is hashed only"
    LimitRecipients "limit_recipients" Medium "more recipients of a journal report than the limit, or its text was cut"
    LimitAnomalies "limit_anomalies" Medium "more anomalies than the limit"
}

impl From<Note> for Flag {
    fn from(note: Note) -> Flag {
        match note {
            Note::Raw8Bit => Flag::RawEightBitHeader,
            Note::Malformed => Flag::EncodedWordMalformed,
            Note::UnknownCharset => Flag::EncodedWordUnknownCharset,
            Note::SplitCharacter => Flag::EncodedWordSplitCharacter,
            Note::InQuotes => Flag::EncodedWordInQuotes,
            Note::Over75 => Flag::EncodedWordOver75,
            Note::YieldsEncodedWord => Flag::EncodedWordYieldsEncodedWord,
            Note::YieldsControl => Flag::EncodedWordYieldsControl,
            Note::RawControl => Flag::ControlInHeader,
            Note::StatefulCharset => Flag::CharsetStateful,
            Note::Replaced => Flag::ReplacementCharacters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FLAGS;

    #[test]
    fn names_are_unique_and_every_flag_has_a_reason() {
        let mut names: Vec<_> = FLAGS.iter().map(|flag| flag.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FLAGS.len());
        assert!(FLAGS.iter().all(|flag| flag.reason().len() > 20));
    }
}
