//! What one line of a response says, its line end taken away.

use super::ResponseError;
use crate::http::request::{is_field_byte, is_token};

/// Status code, and whether the version is HTTP/1.0. The reason phrase says nothing; some servers leave its space away.
pub(super) fn parse_status_line(line: &[u8]) -> Result<(u16, bool), ResponseError> {
    let (version, rest) = line.split_at_checked(9).ok_or(ResponseError::NotHttp)?;
    let old_version = match version {
        b"HTTP/1.1 " => false,
        b"HTTP/1.0 " => true,
        _ => return Err(ResponseError::NotHttp),
    };
    let (code, reason) = rest.split_at_checked(3).ok_or(ResponseError::NotHttp)?;
    let valid_reason =
        reason.is_empty() || (reason.starts_with(b" ") && reason.iter().all(|&byte| is_field_byte(byte)));
    let code = std::str::from_utf8(code)
        .ok()
        .filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
    code.and_then(|code| code.parse().ok())
        .filter(|&code| code >= 100 && valid_reason)
        .map(|code| (code, old_version))
        .ok_or(ResponseError::NotHttp)
}

/// Lower-case name and trimmed value.
pub(super) fn parse_field(line: &[u8]) -> Result<(String, &[u8]), ResponseError> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(ResponseError::Folded);
    }
    let colon = memchr::memchr(b':', line).ok_or(ResponseError::Field)?;
    let (name, value) = line.split_at_checked(colon).ok_or(ResponseError::Field)?;
    let value = value.strip_prefix(b":").unwrap_or(value);
    // A space before the colon is among what is not a token (RFC 9112 section 5.1).
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) || !value.iter().all(|&byte| is_field_byte(byte)) {
        return Err(ResponseError::Field);
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Ok((name, trim_blanks(value)))
}

/// Without the optional white space around a field value: SP and HTAB only.
fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub(super) fn parse_length(digits: &[u8]) -> Result<u64, ResponseError> {
    let digits = std::str::from_utf8(digits).map_err(|_| ResponseError::ContentLength)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ResponseError::ContentLength);
    }
    digits.parse().map_err(|_| ResponseError::ContentLength)
}

/// Size of a chunk, and how many bytes of extensions came with it (RFC 9112 section 7.1.1: they are ignored).
pub(super) fn parse_chunk_size(line: &[u8]) -> Result<(u64, usize), ResponseError> {
    let count = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at_checked(count).ok_or(ResponseError::Chunk)?;
    let valid_extensions = match trim_blanks(extensions) {
        [] => extensions.is_empty(),
        [b';', ..] => extensions.iter().all(|&byte| is_field_byte(byte)),
        _ => false,
    };
    if !valid_extensions {
        return Err(ResponseError::Chunk);
    }
    // At most 16 digits: 64 bits, and no endless row of zeros.
    let size = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.len() <= 16)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(ResponseError::Chunk)?;
    Ok((size, extensions.len()))
}
