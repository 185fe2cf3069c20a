//! Responses and what becomes of them. Each is read whole, byte by byte, and in every split in two.

use crate::http::response::ResponseError;

/// Name, bytes, and what is expected.
pub(super) type Case = (&'static str, &'static str, Expected);

/// Status, body, reusable, and how many of the bytes belong to the response.
pub(super) type Expected = Result<(u16, &'static str, bool, Option<usize>), ResponseError>;

/// Not counted: all of the bytes.
pub(super) const ALL: Option<usize> = None;

/// Where a body ends, and whether the connection lives on (RFC 9112 section 6.3).
pub(super) const FRAMING: &[Case] = &[
    ("length 0", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Ok((200, "", true, ALL))),
    ("length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", true, ALL))),
    ("name in any case", "HTTP/1.1 200 OK\r\ncONTENT-lENGTH:2\r\n\r\nok", Ok((200, "ok", true, ALL))),
    ("white space around the value", "HTTP/1.1 200 OK\r\nContent-Length: \t 2 \t\r\n\r\nok", Ok((200, "ok", true, ALL))),
    ("leading zeros", "HTTP/1.1 200 OK\r\nContent-Length: 0002\r\n\r\nok", Ok((200, "ok", true, ALL))),
    ("equal lengths in two fields", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", true, ALL))),
    ("equal lengths in a list", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", Ok((200, "ok", true, ALL))),
    ("bytes behind it", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500", Ok((200, "ok", true, Some(40)))),
    ("no length: until close", "HTTP/1.1 200 OK\r\n\r\nok", Ok((200, "ok", false, ALL))),
    ("no length, no body", "HTTP/1.1 200 OK\r\n\r\n", Ok((200, "", false, ALL))),
    ("no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", Ok((200, "", true, ALL))),
    ("no space behind the status", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Ok((200, "", true, ALL))),
    ("a reason beyond ASCII", "HTTP/1.1 500 F\u{e4}hler\t!\r\nContent-Length: 0\r\n\r\n", Ok((500, "", true, ALL))),
    ("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", false, ALL))),
    ("close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", Ok((200, "", false, ALL))),
    ("Close in a list", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", Ok((200, "", false, ALL))),
    ("close in a second field", "HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", Ok((200, "", false, ALL))),
    ("keep-alive", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", Ok((200, "", true, ALL))),
    ("204", "HTTP/1.1 204 No Content\r\n\r\n", Ok((204, "", true, ALL))),
    ("204 with a length and a body", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", Ok((204, "", true, Some(46)))),
    ("304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Ok((304, "", true, ALL))),
    ("a status that does not exist", "HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n", Ok((999, "", true, ALL))),
    ("an empty field", "HTTP/1.1 200 OK\r\nX:\r\nContent-Length: 0\r\n\r\n", Ok((200, "", true, ALL))),
    ("every token character", "HTTP/1.1 200 OK\r\n!#$%&'*+-.^_`|~1aZ: x\r\nContent-Length: 0\r\n\r\n", Ok((200, "", true, ALL))),
];

/// Bodies behind `Transfer-Encoding: chunked` (RFC 9112 section 7.1).
pub(super) const CHUNKS: &[Case] = &[
    ("empty", "0\r\n\r\n", Ok((200, "", true, ALL))),
    ("one", "2\r\nok\r\n0\r\n\r\n", Ok((200, "ok", true, ALL))),
    ("two", "1\r\no\r\n1\r\nk\r\n0\r\n\r\n", Ok((200, "ok", true, ALL))),
    ("CRLF within", "4\r\n\r\n\r\n\r\n0\r\n\r\n", Ok((200, "\r\n\r\n", true, ALL))),
    ("upper case", "A\r\n0123456789\r\n0\r\n\r\n", Ok((200, "0123456789", true, ALL))),
    ("lower case", "a\r\n0123456789\r\n0\r\n\r\n", Ok((200, "0123456789", true, ALL))),
    ("zeros", "0000000000000002\r\nok\r\n000\r\n\r\n", Ok((200, "ok", true, ALL))),
    ("extensions", "2;a=b;c=\"d e\"\r\nok\r\n0;x\r\n\r\n", Ok((200, "ok", true, ALL))),
    ("space before an extension", "2 ;a\r\nok\r\n0\r\n\r\n", Ok((200, "ok", true, ALL))),
    ("trailer", "2\r\nok\r\n0\r\nX: y\r\nContent-Length: 7\r\n\r\n", Ok((200, "ok", true, ALL))),
    ("17 digits", "00000000000000002\r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("no size", "\r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("only an extension", ";a\r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("negative", "-2\r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("plus", "+2\r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("0x", "0x2\r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("not hexadecimal", "g\r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("space before the size", " 2\r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("space behind the size", "2 \r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("a control character in an extension", "2;\u{1}\r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("bare LF behind the size", "2\nok\r\n0\r\n\r\n", Err(ResponseError::LineEnd)),
    ("bare CR in an extension", "2;\rx\r\nok\r\n0\r\n\r\n", Err(ResponseError::LineEnd)),
    ("data longer than said", "2\r\nokay\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("data shorter than said", "4\r\nok\r\n0\r\n\r\n", Err(ResponseError::Chunk)),
    ("LF behind the data", "2\r\nok\n0\r\n\r\n", Err(ResponseError::LineEnd)),
    ("not a field in the trailer", "0\r\nx\r\n\r\n", Err(ResponseError::Field)),
    ("a folded trailer", "0\r\nx: y\r\n z\r\n\r\n", Err(ResponseError::Folded)),
    ("cut in the size", "2", Err(ResponseError::Truncated)),
    ("cut in the data", "2\r\no", Err(ResponseError::Truncated)),
    ("cut before the last chunk", "2\r\nok\r\n", Err(ResponseError::Truncated)),
    ("cut before the last line end", "2\r\nok\r\n0\r\n", Err(ResponseError::Truncated)),
    ("cut in the last line end", "2\r\nok\r\n0\r\n\r", Err(ResponseError::Truncated)),
];

/// What one reader takes for one thing and another reader for another: request smuggling's raw material.
pub(super) const AMBIGUOUS: &[Case] = &[
    ("coding and length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", Err(ResponseError::AmbiguousLength)),
    ("length and coding", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Err(ResponseError::AmbiguousLength)),
    ("both on 204", "HTTP/1.1 204 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Err(ResponseError::AmbiguousLength)),
    ("coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Err(ResponseError::AmbiguousLength)),
    ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", Err(ResponseError::AmbiguousLength)),
    ("two lengths in a list", "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok", Err(ResponseError::AmbiguousLength)),
    ("negative length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", Err(ResponseError::ContentLength)),
    ("length with plus", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", Err(ResponseError::ContentLength)),
    ("length in hexadecimal", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", Err(ResponseError::ContentLength)),
    ("length with a fraction", "HTTP/1.1 200 OK\r\nContent-Length: 2.0\r\n\r\nok", Err(ResponseError::ContentLength)),
    ("two numbers", "HTTP/1.1 200 OK\r\nContent-Length: 2 2\r\n\r\nok", Err(ResponseError::ContentLength)),
    ("empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", Err(ResponseError::ContentLength)),
    ("empty in a list", "HTTP/1.1 200 OK\r\nContent-Length: 2,\r\n\r\nok", Err(ResponseError::ContentLength)),
    ("length of 2^64", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", Err(ResponseError::ContentLength)),
    ("digits of another script", "HTTP/1.1 200 OK\r\nContent-Length: \u{662}\r\n\r\n", Err(ResponseError::ContentLength)),
    ("gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Err(ResponseError::TransferCoding)),
    ("identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", Err(ResponseError::TransferCoding)),
    ("chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Err(ResponseError::TransferCoding)),
    ("chunked twice in a list", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", Err(ResponseError::TransferCoding)),
    ("vertical tab before chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n", Err(ResponseError::Field)),
    ("empty coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n", Err(ResponseError::TransferCoding)),
    ("bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", Err(ResponseError::LineEnd)),
    ("bare LF behind a field", "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n", Err(ResponseError::LineEnd)),
    ("bare CR in a field", "HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\n", Err(ResponseError::LineEnd)),
    ("bare CR in the status line", "HTTP/1.1 200 O\rK\r\n\r\n", Err(ResponseError::LineEnd)),
    ("CR CR LF", "HTTP/1.1 200 OK\r\r\n\r\n", Err(ResponseError::LineEnd)),
    ("folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", Err(ResponseError::Folded)),
    ("folded with a tab", "HTTP/1.1 200 OK\r\nX: a\r\n\tb\r\n\r\n", Err(ResponseError::Folded)),
    ("a first field that begins with a space", "HTTP/1.1 200 OK\r\n X: a\r\n\r\n", Err(ResponseError::Folded)),
    ("space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", Err(ResponseError::Field)),
    ("no name", "HTTP/1.1 200 OK\r\n: 0\r\n\r\n", Err(ResponseError::Field)),
    ("no colon", "HTTP/1.1 200 OK\r\nContent-Length 0\r\n\r\n", Err(ResponseError::Field)),
    ("a name beyond ASCII", "HTTP/1.1 200 OK\r\nContent-L\u{e4}ngth: 0\r\n\r\n", Err(ResponseError::Field)),
    ("NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", Err(ResponseError::Field)),
    ("DEL in a value", "HTTP/1.1 200 OK\r\nX: a\u{7f}b\r\n\r\n", Err(ResponseError::Field)),
];

/// Other protocols, other versions, and nothing.
pub(super) const NOT_HTTP: &[Case] = &[
    ("SMTP", "220 mail.example ESMTP\r\n", Err(ResponseError::NotHttp)),
    ("IMAP", "* OK ready\r\n", Err(ResponseError::NotHttp)),
    ("an empty line", "\r\nHTTP/1.1 200 OK\r\n\r\n", Err(ResponseError::NotHttp)),
    ("HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", Err(ResponseError::NotHttp)),
    ("HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", Err(ResponseError::NotHttp)),
    ("HTTP/0.9", "<html>\r\n", Err(ResponseError::NotHttp)),
    ("lower case", "http/1.1 200 OK\r\n\r\n", Err(ResponseError::NotHttp)),
    ("two spaces", "HTTP/1.1  200 OK\r\n\r\n", Err(ResponseError::NotHttp)),
    ("two digits", "HTTP/1.1 20 OK\r\n\r\n", Err(ResponseError::NotHttp)),
    ("four digits", "HTTP/1.1 2000 OK\r\n\r\n", Err(ResponseError::NotHttp)),
    ("a plus", "HTTP/1.1 +20 OK\r\n\r\n", Err(ResponseError::NotHttp)),
    ("below 100", "HTTP/1.1 099 OK\r\n\r\n", Err(ResponseError::NotHttp)),
    ("a control character in the reason", "HTTP/1.1 200 \u{1b}[2J\r\n\r\n", Err(ResponseError::NotHttp)),
    ("a TLS alert", "\u{15}\u{3}\u{3}\0\u{2}\u{2}\n", Err(ResponseError::LineEnd)),
    ("nothing", "", Err(ResponseError::None)),
    ("one byte", "H", Err(ResponseError::Truncated)),
    ("cut in the head", "HTTP/1.1 200 OK\r\nContent-Le", Err(ResponseError::Truncated)),
    ("cut before the empty line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", Err(ResponseError::Truncated)),
    ("cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", Err(ResponseError::Truncated)),
    ("only an interim response", "HTTP/1.1 100 Continue\r\n\r\n", Err(ResponseError::Truncated)),
];

/// 1xx before the final response (RFC 9110 section 15.2).
pub(super) const INTERIM: &[Case] = &[
    ("100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", true, ALL))),
    ("103 with fields", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 x\r\n\r\n", Ok((204, "", true, ALL))),
    ("close on the interim one", "HTTP/1.1 100 x\r\nConnection: close\r\n\r\nHTTP/1.1 204 x\r\n\r\n", Ok((204, "", true, ALL))),
    ("101", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", Err(ResponseError::Upgrade)),
    ("coding and length on the interim one", "HTTP/1.1 100 x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Err(ResponseError::AmbiguousLength)),
];
