//! Labels as mail writes them.

use std::str::from_utf8;

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, KOI8_R, KOI8_U, MACINTOSH, REPLACEMENT, SHIFT_JIS,
    UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED,
};

use super::shifting::Shifting;
use super::{Charset, dos};
use crate::limits;

/// See [`Charset::from_label`].
pub(super) fn read(label: &[u8]) -> Option<Charset> {
    // What nearly every mail says.
    if label.eq_ignore_ascii_case(b"utf-8") {
        return Some(Charset::Table(UTF_8));
    }
    if label.eq_ignore_ascii_case(b"us-ascii") {
        return Some(Charset::Guess);
    }
    let label = bare_label(label)?;
    if matches!(
        label.as_str(),
        "us-ascii" // with something around it
            | "ascii"
            | "us"
            | "ansi_x3.4-1968"
            | "ansi_x3.4-1986"
            | "iso-ir-6"
            | "iso646-us"
            | "iso_646.irv:1991"
    ) {
        return Some(Charset::Guess);
    }
    alias(&label).or_else(|| standard(&label)).or_else(|| code_page(&label))
}

/// What the Encoding Standard lists. `x-user-defined` is no charset that text was ever written in.
fn standard(label: &str) -> Option<Charset> {
    Encoding::for_label(label.as_bytes())
        .or_else(|| Encoding::for_label(label.replace('_', "-").as_bytes()))
        .filter(|encoding| *encoding != REPLACEMENT && *encoding != X_USER_DEFINED)
        .map(|encoding| {
            if encoding == ISO_2022_JP {
                Charset::Shifting(Shifting::Iso2022Jp)
            } else {
                Charset::Table(encoding)
            }
        })
}

/// The label without what mail puts around it, in lower case.
fn bare_label(label: &[u8]) -> Option<String> {
    let label = label.get(..limits::CHARSET_LABEL).unwrap_or(label);
    let label = from_utf8(label).ok()?.to_ascii_lowercase();
    let around = |character: char| !character.is_ascii_alphanumeric();
    let label = label.trim_matches(around);
    let label = label.strip_prefix("charset").map_or(label, |rest| {
        rest.trim_start()
            .strip_prefix(['=', ':'])
            .map_or(label, |rest| rest.trim_start_matches(around))
    });
    // `us-ascii*en`, `utf-8;format=flowed`, `iso-2022-jp$ESC`: no name has such a character.
    let junk = |character: char| around(character) && !matches!(character, '-' | '_' | '.' | ':' | '+');
    let label = label.split(junk).next()?.trim_end_matches(around);
    (!label.is_empty()).then(|| label.to_owned())
}

/// Names seen in mail that the standard does not list, or reads otherwise.
fn alias(label: &str) -> Option<Charset> {
    let name = label.replace('_', "-");
    let encoding = match name.strip_prefix("x-").unwrap_or(&name) {
        "utf8" | "utf-8" | "utf8mb3" | "utf8mb4" | "utf-8n" | "uft-8" | "utf-8-mac" | "unicode-2-0-utf-8" | "u8"
        | "utf-8-sig" => UTF_8,
        "latin-1" | "iso8859" | "iso-8859" | "iso-latin-1" | "ansi" | "western" => WINDOWS_1252,
        "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-3" | "iso-2022-jp-ms" | "jis" => {
            return Some(Charset::Shifting(Shifting::Iso2022Jp));
        }
        "iso-2022-kr" | "csiso2022kr" => return Some(Charset::Shifting(Shifting::Iso2022Kr)),
        "hz-gb-2312" | "hz-gb2312" | "hz" => return Some(Charset::Shifting(Shifting::Hz)),
        "utf-7" | "utf7" | "csutf7" | "unicode-1-1-utf-7" | "csunicode11utf7" | "unicode-2-0-utf-7" | "u7" => {
            return Some(Charset::Utf7);
        }
        // The WHATWG takes these for little-endian; RFC 2781 lets the byte order mark decide.
        "utf-16" | "utf16" | "ucs-2" | "unicode" | "csunicode" | "csutf16" | "iso-10646-ucs-2" | "u16" => {
            return Some(Charset::Utf16);
        }
        "utf-32" | "utf32" | "ucs-4" | "csucs4" | "csutf32" | "iso-10646-ucs-4" | "u32" => {
            return Some(Charset::Utf32(None));
        }
        "utf-32le" | "utf32le" | "utf-32-le" | "utf-32le-bom" | "csutf32le" | "ucs-4le" | "ucs-4-internal" => {
            return Some(Charset::Utf32(Some(true)));
        }
        "utf-32be" | "utf32be" | "utf-32-be" | "utf-32be-bom" | "csutf32be" | "ucs-4be" => {
            return Some(Charset::Utf32(Some(false)));
        }
        "ibm-thai" | "csibmthai" => return Some(Charset::Ebcdic),
        // IANA registers 40 names, Java and Microsoft have others.
        _ if name.contains("ebcdic") => return Some(Charset::Ebcdic),
        "eucjp" | "eucjp-ms" | "eucjp-win" => EUC_JP,
        "shiftjis" | "sjis-win" | "mskanji" => SHIFT_JIS,
        "euc-cn" | "euccn" | "cn-gb" | "gb" | "eucgb2312-cn" | "gb2312-charset" => GBK,
        "gb18030-2000" | "gb18030-2003" | "gb18030-2022" => GB18030,
        "euckr" | "uhc" | "ksc5601" | "ksc-5601" => EUC_KR,
        "cn-big5" | "big-5" | "big5-eten" | "chinesebig5" => BIG5,
        "koi8r" => KOI8_R,
        "koi8u" => KOI8_U,
        "mac-roman" | "macroman" => MACINTOSH,
        "utf-16le"
        | "utf16le"
        | "utf-16-le"
        | "utf-16le-bom"
        | "csutf16le"
        | "ucs-2le"
        | "ucs-2-internal"
        | "unicodelittle"
        | "unicodelittleunmarked" => UTF_16LE,
        "utf-16be" | "utf16be" | "utf-16-be" | "utf-16be-bom" | "csutf16be" | "ucs-2be" | "unicodebig"
        | "unicodebigunmarked" => UTF_16BE,
        _ => return None,
    };
    Some(Charset::Table(encoding))
}

