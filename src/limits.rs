//! Every bound on bytes from outside: its value, the reason, and what happens when it is reached.
//!
//! Grouped by who is on the other side. Tests take limits at N−1, N and N+1.

use std::ops::RangeInclusive;
use std::time::Duration;

// ---- the network ----

/// Looking a host name up. Reached: the attempt fails, backoff.
pub const RESOLVE: Duration = Duration::from_secs(5);
/// TCP connection to an IMAP server, over all its addresses. Reached: the attempt fails, backoff.
pub const CONNECT: Duration = Duration::from_secs(30);
/// TLS handshake. Reached: the attempt fails, backoff.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
/// Addresses of one host that are tried, each with its fair share of [`CONNECT`]. Reached: the rest is not tried.
pub const ADDRESSES: usize = 8;
/// `connect_timeout` of a proxy: TCP connection to it, over all its addresses. Reached: the attempt fails, backoff.
pub const PROXY_CONNECT: Duration = Duration::from_secs(10);
/// `handshake_timeout` of a proxy: TLS with it, and CONNECT. Reached: the attempt fails, backoff.
pub const PROXY_HANDSHAKE: Duration = Duration::from_secs(45);
/// `read_write_timeout` of a proxy: its silence before CONNECT is answered. Reached: the attempt fails, backoff.
pub const PROXY_SILENCE: Duration = Duration::from_secs(30);
/// The longest duration that can be configured. Reached: the configuration is refused.
pub const CONFIGURED_DURATION: Duration = Duration::from_secs(60 * 60);
/// The fewest nanoseconds that a bare number is taken for where the original takes any: a millisecond. Below: refused, it was
/// meant as seconds.
pub const CONFIGURED_NANOSECONDS: u64 = 1_000_000;
/// Compressed bytes that are received at once; a TLS record is 16 KiB. Bounds, with the 32 KiB of DEFLATE's window, the
/// memory of a compressed connection, whatever its content becomes.
pub const DEFLATE_BUFFER: usize = 16 * 1024;
/// TLS sessions that are kept to be resumed, per configuration: a collector speaks to a handful of hosts. Reached: a handshake
/// is a whole one.
pub const TLS_SESSIONS: usize = 32;
/// Escapes of escapes in what a peer says that are undone to find a secret: a proxy's page quotes what a program said of a
/// form. Reached: it is looked for in what is there.
pub const SECRET_ESCAPES: usize = 3;
/// Names of a certificate that an error message lists. Reached: it says how many more there are.
pub const CERTIFICATE_NAMES: usize = 5;

// ---- imap ----

