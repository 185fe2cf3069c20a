//! What other parsers' authors expect of their own test mails is what is read here; where it is not, a table says why.
//!
//! Each set is asked about part by part. `testdata/agreement/*.tsv` names every answer that differs, with one line of
//! reason: a difference without a row fails, and so does a row without a difference.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

#[path = "agreement/expected.rs"]
mod expected;
#[path = "agreement/fields.rs"]
mod fields;
#[path = "agreement/mbox.rs"]
mod mbox;
#[path = "agreement/pairs.rs"]
mod pairs;
#[path = "agreement/php.rs"]
mod php;
#[path = "agreement/reading.rs"]
mod reading;
#[path = "agreement/set.rs"]
mod set;
#[path = "support/shared.rs"]
mod shared;
#[path = "agreement/stalwart.rs"]
mod stalwart;
