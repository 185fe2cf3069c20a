//! What servers do that the RFC has not foreseen, and where each of it is staged: a transcript of `testdata/imap`, or a test.
//!
//! The list is checked: a quirk whose transcript or test goes away is one that nobody survives any more.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test that panics has failed"
)]

use std::fs;
use std::path::Path;

const FETCH_ITEMS: &str = "src/imap/fetch_items.rs";
const LEXER: &str = "src/imap/lexer.rs";
const READER: &str = "src/imap/reader/tests.rs";
const PATIENCE: &str = "tests/story/patience.rs";
const LONG_RUN: &str = "tests/story/long_run.rs";
const SERVER_FAILS: &str = "tests/story/server_fails.rs";
const TRANSCRIPTS: &str = "tests/imap_transcripts.rs";

/// What a server does; a file; the test in it, or nothing for a transcript. One that lasts longer than a session has no
/// transcript: a server of this process plays it.
const QUIRKS: [(&str, &str, &str); 55] = [
    (
        "a literal longer than announced",
        "testdata/imap/literal-longer-than-announced.transcript",
        "",
    ),
    (
        "a literal shorter than announced",
        "testdata/imap/literal-shorter-than-announced.transcript",
        "",
    ),
    ("{012}", "testdata/imap/values-as-servers-write-them.transcript", ""),
    ("{012}", FETCH_ITEMS, "a_body_is_announced_quoted_an_atom_nil_or_absent"),
    ("+ without a space", "testdata/imap/idle.transcript", ""),
    ("bare LF", "testdata/imap/bare-line-feeds.transcript", ""),
    ("trailing spaces", "testdata/imap/flags-with-brackets.transcript", ""),
    (
        "an untagged [COPYUID …]",
        "testdata/imap/text-for-humans.transcript",
        "",
    ),
    ("an untagged [COPYUID …]", READER, "text_for_humans_announces_nothing"),
    ("text without * OK", "testdata/imap/greeting-stray.transcript", ""),
    (
        "response codes with nested brackets",
        "testdata/imap/text-for-humans.transcript",
        "",
    ),
    ("no text after a code", "testdata/imap/text-for-humans.transcript", ""),
    ("8-bit in text", "testdata/imap/text-for-humans.transcript", ""),
    (
        "codes and texts of every kind",
        READER,
        "codes_with_and_without_text_brackets_and_sense",
    ),
    ("BODY[] NIL", "testdata/imap/body-nil.transcript", ""),
    (
        "(UID 19436 )",
        "testdata/imap/values-as-servers-write-them.transcript",
        "",
    ),
    ("(UID 19436 )", FETCH_ITEMS, "a_uid_is_found_whatever_stands_around_it"),
    ("* 0 FETCH", "testdata/imap/listing.transcript", ""),
    ("extra parentheses", "testdata/imap/listing.transcript", ""),
    ("UIDNEXT 0 or missing", "testdata/imap/no-uidvalidity.transcript", ""),
    ("UIDVALIDITY 0", "testdata/imap/no-uidvalidity.transcript", ""),
    ("MODSEQ -1", "testdata/imap/listing.transcript", ""),
    (
        "9.3736e+06",
        "testdata/imap/values-as-servers-write-them.transcript",
        "",
    ),
    ("9.3736e+06", FETCH_ITEMS, "sizes_as_mail_ru_writes_them"),
    (
        "unescaped quotes",
        "testdata/imap/names-in-modified-utf-7.transcript",
        "",
    ),
    (
        "unescaped quotes",
        LEXER,
        "quotes_inside_a_quoted_string_are_read_as_they_were_meant",
    ),
    ("flags with ]", "testdata/imap/flags-with-brackets.transcript", ""),
    (
        "partial FETCH ignored: none is asked for",
        "tests/quirks.rs",
        "neither_search_all_nor_a_part_of_a_mail_is_ever_asked_for",
    ),
    (
        "one bad mail turns a range into NO",
        "testdata/imap/no-on-a-range.transcript",
        "",
    ),
    (
        "NO, some no longer exist, is success",
        "testdata/imap/listing.transcript",
        "",
    ),
    ("SEARCH unsorted", "testdata/imap/search-unsorted.transcript", ""),
    (
        "UID SEARCH ALL fails: only UIDs are searched for",
        "tests/quirks.rs",
        "neither_search_all_nor_a_part_of_a_mail_is_ever_asked_for",
    ),
    (
        "UIDVALIDITY new at every opportunity",
        LONG_RUN,
        "matrix_14_a_new_uidvalidity_at_every_examine_repeats_nothing",
    ),
    (
        "UIDNEXT goes down",
        SERVER_FAILS,
        "matrix_14_uidnext_goes_down_and_what_comes_then_is_delivered",
    ),
    (
        "a UID visible later than a higher one",
        LONG_RUN,
        "a_uid_visible_later_than_a_higher_one_is_delivered",
    ),
    (
        "capabilities change after login",
        "testdata/imap/first-to-last.transcript",
        "",
    ),
    (
        "Unsafe Login unless ID is sent",
        "tests/original_defects.rs",
        "no_id_so_netease_lets_it_read_nothing",
    ),
    (
        "ID is sent behind the login",
        "testdata/imap/first-to-last.transcript",
        "",
    ),
    ("EXPUNGE in IDLE", "testdata/imap/idle.transcript", ""),
    ("Still here", "testdata/imap/idle.transcript", ""),
    (
        "IDLE that never fires",
        PATIENCE,
        "matrix_14_an_idle_that_never_fires_is_not_trusted",
    ),
    (
        "DONE never answered",
        "testdata/imap/done-never-answered.transcript",
        "",
    ),
    ("a command never answered", "testdata/imap/command-hangs.transcript", ""),
    ("EXAMINE takes minutes", "testdata/imap/examine-hangs.transcript", ""),
    ("SEARCH takes minutes", "testdata/imap/search-hangs.transcript", ""),
    ("BYE at any time", "testdata/imap/bye-midway.transcript", ""),
    (
        "BYE at any time",
        SERVER_FAILS,
        "matrix_14_bye_in_the_middle_of_everything_is_survived",
    ),
    (
        "BAD on special-use LIST",
        "testdata/imap/special-use-bad.transcript",
        "",
    ),
    (
        "names in modified UTF-7",
        "testdata/imap/names-in-modified-utf-7.transcript",
        "",
    ),
    ("names in UTF-8", "testdata/imap/names-in-utf-8.transcript", ""),
    (
        "names in UTF-8, and no LIST before",
        "testdata/imap/name-in-utf-8-opened.transcript",
        "",
    ),
    (
        "commands of more than 8,000 bytes refused",
        TRANSCRIPTS,
        "commands_are_as_large_as_their_three_bounds_allow",
    ),
    (
        "Gmail's 2,500 MB a day",
        SERVER_FAILS,
        "gmail_s_limit_is_told_at_the_start_of_a_long_history_and_of_no_other",
    ),
    (
        "as many connections as an account may have",
        "tests/story/several_mailboxes.rs",
        "more_mailboxes_than_connections_all_get_their_turn_with_the_connections_there_are",
    ),
    (
        "throttling by hint",
        LONG_RUN,
        "a_throttle_hint_is_honoured_up_to_its_cap_and_less_is_asked_for",
    ),
];