/// `cp1252`, `win-1251`, `ms932`, `windows-65001`, `IBM01140`, `037`: Microsoft's and IBM's numbers under the names mail gives
/// them.
fn code_page(label: &str) -> Option<Charset> {
    let digits = label.find(|character: char| character.is_ascii_digit())?;
    let (family, number) = label.split_at_checked(digits)?;
    let family = family.trim_end_matches(['-', '_']).trim_start_matches("x-");
    if !matches!(
        family,
        "" | "cp" | "ccsid" | "win" | "windows" | "ms" | "ibm" | "codepage" | "csibm" | "cspc" | "dos"
    ) {
        return None;
    }
    let number = number.parse::<u16>().ok()?;
    if EBCDIC.contains(&number) {
        return Some(Charset::Ebcdic);
    }
    let name: &[u8] = match number {
        437 => return Some(Charset::Dos(dos::CODE_PAGE_437)),
        850 => return Some(Charset::Dos(dos::CODE_PAGE_850)),
        852 => return Some(Charset::Dos(dos::CODE_PAGE_852)),
        858 => return Some(Charset::Dos(dos::CODE_PAGE_858)),
        866 => b"ibm866",
        874 => b"windows-874",
        932 | 943 => b"shift_jis",
        936 => b"gbk",
        949 => b"euc-kr",
        950 => b"big5",
        1200 => b"utf-16le",
        1201 => b"utf-16be",
        1250 => b"windows-1250",
        1251 => b"windows-1251",
        1252 | 819 => b"windows-1252",
        1253 => b"windows-1253",
        1254 => b"windows-1254",
        1255 => b"windows-1255",
        1256 => b"windows-1256",
        1257 => b"windows-1257",
        1258 => b"windows-1258",
        12000 => return Some(Charset::Utf32(Some(true))),
        12001 => return Some(Charset::Utf32(Some(false))),
        20127 | 367 => return Some(Charset::Guess),
        20866 => b"koi8-r",
        21866 => b"koi8-u",
        28592 => b"iso-8859-2",
        28595 => b"iso-8859-5",
        28605 => b"iso-8859-15",
        50220..=50222 => return Some(Charset::Shifting(Shifting::Iso2022Jp)),
        50225 => return Some(Charset::Shifting(Shifting::Iso2022Kr)),
        51932 => b"euc-jp",
        52936 => return Some(Charset::Shifting(Shifting::Hz)),
        54936 => b"gb18030",
        65000 => return Some(Charset::Utf7),
        65001 => b"utf-8",
        _ => return None,
    };
    Encoding::for_label(name).map(Charset::Table)
}

/// The numbers of EBCDIC in IANA's registry, in Java, in Python and in Windows.
const EBCDIC: &[u16] = &[
    37, 38, 39, 256, 273, 274, 275, 277, 278, 280, 281, 284, 285, 290, 297, 300, 420, 423, 424, 500, 803, 833, 834,
    835, 836, 837, 838, 870, 871, 875, 880, 905, 918, 924, 930, 931, 933, 935, 937, 939, 1025, 1026, 1027, 1047, 1069,
    1097, 1112, 1122, 1123, 1130, 1132, 1140, 1141, 1142, 1143, 1144, 1145, 1146, 1147, 1148, 1149, 1153, 1154, 1155,
    1156, 1157, 1158, 1160, 1164, 1364, 1371, 1388, 1390, 1399, 16684, 20273, 20277, 20278, 20280, 20284, 20285, 20290,
    20297, 20420, 20423, 20424, 20833, 20838, 20871, 20880, 20905, 20924, 21025,
];
