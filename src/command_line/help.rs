//! What `--help` prints.

/// `mailtap --help`.
pub(super) const MAILTAP: &str = "\
mailtap watches IMAP mailboxes and delivers every mail as a JSON event.

  mailtap imap CONFIG         watch the mailboxes of a configuration file
  mailtap imap key=value …    watch one mailbox, configured by arguments
  mailtap parse PATH …        turn mail files into events on standard output
  mailtap help COMMAND        tell more about a command
  mailtap --version

Exit codes: 0 fine, 1 failed while running, 2 wrong arguments or configuration.
";

/// `mailtap imap --help`.
pub(super) const IMAP: &str = "\
mailtap imap CONFIG | key=value …

Watches mailboxes until it is asked to stop (SIGTERM, SIGINT). CONFIG is a YAML or JSON file as LimaCharlie's imap
adapter takes it; several documents, separated by ---, watch several mailboxes:

  imap:
    server: imap.example.com            # host, host:port or [address]:port; TLS on port 993
    username: journal@example.com
    password: credential://imap         # or env://NAME, file:///path, or the password itself
    client_options:
      identity:
        oid: 00000000-0000-0000-0000-000000000000
      dest_url: https://receiver.example.com/hook     # or stdout:
      lc_secret: credential://hook                    # sent as the header lc-secret

More under imap:
  inbox_name           mailbox, default INBOX
  from_zero            deliver what is already there on the first start; default: from now on
  include_attachments  attachments travel in the event, as base64
  max_body_size        largest attachment included, in bytes; default 0, no limit
  ca_file              certificate authorities to trust beside the public ones, PEM
  state_dir            where the checkpoint lives; default $STATE_DIRECTORY, else ~/.local/state/mailtap
  is_insecure          clear text instead of TLS, port 143
  client_options.hostname    host name in the events; default this machine's

The same as arguments, without imap: in front:

  mailtap imap server=imap.example.com username=journal@example.com password=env://IMAP_PASSWORD \\
    client_options.dest_url=stdout:
";

/// `mailtap parse --help`.
pub(super) const PARSE: &str = "\
mailtap parse PATH …

Prints one JSON event a line for every mail, in the order given. A PATH is a file with one mail, a Maildir, an mbox
file, or - for standard input; routing.source names it. A file that cannot be read is told on standard error, the
others go on, and the exit code is 1.

  mailtap parse mail.eml
  mailtap parse ~/Maildir archive.mbox | jq -r '.event.headers.subject[0]'
  curl -s https://lists.example.org/2024-05.mbox | mailtap parse -
";
