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
    HeaderNoColon "hdr_no_colon" High "a line between header fields that is none"
    HeaderSpaceBeforeColon "hdr_space_before_colon" High "white space before a field's colon: some readers ignore the field"
    HeaderControlInName "hdr_ctl_in_name" High "a control or 8-bit character in a field's name"
    HeaderCommentInName "hdr_comment_in_name" High "a parenthesis in a field's name"
    HeaderEmptyOrDoubleName "hdr_empty_or_double_name" High "a field without a name, or with its name or colon twice"
    HeaderBareCr "hdr_bare_cr" High "CR without LF in a header: a line end for some readers"
    HeaderFoldFirst "hdr_fold_first" High "a header block that begins with a continuation line"
    HeaderFoldBlank "hdr_fold_blank" High "a header line of white space only: the end of the header for some readers"
    HeaderNoSeparator "hdr_no_separator" High "a body that begins without a blank line"
    HeaderAfterBlank "hdr_after_blank" High "an empty header followed by what looks like header fields"
    ConflictContentType "conflict_header:content-type" High "Content-Type twice, with different values; the first counts"
    ConflictTransferEncoding "conflict_header:content-transfer-encoding" High "Content-Transfer-Encoding twice, with different values; the first that is known counts"
    ConflictDisposition "conflict_header:content-disposition" High "Content-Disposition twice, with different values; the first counts"
    ConflictFrom "conflict_header:from" High "From twice, with different values"
    ConflictSubject "conflict_header:subject" High "Subject twice, with different values"
    ConflictDate "conflict_header:date" High "Date twice, with different values"
    ConflictTo "conflict_header:to" High "To twice, with different values"
    ConflictMessageId "conflict_header:message-id" High "Message-ID twice, with different values"
    ConflictBoundary "conflict_param:boundary" High "the boundary parameter twice, or plain and extended, with different values; the plain first counts"
    ConflictCharset "conflict_param:charset" High "the charset parameter twice, with different values; the first counts"
    ConflictName "conflict_param:name" High "the name parameter twice, with different values"
    ConflictFilename "conflict_param:filename" High "a file name twice, or another one in another place: Content-Disposition, Content-Type, a field that only some readers know"
    ConflictStart "conflict_param:start" High "the start parameter of a multipart/related twice, with different values: it says which part is shown"
    ConflictParameter "conflict_param:other" Medium "another parameter twice, with different values: none that decides where a part begins, what it says, what it is called or which one is shown"
    BoundaryElsewhere "boundary_elsewhere" High "a boundary parameter on a type that is no multipart"
    TypeMalformed "ct_malformed" High "a media type that is not one name, a slash and another"
    TypeList "ct_list" High "a list of media types; the first counts"
    ValueComment "value_comment" High "a comment inside a structured value: some readers keep it"
    ParameterQuote "param_quote" High "quotes that do not end, or text beside them"
    ParameterSeparator "param_separator" High "a missing semicolon or white space around `=`"
    ParameterUnreadable "param_unreadable" High "something between parameters that is none; skipped"
    ParameterEncodedWord "param_rfc2047" High "an encoded-word in a parameter other than a file name"
    ParameterExtended "param_rfc2231" High "RFC 2231 with gaps, repeats, bad escapes or encoded-words in it, escapes where it has none, or a boundary in no other form"
    ControlInFileName "filename_ctl" High "a control character in a file name, which ends there for some readers"
    BoundaryOdd "boundary_odd" High "a boundary longer than 70 characters, or with characters or an end that readers treat differently"
    MultipartNoBoundary "multipart_no_boundary" High "a multipart without a boundary parameter: its parts cannot be told apart"
    MultipartNamed "multipart_named" High "a file name on a multipart: some readers give it to a part that has none"
    MultipartNoPart "multipart_no_part" High "a multipart in which no part begins"
    MultipartUnclosed "multipart_unclosed" High "a multipart whose last boundary is missing"
    PartAfterClose "part_after_close" High "a part, or what can be taken for one, after the boundary that closes its multipart"
    PreamblePart "preamble_part" High "what can be taken for a part before the first boundary: fields of a header, or an encoded file"
    BoundaryGuessed "boundary_guessed" High "a multipart read by a boundary that it does not declare, because no part was found by the declared one"
    BoundaryReused "boundary_reused" High "a multipart inside another with the same boundary"
    BoundaryPrefix "boundary_prefix_of_other" High "a boundary that begins like that of an enclosing multipart"
    BoundaryNearMiss "boundary_near_miss" High "a boundary in a line that is no boundary line: some readers take it for one"
    BoundaryInsideHeaders "boundary_inside_headers" High "a boundary line ends a header block that has no blank line"
    MimeWithoutType "mime_without_type" High "a body that begins like a multipart although no Content-Type says so"
    EncodedComposite "encoded_composite" High "a multipart or message with a transfer encoding, which RFC 2045 forbids"
    MessageOther "message_other" High "content that some readers take for a mail although its type is another: it begins with the fields of a part, or goes on behind a part's fields that should stand alone, or is called `.eml`"
    MessagePartial "message_partial" High "a fragment of a mail (message/partial): its content is spread over several"
    ExternalBody "external_body" High "content that is elsewhere (message/external-body, or a field of Thunderbird's)"
    TransferUnknown "cte_unknown" High "a transfer encoding that nobody defined: some readers decode it, others do not"
    TransferSplit "cte_split" High "white space inside the name of a transfer encoding"
    Base64Junk "b64_junk" High "characters outside the base64 alphabet"
    Base64AfterPadding "b64_after_pad" High "base64 data after its padding"
    Base64BadPadding "b64_bad_pad" High "base64 with too much or too little padding"
    Base64Truncated "b64_truncated" High "base64 that stops inside a group"
    EmbeddedEncoding "embedded_encoding" High "uuencode, yEnc, BinHex, a file in an Apple file, a PGP message that is not encrypted, or S/MIME or TNEF by its name alone where its type is shown: some readers decode it, others do not"
    Smime "smime" Info "a signed or encrypted S/MIME object"
    SmimeUnread "smime_unread" High "an S/MIME object whose content could not be read to its end: damaged, inflating to too much, none, with more behind it, or in a `winmail.dat`"
    SmimeAmbiguous "smime_ambiguous" High "signed content that is a file by its name and begins like a part of the mail, or begins like none and is no file by its name"
    Tnef "tnef" Info "a `winmail.dat`, which only Outlook opens; what is in it follows as parts"
    TnefUnread "tnef_unread" High "a `winmail.dat` that is damaged or something else, or tells what its text is written in twice or too late: readers stop, or read on, in different ways"
    Encrypted "encrypted" Medium "encrypted content (S/MIME or PGP), which nobody without the key can look into"
    QuotedPrintableBadEscape "qp_bad_escape" High "a `=` that is neither an escape nor a soft line break, or escapes in mixed case"
    EncodedWordMalformed "ew_malformed" Medium "an encoded-word that breaks RFC 2047 and was read as far as possible"
    EncodedWordUnknownCharset "ew_unknown_charset" Medium "an encoded-word in a charset that is not known here: read as UTF-8, else as windows-1252"
    EncodedWordSplitCharacter "ew_split_char" Info "a character split over two encoded-words"
    EncodedWordInQuotes "ew_in_quotes" Info "an encoded-word inside a quoted string: some readers decode it, others do not"
    EncodedWordOver75 "ew_over_75" Info "an encoded-word longer than 75 characters"
    EncodedWordYieldsEncodedWord "ew_yields_encoded_word" Medium "an encoded-word that decodes to another one; it is decoded once"
    EncodedWordYieldsControl "ew_yields_control" Medium "an encoded-word that decodes to CR, LF, NUL or another control character"
    HeaderRepeated "dup_header" Medium "a field twice that RFC 5322 allows once"
    BidiControl "bidi_control" Medium "characters that turn the direction of text, in a header or a file name: it reads other than it is"
    RawEightBitHeader "raw_8bit_header" Medium "header text beyond ASCII without an encoded-word"
    ControlInHeader "hdr_ctl_in_value" Medium "a control character in a field's value"
    NulInBody "nul_in_body" Medium "NUL in content that is no binary data, or in decoded text: the end of it for some readers"
    EightBitInSevenBit "eight_bit_in_seven_bit" Info "8-bit bytes in content that is declared 7bit, or by default is"
    MixedLineEnds "mixed_eol" Medium "line ends unlike those of the rest, or CR alone: readers differ on where lines begin"
    LongLine "line_over_998" Info "a line longer than the 998 bytes that RFC 5322 allows: transports cut it"
    CharsetEbcdic "charset_ebcdic" High "EBCDIC, in which nothing is where ASCII has it: some readers decode it, here it is read as UTF-8, else as windows-1252"
    CharsetByteOrder "charset_byte_order" High "UTF-16 whose byte order readers take differently, or what only some take for UTF-16: its mark and its label disagree, or neither tells"
    CharsetUnknown "charset_unknown" Medium "a charset that is not known here: read as UTF-8, else as windows-1252"
    CharsetStateful "charset_stateful" Info "a charset in which ASCII after an escape is other text: UTF-7, ISO-2022-JP, HZ"
    ReplacementCharacters "replacement_chars" Info "bytes that the charset does not define were replaced"
    JournalAmbiguous "journal_ambiguous" High "a mail that says it is a journal report but has not the shape of one; it is left as it is"
    JournalOtherMessageId "journal_other_message_id" High "a journal report that names another Message-Id than the mail in it has"
    JournalOtherLine "journal_other_line" High "a line of a journal report that is none of its fields, or a field that comes twice"
    JournalUnknownField "journal_unknown_field" Medium "a field of a journal report that nobody documents"
    JournalNested "journal_nested" Medium "a journal report inside a journal report; the outer one is unwrapped"
    LimitHeader "limit_header" High "a header block, the headers of all parts, a field's parameters or a file name longer than the limit; of a name the end was kept, of the rest the beginning"
    LimitDepth "limit_depth" High "nested deeper than the limit; the rest was read as one leaf"
    LimitParts "limit_parts" High "more parts than the limit; the others are not described"
    LimitBody "limit_body" High "a body longer than the limit: readers show more of it than the event has; the rest is hashed only"
    LimitText "limit_text" Medium "more text in an attachment, or in a part that is no body, than the limit; the rest is hashed only"
    LimitRecipients "limit_recipients" Medium "more recipients of a journal report than the limit, or its text was cut"
    LimitAttempts "limit_attempts" High "the program ended three times while it read this mail: its undecoded header, its size and its hash are all there is"
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
            Note::Ebcdic => Flag::CharsetEbcdic,
            Note::ByteOrder => Flag::CharsetByteOrder,
            Note::BidiControl => Flag::BidiControl,
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
