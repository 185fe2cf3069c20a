use encoding_rs::{BIG5, EUC_KR, GBK, KOI8_R, SHIFT_JIS, UTF_8, WINDOWS_1252};

use super::*;
use crate::limits;

fn decode(label: Option<&str>, text: &[u8]) -> (String, bool, bool) {
    let mut decoder = TextDecoder::new(label.map(str::as_bytes));
    let mut output = String::new();
    decoder.feed(text, &mut output);
    decoder.finish(&mut output);
    (output, decoder.replaced(), decoder.known())
}

#[test]
fn labels_are_read_as_mail_writes_them() {
    let table = |encoding| Some(Charset::Table(encoding));
    let japanese = Some(Charset::Shifting(Shifting::Iso2022Jp));
    for (label, expected) in [
        ("utf-8", table(UTF_8)),
        ("UTF8", table(UTF_8)),
        ("utf_8", table(UTF_8)),
        (" \"Utf-8\" ", table(UTF_8)),
        ("'utf-8'", table(UTF_8)),
        ("charset=utf8", table(UTF_8)),
        ("charset = \"utf-8\"", table(UTF_8)),
        ("utf-8*en-GB", table(UTF_8)),
        ("utf-8; format=flowed", table(UTF_8)),
        ("utf-8,", table(UTF_8)),
        ("x-utf-8", table(UTF_8)),
        ("cp65001", table(UTF_8)),
        ("iso-8859-1", table(WINDOWS_1252)),
        ("ISO8859_1", table(WINDOWS_1252)),
        ("latin1", table(WINDOWS_1252)),
        ("cp1252", table(WINDOWS_1252)),
        ("CP-1252", table(WINDOWS_1252)),
        ("win-1252", table(WINDOWS_1252)),
        ("windows-1252", table(WINDOWS_1252)),
        ("ks_c_5601-1987", table(EUC_KR)),
        ("cp949", table(EUC_KR)),
        ("ms932", table(SHIFT_JIS)),
        ("cp932", table(SHIFT_JIS)),
        ("Shift_JIS", table(SHIFT_JIS)),
        ("gb2312", table(GBK)),
        ("cp936", table(GBK)),
        ("big5", table(BIG5)),
        ("iso-2022-jp", japanese),
        ("iso-2022-jp-2", japanese),
        ("_iso-2022-jp$ESC", japanese),
        ("cp50220", japanese),
        ("csISO2022JP", japanese),
        ("x-sjis", table(SHIFT_JIS)),
        ("GB2312_CHARSET", table(GBK)),
        ("chinesebig5", table(BIG5)),
        ("utf8mb4", table(UTF_8)),
        ("uft-8", table(UTF_8)),
        ("utf-8**", table(UTF_8)),
        ("utf-8\\", table(UTF_8)),
        ("=utf-8", table(UTF_8)),
        ("iso-8859-1'", table(WINDOWS_1252)),
        ("windows-1252=22", table(WINDOWS_1252)),
        ("utf-7", Some(Charset::Utf7)),
        ("unicode-1-1-utf-7", Some(Charset::Utf7)),
        ("x-unicode-2-0-utf-7", Some(Charset::Utf7)),
        ("csUnicode11UTF7", Some(Charset::Utf7)),
        ("cp65000", Some(Charset::Utf7)),
        ("utf-16", Some(Charset::Utf16)),
        ("unicode", Some(Charset::Utf16)),
        ("UTF-16LE", table(UTF_16LE)),
        ("utf-16be", table(UTF_16BE)),
        ("iso-2022-kr", Some(Charset::Shifting(Shifting::Iso2022Kr))),
        ("hz-gb-2312", Some(Charset::Shifting(Shifting::Hz))),
        ("cp-850", Some(Charset::Dos(dos::CODE_PAGE_850))),
        ("IBM437", Some(Charset::Dos(dos::CODE_PAGE_437))),
        ("koi8-r", table(KOI8_R)),
        ("cp20866", table(KOI8_R)),
        ("utf-16-le", table(UTF_16LE)),
        ("utf_16_be", table(UTF_16BE)),
        ("x-utf-16le-bom", table(UTF_16LE)),
        ("UnicodeLittleUnmarked", table(UTF_16LE)),
        ("UnicodeBigUnmarked", table(UTF_16BE)),
        ("utf_32_le", Some(Charset::Utf32(Some(true)))),
        ("X-UTF-32BE-BOM", Some(Charset::Utf32(Some(false)))),
        ("U7", Some(Charset::Utf7)),
        ("u8", table(UTF_8)),
        ("u16", Some(Charset::Utf16)),
        ("u32", Some(Charset::Utf32(None))),
        ("utf_8_sig", table(UTF_8)),
        ("IBM037", Some(Charset::Ebcdic)),
        ("cp037", Some(Charset::Ebcdic)),
        ("037", Some(Charset::Ebcdic)),
        ("IBM-1047", Some(Charset::Ebcdic)),
        ("CCSID01140", Some(Charset::Ebcdic)),
        ("csIBM500", Some(Charset::Ebcdic)),
        ("x-IBM930", Some(Charset::Ebcdic)),
        ("ebcdic-cp-us", Some(Charset::Ebcdic)),
        ("csEBCDICATDE", Some(Charset::Ebcdic)),
        ("IBM-Thai", Some(Charset::Ebcdic)),
        ("us-ascii", Some(Charset::Guess)),
        ("ANSI_X3.4-1968", Some(Charset::Guess)),
        ("x-unknown", None),
        ("unknown-8bit", None),
        ("x-user-defined", None),
        ("iso-2022-cn", None),
        ("default", None),
        ("default_charset", None),
        ("cp99999999", None),
        ("charset", None),
        ("\u{fc}tf-8", None),
        ("*", None),
        ("", None),
    ] {
        assert_eq!(Charset::from_label(label.as_bytes()), expected, "{label:?}");
    }
    assert_eq!(Charset::from_label(b"utf\xFF8"), None);
}