/// The reading buffer while data streams in: a TLS record is 16 KiB, a mail from a list 4 to 60. It grows only for a longer
/// line.
pub const IMAP_BUFFER: usize = 64 * 1024;
/// The reading buffer of a connection that waits; news in IDLE have 20 bytes. Reached: it grows, up to
/// [`IMAP_BUFFER`].
pub const IMAP_WAITING_BUFFER: usize = 512;
/// One response without the mail in it: Exchange sends lines of hundreds of KiB. Reached: the connection is closed.
pub const IMAP_RESPONSE: usize = 1024 * 1024;
/// Parentheses in parentheses; ten are normal for a nested structure. Reached: the response is skipped, or, with a literal
/// in doubt, the connection closed.
pub const IMAP_NESTING: usize = 32;
/// A literal that is no mail: names and dates. Reached: the connection is closed.
pub const IMAP_LITERAL: u64 = 64 * 1024;
/// Literals in one response, mails apart. Reached: the connection is closed.
pub const IMAP_LITERALS: usize = 64;
/// Text of the server that is kept for an error or a log line, in bytes. Reached: the text is cut.
pub const IMAP_TEXT: usize = 300;
/// Responses to one command, or between two mails. A listing has one for each mail. Reached: the connection is closed.
pub const IMAP_RESPONSES: u64 = 2_000_000;
/// Bytes of the responses to one command, or between two mails, bodies that are skipped included: a listing of as many mails
/// has half of it. Reached: the connection is closed.
pub const IMAP_ANSWER: u64 = 256 * 1024 * 1024;
/// Names of a CAPABILITY response; Cyrus has a hundred. Reached: the others are not known.
pub const IMAP_CAPABILITIES: usize = 256;
/// Bytes of one of them, and of a mailbox's attribute. Reached: it is none that matters here.
pub const IMAP_CAPABILITY: usize = 64;
/// Attributes of a listed mailbox. Reached: the others are not known.
pub const IMAP_ATTRIBUTES: usize = 32;
/// Bodies in one fetch that nobody asked for. Reached: the connection is closed.
pub const IMAP_UNASKED_BODIES: u32 = 1000;
/// From the connection to the greeting. Reached: backoff, as for all that follow.
pub const IMAP_GREETING: Duration = Duration::from_secs(30);
/// Silence of the server in a command.
pub const IMAP_COMMAND: Duration = Duration::from_secs(60);
/// Silence of the server in EXAMINE, STATUS, SEARCH and a listing, which may read a whole mailbox from a slow disk.
pub const IMAP_SLOW_COMMAND: Duration = Duration::from_secs(300);
/// Silence of the server in the middle of a mail.
pub const IMAP_LITERAL_SILENCE: Duration = Duration::from_secs(60);
/// Bytes a second that a server must send on average beyond the silence allowed, so that one byte a minute is no progress.
pub const IMAP_FLOOR_RATE: u64 = 1024;
/// From DONE to the end of IDLE: a connection that does not answer it is dead.
pub const IMAP_DONE: Duration = Duration::from_secs(15);
/// The answer to LOGOUT, and its way out where the program stops. Reached: the connection is closed without it.
pub const IMAP_LOGOUT: Duration = Duration::from_secs(5);
/// Between two NOOPs, where there is no IDLE.
pub const IMAP_POLL: Duration = Duration::from_secs(60);
/// Bytes of a mail that is not wanted (twice, unasked, dropped) which are read to keep the connection. Reached: it is closed.
pub const IMAP_SKIPPED_BODY: u64 = 16 * 1024 * 1024;
/// FETCH commands in flight, by what is still to come of them: with two, the server never waits for us.
pub const IMAP_COMMANDS_IN_FLIGHT: usize = 2;
/// Commands whose end has not come, for each that may be in flight. Reached: the next one waits for an end.
pub const IMAP_OPEN_COMMANDS: usize = 2;
/// FETCH commands in flight over a long way ([`IMAP_FAR`]), where two do not fill the line.
pub const IMAP_FAR_IN_FLIGHT: usize = 6;
/// The same at the most, where the line still runs empty.
pub const IMAP_MOST_IN_FLIGHT: usize = 8;
/// The shortest time that any command of a session took, from which on the way is a long one.
pub const IMAP_FAR: Duration = Duration::from_millis(20);
/// Mails in one FETCH.
pub const IMAP_BATCH_MAILS: usize = 500;
/// Bytes of mail in one FETCH, as far as the sizes are known. A larger mail goes alone.
pub const IMAP_BATCH_BYTES: u64 = 4 * 1024 * 1024;
/// Between two commands' mails, with both commands sent: a longer silence means that the line ran empty.
pub const IMAP_LINE_EMPTY: Duration = Duration::from_millis(5);
/// What is left of [`IMAP_BATCH_BYTES`] for a server that goes away or refuses whatever it is asked for.
pub const IMAP_LEAST_BATCH_BYTES: u64 = 64 * 1024;
/// A set of UIDs in a command; servers take lines of 8,000 bytes (RFC 7162 section 4), tag and items included.
pub const IMAP_SET_LENGTH: usize = 7_900;
/// Mails in one listing. Reached: the lowest UIDs are given, and the caller asks again behind them.
pub const LISTED_MAILS: usize = 200_000;

/// Mails of a listing that one SEARCH is about, which answers in one line: half of [`IMAP_RESPONSE`], and as many again may
/// have been left out.
pub const SEARCHED_MAILS: usize = 50_000;

// ---- imap: mailboxes ----

/// Mailboxes that one `inbox_names` may come to. Reached: the others are not watched, which is logged and makes `/healthz` red.
pub const MAILBOXES: usize = 10_000;
/// Bytes of a mailbox's name; a command line must hold it. Reached: the mailbox is not watched, which is told in the same way.
pub const MAILBOX_NAME: usize = 4 * 1024;
/// Connections of one account at a time, unless `max_connections` says otherwise: Dovecot allows 10 for a user and
/// address, Gmail 15, and people read their mail as well. Reached: mailboxes take turns.
pub const CONNECTIONS: u64 = 8;
/// How long a mailbox watches before it looks whether others wait for its connection. Bounds how long they do.
pub const TURN: Duration = Duration::from_secs(15);
/// How long a mailbox reads a backlog while others wait for its connection. Reached: it hands it on, and goes on in its
/// next turn.
pub const LONG_TURN: Duration = Duration::from_secs(60);
/// From the beginning of one turn of a mailbox to the next, at least: what polling once a minute costs a server, it bears.
pub const BETWEEN_TURNS: Duration = Duration::from_secs(60);
/// Between two listings of an account's mailboxes.
pub const RELIST: Duration = Duration::from_secs(60 * 60);
/// The same when a mailbox went: a server in trouble may have left it out.
pub const RELIST_SOON: Duration = Duration::from_secs(5 * 60);

