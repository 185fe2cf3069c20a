//! Every command: the one source of the help, the man page and the shells' completions.

use std::ffi::OsString;

use super::{Failure, check, cloud, completions, help, imap, man, parse, replay, state};

/// One command.
pub(super) struct Command {
    /// As it is typed.
    pub name: &'static str,
    /// What stands behind the name and the flags.
    pub operands: &'static str,
    /// What a shell offers for them.
    pub offers: Offers,
    /// One line.
    pub summary: &'static str,
    /// Paragraphs of lines; one that begins with two spaces stays as it is written.
    pub description: &'static str,
    /// Besides `--help`.
    pub flags: &'static [Flag],
    /// What the exit codes mean.
    pub exit_codes: &'static str,
    /// To be typed as they are.
    pub examples: &'static [&'static str],
    /// Does it, with what stands behind the name.
    pub run: fn(&[OsString]) -> Result<(), Failure>,
}

/// One flag of a command.
pub(super) struct Flag {
    /// With its dashes.
    pub name: &'static str,
    /// What stands behind it: a folder's name.
    pub value: Option<&'static str>,
    /// What it does.
    pub meaning: &'static str,
}

/// What a shell offers for the operands of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offers {
    /// Names of files and folders.
    Files,
    /// The same, and the keys of a configuration.
    FilesAndKeys,
    /// These words.
    Words(&'static [&'static str]),
}

/// The shells that there are completions for.
pub(super) const SHELLS: &[&str] = &["bash", "zsh", "fish"];

/// What the program says first.
pub(super) const INTRODUCTION: &str = "watches IMAP mailboxes and delivers every mail as a JSON event";

/// What the exit codes mean, whatever the command.
pub(super) const EXIT_CODES: &str = "0 fine, 1 failed while running, 2 wrong arguments or configuration, 3 (imap --once) \
something went to the dead-letter file, 128 and its number ended at once by a second signal.";

/// What every command takes.
pub(super) const COMMON_FLAGS: &str = "Every command takes --log-format, which is text (the default) or json, and --log-level, which \
is error, warn, info (the default) or debug: for what goes to standard error.";

/// The command of this name.
pub(super) fn named(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

impl Command {
    /// Its flags, with those that all have: for what is misspelt.
    pub fn flag_names(&self) -> Vec<&'static str> {
        let own = self.flags.iter().map(|flag| flag.name);
        let common = ["--help", "--log-format", "--log-level"];
        common.into_iter().chain(own).collect()
    }

    /// `mailtap imap [--once] CONFIG`.
    pub fn synopsis(&self) -> String {
        let flags = self.flags.iter().map(|flag| match flag.value {
            None => format!(" [{}]", flag.name),
            Some(value) => format!(" [{} {value}]", flag.name),
        });
        format!("mailtap {}{} {}", self.name, flags.collect::<String>(), self.operands)
    }
}