#[test]
fn a_label_is_not_looked_at_beyond_its_limit() {
    let padded = |length: usize| format!("{}utf-8", " ".repeat(length - 5));
    for (length, known) in [
        (limits::CHARSET_LABEL - 1, true),
        (limits::CHARSET_LABEL, true),
        (limits::CHARSET_LABEL + 1, false),
    ] {
        assert_eq!(
            Charset::from_label(padded(length).as_bytes()).is_some(),
            known,
            "{length}"
        );
    }
}

#[test]
fn text_is_decoded_and_what_means_nothing_is_counted() {
    let plain = |text: &str| (text.to_owned(), false, true);
    for (label, text, expected) in [
        (None, &b"plain"[..], plain("plain")),
        (None, "grün".as_bytes(), plain("grün")),
        (None, b"gr\xFCn", plain("grün")),
        (None, b"gr\xC3\xBCn, then gr\xFCn \xC3\xBC", plain("grün, then grün Ã¼")),
        (None, b"ends in \xE9", plain("ends in é")),
        (
            None,
            b"gr\xC3\xBCn, cut \xE2\x82",
            ("grün, cut \u{FFFD}".to_owned(), true, true),
        ),
        (None, b"\x80 costs", plain("€ costs")),
        (Some(""), b"gr\xFCn", plain("grün")),
        (Some("us-ascii"), "grün".as_bytes(), plain("grün")),
        (Some("nonsense"), b"gr\xFCn", ("grün".to_owned(), false, false)),
        (Some("utf-8"), b"gr\xFCn", ("gr\u{FFFD}n".to_owned(), true, true)),
        (Some("utf-8"), b"cut \xE2\x82", ("cut \u{FFFD}".to_owned(), true, true)),
        (Some("utf-8"), b"\xEF\xBB\xBFmark", plain("mark")),
        (Some("iso-8859-1"), "ü".as_bytes(), plain("Ã¼")),
        (Some("iso-8859-15"), b"\xA4", plain("€")),
        (Some("utf-16"), b"\xFF\xFEh\0i\0", plain("hi")),
        (Some("utf-16"), b"\xFE\xFF\0h\0i", plain("hi")),
        (Some("utf-16"), b"h\0i", ("h\u{FFFD}".to_owned(), true, true)),
        (Some("utf-16"), b"\0h\0i", plain("hi")),
        (Some("utf-16"), b"h\0i\0", plain("hi")),
        (Some("utf-16"), b"h\0\x16\x04i\0", plain("hЖi")),
        (Some("utf-16"), b"\x4E\x2D\x65\x87", plain("中文")),
        (Some("utf-16"), b"\xEF\xBB\xBFhi", plain("hi")),
        (Some("utf-16"), b"", plain("")),
        (Some("utf-32"), b"\xFF\xFE\0\0h\0\0\0", plain("h")),
        (Some("utf-32"), b"\0\0\xFE\xFF\0\x01\xF6\0", plain("😀")),
        (Some("UTF-32LE"), b"h\0\0\0\x16\x04\0\0", plain("hЖ")),
        (Some("utf_32be"), b"\0\0\xFE\xFF\0\0\0h", plain("h")),
        (Some("utf-32"), b"h\0\0\0i\0\0\0", plain("hi")),
        (Some("utf-32"), b"\0\0\0h\0\0\0i", plain("hi")),
        (
            Some("cp12000"),
            b"\0\0\x11\0h\0\0\0",
            ("\u{FFFD}h".to_owned(), true, true),
        ),
        (Some("utf-32"), b"\0\0\0h\0\0", ("h\u{FFFD}".to_owned(), true, true)),
        (Some("utf-32"), b"", plain("")),
        (Some("utf-7"), b"+ADw-b+AD4-", plain("<b>")),
        (Some("cp850"), b"gr\x81n", plain("grün")),
        (Some("iso-2022-jp"), b"\x1B$B$3$s\x1B(B!", plain("こん!")),
        (Some("shift_jis"), b"\x83e\x83X\x83g", plain("テスト")),
        (Some("gb18030"), b"\x81\x30\x89\x30", plain("Ö")),
        (Some("koi8-r"), b"\xF0\xD2\xC9\xD7\xC5\xD4", plain("Привет")),
        (Some("hz-gb-2312"), b"~{VPND~} text", plain("中文 text")),
        (
            Some("iso-2022-cn"),
            b"\x1B$)A text",
            ("\x1B$)A text".to_owned(), false, false),
        ),
    ] {
        assert_eq!(decode(label, text), expected, "{label:?} {text:?}");
    }
}