// ---- imap: after delivery ----

/// Bytes of a flag's name. Reached: the configuration is refused.
pub const FLAG: usize = 100;
/// Bytes of the mailbox that mails are moved to, as it travels. Reached: the configuration is refused.
pub const DESTINATION: usize = 1000;
/// A set of UIDs beside a mailbox's name in a command of 8,000 bytes.
pub const STORE_SET_LENGTH: usize = 5_000;
/// Mails in one STORE, COPY or MOVE: a server must come to its end within [`IMAP_SLOW_COMMAND`]. Also how many are
/// delivered at most before their turn comes.
pub const STORE_MAILS: usize = 500;
/// Refusals after which the rest of what is due after delivery waits for the next attempt: one bad mail is found by
/// halving in nine.
pub const STORE_REFUSALS: usize = 16;
/// Delivered mails whose `after_delivery` did not succeed yet, in memory and in the checkpoint. Reached: the oldest are
/// left as they are, which is logged.
pub const DUE_MAILS: usize = 10_000;

// ---- imap: login ----

/// Mechanisms of a server's offer that an error lists. Reached: it lists no more.
pub const OFFERED_MECHANISMS: usize = 20;
/// A SASL challenge, in base64; real ones have some hundred bytes. Reached: the login is called off.
pub const SASL_CHALLENGE: usize = 8 * 1024;
/// Iterations of SCRAM's PBKDF2. Below, the server breaks RFC 7677 section 4 and makes the password cheap to guess; above,
/// it keeps a processor busy for seconds. Reached: the login is called off.
pub const SCRAM_ITERATIONS: RangeInclusive<u32> = 4096..=5_000_000;
/// A first message that goes with AUTHENTICATE; servers take lines of 8,000 bytes, and tokens may be longer. Reached: it
/// waits for the server's question.
pub const SASL_INITIAL: usize = 7_900;

// ---- mime: words, parameters, charsets, dates ----

/// Bytes of a charset label that are looked at; the longest registered name has 45. Reached: the rest is ignored.
pub const CHARSET_LABEL: usize = 64;
/// Bytes of a parameter's name; real ones have under 20. Reached: the parameter is skipped and noted.
pub const PARAMETER_NAME: usize = 128;
/// Different parameters of one field; real ones have under 10. Reached: further ones are ignored and noted.
pub const PARAMETERS: usize = 4096;
/// RFC 2231 sections of one field; a file name of 255 characters needs 40. Reached: further ones are ignored and noted.
pub const PARAMETER_SECTIONS: usize = 4096;
/// Bytes of a date with its comments; real ones have under 100. Reached: it is not read.
pub const DATE: usize = 512;

// ---- mime: what is enclosed in content ----

/// BER values in an S/MIME object, one in another; content in pieces has 6. Reached: the object is not read further, flag
/// `smime_unread`.
pub const CMS_NESTING: usize = 16;
/// Bytes of an object identifier that are looked at; the known ones have 11. Reached: the type is unknown.
pub const CMS_IDENTIFIER: usize = 16;
/// Bytes of a BER tag number; real ones have none. Reached: as with [`CMS_NESTING`].
pub const CMS_TAG: usize = 4;

/// Bytes of signed content that tell whether it is a part of the mail or a file; a header's first fields are not longer.
/// Reached: those that came decide.
pub const SIGNED_BEGINNING: usize = 4096;

/// Bytes that compressed S/MIME content may become for each byte of the object so far; mail becomes ten, boilerplate thirty.
/// Reached: the object is not read further, flag `smime_unread`.
pub const INFLATE_RATIO: u64 = 50;
/// Bytes of a compressed S/MIME object that are inflated at a time: a thousand times as many may come of them.
pub const INFLATE_STEP: usize = 64;

