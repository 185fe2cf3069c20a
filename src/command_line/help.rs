//! What `--help` prints.

/// `mailtap --help`.
pub(super) const MAILTAP: &str = "\
mailtap watches IMAP mailboxes and delivers every mail as a JSON event.

  mailtap imap CONFIG         watch the mailboxes of a configuration file
  mailtap imap key=value …    watch one mailbox, configured by arguments
  mailtap check CONFIG        try everything that a start needs, send nothing
  mailtap state CONFIG        tell how far each mailbox is delivered
  mailtap parse PATH …        turn mail files into events on standard output
  mailtap replay CONFIG FILE  send a dead-letter file's events again
  mailtap help COMMAND        tell more about a command
  mailtap --version

Exit codes: 0 fine, 1 failed while running, 2 wrong arguments or configuration, 3 (imap --once) something went to the
dead-letter file.
";

/// `mailtap imap --help`.
pub(super) const IMAP: &str = "\
mailtap imap [--once] [--dry-run] CONFIG | key=value …

Watches mailboxes until it is asked to stop (SIGTERM, SIGINT). CONFIG is a YAML or JSON file as LimaCharlie's imap
adapter takes it; several documents, separated by ---, watch several mailboxes:

  imap:
    server: imap.example.com            # host, host:port or [address]:port; TLS on port 993
    username: journal@example.com
    password: credential://imap         # or env://NAME, file:///path, or the password itself
    client_options:
      identity:
        oid: 00000000-0000-0000-0000-000000000000
        installation_key: credential://limacharlie
      platform: email                   # mail as it is, parsed by LimaCharlie; json sends mailtap's events

To a webhook, or standard output:

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
  max_message_size     platform email: a larger mail goes out as an event; default 8388608
  unwrap_journal       the mail inside a journal report comes on top of the event; default true
  auth                 the only login tried: scram-sha-256-plus, scram-sha-256, plain, login, oauthbearer, xoauth2
  oauth.provider       google or microsoft: access tokens instead of a password; README tells the other keys
  ca_file              certificate authorities to trust beside the public ones, PEM
  state_dir            where checkpoints and dead letters live; default $STATE_DIRECTORY, else ~/.local/state/mailtap
  is_insecure          clear text instead of TLS, port 143; allows an http:// receiver
  client_options.hostname    host name in the events; default this machine's

The same as arguments, without imap: in front:

  mailtap imap server=imap.example.com username=journal@example.com password=env://IMAP_PASSWORD \\
    client_options.dest_url=stdout:

  --once               catch up with every mailbox, then end; what fails is tried five times in a row, a wrong setting
                       once. Exit codes: 0 all that was there is delivered, 1 not all of it (the next run goes on),
                       3 all dealt with, but some of it went to a dead-letter file
  --dry-run            the events go to standard output, as mailtap makes them; nothing is sent, nothing is stored, no
                       file of state_dir is written, and a running mailtap may go on. Mail is fetched as always

  mailtap imap --once CONFIG.yaml
  mailtap imap --once --dry-run CONFIG.yaml | jq .event.headers.subject
";

/// `mailtap check --help`.
pub(super) const CHECK: &str = "\
mailtap check [--json] CONFIG | key=value …

Tries everything that a start needs: the state directory, the token endpoint, the proxy, the IMAP server, the login,
every mailbox, the receiver. One line each: what works, or what does not and which setting to change. Of every
mailbox it tells how many mails it has, what of it a start would fetch, and how long that would take by the rate at
which the server gives a few mails. No event is sent, no checkpoint moves, nothing is changed on the server; a running
mailtap may go on. What only a delivery can show is said to be not tried.

  --json               one object a line for each step; works is true, false, or null for what was not tried

Exit codes: 0 all that was tried works, 1 something does not, 2 wrong arguments or configuration.

  mailtap check CONFIG.yaml
  mailtap check --json CONFIG.yaml | jq 'select(.works == false)'
";

/// `mailtap state --help`.
pub(super) const STATE: &str = "\
mailtap state [--json] CONFIG | key=value …

Tells of each mailbox how far it is delivered, by what is in state_dir: up to which UID under which UIDVALIDITY, the
mail delivered last, when the checkpoint moved last, how much is left of a backlog under way, and how many lines its
dead-letter file has. Nobody is contacted and nothing is written; a running mailtap may go on. Mailboxes that the
server lists (patterns, uses) are those that were started before.

  --json               one object a line for each mailbox; what is not known is null

Exit codes: 0 fine, 1 a file of state_dir cannot be read, 2 wrong arguments or configuration.

  mailtap state CONFIG.yaml
  mailtap state --json CONFIG.yaml | jq 'select(.dead_letters > 0)'