/// A text, and whether readers take it in different byte orders.
fn decode_doubtful(label: Option<&str>, text: &[u8]) -> (String, bool) {
    let mut decoder = TextDecoder::new(label.map(str::as_bytes));
    let mut output = String::new();
    for piece in text.chunks(50) {
        decoder.feed(piece, &mut output);
    }
    decoder.finish(&mut output);
    let doubtful = decoder.doubtful();
    decoder.feed(b"", &mut output);
    decoder.finish(&mut output);
    assert_eq!(decoder.doubtful(), doubtful, "another text does not change it");
    (output, doubtful)
}

#[test]
fn utf_16_whose_mark_and_label_disagree_is_doubtful() {
    for (label, text, expected, doubtful) in [
        ("utf-16le", &b"\xFF\xFEh\0"[..], "h", false),
        ("utf-16be", b"\xFE\xFF\0h", "h", false),
        ("utf-16le", b"h\0", "h", false),
        ("utf-16be", b"h\0", "\u{6800}", false),
        ("utf-16le", b"\xFE\xFF\0h", "h", true),
        ("utf-16be", b"\xFF\xFEh\0", "h", true),
        ("utf-16le", b"\xEF\xBB\xBFh", "h", true),
        ("utf-16", b"\xEF\xBB\xBFh", "h", true),
        ("utf-16", b"\xFE\xFF\0h", "h", false),
        ("utf-16", b"\xFF\xFEh\0", "h", false),
    ] {
        let expected = (expected.to_owned(), doubtful);
        assert_eq!(decode_doubtful(Some(label), text), expected, "{label} {text:?}");
    }
}

#[test]
fn utf_16_without_a_mark_is_doubtful_where_its_zeros_do_not_tell_to_the_end() {
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    let prefix = "\u{100}".repeat(33);
    for (text, doubtful) in [
        (little("Hello, this is ordinary text of more than a line"), false),
        (big("Hello, this is ordinary text of more than a line"), false),
        (
            little("\u{3000}今日は、一つ\r\n\u{3000}今日は晴れ。\r\nA long line of English\r\n"),
            false,
        ),
        (
            little(&format!("{prefix}and then the text, all of it in the other order")),
            true,
        ),
        (
            big(&format!("{prefix}and then the text, all of it in the other order")),
            true,
        ),
        ([little(&"a".repeat(50)), big(&"a".repeat(20))].concat(), true),
        (big("中文"), true),
        (b"ASCII, not UTF-16 ".to_vec(), true),
        (Vec::new(), false),
    ] {
        assert_eq!(
            decode_doubtful(Some("utf-16"), &text).1,
            doubtful,
            "{}",
            text.escape_ascii()
        );
    }
}