/// Bytes of a line in which a file written into text begins; its name is in it. Reached: the rest of the line is ignored.
pub const EMBEDDED_LINE: usize = 1024;
/// Lines between the first line of such a file and its data, where writers have none. Reached: the first line was text.
pub const EMBEDDED_NOISE: usize = 8;
/// Characters behind those that a line of uuencode announces: two fill a group up, one is a checksum. Reached: the line is
/// data only if it keeps to the alphabet.
pub const UUENCODE_BEHIND: usize = 3;
/// Bytes of an attachment's name in TNEF, in its own charset. Reached: the rest is ignored.
pub const TNEF_NAME: usize = 2048;
/// Bytes of a message class in TNEF: `IPM.Note.SMIME` and what may follow it, two bytes a character. Reached: the rest is ignored.
pub const TNEF_CLASS: usize = 64;
/// TNEF streams, one in another: mails attached to mails. Reached: the inner one is a file, flag `limit_depth`.
pub const TNEF_DEPTH: usize = 8;
/// Compressed RTF that is decompressed at a time; it may become eight times as much.
pub const RTF_STEP: usize = 2048;

// ---- dead_letter ----

/// One line of a dead-letter file that is read; the largest event has 24 MiB. Reached: the line is told and passed over.
pub const DEAD_LETTER_LINE: usize = 64 << 20;
/// Bytes of a message that a dead letter's line gets at a time: a multiple of three, so that only the last has padding.
pub const DEAD_LETTER_PIECE: usize = 3 * 1024;

/// Times that `mailtap replay` tries a receiver that is away. Reached: it ends, and says what was not acknowledged.
pub const REPLAY_ATTEMPTS: u32 = 5;

// ---- health ----

/// The head of a request; Prometheus sends 300 bytes. Reached: 431.
pub const HEALTH_HEAD: usize = 8 * 1024;
/// From the connection to the end of the request's head. Reached: 408.
pub const HEALTH_REQUEST: Duration = Duration::from_secs(5);
/// From there to the end of the answer, which a slow client may not take. Reached: the connection is closed.
pub const HEALTH_ANSWER: Duration = Duration::from_secs(10);
/// How long a client may take to close after the answer. Reached: we do.
pub const HEALTH_LINGER: Duration = Duration::from_secs(1);
/// Connections at a time: Prometheus, a probe and a person at once are three. Reached: one more ends the oldest.
pub const HEALTH_CONNECTIONS: usize = 16;
/// After a connection that could not be accepted, as where no file or thread is to be had.
pub const HEALTH_NOT_ACCEPTED: Duration = Duration::from_secs(5);
/// For how long what may pass of itself is no reason to be red: five tries to connect. Reached: `/healthz` answers 503.
pub const HEALTH_GRACE: Duration = Duration::from_secs(2 * 60);
/// For how long a mailbox's thread may hear nothing: longer than an IDLE ([`IDLE_CYCLE`]) with a slow listing behind it
/// ([`IMAP_SLOW_COMMAND`]), and than the largest event takes by [`HTTP_FLOOR_RATE`]. Reached: `/healthz` answers 503.
pub const HEALTH_SILENCE: Duration = Duration::from_secs(15 * 60);

// ---- config ----

/// Bytes of an unknown word: no key has as many, and the table of distances grows with their square. Reached: no other is
/// suggested, and a message repeats so much of it.
pub const CONFIG_WORD: usize = 64;
/// A configuration file, in bytes: a thousand adapters fit. Reached: refused, so that a wrong path costs no memory.
pub const CONFIGURATION_BYTES: usize = 1 << 20;
/// Sections within sections; the deepest key of the original has 5. Reached: refused.
pub const CONFIGURATION_DEPTH: usize = 32;
/// A file that a `file://` or `credential://` value names. Reached: refused, it is not a password.
pub const SECRET_FILE_BYTES: u64 = 64 << 10;

// ---- http ----