#[test]
fn every_quirk_is_staged_somewhere() {
    for (quirk, file, test) in QUIRKS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{quirk}: {file}: {error}"));
        assert_eq!(test.is_empty(), file.ends_with(".transcript"), "{quirk}");
        assert!(
            test.is_empty() || text.contains(&format!("{test}() {{")),
            "{quirk}: {file} has no test {test}"
        );
    }
}

/// Exchange ignores the range of a partial FETCH, and some servers fail at SEARCH ALL: of all that is said in the transcripts,
/// to the byte, nothing is either.
#[test]
fn neither_search_all_nor_a_part_of_a_mail_is_ever_asked_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/imap");
    let (mut bodies, mut searches) = (0, 0);
    for file in fs::read_dir(folder).unwrap_or_else(|error| panic!("{error}")).flatten() {
        let text = fs::read_to_string(file.path()).unwrap_or_else(|error| panic!("{error}"));
        for said in text.lines().filter_map(|line| line.strip_prefix("C: ")) {
            let name = file.file_name();
            assert!(!said.contains("SEARCH ALL") && !said.contains("]<"), "{name:?}: {said}");
            bodies += usize::from(said.contains("BODY.PEEK[])"));
            searches += usize::from(said.contains("UID SEARCH UID"));
        }
    }
    assert!(bodies > 20 && searches > 2, "{bodies} bodies, {searches} searches");
}