";

/// `mailtap parse --help`.
pub(super) const PARSE: &str = "\
mailtap parse [--pretty] [--anomalies] [--extract DIR] PATH …

Prints one JSON event a line for every mail, in the order given. A PATH is a file with one mail, a Maildir, an mbox
file, or - for standard input; routing.source names it. A file that cannot be read is told on standard error, the
others go on, and the exit code is 1.

  --pretty             indent the JSON
  --anomalies          instead of events one line for each flag, its fields separated by tabs:
                       file, part (empty for the mail's own header), offset, severity, flag, count
  --extract DIR        also write every decoded part, those of mails inside the mail too, into DIR (created), named by
                       its SHA-256 and never by the mail; parts that are there already stay as they are

  mailtap parse mail.eml
  mailtap parse ~/Maildir archive.mbox | jq -r '.event.headers.subject[0]'
  curl -s https://lists.example.org/2024-05.mbox | mailtap parse -
  mailtap parse --anomalies --extract parts suspicious.eml
";

/// `mailtap replay --help`.
pub(super) const REPLAY: &str = "\
mailtap replay CONFIG FILE

Sends the events of a dead-letter file (state_dir/….dead-letter.ndjson) to the receiver that CONFIG names: a webhook,
standard output, or LimaCharlie by its own protocol. Where CONFIG has several sections, each line goes to the receiver
of its account and mailbox. A receiver that is away is tried five times.

FILE is only read; a running mailtap may go on. Lines without an event (mails that the IMAP server refused), torn by a
crash, or refused again are told on standard error, by their number.

Exit codes: 0 every line's event was acknowledged, 1 some were not, 2 wrong arguments or configuration.

  mv state/….dead-letter.ndjson refused.ndjson
  mailtap replay CONFIG.yaml refused.ndjson && rm refused.ndjson
";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::IMAP;
    use crate::config;

    /// The lines of the help between `first` and the next empty one.
    fn lines_from(first: &str) -> Vec<&'static str> {
        let lines: Vec<_> = IMAP.lines().skip_while(|line| !line.starts_with(first)).collect();
        lines.into_iter().take_while(|line| !line.is_empty()).collect()
    }

    #[test]
    fn the_file_and_the_arguments_in_the_help_are_accepted() {
        let folder = std::env::temp_dir().join(format!("mailtap-help-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for credential in ["imap", "limacharlie", "hook"] {
            fs::write(folder.join(credential), "secret\n").unwrap();
        }
        let whole = lines_from("  imap:").join("\n");
        let (server, _) = whole.split_once("    client_options:").unwrap();
        let (_, webhook) = IMAP.split_once("To a webhook, or standard output:\n\n").unwrap();
        let options: Vec<_> = webhook.lines().take_while(|line| !line.is_empty()).collect();
        let webhook = format!("{server}{}", options.join("\n"));
        fs::write(
            folder.join("config.yaml"),
            format!("{whole}\n---\n{}", webhook.replace("imap.example.com", "b")),
        )
        .unwrap();
        let environment = |name: &str| match name {
            "CREDENTIALS_DIRECTORY" => Some(folder.display().to_string()),
            "HOME" => Some("/home/mailtap".to_owned()),
            "IMAP_PASSWORD" => Some("secret".to_owned()),
            _ => None,
        };
        let from_file = config::from_file(&folder.join("config.yaml"), &environment).unwrap();
        assert_eq!((from_file.adapters.len(), from_file.notices.len()), (2, 0));

        let arguments = lines_from("  mailtap imap").join(" ").replace('\\', " ");
        let arguments = arguments.split_whitespace().skip(2);
        let from_arguments = config::from_arguments(arguments, &environment).unwrap();
        assert_eq!(from_arguments.adapters[0].imap, from_file.adapters[0].imap);
        let receivers = from_file.adapters.iter().map(|adapter| &adapter.receiver);
        let receivers: Vec<_> = receivers.collect();
        assert!(matches!(
            receivers[..],
            [config::Receiver::LimaCharlie(_), config::Receiver::Webhook(_)]
        ));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn every_key_in_the_help_exists() {
        let keys = lines_from("More under imap:").into_iter().skip(1);
        let keys: Vec<_> = keys.map(|line| line.split_whitespace().next().unwrap()).collect();
        assert!(keys.len() >= 8);
        for key in keys {
            let error = config::from_arguments([format!("{key}=").as_str()], &|_| None).unwrap_err();
            assert_eq!(error.to_string(), "server: missing", "{key}");
        }
    }
}