/// Length of a receiver's URL; signed URLs come to some hundred bytes. Reached: the configuration is refused.
pub const URL: usize = 8 * 1024;
/// One line of a response, without its line end. Reached: the response is refused, the connection closed.
pub const HTTP_LINE: usize = 8 * 1024;
/// Status line and header fields of a response, or its trailer, in all. Reached: as [`HTTP_LINE`].
pub const HTTP_HEAD: usize = 64 * 1024;
/// Extensions of all chunks of a response; nobody sends any. Reached: as [`HTTP_LINE`].
pub const HTTP_CHUNK_EXTENSIONS: usize = 64 * 1024;
/// Interim (1xx) responses before the final one. Reached: as [`HTTP_LINE`].
pub const HTTP_INTERIM: usize = 16;
/// Bytes of a response body that are kept: enough for what a receiver says about a batch. Reached: the rest is drained.
pub const HTTP_BODY_KEPT: usize = 64 * 1024;
/// Bytes of a response body that are read at all, to keep the connection. Reached: the response counts, the connection
/// is closed.
pub const HTTP_BODY_READ: u64 = 256 * 1024;
/// What is written to a receiver before looking whether it has already answered.
pub const HTTP_WRITE_PIECE: usize = 64 * 1024;
/// TCP connection to a receiver, over all its addresses. Reached: the attempt fails, backoff.
pub const HTTP_CONNECT: Duration = Duration::from_secs(10);
/// One piece of a request that the receiver does not take. Reached: the attempt fails, backoff.
pub const HTTP_WRITE_STALL: Duration = Duration::from_secs(30);
/// From the end of the request to the first byte of the response. Reached: the attempt fails, backoff.
pub const HTTP_FIRST_BYTE: Duration = Duration::from_secs(60);
/// Silence within a response. Reached: the attempt fails, backoff.
pub const HTTP_READ_STALL: Duration = Duration::from_secs(30);
/// One request with its response, connecting included, and the time that [`HTTP_FLOOR_RATE`] gives its body. Reached: the
/// attempt fails, backoff.
pub const HTTP_TOTAL: Duration = Duration::from_secs(120);
/// Bytes a second that a receiver must take on average. A full batch gets a minute more than [`HTTP_TOTAL`] by it, an
/// event of 10 MiB eleven: over a slow line it would otherwise be sent, and given up, for ever.
pub const HTTP_FLOOR_RATE: u64 = 16 * 1024;
/// After the request could not be written: how long an answer that explains it (413) is waited for. Reached: the write
/// error is reported.
pub const HTTP_EARLY_RESPONSE: Duration = Duration::from_secs(2);
/// Age at which an idle connection is no longer used; most servers close theirs at 60 s or later. Reached: a fresh one.
pub const HTTP_IDLE: Duration = Duration::from_secs(30);
/// Idle connections to one receiver that its mailboxes share. Reached: the oldest is closed.
pub const HTTP_KEPT: usize = 8;
/// The longest `Retry-After` that is honoured. Reached: it is taken for this long.
pub const HTTP_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);
/// Bytes of a response body that an error message quotes. Reached: the quotation ends.
pub const HTTP_EXCERPT: usize = 200;

// ---- sink: webhook, gzip ----

/// What the buffer of a compressed body grows by, at least.
pub const GZIP_STEP: usize = 16 * 1024;

// ---- websocket ----

/// Bytes of a message that go in one frame; longer ones are sent in pieces, so that nothing is in memory twice.
pub const WEBSOCKET_PIECE: usize = 64 * 1024;
/// What a server may say while a message is being written, kept for later. Reached: the rest waits in the kernel.
pub const WEBSOCKET_HEARD: usize = 256 * 1024;
/// From our close to the server's. Reached: the connection ends without it.
pub const WEBSOCKET_CLOSE: Duration = Duration::from_secs(5);

// ---- sink: LimaCharlie's protocol ----

/// From the first message to `rd`. Reached: the connection is given up, backoff.
pub const USP_READY: Duration = Duration::from_secs(25);
/// Between two pings. The cloud's side, and every box in between, forgets a silent connection.
pub const USP_PING: Duration = Duration::from_secs(30);
/// From a ping to its pong. Reached: another connection.
pub const USP_PONG: Duration = Duration::from_secs(60);
/// Without any acknowledgement while messages are in flight. Reached: another connection; they go out again.
pub const USP_ACKNOWLEDGEMENT: Duration = Duration::from_secs(120);
/// Bytes of a mail that goes out as it is, unless `max_message_size` says another number. Reached: its event goes out.
pub const RAW_MAIL: usize = 8 * 1024 * 1024;
/// The longest back-off that the cloud can ask for. Reached: it is taken for this long.
pub const USP_BACK_OFF: Duration = Duration::from_secs(60 * 60);
/// Messages of the cloud's that are heard in a row where nothing is waited for. Reached: the others are heard later.
pub const USP_HEARD_AT_ONCE: u32 = 10_000;
/// Errors and unknown verbs of one connection that go to the log. Reached: that there are more is told, once.
pub const USP_REPORTS: u32 = 20;
/// Bytes of a control message; they have under 100. Reached: the connection is closed.
pub const USP_CONTROL: usize = 64 * 1024;

