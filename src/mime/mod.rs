//! Mail (RFC 5322, MIME: RFC 2045–2049) → parts, streaming, for hostile input. No input is refused.

pub mod boundary;
pub mod charset;
pub mod date;
pub mod encoded_word;
pub mod entity;
pub mod header;
pub mod parameter;
pub mod transfer;