/// All of them, as they are told.
pub(super) static COMMANDS: &[Command] = &[
    Command {
        name: "imap",
        operands: "CONFIG | key=value …",
        offers: Offers::FilesAndKeys,
        summary: "watch mailboxes and deliver what comes",
        description: IMAP,
        flags: &[
            Flag {
                name: "--once",
                value: None,
                meaning: "catch up with every mailbox, then end; what fails is tried five times in a row, a wrong setting once",
            },
            Flag {
                name: "--dry-run",
                value: None,
                meaning: "the events go to standard output, as mailtap makes them; nothing is sent, nothing is stored, no file \
                          of state_dir is written, and a running mailtap may go on. Mail is fetched as always",
            },
        ],
        exit_codes: "0 ended by SIGTERM or SIGINT, 1 could not begin, 2 wrong arguments or configuration, 130 or 143 ended \
                     at once by a second signal. With --once: 0 all that was there is delivered, 1 not all of it, also \
                     where a signal ended it (the next run goes on), 3 all is dealt with, but some of it went to a \
                     dead-letter file.",
        examples: &[
            "mailtap imap CONFIG.yaml",
            "mailtap imap --once CONFIG.yaml",
            "mailtap imap --once --dry-run CONFIG.yaml | jq .event.headers.subject",
        ],
        run: imap::run,
    },
    Command {
        name: "check",
        operands: "CONFIG | key=value …",
        offers: Offers::FilesAndKeys,
        summary: "try everything that a start needs, send nothing",
        description: "\
Tries everything that a start needs: the state directory, the token endpoint, the proxy, the IMAP server, the login,
every mailbox, the receiver. One line each: what works, or what does not and which setting to change. Of every
mailbox it tells how many mails it has, what of it a start would fetch, and how long that would take by the rate at
which the server gives a few mails. No event is sent, no checkpoint moves, nothing is changed on the server; a running
mailtap may go on. What only a delivery can show is said to be not tried.
",
        flags: &[Flag {
            name: "--json",
            value: None,
            meaning: "one object a line for each step; works is true, false, or null for what was not tried",
        }],
        exit_codes: "0 all that was tried works, 1 something does not, 2 wrong arguments or configuration.",
        examples: &[
            "mailtap check CONFIG.yaml",
            "mailtap check --json CONFIG.yaml | jq 'select(.works == false)'",
        ],
        run: check::run,
    },
    Command {
        name: "state",
        operands: "CONFIG | key=value …",
        offers: Offers::FilesAndKeys,
        summary: "tell how far each mailbox is delivered",
        description: "\
Tells of each mailbox how far it is delivered, by what is in state_dir: up to which UID under which UIDVALIDITY, the
mail delivered last, when the checkpoint moved last, how much is left of a backlog under way, and how many lines its
dead-letter file has. Nobody is contacted and nothing is written; a running mailtap may go on. Mailboxes that the
server lists (patterns, uses) are those that were started before.
",
        flags: &[Flag {
            name: "--json",
            value: None,
            meaning: "one object a line for each mailbox; what is not known is null",
        }],
        exit_codes: "0 fine, 1 a file of state_dir cannot be read, 2 wrong arguments or configuration.",
        examples: &[
            "mailtap state CONFIG.yaml",
            "mailtap state --json CONFIG.yaml | jq 'select(.dead_letters > 0)'",
        ],
        run: state::run,
    },
    Command {
        name: "parse",
        operands: "PATH …",
        offers: Offers::Files,
        summary: "turn mail files into events on standard output",
        description: "\
Prints one JSON event a line for every mail, in the order given. A PATH is a file with one mail, a Maildir, an mbox
file, or - for standard input; routing.source names it. A file that cannot be read is told on standard error, and the
others go on.
",
        flags: &[
            Flag {
                name: "--pretty",
                value: None,
                meaning: "indent the JSON",
            },
            Flag {
                name: "--anomalies",
                value: None,
                meaning: "instead of events one line for each flag, its fields separated by tabs: file, part (empty for the \
                          mail's own header), offset, severity, flag, count",
            },
            Flag {
                name: "--extract",
                value: Some("DIR"),
                meaning: "also write every decoded part, those of mails inside the mail too, into DIR (created), named by \
                          its SHA-256 and never by the mail; parts that are there already stay as they are",
            },
        ],
        exit_codes: "0 fine, 1 a file could not be read, or nothing be written, 2 wrong arguments.",
        examples: &[
            "mailtap parse mail.eml",
            "mailtap parse ~/Maildir archive.mbox | jq -r '.event.headers.subject[0]'",
            "curl -s https://lists.example.org/2024-05.mbox | mailtap parse -",
            "mailtap parse --anomalies --extract parts suspicious.eml",
        ],
        run: parse::run,
    },
    Command {
        name: "replay",
        operands: "CONFIG FILE",
        offers: Offers::Files,
        summary: "send a dead-letter file's events again",
        description: "\
Sends the events of a dead-letter file (state_dir/….dead-letter.ndjson) to the receiver that CONFIG names: a webhook,
standard output, or LimaCharlie by its own protocol. Where CONFIG has several sections, each line goes to the receiver
of its account and mailbox. A receiver that is away is tried five times.

FILE is only read; a running mailtap may go on. Lines without an event (mails that the IMAP server refused), torn by a
crash, or refused again are told on standard error, by their number.
",
        flags: &[],
        exit_codes: "0 every line's event was acknowledged, 1 some were not, 2 wrong arguments or configuration.",
        examples: &[
            "mv state/….dead-letter.ndjson refused.ndjson",
            "mailtap replay CONFIG.yaml refused.ndjson && rm refused.ndjson",
        ],
        run: replay::run,
    },
    Command {
        name: "cloud",
        operands: "conf_guid=… oid=…",
        offers: Offers::Words(&[
            "conf_guid=",
            "oid=",
            "url=",
            "ca_file=",
            "healthcheck=",
            "proxy.url=",
            "proxy.username=",
            "proxy.password=",
            "proxy.connect_timeout=",
            "proxy.handshake_timeout=",
            "proxy.read_write_timeout=",
            "state_dir=",
            "show_config=",
        ]),
        summary: "run a configuration that is managed in the cloud",
        description: "\
Fetches the configuration of an external adapter from LimaCharlie, runs it, and asks every minute whether it has
changed (SIGHUP asks at once, and reads again what it refers to). Only what changed is restarted, section by section;
one that is disabled is not run.
While the cloud is away, or has a configuration that cannot be run, the last good one goes on, after a restart too:
it is kept in state_dir, readable by its owner only.

  conf_guid            which configuration; a secret: env://NAME, file:///path and credential://NAME keep it out of ps
  oid                  the organisation
  url                  default https://api.limacharlie.io
  ca_file              certificate authorities to trust beside the public ones, for the cloud
  healthcheck          port for /healthz and /metrics, on loopback; or an address with one. That of the configuration has no effect
  proxy.url, …         proxy to the cloud, with the keys that the configuration's proxies have
  state_dir            last good configuration; $STATE_DIRECTORY, $XDG_STATE_HOME/mailtap or ~/.local/state/mailtap
  show_config          taken from LimaCharlie's adapter, without effect
",
        flags: &[],
        exit_codes: "0 ended by SIGTERM or SIGINT, 1 could not begin, 2 wrong arguments, 130 or 143 ended at once by a \
                     second signal.",
        examples: &["mailtap cloud conf_guid=credential://guid oid=00000000-0000-0000-0000-000000000000"],
        run: cloud::run,
    },
    Command {
        name: "completions",
        operands: "SHELL",
        offers: Offers::Words(SHELLS),
        summary: "print what bash, zsh or fish completes by",
        description: "\
Prints a script by which SHELL (bash, zsh or fish) completes mailtap's commands, flags, and the keys of arguments.
",
        flags: &[],
        exit_codes: "0 fine, 1 nothing could be written, 2 no such shell.",
        examples: &[
            "mailtap completions bash > ~/.local/share/bash-completion/completions/mailtap",
            "mailtap completions zsh > ~/.zfunc/_mailtap    # with fpath+=~/.zfunc before compinit",
            "mailtap completions fish > ~/.config/fish/completions/mailtap.fish",
        ],
        run: completions::run,
    },
    Command {
        name: "man",
        operands: "",
        offers: Offers::Words(&[]),
        summary: "print the man page",
        description: "\
Prints the man page, with all that the help tells.
",
        flags: &[],
        exit_codes: "0 fine, 1 nothing could be written, 2 wrong arguments.",
        examples: &[
            "mailtap man | man -l -",
            "mailtap man > ~/.local/share/man/man1/mailtap.1",
        ],
        run: man::run,
    },
    Command {
        name: "help",
        operands: "[COMMAND]",
        offers: Offers::Words(&[
            "imap",
            "check",
            "state",
            "parse",
            "replay",
            "cloud",
            "completions",
            "man",
        ]),
        summary: "tell more about a command",
        description: "\
Tells what a command does, with its flags and examples; without COMMAND, which there are.
",
        flags: &[],
        exit_codes: "0 fine, 1 nothing could be written, 2 no such command.",
        examples: &["mailtap help imap", "mailtap imap --help"],
        run: help::run,
    },
];