// ---- oauth ----

/// An access or refresh token, in bytes; Microsoft's have up to 4 KiB. Reached: the answer counts as none, backoff.
pub const OAUTH_TOKEN: usize = 16 * 1024;
/// The longest life of an access token that is believed. Reached: it is renewed after this long.
pub const OAUTH_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end an access token is renewed: a login takes a minute, and clocks differ.
pub const OAUTH_MARGIN: Duration = Duration::from_secs(5 * 60);

// ---- mime ----

/// Open entities, one in another. Reached: the entity is read as a leaf, flag `limit_depth`.
pub const DEPTH: usize = 100;
/// Transfer-encoded multiparts and messages, one in another. Reached: as with [`DEPTH`].
pub const ENCODED_DEPTH: usize = 8;
/// Mails, one in another: what receivers' JSON readers can take, three levels a mail. Reached: as with [`DEPTH`].
pub const MAIL_DEPTH: usize = 20;
/// Bytes of one header block. Reached: the rest of the block is passed over, flag `limit_header`.
pub const HEADER_BLOCK: usize = 256 * 1024;
/// Fields of one header block: with the most that fit in [`HEADER_BLOCK`], what is kept of them would be many times that.
/// Reached: as with [`HEADER_BLOCK`].
pub const HEADER_FIELDS: usize = 20_000;
/// Multiparts whose parts begin in the header block that declares them, one in another: each level reads the rest of the
/// block again. Reached: it is read as a header, flag `limit_depth`.
pub const HEADER_DEPTH: usize = 8;
/// The longest line that can be a boundary line: 70 characters of boundary by RFC 2046, and what hostile mail makes of
/// it. Reached: the line is content; a declared boundary that no such line can have divides nothing.
pub const BOUNDARY_LINE: usize = 4096;
/// The longest boundary that is looked for where it does not belong: RFC 2046 allows no longer one. Reached: it is not; it
/// has the flag `boundary_odd`.
pub const NEAR_MISS: usize = 70;
/// The longest boundary that is guessed when the declared one divides nothing. Reached: it is not guessed.
pub const GUESSED_BOUNDARY: usize = 200;
/// White space at the end of a quoted-printable line that may still be dropped. Reached: what is before it is content.
pub const HELD_WHITE_SPACE: usize = 1000;
/// Base64 characters that the fast path looks at together; about ten lines.
pub const BASE64_STEP: usize = 1024;
/// The longest line that RFC 5322, section 2.1.1 allows, without its line end. Reached: flag `line_over_998`.
pub const LINE: usize = 998;
/// Bytes decoded at a time, so that scratch buffers stay small, and in the processor's nearest cache, whatever the caller
/// feeds.
pub const DECODE_STEP: usize = 4 * 1024;

// ---- event ----

/// Parts of one mail, nested mails included. Reached: further parts are not described, flag `limit_parts`.
pub const PARTS: usize = 1000;
/// Bytes of `body_text` of one part. Reached: `truncated`, flag `limit_body` or, of an attachment, `limit_text`.
pub const BODY_TEXT: usize = 256 * 1024;
/// Bytes of `body_text` of one mail, all parts together, half of them for attachments at the most. Reached: as with
/// [`BODY_TEXT`].
pub const EVENT_TEXT: usize = 1024 * 1024;
/// Bytes of header values of one mail, all parts together. Reached: further fields are left out, flag `limit_header`.
pub const EVENT_HEADERS: usize = 512 * 1024;
/// Bytes of `content` of one mail, all parts together, whatever `max_body_size` says. Reached: `truncated`. Until they end, an
/// S/MIME object, the part in it and the file in that may each be so large.
pub const EVENT_CONTENT: usize = 8 * 1024 * 1024;
/// Characters behind the last dot of a Content-Description that is taken for a file's name. Reached: it is a sentence.
pub const DESCRIBED_EXTENSION: usize = 8;
/// Bytes of `filename` and of `filename_raw`; file systems take 255 characters. Reached: the end is kept, flag
/// `limit_header`.
pub const FILE_NAME: usize = 1024;
/// Recipients of one journal report; Exchange takes 5,000 for a mail unless told otherwise. Reached: further ones are left
/// out, flag `limit_recipients`. Their text is bounded by [`BODY_TEXT`].
pub const JOURNAL_RECIPIENTS: usize = 10_000;
/// Bytes by which the fields that stand for attachments may make a mail longer than their bodies did. Reached: further
/// bodies that are shorter than their field stay.
pub const ELIDED_GROWTH: usize = 64 * 1024;
/// Bytes of a mail in which a stub looks for header fields. Reached: further ones are left out.
pub const STUB_HEADER: usize = 64 * 1024;
/// Entries of `anomalies`. Reached: `limit_anomalies` is the last one.
pub const ANOMALIES: usize = 64;