#[test]
fn a_mark_of_utf_16_counts_before_any_other_label_which_makes_it_doubtful() {
    for label in [
        None,
        Some("utf-8"),
        Some("us-ascii"),
        Some("iso-2022-jp"),
        Some("utf-7"),
        Some("cp037"),
    ] {
        // What is called us-ascii may be anything, as what is called nothing.
        let expected = ("hi".to_owned(), label.is_some_and(|label| label != "us-ascii"));
        assert_eq!(decode_doubtful(label, b"\xFF\xFEh\0i\0"), expected, "{label:?}");
        assert_eq!(decode_doubtful(label, b"\xFE\xFF\0h\0i"), expected, "{label:?}");
        assert_eq!(decode_doubtful(label, b"h"), ("h".to_owned(), false), "{label:?}");
    }
    let mut word = TextDecoder::of(Charset::Table(WINDOWS_1252));
    let mut output = String::new();
    word.feed(b"\xFF\xFE", &mut output);
    word.finish(&mut output);
    assert_eq!(
        (output.as_str(), word.doubtful()),
        ("ÿþ", false),
        "header text has none"
    );
}

#[test]
fn nul_under_a_label_that_means_nothing_is_doubtful() {
    assert!(decode_doubtful(Some("x-utf-16-other"), b"h\0").1);
    assert!(!decode_doubtful(Some("x-utf-16-other"), b"h").1);
    assert!(!decode_doubtful(None, b"h\0").1);
}

#[test]
fn microsofts_numbers_are_charsets_that_have_names() {
    for (number, name) in [
        (866, "ibm866"),
        (874, "windows-874"),
        (950, "big5"),
        (1200, "utf-16le"),
        (1201, "utf-16be"),
        (1250, "windows-1250"),
        (1251, "windows-1251"),
        (1253, "windows-1253"),
        (1254, "windows-1254"),
        (1255, "windows-1255"),
        (1256, "windows-1256"),
        (1257, "windows-1257"),
        (1258, "windows-1258"),
        (12000, "utf-32le"),
        (12001, "utf-32be"),
        (20866, "koi8-r"),
        (21866, "koi8-u"),
        (28592, "iso-8859-2"),
        (28595, "iso-8859-5"),
        (28605, "iso-8859-15"),
        (50225, "iso-2022-kr"),
        (51932, "euc-jp"),
        (52936, "hz-gb-2312"),
        (54936, "gb18030"),
        (65000, "utf-7"),
    ] {
        let charset = Charset::from_label(name.as_bytes());
        assert!(charset.is_some(), "{name}");
        assert_eq!(
            Charset::from_label(format!("cp{number}").as_bytes()),
            charset,
            "{number}"
        );
    }
    for (label, byte, expected) in [
        ("cp437", 0x9B, "\u{A2}"),
        ("cp850", 0xD5, "\u{131}"),
        ("cp852", 0xE7, "\u{161}"),
        ("cp858", 0xD5, "\u{20AC}"),
    ] {
        assert_eq!(decode(Some(label), &[byte]).0, expected, "{label}");
    }
    assert_eq!(Charset::from_label(b"cp99"), None);
}