const IMAP: &str = "\
Watches mailboxes until it is asked to stop (SIGTERM, SIGINT). At SIGHUP it reads the configuration again, with the
files that it refers to, and restarts the sections in which something changed. CONFIG is a YAML or JSON file as
LimaCharlie's imap adapter takes it; several documents, separated by ---, watch several mailboxes:

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
  after_delivery       what is done on the server with a delivered mail: keep, seen, flag:NAME, move:MAILBOX, delete
  include_attachments  attachments travel in the event, as base64
  max_body_size        largest attachment included, in bytes; default 0, no limit
  max_message_size     platform email: a larger mail goes out as an event; default 8388608
  unwrap_journal       the mail inside a journal report comes on top of the event; default true
  auth                 the only login tried: scram-sha-256-plus, scram-sha-256, plain, login, oauthbearer, xoauth2
  oauth.provider       google or microsoft: access tokens instead of a password; README tells the other keys
  ca_file              certificate authorities to trust beside the public ones, PEM
  state_dir            checkpoints, dead letters; $STATE_DIRECTORY, $XDG_STATE_HOME/mailtap or ~/.local/state/mailtap
  shutdown_timeout     how long acknowledgements are awaited when it is stopped; default 30s
  healthcheck          port for /healthz and /metrics, on loopback; or an address with one, as 0.0.0.0:8080
  is_insecure          clear text instead of TLS, port 143; allows an http:// receiver
  client_options.hostname    host name in the events; default this machine's

The same as arguments, without imap: in front:

  mailtap imap server=imap.example.com username=journal@example.com password=env://IMAP_PASSWORD \\
    client_options.dest_url=stdout:
";

#[cfg(test)]
mod tests {
    use super::{COMMANDS, Offers, named};

    #[test]
    fn help_offers_every_other_command() {
        let others: Vec<&str> = COMMANDS
            .iter()
            .map(|command| command.name)
            .filter(|name| *name != "help")
            .collect();
        let Offers::Words(offered) = named("help").unwrap().offers else {
            panic!("words")
        };
        assert_eq!(offered, others);
        assert!(named("hepl").is_none());
    }
}