/// Bytes of a mail's attachments that are kept aside in memory, where they are stored apart. Reached: the rest goes to a
/// file.
pub const SPOOL_MEMORY: usize = 1024 * 1024;

// ---- sink: artifacts ----

/// Bytes of an attachment that are sent at a time; a larger one goes in several requests.
pub const ARTIFACT_PART: usize = 1024 * 1024;
/// Attachments that are remembered as stored. Reached: the oldest is stored again when it comes again.
pub const ARTIFACTS_REMEMBERED: usize = 1024;

// ---- supervisor ----

/// Stack of a mailbox's thread, which only waits; deep work has the system's usual 2 MiB, for as long as it takes. Memory is
/// taken as it is touched, about 22 KiB, but two thousand stacks close together need fewer page tables. Reached: the
/// program is aborted; a connection to a receiver that is made meanwhile takes 40 KiB.
pub const WATCHING_STACK: usize = 256 * 1024;

// ---- mailbox ----

/// Between two lines that tell how much was delivered. A busy mailbox would fill the log otherwise.
pub const PROGRESS: Duration = Duration::from_secs(60);
/// UIDs that one listing asks for while a backlog is read; doubled when there is nothing in them. Bounds the memory of a
/// listing.
pub const LISTED_UIDS: u64 = 50_000;
/// Bytes of events that are delivered together: with an ordinary event more, still under the 1 MiB that nginx takes by
/// default. Reached: the batch goes out.
pub const BATCH_BYTES: usize = 960 * 1024;
/// Events that are delivered together. Reached: the batch goes out.
pub const BATCH_EVENTS: usize = 500;
/// How long an event that is whole waits for others, if mail comes slowly. Reached: the batch goes out.
pub const BATCH_AGE: Duration = Duration::from_millis(500);
/// Bytes of events that are gathered for a receiver that acknowledges event by event: small ones leave together.
pub const SEND_AHEAD: usize = WEBSOCKET_PIECE;
/// The same for a webhook with no request on its way; while there is one, its size is bounded by [`BATCH_BYTES`] alone.
pub const POST_AHEAD: usize = 256 * 1024;
/// Events that are acknowledged and the checkpoint does not know, as to write it costs two fsyncs: with those in flight they
/// are repeated after a crash. Reached, or nothing else to do: it is written.
pub const UNREMEMBERED: usize = 2_000;
/// How long, see [`UNREMEMBERED`].
pub const UNREMEMBERED_FOR: Duration = Duration::from_millis(100);
/// One IDLE (RFC 2177 allows 29 min; home routers forget connections sooner). Reached: the mailbox is looked at.
pub const IDLE_CYCLE: Duration = Duration::from_secs(9 * 60);
/// The shortest IDLE, where connections die in longer ones: a hundred commands an hour are no burden.
pub const IDLE_LEAST: Duration = Duration::from_secs(2 * 60);
/// IDLEs in a row that hold, until a longer one is tried again.
pub const IDLE_HELD: u32 = 20;
/// Between two looks at a receiver's connection while there is no mail: as often as LimaCharlie is pinged.
pub const TEND: Duration = USP_PING;
/// After news that brought no mail: EXPUNGE comes in thousands, and some servers announce what is not there.
pub const IDLE_NEWS: Duration = Duration::from_secs(1);
/// The longest throttle hint of a server that is honoured. Reached: it is taken for this long.
pub const THROTTLE: Duration = Duration::from_secs(15 * 60);
/// Sessions that ask for a mail that the server refuses. Reached: the mail is reported as a gap and passed over, if the
/// server gives another one in the same session.
pub const REFUSALS: u32 = 3;
/// Times that the receiver is asked to take an event that it refuses by itself (400, 413, 415, 422). Reached: the event goes
/// to the dead-letter file.
pub const REFUSED_EVENT: u32 = 3;
/// Times that a mail is fetched whose attachments cannot be kept aside, as on a disk that is too small. Reached: its event goes
/// out without them, and nothing is done with the mail on the server.
pub const SPOOL_ATTEMPTS: u32 = 10;
/// Times that the program ends, killed or by a panic, while it reads the same mail. Reached: a stub of it is delivered
/// (`limit_attempts`); where the program ends at that, too, the dead-letter file has a line about it.
pub const ATTEMPTS: u32 = 3;
/// UIDs that are recorded together before one of their mails is read, while nothing is known against it: one write serves as many
/// mails, and after the program has ended among them as many come alone.
pub const AMONG: u32 = 64;
/// Mails whose attempts are remembered, each of which ended the program. Reached: those that are there are asked for before all
/// others, until one is dealt with; for a new one the oldest is forgotten.
pub const SUSPECTS: usize = 1000;
/// Sessions that end at the same mail. Reached: it is asked for after all others, alone.
pub const STUMBLES: u32 = 3;
/// The same, with the sessions that ended at it alone, behind another mail. Reached: the mail is reported as a gap and passed
/// over, if the server gives another one in the same session.
pub const STUMBLES_MOST: u32 = 6;
/// After a session that ended at a mail that was asked for alone: what is wrong with it may pass.
pub const STUMBLE_PAUSE: Duration = Duration::from_secs(60);
/// Mails that the checkpoint knows by size, date and hash. More recognise a renumbered mailbox no better; fewer repeat more
/// of the mails of the last hour.
pub const RECENT_MAILS: usize = 64;
/// After a change of UIDVALIDITY: how much earlier than the last mail delivered others are looked at. A large mail may get
/// its INTERNALDATE long before its UID.
pub const RESCAN_MARGIN: Duration = Duration::from_secs(60 * 60);
/// Ranges of UIDs above the position that the checkpoint knows to be done. Reached: the shortest are forgotten, and their
/// mails delivered again after a restart.
pub const DONE_RANGES: usize = 16;
/// UIDs that are listed once more with what is new: a mail may become visible after one with a higher UID.
pub const LOOK_BACK: usize = 32;
/// UIDs between the position and the end of the mailbox from which on new mail goes before old.
pub const LONG_BACKLOG: u64 = 1000;
/// In a long backlog: how often new mail is looked for, whatever the server announces.
pub const LIVE_LOOK: Duration = Duration::from_secs(10);
/// In a long backlog: how soon after the last look an announced mail is fetched; each time the line runs empty.
pub const LIVE_NEWS: Duration = Duration::from_secs(2);
/// Mails refused one after another, and none given, until a session is ended: the server has lost its storage.
pub const REFUSED_IN_A_ROW: usize = 16;
/// After the last mail, how long a session must hold to count as a good one.
pub const PROVEN: Duration = Duration::from_secs(60);
/// `--once`: how often something is tried in a row, with nothing delivered in between: servers restart, and somebody waits for
/// the end. Then the run ends, and the next one goes on.
pub const ONCE_ATTEMPTS: u32 = 5;
/// `check`: mails, and bytes of mail, that are fetched to measure how fast the server gives them. More would be a better guess
/// and a longer wait.
pub const SAMPLE_MAILS: usize = 200;
/// See [`SAMPLE_MAILS`].
pub const SAMPLE_BYTES: u64 = 4 * 1024 * 1024;
/// `check`: names of mailboxes that are not watched. Reached: the others are counted.
pub const UNWATCHED_NAMES: usize = 20;
/// What Gmail gives of an account by IMAP in a day, in bytes.
pub const GMAIL_DAY: u64 = 2_500_000_000;
/// `cloud`: how often the cloud is asked whether the configuration has changed.
pub const CLOUD_LOOK: Duration = Duration::from_secs(60);
/// Until a section of a changed configuration that could not begin is tried again.
pub const SECTION_AGAIN: Duration = Duration::from_secs(60);
/// How long acknowledgements are awaited after a request to stop, unless `shutdown_timeout` says otherwise. Reached: the program ends; what was not acknowledged
/// is delivered again at the next start.
pub const SHUTDOWN: Duration = Duration::from_secs(30);