#[test]
fn however_text_is_cut_it_reads_the_same() {
    let texts: [(&str, &[u8]); 17] = [
        ("", b"\xFF\xFEa\0\xE9\0"),
        ("gbk", b"\xFE\xFF\0a\x4E\x2D"),
        ("utf-16le", b"\xFE\xFF\0a\x4E\x2D\0"),
        ("", "a\u{E9}\u{20AC}\u{1F600}".as_bytes()),
        ("", b"a\xC3\xA9\xE2\x82\xAC then \xE2\x82 and \xC3\xA9\xF0\x9F"),
        ("utf-8", b"\xEF\xBB\xBFa\xC3\xA9\xF0\x9F\x98\x80\xF0\x9F\xE2\x82"),
        ("utf-16", b"\xFE\xFF\xD8\x3D\xDE\x00\0a\xD8\x3D\0b\xDC\x00\0"),
        ("iso-2022-jp", b"\x1B$B$3$s$\x1B(BA\x1B(JB\x1B$"),
        ("iso-2022-kr", b"\x1B$)C\r\n\x0E0!\x0Fa\x0E0!\n"),
        ("hz", b"~{VPND~}~~a~{VP\n~x~\r\n~"),
        ("utf-7", b"a+AOQ-+2D3eAA-+- +/+AO-+AOQ\n+2D0AYQ"),
        (
            "utf-16",
            b"l\0o\0n\0g\0e\0r\0 \0t\0h\0a\0n\0 \0w\0h\0a\0t\0 \0i\0s\0 \0l\0o\0o\0k\0e\0d\0 \0a\0t\0,\0 \0m\0u\0c\0h\0.",
        ),
        ("cp850", b"\x80\xFFa"),
        ("gb18030", b"\x81\x30\x89\x30\x81\x30\xD6\xD0\x81\x30\x89"),
        ("big5", b"\x88\x62\x88\xA4\xA4\xA4\xA4"),
        ("euc-jp", b"\x8F\xB0\xA1\xA4\xA2\x8E\xB1\x8F"),
        ("shift_jis", b"\x83e\x83X\x83"),
    ];
    for (label, text) in texts {
        let label = Some(label).filter(|label| !label.is_empty());
        for end in 0..=text.len() {
            let text = &text[..end];
            let whole = decode(label, text);
            for cut in 0..=end {
                let mut decoder = TextDecoder::new(label.map(str::as_bytes));
                let mut output = String::new();
                decoder.feed(&text[..cut], &mut output);
                decoder.feed(&text[cut..], &mut output);
                decoder.finish(&mut output);
                assert_eq!(
                    (output, decoder.replaced(), decoder.known()),
                    whole,
                    "{label:?} {text:?} at {cut}"
                );
            }
            let seed = [label.unwrap_or_default().as_bytes(), b"\n", text].concat();
            fuzz(&seed);
        }
    }
}

#[test]
fn a_finished_decoder_starts_again() {
    let mut decoder = TextDecoder::new(Some(b"iso-2022-jp"));
    let mut output = String::new();
    for _ in 0..2 {
        decoder.feed(b"a\x1B$B$3", &mut output);
        decoder.finish(&mut output);
        decoder.finish(&mut output);
    }
    assert_eq!(output, "aこaこ");
}

#[test]
fn raw_header_text_is_utf_8_then_the_part_s_charset_then_a_guess() {
    let read = |bytes: &[u8], charset: Option<&str>| {
        let mut output = String::new();
        decode_header_bytes(bytes, charset.map(str::as_bytes), &mut output);
        output
    };
    assert_eq!(read("Grüße".as_bytes(), Some("iso-8859-2")), "Grüße");
    assert_eq!(read(b"\xB3adne", Some("iso-8859-2")), "ładne");
    assert_eq!(read(b"\xFCber", None), "über");
    assert_eq!(read(b"gr\xC3\xBCn, cut \xC3", None), "grün, cut \u{FFFD}");
    assert_eq!(read(b"\xFCber", Some("utf-8")), "über");
    assert_eq!(read(b"\x81ber", Some("cp850")), "über");
    assert_eq!(read(b"\xFCber+AOQ-", Some("utf-7")), "über+AOQ-");
    assert_eq!(read(b"\xFCber", Some("utf-16")), "über");
    assert_eq!(read(b"\xFC!", Some("big5")), "ü!");
    assert_eq!(read(b"\xA4\xA4\xA4\xE5", Some("big5")), "中文");
    assert_eq!(read(b"Re: \x1B$B$3$s\x1B(B!", Some("iso-2022-jp")), "Re: こん!");
    assert_eq!(read(b"Re: \x1B$B", Some("utf-8")), "Re: \x1B$B");
    assert_eq!(read(b"Re: \x1B$B\xFF", Some("iso-2022-jp")), "Re: \x1B$Bÿ");
}
